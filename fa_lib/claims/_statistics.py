"""The statistics of the verdicts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special  # scipy.stats has all of this, checks more, and takes a second to import


def mean_interval(values: ArrayLike) -> tuple[float, float, float]:
    """Mean and 95 % t-interval; the interval is NaN for fewer than two values."""
    sample = np.asarray(values, dtype=float)
    mean = float(sample.mean())
    if len(sample) < 2:
        return mean, math.nan, math.nan
    half = float(sample.std(ddof=1)) / math.sqrt(len(sample)) * t_quantile(0.975, len(sample) - 1)
    return mean, mean - half, mean + half


def t_quantile(p: float, degrees_of_freedom: int) -> float:
    """Quantile of Student's t distribution."""
    return float(special.stdtrit(degrees_of_freedom, p))


def one_sided_p(differences: ArrayLike) -> float:
    """The exact p value of Wilcoxon's signed-rank test for a positive difference.

    Exact with ties too (accuracies have them): the distribution of the sum of midranks over all
    flips of signs, by convolution. Differences of zero are left out; 1 where nothing is left.
    """
    sample = np.asarray(differences, dtype=float)
    if np.isnan(sample).any():
        return math.nan
    sample = sample[sample != 0]
    midranks = pd.Series(abs(sample)).rank().to_numpy()
    doubled = np.rint(2 * midranks).astype(int)
    chances = np.zeros(doubled.sum() + 1)  # of each sum of the doubled ranks of positive signs
    chances[0] = 1.0
    for rank in doubled:
        chances[rank:] += chances[:-rank].copy()
        chances /= 2
    return min(1.0, float(chances[doubled[sample > 0].sum() :].sum()))


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


def bootstrap_interval(values: ArrayLike, resamples: int = 9999) -> tuple[float, float]:
    """95 % studentised bootstrap interval of the mean (Efron and Tibshirani 1993, chapter 12).

    The resamples are the same at every call. NaN for fewer than three values; resamples of a
    single value repeated, which have no standard error, are left out.
    """
    sample = np.asarray(values, dtype=float)
    n = len(sample)
    if n < 3 or not np.ptp(sample):
        return math.nan, math.nan
    drawn = sample[np.random.default_rng(0).integers(n, size=(resamples, n))]
    error = drawn.std(axis=1, ddof=1) / math.sqrt(n)
    some = error > 1e-12 * np.ptp(sample)
    t = (drawn.mean(axis=1)[some] - sample.mean()) / error[some]
    own = sample.std(ddof=1) / math.sqrt(n)
    low, high = sample.mean() - np.quantile(t, [0.975, 0.025]) * own
    return float(low), float(high)


def share_interval(part: ArrayLike, whole: ArrayLike) -> tuple[float, float, float]:
    """Ratio of two paired means with its 95 % interval (Fieller 1954).

    Arguments:
        part, whole: [n], paired.

    Returns:
        The ratio and its interval; NaN where the mean of `whole` is not surely above zero, and an
        undefined interval for fewer than two pairs.
    """
    a, b = np.asarray(part, dtype=float), np.asarray(whole, dtype=float)
    if len(a) < 2:
        share = float(a.mean() / b.mean()) if len(a) and b.mean() > 0 else math.nan
        return share, math.nan, math.nan
    quantile = t_quantile(0.975, len(a) - 1)
    (aa, ab), (_, bb) = np.cov(a, b) * quantile**2 / len(a)
    x, y = a.mean(), b.mean()
    lead = y**2 - bb  # of the quadratic whose roots bound the ratios that the data allow
    if y <= 0 or lead <= 0:
        return math.nan, math.nan, math.nan
    middle = x * y - ab
    half = math.sqrt(max(middle**2 - lead * (x**2 - aa), 0.0))
    return float(x / y), float((middle - half) / lead), float((middle + half) / lead)
