"""The paper's claims as statistical tests: from a result's table to a verdict.

The rules are the rows of `fa_lib.protocol.CLAIMS`; here is how they are applied, one file a figure.
Whatever a chapter or the README says of a claim comes from `judge`, so a changed result changes the
verdict.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from fa_lib._checks import choice
from fa_lib.claims import _fig1
from fa_lib.claims._fig1 import cells
from fa_lib.claims._judgement import Judgement
from fa_lib.claims._statistics import LEVEL, holm, mean_interval, one_sided_p
from fa_lib.experiments import stored_result
from fa_lib.protocol import CLAIMS, FAMILY, Claim

__all__ = [
    "Judgement",
    "Verdict",
    "cells",
    "holm",
    "judge",
    "judge_stored",
    "mean_interval",
    "one_sided_p",
    "verdict_table",
]

_JUDGES = {**_fig1.JUDGES}


@dataclass(frozen=True)
class Verdict:
    """A claim over all settings: it "holds", holds "in part", "does not hold" or is "undecided"."""

    claim: Claim
    outcome: str
    settings: tuple[Judgement, ...]


def judge(experiment: str, table: pd.DataFrame) -> list[Verdict]:
    """The verdict on every claim that rests on this experiment.

    Arguments:
        experiment: for example "fig1".
        table: of its Result.

    Returns:
        In the order of the claims; empty where no claim rests on the experiment. A setting that
        the table does not have (the quick profile has fewer widths) is left out.
    """
    claims = [claim for claim in CLAIMS.values() if claim.experiment == experiment]
    judged = [_JUDGES[claim.id](claim, table) for claim in claims]
    corrected = []
    for slot in range(max(map(len, judged), default=0)):
        column = [rows[slot].p if slot < len(rows) else math.nan for rows in judged]
        corrected.append(holm(column, family=FAMILY))
    verdicts = []
    for place, (claim, rows) in enumerate(zip(claims, judged, strict=True)):
        final = tuple(
            _with_correction(row, float(corrected[slot][place])) for slot, row in enumerate(rows)
        )
        verdicts.append(Verdict(claim, _outcome([row.verdict for row in final]), final))
    return verdicts


def judge_stored(claims: Iterable[str] | None = None) -> tuple[list[Verdict], list[str]]:
    """The verdicts by the stored results of the paper profile.

    Arguments:
        claims: which, for example ["C2"]; None for all.

    Returns:
        The verdicts, and the names of experiments whose result is not stored, or is stale.

    Raises:
        ValueError: an unknown claim.
    """
    chosen = list(CLAIMS) if claims is None else [choice(c, CLAIMS, "claim") for c in claims]
    verdicts, missing = [], []
    for name in dict.fromkeys(CLAIMS[c].experiment for c in chosen):
        found = stored_result(name, "paper")
        if found is None:
            missing.append(name)
        else:
            verdicts += [v for v in judge(name, found.table) if v.claim.id in chosen]
    return verdicts, missing


def verdict_table(verdicts: Sequence[Verdict]) -> pd.DataFrame:
    """The verdicts for display, a row for each claim and setting."""
    return pd.DataFrame(
        {
            "claim": verdict.claim.id,
            "setting": row.setting,
            "n": row.n,
            "effect": row.effect,
            "low": row.low,
            "high": row.high,
            "unit": "share of cells" if verdict.claim.id == "C3" else verdict.claim.unit,
            "p (Holm)": row.p_holm,
            "in this setting": row.verdict,
            "verdict": verdict.outcome,
            "note": row.note,
        }
        for verdict in verdicts
        for row in verdict.settings
    )


def _with_correction(row: Judgement, p_holm: float) -> Judgement:
    """A PASS stands only with a p below the level after the correction, where the rule has a p."""
    passed_by_chance = row.verdict == "PASS" and not math.isnan(row.p) and p_holm >= LEVEL
    return replace(row, p_holm=p_holm, verdict="OPEN" if passed_by_chance else row.verdict)


def _outcome(verdicts: Sequence[str]) -> str:
    if verdicts and all(verdict == "PASS" for verdict in verdicts):
        return "holds"
    if any(verdict in ("PASS", "IN PART") for verdict in verdicts):
        return "in part"
    if verdicts and all(verdict == "FAIL" for verdict in verdicts):
        return "does not hold"
    return "undecided"
