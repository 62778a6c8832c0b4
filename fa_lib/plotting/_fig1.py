"""Data panels of Figure 1: what random noise training does to the readout.

Every function takes the table of `fa_lib.run("fig1", ...)` and draws on the axes it is given.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.patches import Rectangle

from fa_lib.claims import cells, mean_interval
from fa_lib.noise import DISTRIBUTIONS
from fa_lib.plotting._style import COLORS, mean_and_band
from fa_lib.protocol import CLAIMS

__all__ = [
    "plot_angles",
    "plot_cross_entropy",
    "plot_equal_norm",
    "plot_input_conditions",
    "plot_longer_training",
]

CENTERED, RAW = "centered_alignment_angle_w2", "alignment_angle_w2"
ANGLE_LABEL = "alignment angle (degrees)"

# Green where the readout turns towards its feedback, white at 90 degrees, red where it turns away.
ANGLE_COLORS = LinearSegmentedColormap.from_list("angle", [COLORS["FAN"], "#FFFFFF", COLORS["FA"]])


def plot_cross_entropy(ax: Axes, table: pd.DataFrame, *, classes: int = 10) -> None:
    """Panel d: cross-entropy on fresh noise against noise steps, with chance and C1's floor.

    The value is ln C + KL(uniform || p), the mean over all labels rather than over those drawn.
    """
    chance = math.log(classes)
    rows = table[(table["panel"] == "training") & (table["metric"] == "kl_from_uniform")]
    rows = rows.assign(value=rows["value"] + chance)
    widths = list(dict.fromkeys(rows["width"]))
    for width, dashes in zip(widths, ("-", "--", ":"), strict=False):
        by_fa = rows[(rows["width"] == width) & (rows["rule"] == "fa")]
        mean_and_band(
            ax, by_fa, label=f"FA on noise, width {width}", color=COLORS["FAN"], ls=dashes
        )
    by_bp = rows[(rows["width"] == widths[0]) & (rows["rule"] == "bp")]
    mean_and_band(ax, by_bp, label=f"BP on noise, width {widths[0]}", color=COLORS["BPN"])
    floor = CLAIMS["C1"].limits["floor"]
    ax.axhspan(chance, chance + floor, color=COLORS["null"], alpha=0.35, lw=0)
    ax.axhline(chance, color=COLORS["ink"], lw=1, ls=(0, (4, 2)))
    ax.annotate(
        f"chance, ln {classes}; shaded: {floor:g} nats above",
        (0.02, chance),
        xycoords=("axes fraction", "data"),
        xytext=(0, -3),
        textcoords="offset points",
        va="top",
        fontsize=7.5,
    )
    noise_step_axis(ax, rows["step"].max())
    ax.set_ylabel("cross-entropy on fresh noise (nats)")
    low, high = ax.get_ylim()
    ax.set_ylim(min(low, chance - 0.14 * (high - chance)), high)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 0.16))


def plot_angles(ax: Axes, table: pd.DataFrame, *, width: int | None = None) -> None:
    """Panel e: each seed's angle before and after noise training, beside what chance gives.

    Dots are centred angles, one a seed, with their mean; the raw angle's mean is hollow. Chance is
    the same trained weights against fresh feedback (grey), and noise training by BP.

    Arguments:
        width: of the hidden layer; by default the first, the headline network.
    """
    training = table[table["panel"] == "training"]
    width = int(training["width"].iloc[0]) if width is None else width
    rows = training[training["width"] == width]
    before, after = _first_and_last(rows, CENTERED, "fa")
    after_bp = _first_and_last(rows, CENTERED, "bp")[1]
    raw_before, raw_after = _first_and_last(rows, RAW, "fa")
    raw_bp = _first_and_last(rows, RAW, "bp")[1]
    null = rows.loc[rows["metric"] == "null_angle_w2", "value"]

    ax.axhline(90, color=COLORS["ink"], lw=0.8, ls=(0, (4, 2)))
    spread = np.linspace(-0.12, 0.12, len(after)) if len(after) > 1 else np.zeros(1)
    for shift, seed in zip(spread, after.index, strict=True):
        pair = [before[seed], after[seed]]
        ax.plot([shift, 1 + shift], pair, color=COLORS["null"], lw=0.7, zorder=1)
    groups = [(before, raw_before, "FA"), (after, raw_after, "FAN"), (after_bp, raw_bp, "BPN")]
    for place, (centered, raw, color) in enumerate(groups):
        ax.plot(place + spread, centered, "o", ms=3.5, color=COLORS[color], alpha=0.75, mew=0)
        labels = ("mean, 95 % interval", "the same, raw angle") if place == 0 else (None, None)
        _mean_and_bar(ax, place + 0.22, centered, labels[0], COLORS["ink"])
        _mean_and_bar(ax, place + 0.36, raw, labels[1], "white")
    density, edges = np.histogram(null, bins=60, density=True)
    height = 0.75 * np.repeat(density, 2) / density.max()
    bins = np.repeat(edges, 2)[1:-1]
    ax.fill_betweenx(bins, 2.8, 2.8 + height, color=COLORS["null"], lw=0)
    ax.set_xticks([0, 1, 2, 3.1], ["before", "after\nFA noise", "after\nBP noise", "fresh\n$B$"])
    ax.set_xlim(-0.4, 3.6)
    ax.set_ylabel(ANGLE_LABEL)
    draws = len(null) // len(after)
    ax.legend(
        loc="center right",
        bbox_to_anchor=(1, 0.42),
        title=f"width {width}, n = {len(after)} seeds;\nfresh $B$: {draws} draws a seed",
        title_fontsize=8,
        alignment="left",
    )


def plot_input_conditions(axes: Sequence[Axes], table: pd.DataFrame) -> None:
    """Panel f: centred angle over mean and std of the noise, a heat map for each distribution.

    A cell that counts by C3's rule has a frame and bold digits.

    Arguments:
        axes: one for each distribution in the table, in one figure.
    """
    grid = cells(CLAIMS["C3"], table, "grid")
    span = max(5.0, float(grid["effect"].abs().max()))
    norm = Normalize(90 - span, 90 + span)
    distributions = _in_order(grid["distribution"])
    means, stds = sorted(grid["mean"].unique()), sorted(grid["std"].unique())
    for ax, distribution in zip(axes, distributions, strict=True):
        for cell in grid[grid["distribution"] == distribution].itertuples():
            x, y = means.index(cell.mean), stds.index(cell.std)
            color = ANGLE_COLORS(norm(90 - cell.effect))
            ax.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, fc=color, ec="white", lw=1.5))
            if cell.counts:
                frame = Rectangle((x - 0.43, y - 0.43), 0.86, 0.86, fc="none", ec=COLORS["ink"])
                ax.add_patch(frame)
            ax.text(
                x,
                y,
                f"{90 - cell.effect:.0f}",
                ha="center",
                va="center",
                fontsize=8,
                color="white" if _luminance(color) < 0.3 else COLORS["ink"],
                fontweight="bold" if cell.counts else "normal",
            )
        ax.set(xlim=(-0.5, len(means) - 0.5), ylim=(-0.5, len(stds) - 0.5), aspect="equal")
        ax.set_xticks(range(len(means)), [_number(mean) for mean in means])
        ax.set_yticks(range(len(stds)), [f"{std:g}" for std in stds])
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        ax.set_xlabel("mean of the noise")
        ax.set_title(f"{distribution} (n = {int(grid['n'].min())})")
    axes[0].set_ylabel("s.d. of the noise")
    bar = axes[-1].figure.colorbar(
        ScalarMappable(norm, ANGLE_COLORS),
        ax=list(axes),
        label="centred angle (degrees)",
        shrink=0.8,
        pad=0.02,
    )
    bar.ax.set_ylim(90 - span, max(90.0, 90 - float(grid["effect"].min())))


def plot_equal_norm(ax: Axes, table: pd.DataFrame) -> None:
    """The grid at equal input norm: centred angle against mean / s.d., at mean square 1.

    Filled markers count by C3's rule, hollow ones do not.
    """
    grid = cells(CLAIMS["C3"], table, "equal_norm")
    grid = grid.assign(ratio=(grid["mean"] / grid["std"]).round(6))
    ratios = sorted(grid["ratio"].unique())
    looks = zip(_in_order(grid["distribution"]), "os^", (-0.15, 0, 0.15), strict=False)
    for distribution, marker, shift in looks:
        rows = grid[grid["distribution"] == distribution].sort_values("ratio")
        at = np.array([ratios.index(ratio) for ratio in rows["ratio"]]) + shift
        angle = 90 - rows["effect"]
        ax.vlines(at, 90 - rows["high"], 90 - rows["low"], color=COLORS["FAN"], lw=1)
        label = f"{distribution} (n = {int(rows['n'].min())})"
        ax.plot(at, angle, marker, mfc="white", mec=COLORS["FAN"], label=label)
        counts = rows["counts"].to_numpy()
        ax.plot(at[counts], angle[counts], marker, color=COLORS["FAN"])
    ax.axhline(90, color=COLORS["ink"], lw=0.8, ls=(0, (4, 2)))
    ax.set_xticks(range(len(ratios)), [_number(ratio) for ratio in ratios], fontsize=7)
    ax.set_xlabel("mean / s.d. of the noise, at mean square 1")
    ax.set_ylabel("centred angle (degrees)")
    ax.legend(title="filled: counts by C3's rule", title_fontsize=8, alignment="left")


def plot_longer_training(ax: Axes, table: pd.DataFrame, *, metric: str = CENTERED) -> None:
    """The centred angle far beyond the figure's last step, for each learning rate.

    The dotted line is the last step of panels d and e.
    """
    rows = table[(table["panel"] == "long") & (table["metric"] == metric)]
    rates = sorted(rows["lr"].unique())
    for rate, dashes, opacity in zip(rates, ("-", "--", ":"), (1, 0.8, 0.6), strict=False):
        at_rate = rows[rows["lr"] == rate]
        label = f"{rate:g}"
        mean_and_band(ax, at_rate, label=label, color=COLORS["FAN"], ls=dashes, alpha=opacity)
    last = table.loc[(table["panel"] == "training") & (table["metric"] == metric), "step"].max()
    ax.axvline(last, color=COLORS["ink"], lw=0.8, ls=":")
    ax.axhline(90, color=COLORS["ink"], lw=0.8, ls=(0, (4, 2)))
    noise_step_axis(ax, rows["step"].max())
    ax.set_ylabel("centred angle (degrees)")
    ax.legend(loc="lower left", title="Adam's learning rate", title_fontsize=8, alignment="left")


def _first_and_last(rows: pd.DataFrame, metric: str, rule: str) -> tuple[pd.Series, pd.Series]:
    """Each seed's value at its first and at its last recorded step."""
    chosen = rows[(rows["metric"] == metric) & (rows["rule"] == rule)]
    by_seed = chosen.sort_values("step").groupby("seed")["value"]
    return by_seed.first(), by_seed.last()


def _mean_and_bar(ax: Axes, place: float, values: pd.Series, label: str | None, face: str) -> None:
    mean, low, high = mean_interval(values)
    ax.errorbar(
        place,
        mean,
        [[mean - low], [high - mean]],
        fmt="D",
        ms=4,
        color=COLORS["ink"],
        mfc=face,
        capsize=2,
        lw=1,
        label=label,
    )


def noise_step_axis(ax: Axes, last: int) -> None:
    """A logarithmic axis of steps that also has room for step 0."""
    ax.set_xscale("symlog", linthresh=1, linscale=0.4)
    ticks = [0, *(10**power for power in range(int(math.log10(max(last, 1))) + 1))]
    ax.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    ax.set_xlim(0, last * 1.15)
    ax.set_xlabel("noise step")


def _in_order(distributions: pd.Series) -> list[str]:
    return [name for name in DISTRIBUTIONS if name in set(distributions)]


def _number(value: float) -> str:
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")


def _luminance(color: Sequence[float]) -> float:
    return float(np.dot(np.power(color[:3], 2.2), (0.2126, 0.7152, 0.0722)))
