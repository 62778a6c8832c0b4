"""Sixty settings that the paper leaves open, and in each what every statement is judged by.

The pieces of a setting are three: learning (with two layers, on the first task), the other tasks,
and three layers on 1,600 images. `fa_lib.settings` has the settings, `fa_lib.protocol` the rules.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pandas as pd
import torch

from fa_lib._checks import choice, positive_int
from fa_lib.experiments._parts import (
    ADAPTED,
    COLUMNS,
    DEEPER_ARMS,
    LEARNING_ARMS,
    ON_ARMS,
    TASK_ARMS,
    deeper,
    learning,
    other_tasks,
)
from fa_lib.experiments._registry import Piece
from fa_lib.experiments._stacks import without_diverging
from fa_lib.schema import epoch_steps
from fa_lib.settings import MULTIVERSE, Setting

TITLE = "Sixty settings that the paper leaves open"

NAMES = tuple(setting.name for setting in MULTIVERSE)
DEEPER_LAYERS, DEEPER_IMAGES = 3, 1600
LATE = ("train_loss", "test_accuracy", "validation_accuracy")
CURVES = (*LATE, "train_accuracy", "test_loss")
NOISE_CURVES = (
    "loss",
    "neuron_angle",
    "distance",
    "cosine_distance",
    "weight_norm",
    "test_accuracy",
)
MOVED = ("shift_accuracy", "scale_accuracy", "rotation_accuracy", "other_accuracy")
SEEDS_APART = 1000  # between the networks of two settings, which share none


@dataclass(frozen=True)
class Config:
    """Which settings are run, and how far.

    Fields:
        seeds: a network each, in every arm of a setting; added to a number of the setting's own.
        dataset: the first task, on which all but Figure 6 is judged.
        tasks: the others.
        other: of the first task's classes, to be tested on too.
        settings: names in `fa_lib.settings.MULTIVERSE`.
        test_images: how many, stratified and drawn once.
        cap: epochs at which training ends that has not converged.
        most_steps, most_images, most_width, most_epochs: cut the settings' noise steps, training
            images, width and horizon down to these; for profiles that are no result.
    """

    seeds: tuple[int, ...]
    dataset: str = "mnist"
    tasks: tuple[str, ...] = ("fashion_mnist", "kmnist10k")
    other: str = "usps"
    settings: tuple[str, ...] = NAMES
    test_images: int = 5000
    cap: int = 300
    most_steps: int = 10_000
    most_images: int = 5000
    most_width: int = 256
    most_epochs: int = 100

    def __post_init__(self) -> None:
        """Refuse unknown settings and counts below one."""
        for name in self.settings:
            choice(name, NAMES, "setting")
        for field in ("cap", "most_steps", "most_images", "most_width", "most_epochs"):
            positive_int(getattr(self, field), field)

    def setting(self, name: str) -> Setting:
        """The setting of that name, cut down."""
        full = MULTIVERSE[NAMES.index(name)]
        return replace(
            full,
            noise_steps=min(full.noise_steps, self.most_steps),
            images=min(full.images, self.most_images),
            width=min(full.width, self.most_width),
            horizon=min(full.horizon, self.most_epochs),
        )


PROFILES = {
    "smoke": Config(
        seeds=(0, 1),
        dataset="mnist5k",
        tasks=("digits",),
        other="digits",
        settings=("M05", "M08"),
        test_images=200,
        cap=30,
        most_steps=60,
        most_images=256,
        most_width=16,
        most_epochs=26,
    ),
    "quick": Config(
        seeds=(0, 1, 2),
        dataset="mnist5k",
        tasks=("digits",),
        other="digits",
        settings=NAMES[:6],
        test_images=1000,
        cap=20,
        most_steps=1000,
        most_images=1000,
        most_width=100,
        most_epochs=20,
    ),
    "paper": Config(seeds=tuple(range(10))),
}


def data_sets(config: Config) -> tuple[str, ...]:
    """All tasks, and what the first is tested on too."""
    return tuple(dict.fromkeys((config.dataset, *config.tasks, config.other)))


def pieces(config: Config) -> list[Piece]:
    """Three for each setting; the tasks share the noise training of learning."""
    found = []
    for name in config.settings:
        setting = config.setting(name)
        deep = replace(setting, images=min(DEEPER_IMAGES, setting.images))
        epochs = {
            "learning": len(LEARNING_ARMS) * setting.horizon
            + len(ON_ARMS) * max(0, config.cap - setting.horizon),
            "tasks": len(config.tasks) * len(TASK_ARMS) * setting.horizon,
            "deeper": len(DEEPER_ARMS) * setting.horizon,
        }
        for part, noise_trainings in (("learning", 2), ("tasks", 0), ("deeper", 1)):
            own = deep if part == "deeper" else setting
            steps = noise_trainings * own.noise_steps
            steps += epochs[part] * epoch_steps(own.images, own.batch_size)
            params = {"part": part, "setting": own}
            found.append(Piece(f"{name}-{part}", float(len(config.seeds) * steps), params))
    return found


def run_piece(
    config: Config, piece: Piece, device: torch.device, progress: Callable[[float], None]
) -> pd.DataFrame:
    """Run one part of a setting; a table of `_parts.COLUMNS`.

    A network that diverges is left out, and named by a row of metric "diverged" whose task is the
    part.
    """
    setting: Setting = piece.params["setting"]
    number = 1 + NAMES.index(setting.name)
    seeds = tuple(10_000 + SEEDS_APART * number + seed for seed in config.seeds)

    def run(kept: tuple[int, ...]) -> pd.DataFrame:
        if piece.params["part"] == "learning":
            return learning(
                setting, kept, device, progress, dataset=config.dataset, other=config.other,
                test_images=config.test_images, cap=config.cap,
            )  # fmt: skip
        if piece.params["part"] == "tasks":
            return other_tasks(
                setting, kept, device, progress, datasets=config.tasks,
                test_images=config.test_images,
            )  # fmt: skip
        return deeper(
            setting, kept, device, progress, layers=DEEPER_LAYERS, dataset=config.dataset,
            test_images=config.test_images,
        )  # fmt: skip

    table = without_diverging(run, seeds).reindex(columns=list(COLUMNS))
    table = table.fillna({"setting": setting.name, "task": piece.params["part"]})
    return thinned(table, setting)


def thinned(table: pd.DataFrame, setting: Setting) -> pd.DataFrame:
    """What the statements are judged by, and what stands beside it.

    All at both ends of each phase; at every record CURVES of the data phase to the horizon, and
    those in LATE beyond it, NOISE_CURVES of the noise before data and after it; the test loss at
    ADAPTED steps. In single precision, as a million rows are kept.
    """
    step, metric, phase = table["step"], table["metric"], table["phase"]
    per_epoch = epoch_steps(setting.images, setting.batch_size)
    horizon = setting.horizon * per_epoch
    on_data = phase == "data"
    kept = step.isin([0, -1]) | (step == setting.noise_steps) & ~on_data
    kept |= (step == horizon) & on_data
    epochs = on_data & (step % per_epoch == 0)
    kept |= epochs & metric.isin(CURVES) & ((step <= horizon) | metric.isin(LATE))
    kept |= on_data & step.isin(ADAPTED) & (metric == "test_loss")
    kept |= ~on_data & metric.isin(NOISE_CURVES)
    kept |= metric.isin(MOVED) | (metric == "diverged")
    return table[kept].astype({"value": "float32"}).reset_index(drop=True)
