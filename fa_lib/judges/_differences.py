"""The two samples of each statement in one setting; D is the one less the other, seed by seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pandas as pd

from fa_lib.judges._runs import Runs
from fa_lib.protocol import APART, LEARNED, READINGS


class Part(NamedTuple):
    """Two samples by seed, of which the paper reports that the one is above the other.

    Attributes:
        above, below: in the statement's unit.
        smallest: mean of D that counts.
        unit: where it is not the statement's.
    """

    above: pd.Series
    below: pd.Series | float
    smallest: float
    unit: str = ""

    @property
    def difference(self) -> pd.Series:
        """D by seed; NaN of a network that one of the samples lacks."""
        return self.above - self.below


Parts = dict[str, Part]
# Of a setting's runs, and the arm that stands in FA's place: FA itself, or a control.
Measure = Callable[[Runs, str], Parts]


def differences(runs: Runs, statement: str, against: str = "FA") -> Parts:
    """The samples of a statement, by part; most have one, called "".

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


def _one(statement: str, above: pd.Series, below: pd.Series) -> Parts:
    return {"": Part(above, below, READINGS[statement].smallest)}


def _loss(runs: Runs, against: str) -> Parts:
    return _one("1d", runs.noise("mean_loss", 0), runs.noise("mean_loss", -1))


def _angle(runs: Runs, against: str) -> Parts:
    return _one("1e", runs.noise("neuron_angle", 0), runs.noise("neuron_angle", -1))


def area_percent(runs: Runs, arm: str, task: str | None = None) -> pd.Series:
    """Area under test accuracy, in percent."""
    return 100 * runs.area("test_accuracy", arm, task=task)


def _speed(runs: Runs, against: str) -> Parts:
    return _one("2b-speed", area_percent(runs, "FAN"), area_percent(runs, against))


def _near_bp(runs: Runs, against: str) -> Parts:
    halfway = (area_percent(runs, "FA") + area_percent(runs, "BP")) / 2
    return _one("2b-BP", area_percent(runs, "FAN"), halfway)


def _end(statement: str) -> Measure:
    def measure(runs: Runs, against: str) -> Parts:
        if against == "FA":
            ends = [runs.converged("test_accuracy", arm)[0] for arm in ("FAN", "FA")]
        else:  # a control, which runs to the horizon
            ends = [runs.at_horizon("test_accuracy", arm) for arm in ("FAN", against)]
        return _one(statement, 100 * ends[0], 100 * ends[1])

    return measure


def _lead(runs: Runs, against: str) -> Parts:
    angle = {arm: runs.at_horizon("neuron_angle", arm) for arm in ("FAN", against)}
    return _one("2c", angle[against], angle["FAN"])


def _directions(runs: Runs, against: str) -> Parts:
    by_noise = runs.noise("displacement_cosine", -1)
    by_data = runs.curve("displacement_cosine", "FA").iloc[-1]
    return {
        "apart": Part(runs.noise("displacements_apart", -1), APART, READINGS["2d"].smallest),
        "noise towards feedback": Part(by_noise, 0.0, 0.0, "cosine"),
        "data towards feedback": Part(by_data, 0.0, 0.0, "cosine"),
    }


def distance_percent(runs: Runs, state: str) -> pd.Series:
    """Frobenius distance of the last layer's two kinds of weights, untrained 100 on average.

    Arguments:
        state: "untrained", "noise" (alone), "data" (FA at the horizon), "noise then data" (FAN
            there), or "data then noise" (DN at its end).
    """
    untrained = runs.noise("distance", 0)
    found = {
        "untrained": lambda: untrained,
        "noise": lambda: runs.noise("distance", -1),
        "data": lambda: runs.at_horizon("distance", "FA"),
        "noise then data": lambda: runs.at_horizon("distance", "FAN"),
        "data then noise": lambda: runs.curve("distance", "DN", phase="after").iloc[-1],
    }[state]()
    return 100 * found / untrained.mean()


def _distance(runs: Runs, against: str) -> Parts:
    states = ("untrained", "data", "noise then data")
    untrained, data, both = (distance_percent(runs, state) for state in states)
    smallest = READINGS["2e"].smallest
    return {
        "untrained above data": Part(untrained, data, smallest),
        "data above both": Part(data, both, smallest),
        "untrained above both": Part(untrained, both, smallest),
    }


def _stuck(runs: Runs, against: str) -> Parts:
    states = (distance_percent(runs, state) for state in ("data then noise", "data"))
    return _one("2g-stuck", *states)


def _order(runs: Runs, against: str) -> Parts:
    states = (distance_percent(runs, state) for state in ("data then noise", "noise then data"))
    return _one("2g-order", *states)


def _readout(runs: Runs, against: str) -> Parts:
    before, after = (runs.noise("readout_deviation", which, layers=3) for which in (0, -1))
    return _one("4b", before / 2, after)


def _top_share(runs: Runs, against: str) -> Parts:
    before, after = (runs.noise("top_share_w1", which, layers=3) for which in (0, -1))
    return _one("4c", *(100 * share / before.mean() for share in (after, before)))


def _rank(runs: Runs, against: str) -> Parts:
    before, after = (runs.noise("rank_w1", which, layers=3) for which in (0, -1))
    return _one("4d", *(100 * rank / before.mean() for rank in (before, after)))


def gap(runs: Runs, arm: str, layers: int = 3, images: int | None = None) -> pd.Series:
    """Mean over epochs of test less training loss, in nats."""
    test, train = (
        runs.area(f"{part}_loss", arm, layers=layers, images=images) for part in ("test", "train")
    )
    return test - train


def _gap(runs: Runs, against: str) -> Parts:
    return _one("4e", gap(runs, against), gap(runs, "FAN"))


def _gram(runs: Runs, against: str) -> Parts:
    return _one("4g", *(gram_percent(runs, arm, layers=3) for arm in (against, "FAN")))


def gram_percent(runs: Runs, arm: str, **which: int) -> pd.Series:
    """Effective rank of the Gram matrix at the horizon, FA's being 100 on average."""
    own, fa = (runs.at_horizon("gram_rank", one, **which) for one in (arm, "FA"))
    return 100 * own / fa.mean()


def moved_accuracy(runs: Runs, arm: str) -> pd.Series:
    """Mean over the three families of transformations, at the horizon, in percent."""
    families = ("shift", "scale", "rotation")
    accuracies = [runs.at_horizon(f"{family}_accuracy", arm) for family in families]
    return 100 * sum(accuracies[1:], accuracies[0]) / len(families)


def _moved(runs: Runs, against: str) -> Parts:
    return _one("5b", moved_accuracy(runs, "FAN"), moved_accuracy(runs, against))


def _other(runs: Runs, against: str) -> Parts:
    with_noise, other = (runs.at_horizon("other_accuracy", arm) for arm in ("FAN", against))
    return _one("5c", 100 * with_noise, 100 * other)


def meta_loss(runs: Runs, arm: str, steps: int = 100) -> pd.Series:
    """Sum over the tasks of the test loss after so many steps on data, in nats.

    Raises:
        KeyError: the setting's runs are shorter.
    """
    losses = [runs.curve("test_loss", arm, task=task).loc[steps] for task in runs.tasks]
    return sum(losses[1:], losses[0])


def _meta(runs: Runs, against: str) -> Parts:
    of = meta_loss(runs, "FA").mean()
    return _one("6a", *(100 * meta_loss(runs, arm) / of for arm in (against, "FAN")))


def _closer(runs: Runs, against: str) -> Parts:
    return {
        f"{layers} layers": Part(runs.noise("displacement_cosine", -1, layers=layers), 0.0, 0.0)
        for layers in (2, 3)
    }


def _tasks(runs: Runs, against: str) -> Parts:
    smallest = READINGS["6c"].smallest
    return {
        task: Part(area_percent(runs, "FAN", task), area_percent(runs, against, task), smallest)
        for task in runs.tasks
    }


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
