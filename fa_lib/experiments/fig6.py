"""Figure 6: does noise training prepare for any task?

Panels a) the meta-loss through noise training: the sum over three tasks of the test loss after
ADAPT steps on each; b) paths of the last layer's weights, whatever the task; c) learning of each.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import torch

from fa_lib._checks import positive_int
from fa_lib.experiments import _bases
from fa_lib.experiments._parts import COLUMNS, TASK_ARMS, other_tasks
from fa_lib.experiments._plane import in_the_plane
from fa_lib.experiments._registry import Piece
from fa_lib.experiments._stacks import Stack, Task, learn, task, untrained, without_diverging
from fa_lib.experiments.fig2 import on_data, on_noise
from fa_lib.networks import MLP
from fa_lib.schema import epoch_steps
from fa_lib.settings import Setting
from fa_lib.training import pretrain

TITLE = "Three tasks after noise training: meta-loss, paths and speed"

ADAPT = 100  # steps on data
MOMENTS = (0.0, 0.01, 0.04, 0.1, 0.2, 0.4, 0.7, 1.0)  # of noise training, shares of its steps


@dataclass(frozen=True)
class Config(_bases.BaseConfig):
    """Settings of Figure 6.

    Fields:
        tasks: data sets of one shape and number of classes; `dataset` is None.
        plane_seeds: the first so many of the seeds have their paths in a plane.
        Others: as in `BaseConfig`.
    """

    dataset: str | None = None
    tasks: tuple[str, ...] = ("mnist", "fashion_mnist", "kmnist10k")
    plane_seeds: int = 3

    def __post_init__(self) -> None:
        """Refuse what leaves nothing to adapt to, too."""
        super().__post_init__()
        positive_int(self.plane_seeds, "plane_seeds")
        if not self.tasks:
            raise ValueError("tasks is empty: give at least one.")


PROFILES = {
    "smoke": Config(
        seeds=(0, 1),
        bases=("B1", "B3"),
        tasks=("mnist5k", "digits"),
        test_images=200,
        most_steps=60,
        most_images=256,
        most_width=16,
        most_epochs=60,
        plane_seeds=1,
    ),
    "quick": Config(
        seeds=(0, 1, 2),
        tasks=("mnist5k", "digits"),
        test_images=1000,
        most_steps=1000,
        most_images=1000,
        most_epochs=40,
        plane_seeds=1,
    ),
    "paper": Config(seeds=_bases.SEEDS),
}


def data_sets(config: Config) -> tuple[str, ...]:
    """The tasks."""
    return config.tasks


def pieces(config: Config) -> list[Piece]:
    """In each base the tasks in every arm, the meta-loss through noise training, and the planes."""
    found = []
    for name in config.bases:
        setting = config.base(name)
        tasks = len(config.tasks)
        horizon = setting.horizon * epoch_steps(setting.images, setting.batch_size)
        costs = {
            "tasks": setting.noise_steps + tasks * len(TASK_ARMS) * horizon,
            "meta": setting.noise_steps + tasks * len(MOMENTS) * ADAPT,
            "plane": setting.noise_steps + 2 * tasks * horizon,
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

    Phase "meta" has the test loss after ADAPT steps on each task, its step the noise steps before;
    rows of metric pc1, pc2 and explained_variance are `in_the_plane`'s.
    """
    setting: Setting = piece.params["setting"]
    part: str = piece.params["part"]

    def run(seeds: tuple[int, ...]) -> pd.DataFrame:
        if part == "tasks":
            return other_tasks(
                setting, seeds, device, progress, datasets=config.tasks,
                test_images=config.test_images,
            )  # fmt: skip
        stack = Stack(setting, 2, seeds, device)
        tasks = {name: task(name, setting.inputs, config.test_images) for name in config.tasks}
        return _plane(stack, tasks) if part == "plane" else _meta(stack, tasks, progress)

    table = without_diverging(run, piece.params["seeds"])
    return _bases.kept(table, setting, part, COLUMNS)


def _meta(stack: Stack, tasks: dict[str, Task], progress: Callable[[float], None]) -> pd.DataFrame:
    setting = stack.setting
    net = _untrained(stack, tasks)
    tables, history, done = [], None, 0
    for moment in MOMENTS:
        steps = round(moment * setting.noise_steps)
        if steps > done:
            history = pretrain(
                net,
                steps=steps - done,
                batch_size=setting.batch_size,
                lr=setting.noise_lr,
                optimizer=setting.optimizer,
                resume=history,
                progress=False,
            )
            done = steps
        for name, data in tasks.items():
            table = _adapted(net, data, setting)
            tables.append(table.assign(arm="FAN", phase="meta", task=name, step=steps))
            progress(float(len(net) * ADAPT))
    return pd.concat(tables, ignore_index=True)


def _adapted(net: MLP, data: Task, setting: Setting) -> pd.DataFrame:
    """The test loss of a copy of the networks after ADAPT steps."""
    table = learn(
        "FA",
        copy.deepcopy(net),
        data.train,
        setting,
        epochs=math.ceil(ADAPT / epoch_steps(setting.images, setting.batch_size)),
        record_every={ADAPT},
        test=data.test,
    ).to_frame()
    return table[(table["step"] == ADAPT) & (table["metric"] == "test_loss")]


def _plane(stack: Stack, tasks: dict[str, Task]) -> pd.DataFrame:
    """Noise, and then each task; and each task alone."""
    setting = stack.setting
    first = _untrained(stack, tasks)
    noisy = copy.deepcopy(first)
    paths = {("FAN", "noise", ""): on_noise(noisy, setting)}
    for name, data in tasks.items():
        paths["FA", "data", name] = on_data(copy.deepcopy(first), data, setting)
        paths["FAN", "data", name] = on_data(copy.deepcopy(noisy), data, setting)
    return in_the_plane(paths, first)


def _untrained(stack: Stack, tasks: dict[str, Task]) -> MLP:
    data = next(iter(tasks.values()))
    return untrained(stack, data.train.x.shape[1], data.classes)
