"""Measures of the experiment "learning": a value for each arm and seed, a difference for each pair.

A claim rests on one or more of them, its endpoint; the others stand beside the verdict. Chapters
draw what these functions return, so that no figure can disagree with a verdict.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from fa_lib.claims._curves import LOSS, Run, at_checkpoint, at_equal_loss, relative_fall
from fa_lib.claims._judgement import Part, Parts, summarise
from fa_lib.claims._statistics import bootstrap_interval
from fa_lib.protocol import CLAIMS, CONTROLS

PATIENCE = CLAIMS["C6"].limits["patience"]  # epochs, of the best validation checkpoint

Pair = tuple[pd.Series, pd.Series]  # by seed: of the reference, of the arm


@dataclass(frozen=True)
class Measure:
    """What is measured of each arm, and how two arms compare.

    Attributes:
        name: in words.
        unit: of a value.
        metrics: of the table that it needs.
        values: (run, arm, reference) -> values of the reference and of the arm, by seed.
        better: "lower" or "higher"; D is positive where the arm is better than its reference.
        relative: whether D is in percent of the size of the reference's value.
        decides: whether it is part of the claim's endpoint or rule.
        paired: whether a value depends on which arm it is compared with.
    """

    name: str
    unit: str
    metrics: tuple[str, ...]
    values: Callable[[Run, str, str], Pair]
    better: str
    relative: bool = False
    decides: bool = False
    paired: bool = False

    @property
    def unit_of_difference(self) -> str:
        """Of D."""
        return "%" if self.relative else self.unit

    def difference(self, run: Run, arm: str, reference: str) -> pd.Series:
        """D by seed, over the seeds that both arms have."""
        return self.of(*self.values(run, arm, reference))

    def of(self, theirs: pd.Series, ours: pd.Series) -> pd.Series:
        """D by seed, from the reference's values and the arm's; seeds without a D are left out."""
        fall = relative_fall(theirs, ours) if self.relative else theirs - ours
        return (fall if self.better == "lower" else -fall).dropna()


def on_curve(
    metric: str, reduce: Callable[[Run, pd.DataFrame], pd.Series]
) -> Callable[[Run, str, str], Pair]:
    """Values by reducing a metric's curve, paired record by record, to one number a seed."""

    def values(run: Run, arm: str, reference: str) -> Pair:
        theirs, ours = run.pair(arm, reference, metric)
        return reduce(run, theirs), reduce(run, ours)

    return values


def at_checkpoints(metric: str, factor: float = 1.0) -> Callable[[Run, str, str], Pair]:
    """Values of a metric at the best validation checkpoint, times a factor."""

    def values(run: Run, arm: str, reference: str) -> Pair:
        theirs, ours = (at_checkpoint(run, name, metric, PATIENCE) for name in (reference, arm))
        return factor * theirs, factor * ours

    return values


def equal_loss(metric: str, loss: str = LOSS) -> Callable[[Run, str, str], Pair]:
    """Values of a metric at equal training loss, the metric `loss`."""
    return lambda run, arm, reference: at_equal_loss(run, arm, reference, metric, loss)


def needed(measures: Iterable[Measure]) -> set[str]:
    """The metrics that some measures need."""
    return {metric for measure in measures for metric in measure.metrics}


def parts(run: Run, measures: Iterable[Measure], reference: str) -> Parts:
    """D by seed of the measures that decide, FAN against a reference."""
    return {m.name: m.difference(run, "FAN", reference) for m in measures if m.decides}


def arm_values(found: Iterable[Run], measures: Sequence[Measure]) -> pd.DataFrame:
    """Columns setting, n, measure, unit, arm, seed, value: of measures that need no pair."""
    rows = [
        (run.setting, run.n, measure.name, measure.unit, arm, seed, value)
        for run in found
        for measure in measures
        if not measure.paired
        for arm in run.arms
        for seed, value in measure.values(run, arm, arm)[1].items()
    ]
    columns = ["setting", "n", "measure", "unit", "arm", "seed", "value"]
    return pd.DataFrame(rows, columns=columns)


def pair_values(
    found: Iterable[Run], measures: Sequence[Measure], arm: str, reference: str
) -> pd.DataFrame:
    """Columns setting, n, measure, seed, reference, arm, unit, difference, difference_unit."""
    tables = []
    for run in found:
        for measure in measures:
            theirs, ours = measure.values(run, arm, reference)
            values = pd.DataFrame({"reference": theirs, "arm": ours})
            values["difference"] = measure.of(theirs, ours)
            values = values.rename_axis("seed").reset_index()
            values.insert(0, "setting", run.setting)
            values.insert(1, "n", run.n)
            values.insert(2, "measure", measure.name)
            values["unit"], values["difference_unit"] = measure.unit, measure.unit_of_difference
            tables.append(values)
    columns = ["setting", "n", "measure", "seed", "reference", "arm", "difference", "unit"]
    filled = [table for table in tables if len(table)]
    if not filled:
        return pd.DataFrame(columns=[*columns, "difference_unit"])
    return pd.concat(filled, ignore_index=True)


Detail = tuple[str, str, str, int, float, float, float, str]
DETAIL_COLUMNS = ["measure", "setting", "comparison", "n", "effect", "low", "high", "unit"]


def detail(part: Part, setting: str, comparison: str, unit: str) -> Detail:
    """A row of `fa_lib.claims.details`."""
    return (part.name, setting, comparison, part.n, part.mean, part.low, part.high, unit)


def comparisons(run: Run, measures: Iterable[Measure]) -> list[Detail]:
    """Mean D of every measure, FAN against FA and against the controls that were run.

    What decides has a second row against FA, with the studentised bootstrap interval (from three
    seeds on).
    """
    rows = []
    for measure in measures:
        unit = measure.unit_of_difference
        for reference in ("FA", *CONTROLS):
            values = measure.difference(run, "FAN", reference)
            (part,) = summarise({measure.name: values})
            if not part.n:
                continue
            rows.append(detail(part, run.name, f"FAN against {reference}", unit))
            if measure.decides and reference == "FA":
                low, high = bootstrap_interval(values)
                if math.isnan(low):
                    continue
                name = f"{measure.name}, bootstrap interval"
                again = replace(part, name=name, low=low, high=high)
                rows.append(detail(again, run.name, "FAN against FA", unit))
    return rows
