"""One arm in setting F or T, trained up to its best validation checkpoint (claims C17 and C18).

Setting T's choice of a learning rate is made in the very piece that it is for, so that a run that
was stopped never goes on with another choice.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import pandas as pd

from fa_lib.experiments._arms import Preparation, learn, material, steps_before, test_images
from fa_lib.experiments._curve import Curve
from fa_lib.experiments._patience import Patience
from fa_lib.experiments.tuning import chosen, try_out
from fa_lib.history import Measure, MeasureAt

COLUMNS = (
    *("panel", "arm", "setting", "n", "epoch_steps", "lr", "readout_scale", "noise_steps"),
    *("seed", "step", "metric", "value"),
)


@dataclass(frozen=True)
class Choice:
    """What setting T chooses from, by the mean area under the curve of validation accuracy.

    Attributes:
        seeds: a network each; others than those of the verdicts.
        lrs: learning rates on data, for every arm.
        readout_scales: factors on FA's first readout; 0 makes it arm Z.
        epochs: of the curve.
    """

    seeds: tuple[int, ...]
    lrs: tuple[float, ...]
    readout_scales: tuple[float, ...]
    epochs: int

    def options(self, arm: str) -> list[tuple[float, float]]:
        """Learning rate and factor on the readout, of every choice that the arm has."""
        scales = self.readout_scales if arm == "FA" else (1.0,)
        return [(lr, scale) for scale in scales for lr in self.lrs]

    def cost(self, arm: str, n: int, batch_size: int) -> float:
        """Network-steps."""
        steps = Curve(n, batch_size, self.epochs).steps
        return float(len(self.seeds) * len(self.options(arm)) * steps)


def choose(arm: str, prep: Preparation, n: int, choice: Choice) -> pd.DataFrame:
    """Try the arm's choices out on n images of each seed's own, by validation images alone.

    Returns:
        Columns as of `tuning`, n, arm, lr, readout_scale, seed, step, metric, value, with the
        metric validation_accuracy (0 to 1); `tuning.chosen` makes the choice from it.
    """
    own = replace(prep, seeds=choice.seeds, records=0)
    curve = Curve(n, prep.batch_size, choice.epochs)
    tables = []
    for lr, scale in choice.options(arm):
        # FA from a readout of zero is arm Z: what both try out is computed once.
        same = ("Z", 1.0) if arm == "FA" and scale == 0 else (arm, scale)
        tried = _tried(same[0], own, curve, lr, same[1])
        tables.append(tried.assign(arm=arm, readout_scale=scale))
    return pd.concat(tables, ignore_index=True)


@functools.lru_cache(maxsize=32)
def _tried(arm: str, prep: Preparation, curve: Curve, lr: float, scale: float) -> pd.DataFrame:
    """A choice's validation accuracies, not to be changed."""
    followed = material(prep.dataset, prep.validation).followed
    table = try_out(arm, prep, curve, lr, scale, followed)
    return table[table["metric"] == "validation_accuracy"]


def train_to_checkpoint(
    arm: str,
    setting: str,
    prep: Preparation,
    curve: Curve,
    *,
    lr: float,
    choice: Choice,
    patience: int,
    metrics: Collection[str],
    measure: Mapping[str, Measure | MeasureAt] | None = None,
) -> pd.DataFrame:
    """Train the arm until validation accuracy has not risen for `patience` epochs.

    Arguments:
        arm, prep: as in `learn`.
        setting: "F", with learning rate `lr`, or "T", with the arm's own of `choice`.
        curve: when to record, and the longest training.
        patience: in epochs.
        metrics: of `fit` and of `measure`, to keep.
        measure: as in `fit`.

    Returns:
        Columns COLUMNS. Panel "data" is the training; in setting T, panel "choice" holds what the
        choice was made from. `epoch_steps` is how many steps an epoch has, `noise_steps` counts
        those before the data, `step` those on data. Accuracies are 0 to 1.
    """
    followed = material(prep.dataset, prep.validation).followed
    parts, scale = [], 1.0
    if setting == "T":
        tried = choose(arm, prep, curve.n, choice)
        ((_, _, lr, scale),) = chosen(tried)
        parts.append(tried.assign(panel="choice"))
    _, history = learn(
        arm,
        prep,
        curve.n,
        lr,
        scale,
        steps=curve.steps,
        test={"test": test_images(prep.dataset), "validation": followed},
        record_every=curve.records,
        measure=measure,
        stop_when=Patience(patience * curve.steps_per_epoch),
    )
    table = history.to_frame()
    table = table[table["metric"].isin(list(metrics))]
    parts.append(table.assign(panel="data", lr=lr, readout_scale=scale))
    whole = pd.concat(parts, ignore_index=True).assign(
        arm=arm,
        setting=setting,
        n=curve.n,
        epoch_steps=curve.steps_per_epoch,
        noise_steps=steps_before(arm, prep),
    )
    return whole[list(COLUMNS)]
