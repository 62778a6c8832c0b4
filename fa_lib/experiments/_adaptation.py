"""How the pieces of Figure 6 adapt networks to tasks, a function for each panel."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from torch import Tensor

from fa_lib import _streams
from fa_lib.data import Split
from fa_lib.experiments import _measures
from fa_lib.experiments._arms import (
    Material,
    Preparation,
    material,
    own_examples,
    start,
    steps_before,
    test_images,
    train_on,
)
from fa_lib.experiments._paths import Snapshots, in_the_plane, readout_targets
from fa_lib.history import Measure, MeasureAt
from fa_lib.metrics import evaluate
from fa_lib.networks import MLP
from fa_lib.training import pretrain

if TYPE_CHECKING:
    from fa_lib.experiments.fig6 import Config

K_STEPS = (10, 30, 100, 300)  # after which the meta-loss is taken
JUDGED_K = 100
STRIDE = 10  # steps between two points of a path
# Steps at which losses are measured, as far as adaptation goes; the last step is one of them too.
RECORDS = (0, 10, 20, 30, 50, 70, 100, 150, 200, 250, 300, 400, 500, 700, 1000)
PERMUTED = "permuted "


def source_of(task: str) -> str:
    """The data set that a task is made of."""
    return task.removeprefix(PERMUTED)


@functools.lru_cache(maxsize=6)
def load_task(name: str) -> Material:
    """A task to learn and to choose by: the last sixth of its training images is for choices."""
    data = material(source_of(name), None)
    return replace(
        data, train=_of_task(name, data.train), validation=_of_task(name, data.validation)
    )


def task_test_images(name: str) -> Split:
    """The task's test images: to measure on, never to choose by."""
    return _of_task(name, test_images(source_of(name)))


def _of_task(name: str, split: Split) -> Split:
    """A split of the task's data set as the task has it, its pixels permuted or not."""
    if not name.startswith(PERMUTED):
        return split
    order = torch.randperm(split.x.shape[1], generator=_streams.generator(0, "order of pixels"))
    return Split(split.x[:, order], split.y)


def _preparation(config: Config, seeds: tuple[int, ...], device: torch.device) -> Preparation:
    first = load_task(config.tasks[0])
    for task in config.tasks[1:]:
        data = load_task(task)
        if (data.image_shape, data.classes) != (first.image_shape, first.classes):
            raise ValueError(
                "The tasks must have one image shape and number of classes, but "
                f"{config.tasks[0]} has {first.image_shape} and {first.classes}, {task} "
                f"{data.image_shape} and {data.classes}."
            )
    return Preparation(
        sizes=(first.features, config.width, first.classes),
        seeds=seeds,
        dataset=source_of(config.tasks[0]),
        validation=None,
        steps=config.noise_steps,
        batch_size=config.batch_size,
        lr=config.noise_lr,
        device=device,
    )


def _adapted(config: Config, net: MLP, task: str, **how: Any) -> pd.DataFrame:
    """The record of a copy of these networks adapting to a task."""
    train = load_task(task).train
    how |= {"batch_size": config.batch_size}
    return train_on(copy.deepcopy(net), train, config.n, **how).to_frame().assign(task=task)


def _tested(split: Split, name: str) -> Measure:
    """Loss and accuracy on a split."""

    def measure(net: MLP) -> Mapping[str, Tensor]:
        loss, accuracy = evaluate(net, split)
        return {f"{name}_loss": loss, f"{name}_accuracy": accuracy}

    return measure


@functools.lru_cache(maxsize=64)
def _choice_table(config: Config, optimizer: str, arm: str, device: torch.device) -> pd.DataFrame:
    """Validation loss on each task for every choice of setting T, by seeds that judge nothing."""
    prep = _preparation(config, config.choice_seeds, device)
    parts = []
    for lr, scale in config.choices(optimizer, arm):
        net = start(arm, prep, scale)
        for task in config.tasks:
            measure = _tested(load_task(task).validation.to(device), "validation")
            history = _adapted(
                config,
                net,
                task,
                steps=JUDGED_K,
                lr=lr,
                optimizer=optimizer,
                record_every=JUDGED_K,
                measure={"validation": MeasureAt({JUDGED_K}, measure)},
            )
            parts.append(history.assign(lr=lr, readout_scale=scale))
    table = pd.concat(parts, ignore_index=True)
    return table[table["metric"] == "validation_loss"]


def chosen(table: pd.DataFrame) -> tuple[float, float]:
    """The learning rate and the factor on the readout with the smallest validation meta-loss.

    Arguments:
        table: columns lr, readout_scale, task, seed, value (validation loss), of one arm and
            optimiser.
    """
    # Every choice has all tasks and seeds, so the mean over both orders choices as the sum does.
    means = table.groupby(["lr", "readout_scale"], sort=False)["value"].mean()
    lr, scale = means.index[int(means.argmin())]
    return float(lr), float(scale)


def _how(
    config: Config, setting: str, optimizer: str, arm: str, device: torch.device
) -> tuple[float, float]:
    """Learning rate and factor on the readout of an arm in a setting."""
    if setting == "F":
        return config.fixed_lr(optimizer), 1.0
    return chosen(_choice_table(config, optimizer, arm, device))


def _choice(config: Config, params: dict[str, Any], device: torch.device) -> pd.DataFrame:
    prep = _preparation(config, config.choice_seeds, device)
    table = _choice_table(config, params["optimizer"], params["arm"], device)
    before = steps_before(params["arm"], prep)
    return table.assign(panel="choice", setting="T", noise_steps=before, **params)


def _adapt(config: Config, params: dict[str, Any], device: torch.device) -> pd.DataFrame:
    arm = params["arm"]
    seeds = config.seeds_of(arm)
    prep = _preparation(config, seeds, device)
    lr, scale = _how(config, params["setting"], params["optimizer"], arm, device)
    net = start(arm, prep, scale)
    records = {step for step in RECORDS if step < config.steps} | {config.steps}
    tested = {step for step in K_STEPS if step <= config.steps}
    path = set(range(0, config.steps, STRIDE)) | records
    parts = []
    for task in config.tasks:
        train = load_task(task).train.to(device)
        rows = own_examples(train, config.n, seeds).to(device)
        follow = _measures.own_training_data(train, rows, seeds)
        history = _adapted(
            config,
            net,
            task,
            steps=config.steps,
            lr=lr,
            optimizer=params["optimizer"],
            record_every=path,
            measure={
                "train": MeasureAt(records, follow),
                "test": MeasureAt(tested, _tested(task_test_images(task).to(device), "test")),
                "path": _measures.path_of_weights(),
            },
        )
        parts.append(history[history["step"].isin(records)])
    table = pd.concat(parts, ignore_index=True)
    kept = ("train_loss", "test_loss", "test_accuracy", "path_length", "path_length_w2")
    table = table[table["metric"].isin(kept)]
    before = steps_before(arm, prep)
    return table.assign(panel="adapt", lr=lr, readout_scale=scale, noise_steps=before, **params)


def _checkpoints(config: Config, params: dict[str, Any], device: torch.device) -> pd.DataFrame:
    """Adaptation with Adam from states of noise training, at the learning rates of arm FAN."""
    prep = _preparation(config, config.seeds, device)
    at = [step for step in K_STEPS if step <= JUDGED_K]
    parts = []
    for noise_steps, net in _states(config, prep).items():
        for setting in "FT":
            lr, _ = _how(config, setting, "adam", "FAN", device)
            for task in config.tasks:
                measure = _tested(task_test_images(task).to(device), "test")
                history = _adapted(
                    config,
                    net,
                    task,
                    steps=JUDGED_K,
                    lr=lr,
                    record_every=at,
                    measure={"test": MeasureAt(at, measure)},
                )
                parts.append(history.assign(setting=setting, lr=lr, noise_steps=noise_steps))
    table = pd.concat(parts, ignore_index=True)
    table = table[table["metric"].isin(["test_loss", "test_accuracy"])]
    return table.assign(panel="checkpoints", optimizer="adam", arm="FAN", readout_scale=1.0)


def _states(config: Config, prep: Preparation) -> dict[int, MLP]:
    """The networks at every checkpoint of one noise training and at its end, by noise steps."""
    net = MLP(prep.sizes, rule="fa", seeds=prep.seeds, device=prep.device)
    place = {seed: i for i, seed in enumerate(net.seeds)}
    kept = {step: copy.deepcopy(net) for step in sorted({*config.checkpoints, prep.steps})}

    def keep(part: MLP, step: int, values: Mapping[str, Tensor]) -> None:
        if step not in kept:  # the first step is recorded always
            return
        rows = [place[seed] for seed in part.seeds]
        for whole, own in zip(kept[step].parameters(), part.parameters(), strict=True):
            whole[rows] = own

    pretrain(
        net,
        steps=prep.steps,
        batch_size=prep.batch_size,
        lr=prep.lr,
        record_every=list(kept),
        callback=keep,
        progress=False,
    )
    return kept


def _paths(config: Config, params: dict[str, Any], device: torch.device) -> pd.DataFrame:
    """Paths of the centred readout through adaptation, in setting F with Adam."""
    prep = _preparation(config, config.seeds[: config.path_seeds], device)
    paths: dict[str, Snapshots] = {}
    for arm in ("FA", "FAN"):
        net = start(arm, prep)
        for task in config.tasks:
            taken = paths[f"{arm}/{task}"] = Snapshots()
            _adapted(
                config,
                net,
                task,
                steps=config.steps,
                lr=config.adam_lr,
                record_every=STRIDE,
                callback=taken.take,
            )
    table = in_the_plane(paths, readout_targets(start("FA", prep)), fitted_on=tuple(paths))
    names = table["arm"].str.partition("/")
    return table.assign(
        panel="path",
        arm=names[0],
        task=names[2],
        setting="F",
        optimizer="adam",
        lr=config.adam_lr,
        readout_scale=1.0,
        noise_steps=(names[0] == "FAN") * config.noise_steps,
    )


PANELS: Mapping[str, Callable[[Config, dict[str, Any], torch.device], pd.DataFrame]] = {
    "choice": _choice,
    "adapt": _adapt,
    "checkpoints": _checkpoints,
    "paths": _paths,
}
