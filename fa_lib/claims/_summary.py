"""The verdicts on one page: a row for each claim, for the README and the book's index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from fa_lib.protocol import CHAPTERS

if TYPE_CHECKING:
    from fa_lib.claims import Verdict


def summary(verdicts: Sequence[Verdict]) -> pd.DataFrame:
    """A row for each claim, in words.

    Returns:
        Columns claim (C1 to C18), chapter (its file in book/, without the suffix), statement,
        verdict, specific (to noise training: "yes", "no", "in part", or "" where it is not asked),
        effects (for each setting its name, what the claim comes to there, D's mean and 95 %
        interval with the unit, and the number of seeds), a tuple of texts.
    """
    rows = [
        (
            verdict.claim.id,
            CHAPTERS[verdict.claim.id],
            verdict.claim.statement,
            verdict.outcome,
            verdict.specific,
            tuple(row.in_words(verdict.unit) for row in verdict.settings),
        )
        for verdict in verdicts
    ]
    return pd.DataFrame(
        rows, columns=["claim", "chapter", "statement", "verdict", "specific", "effects"]
    )
