"""Figure 1: what random noise training does to the readout (claims C1, C2, C3).

Panel d) the cross-entropy falls to chance; e) the alignment angle falls, against the same weights
with fresh feedback and against BP noise training; f) the angle over input conditions. Beyond the
paper: other widths, the same grid at equal input norm, and longer training at other rates.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from fa_lib import _streams
from fa_lib.experiments._curve import log_spaced
from fa_lib.experiments._registry import Piece
from fa_lib.history import Measure
from fa_lib.metrics import angle_between, kl_from_uniform, readout_deviation
from fa_lib.networks import MLP, he_std
from fa_lib.noise import Noise, NoiseStream
from fa_lib.training import STANDARD_NOISE, pretrain

TITLE = "Random noise training brings the readout to chance and aligns it with its feedback"


@dataclass(frozen=True)
class Config:
    """Settings of Figure 1.

    Fields:
        seeds: a network each.
        dataset: None; noise training sees no data.
        widths: of the hidden layer; the first is the headline network.
        steps, batch_size, lr: of noise training, with Adam.
        records: about how many steps are recorded, spaced evenly in their logarithm.
        fresh_inputs: how many inputs, never trained on, measure the readout.
        null_draws: how many fresh feedback matrices make up the null distribution of the angle.
        means, stds, distributions: the grid of input conditions of panel f.
        grid_width, grid_steps, grid_seeds: its networks; the first grid_seeds of seeds. The grid
            is nine tenths of the cost, so its networks are narrower than the headline network.
        norm_seeds: of the grid at equal input norm.
        long_lrs, long_steps, long_seeds: training beyond the figure's last step.
    """

    seeds: tuple[int, ...]
    dataset: str | None = None
    features: int = 784
    classes: int = 10
    widths: tuple[int, ...] = (512, 100, 1000)
    steps: int = 5000
    batch_size: int = 64
    lr: float = 1e-4
    records: int = 25
    fresh_inputs: int = 10_000
    null_draws: int = 1000
    means: tuple[float, ...] = (-1.0, -0.5, 0.0, 0.5, 1.0)
    stds: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0)
    distributions: tuple[str, ...] = ("normal", "uniform", "bernoulli")
    grid_width: int = 100
    grid_steps: int = 5000
    grid_seeds: int = 12
    norm_seeds: int = 10
    long_lrs: tuple[float, ...] = (1e-4, 3e-4, 1e-3)
    long_steps: int = 20_000
    long_seeds: int = 5

    def __post_init__(self) -> None:
        """Refuse conditions that no noise can be drawn from."""
        for distribution in self.distributions:
            for std in self.stds:
                Noise(distribution, 0.0, std)
        if not self.widths:
            raise ValueError("widths is empty: give at least one.")


PROFILES = {
    "smoke": Config(
        seeds=(0, 1),
        widths=(64,),
        steps=300,
        lr=1e-3,
        records=8,
        fresh_inputs=500,
        null_draws=200,
        means=(0.0, 0.5),
        stds=(1.0,),
        distributions=("normal", "bernoulli"),
        grid_width=64,
        grid_steps=100,
        grid_seeds=2,
        norm_seeds=2,
        long_lrs=(1e-3,),
        long_steps=400,
        long_seeds=1,
    ),
    "quick": Config(
        seeds=(0, 1, 2),
        widths=(512, 100),
        # A fifth of the steps at five times the rate, which takes about the same course.
        steps=1000,
        lr=5e-4,
        fresh_inputs=1000,
        means=(-1.0, 0.0, 1.0),
        stds=(0.5, 1.0, 2.0),
        distributions=("normal", "bernoulli"),
        grid_steps=500,
        grid_seeds=2,
        norm_seeds=2,
        long_lrs=(1e-3,),
        long_steps=1500,
        long_seeds=3,
    ),
    "paper": Config(seeds=tuple(range(1000, 1020))),
}


def data_sets(config: Config) -> tuple[str, ...]:
    """None: noise training sees no data."""
    return ()


def pieces(config: Config) -> list[Piece]:
    """One for each width and rule, for each long training, and for each input condition."""
    everyone = len(config.seeds)
    training = [
        _piece(
            f"training-{rule}-{width}", "training", config.steps, everyone, width, config.lr, rule
        )
        for width in config.widths
        for rule in ("fa", "bp")
    ]
    long = [
        _piece(f"long-{lr:g}", "long", config.long_steps, config.long_seeds, config.widths[0], lr)
        for lr in config.long_lrs
    ]
    grids = [
        _piece(
            f"{panel}-{noise.distribution}-{noise.mean:.4g}-{noise.std:.4g}",
            panel,
            config.grid_steps,
            seeds,
            config.grid_width,
            config.lr,
            noise=noise,
        )
        for panel, cells, seeds in (
            ("grid", _grid(config), config.grid_seeds),
            ("equal_norm", _equal_norm_grid(config), config.norm_seeds),
        )
        for noise in cells
    ]
    return training + long + grids


def _piece(
    name: str,
    panel: str,
    steps: int,
    seeds: int,
    width: int,
    lr: float,
    rule: str = "fa",
    noise: Noise = STANDARD_NOISE,
) -> Piece:
    params = {
        "panel": panel,
        "steps": steps,
        "seeds": seeds,
        "width": width,
        "lr": lr,
        "rule": rule,
        "noise": noise,
    }
    return Piece(name, cost=float(max(1, seeds * steps)), params=params)


def _grid(config: Config) -> list[Noise]:
    return [
        Noise(distribution, mean, std)
        for distribution in config.distributions
        for mean in config.means
        for std in config.stds
    ]


def _equal_norm_grid(config: Config) -> list[Noise]:
    """The grid's ratios of mean to std, scaled so that each input element has mean square 1."""
    ratios = sorted({mean / std for mean in config.means for std in config.stds})
    cells = []
    for distribution in config.distributions:
        for ratio in ratios:
            std = 1 / math.sqrt(1 + ratio**2)
            cells.append(Noise(distribution, ratio * std, std))
    return cells


def run_piece(
    config: Config, piece: Piece, device: torch.device, progress: Callable[[float], None]
) -> pd.DataFrame:
    """Train the piece's networks on noise.

    Returns:
        Columns panel, width, rule, lr, distribution, mean, std, seed, step, metric, value. The
        metrics are those of `pretrain` with kl_from_uniform (nats) and readout_deviation on fresh
        inputs of the piece's noise, and null_angle_w2, the centred angle of the last weights to
        fresh feedback (degrees; `step` then numbers the draws).
    """
    p = piece.params
    sizes = [config.features, p["width"], config.classes]
    net = MLP(sizes, rule=p["rule"], seeds=config.seeds[: p["seeds"]], device=device)
    history = pretrain(
        net,
        steps=p["steps"],
        batch_size=config.batch_size,
        lr=p["lr"],
        noise=p["noise"],
        record_every=log_spaced(p["steps"], config.records if _is_curve(piece) else 1),
        measure=_readout_measures(config, p["noise"], device),
        progress=False,
    )
    table = history.to_frame()
    if p["panel"] == "training" and p["rule"] == "fa":
        table = pd.concat([table, _null_angles(net, config.null_draws)], ignore_index=True)
    columns = {
        "panel": p["panel"],
        "width": p["width"],
        "rule": p["rule"],
        "lr": p["lr"],
        "distribution": p["noise"].distribution,
        "mean": p["noise"].mean,
        "std": p["noise"].std,
    }
    for place, (name, value) in enumerate(columns.items()):
        table.insert(place, name, value)
    return table


def _is_curve(piece: Piece) -> bool:
    return piece.params["panel"] in ("training", "long")


def _readout_measures(config: Config, noise: Noise, device: torch.device) -> dict[str, Measure]:
    """Distance of the readout from chance on inputs that no network is trained on.

    The inputs are those of a seed of their own, the same for every network.
    """
    seed = _streams.stream_key(0, "fresh inputs")
    shape = (config.fresh_inputs, config.features)
    fresh = NoiseStream(noise, [seed], shape, config.classes, device)(0)[0][0]

    def mean_over_batches(net: MLP, measure: Callable[[Tensor], Tensor]) -> Tensor:
        parts = fresh.split(1000)
        total = sum(measure(net(part)) * len(part) for part in parts)
        return torch.as_tensor(total) / len(fresh)

    def deviation(net: MLP) -> Tensor:
        return mean_over_batches(net, lambda logits: readout_deviation(logits).square()).sqrt()

    return {
        "kl_from_uniform": lambda net: mean_over_batches(net, kl_from_uniform),
        "readout_deviation": deviation,
    }


def _null_angles(net: MLP, draws: int) -> pd.DataFrame:
    """Centred angles of each network's readout to feedback that it was not trained with."""
    readout = net.weights[-1].cpu()
    rows = []
    for index, seed in enumerate(net.seeds):
        generator = _streams.generator(seed, "null feedback")
        shape = (draws, *readout.shape[1:])
        fresh = torch.randn(shape, generator=generator) * he_std(net.sizes[-2])
        angles = angle_between(readout[index].expand(shape), fresh, centered=True)
        columns = {"seed": seed, "step": range(draws), "metric": "null_angle_w2"}
        rows.append(pd.DataFrame({**columns, "value": angles.numpy()}))
    return pd.concat(rows, ignore_index=True)
