"""Figures 2, 3 and 4: noise training, then data (claims C4 to C12).

The three figures look at the same training runs from different sides: the alignment angle (Figure
2), accuracy and the direction of updates (Figure 3), dimensionality and generalisation (Figure 4).
Every arm of `ARMS` starts from the same seeds' weights and feedback.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import torch

from fa_lib._checks import positive_int
from fa_lib.experiments._arms import ARMS, LARGE_ARMS, MAIN_ARMS, tuned_choice
from fa_lib.experiments._curve import Curve
from fa_lib.experiments._learning import PANELS
from fa_lib.experiments._registry import Piece
from fa_lib.experiments._tuned import TUNED

TITLE = "Figures 2 to 4: what noise training changes about learning from data"

_COUNTS = (
    *("batch_size", "units", "validation", "noise_steps", "noise_records", "patience"),
    *("max_epochs", "side_seeds", "path_seeds", "map_seeds"),
)
COLUMNS = ("panel", "arm", "setting", "n", "width", "lr", "noise_steps", "seed", "step", "metric")


@dataclass(frozen=True)
class Config:
    """Settings of Figures 2 to 4.

    Fields:
        seeds: a network each, in every arm.
        dataset, validation: the last `validation` training images are for choices (setting T, the
            checkpoint of C6) and for measuring; the rest is trained on.
        widths: of the hidden layer; the first is the headline network, the others show what noise
            training alone does.
        batch_size, noise_steps, noise_lr: of noise training, with Adam.
        noise_records: about how many of its steps are measured, evenly in their logarithm.
        headline: number of training images at which all arms run.
        sizes: numbers of training images at which FA, FAN, BP, Z and S run (above the headline the
            first three alone, for their cost); each seed has its own images.
        side_seeds: how many of the seeds run at the sizes other than the headline, and in the
            arms other than these five.
        lr: of setting F, with Adam.
        tuned: of setting T: (n, arm, lr, factor on the readout). Where a size has no entry, that
            of the nearest size in proportion is used.
        units: parts of the learning curve, see `Curve`; epochs, at the headline and above.
        min_steps: of a learning curve at smaller sizes.
        patience, max_epochs: the longer training of C6, at the headline: until validation
            accuracy has not risen for `patience` epochs, at most so long.
        path_seeds: how many seeds' paths and singular spectra are kept.
        map_lrs, map_noise_steps, map_widths, map_seeds: the map of FA (0 noise steps) and FAN.
    """

    seeds: tuple[int, ...]
    dataset: str = "mnist"
    validation: int = 10_000
    widths: tuple[int, ...] = (512, 100, 1000)
    batch_size: int = 64
    noise_steps: int = 5000
    noise_lr: float = 1e-4
    noise_records: int = 15
    headline: int = 5000
    sizes: tuple[int, ...] = (100, 300, 1000, 5000, 50_000)
    side_seeds: int = 10
    lr: float = 1e-4
    tuned: tuple[tuple[int, str, float, float], ...] = TUNED
    units: int = 20
    min_steps: int = 1000
    patience: int = 10
    max_epochs: int = 40
    path_seeds: int = 3
    map_lrs: tuple[float, ...] = (1e-4, 3e-4, 1e-3)
    map_noise_steps: tuple[int, ...] = (0, 1500, 5000)
    map_widths: tuple[int, ...] = (100, 512)
    map_seeds: int = 5

    def __post_init__(self) -> None:
        """Refuse what no curve can be drawn of."""
        if not self.widths:
            raise ValueError("widths is empty: give at least one.")
        if self.headline not in self.sizes:
            raise ValueError(f"sizes must hold the headline, {self.headline}, got {self.sizes}.")
        for name in _COUNTS:
            positive_int(getattr(self, name), name)
        for size in self.sizes:
            positive_int(size, "Each of sizes")
        absent = sorted(set(ARMS) - {arm for _, arm, _, _ in self.tuned})
        if absent:
            raise ValueError(f"tuned has no entry for {', '.join(absent)}.")

    def curve(self, n: int) -> Curve:
        """When training on n images is looked at."""
        large = n >= self.headline
        return Curve(
            n, self.batch_size, self.units, 0 if large else self.min_steps, 4 if large else 2
        )

    def seeds_of(self, arm: str, n: int) -> tuple[int, ...]:
        """The seeds that run."""
        everyone = arm in MAIN_ARMS and n == self.headline
        return self.seeds if everyone else self.seeds[: self.side_seeds]

    def data_lr(self, setting: str, n: int, arm: str) -> tuple[float, float]:
        """Learning rate on data, and factor on the readout."""
        if setting == "F":
            return self.lr, 1.0
        return tuned_choice(self.tuned, n, arm)


PROFILES = {
    "smoke": Config(
        seeds=(0, 1),
        dataset="mnist5k",
        validation=1000,
        widths=(32, 16),
        noise_steps=100,
        noise_lr=1e-3,
        noise_records=4,
        headline=300,
        sizes=(100, 300),
        lr=1e-3,
        min_steps=60,
        max_epochs=22,
        patience=2,
        path_seeds=1,
        map_lrs=(3e-3,),
        map_noise_steps=(0, 50),
        map_widths=(16,),
        map_seeds=2,
    ),
    "quick": Config(
        seeds=(0, 1, 2),
        dataset="mnist5k",
        validation=1000,
        widths=(128, 64),
        # Fewer steps at a higher rate, in both phases, take about the same course.
        noise_steps=1500,
        noise_lr=3e-4,
        noise_records=8,
        headline=2000,
        sizes=(100, 500, 2000),
        lr=3e-4,
        min_steps=300,
        max_epochs=20,
        path_seeds=1,
        map_lrs=(1e-4, 1e-3),
        map_noise_steps=(0, 500, 1500),
        map_widths=(64,),
        map_seeds=2,
    ),
    "paper": Config(seeds=tuple(range(1000, 1020))),
}


def data_sets(config: Config) -> tuple[str, ...]:
    """The one that is trained on after the noise."""
    return (config.dataset,)


def pieces(config: Config) -> list[Piece]:
    """Noise training, the arms at every size, paths, and the map."""
    found = []
    for arm in ("FAN", "BPN", "U"):
        for width in config.widths if arm == "FAN" else config.widths[:1]:
            seeds = config.seeds_of(arm, config.headline)
            cost = float(len(seeds) * config.noise_steps)
            params = {"panel": "noise", "arm": arm, "width": width, "seeds": seeds}
            found.append(Piece(f"noise-{arm}-{width}", cost, params))
    for n in sorted(config.sizes, key=lambda n: n != config.headline):
        arms = ARMS if n == config.headline else LARGE_ARMS if n > config.headline else MAIN_ARMS
        found += [_data_piece(config, setting, n, arm) for setting in "FT" for arm in arms]
    curve = config.curve(config.headline)
    cost = float(max(1, 4 * config.path_seeds * curve.steps))
    found.append(Piece("paths", cost, {"panel": "paths"}))
    for width in config.map_widths:
        for noise_steps in config.map_noise_steps:
            for lr in config.map_lrs:
                where = {"width": width, "noise_steps": noise_steps, "lr": lr}
                name = f"map-{width}-{noise_steps}-{lr:g}"
                cost = float(max(1, config.map_seeds * curve.steps))
                found.append(Piece(name, cost, {"panel": "map", **where}))
    return found


def _data_piece(config: Config, setting: str, n: int, arm: str) -> Piece:
    seeds = config.seeds_of(arm, n)
    params = {"panel": "data", "setting": setting, "n": n, "arm": arm, "seeds": seeds}
    return Piece(f"data-{setting}-{n}-{arm}", float(len(seeds) * config.curve(n).steps), params)


def run_piece(
    config: Config, piece: Piece, device: torch.device, progress: Callable[[float], None]
) -> pd.DataFrame:
    """Train and measure one arm in one setting, or what else the piece's panel says.

    Returns:
        Columns panel, arm, setting, n, width, lr, noise_steps, seed, step, metric, value. The
        panels are "noise" (noise training), "data" (training on data), "path", "spectrum" and
        "map"; `lr` is that of the panel's phase, `noise_steps` counts the steps before the data,
        `step` those of the phase. Metrics: of `pretrain` and `fit`, and of `_measures`.
    """
    table = PANELS[piece.params["panel"]](config, dict(piece.params), device)
    return table[[*COLUMNS, "value"]]
