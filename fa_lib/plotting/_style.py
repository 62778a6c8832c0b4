"""The look that all figures share, and the mean with its interval."""

from __future__ import annotations

import importlib
import math
import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from fa_lib.claims import mean_interval

__all__ = ["COLORS", "format_interval", "mean_and_band", "panel_title", "use_style"]

# What a colour means, everywhere in the book. Readers with any of the common colour-vision
# deficiencies can tell them apart (a test computes it); controls are lighter, chance is grey.
COLORS = {
    "BP": "#2C3E9B",
    "FA": "#D55E00",
    "FAN": "#00785A",  # feedback alignment with noise training
    "BPN": "#6FA8DC",  # noise training by backpropagation, a control
    "null": "#B3B3B3",  # what chance gives: random matrices, ln C
    "ink": "#222222",
}


def use_style() -> None:
    """Set the book's style; in a notebook, figures become SVGs that repeat byte for byte."""
    plt.style.use(str(Path(__file__).parents[1] / "paper.mplstyle"))
    ipython = sys.modules.get("IPython")
    if ipython and hasattr(ipython.get_ipython(), "kernel"):
        inline = importlib.import_module("matplotlib_inline.backend_inline")
        inline.set_matplotlib_formats("svg", metadata={"Date": None})


def mean_and_band(
    ax: Axes,
    frame: pd.DataFrame,
    *,
    x: str = "step",
    y: str = "value",
    label: str,
    color: str,
    **line: Any,
) -> Line2D:
    """Draw the mean of `y` at each `x`, with its 95 % t-interval as a band.

    Arguments:
        frame: a row for each seed and x.
        label: of the line; the number of seeds is added to it.
        color, line: as in `Axes.plot`.

    Raises:
        ValueError: nothing to draw.
    """
    if frame.empty:
        raise ValueError(f"There are no rows to draw as {label!r}.")
    rows = [(at, *mean_interval(group)) for at, group in frame.groupby(x)[y]]
    at, mean, low, high = zip(*rows, strict=True)
    (drawn,) = ax.plot(at, mean, color=color, label=f"{label} (n = {seeds_in(frame)})", **line)
    if not math.isnan(low[0]):  # a single seed has no interval
        ax.fill_between(at, low, high, color=color, alpha=0.2, linewidth=0)
    return drawn


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
