"""Limits and ticks of a panel's axes."""

from __future__ import annotations

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike


def limits(*values: ArrayLike, margin: float = 0.05) -> tuple[float, float]:
    """Ends of an axis that holds all these numbers with a little room; NaN is left out."""
    numbers = np.concatenate([np.ravel(v).astype(float) for v in values])
    low, high = np.nanmin(numbers), np.nanmax(numbers)
    room = margin * (high - low or 1.0)
    return float(low - room), float(high + room)


def ticks(ends: tuple[float, float], most: int = 5) -> dict[float, str]:
    """Round numbers between the ends, at most so many and one."""
    low, high = ends
    places = [float(v) for v in MaxNLocator(most).tick_values(low, high) if low <= v <= high]
    return {place: f"{place:,.10g}".replace("-", "−") for place in places}


def log_ticks(ends: tuple[float, float]) -> dict[float, str]:
    """1, 2, 5, 10, ... between the ends, which are common logarithms, as are the places."""
    decades = np.arange(np.floor(ends[0]), np.ceil(ends[1]))
    numbers = np.concatenate([10.0**decade * np.array([1, 2, 5]) for decade in decades])
    inside = numbers[(np.log10(numbers) >= ends[0]) & (np.log10(numbers) <= ends[1])]
    return {float(np.log10(number)): f"{number:g}" for number in inside}
