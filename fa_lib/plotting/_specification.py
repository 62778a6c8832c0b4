"""The specification curve: an effect in every drawn setting, over the settings' levels.

(Simonsohn, Simmons, Nelson: Specification curve analysis, Nature Human Behaviour 4, 2020.)
"""

from __future__ import annotations

import textwrap
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fa_lib.judges._levels import LEVELS
from fa_lib.plotting._style import COLORS, NARROW, WIDE
from fa_lib.settings import FACTORS

__all__ = ["specification_curve"]

# Of each code: colour, marker, whether it is filled.
CODES = {
    "yes": (COLORS["FAN"], "s", True),
    "opposite": (COLORS["FA"], "o", True),
    "none": ("#6E6E6E", "D", False),
    "unclear": ("#8C8C8C", "x", True),
}
FACTOR_TITLES = {
    "data": "data training",
    "noise": "rate on noise",
    "noise_steps": "noise steps",
    "batch_size": "batch size",
    "width": "width",
    "images": "images",
    "inputs": "inputs",
    "weights": "initial weights",
    "feedback": "feedback weights",
    "horizon": "epochs",
}
SMALL = 7  # points, of the levels
BEYOND = 0.6  # of the effects' range, to which intervals are shown


class Row(NamedTuple):
    """A line of the matrix: a level, or with level "" a heading."""

    factor: str
    level: str
    at: float


def specification_curve(
    rows: pd.DataFrame, *, title: str, unit: str, smallest: float, narrow: bool = False
) -> Figure:
    """Effects in ascending order with 95 % intervals, and under them each setting's levels.

    At the right: of how many of the settings with a level the code is yes.

    Arguments:
        rows: a row for each setting in which the statement is asked: columns setting, effect, low,
            high (of the 95 % interval), code (yes, opposite, none or unclear) and one for each of
            `fa_lib.settings.FACTORS`, a level in words. One without a finite effect is not drawn
            and is counted.
        title: of the figure.
        unit: of the effects.
        smallest: effect that counts, in `unit`.
        narrow: for a phone.
    """
    shown = rows[np.isfinite(rows["effect"])].sort_values("effect", kind="stable")
    lines = _lines(rows, headings=narrow)
    depth = max(row.at for row in lines) + 1
    heights = (2.3, 0.145 * depth)
    legend = 0.72 if narrow else 0.5
    size = (NARROW if narrow else WIDE, sum(heights) + legend + 0.45)
    fig, (curve, matrix) = plt.subplots(
        2, 1, figsize=size, sharex=True, height_ratios=heights, layout="constrained"
    )
    _effects(curve, shown, smallest, 2.8 if narrow else 3.8)
    curve.set_ylabel(textwrap.fill(f"effect ({unit})", 26))
    curve.set_title(title)
    _marks(matrix, shown, lines, 1.6 if narrow else 2.2)
    _shares(matrix, rows, lines)
    _names(matrix, lines, headings=narrow)
    matrix.set(xlim=(-1, max(len(shown), 1)), ylim=(depth - 0.5, -0.5))
    matrix.set_xlabel(f"{len(shown)} settings in ascending order of effect", fontsize=8)
    fig.legend(
        handles=_keys(shown, smallest), loc="outside lower center", fontsize=SMALL,
        ncols=2 if narrow else 5, handlelength=1.6, columnspacing=1.2,
    )  # fmt: skip
    return fig


def _lines(rows: pd.DataFrame, *, headings: bool) -> list[Row]:
    """The matrix's lines from above, with a little room between factors."""
    lines: list[Row] = []
    at = 0.0
    for factor in FACTORS:
        if headings:
            lines.append(Row(factor, "", at))
            at += 1
        for level in _levels(rows, factor):
            lines.append(Row(factor, level, at))
            at += 1
        at += 0.1 if headings else 0.35
    return lines


def _levels(rows: pd.DataFrame, factor: str) -> list[str]:
    """That the settings have, in the order of FACTORS; others after them."""
    present = dict.fromkeys(map(str, rows[factor]))
    known = [level for level in LEVELS[factor] if level in present]
    return [*known, *(level for level in present if level not in known)]


def _effects(ax: Axes, shown: pd.DataFrame, smallest: float, size: float) -> None:
    """Above: a marker of this size, in points, with its interval for each setting."""
    ax.axhline(0, color=COLORS["ink"], lw=0.9, zorder=1)
    for level in {smallest, -smallest} - {0.0}:
        ax.axhline(level, color=COLORS["ink"], lw=0.7, ls=(0, (4, 2)), zorder=1)
    for code, (color, marker, filled) in CODES.items():
        at = np.flatnonzero(shown["code"] == code)
        own = shown.iloc[at]
        ax.vlines(at, own["low"], own["high"], color=color, lw=1.0, zorder=2)
        face = color if filled else "white"
        style: dict[str, Any] = {
            "color": color,
            "ms": size,
            "mfc": face,
            "mec": color,
            "mew": 0.9,
            "zorder": 3,
        }
        ax.plot(at, own["effect"], marker, label=code, **style)
    if len(shown):
        _show(ax, shown, smallest)
    ax.tick_params(axis="x", bottom=False, labelbottom=False)
    ax.spines["bottom"].set_visible(False)


def _show(ax: Axes, shown: pd.DataFrame, smallest: float) -> None:
    """All effects, but of an interval that is far wider than they are spread only a part."""
    least, most = min(shown["effect"].min(), -smallest), max(shown["effect"].max(), smallest)
    room = BEYOND * (most - least) or 1.0
    low = max(np.nanmin([*shown["low"], least]), least - room)
    high = min(np.nanmax([*shown["high"], most]), most + room)
    edge = 0.04 * (high - low)
    ax.set_ylim(low - edge, high + edge)


def _marks(ax: Axes, shown: pd.DataFrame, lines: list[Row], width: float) -> None:
    """Below: a mark where a setting has the level, in the colour of its code.

    A long stroke says yes, a disc the opposite, a short stroke none or unclear.

    Arguments:
        width: of a stroke, in points.
    """
    factors = list(FACTORS)
    for factor in factors[::2]:
        own = [row.at for row in lines if row.factor == factor]
        ax.axhspan(min(own) - 0.5, max(own) + 0.5, color="#F3F3F3", lw=0, zorder=0)
    for row in lines:
        has = (shown[row.factor].astype(str) == row.level).to_numpy()
        for code, (color, _, _) in CODES.items():
            at = np.flatnonzero(has & (shown["code"] == code).to_numpy())
            if code == "opposite":
                ax.plot(at, np.full(len(at), row.at), "o", ms=1.6 * width, color=color, mew=0)
            else:
                half = 0.38 if code == "yes" else 0.17
                ax.vlines(at, row.at - half, row.at + half, color=color, lw=width, zorder=2)
    ax.spines[:].set_visible(False)
    ax.tick_params(bottom=False, labelbottom=False, left=False)


def _shares(ax: Axes, rows: pd.DataFrame, lines: list[Row]) -> None:
    """At the right of each level."""
    for row in lines:
        if row.level:
            own = rows[rows[row.factor].astype(str) == row.level]
            share = f"{(own['code'] == 'yes').sum()}/{len(own)}"
            at = ("axes fraction", "data")
            ax.annotate(share, (1.015, row.at), xycoords=at, va="center", fontsize=SMALL)
    ax.annotate(
        "yes", (1.015, 1.0), xycoords="axes fraction", va="bottom", fontsize=SMALL,
        weight="bold", color=COLORS["FAN"],
    )  # fmt: skip


def _names(ax: Axes, lines: list[Row], *, headings: bool) -> None:
    """At the left: the levels, and the factor's name beside its first or as a heading."""
    levels = [row for row in lines if row.level]
    ax.set_yticks([row.at for row in levels], [row.level for row in levels], fontsize=SMALL)
    # Where names stand beside levels: far enough for the longest of these, in points.
    aside = 0 if headings else 0.62 * SMALL * max(len(row.level) for row in levels) + 6
    for factor in FACTORS:
        own = min(row.at for row in lines if row.factor == factor)
        ax.annotate(
            FACTOR_TITLES[factor], (0, own), (-4 - aside, 0), xycoords=("axes fraction", "data"),
            textcoords="offset points", ha="right", va="center", fontsize=SMALL, weight="bold",
        )  # fmt: skip


def _keys(shown: pd.DataFrame, smallest: float) -> list[Line2D]:
    """A key for each code that is there, and for the smallest effect."""
    keys = []
    for code, (color, marker, filled) in CODES.items():
        count = int((shown["code"] == code).sum())
        face = color if filled else "white"
        style: dict[str, Any] = {
            "marker": marker,
            "mfc": face,
            "mec": color,
            "ms": 5,
            "color": color,
            "lw": 1,
        }
        if count:
            keys.append(Line2D([], [], label=f"{code} (n = {count})", **style))
    if smallest:
        label = f"\N{PLUS-MINUS SIGN}{smallest:g}, the least that counts"
        keys.append(Line2D([], [], color=COLORS["ink"], lw=0.7, ls=(0, (4, 2)), label=label))
    return keys
