"""The look that all figures share, and the mean with its interval."""

from __future__ import annotations

import importlib
import itertools
import math
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator
from numpy.typing import ArrayLike

from fa_lib.claims import mean_interval
from fa_lib.schema import ARMS, Dashes

__all__ = [
    "COLORS",
    "STRONG_ARMS",
    "arm_look",
    "arms_in",
    "format_interval",
    "legend_below",
    "mean_and_band",
    "panel_title",
    "plot_arms",
    "use_style",
]

# What a colour means, everywhere in the book: the arms', and two more.
COLORS = {name: look.color for name, look in ARMS.items()} | {
    "null": "#B3B3B3",  # what chance gives: random matrices, ln C
    "ink": "#222222",
}

STRONG_ARMS = ("FA", "FAN", "BP")  # the paper's; the others are controls

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


def mean_marker(ax: Axes, x: float, sample: ArrayLike, arm: str) -> Line2D:
    """Draw the mean of an arm's values at `x` with its 95 % t-interval.

    Returns:
        The marker, labelled with the arm's name and its seeds.
    """
    mean, low, high = mean_interval(sample)
    drawn = ax.errorbar(
        x,
        mean,
        [[mean - low], [high - mean]],
        fmt=ARMS[arm].marker,
        ms=6.5 if arm in STRONG_ARMS else 4.5,
        color=COLORS[arm],
        mec=COLORS["ink"],
        mew=0.6,
        elinewidth=1.4,
        capsize=2.5,
        zorder=3,
    )
    marker = drawn.lines[0]
    marker.set_label(f"{ARMS[arm].title} (n = {len(np.atleast_1d(sample))})")
    return marker


def task_looks(tasks: Iterable[str]) -> dict[str, tuple[Dashes, str]]:
    """Dashes and marker of each task that has a name, in order of appearance."""
    names = [name for name in dict.fromkeys(tasks) if name]
    return dict(zip(names, itertools.cycle(TASK_LOOKS), strict=False))


def legend_below(fig: Figure, *panels: Mapping[str, Line2D]) -> None:
    """One legend for all panels, under them.

    Arguments:
        panels: the lines by arm that `plot_arms` returned for each.
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
        ncols=len(labels) if len(labels) < 4 else 3 if len(labels) < 7 else 4,
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
