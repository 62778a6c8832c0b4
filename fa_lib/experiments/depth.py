"""Depth: the comparison of Table 1 for networks of 2 to 5 layers (claim C18, the appendix).

Errors cross several feedback matrices now, and every layer above the first has an angle of its own
to its feedback: they are measured through noise training and through the data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch

from fa_lib._checks import positive_float, positive_int
from fa_lib.data import Split
from fa_lib.experiments import _checkpoints
from fa_lib.experiments._arms import MAIN_ARMS, Preparation, material, trained_before
from fa_lib.experiments._checkpoints import Choice, train_to_checkpoint
from fa_lib.experiments._curve import Curve
from fa_lib.experiments._measures import gradient_angles_of_layers
from fa_lib.experiments._registry import Piece
from fa_lib.history import Measure, MeasureAt

TITLE = "Deeper networks: test accuracy and the angle of every layer"

COLUMNS = ("layers", *_checkpoints.COLUMNS)
GRADIENT_UNITS = (
    0,
    0.5,
    1,
    2,
    4,
    8,
    14,
    20,
    30,
)  # epochs at which the updates' angles are measured


@dataclass(frozen=True)
class Config:
    """Settings of the comparison over depth.

    The paper profile was cut for computing time: 10 seeds, at most 30 epochs with records every
    second one, setting T's rates chosen by two seeds and 10 epochs, and two factors on FA's
    readout. All four rates are offered; no arm and no setting was left out.

    Fields:
        seeds: a network each, in every arm, at every depth.
        dataset: trained on after the noise; the last sixth of its training images is for choices.
        layers: depths, in layers of weights; all hidden layers have `width` units.
        n: training images, each seed's own.
        batch_size, noise_steps, noise_lr: of noise training, with Adam.
        noise_records: about how many of its steps are measured, evenly in their logarithm.
        lr: of setting F, with Adam.
        epochs: of the longest training.
        patience: epochs without a rise of validation accuracy that end it.
        lrs, readout_scales, choice_seeds, choice_epochs: of setting T's choices at every depth, see
            `Choice`; the seeds are others than `seeds` in every profile.
    """

    seeds: tuple[int, ...]
    dataset: str = "mnist"
    layers: tuple[int, ...] = (2, 3, 4, 5)
    width: int = 512
    n: int = 5000
    batch_size: int = 64
    noise_steps: int = 5000
    noise_lr: float = 1e-4
    noise_records: int = 12
    lr: float = 1e-4
    epochs: int = 30
    patience: int = 10
    lrs: tuple[float, ...] = (1e-4, 3e-4, 1e-3, 3e-3)
    readout_scales: tuple[float, ...] = (1.0, 0.0)
    choice_seeds: tuple[int, ...] = (0, 1)
    choice_epochs: int = 10

    def __post_init__(self) -> None:
        """Refuse what no comparison can be made of."""
        for name in ("layers", "lrs", "readout_scales", "choice_seeds"):
            if not getattr(self, name):
                raise ValueError(f"{name} is empty: give at least one.")
        if min(self.layers) < 2 or len(set(self.layers)) < len(self.layers):
            raise ValueError(f"layers must be 2 or more and differ, got {self.layers}.")
        counts = ("width", "n", "batch_size", "noise_steps", "noise_records", "epochs", "patience")
        for name in (*counts, "choice_epochs"):
            positive_int(getattr(self, name), name)
        for lr in (self.lr, self.noise_lr, *self.lrs):
            positive_float(lr, "Each learning rate")

    @property
    def choice(self) -> Choice:
        """What setting T chooses from."""
        return Choice(self.choice_seeds, self.lrs, self.readout_scales, self.choice_epochs)

    @property
    def curve(self) -> Curve:
        """When training is looked at, at the longest: half epochs first, then every second one."""
        return Curve(self.n, self.batch_size, self.epochs, dense=2)


PROFILES = {
    "smoke": Config(
        seeds=(1, 2),
        dataset="mnist5k",
        layers=(2, 3),
        width=16,
        n=200,
        noise_steps=50,
        noise_lr=1e-3,
        noise_records=4,
        lr=1e-3,
        epochs=4,
        patience=2,
        lrs=(1e-3, 3e-3),
        choice_seeds=(0,),
        choice_epochs=2,
    ),
    "quick": Config(
        seeds=(2, 3, 4),
        dataset="mnist5k",
        layers=(2, 3, 4),
        width=100,
        n=2000,
        noise_steps=2000,
        noise_records=8,
        epochs=20,
        lrs=(3e-4, 1e-3, 3e-3),
    ),
    "paper": Config(seeds=tuple(range(1000, 1010))),
}


def data_sets(config: Config) -> tuple[str, ...]:
    """The one that is trained on after the noise."""
    return (config.dataset,)


def pieces(config: Config) -> list[Piece]:
    """At each depth noise training, and one for each setting and arm."""
    found = []
    for layers in config.layers:
        cost = float(len(config.seeds) * config.noise_steps)
        found.append(Piece(f"{layers}-noise", cost, {"layers": layers, "setting": ""}))
        for setting in "FT":
            for arm in MAIN_ARMS:
                cost = float(len(config.seeds) * config.curve.steps)
                if setting == "T":
                    cost += config.choice.cost(arm, config.n, config.batch_size)
                params = {"layers": layers, "setting": setting, "arm": arm}
                found.append(Piece(f"{layers}-{setting}-{arm}", cost, params))
    return found


def run_piece(
    config: Config, piece: Piece, device: torch.device, progress: Callable[[float], None]
) -> pd.DataFrame:
    """Noise training at one depth, or one arm in one setting, in T after the choice of its rate.

    Returns:
        Columns layers and those of `train_to_checkpoint`, whose panels are "data" and "choice";
        the panel "noise" is of arm FAN's noise training, its `n` and `epoch_steps` 0 and `step`
        counting noise steps. Metrics besides accuracies (0 to 1) and losses (nats), in degrees,
        with l a layer from the first: alignment_angle_w<l>, for the last layer also
        centered_alignment_angle_w<l>, and gradient_angle_w<l> on fixed validation images.
    """
    layers, setting = piece.params["layers"], piece.params["setting"]
    data = material(config.dataset, None)
    prep = Preparation(
        sizes=(data.features, *[config.width] * (layers - 1), data.classes),
        seeds=config.seeds,
        dataset=config.dataset,
        validation=None,
        steps=config.noise_steps,
        batch_size=config.batch_size,
        lr=config.noise_lr,
        device=device,
        records=config.noise_records,
        measures=_in_noise_training,
    )
    if not setting:
        table = _noise(config, prep, _metrics(layers))
    else:
        curve = config.curve
        at = {curve.at(unit) for unit in GRADIENT_UNITS if unit <= curve.units}
        angles = gradient_angles_of_layers(data.validation.to(device))
        table = train_to_checkpoint(
            piece.params["arm"],
            setting,
            prep,
            curve,
            lr=config.lr,
            choice=config.choice,
            patience=config.patience,
            metrics=_metrics(layers),
            measure={"gradient": MeasureAt(at, angles)},
        )
    return table.assign(layers=layers)[list(COLUMNS)]


def _in_noise_training(images: Split, classes: int) -> Mapping[str, Measure | MeasureAt]:
    return {"gradient": gradient_angles_of_layers(images)}


def _metrics(layers: int) -> list[str]:
    """Those that are kept."""
    return [
        *("loss", "test_accuracy", "test_loss", "validation_accuracy"),
        *(f"alignment_angle_w{layer}" for layer in range(2, layers + 1)),
        *(f"gradient_angle_w{layer}" for layer in range(1, layers)),
        f"centered_alignment_angle_w{layers}",
    ]


def _noise(config: Config, prep: Preparation, metrics: list[str]) -> pd.DataFrame:
    _, table = trained_before("labels", "fa", prep)
    said: dict[str, Any] = {"panel": "noise", "arm": "FAN", "setting": "", "n": 0}
    said |= {"epoch_steps": 0, "lr": config.noise_lr, "readout_scale": 1.0, "noise_steps": 0}
    return table[table["metric"].isin(metrics)].assign(**said)
