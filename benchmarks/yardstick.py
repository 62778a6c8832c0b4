"""LeNet on MNIST and Fashion-MNIST by four rules, beside the error rates that biotorch publishes.

What is biotorch's (github.com/jsalbert/biotorch; Jimenez Sanfiz, Akrout 2021, arXiv:2108.13446):
- the rows compared with: Benchmarks.md, percent of the test images, at the best of all epochs;
- the network, LeNetMNIST of biotorch 0.0.16, with Xavier-uniform weights and no biases at first;
- the images: resized to 32x32, less the mean and divided by the standard deviation;
- batches of 128; Adam with weight decay 1e-4, whose rate falls tenfold after 40, 60 and 80 % of the
  epochs. That is from its configurations for LeNet on CIFAR-10, with 250 epochs and a first rate of
  1e-3 for BP and uSF and of 1e-4 for FA and DFA (benchmark_configs/cifar10/le_net/adam); those of
  MNIST are not in its repository.

What is fa_lib's: `convert` with its feedback weights, and `fit`; and 10 epochs, too few for FA and
DFA at 1e-4. So for these two the rate is chosen, of both, by the errors on held-out training images
of MNIST after one epoch, with a seed of its own. Test images decide nothing; what counts is the
error after the last epoch.

As a control, biotorch's own layers are trained the same way where biotorch is at hand: what they
miss of their published row is due to the training and not to fa_lib's layers.

Each training is stored as it ends, in benchmarks/yardstick.parquet, with the circumstances in
yardstick.json; started again, the benchmark does what is missing. One thread, from the
repository's root:

    python -m benchmarks.yardstick
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import io
import math
import os
import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import MultiStepLR

import fa_lib as fa
from benchmarks import peers
from benchmarks.agreement import biotorch, commit
from fa_lib import results
from fa_lib._pairs import BadResult, read_pair, write_pair

FOLDER, NAME = Path(__file__).parent, "yardstick"
RULES = ("bp", "fa", "dfa", "usf")
SHAPE = (1, 32, 32)
# Mean and standard deviation of the pixels, as biotorch has them.
PIXELS = {"mnist": (0.1307, 0.3081), "fashion_mnist": (0.2859, 0.3530)}
# Errors in percent, from biotorch's Benchmarks.md.
PUBLISHED = {
    "mnist": {"bp": 0.91, "fa": 1.7, "dfa": 1.61, "usf": 0.94},
    "fashion_mnist": {"bp": 9.2, "fa": 13.06, "dfa": 12.81, "usf": 9.69},
}
BATCH, EPOCHS, WEIGHT_DECAY = 128, 10, 1e-4
MILESTONES, GAMMA = (0.4, 0.6, 0.8), 0.1
RATE = 1e-3
# For these the rate is chosen on so many held-out training images of MNIST.
CHOSEN, RATES = ("fa", "dfa"), (1e-4, 1e-3)
HELD_OUT, SHORT, CHOICE_SEED = 5_000, 1, 100
CONFIG = {
    "optimizer": "adam",
    "batch_size": BATCH,
    "epochs": EPOCHS,
    "weight_decay": WEIGHT_DECAY,
    "milestones": list(MILESTONES),
    "gamma": GAMMA,
    "rate": RATE,
    "choice": {
        "rules": list(CHOSEN),
        "rates": list(RATES),
        "held_out": HELD_OUT,
        "epochs": SHORT,
        "seed": CHOICE_SEED,
    },
}


class Training(NamedTuple):
    """One training: part is "choice", of a rate, "test", or "biotorch", the control."""

    part: str
    dataset: str
    rule: str
    lr: float
    seed: int


# -- The network, its images and its optimiser -----------------------------------------------------


def lenet(seed: int) -> nn.Sequential:
    """LeNet for images [B, 1, 32, 32] of 10 classes."""
    net = nn.Sequential(
        nn.Conv2d(1, 6, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 120, 5),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in net.named_parameters():
        if name.endswith("weight"):
            nn.init.xavier_uniform_(parameter, generator=generator)
        else:
            nn.init.zeros_(parameter)
    return net


def by_biotorch(net: nn.Module, rule: str, seed: int) -> nn.Module:
    """The same network in biotorch's layers, with feedback weights as it draws them."""
    make = biotorch("module.biomodule").BioModule
    with torch.random.fork_rng(), contextlib.redirect_stdout(io.StringIO()):  # it tells what it did
        torch.manual_seed(seed)
        module: nn.Module = make(net, rule)
    return module


def prepared(split: fa.Split, dataset: str) -> fa.Split:
    """Images [n, 784] as LeNet takes them, [n, 1024]."""
    mean, std = PIXELS[dataset]
    images = F.interpolate(split.x.view(-1, 1, 28, 28), size=SHAPE[1:], mode="bilinear")
    return fa.Split((images - mean) / std, split.y)


def adam(parameters: list[Tensor], lr: float, steps: int) -> tuple[torch.optim.Adam, MultiStepLR]:
    """The optimiser, and the schedule of its rate over so many steps."""
    optimiser = torch.optim.Adam(parameters, lr, weight_decay=WEIGHT_DECAY)
    milestones = [round(part * steps) for part in MILESTONES]
    return optimiser, MultiStepLR(optimiser, milestones, gamma=GAMMA)


def trained(one: Training, train: fa.Split, test: fa.Split, epochs: int) -> list[dict[str, Any]]:
    """A row for each epoch's end: loss of a batch, error on `test` in percent, seconds so far.

    Of a training that diverges, one row with neither.
    """
    net = lenet(one.seed)
    if one.part == "biotorch":
        net = by_biotorch(net, one.rule, one.seed)
    else:
        net = fa.nn.convert(net, one.rule, one.seed, example=torch.zeros(1, *SHAPE))
    net = net.to(memory_format=torch.channels_last)  # which a processor's convolutions like better
    steps = epochs * math.ceil(len(train) / BATCH)
    began, rows = time.perf_counter(), []

    def note(_: object, step: int, values: Mapping[str, Tensor]) -> None:
        error, seconds = 100 * (1 - float(values["test_accuracy"])), time.perf_counter() - began
        row = {"epoch": step * epochs // steps, "loss": float(values["loss"]), "error": error}
        rows.append({**row, "seconds": seconds})

    try:
        fa.fit(
            net,
            train,
            epochs=epochs,
            batch_size=BATCH,
            optimizer=functools.partial(adam, lr=one.lr, steps=steps),
            test=test,
            seed=one.seed,
            shape=SHAPE,
            callback=note,
            progress=False,
        )
    except fa.DivergenceError:
        nothing = {"epoch": epochs, "loss": math.nan, "error": math.nan}
        rows = [{**nothing, "seconds": time.perf_counter() - began}]
    made = {**one._asdict(), "commit": commit()}
    return [{**made, **row} for row in rows if row["epoch"]]


# -- One training after the other ------------------------------------------------------------------


def choices() -> Iterator[Training]:
    """The trainings that choose the rates."""
    for rule in CHOSEN:
        for lr in RATES:
            yield Training("choice", "mnist", rule, lr, CHOICE_SEED)


def rate(table: pd.DataFrame, rule: str) -> float:
    """Adam's first rate: biotorch's, or that with the fewest errors on held-out images."""
    if rule not in CHOSEN:
        return RATE
    of = table[(table["part"] == "choice") & (table["rule"] == rule)]
    return float(of.sort_values(["error", "lr"])["lr"].iloc[0])


def tests(table: pd.DataFrame, seeds: int) -> Iterator[Training]:
    """The trainings that are compared, a seed after the other."""
    for seed in range(seeds):
        for dataset in PIXELS:
            for rule in RULES:
                yield Training("test", dataset, rule, rate(table, rule), seed)


def controls(table: pd.DataFrame) -> Iterator[Training]:
    """The same by biotorch's own layers, for the rule that is the farthest from its row."""
    for dataset in PIXELS:
        yield Training("biotorch", dataset, "fa", rate(table, "fa"), 0)


def is_there(table: pd.DataFrame, one: Training) -> bool:
    """Whether that training is stored."""
    return not table.empty and bool((table[list(one._fields)] == list(one)).all(axis=1).any())


@functools.cache
def images(dataset: str) -> tuple[fa.Split, fa.Split, str]:
    """Training and test images as LeNet takes them, and the fingerprint of the data."""
    data = fa.load_dataset(dataset)
    return prepared(data.train, dataset), prepared(data.test, dataset), data.fingerprint


def measured(one: Training) -> list[dict[str, Any]]:
    """The rows of a training; one that chooses a rate sees no test image."""
    train, test, _ = images(one.dataset)
    if one.part != "choice":
        return trained(one, train, test, EPOCHS)
    kept = len(train) - HELD_OUT
    shown, held_out = torch.arange(len(train)).split([kept, HELD_OUT])
    return trained(one, train.subset(shown), train.subset(held_out), SHORT)


def stored() -> pd.DataFrame:
    """What has been measured so far.

    Raises:
        SystemExit: by another configuration, so that the rows would not belong together.
    """
    try:
        table, facts = read_pair(FOLDER, NAME)
    except BadResult as bad:
        if bad.state != "missing":
            raise
        return pd.DataFrame()
    if facts["config"] != CONFIG:
        raise SystemExit(f"{NAME}.json is of another configuration: delete it to start afresh.")
    return table


def store(table: pd.DataFrame) -> None:
    """Write the table and its circumstances."""
    facts = {
        "config": CONFIG,
        **results.circumstances(torch.device("cpu")),
        "data": {dataset: images(dataset)[2] for dataset in PIXELS},
        "published": PUBLISHED,
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "date": results.now(),
        "command": shlex.join(["python", "-m", "benchmarks.yardstick", *sys.argv[1:]]),
    }
    write_pair(FOLDER, NAME, table, facts)


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """A row for each data set and rule: percent of test images wrong, here and as published."""
    rows = []
    compared = table[table["part"] != "choice"]
    for (part, dataset, rule), group in compared.groupby(["part", "dataset", "rule"], sort=False):
        last = group[group["epoch"] == EPOCHS]["error"]
        published = PUBLISHED[str(dataset)][str(rule)]
        rows.append(
            {
                "layers": "biotorch" if part == "biotorch" else "fa_lib",
                "data set": dataset,
                "rule": rule,
                "rate": group["lr"].iloc[0],
                "seeds": len(last),
                "error": last.mean(),
                "from": last.min(),
                "to": last.max(),
                "best epoch": group.groupby("seed")["error"].min().mean(),
                "published": published,
                "difference": last.mean() - published,
            }
        )
    return pd.DataFrame(rows)


def main() -> None:
    """Train what is missing, store it, and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=1)
    seeds = parser.parse_args().seeds
    torch.set_num_threads(1)
    table = stored()

    def go_on(trainings: Iterator[Training], table: pd.DataFrame) -> pd.DataFrame:
        for one in trainings:
            if not is_there(table, one):
                rows = measured(one)
                print(*one, f"{rows[-1]['error']:.2f} %, {rows[-1]['seconds']:.0f} s", flush=True)
                table = pd.concat([table, pd.DataFrame(rows)], ignore_index=True)
                store(table)
        return table

    table = go_on(choices(), table)
    table = go_on(tests(table, seeds), table)
    if (peers.BIOTORCH / "biotorch").is_dir():
        table = go_on(controls(table), table)
    print(summary(table).to_string(index=False, float_format="{:.4g}".format))


if __name__ == "__main__":
    main()
