"""Beyond the paper: where does noise training help? Learning rate x noise steps x width.

Every network takes the same number of steps in all: some on noise, the rest on data. So noise
training has to earn the steps that it takes away. One piece is one point of the grid, small enough
to be a job of a batch (the chapter "Re-run it at scale").
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import torch

from fa_lib.data import load_dataset
from fa_lib.experiments._registry import Piece
from fa_lib.networks import MLP
from fa_lib.training import fit, pretrain

TITLE = "Where noise training helps: learning rate x noise steps x width, at equal steps in all"

_METRICS = ("test_accuracy", "test_loss", "centered_alignment_angle_w2")


@dataclass(frozen=True)
class Config:
    """Settings of the sweep.

    Fields:
        seeds: a network each, at every point.
        dataset: trained on after the noise.
        lrs: of noise training and training on data alike, with Adam.
        noise_steps: on noise; 0 is the comparison, training on data alone.
        widths: of the hidden layer.
        total_steps: on noise and on data together.
    """

    seeds: tuple[int, ...]
    dataset: str = "mnist5k"
    lrs: tuple[float, ...] = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
    noise_steps: tuple[int, ...] = (0, 50, 100, 200, 400, 600, 800)
    widths: tuple[int, ...] = (32, 64, 128)
    total_steps: int = 1000
    batch_size: int = 64

    def __post_init__(self) -> None:
        """Refuse an empty grid, and noise that leaves no steps for data."""
        for name in ("lrs", "noise_steps", "widths"):
            if not getattr(self, name):
                raise ValueError(f"{name} is empty: give at least one.")
        if not 0 <= min(self.noise_steps) <= max(self.noise_steps) < self.total_steps:
            raise ValueError(
                f"noise_steps must be from 0 to {self.total_steps - 1}, one less than total_steps, "
                f"got {self.noise_steps}."
            )


PROFILES = {
    "smoke": Config(
        seeds=(0, 1), lrs=(1e-3, 3e-3), noise_steps=(0, 50), widths=(32,), total_steps=150
    ),
    "quick": Config(
        seeds=(0, 1, 2),
        lrs=(3e-4, 1e-3, 3e-3),
        noise_steps=(0, 50, 200, 400),
        widths=(32, 128),
        total_steps=600,
    ),
    "paper": Config(seeds=(0, 1, 2, 3, 4)),
}


def data_sets(config: Config) -> tuple[str, ...]:
    """The one that is trained on after the noise."""
    return (config.dataset,)


def pieces(config: Config) -> list[Piece]:
    """One for each point of the grid."""
    cost = float(len(config.seeds) * config.total_steps)
    return [
        Piece(
            f"width={width}-lr={lr!r}-noise={noise_steps}",
            cost,
            {"width": width, "lr": lr, "noise_steps": noise_steps},
        )
        for width, lr, noise_steps in itertools.product(
            config.widths, config.lrs, config.noise_steps
        )
    ]


def run_piece(
    config: Config, piece: Piece, device: torch.device, progress: Callable[[float], None]
) -> pd.DataFrame:
    """Train the point's networks on noise, then on data.

    Returns:
        Columns width, lr, noise_steps, seed, step, metric, value. `step` counts noise and data
        together: the first is where the data begin, the last is `total_steps`. The metrics are
        test_accuracy (0 to 1), test_loss (nats) and centered_alignment_angle_w2 (degrees).
    """
    point = piece.params
    data = load_dataset(config.dataset)
    sizes = [math.prod(data.image_shape), point["width"], data.classes]
    net = MLP(sizes, rule="fa", seeds=config.seeds, device=device)
    how = {"batch_size": config.batch_size, "lr": point["lr"], "progress": False}
    pretrain(net, steps=point["noise_steps"], **how)
    progress(float(len(net) * point["noise_steps"]))
    steps = config.total_steps - point["noise_steps"]
    history = fit(net, data.train, steps=steps, test=data.test, record_every=steps, **how)
    table = history.to_frame()
    table = table[table["metric"].isin(_METRICS)].reset_index(drop=True)
    table["step"] += point["noise_steps"]
    for place, (name, value) in enumerate(point.items()):
        table.insert(place, name, value)
    return table
