"""Beyond the paper: when is noise training worth its steps? Every main claim, over a map.

Learning rate on data x noise steps x width; the same after faster noise, of a higher learning rate
and fewer steps; and from one point of it slices over the batch size and the optimiser on data.
Plain FA goes on for as many steps as the longest noise training takes, so that arms can be compared
at equal steps in all. Descriptive: nothing is judged, and nothing chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch

from fa_lib._checks import positive_float, positive_int
from fa_lib.experiments import _measures
from fa_lib.experiments._arms import Preparation, learn, material, own_examples, test_images
from fa_lib.experiments._curve import Curve
from fa_lib.experiments._registry import Piece
from fa_lib.history import Measure, MeasureAt

TITLE = "When noise training is worth its steps: learning rate x noise steps x width, and slices"

EPOCHS = (0, 1 / 8, 1 / 4, 1 / 2, 1, 2, 3, 5, 7, 10, 15, 20)  # that are recorded
GRADIENT_EPOCHS = (0, 1, 2, 3, 5)  # at which the angle of updates is measured
BEYOND = 6  # records of plain FA after the others' last epoch

COLUMNS = (
    *("width", "batch_size", "optimizer", "lr", "arm", "noise_lr", "noise_steps"),
    *("seed", "step", "metric"),
)


@dataclass(frozen=True)
class Config:
    """Settings of the map and its slices.

    At full scale the third learning rate of Figure 3's map, 3e-4, is left out, and so are widths
    beyond 512 and the wide network in the slices: each would cost as much again as all the rest.

    Fields:
        seeds: a network each, at every point.
        dataset, validation: the last `validation` training images are for measuring, the rest is
            trained on.
        n: training images; each seed has its own.
        epochs: of training on data, at most 20.
        widths, lrs, noise_steps: the map. 0 noise steps is FA (which trains on for as many steps as
            the longest noise training takes), its controls Z and BP run for every width and rate.
        batch_size: of noise training and training on data alike.
        noise_lr: of noise training, which is with Adam always.
        slice_width, slice_lrs, slice_noise_steps: where the slices start from.
        batch_sizes: the slice over the batch size, in both phases.
        sgd_lrs: the slice over the optimiser: rates of plain SGD on data, after the noise training
            of the map.
        fast_noise_lrs, fast_noise_steps: faster noise, at each width and learning rate of the map.
    """

    seeds: tuple[int, ...]
    dataset: str = "mnist"
    validation: int = 10_000
    n: int = 5000
    epochs: int = 20
    widths: tuple[int, ...] = (100, 512)
    lrs: tuple[float, ...] = (1e-4, 1e-3, 3e-3)
    noise_steps: tuple[int, ...] = (0, 1500, 5000)
    batch_size: int = 64
    noise_lr: float = 1e-4
    slice_width: int = 100
    slice_lrs: tuple[float, ...] = (1e-4, 1e-3)
    slice_noise_steps: tuple[int, ...] = (0, 1500)
    batch_sizes: tuple[int, ...] = (16, 256)
    sgd_lrs: tuple[float, ...] = (0.01, 0.1)
    fast_noise_lrs: tuple[float, ...] = (1e-3, 3e-3)
    fast_noise_steps: tuple[int, ...] = (100, 300, 1000)

    def __post_init__(self) -> None:
        """Refuse an empty map, slices that do not start on it, and noise without a comparison."""
        for name in ("widths", "lrs"):
            if not getattr(self, name):
                raise ValueError(f"{name} is empty: give at least one.")
        for name in ("noise_steps", "slice_noise_steps"):
            steps = getattr(self, name)
            if 0 not in steps or len(steps) < 2 or min(steps) < 0:
                raise ValueError(f"{name} must be 0, the comparison, and others, got {steps}.")
        for name in ("validation", "n", "epochs", "batch_size"):
            positive_int(getattr(self, name), name)
        for lr in self.fast_noise_lrs:
            positive_float(lr, "Each learning rate")
        if self.epochs > EPOCHS[-1]:
            raise ValueError(f"epochs must be at most {EPOCHS[-1]}, got {self.epochs}.")
        for name, whole in (("slice_width", "widths"), ("slice_lrs", "lrs")):
            part = getattr(self, name)
            if not {*(part if isinstance(part, tuple) else [part])} <= {*getattr(self, whole)}:
                raise ValueError(f"{name} must be among {whole}, got {part}.")
        if self.batch_size in self.batch_sizes or self.noise_lr in self.fast_noise_lrs:
            raise ValueError(
                "batch_sizes and fast_noise_lrs must differ from the map's own batch_size and "
                f"noise_lr, got {self.batch_sizes} and {self.fast_noise_lrs}."
            )


@dataclass(frozen=True)
class Run:
    """One arm at one point.

    Attributes:
        width, batch_size, optimizer, lr, arm, noise_lr, noise_steps: as in the table's columns.
        beyond: steps that it takes after the last epoch.
    """

    width: int
    batch_size: int
    optimizer: str
    lr: float
    arm: str
    noise_lr: float
    noise_steps: int
    beyond: int = 0

    @property
    def name(self) -> str:
        """Of its piece."""
        noise = f"{self.noise_steps}-{self.noise_lr:g}"
        where = f"{self.width}-{self.batch_size}-{self.optimizer}-{self.lr:g}"
        return f"{where}-{self.arm}-{noise}" if self.noise_steps else f"{where}-{self.arm}"


PROFILES = {
    "smoke": Config(
        seeds=(0, 1),
        dataset="mnist5k",
        validation=1000,
        n=300,
        epochs=3,
        widths=(16,),
        lrs=(3e-3,),
        noise_steps=(0, 30),
        noise_lr=1e-3,
        slice_width=16,
        slice_lrs=(3e-3,),
        slice_noise_steps=(0, 30),
        batch_sizes=(32,),
        sgd_lrs=(0.1,),
        fast_noise_lrs=(3e-3,),
        fast_noise_steps=(10,),
    ),
    "quick": Config(
        seeds=(0, 1, 2),
        dataset="mnist5k",
        validation=1000,
        n=3000,
        widths=(32, 100),
        lrs=(3e-4, 3e-3),
        noise_steps=(0, 500, 2000),
        noise_lr=3e-4,
        slice_width=32,
        slice_lrs=(3e-4,),
        slice_noise_steps=(0, 500),
        batch_sizes=(32, 256),
        sgd_lrs=(0.1,),
        fast_noise_lrs=(3e-3,),
        fast_noise_steps=(100,),
    ),
    "paper": Config(seeds=tuple(range(1000, 1005))),
}


def data_sets(config: Config) -> tuple[str, ...]:
    """The one that is trained on after the noise."""
    return (config.dataset,)


def curve_of(config: Config, batch_size: int) -> Curve:
    """The learning curve, a unit an epoch."""
    return Curve(config.n, batch_size, config.epochs)


def pieces(config: Config) -> list[Piece]:
    """One for each arm at each point, those with the same noise training one after another."""
    found = []
    for run in [*_map_runs(config), *_slice_runs(config)]:
        steps = curve_of(config, run.batch_size).steps + run.beyond + run.noise_steps
        found.append(Piece(run.name, float(len(config.seeds) * steps), {"run": run}))
    return found


def _map_runs(config: Config) -> Iterator[Run]:
    for width in config.widths:
        slow = Run(width, config.batch_size, "adam", 0.0, "", config.noise_lr, 0)
        yield from _arms(slow, config.lrs, config.noise_steps, ("FA", "Z", "BP"))
        for noise_lr in config.fast_noise_lrs:
            fast = replace(slow, noise_lr=noise_lr)
            yield from _arms(fast, config.lrs, config.fast_noise_steps, ())


def _slice_runs(config: Config) -> Iterator[Run]:
    start = Run(config.slice_width, config.batch_size, "adam", 0.0, "", config.noise_lr, 0)
    arms = ("FA", "Z")
    for batch_size in config.batch_sizes:
        other = replace(start, batch_size=batch_size)
        yield from _arms(other, config.slice_lrs, config.slice_noise_steps, arms)
    sgd = replace(start, optimizer="sgd")
    yield from _arms(sgd, config.sgd_lrs, config.slice_noise_steps, arms)


def _arms(
    at: Run, lrs: tuple[float, ...], noise_steps: tuple[int, ...], others: tuple[str, ...]
) -> Iterator[Run]:
    """The arms without noise training, then FAN at each number of noise steps."""
    for arm in others:
        beyond = max(noise_steps) if arm == "FA" else 0
        for lr in lrs:
            yield replace(at, lr=lr, arm=arm, noise_lr=0.0, beyond=beyond)
    for steps in noise_steps:
        if steps:
            for lr in lrs:
                yield replace(at, lr=lr, arm="FAN", noise_steps=steps)


def run_piece(
    config: Config, piece: Piece, device: torch.device, progress: Callable[[float], None]
) -> pd.DataFrame:
    """Train and measure one arm at one point.

    Returns:
        Columns width, batch_size, optimizer, lr (both on data), arm, noise_lr (0 without noise
        training), noise_steps, seed, step, metric, value. `step` counts those on data. The metrics
        are those of `fit`; train_loss and train_accuracy on each network's own images; for
        epochs 0 to 5 the gradient angles of `_measures`; at step 0 what noise training changed,
        readout and dimensionality as in Figure 4.
    """
    run: Run = piece.params["run"]
    data = material(config.dataset, config.validation)
    prep = Preparation(
        sizes=(data.features, run.width, data.classes),
        seeds=config.seeds,
        dataset=config.dataset,
        validation=config.validation,
        steps=run.noise_steps,
        batch_size=run.batch_size,
        lr=run.noise_lr,
        device=device,
    )
    curve = curve_of(config, run.batch_size)
    records = {curve.at(epoch) for epoch in EPOCHS if epoch <= config.epochs} | {curve.steps}
    steps = curve.steps + run.beyond
    if run.beyond:
        later = np.geomspace(curve.steps, steps, BEYOND + 1)
        records |= {round(step) for step in later.tolist()}
        records |= {curve.steps + noise for noise in config.noise_steps if noise <= run.beyond}
    rows = own_examples(data.train, config.n, config.seeds)
    validation, train = data.validation.to(device), data.train.to(device)
    early = {curve.at(epoch) for epoch in GRADIENT_EPOCHS if epoch <= config.epochs}
    first = _measures.readout_and_dimensionality(validation, data.classes)
    measure: dict[str, Measure | MeasureAt] = {
        "train": _measures.own_training_data(train, rows.to(device), config.seeds),
        "gradient": MeasureAt(early, _measures.gradient_angles(validation)),
        **{name: MeasureAt({0}, function) for name, function in first.items()},
    }
    _, history = learn(
        run.arm,
        prep,
        config.n,
        run.lr,
        steps=steps,
        optimizer=run.optimizer,
        test=test_images(config.dataset),
        record_every=records,
        measure=measure,
    )
    table = history.to_frame().assign(
        width=run.width,
        batch_size=run.batch_size,
        optimizer=run.optimizer,
        lr=run.lr,
        arm=run.arm,
        noise_lr=run.noise_lr,
        noise_steps=run.noise_steps,
    )
    return table[[*COLUMNS, "value"]]
