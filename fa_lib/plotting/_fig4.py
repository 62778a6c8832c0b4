"""Data panels of Figure 4: readout, dimensionality, rank and generalisation.

Every function takes the table of `fa_lib.run("fig4", ...)` and draws on the axes it is given. The
panels of one figure share their lines, so the legend is left to the caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from fa_lib.claims import mean_interval
from fa_lib.plotting._fig1 import noise_step_axis
from fa_lib.plotting._style import (
    ARMS,
    COLORS,
    arm_look,
    arms_in,
    log_axis,
    mean_and_band,
    plot_arms,
)

__all__ = [
    "plot_against_loss",
    "plot_by_size",
    "plot_effect_map",
    "plot_measures_of_rank",
    "plot_size_differences",
    "plot_spectra",
    "plot_through_noise",
]

DASHES = ("-", "--", ":")
SPECTRA = {  # label, colour, dashes
    "start": ("start", "null", "-"),
    "noise": ("after noise", "FAN", ":"),
    "FA": ("FA, after data", "FA", "-"),
    "FAN": ("FA with noise, after data", "FAN", "-"),
    "BP": ("BP, after data", "BP", "-"),
}


def plot_through_noise(
    ax: Axes, table: pd.DataFrame, metric: str, *, relative: bool = False
) -> None:
    """A metric through noise training: FA at each width, and the controls at the first.

    Arguments:
        metric: of the panel "noise".
        relative: in per cent of each network's value before noise training.
    """
    rows = table[(table["panel"] == "noise") & (table["metric"] == metric)]
    rows = _in_percent(rows) if relative else rows
    widths = list(dict.fromkeys(rows.loc[rows["arm"] == "FAN", "width"]))
    for width, dashes in zip(widths, DASHES, strict=False):
        by_fa = rows[(rows["arm"] == "FAN") & (rows["width"] == width)]
        label = f"FA on noise, width {width}"
        mean_and_band(ax, by_fa, label=label, color=COLORS["FAN"], ls=dashes)
    for arm, label in (("BPN", "BP on noise"), ("U", "FA on noise, target 1/C")):
        control = rows[rows["arm"] == arm]
        if not control.empty:
            label = f"{label}, width {widths[0]}"
            mean_and_band(ax, control, label=label, opacity=0.1, **arm_look(arm))
    if relative:
        ax.axhline(100, color=COLORS["ink"], lw=0.8, ls=(0, (4, 2)))
    noise_step_axis(ax, rows["step"].max())


def plot_measures_of_rank(ax: Axes, table: pd.DataFrame) -> None:
    """Three ways to count the directions of W1 through noise training, at the first width.

    In per cent of each network's value before noise training; the legend gives that value's mean.
    """
    for metric, name, dashes in (
        ("entropy_rank_w1", "entropy rank", "--"),
        ("dimensionality_w1", "participation ratio", "-"),
        ("stable_rank_w1", "stable rank", ":"),
    ):
        rows = table[(table["panel"] == "noise") & (table["metric"] == metric)]
        rows = rows[rows["arm"] == "FAN"]
        rows = rows[rows["width"] == rows["width"].iloc[0]]
        start = rows.loc[rows["step"] == 0, "value"].mean()
        label = f"{name}, {start:.0f} at the start"
        rows = _in_percent(rows)
        mean_and_band(ax, rows, label=label, color=COLORS["FAN"], ls=dashes)
    ax.axhline(100, color=COLORS["ink"], lw=0.8, ls=(0, (4, 2)))
    noise_step_axis(ax, rows["step"].max())


def plot_spectra(
    ax: Axes,
    table: pd.DataFrame,
    names: Sequence[str],
    *,
    relative: bool = False,
    classes: int = 10,
) -> None:
    """Singular values of W1, largest first; a dotted line ends the first classes - 1.

    Arguments:
        names: among "start", "noise", "FA", "FAN" and "BP"; those that the table lacks are left
            out.
        relative: in per cent of the singular value with that rank at the start.
    """
    rows = table[table["panel"] == "spectrum"]
    if relative:
        at_rank = rows.set_index(["seed", "step"])["value"]
        start = at_rank[(rows["arm"] == "start").to_numpy()]
        rows = rows.assign(value=100 * (at_rank / start.reindex(at_rank.index)).to_numpy())
    for name in names:
        label, color, dashes = SPECTRA[name]
        of_name = rows[rows["arm"] == name]
        if not of_name.empty:
            mean_and_band(ax, of_name, label=label, color=COLORS[color], ls=dashes, lw=1.4)
    ax.axvline(classes - 0.5, color=COLORS["ink"], lw=0.8, ls=":")
    log_axis(ax, "x")
    ax.set_xlim(0.9, rows["step"].max())
    ax.set_xlabel("rank of the singular value")


def plot_against_loss(
    ax: Axes, table: pd.DataFrame, metric: str, *, setting: str, n: int
) -> dict[str, Line2D]:
    """A metric through data training against the training loss, which falls to the right.

    Arms are compared at equal training loss by reading along a vertical line. Each network's
    values are interpolated in the logarithm of its loss, over the losses that all seeds passed.

    Arguments:
        metric: of the panel "data"; only the arms for which it is recorded are drawn.
        n: images trained on.

    Returns:
        The lines by arm, as of `plot_arms`.
    """
    rows = table[(table["panel"] == "data") & (table["setting"] == setting) & (table["n"] == n)]
    lines = plot_arms(ax, _over_loss(rows, metric), x="loss")
    log_axis(ax, "x")
    ax.invert_xaxis()
    ax.set_xlabel("training loss (nats)")
    return lines


def plot_by_size(ax: Axes, values: pd.DataFrame) -> None:
    """Mean and 95 % interval against the number of training images, a line for each arm.

    Arguments:
        values: columns arm, n, seed, value.
    """
    arms = arms_in(values)
    for place, arm in enumerate(arms):
        look = arm_look(arm)
        rows = values[values["arm"] == arm]
        _means_by_size(
            ax, rows, place - (len(arms) - 1) / 2, ARMS[arm].title, ARMS[arm].marker, look
        )
    _size_axis(ax, values)


def plot_size_differences(ax: Axes, differences: pd.DataFrame, *, smallest_effect: float) -> None:
    """D of FA with noise against other arms over the number of training images.

    The thin line shows the slope of D against FA, fitted to the seeds that every size has.

    Arguments:
        differences: columns reference (the arm FA with noise is compared with), n, seed, value.
        smallest_effect: of D that counts, drawn dotted.
    """
    named = differences.rename(columns={"reference": "arm"})
    arms = arms_in(named)
    for place, arm in enumerate(arms):
        look = arm_look(arm)
        rows = named[named["arm"] == arm]
        label = f"against {ARMS[arm].title}"
        _means_by_size(ax, rows, place - (len(arms) - 1) / 2, label, ARMS[arm].marker, look)
    against_fa = named[named["arm"] == "FA"].pivot_table(index="seed", columns="n", values="value")
    means = against_fa.dropna().mean()
    if means.notna().sum() > 1:
        sizes = np.log(means.index.to_numpy(float))
        ax.plot(
            means.index, np.polyval(np.polyfit(sizes, means, 1), sizes), color=COLORS["FA"], lw=0.8
        )
    ax.axhline(0, color=COLORS["ink"], lw=0.8, ls=(0, (4, 2)))
    ax.axhline(smallest_effect, color=COLORS["ink"], lw=0.8, ls=":")
    _size_axis(ax, named)


def plot_effect_map(ax: Axes, effects: pd.DataFrame, *, span: float, digits: int = 0) -> None:
    """Mean D of noise training over its steps and the learning rate on data, a cell for each.

    Cells are green where D is positive and orange where it is negative, the more so the larger it
    is; a frame says that the 95 % interval excludes zero. A cell in which a seed has no D is empty.

    Arguments:
        effects: columns lr, noise_steps, seed, value (D).
        span: value of D with the fullest colour.
        digits: after the decimal point.
    """
    rates, steps = sorted(effects["lr"].unique()), sorted(effects["noise_steps"].unique())
    for (rate, noise), values in effects.groupby(["lr", "noise_steps"])["value"]:
        if values.isna().any():
            continue
        mean, low, high = mean_interval(values)
        x, y = steps.index(noise), rates.index(rate)
        color = COLORS["FAN" if mean > 0 else "FA"]
        full = 0.7 * min(1.0, abs(mean) / span)
        ax.add_patch(Rectangle((x - 0.48, y - 0.48), 0.96, 0.96, fc=color, alpha=full, lw=0))
        if low > 0 or high < 0:
            corner = (x - 0.43, y - 0.43)
            ax.add_patch(Rectangle(corner, 0.86, 0.86, fc="none", ec=COLORS["ink"]))
        words = f"{round(mean, digits) or 0:,.{digits}f}".replace("-", "\N{MINUS SIGN}")  # no -0
        ax.text(x, y, words, ha="center", va="center", fontsize=8)
    ax.set(xlim=(-0.5, len(steps) - 0.5), ylim=(-0.5, len(rates) - 0.5))
    ax.set_xticks(range(len(steps)), [f"{noise:,}" for noise in steps])
    ax.set_yticks(range(len(rates)), [f"{rate:g}" for rate in rates])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_xlabel("noise steps")
    ax.set_ylabel("lr on data")


def _means_by_size(
    ax: Axes, rows: pd.DataFrame, place: float, label: str, marker: str, look: dict[str, Any]
) -> None:
    sizes, means, low, high = zip(
        *((n, *mean_interval(group)) for n, group in rows.groupby("n")["value"]), strict=True
    )
    mean = np.array(means)
    ax.errorbar(
        np.array(sizes) * 1.06**place,  # side by side, so that the bars can be told apart
        mean,
        [mean - low, high - mean],
        marker=marker,
        ms=4,
        capsize=2,
        elinewidth=1,
        label=f"{label} (n = {_seed_counts(rows)})",
        **look,
    )


def _seed_counts(rows: pd.DataFrame) -> str:
    """How many seeds, or from how few to how many where that depends on the size."""
    counts = rows.groupby("n")["seed"].nunique()
    fewest, most = counts.min(), counts.max()
    return f"{most}" if fewest == most else f"{fewest} to {most}"


def _size_axis(ax: Axes, rows: pd.DataFrame) -> None:
    sizes = sorted(rows["n"].unique())
    ax.set_xscale("log")
    ax.set_xticks(sizes, [f"{n:,}" for n in sizes])
    ax.minorticks_off()
    ax.set_xlim(sizes[0] / 1.7, sizes[-1] * 1.7)
    ax.set_xlabel("training images")


def _over_loss(rows: pd.DataFrame, metric: str, points: int = 40) -> pd.DataFrame:
    """Columns arm, seed, loss, value: the metric at losses that an arm's every seed passed."""
    wide = rows[rows["metric"].isin(["train_loss", metric])].pivot_table(
        index=["arm", "seed", "step"], columns="metric", values="value"
    )
    parts = [pd.DataFrame(columns=["arm", "seed", "loss", "value"])]
    for arm, of_arm in wide.dropna().sort_index().groupby("arm"):
        curves = {}
        for seed, curve in of_arm.groupby("seed"):
            loss = np.minimum.accumulate(curve["train_loss"].to_numpy())  # it may rise for a while
            curves[seed] = (-np.log(loss.clip(1e-12)), curve[metric].to_numpy())
        first = max(fallen[0] for fallen, _ in curves.values())
        last = min(fallen[-1] for fallen, _ in curves.values())
        if first > last:  # no loss that all seeds passed
            continue
        grid = np.linspace(first, last, points)
        for seed, (fallen, values) in curves.items():
            value = np.interp(grid, fallen, values)
            parts.append(
                pd.DataFrame({"arm": arm, "seed": seed, "loss": np.exp(-grid), "value": value})
            )
    return pd.concat(parts[1:] or parts)


def _in_percent(rows: pd.DataFrame) -> pd.DataFrame:
    """Values in per cent of the same network's value at step 0."""
    network = ["arm", "width", "seed"]
    start = rows[rows["step"] == 0].set_index(network)["value"]
    of_each = start.reindex(pd.MultiIndex.from_frame(rows[network])).to_numpy()
    return rows.assign(value=100 * rows["value"].to_numpy() / of_each)
