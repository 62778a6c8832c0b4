"""Tables of the experiment "fig6" whose verdicts are known, because the effects are planted.

A training loss falls as exp(-step / tau), so two arms' steps to their common loss are to each other
as their taus; a path grows by the same length at every step.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from learning_tables import JITTER, spread

from fa_lib.experiments.fig6 import COLUMNS

TASKS = ("mnist", "digits", "kmnist10k")
ARMS = ("FA", "FAN", "BP", "Z", "S")
NOISE_STEPS = {"FAN": 5000, "S": 5000, "BPN": 5000, "BPN-FA": 5000, "U": 5000}
RECORDS = (0, 10, 20, 30, 50, 70, 100, 150, 200, 250, 300)
K_STEPS = (10, 30, 100, 300)

# Quantity -> arm -> value. FAN is better than FA by more than counts, S and Z are as good as FA.
PLANTED: dict[str, dict[str, float]] = {
    "tau": {"FA": 100.0, "FAN": 70.0, "BP": 30.0},
    "speed": {"FA": 0.01},
    "test_loss": {"FA": 2.0, "FAN": 1.7, "BP": 1.0},  # of a task
    "test_accuracy": {"FA": 0.4, "FAN": 0.6, "BP": 0.8},
}

# (arm, quantity) or (arm, quantity, "optimizer/task") -> value in place of the planted one. What
# is changed for FA holds for S and Z too.
Changes = Mapping[tuple[str, ...], float]


def adapt(
    changes: Changes | None = None,
    *,
    setting: str = "F",
    n: int = 5000,
    seeds: Sequence[int] = range(10),
    arms: Sequence[str] = ARMS,
    steps: int = 300,
) -> pd.DataFrame:
    """Panel "adapt" in one setting."""
    records = np.array([step for step in RECORDS if step <= steps])
    late = np.array([step for step in K_STEPS if step <= steps])
    parts = []
    for arm, optimizer, task in itertools.product(arms, ("adam", "sgd"), TASKS):
        tau, speed, loss, accuracy = (
            _value(changes or {}, arm, quantity, f"{optimizer}/{task}") for quantity in PLANTED
        )
        # No two seeds have the same difference between FAN and another arm.
        factor = 1 + JITTER * (arm == "FAN") * spread(seeds)[:, None]
        for metric, at, values in (
            ("train_loss", records, np.exp(-records / (tau * factor))),
            ("path_length", records, speed * records * factor),
            ("path_length_w2", records, speed / 2 * records * factor),
            ("test_loss", late, loss * factor + 0 * late),
            ("test_accuracy", late, accuracy * factor + 0 * late),
        ):
            columns = {
                "task": task,
                "optimizer": optimizer,
                "arm": arm,
                "noise_steps": NOISE_STEPS.get(arm, 0),
                "seed": np.repeat(seeds, len(at)),
                "step": np.tile(at, len(seeds)),
                "metric": metric,
                "value": values.ravel(),
            }
            parts.append(pd.DataFrame(columns))
    where = {"panel": "adapt", "setting": setting, "n": n, "lr": 1e-4, "readout_scale": 1.0}
    return pd.concat(parts, ignore_index=True).assign(**where)[list(COLUMNS)]


def _value(changes: Changes, arm: str, quantity: str, where: str) -> float:
    for name in (arm, "FA") if arm in "SZ" else (arm,):
        for key in ((name, quantity, where), (name, quantity)):
            if key in changes:
                return changes[key]
    return PLANTED[quantity].get(arm, PLANTED[quantity]["FA"])


def checkpoints(
    losses: Mapping[int, Sequence[float]], *, setting: str = "F", n: int = 5000
) -> pd.DataFrame:
    """Panel "checkpoints" in one setting.

    Arguments:
        losses: by noise steps: the meta-loss after 100 steps of each seed, from 0 on.
    """
    parts = []
    for (noise_steps, of_seeds), (place, task) in itertools.product(
        losses.items(), enumerate(TASKS)
    ):
        share = (place + 1) / 6  # of the three tasks: a sixth, a third, a half
        for step, factor in ((10, 2.0), (30, 1.5), (100, 1.0)):
            columns = {
                "task": task,
                "noise_steps": noise_steps,
                "seed": range(len(of_seeds)),
                "step": step,
                "metric": "test_loss",
                "value": factor * share * np.asarray(of_seeds, dtype=float),
            }
            parts.append(pd.DataFrame(columns))
    where = {"panel": "checkpoints", "optimizer": "adam", "arm": "FAN", "setting": setting, "n": n}
    table = pd.concat(parts, ignore_index=True).assign(**where, lr=1e-4, readout_scale=1.0)
    return table[list(COLUMNS)]
