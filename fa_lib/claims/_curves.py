"""Curves of the experiment "learning": arms paired by seed, means over a curve, equal loss."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fa_lib.metrics import area_under_curve
from fa_lib.protocol import Claim

LOSS = "train_loss"  # recorded on the curve alone, at every record: its last one is the end
# Where it is recorded, its steps are units 0, 1, 2 and so on; else the curve has so many units.
_STRUCTURE, _UNITS = "dimensionality_w1", 20
# Recorded only at the sizes at which everything is measured, which are the claims' settings.
_FULL = "gradient_angle_w1"


@dataclass(frozen=True)
class Run:
    """All arms in one setting, at one size of the training set.

    Attributes:
        setting: "F" or "T".
        n: training images.
        unit: steps in a unit of the curve (an epoch at the claims' sizes).
        end: last step of the curve; some arms were trained on for C6.
        full: whether all measures are there, that is, whether the claims are judged here.
        noise_steps: before the data, by arm.
        curves: wide tables (a row for each step, a column for each seed) by arm and metric.
    """

    setting: str
    n: int
    unit: float
    end: int
    full: bool
    noise_steps: Mapping[str, int]
    curves: Mapping[tuple[str, str], pd.DataFrame]

    @property
    def name(self) -> str:
        """As in the claims' settings: "F, n = 5,000"."""
        return f"{self.setting}, n = {self.n:,}"

    @property
    def arms(self) -> list[str]:
        """Those that were run, in the table's order."""
        return list(self.noise_steps)

    def whole(self, arm: str, metric: str) -> pd.DataFrame:
        """All records of a metric: a row for each step, a column for each seed; may be empty."""
        if (arm, metric) in self.curves:
            return self.curves[arm, metric]
        return pd.DataFrame(index=pd.Index([], dtype=int), dtype=float)

    def curve(self, arm: str, metric: str) -> pd.DataFrame:
        """The same without what was recorded after the curve's end."""
        wide = self.whole(arm, metric)
        return wide.iloc[: wide.index.searchsorted(self.end, side="right")]

    def pair(self, arm: str, reference: str, metric: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The curves of the reference and of the arm, over the seeds and steps that both have.

        What is undefined in one is made undefined (NaN) in the other.
        """
        theirs, ours = self.curve(reference, metric), self.curve(arm, metric)
        if not (theirs.index.equals(ours.index) and theirs.columns.equals(ours.columns)):
            steps = theirs.index.intersection(ours.index)
            seeds = theirs.columns.intersection(ours.columns)
            theirs, ours = theirs.loc[steps, seeds], ours.loc[steps, seeds]
        undefined = theirs.isna() | ours.isna()
        if undefined.to_numpy().any():
            return theirs.mask(undefined), ours.mask(undefined)
        return theirs, ours


def by_step(rows: pd.DataFrame) -> pd.DataFrame:
    """Values as a wide table: a row for each step, a column for each seed, NaN where there is none.

    As `DataFrame.pivot` makes it, in a tenth of the time: a verdict takes thousands of them.

    Arguments:
        rows: with columns step, seed and value.

    Raises:
        ValueError: two values for one step and seed.
    """
    steps, row = np.unique(rows["step"].to_numpy(), return_inverse=True)
    seeds, column = np.unique(rows["seed"].to_numpy(), return_inverse=True)
    if len(np.unique(row * len(seeds) + column)) < len(rows):
        raise ValueError("The table has two values for one step and seed.")
    wide = np.full((len(steps), len(seeds)), math.nan)
    wide[row, column] = rows["value"]
    return pd.DataFrame(wide, pd.Index(steps, name="step"), pd.Index(seeds, name="seed"))


def runs(table: pd.DataFrame, metrics: Iterable[str]) -> list[Run]:
    """The runs on data that the table has, by setting and size, with some of their metrics.

    Arguments:
        table: of "learning".
        metrics: to keep.
    """
    wanted = set(metrics)
    also = {LOSS, _STRUCTURE, _FULL}
    data = table[(table["panel"] == "data") & table["metric"].isin(wanted | also)]
    found = []
    for (setting, n), rows in data.groupby(["setting", "n"]):
        on_curve = rows.loc[rows["metric"] == LOSS, "step"]
        if on_curve.empty:
            continue
        end = int(on_curve.max())
        structure = np.unique(rows.loc[rows["metric"] == _STRUCTURE, "step"])
        unit = float(structure[1]) if len(structure) > 1 else end / _UNITS
        kept = rows[rows["metric"].isin(wanted)]
        curves = {
            (str(arm), str(metric)): by_step(part)
            for (arm, metric), part in kept.groupby(["arm", "metric"])
        }
        before = rows.groupby("arm", sort=False)["noise_steps"].max()
        noise = {str(arm): int(steps) for arm, steps in before.items()}
        full = bool((rows["metric"] == _FULL).any())
        found.append(Run(str(setting), int(n), unit, end, full, noise, curves))
    return found


def judged(claim: Claim, found: Iterable[Run]) -> list[Run]:
    """The runs in which a claim is judged: its settings in order, then others measured in full."""
    place = {name: index for index, name in enumerate(claim.settings)}
    full = [run for run in found if run.full]
    return sorted(full, key=lambda run: (place.get(run.name, len(place)), run.n, run.setting))


def mean_height(curves: pd.DataFrame, *, log_steps: bool = False) -> pd.Series:
    """Mean of each seed's curve over its steps, by the trapezoid rule; NaN records left out.

    Arguments:
        curves: a row for each step, a column for each seed.
        log_steps: average over the logarithm of the step.
    """
    steps = curves.index.to_numpy(dtype=float)
    at = np.log(steps) if log_steps else steps
    heights = {}
    for seed, values in zip(curves.columns, curves.to_numpy().T, strict=True):
        known = ~np.isnan(values)
        if known.sum() > 1:
            heights[seed] = float(area_under_curve(at[known], values[known]))
    return pd.Series(heights, dtype=float)


def last(curves: pd.DataFrame) -> pd.Series:
    """Each seed's value at the last recorded step."""
    return curves.iloc[-1] if len(curves) else pd.Series(dtype=float)


def at_equal_loss(
    run: Run, arm: str, reference: str, metric: str, loss: str = LOSS
) -> tuple[pd.Series, pd.Series]:
    """A metric where both arms come down to their common training loss, seed by seed.

    The common loss is the larger of the two arms' smallest training losses over the records that
    have the metric. Linear between records, in the logarithm of the loss.

    Returns:
        The metric of the reference and of the arm, by seed.
    """
    falls = log_losses(run, arm, reference, loss)
    return where_both_come_to(falls, run.pair(arm, reference, metric))


def log_losses(
    run: Run, arm: str, reference: str, loss: str = LOSS
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Logarithm of the training loss of the reference and of the arm, paired as by `Run.pair`."""
    theirs, ours = run.pair(arm, reference, loss)
    return np.log(theirs.clip(lower=1e-12)), np.log(ours.clip(lower=1e-12))


def where_both_come_to(
    falls: tuple[pd.DataFrame, pd.DataFrame], values: tuple[pd.DataFrame, pd.DataFrame]
) -> tuple[pd.Series, pd.Series]:
    """Each arm's value at the first step where it has come down to the pair's common level.

    For each seed that level is the larger of the two arms' smallest, over the records that have a
    value. Linear between records.

    Arguments:
        falls: what comes down, of the reference and of the arm: a row a step, a column a seed,
            undefined (NaN) in both or in none, as `Run.pair` gives it.
        values: what is looked at there, likewise.

    Returns:
        The values of the reference and of the arm, by seed.
    """
    steps = falls[0].index.intersection(values[0].index)
    seeds = falls[0].columns.intersection(values[0].columns)
    all_falls, all_values = (
        [wide.reindex(index=steps, columns=seeds).to_numpy() for wide in pair]
        for pair in (falls, values)
    )
    found: tuple[dict[object, float], dict[object, float]] = ({}, {})
    for column, seed in enumerate(seeds):
        fall, value = ([wide[:, column] for wide in pair] for pair in (all_falls, all_values))
        known = ~np.isnan(fall[0]) & ~np.isnan(value[0])
        if not known.any():
            continue
        fall, value = [each[known] for each in fall], [each[known] for each in value]
        common = max(each.min() for each in fall)
        for place in (0, 1):
            found[place][seed] = _first_reached(fall[place], value[place], common)
    return pd.Series(found[0], dtype=float), pd.Series(found[1], dtype=float)


def _first_reached(fall: np.ndarray, value: np.ndarray, common: float) -> float:
    first = int(np.argmax(fall <= common))
    if first == 0:
        return float(value[0])
    share = (fall[first - 1] - common) / (fall[first - 1] - fall[first])
    return float(value[first - 1] + share * (value[first] - value[first - 1]))


def relative_fall(theirs: pd.Series, ours: pd.Series) -> pd.Series:
    """By how much ours is below theirs, in percent of the size of theirs; NaN where that is 0."""
    return 100 * (theirs - ours) / theirs.abs().replace(0.0, math.nan)


def at_checkpoint(run: Run, arm: str, metric: str, patience: float) -> pd.Series:
    """A metric at each seed's best validation checkpoint.

    That is the first record with the largest validation accuracy, up to the record at which it has
    not risen for `patience` epochs.
    """
    steps = checkpoints(run, arm, patience)
    wide = run.whole(arm, metric)
    there = {seed: wide[seed].loc[step] for seed, step in steps.items() if seed in wide}
    return pd.Series(there, dtype=float)


def checkpoints(run: Run, arm: str, patience: float) -> pd.Series:
    """The step of each seed's best validation checkpoint (see `at_checkpoint`)."""
    found = {}
    for seed, values in run.whole(arm, "validation_accuracy").items():
        accuracy = values.dropna()
        steps, heights = accuracy.index.to_list(), accuracy.to_list()
        best = 0
        for place in range(len(steps)):
            if heights[place] > heights[best]:
                best = place
            elif steps[place] - steps[best] >= patience * run.unit:
                break
        if len(steps):
            found[seed] = float(steps[best])
    return pd.Series(found, dtype=float)
