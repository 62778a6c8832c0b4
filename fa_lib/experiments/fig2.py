"""Figures 2 and 5: learning from data after noise, before it, and without it.

Panels 2b, c) accuracy and alignment through both phases, d) paths of the last layer's weights, e)
their distance to the feedback weights, g) noise before and after data; 5b, c) accuracy on images
that are shifted, scaled, rotated, or of another data set.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import torch

from fa_lib._checks import positive_int
from fa_lib.experiments import _bases
from fa_lib.experiments._parts import (
    COLUMNS,
    LEARNING_ARMS,
    ON_ARMS,
    epoch_ends,
    learning,
    to_convergence,
    to_horizon,
)
from fa_lib.experiments._plane import Trace, in_the_plane
from fa_lib.experiments._registry import Piece
from fa_lib.experiments._stacks import (
    CURVE,
    Stack,
    Task,
    learn,
    start,
    task,
    untrained,
    without_diverging,
)
from fa_lib.networks import MLP
from fa_lib.schema import epoch_steps
from fa_lib.settings import Setting
from fa_lib.training import pretrain

TITLE = "Learning from data after noise: accuracy, alignment, paths, and other images"


@dataclass(frozen=True)
class Config(_bases.BaseConfig):
    """Settings of Figures 2 and 5.

    Fields:
        other: a data set of the same classes, to be tested on too.
        cap_steps: on data, at which training ends that has not converged.
        plane_seeds: the first so many of the seeds have their paths in a plane.
        Others: as in `BaseConfig`.
    """

    other: str = "usps"
    cap_steps: int = 25_000
    plane_seeds: int = 3

    def __post_init__(self) -> None:
        """Refuse counts below one, too."""
        super().__post_init__()
        for field in ("cap_steps", "plane_seeds"):
            positive_int(getattr(self, field), field)

    def cap(self, setting: Setting) -> int:
        """Epochs at which training ends; the horizon at least."""
        per_epoch = epoch_steps(setting.images, setting.batch_size)
        return max(setting.horizon, self.cap_steps // per_epoch)


PROFILES = {
    "smoke": Config(
        seeds=(0, 1),
        dataset="mnist5k",
        bases=("B1", "B3"),
        test_images=200,
        most_steps=60,
        most_images=256,
        most_width=16,
        most_epochs=11,
        other="digits",
        cap_steps=40,
        plane_seeds=1,
    ),
    "quick": Config(
        seeds=(0, 1, 2),
        dataset="mnist5k",
        test_images=1000,
        most_steps=1500,
        most_images=1000,
        most_epochs=40,
        other="digits",
        cap_steps=1000,
        plane_seeds=1,
    ),
    "paper": Config(seeds=_bases.SEEDS),
}


def data_sets(config: Config) -> tuple[str, ...]:
    """What is learned, and what is tested on too."""
    return tuple(dict.fromkeys((str(config.dataset), config.other)))


def pieces(config: Config) -> list[Piece]:
    """In each base all arms; the zero readout from the horizon to convergence; and the planes."""
    found = []
    for name in config.bases:
        setting = config.base(name)
        per_epoch = epoch_steps(setting.images, setting.batch_size)
        horizon, cap = setting.horizon * per_epoch, config.cap(setting) * per_epoch
        costs = {
            "learning": 2 * setting.noise_steps
            + len(LEARNING_ARMS) * horizon
            + len(ON_ARMS) * (cap - horizon),
            "zero": cap,
            "plane": 2 * setting.noise_steps + 2 * horizon,
        }
        for part, steps in costs.items():
            seeds = config.seeds[: config.plane_seeds] if part == "plane" else config.seeds
            params = {"part": part, "setting": setting, "seeds": seeds}
            found.append(Piece(f"{name}-{part}", float(len(seeds) * steps), params))
    return found


def run_piece(
    config: Config, piece: Piece, device: torch.device, progress: Callable[[float], None]
) -> pd.DataFrame:
    """Run one part of a base; a table of `_parts.COLUMNS`.

    Rows of metric pc1, pc2 and explained_variance are `in_the_plane`'s.
    """
    setting: Setting = piece.params["setting"]
    part: str = piece.params["part"]

    def run(seeds: tuple[int, ...]) -> pd.DataFrame:
        if part == "learning":
            return learning(
                setting, seeds, device, progress, dataset=str(config.dataset), other=config.other,
                test_images=config.test_images, cap=config.cap(setting),
            )  # fmt: skip
        stack = Stack(setting, 2, seeds, device)
        data = task(str(config.dataset), setting.inputs, config.test_images)
        table = _zero(config, stack, data) if part == "zero" else _plane(stack, data)
        return table.assign(task=config.dataset)

    table = without_diverging(run, piece.params["seeds"])
    return _bases.kept(table, setting, part, COLUMNS)


def _zero(config: Config, stack: Stack, data: Task) -> pd.DataFrame:
    """Arm Z from the horizon on."""
    net = start("Z", stack, data.train.x.shape[1], data.classes)
    history = to_horizon("Z", net, data, stack.setting, {})
    table = history.to_frame()
    table = table[table["step"] == max(epoch_ends(stack.setting))]  # all, of one that is there
    cap = config.cap(stack.setting)
    if cap > stack.setting.horizon:
        late = to_convergence("Z", net, data, stack.setting, cap, history)
        table = pd.concat([table, late], ignore_index=True)
    return table.assign(arm="Z", phase="data")


def _plane(stack: Stack, data: Task) -> pd.DataFrame:
    """Noise alone, data alone, data after noise and noise after data, in each network's plane."""
    setting = stack.setting
    first = untrained(stack, data.train.x.shape[1], data.classes)
    by_noise, by_data = copy.deepcopy(first), copy.deepcopy(first)
    paths = {
        ("FAN", "noise", ""): on_noise(by_noise, setting),
        ("FA", "data", ""): on_data(by_data, data, setting),
        ("FAN", "data", ""): on_data(by_noise, data, setting),
        ("DN", "after", ""): on_noise(by_data, setting),
    }
    return in_the_plane(paths, first)


def on_noise(net: MLP, setting: Setting) -> Trace:
    """Train on noise as the setting says; the path of it."""
    trace = Trace()
    steps = setting.noise_steps
    pretrain(
        net,
        steps=steps,
        batch_size=setting.batch_size,
        lr=setting.noise_lr,
        optimizer=setting.optimizer,
        record_every={round(steps * (i / CURVE) ** 2) for i in range(CURVE + 1)},
        callback=trace.take,
        progress=False,
    )
    return trace


def on_data(net: MLP, data: Task, setting: Setting) -> Trace:
    """Train on data to the setting's horizon; the path of it."""
    trace = Trace()
    learn(
        "FA",
        net,
        data.train,
        setting,
        epochs=setting.horizon,
        record_every=epoch_ends(setting),
        callback=trace.take,
    )
    return trace
