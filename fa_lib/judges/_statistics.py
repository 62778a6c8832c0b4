"""The statistics of the answers: paired and unpaired t-tests, equivalence, spread over settings."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats


def mean_interval(values: ArrayLike) -> tuple[float, float, float]:
    """Mean and 95 % t-interval; the interval is NaN for fewer than two values."""
    sample = np.asarray(values, dtype=float)
    mean = float(sample.mean())
    if len(sample) < 2:
        return mean, math.nan, math.nan
    half = float(sample.std(ddof=1)) / math.sqrt(len(sample))
    half *= float(stats.t.ppf(0.975, len(sample) - 1))
    return mean, mean - half, mean + half


class Paired(NamedTuple):
    """A paired t-test: how many pairs, their mean, its standard error, the two-sided p."""

    n: int
    mean: float
    error: float
    p: float

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Of the mean, by Student's t."""
        if self.n < 2:
            return math.nan, math.nan
        half = float(stats.t.ppf((1 + level) / 2, self.n - 1)) * self.error
        return self.mean - half, self.mean + half


def paired(differences: ArrayLike) -> Paired:
    """The paired t-test of these differences; those that are NaN are left out.

    Without two of them nothing but their mean is known. Where all are the same, p is 0, or 1 where
    they are zero.
    """
    sample = np.asarray(differences, dtype=float)
    sample = sample[~np.isnan(sample)]
    n = len(sample)
    if n < 2:
        return Paired(n, float(sample.mean()) if n else math.nan, math.nan, math.nan)
    mean, error = float(sample.mean()), float(sample.std(ddof=1)) / math.sqrt(n)
    if error == 0:
        return Paired(n, mean, 0.0, float(mean == 0))
    return Paired(n, mean, error, float(2 * stats.t.sf(abs(mean / error), n - 1)))


def unpaired(above: ArrayLike, below: ArrayLike) -> float:
    """Two-sided p of the two-sample t-test; of the one-sample test where `below` is a number."""
    sample = np.asarray(above, dtype=float)
    sample = sample[~np.isnan(sample)]
    if np.ndim(below) == 0:
        return float(stats.ttest_1samp(sample, float(np.asarray(below))).pvalue)
    other = np.asarray(below, dtype=float)
    return float(stats.ttest_ind(sample, other[~np.isnan(other)]).pvalue)


def code(differences: ArrayLike, smallest: float, level: float) -> str:
    """What a setting says of a statement, by `fa_lib.protocol`: yes, opposite, none or unclear."""
    test = paired(differences)
    if test.p < level and abs(test.mean) >= smallest:
        return "yes" if test.mean > 0 else "opposite"
    low, high = test.interval()
    return "none" if -smallest <= low and high <= smallest else "unclear"


def equivalence_code(differences: ArrayLike, smallest: float) -> str:
    """The same for a statement that there is no difference, by two one-sided tests.

    "yes": the 90 % interval lies inside +-smallest; "opposite": the 95 % interval lies outside.
    """
    test = paired(differences)
    low, high = test.interval(0.90)
    if -smallest <= low and high <= smallest:
        return "yes"
    low, high = test.interval()
    return "opposite" if high < -smallest or low > smallest else "unclear"


def worst(codes: list[str]) -> str:
    """The code of a statement of several parts."""
    return next(code for code in ("opposite", "none", "unclear", "yes") if code in codes)


class Spread(NamedTuple):
    """Effects over settings: their mean and its 95 % interval, the s.d. between settings, and the
    95 % prediction interval of a new setting's effect.
    """

    mean: float
    low: float
    high: float
    between: float
    predicted_low: float
    predicted_high: float


def spread(effects: ArrayLike, errors: ArrayLike) -> Spread:
    """A random-effects model of the settings' effects, by restricted maximum likelihood.

    (Viechtbauer 2005; prediction interval: Higgins, Thompson, Spiegelhalter 2009.)

    Arguments:
        effects: mean effect of each setting [K].
        errors: its standard error [K].
    """
    y, v = np.asarray(effects, dtype=float), np.asarray(errors, dtype=float) ** 2
    k = len(y)
    if k < 3:
        raise ValueError(f"A spread over settings needs three or more, got {k}.")

    def weights(variance: float) -> tuple[NDArray[np.float64], float]:
        w = 1 / (v + variance)
        return w, float((w * y).sum() / w.sum())

    def deviance(variance: float) -> float:
        w, mean = weights(variance)
        return float(-np.log(w).sum() + math.log(w.sum()) + (w * (y - mean) ** 2).sum())

    most = 10 * float(y.var(ddof=1)) + float(v.max())
    found = optimize.minimize_scalar(
        deviance, bounds=(0, most), method="bounded", options={"xatol": 1e-9 * most}
    )
    variance = float(found.x) if deviance(float(found.x)) < deviance(1e-12 * most) else 0.0
    w, mean = weights(max(variance, 1e-300))
    error = math.sqrt(1 / w.sum())
    half = float(stats.norm.ppf(0.975)) * error
    reach = float(stats.t.ppf(0.975, k - 2)) * math.sqrt(variance + error**2)
    between = math.sqrt(variance)
    return Spread(mean, mean - half, mean + half, between, mean - reach, mean + reach)
