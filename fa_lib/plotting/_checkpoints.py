"""Panels of Table 1 and of depth: what each arm gains over FA, and the angle of every layer.

Accuracies come from `fa_lib.claims.checkpoint_values`; a network's values by arm are drawn by
`plot_arm_values`, as in Figure 3, and accuracies over depth by `plot_arms`.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.lines import Line2D

from fa_lib.claims import mean_interval
from fa_lib.plotting._style import ARMS, COLORS, STRONG_ARMS, mean_and_band

__all__ = ["plot_gains", "plot_layers"]

# A layer has one look, whatever the depth: dashes and share of the arm's colour, from the first.
LAYER_DASHES = ((0, (1, 1)), "-", (0, (5, 1.5)), (0, (2, 1)), (0, (6, 1.5, 1, 1.5)))
LAYER_SHARES = (0.55, 0.66, 0.77, 0.88, 1.0)


def plot_gains(
    ax: Axes,
    values: pd.DataFrame,
    *,
    by: str,
    names: Mapping[Hashable, str],
    arms: Iterable[str] = ("FAN", "Z", "S"),
    smallest_effect: float,
) -> dict[str, Line2D]:
    """By how much arms are above FA, paired by seed: a row a case, dots by seed, means with bars.

    Arguments:
        values: of `checkpoint_values` in one setting, of one metric.
        by: the column of the cases.
        names: of the cases, from top to bottom; those that the values lack keep an empty row.
        arms: to compare with FA; those that the values lack are left out.
        smallest_effect: of the claim, drawn dotted.

    Returns:
        A marker for each arm, for `legend_below`.
    """
    wanted = list(arms)
    shown = [arm for arm in ARMS if arm in wanted and arm in set(values["arm"])]
    lines = {}
    for arm in shown:
        drawn: list[tuple[float, float, float, float]] = []
        counts = [0]
        for row, case in enumerate(names):
            wide = values[values[by] == case].pivot(index="seed", columns="arm", values="value")  # noqa: PD010
            if not {arm, "FA"} <= set(wide):
                continue
            gains = (wide[arm] - wide["FA"]).dropna().to_numpy()
            if not len(gains):
                continue
            at = row + (shown.index(arm) - (len(shown) - 1) / 2) * 0.8 / len(shown)
            spread = np.linspace(-0.08, 0.08, len(gains)) if len(gains) > 1 else np.zeros(1)
            ax.plot(gains, at + spread, "o", ms=2.2, color=COLORS[arm], alpha=0.45, mew=0)
            drawn.append((at, *mean_interval(gains)))
            counts.append(len(gains))
        if not drawn:
            continue
        means = pd.DataFrame(drawn, columns=["at", "mean", "low", "high"])
        (lines[arm],) = ax.plot(
            means["mean"],
            means["at"],
            ARMS[arm].marker,
            ms=6.0 if arm in STRONG_ARMS else 4.5,
            color=COLORS[arm],
            mec=COLORS["ink"],
            mew=0.6,
            zorder=3,
            label=f"{ARMS[arm].title} (n = {max(counts)})",
        )
        sure = means.dropna()  # a single seed has no interval
        ax.hlines(sure["at"], sure["low"], sure["high"], color=COLORS[arm], lw=1.4, zorder=2)
    ax.axvline(0, color=COLORS["ink"], lw=0.8, ls=(0, (4, 2)))
    ax.axvline(smallest_effect, color=COLORS["ink"], lw=0.8, ls=":")
    ax.set_yticks(range(len(names)), list(names.values()))
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlabel("points above FA")
    return lines


def plot_layers(
    ax: Axes, rows: pd.DataFrame, metrics: Mapping[int, str], *, arm: str
) -> list[Line2D]:
    """An angle of several layers against the step, up to the last record that all networks have.

    Lines get the arm's colour, the paler the nearer to the input, and dashes by layer.

    Arguments:
        rows: of one arm, in one setting, at one depth.
        metrics: by layer, counted from 1; those that the rows lack are left out.
        arm: whose rows these are.

    Returns:
        The lines, labelled with the layer's weights and the number of seeds.
    """
    lines: list[Line2D] = []
    steps: set[int] = set()
    red, green, blue = to_rgb(COLORS[arm])
    for layer, metric in metrics.items():
        own = rows[rows["metric"] == metric].dropna(subset="value")
        if own.empty:
            continue
        counts = own.groupby("step")["seed"].transform("nunique")
        own = own[counts == counts.max()]
        share = LAYER_SHARES[min(layer, len(LAYER_SHARES)) - 1]
        shade = to_hex((1 - share * (1 - red), 1 - share * (1 - green), 1 - share * (1 - blue)))
        dashes = LAYER_DASHES[(layer - 1) % len(LAYER_DASHES)]
        lines.append(mean_and_band(ax, own, label=f"W{layer}", color=shade, ls=dashes, lw=1.6))
        steps |= set(own["step"])
    ax.axhline(90, color=COLORS["ink"], lw=0.8, ls=(0, (4, 2)))
    _step_axis(ax, min(steps - {0}, default=1), max(steps | {1}))
    return lines


def _step_axis(ax: Axes, first: int, last: int) -> None:
    """A logarithmic axis of a narrow panel that has room for step 0, linear up to `first`."""
    ax.set_xscale("symlog", linthresh=first, linscale=0.3)
    powers = [10**p for p in range(math.ceil(math.log10(first)), 9) if 10**p <= last]
    ticks = [0, *(powers if len(powers) < 3 else powers[::2])]
    ax.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    ax.minorticks_off()
    ax.set_xlim(0, last * 1.1)
