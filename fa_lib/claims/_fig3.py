"""Figure 3's claims: C5 (speed), C6 (final accuracy), C7 (gradients), C8 (paths)."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from fa_lib.claims._curves import (
    LOSS,
    Run,
    checkpoints,
    judged,
    last,
    mean_height,
    relative_fall,
    runs,
)
from fa_lib.claims._judgement import (
    Judgement,
    Part,
    judge_parts,
    specific_to_noise,
    summarise,
)
from fa_lib.claims._measures import (
    PATIENCE,
    Detail,
    Measure,
    Pair,
    at_checkpoints,
    comparisons,
    detail,
    equal_loss,
    needed,
    on_curve,
    parts,
)
from fa_lib.claims._statistics import share_interval
from fa_lib.claims._total_steps import ACCURACY, ANGLE, accuracy_by_total_steps
from fa_lib.metrics import steps_to_accuracy
from fa_lib.protocol import CLAIMS, CLOSE, Claim

THRESHOLDS = (0.80, 0.85, 0.90)
GRADIENT = "gradient_angle_w1"
ADAM = "gradient_angle_adam_w1"
NORM = "centered_norm_w2"


def _steps_to(threshold: float, *, total: bool) -> Callable[[Run, str, str], Pair]:
    """Steps on the curve until an accuracy is reached, by seed; NaN where it is not."""

    def steps(run: Run, arm: str) -> pd.Series:
        wide = run.curve(arm, ACCURACY)
        if len(wide) < 2:
            return pd.Series(dtype=float)
        reached = steps_to_accuracy(wide.index, wide.to_numpy(), threshold)
        return pd.Series(reached + total * run.noise_steps[arm], index=wide.columns)

    return lambda run, arm, reference: (steps(run, reference), steps(run, arm))


def _speed() -> tuple[Measure, ...]:
    measures = [
        Measure(
            "area under the accuracy curve",
            "points",
            (ACCURACY,),
            on_curve(ACCURACY, lambda _, curves: 100 * mean_height(curves)),
            better="higher",
            decides=True,
        ),
        Measure(
            "area under the accuracy curve, noise steps counted",
            "points",
            (ACCURACY,),
            accuracy_by_total_steps,
            better="higher",
            paired=True,
        ),
    ]
    for threshold in THRESHOLDS:
        for total, counted in ((False, ""), (True, ", noise steps counted")):
            name = f"steps to {threshold:.0%}{counted}"
            values = _steps_to(threshold, total=total)
            measures.append(Measure(name, "steps", (ACCURACY,), values, better="lower"))
    return tuple(measures)


def _epochs_of_checkpoints(run: Run, arm: str, reference: str) -> Pair:
    theirs, ours = (checkpoints(run, name, PATIENCE) / run.unit for name in (reference, arm))
    return theirs, ours


def _first_epochs(run: Run, curves: pd.DataFrame) -> pd.Series:
    return mean_height(curves[curves.index <= CLAIMS["C7"].limits["epochs"] * run.unit])


def _directness(run: Run, arm: str, reference: str) -> Pair:
    theirs, ours = (
        last(run.curve(name, "path_length")) / last(run.curve(name, "net_displacement"))
        for name in (reference, arm)
    )
    return theirs, ours


C5 = _speed()
C6 = (
    Measure(
        "test accuracy at the best validation checkpoint",
        "points",
        (ACCURACY, "validation_accuracy"),
        at_checkpoints(ACCURACY, 100.0),
        better="higher",
        decides=True,
    ),
    Measure(
        "epoch of the best validation checkpoint",
        "epochs",
        ("validation_accuracy",),
        _epochs_of_checkpoints,
        better="lower",
    ),
)
C7 = (
    Measure(
        "gradient angle of W1, epochs 0 to 5",
        "degrees",
        (GRADIENT,),
        on_curve(GRADIENT, _first_epochs),
        better="lower",
        decides=True,
    ),
    Measure(
        "gradient angle of W1 at equal training loss",
        "degrees",
        (GRADIENT, LOSS),
        equal_loss(GRADIENT),
        better="lower",
        paired=True,
    ),
    Measure(
        "angle between first Adam steps of W1, epochs 0 to 5",
        "degrees",
        (ADAM,),
        on_curve(ADAM, _first_epochs),
        better="lower",
    ),
)
C8 = (
    Measure(
        "cosine of the displacement with the feedback",
        "",
        ("displacement_cosine",),
        on_curve("displacement_cosine", lambda _, curves: last(curves)),
        better="higher",
        relative=True,
        decides=True,
    ),
    Measure(
        "path over net displacement",
        "",
        ("path_length", "net_displacement"),
        _directness,
        better="lower",
        relative=True,
        decides=True,
    ),
    Measure(
        "path to the common training loss",
        "weight units",
        ("path_length", LOSS),
        equal_loss("path_length"),
        better="lower",
        relative=True,
        decides=True,
        paired=True,
    ),
)


def _gap_closed(run: Run, measure: Measure) -> Part:
    """Share of the gap between FA and BP that FAN closes, with Fieller's interval."""
    gains, gaps = (measure.difference(run, arm, "FA") for arm in ("FAN", "BP"))
    seeds = gains.index.intersection(gaps.index)
    share = share_interval(gains[seeds], gaps[seeds])
    return Part("share of the gap to BP closed", len(seeds), *share, math.nan)


def _judge(measures: tuple[Measure, ...], claim: Claim, table: pd.DataFrame) -> list[Judgement]:
    rows = []
    for run in judged(claim, runs(table, needed(measures))):
        found = summarise(parts(run, measures, "FA"))
        note = _levels(run, measures[0]) if len(found) == 1 else ""
        row = judge_parts(run.name, found, claim.smallest_effect, note)
        rows.append(specific_to_noise(row, partial(parts, run, measures)))
    return rows


def _levels(run: Run, measure: Measure) -> str:
    """Each main arm's mean; of accuracy also how much of the gap to BP is closed."""
    levels = {arm: measure.values(run, arm, arm)[1] for arm in ("FA", "FAN", "BP")}
    means = [f"{arm} {values.mean():.4g}" for arm, values in levels.items() if len(values)]
    share = _gap_closed(run, measure)
    if measure.better == "lower" or math.isnan(share.mean):
        return ", ".join(means)
    close = "close" if share.low > CLOSE else "not surely close"
    return f"{', '.join(means)}; {share}, {close}"


def _details(measures: tuple[Measure, ...], claim: Claim, table: pd.DataFrame) -> list[Detail]:
    rows = []
    for run in judged(claim, runs(table, needed(measures) | {NORM, ANGLE})):
        rows += comparisons(run, measures)
        if claim.id in ("C5", "C6"):
            rows.append(detail(_gap_closed(run, measures[0]), run.name, "FAN", ""))
        if claim.id == "C5":
            rows += _not_reached(run)
        if claim.id == "C8" and run.setting == "F":  # in T the readout may be scaled at the start
            rows += _shrinking(run)
    return rows


def _not_reached(run: Run) -> list[Detail]:
    rows = []
    for threshold in THRESHOLDS:
        for arm in run.arms:
            steps = _steps_to(threshold, total=False)(run, arm, arm)[1]
            part = Part(
                f"share not reaching {threshold:.0%}",
                len(steps),
                100 * float(steps.isna().mean()),
                *[math.nan] * 3,
            )
            rows.append(detail(part, run.name, arm, "%"))
    return rows


def _shrinking(run: Run) -> list[Detail]:
    """How much nearer noise training brings the readout to its feedback, and shrinking alone.

    Of the distance |c(W2) - c(B)|, by the law of cosines. The feedback is drawn as the fresh
    readout is, so the mean norm of FA's readouts before the data stands for its norm (the norms of
    such matrices differ by about 1 %).
    """
    curves = [run.whole(arm, metric) for arm in ("FA", "FAN") for metric in (NORM, ANGLE)]
    if any(0 not in wide.index for wide in curves):
        return []
    fresh, fresh_angle, trained, trained_angle = (wide.loc[0] for wide in curves)
    feedback = fresh.mean()

    def distance(norm: pd.Series, angle: pd.Series) -> pd.Series:
        cosine = np.cos(np.radians(angle))
        return np.sqrt(norm**2 + feedback**2 - 2 * norm * feedback * cosine)

    before = distance(fresh, fresh_angle)
    nearer = {
        "distance to the feedback, fall by noise training": distance(trained, trained_angle),
        "distance to the feedback, fall by shrinking alone": distance(trained, fresh_angle),
    }
    falls = {name: relative_fall(before, after) for name, after in nearer.items()}
    return [detail(part, run.name, "FAN", "%") for part in summarise(falls)]


MEASURES = {"C5": C5, "C6": C6, "C7": C7, "C8": C8}
JUDGES = {claim: partial(_judge, measures) for claim, measures in MEASURES.items()}
DETAILS = {claim: partial(_details, measures) for claim, measures in MEASURES.items()}
