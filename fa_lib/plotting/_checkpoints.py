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
from fa_lib.plotting._style import COLORS, LOOKS, STRONG_ARMS, mean_and_band

__all__ = ["plot_gains", "plot_layers"]

LAYER_DASHES = ("-", (0, (5, 1.5)), (0, (2, 1)), (0, (6, 1.5, 1, 1.5)))
PALEST = 0.5  # share of the arm's colour that the lowest layer's line keeps


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
    shown = [arm for arm in LOOKS if arm in wanted and arm in set(values["arm"])]
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
            LOOKS[arm].marker,
            ms=6.0 if arm in STRONG_ARMS else 4.5,
            color=COLORS[arm],
            mec=COLORS["ink"],
            mew=0.6,
            zorder=3,
            label=f"{LOOKS[arm].name} (n = {max(counts)})",
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
    ax: Axes, rows: pd.DataFrame, metrics: Mapping[str, str], *, arm: str
) -> list[Line2D]:
    """An angle of several layers against the step, up to the last record that all networks have.

    Lines get the arm's colour, the paler the nearer to the input, and dashes by layer.

    Arguments:
        rows: of one arm, in one setting, at one depth.
        metrics: the metric of each layer by the layer's name, from the lowest; those that the rows
            lack are left out.
        arm: whose rows these are.

    Returns:
        The lines, labelled with the layer's name and its seeds.
    """
    lines, last = [], 1
    red, green, blue = to_rgb(COLORS[arm])
    for place, (name, metric) in enumerate(metrics.items()):
        own = rows[rows["metric"] == metric].dropna(subset="value")
        if own.empty:
            continue
        counts = own.groupby("step")["seed"].transform("nunique")
        own = own[counts == counts.max()]
        share = PALEST + (1 - PALEST) * (place + 1) / len(metrics)
        shade = to_hex((1 - share * (1 - red), 1 - share * (1 - green), 1 - share * (1 - blue)))
        dashes = LAYER_DASHES[place % len(LAYER_DASHES)]
        lines.append(mean_and_band(ax, own, label=name, color=shade, ls=dashes, lw=1.6))
        last = max(last, int(own["step"].max()))
    ax.axhline(90, color=COLORS["ink"], lw=0.8, ls=(0, (4, 2)))
    ax.set_xscale("symlog", linthresh=1, linscale=0.3)
    powers = range(math.floor(math.log10(last)) + 1)
    ticks = [0, *(10**power for power in powers if power % 2 == 0 or last < 1000)]
    ax.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    ax.minorticks_off()
    ax.set_xlim(0, last * 1.1)
    return lines
