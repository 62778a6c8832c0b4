"""The statistics of the verdicts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

LEVEL = 0.05  # of significance, after Holm's correction


def mean_interval(values: ArrayLike) -> tuple[float, float, float]:
    """Mean and 95 % t-interval; the interval is NaN for fewer than two values."""
    sample = np.asarray(values, dtype=float)
    mean = float(sample.mean())
    if len(sample) < 2:
        return mean, math.nan, math.nan
    half = float(stats.sem(sample) * stats.t.ppf(0.975, len(sample) - 1))
    return mean, mean - half, mean + half


def one_sided_p(differences: ArrayLike) -> float:
    """The p value of Wilcoxon's signed-rank test for a positive difference, exact to n = 50."""
    sample = np.asarray(differences, dtype=float)
    if np.isnan(sample).any():
        return math.nan
    if not sample.any():
        return 1.0
    return float(stats.wilcoxon(sample, alternative="greater").pvalue)


def holm(p: Sequence[float], family: int | None = None) -> NDArray[np.float64]:
    """Holm's step-down adjusted p values (Holm 1979).

    Arguments:
        p: NaN counts as 1 and stays NaN.
        family: number of tests the correction runs over, at least len(p): those that are missing
            count as 1.
    """
    raw = np.asarray(p, dtype=float)
    filled = np.where(np.isnan(raw), 1.0, raw)
    order = np.argsort(filled, kind="stable")
    factors = (family or len(raw)) - np.arange(len(raw))
    adjusted = np.empty(len(raw))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(factors * filled[order]))
    return np.where(np.isnan(raw), np.nan, adjusted)
