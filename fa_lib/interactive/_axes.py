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
