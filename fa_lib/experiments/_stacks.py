"""The networks of a setting: how they start in each arm, what they learn from, and how."""

from __future__ import annotations

import copy
import functools
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from fa_lib import _streams
from fa_lib.data import Split, load_dataset, stratified_indices, validation_split
from fa_lib.experiments._measured import of_alignment, of_readout, of_weights
from fa_lib.history import DivergenceError, History, Measure, MeasureAt
from fa_lib.networks import MLP
from fa_lib.settings import Setting
from fa_lib.training import fit, pretrain

FOLLOWED = 2000  # validation images on which the best epoch is found
ENDS = 100  # noise steps at either end over which the loss is averaged
ZERO = ("Z", "ZF")  # arms whose readout starts at zero
Measures = Mapping[str, Measure]
CURVE = 25  # about how many records noise training has between its ends


@dataclass(frozen=True)
class Stack:
    """Some networks of a setting.

    Attributes:
        setting: theirs.
        layers: of weights; the paper's depth.
        seeds: one for each network.
        device: where they are.
    """

    setting: Setting
    layers: int
    seeds: tuple[int, ...]
    device: torch.device


@dataclass(frozen=True)
class Task:
    """A data set as a setting's networks see it.

    Attributes:
        train: to learn from.
        validation: the only images by which an epoch may be chosen.
        test: to measure on.
        shape: of an image.
        prepare: makes pixels in [0, 1] what networks see.
    """

    train: Split
    validation: Split
    test: Split
    shape: tuple[int, ...]
    classes: int
    prepare: Callable[[Split], Split]


@functools.lru_cache(maxsize=8)  # MNIST's takes 250 MB
def task(dataset: str, inputs: str, test_images: int | None) -> Task:
    """The data set; its last sixth of training images, 10,000 of MNIST's, is for choices.

    Arguments:
        dataset: its name.
        inputs: as in `Setting`.
        test_images: how many, stratified and the same for all; None for all there are.
    """
    data = load_dataset(dataset)
    if test_images is not None and test_images < len(data.test):
        data = load_dataset(dataset, n_test=test_images)
    apart = validation_split(data, len(data.train) // 6)
    mean, std = 0.0, 1.0
    if inputs == "standardised":
        mean, std = float(apart.train.x.mean()), float(apart.train.x.std())

    def prepare(split: Split) -> Split:
        return Split((split.x - mean) / std, split.y)

    followed = stratified_indices(apart.test.y, min(FOLLOWED, len(apart.test)), seed=0)
    return Task(
        prepare(apart.train),
        prepare(apart.test.subset(followed)),
        prepare(data.test),
        data.image_shape,
        data.classes,
        prepare,
    )


def own_images(data: Split, images: int, seeds: Sequence[int]) -> Tensor:
    """Each network's own stratified training images, int64 [N, images]."""
    return torch.stack([stratified_indices(data.y, images, seed) for seed in seeds])


def untrained(stack: Stack, features: int, classes: int, rule: str = "fa") -> MLP:
    """The networks as they start."""
    setting = stack.setting
    sizes = [features, *[setting.width] * (stack.layers - 1), classes]
    net = MLP(sizes, rule=rule, seeds=stack.seeds, device=stack.device)
    if setting.weights == "torch":
        _uniform(net.weights, net, "torch weights")
        _uniform(net.biases, net, "torch biases")
    if setting.feedback == "torch":
        _uniform(net.feedback, net, "torch feedback")
    return net


def _uniform(tensors: Sequence[Tensor], net: MLP, stream: str) -> None:
    """Torch's default for a Linear: uniform within 1 / sqrt(fan_in), weights and biases alike."""
    for layer, (stacked, fan_in) in enumerate(zip(tensors, net.sizes, strict=False)):
        for tensor, seed in zip(stacked, net.seeds, strict=True):
            generator = _streams.generator(seed, stream, layer)
            drawn = torch.rand(tensor.shape, generator=generator)
            tensor.copy_((2 * drawn - 1) / math.sqrt(fan_in))


@functools.lru_cache(maxsize=3)
def noise_trained(stack: Stack, features: int, classes: int) -> tuple[MLP, pd.DataFrame]:
    """The networks after noise training, not to be changed, and the record of it."""
    net = untrained(stack, features, classes)
    return net, train_on_noise(net, stack.setting)


def train_on_noise(net: MLP, setting: Setting, more: Measures | None = None) -> pd.DataFrame:
    """Train on noise as the setting says.

    Arguments:
        net: changed in place.
        setting: theirs.
        more: further measures, taken where `of_alignment` is.

    Returns:
        `pretrain`'s record at about CURVE steps, with what `of_alignment` and `of_readout` measure
        and at both ends `of_weights`; and, with the first and the last step, metric mean_loss, the
        mean over the ENDS steps after the one and before the other.
    """
    steps, before = setting.noise_steps, net.noise_steps
    curve = {round(steps * (i / CURVE) ** 2) for i in range(CURVE + 1)}
    first, last = range(min(ENDS, steps)), range(max(0, steps - ENDS), steps)
    measures = {"alignment": of_alignment, "readout": of_readout(net), **(more or {})}
    table = pretrain(
        net,
        steps=steps,
        batch_size=setting.batch_size,
        lr=setting.noise_lr,
        optimizer=setting.optimizer,
        record_every=curve | {*first, *last},
        measure={name: MeasureAt(curve, measure) for name, measure in measures.items()}
        | {"weights": MeasureAt({0, steps}, of_weights)},
        progress=False,
    ).to_frame()
    step = table["step"] - before
    means = [
        table[step.isin(end) & (table["metric"] == "loss")]
        .groupby("seed", sort=False)["value"]
        .mean()
        .reset_index()
        .assign(step=before + at, metric="mean_loss")
        for end, at in ((first, 0), (last, steps))
    ]
    return pd.concat([table[step.isin(curve)], *means], ignore_index=True)


def start(arm: str, stack: Stack, features: int, classes: int) -> MLP:
    """The arm's networks as they are when they first see data."""
    if arm == "FAN":
        return copy.deepcopy(noise_trained(stack, features, classes)[0])
    net = untrained(stack, features, classes, rule="bp" if arm == "BP" else "fa")
    if arm in ZERO:
        net.weights[-1].zero_()
        net.biases[-1].zero_()
    return net


def learn(arm: str, net: MLP, data: Split, setting: Setting, **how: Any) -> History:
    """Train on each network's own images.

    Arguments:
        arm: in which they learn; of ZF the readout alone.
        net: changed in place.
        data: of which the images are drawn.
        setting: theirs.
        how: `fit`'s other arguments.
    """
    optimizer = functools.partial(_of_readout_alone, setting) if arm == "ZF" else setting.optimizer
    with warnings.catch_warnings():
        # A zero readout has no angle until it has learned: NaN in the table says so.
        warnings.filterwarnings("ignore", message="The alignment angle is undefined")
        return fit(
            net,
            data,
            batch_size=setting.batch_size,
            lr=setting.data_lr,
            optimizer=optimizer,
            subset=own_images(data, setting.images, net.seeds),
            progress=False,
            **how,
        )


def _of_readout_alone(setting: Setting, parameters: list[Tensor]) -> torch.optim.Optimizer:
    """The setting's optimiser of the last weights and biases."""
    readout = [parameters[len(parameters) // 2 - 1], parameters[-1]]
    kind = torch.optim.Adam if setting.optimizer == "adam" else torch.optim.SGD
    return kind(readout, lr=setting.data_lr)


# -- Without networks that diverge -----------------------------------------------------------------


def without_diverging(
    run: Callable[[tuple[int, ...]], pd.DataFrame], seeds: tuple[int, ...]
) -> pd.DataFrame:
    """What `run` makes of these seeds; one whose loss is not finite does not take down the rest.

    Such a network is left out, and the others, which it has no part in, are run again. The row of
    metric "diverged" names it and the step at which that was noticed.
    """
    lost: dict[int, int] = {}
    tables = []
    while len(lost) < len(seeds):
        try:
            tables = [run(tuple(seed for seed in seeds if seed not in lost))]
            break
        except DivergenceError as error:
            lost |= dict.fromkeys(error.seeds, error.step)
    rows = [{"seed": seed, "metric": "diverged", "value": step} for seed, step in lost.items()]
    return pd.concat([*tables, pd.DataFrame(rows)], ignore_index=True) if rows else tables[0]
