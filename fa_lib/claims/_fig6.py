"""Figure 6's claims: C15 (the meta-loss falls), C16 (every task is learned faster)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
import pandas as pd

from fa_lib.claims._curves import LOSS, Run, by_step, judged, log_losses, where_both_come_to
from fa_lib.claims._judgement import Judgement, judge_parts, specific_to_noise, summarise
from fa_lib.claims._measures import (
    Detail,
    Measure,
    Pair,
    comparisons,
    equal_loss,
    needed,
    on_curve,
    parts,
)
from fa_lib.experiments._adaptation import JUDGED_K, K_STEPS
from fa_lib.protocol import Claim

META_LOSS, META_ACCURACY = "meta_loss", "meta_accuracy"
# Of what is recorded task by task: the name of its summary, how it is made, and a factor on it.
_OVER_TASKS = {
    "test_loss": (META_LOSS, "sum", 1),
    "test_accuracy": (META_ACCURACY, "mean", 100),
}
_OPTIMIZERS = {"adam": "Adam", "sgd": "SGD"}


def runs(table: pd.DataFrame, metrics: Iterable[str]) -> list[Run]:
    """The arms of "fig6" as they adapt, by setting.

    Arguments:
        table: of "fig6".
        metrics: "optimizer/task/metric" for a metric over the steps of adaptation, or
            "optimizer/meta_loss" (sum over tasks of the test loss, nats) and
            "optimizer/meta_accuracy" (mean over tasks of the test accuracy, points).
    """
    wanted = set(metrics)
    asked = {name.rpartition("/")[2] for name in wanted}
    recorded = asked | {kind for kind, (name, *_) in _OVER_TASKS.items() if name in asked}
    adapted = table[(table["panel"] == "adapt") & table["metric"].isin(recorded)]
    found = []
    for (setting, _), rows in adapted.groupby(["setting", "n"]):
        curves: dict[tuple[str, str], pd.DataFrame] = {}
        for (arm, optimizer, metric), part in rows.groupby(["arm", "optimizer", "metric"]):
            name, how, factor = _OVER_TASKS.get(str(metric), ("", "", 1))
            if f"{optimizer}/{name}" in wanted:
                over_tasks = part.groupby(["step", "seed"], as_index=False)["value"].agg(how)
                curves[str(arm), f"{optimizer}/{name}"] = factor * by_step(over_tasks)
            if metric not in asked:
                continue
            for task, own in part.groupby("task"):
                if (name := f"{optimizer}/{task}/{metric}") in wanted:
                    curves[str(arm), name] = by_step(own)
        before = rows.groupby("arm", sort=False)["noise_steps"].max()
        noise = {str(arm): int(steps) for arm, steps in before.items()}
        n, end = int(rows["n"].iloc[0]), int(rows["step"].max())
        found.append(Run(str(setting), n, 1.0, end, True, noise, curves))
    return found


def _after(k: int) -> Callable[[Run, pd.DataFrame], pd.Series]:
    return lambda _, curves: curves.loc[k] if k in curves.index else pd.Series(dtype=float)


def _meta_loss(optimizer: str, k: int, *, decides: bool = False) -> Measure:
    metric = f"{optimizer}/{META_LOSS}"
    return Measure(
        f"meta-loss after {k} steps with {_OPTIMIZERS[optimizer]}",
        "nats",
        (metric,),
        on_curve(metric, _after(k)),
        better="lower",
        relative=True,
        decides=decides,
    )


def _meta_accuracy(k: int) -> Measure:
    metric = f"adam/{META_ACCURACY}"
    return Measure(
        f"mean test accuracy after {k} steps with Adam",
        "points",
        (metric,),
        on_curve(metric, _after(k)),
        better="higher",
    )


C15 = (
    *(_meta_loss("adam", k, decides=k == JUDGED_K) for k in K_STEPS),
    _meta_loss("sgd", JUDGED_K),
    *(_meta_accuracy(k) for k in K_STEPS),
)


(C15_JUDGED,) = (measure for measure in C15 if measure.decides)


def trend(table: pd.DataFrame, setting: str) -> float:
    """One-sided p of Page's trend test: the meta-loss after 100 steps falls with the noise steps.

    Over the states of noise training that adapted in a setting, paired by seed; NaN with fewer than
    three states or two seeds.
    """
    from scipy import stats  # which takes a second to import, for this alone

    rows = table[(table["panel"] == "checkpoints") & (table["setting"] == setting)]
    rows = rows[(rows["metric"] == "test_loss") & (rows["step"] == JUDGED_K)]
    wide = rows.pivot_table(index="seed", columns="noise_steps", values="value", aggfunc="sum")
    if wide.shape[0] < 2 or wide.shape[1] < 3:
        return math.nan
    falling = wide.sort_index(axis="columns", ascending=False)  # the test is for a rise
    return float(stats.page_trend_test(falling.to_numpy()).pvalue)


def _judge_c15(claim: Claim, table: pd.DataFrame) -> list[Judgement]:
    rows = []
    for run in judged(claim, runs(table, needed(C15))):
        found = summarise(parts(run, C15, "FA"))
        p = trend(table, run.setting)
        levels = {arm: C15_JUDGED.values(run, arm, arm)[1] for arm in run.arms}
        means = [f"{arm} {values.mean():.3g}" for arm, values in levels.items() if len(values)]
        note = f"meta-loss {', '.join(means)}"
        if not math.isnan(p):
            note += f"; Page's trend over noise steps, p = {p:.1g}"
        row = judge_parts(run.name, found, claim.smallest_effect, note)
        rows.append(specific_to_noise(row, partial(parts, run, C15)))
    return rows


def _step_at_equal_loss(loss: str) -> Callable[[Run, str, str], Pair]:
    """The steps at which two arms come down to their common training loss."""

    def values(run: Run, arm: str, reference: str) -> Pair:
        steps = [
            wide.where(wide.isna(), np.broadcast_to(wide.index.to_numpy()[:, None], wide.shape))
            for wide in run.pair(arm, reference, loss)
        ]
        falls = log_losses(run, arm, reference, loss)
        return where_both_come_to(falls, (steps[0], steps[1]))

    return values


def c16(table: pd.DataFrame) -> tuple[Measure, ...]:
    """C16's measures, for each of the table's optimisers and tasks."""
    measures = []
    adapted = table[table["panel"] == "adapt"]
    for optimizer, task in itertools.product(_OPTIMIZERS, adapted["task"].unique()):
        where = f"{optimizer}/{task}"
        loss = f"{where}/{LOSS}"
        kinds = {
            "steps to the common training loss": ("steps", loss, _step_at_equal_loss(loss)),
            "path to the common training loss": (
                "weight units",
                f"{where}/path_length",
                equal_loss(f"{where}/path_length", loss),
            ),
            "path of the readout to the common training loss": (
                "weight units",
                f"{where}/path_length_w2",
                equal_loss(f"{where}/path_length_w2", loss),
            ),
        }
        for name, (unit, metric, values) in kinds.items():
            measure = Measure(
                f"{name}, {task}, {_OPTIMIZERS[optimizer]}",
                unit,
                (metric, loss),
                values,
                better="lower",
                relative=True,
                decides="readout" not in name,
                paired=True,
            )
            measures.append(measure)
    return tuple(measures)


def _judge_c16(claim: Claim, table: pd.DataFrame) -> list[Judgement]:
    measures = c16(table)
    rows = []
    for run in judged(claim, runs(table, needed(measures))):
        found = summarise(parts(run, measures, "FA"))
        row = judge_parts(run.name, found, claim.smallest_effect)
        rows.append(specific_to_noise(row, partial(parts, run, measures)))
    return rows


def _details_c15(claim: Claim, table: pd.DataFrame) -> list[Detail]:
    found = judged(claim, runs(table, needed(C15)))
    return [row for run in found for row in comparisons(run, C15)]


def _details_c16(claim: Claim, table: pd.DataFrame) -> list[Detail]:
    measures = c16(table)
    found = judged(claim, runs(table, needed(measures)))
    return [row for run in found for row in comparisons(run, measures)]


MEASURES = {"C15": C15}
JUDGES = {"C15": _judge_c15, "C16": _judge_c16}
DETAILS = {"C15": _details_c15, "C16": _details_c16}
