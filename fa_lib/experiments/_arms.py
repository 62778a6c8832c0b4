"""The arms that are compared: what happens to a network before it sees data, and how it learns.

FA, FAN and BP are the paper's. The others are controls: each takes one thing out of noise training
or puts another in its place, so that what is left can be told apart (the book's Figure 2 chapter).
"""

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
from fa_lib.experiments._curve import log_spaced
from fa_lib.experiments._measures import readout_and_dimensionality
from fa_lib.history import History, Measure, MeasureAt
from fa_lib.metrics import readout_deviation
from fa_lib.networks import MLP, he_std
from fa_lib.noise import Noise
from fa_lib.training import fit, pretrain

UNLABELLED = 1000  # training images on which arm M's readout is matched to FAN's
FOLLOWED = 5000  # validation images on which accuracy is followed in training

# Makes what is measured in noise training, from validation images and the number of classes.
Measures = Callable[[Split, int], Mapping[str, Measure | MeasureAt]]


@dataclass(frozen=True)
class Arm:
    """One way to start and to learn.

    Attributes:
        what: in words.
        rule: learning rule on data.
        before: what it trains on before the data: "labels" (noise inputs, random labels),
            "uniform" (noise inputs, the soft target 1/C), "images" (real images with permuted
            labels), or "" for nothing.
        before_rule: learning rule of that.
        readout: what is done to the readout before the data: "zero", "matched" (rescaled to the
            readout deviation of FAN on unlabelled images), or "" for nothing.
        fresh_feedback: whether the data phase gets feedback weights drawn anew.
    """

    what: str
    rule: str = "fa"
    before: str = ""
    before_rule: str = "fa"
    readout: str = ""
    fresh_feedback: bool = False


ARMS = {
    "FA": Arm("feedback alignment, no noise training"),
    "FAN": Arm("noise training, then feedback alignment", before="labels"),
    "BP": Arm("backpropagation, no noise training", rule="bp"),
    "Z": Arm("feedback alignment from a zero readout, no noise training", readout="zero"),
    "S": Arm(
        "noise training, then fresh feedback for the data", before="labels", fresh_feedback=True
    ),
    "M": Arm("initial readout rescaled to that after noise training", readout="matched"),
    "BPN": Arm("noise training and data by backpropagation", "bp", "labels", "bp"),
    "BPN-FA": Arm(
        "noise training by backpropagation, then feedback alignment", "fa", "labels", "bp"
    ),
    "U": Arm("noise inputs with the soft target 1/C, then feedback alignment", before="uniform"),
    "P": Arm("real images with permuted labels, then feedback alignment", before="images"),
}
MAIN_ARMS = ("FA", "FAN", "BP", "Z", "S")
LARGE_ARMS = ("FA", "FAN", "BP")  # with the largest training sets, which cost the most


@dataclass(frozen=True)
class Preparation:
    """What all arms of an experiment share before the data.

    sizes, seeds: of the networks; dataset, validation: as in `material`; the rest: of noise
    training, `records` being about how many steps are recorded and measured, spaced evenly in
    their logarithm (0: none is measured), and `measures` what. Hashable, so that a noise-trained
    stack is made once and shared by several arms.
    """

    sizes: tuple[int, ...]
    seeds: tuple[int, ...]
    dataset: str
    validation: int | None
    steps: int
    batch_size: int
    lr: float
    device: torch.device
    records: int = 0
    measures: Measures = readout_and_dimensionality


@dataclass(frozen=True)
class Material:
    """Data to learn from and to choose by; shape and classes of the images.

    There is no test image here, so that no choice can be made by one: those that measure ask
    `test_images` for them.
    """

    train: Split
    validation: Split
    image_shape: tuple[int, ...]
    classes: int

    @property
    def features(self) -> int:
        """Numbers in an image."""
        return math.prod(self.image_shape)

    @property
    def followed(self) -> Split:
        """The first of the validation images, on which accuracy is followed in training."""
        return self.validation.subset(torch.arange(min(FOLLOWED, len(self.validation))))


@functools.lru_cache(maxsize=2)
def material(dataset: str, validation: int | None) -> Material:
    """The data set, its last `validation` training images set apart for choices.

    None sets the last sixth apart, which is 10,000 of MNIST's 60,000.
    """
    data = load_dataset(dataset)
    apart = validation_split(data, len(data.train) // 6 if validation is None else validation)
    return Material(apart.train, apart.test, data.image_shape, data.classes)


@functools.lru_cache(maxsize=6)
def test_images(dataset: str) -> Split:
    """The data set's test images: to measure on, never to choose or to stop by."""
    return load_dataset(dataset).test


def own_examples(train: Split, n: int, seeds: Sequence[int]) -> Tensor:
    """Each seed's own stratified training examples, indices [N, n]."""
    return torch.stack([stratified_indices(train.y, n, seed) for seed in seeds])


def tuned_choice(
    tuned: Sequence[tuple[int, str, float, float]], n: int, arm: str
) -> tuple[float, float]:
    """Setting T's learning rate and factor on the readout for an arm and n training images.

    Arguments:
        tuned: entries (n, arm, lr, factor); of the arm's, the nearest in size, in proportion.
    """
    entries = [entry for entry in tuned if entry[1] == arm]
    _, _, lr, scale = min(entries, key=lambda entry: abs(math.log(entry[0] / n)))
    return lr, scale


def start(name: str, prep: Preparation, readout_scale: float = 1.0) -> MLP:
    """The arm's networks as they are when they first see data.

    Arguments:
        name: a key of ARMS.
        prep: see `Preparation`.
        readout_scale: factor on the readout with which the data phase begins.
    """
    arm = ARMS[name]
    if arm.before:
        net = copy.deepcopy(trained_before(arm.before, arm.before_rule, prep)[0]).with_rule(
            arm.rule
        )
    else:
        net = MLP(prep.sizes, rule=arm.rule, seeds=prep.seeds, device=prep.device)
    if arm.readout == "zero":
        net.weights[-1].zero_()
    elif arm.readout == "matched":
        net.weights[-1].mul_(_matching_scale(net, prep).view(-1, 1, 1))
    if arm.fresh_feedback:
        for layer, feedback in enumerate(net.feedback):
            for matrix, seed in zip(feedback, net.seeds, strict=True):
                generator = _streams.generator(seed, "fresh feedback", layer)
                fresh = torch.randn(matrix.shape, generator=generator) * he_std(matrix.shape[1])
                matrix.copy_(fresh)
    net.weights[-1].mul_(readout_scale)
    return net


def learn(
    name: str, prep: Preparation, n: int, lr: float, readout_scale: float = 1.0, **how: Any
) -> tuple[MLP, History]:
    """Train the arm on n images of each seed's own.

    Arguments:
        name, prep, readout_scale: as in `start`.
        lr: learning rate on data.
        how: `fit`'s other arguments.
    """
    net = start(name, prep, readout_scale)
    data = material(prep.dataset, prep.validation).train
    return net, train_on(net, data, n, lr=lr, batch_size=prep.batch_size, **how)


def train_on(net: MLP, train: Split, n: int, **how: Any) -> History:
    """Train on n images of each seed's own; `how` are `fit`'s other arguments."""
    with warnings.catch_warnings():
        # A zero readout has no angle until it has learned: NaN in the table says so.
        warnings.filterwarnings("ignore", message="The alignment angle is undefined")
        subset = own_examples(train, n, net.seeds)
        return fit(net, train, subset=subset, progress=False, **how)


def steps_before(name: str, prep: Preparation) -> int:
    """How many steps the arm trains before the data."""
    return prep.steps if ARMS[name].before else 0


@functools.lru_cache(maxsize=8)
def trained_before(before: str, rule: str, prep: Preparation) -> tuple[MLP, pd.DataFrame]:
    """Networks after noise training, not to be changed, and the record of it.

    Arguments:
        before, rule: as in `Arm`.
        prep: see `Preparation`.
    """
    net = MLP(prep.sizes, rule=rule, seeds=prep.seeds, device=prep.device)
    data = material(prep.dataset, prep.validation)
    how: dict[str, Any] = {"steps": prep.steps, "batch_size": prep.batch_size, "lr": prep.lr}
    how |= {"record_every": max(1, prep.steps), "progress": False}
    if prep.records:
        how["record_every"] = log_spaced(prep.steps, prep.records)
        how["measure"] = prep.measures(data.validation.to(net.device), data.classes)
    if before == "images":
        order = torch.randperm(len(data.train), generator=_streams.generator(0, "permuted labels"))
        history = fit(net, Split(data.train.x, data.train.y[order]), **how)
    else:
        history = pretrain(net, noise=Noise(target=before), **how)
    return net, history.to_frame()


def _matching_scale(net: MLP, prep: Preparation) -> Tensor:
    """Factor [N] on these fresh readouts that gives them FAN's readout deviation on images.

    Without biases the logits are proportional to it, and the deviation grows with it: bisection.
    """
    images = material(prep.dataset, prep.validation).train.x[:UNLABELLED].to(net.device)
    wanted = readout_deviation(trained_before("labels", "fa", prep)[0](images))
    logits = net(images)
    low, high = torch.full_like(wanted, -10.0), torch.full_like(wanted, 10.0)  # of the logarithm
    for _ in range(50):
        middle = (low + high) / 2
        above = readout_deviation(logits * middle.exp().view(-1, 1, 1)) > wanted
        low, high = torch.where(above, low, middle), torch.where(above, middle, high)
    return middle.exp().to(net.dtype)
