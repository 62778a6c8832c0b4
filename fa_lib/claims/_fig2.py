"""Figure 2's claim: C4 (alignment stays ahead during the data training that follows)."""

from __future__ import annotations

from functools import partial

import pandas as pd

from fa_lib.claims._curves import LOSS, Run, judged, last, mean_height, runs
from fa_lib.claims._judgement import Judgement, judgement, specific_to_noise, summarise
from fa_lib.claims._measures import (
    Detail,
    Measure,
    comparisons,
    equal_loss,
    needed,
    on_curve,
    parts,
)
from fa_lib.claims._total_steps import ANGLE, angle_at_equal_total_steps
from fa_lib.protocol import Claim


def _from_epoch_1(run: Run, curves: pd.DataFrame) -> pd.Series:
    return mean_height(curves[curves.index >= run.unit], log_steps=True)


C4 = (
    Measure(
        "centred angle, epochs 1 to 20",
        "degrees",
        (ANGLE,),
        on_curve(ANGLE, _from_epoch_1),
        better="lower",
        decides=True,
    ),
    Measure(
        "centred angle after epoch 20",
        "degrees",
        (ANGLE,),
        on_curve(ANGLE, lambda _, curves: last(curves)),
        better="lower",
        decides=True,
    ),
    Measure(
        "centred angle at equal training loss",
        "degrees",
        (ANGLE, LOSS),
        equal_loss(ANGLE),
        better="lower",
        paired=True,
    ),
    Measure(
        "centred angle at equal total steps",
        "degrees",
        (ANGLE,),
        angle_at_equal_total_steps,
        better="lower",
        paired=True,
    ),
)


def _judge_c4(claim: Claim, table: pd.DataFrame) -> list[Judgement]:
    rows = []
    for run in judged(claim, runs(table, needed(C4))):
        mean, end = summarise(parts(run, C4, "FA"))
        ahead = end.mean > claim.limits["end"]
        if mean.mean >= claim.smallest_effect and ahead:
            verdict = "PASS"
        elif mean.high < claim.smallest_effect or end.high < claim.limits["end"]:
            verdict = "FAIL"
        else:
            verdict = "OPEN"
        row = judgement(run.name, [mean], verdict, str(end))
        rows.append(specific_to_noise(row, partial(parts, run, C4), 1))
    return rows


def _details_c4(claim: Claim, table: pd.DataFrame) -> list[Detail]:
    found = judged(claim, runs(table, needed(C4)))
    return [row for run in found for row in comparisons(run, C4)]


MEASURES = {"C4": C4}
JUDGES = {"C4": _judge_c4}
DETAILS = {"C4": _details_c4}
