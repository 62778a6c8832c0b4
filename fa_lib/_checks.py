"""Checks of what a user passes in: one clear line, what was wrong and what is allowed."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable
from numbers import Integral, Real

__all__ = [
    "choice",
    "finite_float",
    "non_negative_int",
    "positive_float",
    "positive_int",
    "seed_list",
]


def choice(value: str, allowed: Iterable[str], what: str) -> str:
    """Return `value` if it is one of `allowed`, else raise ValueError with the closest match."""
    names = list(allowed)
    if value in names:  # before the sorting, as training asks this at every step
        return value
    names.sort(key=_natural)
    spelt = {name.lower(): name for name in names}
    close = difflib.get_close_matches(str(value).lower(), spelt, n=1, cutoff=0.5)
    hint = f" Did you mean {spelt[close[0]]!r}?" if close else ""
    raise ValueError(f"Unknown {what} {value!r}.{hint} Allowed: {', '.join(names)}.")


def _natural(name: str) -> list[str | int]:
    """Sorts B2 before B10: words and numbers take turns."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def _integer(value: object, what: str, smallest: int) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{what} must be a whole number, got {value!r}.")
    if value < smallest:
        raise ValueError(f"{what} must be at least {smallest}, got {value}.")
    return int(value)


def positive_int(value: object, what: str) -> int:
    """Return `value` as an int >= 1, else raise TypeError or ValueError."""
    return _integer(value, what, 1)


def non_negative_int(value: object, what: str) -> int:
    """Return `value` as an int >= 0, else raise TypeError or ValueError."""
    return _integer(value, what, 0)


def finite_float(value: object, what: str) -> float:
    """Return `value` as a finite float, else raise TypeError or ValueError."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{what} must be a number, got {value!r}.")
    if not math.isfinite(value):
        raise ValueError(f"{what} must be finite, got {value}.")
    return float(value)


def positive_float(value: object, what: str) -> float:
    """Return `value` as a finite float > 0, else raise TypeError or ValueError."""
    number = finite_float(value, what)
    if number <= 0:
        raise ValueError(f"{what} must be above 0, got {value}.")
    return number


def seed_list(seeds: object) -> tuple[int, ...]:
    """Return `seeds` as a tuple of distinct ints >= 0, else raise TypeError or ValueError."""
    if isinstance(seeds, (str, bytes)) or not isinstance(seeds, Iterable):
        raise TypeError(f"seeds must be a collection such as range(10) or [3], got {seeds!r}.")
    checked = tuple(non_negative_int(seed, "Each seed") for seed in seeds)
    if not checked:
        raise ValueError("seeds is empty: give at least one, for example range(10).")
    if len(set(checked)) != len(checked):
        twice = next(seed for i, seed in enumerate(checked) if seed in checked[:i])
        raise ValueError(f"seeds must differ from one another, but {twice} occurs twice.")
    return checked
