"""The paper's Figure 1: what random noise training does to the readout."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fa_lib.experiments._stacks import ENDS
from fa_lib.experiments.fig1 import CLASSES
from fa_lib.judges import mean_interval
from fa_lib.judges._runs import Runs
from fa_lib.noise import DISTRIBUTIONS
from fa_lib.plotting._schematics import draw_biology, draw_noise_batch, draw_pathways
from fa_lib.plotting._style import (
    COLORS,
    mark_ninety,
    mean_and_band,
    new_figure,
    panel_title,
    rows_of,
    runs_of,
    seeds_in,
)
from fa_lib.settings import Setting

__all__ = ["figure1"]

# Green where the readout turns towards its feedback, white at 90 degrees, red where it turns away.
ANGLE_COLORS = LinearSegmentedColormap.from_list("angle", [COLORS["FAN"], "#FFFFFF", COLORS["FA"]])
BINS = list(range(0, 181, 5))  # degrees


def figure1(table: pd.DataFrame, setting: Setting, *, narrow: bool = False) -> Figure:
    """Pathways, a biological reading, noise, its cross-entropy, and the angles it leaves.

    Arguments:
        table: of the experiment "fig1".
        setting: the base that is drawn.
        narrow: for a phone.
    """
    runs = runs_of(table, setting)
    own = table[table["setting"] == setting.name]
    grid = own[(own["phase"] == "grid") & (own["step"] > 0)]
    shown = [name for name in DISTRIBUTIONS if name in set(grid["distribution"])]
    if narrow:
        each = 0.5 + 0.27 * grid["std"].nunique()
        heights = (2.2, 2.2, 1.35, 2.0, 2.0, 1.8, each * len(shown) + 0.9)
        fig, rows = new_figure(heights, narrow=True)
        a, b, c, d, e, neurons = (row.subplots() for row in rows[:6])
        f = rows[6].subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
    else:
        fig, rows = new_figure((2.2, 1.95, 2.1, 1.95), narrow=False)
        (a, b), (c, d) = rows[0].subplots(1, 2), rows[1].subplots(1, 2, width_ratios=(1.25, 1))
        e, neurons = rows[2].subplots(1, 2, width_ratios=(1.25, 1))
        f = rows[3].subplots(1, len(shown), sharey=True, squeeze=False)[0]
    draw_pathways(a)
    draw_biology(b)
    draw_noise_batch(c, images=7 if narrow else 8)
    _cross_entropy(d, runs)
    _mean_angle(e, runs)
    _neurons(neurons, own)
    _conditions(list(f), grid, shown, narrow)
    titles = ("two ways to carry errors back", "a biological reading", "noise to train on",
              "loss on noise")  # fmt: skip
    for ax, letter, title in zip((a, b, c, d), "abcd", titles, strict=True):
        panel_title(ax, letter, title)
    return fig


def _cross_entropy(ax: Axes, runs: Runs) -> None:
    """Panel d: cross-entropy of the batches of noise, and its means at the two ends."""
    rows = rows_of(runs.curve("loss", "FAN", phase="noise"), "FAN")
    mean_and_band(ax, rows, label="a batch of noise", color=COLORS["FAN"])
    window = min(ENDS, runs.setting.noise_steps)
    for which, middle in ((0, window / 2), (-1, runs.setting.noise_steps - window / 2)):
        mean, low, high = mean_interval(runs.noise("mean_loss", which))
        bar = ax.errorbar(
            middle, mean, [[mean - low], [high - mean]], fmt="D", ms=4, capsize=2,
            color=COLORS["ink"], lw=1, zorder=4,
        )  # fmt: skip
    bar.set_label(f"mean of {window} steps")
    chance = ax.axhline(math.log(CLASSES), color=COLORS["ink"], lw=1, ls=":")
    chance.set_label(f"chance, ln {CLASSES}")
    ax.set(xlabel="noise step", ylabel="cross-entropy (nats)", xlim=(0, None))
    ax.legend(fontsize=7.5)


def _mean_angle(ax: Axes, runs: Runs) -> None:
    """Panel e: the mean angle of hidden neurons through noise training."""
    rows = rows_of(runs.curve("neuron_angle", "FAN", phase="noise"), "FAN")
    mean_and_band(ax, rows, label="mean of neurons", color=COLORS["FAN"])
    mark_ninety(ax)
    ax.set(xlabel="noise step", ylabel="angle of $W_2$ to $B$ (degrees)", xlim=(0, None))
    ax.legend(loc="lower left")
    panel_title(ax, "e", "hidden neurons turn to the feedback")


def _neurons(ax: Axes, own: pd.DataFrame) -> None:
    """Panel e: every neuron of every network, before noise training and after it."""
    rows = own[own["metric"] == "neuron_angle_of"].dropna(subset="value")
    for name, step, color in (
        ("before", rows["step"].min(), COLORS["null"]),
        ("after", rows["step"].max(), COLORS["FAN"]),
    ):
        angles = rows.loc[rows["step"] == step, "value"].to_numpy()
        share = np.full(len(angles), 100 / max(1, len(angles)))
        ax.hist(
            angles, BINS, weights=share, histtype="stepfilled", fc=(color, 0.45), ec=color, lw=1.3,
            label=f"{name}, mean {angles.mean():.0f}",
        )  # fmt: skip
        ax.plot(
            angles.mean(), 0, "^", ms=7, color=color, mec=COLORS["ink"], mew=0.7, clip_on=False,
            zorder=5,
        )  # fmt: skip
    mark_ninety(ax, "x")
    low, high = float(rows["value"].min()), float(rows["value"].max())
    ax.set(xlabel="angle of a neuron (degrees)", ylabel="neurons (%)", xlim=(low - 5, high + 5))
    ax.margins(y=0.6)
    count = f"n = {seeds_in(rows)} \N{MULTIPLICATION SIGN} {rows['neuron'].nunique()}"
    ax.legend(title=count, title_fontsize=7, fontsize=7, loc="upper left", handlelength=1.2)
    ax.set_title(" ")  # level with the panel beside it


def _conditions(axes: Sequence[Axes], grid: pd.DataFrame, shown: list[str], narrow: bool) -> None:
    """Panel f: the angle after noise training, over mean and s.d. of each distribution of inputs.

    Arguments:
        axes: one for each distribution shown.
        grid: a row for each condition and network.
    """
    means, stds = sorted(grid["mean"].unique()), sorted(grid["std"].unique())
    angles = grid.pivot_table(index=["distribution", "std"], columns="mean", values="value")
    span = max(5.0, float((angles - 90).abs().max(axis=None)))
    norm = Normalize(90 - span, 90 + span)
    for ax, name in zip(axes, shown, strict=True):
        cells = angles.loc[name].reindex(index=stds, columns=means).to_numpy()
        ax.pcolormesh(np.ma.masked_invalid(cells), cmap=ANGLE_COLORS, norm=norm, ec="white", lw=1.5)
        for (y, x), angle in np.ndenumerate(cells):
            dark = abs(angle - 90) > 0.6 * span
            ax.text(
                x + 0.5, y + 0.5, "\N{EN DASH}" if np.isnan(angle) else f"{angle:.0f}",
                ha="center", va="center", fontsize=8, color="white" if dark else COLORS["ink"],
            )  # fmt: skip
        ax.set_xticks(np.arange(len(means)) + 0.5, [_number(mean) for mean in means])
        ax.set_yticks(np.arange(len(stds)) + 0.5, [_number(std) for std in stds])
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        if not narrow or ax is axes[-1]:
            ax.set_xlabel("mean of the noise")
        if narrow or ax is axes[0]:
            ax.set_ylabel("its s.d.")
        networks = seeds_in(grid[grid["distribution"] == name])
        title = f"{name} noise (n = {networks})"
        panel_title(ax, "f" if ax is axes[0] else "", title)
    bar = axes[0].figure.colorbar(
        ScalarMappable(norm, ANGLE_COLORS),
        ax=axes,
        label="angle after noise (degrees)",
        location="bottom" if narrow else "right",
        aspect=30 if narrow else 18,
        ticks=MaxNLocator(5, integer=True),
    )
    low, high = min(85.0, float(angles.min(axis=None))), max(90.0, float(angles.max(axis=None)))
    (bar.ax.set_xlim if narrow else bar.ax.set_ylim)(low, high)


def _number(value: float) -> str:
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")
