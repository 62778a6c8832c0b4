"""The first answer: whether a base comes out as printed, by the paper's own test and n."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from fa_lib.judges._differences import Part, Parts, differences, distance_percent
from fa_lib.judges._runs import Runs
from fa_lib.judges._statistics import unpaired
from fa_lib.protocol import LEVEL, SPREAD

NOT_DIFFERENT = ("2g-stuck",)  # reports that a test finds nothing


@dataclass(frozen=True)
class Printed:
    """What a base says of a statement by the paper's test.

    Attributes:
        base: its name.
        yes: whether it comes out as the paper reports.
        p: two-sided, of each part.
        effect: mean difference of each part, in the statement's unit; above zero as reported.
    """

    base: str
    yes: bool
    p: Mapping[str, float]
    effect: Mapping[str, float]


def printed(runs: Runs, statement: str) -> Printed:
    """By unpaired t-tests, as the paper has them; against a fixed number, by one sample.

    A statement of several parts needs them all. 1e goes by neurons: `printed_neurons`.
    """
    parts = differences(runs, statement)
    if statement == "2g-order":  # the pair that the paper tests
        noise, both = (distance_percent(runs, state) for state in ("noise", "noise then data"))
        parts = {"": Part(noise, both, 0.0)}
    return printed_parts(runs.setting.name, statement, parts)


def printed_parts(base: str, statement: str, parts: Parts) -> Printed:
    """The same of samples at hand."""
    p = {name: unpaired(part.above, part.below) for name, part in parts.items()}
    effect = {name: float(part.difference.mean()) for name, part in parts.items()}
    if statement in NOT_DIFFERENT:
        yes = all(value >= LEVEL for value in p.values())
    else:
        yes = bool(parts) and all(p[name] < LEVEL and effect[name] > 0 for name in parts)
    return Printed(base, yes, p, effect)


def printed_neurons(base: str, untrained: ArrayLike, trained: ArrayLike) -> Printed:
    """1e, by the neurons of each network.

    In SPREAD of the networks the untrained neurons' angles must not be significantly off 90
    degrees, and the trained ones' below them with P < .001.

    Arguments:
        untrained, trained: degrees, [neurons, N].
    """
    before, after = np.asarray(untrained, dtype=float), np.asarray(trained, dtype=float)
    at_ninety = stats.ttest_1samp(before, 90.0, axis=0).pvalue >= LEVEL
    smaller = stats.ttest_ind(before, after, axis=0).pvalue < 0.001
    smaller &= after.mean(axis=0) < before.mean(axis=0)
    share = float((at_ninety & smaller).mean())
    p = {
        "untrained against 90": float(np.median(stats.ttest_1samp(before, 90.0, axis=0).pvalue)),
        "untrained against trained": float(np.median(stats.ttest_ind(before, after).pvalue)),
    }
    fall = {"": float((before - after).mean())}
    return Printed(base, share >= SPREAD, p, fall)
