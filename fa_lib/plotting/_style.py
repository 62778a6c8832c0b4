"""The look that all figures share, and means with their intervals."""

from __future__ import annotations

import importlib
import itertools
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator
from numpy.typing import ArrayLike

from fa_lib.judges import mean_interval
from fa_lib.judges._runs import Runs
from fa_lib.schema import ARMS, Dashes
from fa_lib.settings import Setting

__all__ = [
    "COLORS",
    "STRONG_ARMS",
    "arm_look",
    "arms_in",
    "format_interval",
    "legend_below",
    "log_axis",
    "mark_ninety",
    "mean_and_band",
    "mean_marker",
    "new_figure",
    "panel_title",
    "plot_arms",
    "rows_of",
    "runs_of",
    "task_looks",
    "use_style",
    "within_percent",
]

# What a colour means, everywhere in the book: the arms', and two more.
COLORS = {name: look.color for name, look in ARMS.items()} | {
    "null": "#B3B3B3",  # what chance gives: random matrices, ln C
    "ink": "#222222",
}

STRONG_ARMS = ("FA", "FAN", "BP")  # the paper's; the others are controls

WIDE, NARROW = 7.2, 3.7  # inches: a page's text column, a phone

# Dashes and marker of the first task, the second and so on, where an arm's colour is taken.
TASK_LOOKS: tuple[tuple[Dashes, str], ...] = (
    ("-", "o"),
    ((0, (5, 1.5)), "s"),
    ((0, (1, 1)), "^"),
    ((0, (6, 1.5, 1, 1.5)), "D"),
    ((0, (3, 1.5, 1, 1.5)), "v"),
)


def use_style() -> None:
    """Set the book's style; in a notebook, figures become SVGs that repeat byte for byte."""
    plt.style.use(str(Path(__file__).parents[1] / "paper.mplstyle"))
    ipython = sys.modules.get("IPython")
    if ipython and hasattr(ipython.get_ipython(), "kernel"):
        inline = importlib.import_module("matplotlib_inline.backend_inline")
        # The layout leaves the margins. To crop them, all texts would be measured once more.
        inline.set_matplotlib_formats("svg", metadata={"Date": None}, bbox_inches=None)


def new_figure(heights: Sequence[float], *, narrow: bool) -> tuple[Figure, list[SubFigure]]:
    """A figure of rows that are laid out each for itself: for a page's column, or for a phone.

    Arguments:
        heights: of the rows, in inches.
    """
    fig = Figure(figsize=(NARROW if narrow else WIDE, sum(heights)), layout="constrained")
    rows = fig.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)
    return fig, list(rows[:, 0])


def runs_of(table: pd.DataFrame, setting: Setting) -> Runs:
    """The runs of one setting in a table of several, read for its first task."""
    own = table[table["setting"] == setting.name]
    return Runs(own, setting, str(own.dropna(subset="arm")["task"].iloc[0]), setting.images)


def rows_of(
    curve: pd.DataFrame, arm: str, *, last: int | None = None, per: float = 1, times: float = 1
) -> pd.DataFrame:
    """A row for each value of a curve, as `plot_arms` takes them; what is NaN is left out.

    Arguments:
        curve: a row for each step, a column for each seed.
        last: step to go to.
        per: steps that are counted as one.
        times: what values are multiplied by.
    """
    rows = curve.loc[:last].melt(ignore_index=False, var_name="seed").reset_index().dropna()
    return rows.assign(step=rows["step"] / per, value=rows["value"] * times, arm=arm)


def mean_and_band(
    ax: Axes,
    frame: pd.DataFrame,
    *,
    x: str = "step",
    y: str = "value",
    label: str,
    color: str,
    opacity: float = 0.2,
    **line: Any,
) -> Line2D:
    """Draw the mean of `y` at each `x`, with its 95 % t-interval as a band.

    Arguments:
        frame: a row for each seed and x.
        label: of the line; the number of seeds is added to it.
        color, line: as in `Axes.plot`.
        opacity: of the band.

    Raises:
        ValueError: nothing to draw.
    """
    if frame.empty:
        raise ValueError(f"There are no rows to draw as {label!r}.")
    rows = [(at, *mean_interval(group)) for at, group in frame.groupby(x)[y]]
    at, mean, low, high = zip(*rows, strict=True)
    (drawn,) = ax.plot(at, mean, color=color, label=f"{label} (n = {seeds_in(frame)})", **line)
    if not all(map(math.isnan, low)):  # a single seed has no interval
        ax.fill_between(at, low, high, color=color, alpha=opacity, linewidth=0)
    return drawn


def arms_in(frame: pd.DataFrame) -> list[str]:
    """The arms that the rows come from, in the order of `schema.ARMS`."""
    present = set(frame["arm"])
    return [arm for arm in ARMS if arm in present]


def arm_look(arm: str) -> dict[str, Any]:
    """Colour, dashes, width and order of an arm's line: main arms strong, controls light."""
    strong = arm in STRONG_ARMS
    look = {"lw": 2.0, "zorder": 3} if strong else {"lw": 1.1, "zorder": 2}
    return {"color": COLORS[arm], "ls": ARMS[arm].dashes, **look}


def plot_arms(
    ax: Axes, frame: pd.DataFrame, *, x: str = "step", y: str = "value"
) -> dict[str, Line2D]:
    """Draw a line with its band for each arm in the rows, main arms strong and controls light.

    Arguments:
        frame: a row for each arm, seed and x.

    Returns:
        The lines by arm, in the order of `schema.ARMS`, labelled with the arm's name and its seeds.
    """
    lines = {}
    for arm in arms_in(frame):
        look = {"opacity": 0.2 if arm in STRONG_ARMS else 0.1, **arm_look(arm)}
        rows = frame[frame["arm"] == arm]
        lines[arm] = mean_and_band(ax, rows, x=x, y=y, label=ARMS[arm].title, **look)
    return lines


def mean_marker(
    ax: Axes, x: float, sample: ArrayLike, arm: str, *, hollow: bool = False, dots: bool = False
) -> Line2D:
    """Draw the mean of an arm's values at `x` with its 95 % t-interval.

    Arguments:
        sample: a value for each network; NaN is left out.
        hollow: leave the marker white.
        dots: draw a small dot for each network beside it, too.

    Returns:
        The marker, labelled with the arm's name and its seeds.
    """
    values = np.atleast_1d(np.asarray(sample, dtype=float))
    values = values[~np.isnan(values)]
    mean, low, high = mean_interval(values)
    color, strong = COLORS[arm], arm in STRONG_ARMS
    if dots:
        aside = np.linspace(-0.08, 0.08, len(values)) if len(values) > 1 else np.zeros(1)
        ax.plot(x - 0.25 + aside, values, "o", ms=2.4, color=color, alpha=0.45, mew=0, zorder=2)
    drawn = ax.errorbar(
        x,
        mean,
        [[mean - low], [high - mean]],
        fmt=ARMS[arm].marker,
        ms=6.5 if strong else 5,
        color=color,
        mfc="white" if hollow else color,
        mec=color if hollow else COLORS["ink"],
        mew=1.4 if hollow else 0.6,
        elinewidth=1.4,
        capsize=2.5,
        zorder=3,
    )
    marker = drawn.lines[0]
    marker.set_label(f"{ARMS[arm].title} (n = {len(values)})")
    return marker


def task_looks(tasks: Iterable[str]) -> dict[str, tuple[Dashes, str]]:
    """Dashes and marker of each task that has a name, in order of appearance."""
    names = [name for name in dict.fromkeys(tasks) if name]
    return dict(zip(names, itertools.cycle(TASK_LOOKS), strict=False))


def legend_below(
    fig: Figure | SubFigure, *panels: Mapping[str, Line2D], ncols: int | None = None
) -> None:
    """One legend for all panels, under them.

    Arguments:
        panels: the lines by arm that `plot_arms` returned for each.
        ncols: columns of it; by default as many as a page is wide enough for.
    """
    present = {arm for lines in panels for arm in lines}
    handles, labels = [], []
    for arm in (arm for arm in ARMS if arm in present):
        lines = [panel[arm] for panel in panels if arm in panel]
        counts = sorted(int(str(line.get_label()).rpartition("n = ")[2][:-1]) for line in lines)
        most = f"\N{EN DASH}{counts[-1]}" if counts[-1] > counts[0] else ""
        handles.append(lines[0])
        labels.append(f"{ARMS[arm].title} (n = {counts[0]}{most})")
    fig.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=ncols or (len(labels) if len(labels) < 4 else 3 if len(labels) < 7 else 4),
        fontsize=7,
        handlelength=2.6,
        columnspacing=1,
    )


def log_axis(ax: Axes, which: Literal["x", "y"]) -> None:
    """A logarithmic axis with plain numbers, some between the powers of ten if few."""
    ax.set(**{f"{which}scale": "log"})
    axis, limits = (ax.xaxis, ax.get_xlim()) if which == "x" else (ax.yaxis, ax.get_ylim())
    low, high = sorted(limits)
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 30 * low else (1,)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter("")


def within_percent(ax: Axes) -> None:
    """Keep an axis of percent within 0 to 100: intervals of few networks reach far beyond."""
    low, high = ax.get_ylim()
    ax.set_ylim(max(0.0, low), min(101.0, high))  # a marker at 100 is seen whole


def mark_ninety(ax: Axes, which: Literal["x", "y"] = "y") -> None:
    """A dashed line at 90 degrees of that axis, where what is random lies."""
    line = ax.axhline if which == "y" else ax.axvline
    line(90, color=COLORS["ink"], lw=0.9, ls=(0, (4, 2)), zorder=1)


def seeds_in(frame: pd.DataFrame) -> int:
    """How many networks the rows come from."""
    return int(frame["seed"].nunique())


def panel_title(ax: Axes, letter: str, title: str) -> None:
    """Title of a panel, after its letter in bold; an empty letter for a panel without one."""
    ax.set_title(rf"$\bf{{{letter}}}$  {title}" if letter else title)


def format_interval(values: ArrayLike, digits: int = 1) -> str:
    """Mean and 95 % t-interval in words, as in "73.0 [72.8, 73.1]"; for one value, that value."""
    mean, low, high = mean_interval(values)
    text = f"{mean:.{digits}f}"
    return text if math.isnan(low) else f"{text} [{low:.{digits}f}, {high:.{digits}f}]"
