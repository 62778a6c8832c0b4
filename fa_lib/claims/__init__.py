"""The paper's claims as statistical tests: from a result's table to a verdict.

The rules are the rows of `fa_lib.protocol.CLAIMS`; here is how they are applied, one file a figure.
Whatever a chapter or the README says of a claim comes from `judge`, so a changed result changes the
verdict. `by_arm`, `by_pair` and `details` give the numbers that the verdicts rest on, and those
that the protocol wants beside them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from fa_lib._checks import choice
from fa_lib.claims import _depth, _fig1, _fig2, _fig3, _fig4, _fig5, _fig6, _table1
from fa_lib.claims._checkpoints import accuracy_rows, checkpoint_values
from fa_lib.claims._curves import Run, at_checkpoint, at_equal_loss, mean_height, runs
from fa_lib.claims._fig1 import cells
from fa_lib.claims._judgement import Judgement
from fa_lib.claims._measures import (
    DETAIL_COLUMNS,
    Detail,
    Measure,
    arm_values,
    needed,
    pair_values,
)
from fa_lib.claims._noise_map import (
    MAP_MEASURES,
    MapPoint,
    map_effects,
    map_points,
    multiply_adds,
)
from fa_lib.claims._statistics import (
    LEVEL,
    bootstrap_interval,
    holm,
    mean_interval,
    one_sided_p,
    share_interval,
)
from fa_lib.claims._summary import summary
from fa_lib.claims._table1 import table1_rows
from fa_lib.experiments import resolve, stored_result
from fa_lib.experiments.table1 import together
from fa_lib.protocol import CLAIMS, FAMILY, Claim

__all__ = [
    "MAP_MEASURES",
    "Judgement",
    "MapPoint",
    "Run",
    "Verdict",
    "accuracy_rows",
    "at_checkpoint",
    "at_equal_loss",
    "bootstrap_interval",
    "by_arm",
    "by_pair",
    "cells",
    "checkpoint_values",
    "details",
    "holm",
    "judge",
    "judge_stored",
    "map_effects",
    "map_points",
    "mean_height",
    "mean_interval",
    "multiply_adds",
    "one_sided_p",
    "runs",
    "runs_of",
    "share_interval",
    "summary",
    "table1_rows",
    "verdict_table",
]

_JUDGES: dict[str, Callable[[Claim, pd.DataFrame], list[Judgement]]] = {
    **_fig1.JUDGES,
    **_fig2.JUDGES,
    **_fig3.JUDGES,
    **_fig4.JUDGES,
    **_fig5.JUDGES,
    **_fig6.JUDGES,
    **_table1.JUDGES,
    **_depth.JUDGES,
}
_DETAILS: dict[str, Callable[[Claim, pd.DataFrame], list[Detail]]] = {
    **_fig2.DETAILS,
    **_fig3.DETAILS,
    **_fig4.DETAILS,
    **_fig5.DETAILS,
    **_fig6.DETAILS,
    **_table1.DETAILS,
    **_depth.DETAILS,
}
_MEASURES = {
    claim: measures
    for figure in (_fig2, _fig3, _fig4, _fig5, _fig6)
    for claim, measures in figure.MEASURES.items()
}
# Those that depend on what the table holds: C16's on its tasks.
_MEASURES_OF_TABLE: dict[str, Callable[[pd.DataFrame], tuple[Measure, ...]]] = {"C16": _fig6.c16}
# How the runs that a claim looks at are found in its experiment's table.
_RUNS: dict[str, Callable[[pd.DataFrame, Iterable[str]], list[Run]]] = {
    **dict.fromkeys(_fig5.MEASURES, _fig5.runs),
    **dict.fromkeys(_fig6.JUDGES, _fig6.runs),
}


@dataclass(frozen=True)
class Verdict:
    """A claim over all settings: it "holds", holds "in part", "does not hold" or is "undecided"."""

    claim: Claim
    outcome: str
    settings: tuple[Judgement, ...]

    @property
    def specific(self) -> str:
        """To noise training: "yes", "no", "in part" (not in every setting), or "" not asked."""
        answers = {row.specific for row in self.settings} - {""}
        return "in part" if len(answers) > 1 else next(iter(answers), "")

    @property
    def unit(self) -> str:
        """Of the effect in each setting."""
        return "share of cells" if self.claim.id == "C3" else self.claim.unit

    def __str__(self) -> str:
        """The outcome, and a line for each setting."""
        asked = f" (specific to noise: {self.specific})" if self.specific else ""
        lines = [f"{self.claim.id} {self.outcome}{asked}: {self.claim.statement}"]
        for row in self.settings:
            lines.append(f"  {row.in_words(self.unit)}" + (f"; {row.note}" if row.note else ""))
        return "\n".join(lines)


def judge(experiment: str, table: pd.DataFrame) -> list[Verdict]:
    """The verdict on every claim that rests on this experiment.

    Arguments:
        experiment: for example "fig1"; "fig2", "fig3" and "fig4" mean "learning".
        table: of its Result.

    Returns:
        In the order of the claims; empty where no claim rests on the experiment. A setting that
        the table does not have (the quick profile has fewer widths) is left out.

    Raises:
        ValueError: an unknown experiment.
    """
    claims = [claim for claim in CLAIMS.values() if claim.experiment == resolve(experiment)]
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
            parts = together(found) if name == "table1" else [found]
            table = pd.concat([part.table for part in parts], ignore_index=True)
            verdicts += [v for v in judge(name, table) if v.claim.id in chosen]
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
            "unit": verdict.unit,
            "p (Holm)": row.p_holm,
            "in this setting": row.verdict,
            "verdict": verdict.outcome,
            "specific to noise": row.specific,
            "note": row.note,
        }
        for verdict in verdicts
        for row in verdict.settings
    )


def details(claim: str, table: pd.DataFrame) -> pd.DataFrame:
    """What stands beside the verdict: all measures of a claim, and their bootstrap intervals.

    Arguments:
        claim: C4 to C18.
        table: of the experiment that the claim rests on.

    Returns:
        Columns measure, setting, comparison (two arms, or one whose value is given), n (seeds),
        effect (mean), low, high (95 % interval), unit. What the table does not have is left out.

    Raises:
        ValueError: a claim without details.
    """
    rows = _DETAILS[choice(claim, _DETAILS, "claim")](CLAIMS[claim], table)
    return pd.DataFrame(rows, columns=DETAIL_COLUMNS)


def by_arm(claim: str, table: pd.DataFrame) -> pd.DataFrame:
    """A claim's measures for every arm and seed, those left out that depend on a pair of arms.

    Arguments:
        claim: C4 to C8 or C11 to C16; all of C16's measures depend on a pair.
        table: of the experiment that the claim rests on.

    Returns:
        Columns setting, n, measure, unit, arm, seed, value.

    Raises:
        ValueError: a claim without such measures.
    """
    measures = _measures_of(claim, table)
    return arm_values(runs_of(claim, table), measures)


def by_pair(
    claim: str, table: pd.DataFrame, *, arm: str = "FAN", reference: str = "FA"
) -> pd.DataFrame:
    """A claim's measures for two arms, seed by seed, with the difference D that judges the claim.

    Arguments:
        claim, table: as in `by_arm`.
        arm: that is said to be better.
        reference: than this one.

    Returns:
        Columns setting, n, measure, seed, reference, arm (their values, in `unit`), difference (D,
        in `difference_unit`; positive where the arm is better), unit, difference_unit.

    Raises:
        ValueError: a claim without such measures.
    """
    measures = _measures_of(claim, table)
    return pair_values(runs_of(claim, table), measures, arm, reference)


def _measures_of(claim: str, table: pd.DataFrame) -> tuple[Measure, ...]:
    choice(claim, [*_MEASURES, *_MEASURES_OF_TABLE], "claim")
    return _MEASURES[claim] if claim in _MEASURES else _MEASURES_OF_TABLE[claim](table)


def runs_of(claim: str, table: pd.DataFrame) -> list[Run]:
    """The runs that a claim looks at, by setting and size, with the metrics of its measures.

    Arguments:
        claim: C4 to C8 or C11 to C16.
        table: of the experiment that the claim rests on.

    Raises:
        ValueError: a claim without such measures.
    """
    return _RUNS.get(claim, runs)(table, needed(_measures_of(claim, table)))


def _with_correction(row: Judgement, p_holm: float) -> Judgement:
    """What a rule with a p comes to after the correction.

    PASS needs a corrected p below the level; without it the part that earns IN PART by itself may
    still do so, by its own p times the size of the family (Bonferroni). IN PART needs it likewise.
    """
    verdict = row.verdict
    if verdict in ("PASS", "IN PART") and not math.isnan(row.p) and p_holm >= LEVEL:
        part = verdict == "PASS" and row.p_part * FAMILY < LEVEL
        verdict = "IN PART" if part else "OPEN"
    return replace(row, p_holm=p_holm, verdict=verdict)


def _outcome(verdicts: Sequence[str]) -> str:
    if verdicts and all(verdict == "PASS" for verdict in verdicts):
        return "holds"
    if any(verdict in ("PASS", "IN PART") for verdict in verdicts):
        return "in part"
    if verdicts and all(verdict == "FAIL" for verdict in verdicts):
        return "does not hold"
    return "undecided"
