"""The verdicts on one page: a row for each claim, for the README and the book's index."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from fa_lib.claims._judgement import Judgement
from fa_lib.protocol import CHAPTERS

if TYPE_CHECKING:
    from fa_lib.claims import Verdict


def summary(verdicts: Sequence[Verdict]) -> pd.DataFrame:
    """A row for each claim, in words.

    Returns:
        Columns claim (C1 to C18), chapter (its file in book/, without the suffix), statement,
        verdict, specific (to noise training: "yes", "no", "in part", or "" where it is not asked),
        effects (for each setting its name, D's mean and 95 % interval with the unit, the number of
        seeds, and what it comes to there), a tuple of texts.
    """
    rows = [
        (
            verdict.claim.id,
            CHAPTERS[verdict.claim.id],
            verdict.claim.statement,
            verdict.outcome,
            verdict.specific,
            tuple(_effect(row, verdict.unit) for row in verdict.settings),
        )
        for verdict in verdicts
    ]
    return pd.DataFrame(
        rows, columns=["claim", "chapter", "statement", "verdict", "specific", "effects"]
    )


def _effect(row: Judgement, unit: str) -> str:
    interval = "" if math.isnan(row.low) else f" [{row.low:.3g}, {row.high:.3g}]"
    name = row.setting.replace("_", " ")
    return f"{name}: {row.effect:.3g}{interval} {unit}, {row.n} seeds, {row.verdict}"
