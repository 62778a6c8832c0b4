"""What is run in a setting: learning (Figures 1, 2, 3, 5), other tasks (6), deeper networks (4).

Each part gives one table, of COLUMNS, for all its arms. Phases: "noise" (its steps count noise
training), "data" (steps on data) and "after" (noise training after data, its steps again).
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from fa_lib.data import Split, load_dataset, stratified_indices
from fa_lib.experiments._measured import (
    of_accuracy,
    of_alignment,
    of_features,
    of_training,
)
from fa_lib.experiments._stacks import (
    Stack,
    Task,
    learn,
    noise_trained,
    own_images,
    start,
    task,
    train_on_noise,
    untrained,
)
from fa_lib.history import History, Measure, MeasureAt
from fa_lib.metrics import angle_between
from fa_lib.networks import MLP
from fa_lib.schema import epoch_steps
from fa_lib.settings import CONVERGED, Setting
from fa_lib.transforms import rotate, scale, translate

COLUMNS = (
    *("setting", "layers", "images", "task", "arm", "phase"),
    *("seed", "step", "metric", "value"),
)
LEARNING_ARMS = ("FA", "FAN", "BP", "Z", "ZF")
ON_ARMS = ("FA", "FAN", "BP")  # that go on to convergence
TASK_ARMS = ("FA", "FAN", "Z", "ZF")
DEEPER_ARMS = ("FA", "FAN", "Z")

ADAPTED = (10, 30, 100, 300)  # steps on data at which the meta-loss is read
EVERY = 5  # epochs between records
MOVED_IMAGES = 2000
SHIFT = 3.0  # pixels, to each of four sides
SCALES = (0.7, 0.85, 1.15, 1.3)
ROTATIONS = (-45.0, -30.0, -15.0, 15.0, 30.0, 45.0)  # degrees
FEATURE_IMAGES = 1000  # test images over which the features' Gram matrix is taken

Advance = Callable[[float], None]


def record_epochs(horizon: int) -> list[int]:
    """The epochs at which learning is recorded: 0 to 5, every fifth, and the last."""
    return sorted({*range(min(EVERY, horizon)), *range(0, horizon + 1, EVERY), horizon})


def learning(
    setting: Setting,
    seeds: tuple[int, ...],
    device: torch.device,
    advance: Advance,
    *,
    dataset: str,
    other: str,
    test_images: int | None,
    cap: int,
) -> pd.DataFrame:
    """Two layers: noise, data to the horizon and on to convergence, and data before noise.

    Arguments:
        setting, seeds, device: of the networks.
        advance: called with the network-steps just done.
        dataset: to learn; `other`: of the same classes, to be tested on too.
        test_images: as in `task`.
        cap: epochs at which training ends that has not converged.
    """
    stack = Stack(setting, 2, seeds, device)
    data = task(dataset, setting.inputs, test_images)
    per_epoch = epoch_steps(setting.images, setting.batch_size)
    horizon = setting.horizon * per_epoch
    tests = moved_tests(dataset, other, setting.inputs, test_images)
    seen = {epoch * per_epoch for epoch in (1, EVERY, setting.horizon // 2, setting.horizon)}
    moved = MeasureAt(seen, of_accuracy({k: v.to(device) for k, v in tests.items()}))
    choice = of_accuracy({"validation": data.validation.to(device)})
    followed = MeasureAt(epoch_ends(setting), choice)
    noisy, noise_table = noise_trained(stack, _features(data), data.classes)
    advance(len(seeds) * setting.noise_steps)
    tables = [noise_table.assign(arm="FAN", phase="noise")]
    for arm in LEARNING_ARMS:
        net = start(arm, stack, _features(data), data.classes)
        more = {"moved": moved, **({"validation": followed} if arm in ON_ARMS else {})}
        history = to_horizon(arm, net, data, setting, more)
        advance(len(seeds) * horizon)
        tables.append(history.to_frame().assign(arm=arm, phase="data"))
        if arm == "FA":
            tables += _directions(stack, data, noisy, net)
            tables.append(_noise_after_data(net, data, setting, advance))
        if arm in ON_ARMS and cap > setting.horizon:
            late = to_convergence(arm, net, data, setting, cap, history)
            tables.append(late.assign(arm=arm, phase="data"))
            advance(len(seeds) * (cap - setting.horizon) * per_epoch)
    return _whole(tables, setting, layers=2, images=setting.images, task=dataset)


def other_tasks(
    setting: Setting,
    seeds: tuple[int, ...],
    device: torch.device,
    advance: Advance,
    *,
    datasets: tuple[str, ...],
    test_images: int | None,
) -> pd.DataFrame:
    """Two layers, to the horizon, on other data sets than `learning` has; arguments as there."""
    stack = Stack(setting, 2, seeds, device)
    tables = []
    for dataset in datasets:
        data = task(dataset, setting.inputs, test_images)
        for arm in TASK_ARMS:
            net = start(arm, stack, _features(data), data.classes)
            history = to_horizon(arm, net, data, setting, {})
            advance(len(seeds) * setting.horizon * epoch_steps(setting.images, setting.batch_size))
            tables.append(history.to_frame().assign(arm=arm, phase="data", task=dataset))
    return _whole(tables, setting, layers=2, images=setting.images)


def deeper(
    setting: Setting,
    seeds: tuple[int, ...],
    device: torch.device,
    advance: Advance,
    *,
    layers: int,
    dataset: str,
    test_images: int | None,
) -> pd.DataFrame:
    """More layers, to the horizon: spectra, readout and features; arguments as in `learning`.

    Arguments:
        layers: of weights.
    """
    stack = Stack(setting, layers, seeds, device)
    data = task(dataset, setting.inputs, test_images)
    noisy, noise_table = noise_trained(stack, _features(data), data.classes)
    advance(len(seeds) * setting.noise_steps)
    first = untrained(stack, _features(data), data.classes)
    tables = [noise_table.assign(arm="FAN", phase="noise"), *_towards(first, noisy, "FAN")]
    drawn = stratified_indices(data.test.y, min(FEATURE_IMAGES, len(data.test)), seed=0)
    features = of_features(data.test.x[drawn].to(device))
    more = {"features": MeasureAt({0, max(epoch_ends(setting))}, features)}
    for arm in DEEPER_ARMS:
        net = start(arm, stack, _features(data), data.classes)
        history = to_horizon(arm, net, data, setting, more)
        advance(len(seeds) * setting.horizon * epoch_steps(setting.images, setting.batch_size))
        tables.append(history.to_frame().assign(arm=arm, phase="data"))
    return _whole(tables, setting, layers=layers, images=setting.images, task=dataset)


def to_horizon(
    arm: str, net: MLP, data: Task, setting: Setting, more: Mapping[str, Measure | MeasureAt]
) -> History:
    """Train to the setting's horizon; the record at `record_epochs`, of test loss at ADAPTED too.

    Arguments:
        more: measures besides the training images' and `of_alignment`.
    """
    steps = epoch_ends(setting)
    last = max(steps)
    measures = {"training": _training(net, data, setting), "alignment": of_alignment}
    return learn(
        arm,
        net,
        data.train,
        setting,
        epochs=setting.horizon,
        record_every=steps | {step for step in ADAPTED if step <= last},
        test=data.test,
        measure={**{name: MeasureAt(steps, m) for name, m in measures.items()}, **more},
    )


def epoch_ends(setting: Setting) -> set[int]:
    """The steps of `record_epochs`."""
    per_epoch = epoch_steps(setting.images, setting.batch_size)
    return {epoch * per_epoch for epoch in record_epochs(setting.horizon)}


def to_convergence(
    arm: str, net: MLP, data: Task, setting: Setting, cap: int, history: History
) -> pd.DataFrame:
    """Go on from the horizon until every network has converged, or to the cap."""

    def converged(part: MLP, step: int, values: Mapping[str, Tensor]) -> bool:
        return bool((values["train_loss"] < CONVERGED).all())

    table = learn(
        arm,
        net,
        data.train,
        setting,
        epochs=cap - setting.horizon,
        record_every=EVERY * epoch_steps(setting.images, setting.batch_size),
        test=data.test,
        measure={
            "training": _training(net, data, setting),
            "validation": of_accuracy({"validation": data.validation.to(net.device)}),
        },
        stop_when=converged,
        resume=history,
    ).to_frame()
    return table[table["step"] > max(epoch_ends(setting))]


def _training(net: MLP, data: Task, setting: Setting) -> Measure:
    rows = own_images(data.train, setting.images, net.seeds).to(net.device)
    return of_training(data.train.to(net.device), rows, net.seeds)


def _noise_after_data(net: MLP, data: Task, setting: Setting, advance: Advance) -> pd.DataFrame:
    """Arm DN: noise training of a copy of what has learned from data."""
    later = copy.deepcopy(net)
    table = train_on_noise(
        later, setting, {"test": of_accuracy({"test": data.test.to(net.device)})}
    )
    advance(len(net) * setting.noise_steps)
    return table.assign(arm="DN", phase="after")


def _directions(stack: Stack, data: Task, noisy: MLP, learned: MLP) -> list[pd.DataFrame]:
    """Where noise alone and data alone have moved the last layer's weights from their start.

    Metrics: displacement_cosine with the feedback weights, and displacements_apart, degrees.
    """
    first = untrained(stack, _features(data), data.classes)
    moved = [net.weights[-1] - first.weights[-1] for net in (noisy, learned)]
    apart = _rows(first, "displacements_apart", angle_between(*moved))
    return [
        *_towards(first, noisy, "FAN"),
        *_towards(first, learned, "FA"),
        apart.assign(arm="FAN", phase="noise"),
    ]


def _towards(first: MLP, later: MLP, arm: str) -> list[pd.DataFrame]:
    angle = angle_between(later.weights[-1] - first.weights[-1], first.feedback[-1])
    table = _rows(first, "displacement_cosine", torch.cos(torch.deg2rad(angle)))
    return [table.assign(arm=arm, phase="noise" if arm == "FAN" else "data")]


def _rows(net: MLP, metric: str, values: Tensor) -> pd.DataFrame:
    """Values [N] of the networks at the end of a phase; the step is left open, as -1."""
    return pd.DataFrame({"seed": net.seeds, "step": -1, "metric": metric, "value": values.tolist()})


@functools.lru_cache(maxsize=2)
def moved_tests(dataset: str, other: str, inputs: str, test_images: int | None) -> dict[str, Split]:
    """Test images from elsewhere: shift, scale and rotation of MOVED_IMAGES, and the other's own.

    Of a family of transformations all are in one split, so that its accuracy is their mean.
    Arguments as in `task`.
    """
    data = load_dataset(dataset)
    images = min(MOVED_IMAGES, len(data.test))
    data = load_dataset(dataset, n_test=images)
    x, y, shape = data.test.x, data.test.y, {"image_shape": data.image_shape}
    sides = ((SHIFT, 0.0), (-SHIFT, 0.0), (0.0, SHIFT), (0.0, -SHIFT))
    families: dict[str, list[Tensor]] = {
        "shift": [translate(x, right, down, **shape) for right, down in sides],
        "scale": [scale(x, factor, **shape) for factor in SCALES],
        "rotation": [rotate(x, degrees, **shape) for degrees in ROTATIONS],
    }
    prepare = task(dataset, inputs, test_images).prepare
    tests = {
        name: prepare(Split(torch.cat(moved), y.repeat(len(moved))))
        for name, moved in families.items()
    }
    return tests | {"other": prepare(load_dataset(other).test)}


def _features(data: Task) -> int:
    return data.train.x.shape[1]


def _whole(tables: list[pd.DataFrame], setting: Setting, **labels: Any) -> pd.DataFrame:
    """One table of COLUMNS."""
    table = pd.concat(tables, ignore_index=True).assign(setting=setting.name, **labels)
    return table[list(COLUMNS)]
