"""D of each statement in one setting: so turned that above zero is what the paper reports."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pandas as pd

from fa_lib.judges._runs import Runs
from fa_lib.protocol2 import APART, LEARNED, READINGS


class Part(NamedTuple):
    """D by seed, and the smallest mean that counts."""

    difference: pd.Series
    smallest: float


Parts = dict[str, Part]
# Of a setting's runs, and the arm that stands in FA's place: FA itself, or a control.
Measure = Callable[[Runs, str], Parts]


def differences(runs: Runs, statement: str, against: str = "FA") -> Parts:
    """D of a statement, by part; most have one, called "".

    Arguments:
        runs: of the setting.
        statement: its id.
        against: FA, or the control that is asked of whether it takes noise.
    """
    if against != "FA" and statement == "2b-BP":
        statement = "2b-speed"
    return MEASURES[statement](runs, against)


def applies(runs: Runs, statement: str) -> bool:
    """Whether the statement is asked in this setting."""
    if statement == "2b-BP":
        gap = runs.area("test_accuracy", "BP") - runs.area("test_accuracy", "FA")
        return learns(runs) and bool(100 * gap.mean() >= READINGS["2b-speed"].smallest)
    if statement == "3":
        ends = [runs.converged("test_accuracy", arm)[0] for arm in ("BP", "FA")]
        return learns(runs) and bool((ends[0] - ends[1]).mean() > 0)
    return True


def learns(runs: Runs) -> bool:
    """Whether BP learns in this setting."""
    return bool(runs.at_horizon("test_accuracy", "BP").mean() >= LEARNED)


def _one(statement: str, difference: pd.Series) -> Parts:
    return {"": Part(difference, READINGS[statement].smallest)}


def _percent(difference: pd.Series, of: pd.Series) -> pd.Series:
    return 100 * difference / of


def _loss(runs: Runs, against: str) -> Parts:
    return _one("1d", runs.noise("mean_loss", 0) - runs.noise("mean_loss", -1))


def _angle(runs: Runs, against: str) -> Parts:
    return _one("1e", runs.noise("neuron_angle", 0) - runs.noise("neuron_angle", -1))


def _speed(runs: Runs, against: str) -> Parts:
    area = {arm: runs.area("test_accuracy", arm) for arm in ("FAN", against)}
    return _one("2b-speed", 100 * (area["FAN"] - area[against]))


def _near_bp(runs: Runs, against: str) -> Parts:
    area = {arm: runs.area("test_accuracy", arm) for arm in ("FAN", "FA", "BP")}
    return _one("2b-BP", 100 * (area["FAN"] - (area["FA"] + area["BP"]) / 2))


def _end(statement: str) -> Measure:
    def measure(runs: Runs, against: str) -> Parts:
        if against == "FA":
            ends = [runs.converged("test_accuracy", arm)[0] for arm in ("FAN", "FA")]
        else:  # a control, which runs to the horizon
            ends = [runs.at_horizon("test_accuracy", arm) for arm in ("FAN", against)]
        return _one(statement, 100 * (ends[0] - ends[1]))

    return measure


def _lead(runs: Runs, against: str) -> Parts:
    angle = {arm: runs.at_horizon("neuron_angle", arm) for arm in ("FAN", against)}
    return _one("2c", angle[against] - angle["FAN"])


def _directions(runs: Runs, against: str) -> Parts:
    apart = runs.noise("displacements_apart", -1) - APART
    by_data = runs.curve("displacement_cosine", "FA").iloc[-1]
    return {
        "apart": Part(apart, READINGS["2d"].smallest),
        "noise towards feedback": Part(runs.noise("displacement_cosine", -1), 0.0),
        "data towards feedback": Part(by_data, 0.0),
    }


def _distance(runs: Runs, against: str) -> Parts:
    untrained = runs.noise("distance", 0)
    data, both = (runs.at_horizon("distance", arm) for arm in ("FA", "FAN"))
    smallest = READINGS["2e"].smallest
    return {
        "untrained above data": Part(_percent(untrained - data, untrained), smallest),
        "data above both": Part(_percent(data - both, untrained), smallest),
        "untrained above both": Part(_percent(untrained - both, untrained), smallest),
    }


def _stuck(runs: Runs, against: str) -> Parts:
    later = runs.curve("distance", "DN", phase="after")
    return _one("2g-stuck", _percent(later.iloc[-1] - later.iloc[0], runs.noise("distance", 0)))


def _order(runs: Runs, against: str) -> Parts:
    later = runs.curve("distance", "DN", phase="after").iloc[-1]
    both = runs.at_horizon("distance", "FAN")
    return _one("2g-order", _percent(later - both, runs.noise("distance", 0)))


def _readout(runs: Runs, against: str) -> Parts:
    before, after = (runs.noise("readout_deviation", which, layers=3) for which in (0, -1))
    return _one("4b", before / 2 - after)


def _top_share(runs: Runs, against: str) -> Parts:
    before, after = (runs.noise("top_share_w1", which, layers=3) for which in (0, -1))
    return _one("4c", _percent(after - before, before))


def _rank(runs: Runs, against: str) -> Parts:
    before, after = (runs.noise("rank_w1", which, layers=3) for which in (0, -1))
    return _one("4d", _percent(before - after, before))


def gap(runs: Runs, arm: str, layers: int = 3, images: int | None = None) -> pd.Series:
    """Mean over epochs of test less training loss, in nats."""
    test, train = (
        runs.area(f"{part}_loss", arm, layers=layers, images=images) for part in ("test", "train")
    )
    return test - train


def _gap(runs: Runs, against: str) -> Parts:
    return _one("4e", gap(runs, against) - gap(runs, "FAN"))


def _gram(runs: Runs, against: str) -> Parts:
    rank = {arm: runs.at_horizon("gram_rank", arm, layers=3) for arm in ("FA", "FAN", against)}
    return _one("4g", _percent(rank[against] - rank["FAN"], rank["FA"]))


def moved_accuracy(runs: Runs, arm: str) -> pd.Series:
    """Mean over the three families of transformations, at the horizon, 0 to 1."""
    families = ("shift", "scale", "rotation")
    return sum(runs.at_horizon(f"{family}_accuracy", arm) for family in families) / len(families)  # type: ignore[return-value]


def _moved(runs: Runs, against: str) -> Parts:
    return _one("5b", 100 * (moved_accuracy(runs, "FAN") - moved_accuracy(runs, against)))


def _other(runs: Runs, against: str) -> Parts:
    accuracy = {arm: runs.at_horizon("other_accuracy", arm) for arm in ("FAN", against)}
    return _one("5c", 100 * (accuracy["FAN"] - accuracy[against]))


def meta_loss(runs: Runs, arm: str, steps: int = 100) -> pd.Series:
    """Sum over the tasks of the test loss after so many steps on data, in nats.

    Of runs that are shorter, as those of the smoke profile are, at their last record.
    """
    curves = [runs.curve("test_loss", arm, task=task) for task in runs.tasks]
    return sum(curve.loc[:steps].iloc[-1] for curve in curves)


def _meta(runs: Runs, against: str) -> Parts:
    fall = meta_loss(runs, against) - meta_loss(runs, "FAN")
    return _one("6a", _percent(fall, meta_loss(runs, "FA")))


def _closer(runs: Runs, against: str) -> Parts:
    return {
        f"{layers} layers": Part(runs.noise("displacement_cosine", -1, layers=layers), 0.0)
        for layers in (2, 3)
    }


def _tasks(runs: Runs, against: str) -> Parts:
    parts = {}
    for task in runs.tasks:
        area = {arm: runs.area("test_accuracy", arm, task=task) for arm in ("FAN", against)}
        parts[task] = Part(100 * (area["FAN"] - area[against]), READINGS["6c"].smallest)
    return parts


MEASURES: dict[str, Measure] = {
    "1d": _loss,
    "1e": _angle,
    "2b-speed": _speed,
    "2b-BP": _near_bp,
    "2b-end": _end("2b-end"),
    "2c": _lead,
    "2d": _directions,
    "2e": _distance,
    "2g-stuck": _stuck,
    "2g-order": _order,
    "3": _end("3"),
    "4b": _readout,
    "4c": _top_share,
    "4d": _rank,
    "4e": _gap,
    "4g": _gram,
    "5b": _moved,
    "5c": _other,
    "6a": _meta,
    "6b": _closer,
    "6c": _tasks,
}
