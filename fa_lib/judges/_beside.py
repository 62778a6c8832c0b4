"""What stands beside the answers: converged and equal-loss readings, the paper's own units."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from fa_lib.judges._runs import Runs
from fa_lib.judges._statistics import Paired, paired
from fa_lib.protocol import LEVEL

COMMON = 0.5  # nats of training loss, at which two arms are compared too
STRICT = 0.001  # the level that the paper prints


def moments(runs: Runs, above: str = "FAN", below: str = "FA") -> dict[str, Paired]:
    """The difference in test accuracy of two arms, in points, by when one looks.

    At the horizon; when converged; at the best validation epoch; at equal training loss, which is
    each network's larger of the two arms' smallest losses; and at COMMON nats.
    """
    arms = (above, below)
    smallest = [runs.curve("train_loss", arm).min() for arm in arms]
    equal = pd.concat(smallest, axis=1).max(axis=1)
    common = pd.Series(COMMON, index=equal.index)
    metric = "test_accuracy"
    found = {
        f"at epoch {runs.horizon}": [runs.at_horizon(metric, arm) for arm in arms],
        "converged": [runs.converged(metric, arm)[0] for arm in arms],
        "at the best validation epoch": [runs.at_best(metric, arm) for arm in arms],
        "at equal training loss": [runs.at_loss(metric, arm, equal) for arm in arms],
        f"at {COMMON:g} nats": [runs.at_loss(metric, arm, common) for arm in arms],
    }
    return {name: paired(100 * (one - other)) for name, (one, other) in found.items()}


def wilcoxon_readings(table: pd.DataFrame, base: str, classes: int) -> pd.DataFrame:
    """The paper's Wilcoxon test of 4b, by which 1,000 numbers one takes.

    Arguments:
        table: of the experiment fig4.
        base: one of its bases.
        classes: of the readout.

    Returns:
        Columns reading, tests (how many), untrained, trained (how many of them come out as printed:
        untrained P < STRICT, trained not significant).
    """
    rows = table[(table["setting"] == base) & (table["metric"] == "probability")]
    wide = rows.pivot_table(index=["step", "index"], columns="seed", values="value")
    untrained, trained = (
        wide.loc[step].to_numpy() - 1 / classes for step in (0, int(rows["step"].max()))
    )
    samples = {
        "all probabilities of a network": lambda p: list(p.T),
        "one class over all networks": lambda p: [p[c::classes].ravel() for c in range(classes)],
        "the largest of every input, a network": lambda p: [
            own.reshape(-1, classes).max(axis=1) for own in p.T
        ],
    }
    found = []
    for reading, split in samples.items():
        before, after = (
            np.array([stats.wilcoxon(sample).pvalue for sample in split(p)])
            for p in (untrained, trained)
        )
        counts = int((before < STRICT).sum()), int((after >= LEVEL).sum())
        found.append((reading, len(before), *counts))
    return pd.DataFrame(found, columns=["reading", "tests", "untrained", "trained"])


def late(runs: Runs, arms: tuple[str, ...], layers: int = 2) -> pd.DataFrame:
    """How far each arm came: networks, how many converged, and their median epochs to it."""
    rows = []
    for arm in arms:
        steps, was_late = runs.ends(arm, layers=layers)
        epochs = steps[~was_late] / runs.per_epoch(runs.images if layers != 2 else None)
        median = float(epochs.median()) if len(epochs) else float("nan")
        rows.append((arm, len(steps), int((~was_late).sum()), median))
    return pd.DataFrame(rows, columns=["arm", "networks", "converged", "median epochs"])
