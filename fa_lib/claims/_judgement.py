"""What a claim is in one setting: its endpoint's mean and interval, its p, its verdict."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from fa_lib.claims._statistics import holm, mean_interval, one_sided_p
from fa_lib.protocol import CONTROLS, FEWEST, FEWEST_ASKED, LEVEL

# What a claim's parts come to for each seed, given the arm in FA's place: "FA", "S" or "Z".
Parts = Mapping[str, pd.Series]
Endpoint = Callable[[str], Parts]


@dataclass(frozen=True)
class Judgement:
    """A claim in one setting.

    Attributes:
        setting: its name, one of the claim's settings.
        n: seeds.
        effect, low, high: mean of the claim's endpoint and its 95 % interval, in the claim's unit;
            for C3 the share of cells that count, without an interval.
        p: one-sided, before Holm's correction; NaN where the rule has a correction of its own.
        verdict: "PASS", "IN PART", "FAIL" or "OPEN".
        note: what else the rule looked at, in words with numbers.
        p_holm: after Holm's correction over all claims in that setting.
        p_part: of the part that earns IN PART by itself if `p` does not earn PASS; NaN without one.
        specific: to noise training: "yes", "no", or "" where that is not asked.
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
    p_part: float = math.nan
    specific: str = ""

    def in_words(self, unit: str) -> str:
        """Setting, verdict, effect with its interval, and seeds."""
        name = self.setting.replace("_", " ")
        if not self.n:
            return f"{name}: {self.verdict}"
        interval = "" if math.isnan(self.low) else f" [{self.low:.3g}, {self.high:.3g}]"
        return f"{name}: {self.verdict}, {self.effect:.3g}{interval} {unit}, {self.n} seeds"


@dataclass(frozen=True)
class Part:
    """One part of a claim over its seeds: those with a value, mean with 95 % interval, p."""

    name: str
    n: int
    mean: float
    low: float
    high: float
    p: float

    def __str__(self) -> str:
        """Name, mean and interval, for a note."""
        if not self.n:
            return f"{self.name}: not measured"
        interval = "" if math.isnan(self.low) else f" [{self.low:.3g}, {self.high:.3g}]"
        return f"{self.name}: {self.mean:.3g}{interval}"


def summarise(parts: Parts) -> list[Part]:
    """Each part over the seeds that have a value; NaN where no seed has one."""
    out = []
    for name, values in parts.items():
        known = values.dropna()
        if known.empty:
            out.append(Part(name, 0, *[math.nan] * 4))
        else:
            out.append(Part(name, len(known), *mean_interval(known), one_sided_p(known)))
    return out


def judgement(
    setting: str,
    deciding: Sequence[Part],
    verdict: str,
    note: str,
    *,
    shown: Part | None = None,
    p_part: float = math.nan,
) -> Judgement:
    """Put a setting's judgement together; OPEN with fewer than three seeds.

    Arguments:
        setting: its name.
        deciding: the parts that the verdict rests on: p is the largest of theirs.
        verdict: before the correction of p.
        note: as in `Judgement`.
        shown: the part that is the endpoint; by default that of `deciding` with the smallest mean.
        p_part: as in `Judgement`.
    """
    n = min(part.n for part in deciding)
    if not n:
        nothing = math.nan
        return Judgement(setting, 0, nothing, nothing, nothing, nothing, "OPEN", "not measured")
    part = shown or min(deciding, key=lambda part: part.mean)
    p = max(part.p for part in deciding)
    verdict = verdict if n >= FEWEST else "OPEN"
    return Judgement(setting, n, part.mean, part.low, part.high, p, verdict, note, p_part=p_part)


def judge_parts(setting: str, parts: Sequence[Part], smallest: float, note: str = "") -> Judgement:
    """PASS with every part's mean at least the smallest effect, FAIL with one surely below it."""
    if all(part.mean >= smallest for part in parts):
        verdict = "PASS"
    else:
        verdict = "FAIL" if any(part.high < smallest for part in parts) else "OPEN"
    several = "; ".join(map(str, parts)) if len(parts) > 1 else ""
    return judgement(setting, parts, verdict, "; ".join(filter(None, (several, note))))


def specific_to_noise(row: Judgement, endpoint: Endpoint, deciding: int | None = None) -> Judgement:
    """The judgement with its answer to whether noise training beats S and Z on the same endpoint.

    Arguments:
        row: a setting's judgement.
        endpoint: the claim's parts with an arm in FA's place.
        deciding: how many of them, from the first, make up D; None for all.
    """
    against = [summarise(endpoint(control))[:deciding] for control in CONTROLS]
    few = any(part.n < FEWEST_ASKED for each in against for part in each)
    if few or row.verdict == "FAIL" or row.n < FEWEST_ASKED:
        return row
    p = holm([max(part.p for part in each) for each in against])
    ahead = all(part.mean > 0 for each in against for part in each)
    return replace(row, specific="yes" if ahead and (p < LEVEL).all() else "no")
