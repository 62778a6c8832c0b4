"""From a result's table to the verdict on every claim that rests on it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from fa_lib._checks import choice
from fa_lib.claims import _depth, _fig1, _fig2, _fig3, _fig4, _fig5, _fig6, _table1
from fa_lib.claims._judgement import Judgement
from fa_lib.claims._statistics import holm
from fa_lib.experiments import resolve, stored_result
from fa_lib.experiments.table1 import together
from fa_lib.protocol import CLAIMS, FAMILY, LEVEL, Claim

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
