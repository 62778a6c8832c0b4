"""Tables of the experiment "learning" whose verdicts are known, because the effects are planted."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

UNIT = 80  # steps in an epoch
UNITS = (0, 0.25, 0.5, 1, 2, 5, 10, 15, 20)
STRUCTURE = (0, 1, 2, 5, 10, 15, 20)
NOISE_STEPS = {"FAN": 5000, "S": 5000}
ARMS = ("FA", "FAN", "BP", "Z", "S")
JITTER = 1e-4  # of FAN's values, relative, so that no two seeds have the same difference

Curve = Callable[[float], float]  # value at so many epochs
Value = float | Curve
Changes = Mapping[tuple[str, str], Value | None]


def line(start: float, end: float) -> Curve:
    """From start to end over the twenty epochs."""
    return lambda unit: start + (end - start) * unit / 20


def decay(start: float) -> Curve:
    """A loss that falls to start / e^2 over the twenty epochs; its logarithm is a line."""
    return lambda unit: start * math.exp(-unit / 10)


# Metric -> arm -> value. FAN is better than FA by more than counts, S and Z are as good as FA.
PLANTED: dict[str, dict[str, Value]] = {
    "centered_alignment_angle_w2": {"FA": 70.0, "FAN": 60.0},
    "centered_norm_w2": {"FA": 2.0, "FAN": 1.0},
    "test_accuracy": {"FA": line(0.6, 0.9), "FAN": line(0.7, 0.92), "BP": line(0.8, 0.94)},
    "validation_accuracy": {"FA": line(0.6, 0.9), "FAN": line(0.7, 0.92), "BP": line(0.8, 0.94)},
    "gradient_angle_w1": {"FA": 80.0, "FAN": 60.0},
    "gradient_angle_adam_w1": {"FA": 85.0, "FAN": 75.0},
    "train_loss": {"FA": decay(2.0), "FAN": decay(1.0)},
    "test_loss": {"FA": 1.0, "FAN": 0.9},
    "displacement_cosine": {"FA": 0.4, "FAN": 0.5},
    "path_length": {"FA": line(0, 2), "FAN": line(0, 2)},
    "net_displacement": {"FA": line(0, 1), "FAN": line(0, 1.25)},
    "rank_w1": {"FA": 40.0, "FAN": 30.0},
    "dimensionality_hidden": {"FA": 20.0, "FAN": 15.0},
    "dimensionality_w1": {"FA": 300.0, "FAN": 250.0},
    "dimensionality_w2": {"FA": 8.0, "FAN": 8.0},
}
EXACT = ("train_loss", "net_displacement")  # without jitter
AT_STRUCTURE = ("rank_w1", "dimensionality_hidden", "dimensionality_w1", "dimensionality_w2")
ONLY_IN_FULL = (
    "gradient_angle_w1",
    "gradient_angle_adam_w1",
    "validation_accuracy",
    *AT_STRUCTURE,
)


def spread(seeds: Sequence[int]) -> np.ndarray:
    """A value for each seed, from -1 to 1, their mean zero; it goes by the seed's own number."""
    return (np.asarray(seeds) - np.mean(seeds)) / max(1, np.ptp(seeds)) * 2


def data(
    changes: Changes | None = None,
    *,
    setting: str = "F",
    n: int = 5000,
    seeds: Sequence[int] = range(10),
    arms: Sequence[str] = ARMS,
    full: bool = True,
) -> pd.DataFrame:
    """Panel "data" in one setting at one size.

    Arguments:
        changes: by (arm, metric), in place of what is planted; None leaves the metric out. What
            is changed for FA holds for S and Z too.
        full: whether the metrics are there that only the larger sizes have.
    """
    wanted: dict[tuple[str, str], Value | None] = {}
    for metric, by_arm in PLANTED.items():
        for arm in arms:
            wanted[arm, metric] = by_arm.get(arm, by_arm["FA"])
            for key in ((arm, metric), ("FA", metric)):
                if changes and key in changes and (key[0] == arm or arm in "SZ"):
                    wanted[arm, metric] = changes[key]
                    break
    parts = []
    for (arm, metric), value in wanted.items():
        if value is None or (metric in ONLY_IN_FULL and not full):
            continue
        units = STRUCTURE if metric in AT_STRUCTURE else UNITS
        heights = np.array([value(unit) if callable(value) else value for unit in units])
        jitter = 0.0 if arm != "FAN" or metric in EXACT else JITTER * abs(heights[-1])
        columns = {
            "arm": arm,
            "noise_steps": NOISE_STEPS.get(arm, 0),
            "seed": np.repeat(seeds, len(units)),
            "step": np.tile([round(unit * UNIT) for unit in units], len(seeds)),
            "metric": metric,
            "value": (heights + jitter * spread(seeds)[:, None]).ravel(),
        }
        parts.append(pd.DataFrame(columns))
    where = {"panel": "data", "setting": setting, "n": n, "width": 512, "lr": 1e-4}
    return pd.concat(parts, ignore_index=True).assign(**where)


FALLS = {  # of noise training, in percent of the first value
    "kl_noise": 90.0,
    "kl_images": 85.0,
    "dimensionality_w1": 15.0,
    "dimensionality_hidden": 20.0,
}


def noise(
    changes: Mapping[str, float] | None = None,
    *,
    width: int = 512,
    seeds: Sequence[int] = range(10),
    offsets: Mapping[str, np.ndarray] | None = None,
) -> pd.DataFrame:
    """Panel "noise" of arm FAN at one width.

    Arguments:
        changes: falls by metric, in place of those in `FALLS`.
        offsets: to a metric's fall, for each seed.
    """
    parts = []
    for metric, fall in {**FALLS, **(changes or {})}.items():
        falls = fall + (offsets or {}).get(metric, 0.01 * spread(seeds))
        for step, values in ((0, np.full(len(seeds), 50.0)), (5000, 50 * (1 - falls / 100))):
            rows = {"seed": list(seeds), "step": step, "metric": metric, "value": values}
            parts.append(pd.DataFrame(rows))
    where = {"panel": "noise", "arm": "FAN", "setting": "", "n": 0, "width": width}
    return pd.concat(parts, ignore_index=True).assign(**where, lr=1e-4, noise_steps=0)


def sizes(by_size: Mapping[int, float], setting: str = "F", **more: object) -> pd.DataFrame:
    """Panel "data" in one setting over sizes, with FAN's test loss (FA's is 1) at each."""
    return pd.concat(
        [
            data({("FAN", "test_loss"): loss}, setting=setting, n=n, full=n >= 5000, **more)
            for n, loss in by_size.items()
        ],
        ignore_index=True,
    )
