"""What noise training changes over the experiment "map", by the measures that judge the claims.

Descriptive: the measures are those of the verdicts where a claim has one that the map can show, and
no rule judges what they come to.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fa_lib._checks import choice
from fa_lib.claims._curves import Run, by_step
from fa_lib.claims._fig2 import C4
from fa_lib.claims._fig3 import C5, C7, THRESHOLDS
from fa_lib.claims._fig4 import C12
from fa_lib.claims._measures import Measure, Pair, needed
from fa_lib.claims._total_steps import ACCURACY, ANGLE
from fa_lib.metrics import steps_to_accuracy

POINT = ["width", "batch_size", "optimizer", "lr"]
NOISE = ["noise_lr", "noise_steps"]
_EPOCHS = "gradient_angle_w1"  # its second record is the end of epoch 1


def _at_start(metric: str) -> Callable[[Run, str, str], Pair]:
    """Values where the data begin."""

    def values(run: Run, arm: str, reference: str) -> Pair:
        theirs, ours = (
            run.whole(name, metric).reindex([0]).loc[0].astype(float) for name in (reference, arm)
        )
        return theirs, ours

    return values


def _at_the_end(run: Run, arm: str, reference: str) -> Pair:
    theirs, ours = (100 * run.curve(name, ACCURACY).loc[run.end] for name in (reference, arm))
    return theirs, ours


def _at_equal_steps(run: Run, arm: str, reference: str) -> Pair:
    """Accuracy after the arm's steps, noise counted; no value where the reference ends before."""
    total = run.noise_steps[arm] + run.end - run.noise_steps[reference]
    theirs = run.whole(reference, ACCURACY)
    last = theirs.index[-1]
    there = {
        seed: 100 * np.interp(total, values.index, values) if total <= last else np.nan
        for seed, values in theirs.items()
    }
    return pd.Series(there, dtype=float), 100 * run.whole(arm, ACCURACY).loc[run.end]


def _within_the_epochs(run: Run, arm: str, reference: str) -> Pair:
    """Accuracy after as many steps in all as the epochs have; no value where noise takes longer."""

    def values(name: str) -> pd.Series:
        left = run.end - run.noise_steps[name]
        wide = run.whole(name, ACCURACY)
        there = {
            seed: 100 * np.interp(left, curve.index, curve) if left >= 0 else np.nan
            for seed, curve in wide.items()
        }
        return pd.Series(there, dtype=float)

    return values(reference), values(arm)


def _steps_to(threshold: float) -> Callable[[Run, str, str], Pair]:
    """Steps until an accuracy is reached, noise counted, over all that an arm was trained."""

    def steps(run: Run, arm: str) -> pd.Series:
        wide = run.whole(arm, ACCURACY)
        reached = steps_to_accuracy(wide.index, wide.to_numpy(), threshold)
        return pd.Series(reached + run.noise_steps[arm], index=wide.columns)

    return lambda run, arm, reference: (steps(run, reference), steps(run, arm))


# By key: the claim, and the measure. D is positive where the arm is better than its reference.
MAP_MEASURES: dict[str, tuple[str, Measure]] = {
    "angle_before": (
        "C2",
        Measure("centred angle before the data", "degrees", (ANGLE,), _at_start(ANGLE), "lower"),
    ),
    "angle": ("C4", C4[0]),
    "area": ("C5", C5[0]),
    "area_total": ("C5", C5[1]),
    "end": (
        "C6",
        Measure("accuracy after the last epoch", "points", (ACCURACY,), _at_the_end, "higher"),
    ),
    "end_total": (
        "C6",
        Measure(
            "accuracy at equal steps in all",
            "points",
            (ACCURACY,),
            _at_equal_steps,
            "higher",
            paired=True,
        ),
    ),
    "end_within": (
        "C6",
        Measure(
            "accuracy when noise takes its steps from the epochs",
            "points",
            (ACCURACY,),
            _within_the_epochs,
            "higher",
        ),
    ),
    "gradient": ("C7", C7[0]),
    "kl": (
        "C9",
        Measure(
            "KL on images before the data",
            "nats",
            ("kl_images",),
            _at_start("kl_images"),
            "lower",
            relative=True,
        ),
    ),
    "dimensionality": (
        "C10",
        Measure(
            "participation ratio of W1 before the data",
            "dimensions",
            ("dimensionality_w1",),
            _at_start("dimensionality_w1"),
            "lower",
            relative=True,
        ),
    ),
    "loss": ("C12", C12[0]),
    **{
        f"steps_{100 * threshold:.0f}": (
            "C5",
            Measure(
                f"steps to {threshold:.0%}, noise steps counted",
                "steps",
                (ACCURACY,),
                _steps_to(threshold),
                "lower",
            ),
        )
        for threshold in THRESHOLDS
    },
}


@dataclass(frozen=True)
class MapPoint:
    """What was trained at one point, with one noise training or with none.

    Attributes:
        where: value of each of the columns POINT and NOISE; noise_steps 0 has no FAN.
        run: its arms, FA, the controls that were run there, and FAN.
    """

    where: dict[str, float | int | str]
    run: Run


def map_points(table: pd.DataFrame) -> list[MapPoint]:
    """The points of the map and its slices, at each of them every noise training and none.

    Arguments:
        table: of `fa_lib.run("map", ...)`.
    """
    wanted = needed(measure for _, measure in MAP_MEASURES.values()) | {_EPOCHS}
    kept = table[table["metric"].isin(wanted)]
    found = []
    for values, rows in kept.groupby(POINT, sort=False):
        point = dict(zip(POINT, values, strict=True))
        plain = rows[rows["noise_steps"] == 0]
        epochs = np.unique(plain.loc[plain["metric"] == _EPOCHS, "step"])
        unit, curves = float(epochs[1]), _curves_of(plain)
        found.append(MapPoint({**point, "noise_lr": 0.0, "noise_steps": 0}, _run(curves, unit, 0)))
        for noise, noisy in rows[rows["noise_steps"] > 0].groupby(NOISE, sort=False):
            where = {**point, **dict(zip(NOISE, noise, strict=True))}
            run = _run({**curves, **_curves_of(noisy)}, unit, int(noise[1]))
            found.append(MapPoint(where, run))
    return found


Curves = dict[tuple[str, str], pd.DataFrame]


def _curves_of(rows: pd.DataFrame) -> Curves:
    return {
        (str(arm), str(metric)): by_step(part)
        for (arm, metric), part in rows.groupby(["arm", "metric"])
    }


def _run(curves: Curves, unit: float, noise_steps: int) -> Run:
    lasts = {
        arm: int(wide.index[-1]) for (arm, metric), wide in curves.items() if metric == ACCURACY
    }
    noise = {arm: noise_steps if arm == "FAN" else 0 for arm in lasts}
    # Plain FA goes on where the others end.
    return Run("", 0, unit, min(lasts.values()), True, noise, curves)


def map_effects(
    points: Iterable[MapPoint],
    measures: Sequence[str],
    *,
    arm: str = "FAN",
    reference: str = "FA",
) -> pd.DataFrame:
    """What an arm changes at every point that has it and its reference, seed by seed.

    Arguments:
        points: of `map_points`.
        measures: keys of MAP_MEASURES.
        arm, reference: FA, FAN, Z or BP.

    Returns:
        Columns width, batch_size, optimizer, lr, noise_lr, noise_steps, measure (its key), seed,
        reference, arm (their values), value (D, positive where the arm is better; NaN where one of
        them has none). For an arm other than FAN compared with one other than FAN, a row is at
        noise_steps 0.

    Raises:
        ValueError: an unknown measure.
    """
    parts = {}
    for point in points:
        if not {arm, reference} <= set(point.run.arms):
            continue
        if "FAN" not in (arm, reference) and point.where["noise_steps"]:
            continue
        for key in measures:
            _, measure = MAP_MEASURES[choice(key, MAP_MEASURES, "measure of the map")]
            theirs, ours = measure.values(point.run, arm, reference)
            values = {"reference": theirs, "arm": ours, "value": measure.of(theirs, ours)}
            place = (*(point.where[column] for column in [*POINT, *NOISE]), key)
            parts[place] = pd.DataFrame(values)
    names = [*POINT, *NOISE, "measure", "seed"]
    if not parts:
        return pd.DataFrame(columns=[*names, "reference", "arm", "value"])
    return pd.concat(parts, names=names).reset_index()


def multiply_adds(sizes: Sequence[int], batch_size: int) -> int:
    """Multiply-adds of one training step of one network, by any of the rules.

    Those of the matrix products: forward, the weights' gradients, and the error carried back
    through every layer but the first. A step on noise costs what a step on data does.
    """
    pairs = [a * b for a, b in itertools.pairwise(sizes)]
    return batch_size * (2 * sum(pairs) + sum(pairs[1:]))
