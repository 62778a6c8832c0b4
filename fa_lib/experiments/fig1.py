"""Figure 1: what random noise training does to the readout.

Panel d) the cross-entropy, e) the angle between each hidden neuron's forward and feedback weights
in the last layer, f) the angle over a grid of input conditions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import torch

from fa_lib._checks import positive_int
from fa_lib.experiments import _bases
from fa_lib.experiments._parts import COLUMNS as SHARED
from fa_lib.experiments._registry import Piece
from fa_lib.experiments._stacks import Stack, noise_trained, untrained, without_diverging
from fa_lib.metrics import neuron_angles
from fa_lib.networks import MLP
from fa_lib.noise import Noise
from fa_lib.settings import Setting
from fa_lib.training import pretrain

TITLE = "Random noise training brings the readout to chance and aligns it with its feedback"

COLUMNS = (*SHARED, "distribution", "mean", "std", "neuron")
TASK = "noise"
FEATURES, CLASSES = 784, 10  # the paper's network


@dataclass(frozen=True)
class Config(_bases.BaseConfig):
    """Settings of Figure 1.

    Fields:
        means, stds, distributions: the grid of input conditions of panel f.
        grid_seeds: its networks, the first so many of the seeds.
        Others: as in `BaseConfig`.
    """

    dataset: str | None = None
    means: tuple[float, ...] = (-1.0, -0.5, 0.0, 0.5, 1.0)
    stds: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0)
    distributions: tuple[str, ...] = ("normal", "uniform", "bernoulli")
    grid_seeds: int = 5

    def __post_init__(self) -> None:
        """Refuse conditions that no noise can be drawn from, too."""
        super().__post_init__()
        positive_int(self.grid_seeds, "grid_seeds")
        for distribution in self.distributions:
            for std in self.stds:
                Noise(distribution, 0.0, std)


PROFILES = {
    "smoke": Config(
        seeds=(0, 1),
        bases=("B1", "B2"),
        most_steps=150,
        most_width=16,
        means=(0.0, 0.5),
        stds=(1.0,),
        distributions=("normal", "bernoulli"),
    ),
    "quick": Config(
        seeds=(0, 1, 2),
        most_steps=1500,
        means=(-1.0, 0.0, 1.0),
        stds=(0.5, 2.0),
        distributions=("normal", "bernoulli"),
        grid_seeds=2,
    ),
    "paper": Config(seeds=_bases.SEEDS),
}


def data_sets(config: Config) -> tuple[str, ...]:
    """None: noise training sees no data."""
    return ()


def pieces(config: Config) -> list[Piece]:
    """In each base its noise training, and that under each input condition."""
    found = []
    for name in config.bases:
        setting = config.base(name)
        steps = float(setting.noise_steps)
        grid = len(config.seeds[: config.grid_seeds])
        params = {"setting": setting, "noise": None}
        found.append(Piece(f"{name}-noise", steps * len(config.seeds), params))
        found += [
            Piece(
                f"{name}-{noise.distribution}-{noise.mean:g}-{noise.std:g}",
                steps * grid,
                {"setting": setting, "noise": noise},
            )
            for noise in conditions(config)
        ]
    return found


def conditions(config: Config) -> list[Noise]:
    """The grid of input conditions."""
    return [
        Noise(distribution, mean, std)
        for distribution in config.distributions
        for mean in config.means
        for std in config.stds
    ]


def run_piece(
    config: Config, piece: Piece, device: torch.device, progress: Callable[[float], None]
) -> pd.DataFrame:
    """Train a base's networks on noise.

    Returns:
        `_parts.COLUMNS` and distribution, mean, std, neuron, which are "", NaN, NaN and -1 where
        they say nothing. Phase "noise" is `train_on_noise`'s record, with neuron_angle_of, each
        neuron's angle (degrees) at both ends; phase "grid" alignment_angle_w2, the flattened angle
        (degrees), at both ends of noise training under an input condition.
    """
    setting: Setting = piece.params["setting"]
    noise: Noise | None = piece.params["noise"]

    def run(seeds: tuple[int, ...]) -> pd.DataFrame:
        stack = Stack(setting, 2, seeds, device)
        return _alone(stack) if noise is None else _in_grid(stack, noise)

    seeds = config.seeds if noise is None else config.seeds[: config.grid_seeds]
    table = without_diverging(run, seeds).assign(arm="FAN")
    if "neuron" not in table:
        table["neuron"] = -1
    table["neuron"] = table["neuron"].fillna(-1).astype(int)
    return _bases.kept(table, setting, TASK, COLUMNS)


def _alone(stack: Stack) -> pd.DataFrame:
    net, table = noise_trained(stack, FEATURES, CLASSES)
    before = of_neurons(untrained(stack, FEATURES, CLASSES), 0)
    after = of_neurons(net, stack.setting.noise_steps)
    table = pd.concat([table, before, after], ignore_index=True)
    return table.assign(phase="noise", distribution="", mean=math.nan, std=math.nan)


def _in_grid(stack: Stack, noise: Noise) -> pd.DataFrame:
    setting = stack.setting
    table = pretrain(
        untrained(stack, FEATURES, CLASSES),
        steps=setting.noise_steps,
        batch_size=setting.batch_size,
        lr=setting.noise_lr,
        optimizer=setting.optimizer,
        noise=noise,
        record_every=setting.noise_steps,
        progress=False,
    ).to_frame()
    table = table[table["metric"] == "alignment_angle_w2"]
    return table.assign(
        phase="grid", distribution=noise.distribution, mean=noise.mean, std=noise.std
    )


def of_neurons(net: MLP, step: int) -> pd.DataFrame:
    """Angle of each hidden neuron's forward and feedback weights in the last layer, degrees."""
    angles = neuron_angles(net.weights[-1], net.feedback[-1])
    rows = [
        {"seed": seed, "step": step, "metric": "neuron_angle_of", "neuron": i, "value": value}
        for seed, own in zip(net.seeds, angles.tolist(), strict=True)
        for i, value in enumerate(own)
    ]
    return pd.DataFrame(rows)
