"""What a claim is in one setting: its endpoint's mean and interval, its p, its verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Judgement:
    """A claim in one setting.

    Attributes:
        setting: its name, one of the claim's settings.
        n: seeds.
        effect, low, high: mean of the claim's endpoint and its 95 % interval, in the claim's unit;
            for C3 the share of cells that count, without an interval.
        p: one-sided, before Holm's correction; NaN where the rule has a correction of its own.
        p_holm: after Holm's correction over all claims in that setting.
        verdict: "PASS", "IN PART", "FAIL" or "OPEN".
        note: what else the rule looked at, in words with numbers.
    """

    setting: str
    n: int
    effect: float
    low: float
    high: float
    p: float
    verdict: str
    note: str
    p_holm: float = math.nan
