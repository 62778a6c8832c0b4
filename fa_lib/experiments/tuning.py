"""Setting T's choices: each arm's learning rate on data, by validation accuracy alone.

The area under the curve of validation accuracy decides, on seeds that judge no claim. FA also gets
a choice of readout scales, so that noise training does not win by having more to choose from. What
comes out is written into `fa_lib.experiments._tuned`, and a test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import torch

from fa_lib._checks import positive_int
from fa_lib.data import Split
from fa_lib.experiments._arms import (
    ARMS,
    LARGE_ARMS,
    Preparation,
    learn,
    material,
)
from fa_lib.experiments._curve import Curve
from fa_lib.experiments._registry import Piece
from fa_lib.metrics import area_under_curve

TITLE = "Learning rates of setting T, chosen for each arm on validation data"


@dataclass(frozen=True)
class Config:
    """Settings of the choices.

    Fields:
        seeds: a network each; others than those of the verdicts.
        dataset, validation: the last `validation` training images decide, never the test images.
        width, batch_size, noise_steps, noise_lr: as in Figures 2 to 4.
        headline, large: numbers of training images; all arms at the first, the paper's three
            with the first `large_seeds` seeds at the second (0: not at all).
        lrs, large_lrs: to choose from, for every arm.
        readout_scales, large_readout_scales: to choose from too, for FA. Scale 0 is arm Z.
        epochs: of the curve.
    """

    seeds: tuple[int, ...]
    dataset: str = "mnist"
    validation: int = 10_000
    width: int = 512
    batch_size: int = 64
    noise_steps: int = 5000
    noise_lr: float = 1e-4
    headline: int = 5000
    large: int = 50_000
    large_seeds: int = 1
    lrs: tuple[float, ...] = (1e-4, 3e-4, 1e-3, 3e-3)
    large_lrs: tuple[float, ...] = (3e-4, 1e-3, 3e-3)
    readout_scales: tuple[float, ...] = (1.0, 0.5, 0.25, 0.0)
    large_readout_scales: tuple[float, ...] = (1.0, 0.0)
    epochs: int = 20

    def __post_init__(self) -> None:
        """Refuse an empty choice."""
        for name in ("lrs", "readout_scales"):
            if not getattr(self, name):
                raise ValueError(f"{name} is empty: give at least one.")
        for name in ("batch_size", "validation", "noise_steps", "headline", "epochs"):
            positive_int(getattr(self, name), name)


PROFILES = {
    "smoke": Config(
        seeds=(0, 1),
        dataset="mnist5k",
        validation=1000,
        width=32,
        noise_steps=30,
        headline=300,
        large=0,
        lrs=(1e-3, 3e-3),
        readout_scales=(1.0, 0.0),
        epochs=4,
    ),
    "quick": Config(
        seeds=(0, 1),
        dataset="mnist5k",
        validation=1000,
        width=128,
        noise_steps=1500,
        noise_lr=3e-4,
        headline=2000,
        large=0,
        lrs=(3e-4, 1e-3, 3e-3),
        readout_scales=(1.0, 0.0),
        epochs=6,
    ),
    "paper": Config(seeds=(0, 1, 2, 3, 4)),
}


def data_sets(config: Config) -> tuple[str, ...]:
    """The one that is trained on after the noise."""
    return (config.dataset,)


def pieces(config: Config) -> list[Piece]:
    """One for each number of training images, arm, learning rate and readout scale."""
    found = []
    sizes = [(config.headline, tuple(ARMS), len(config.seeds), config.lrs, config.readout_scales)]
    if config.large:
        seeds = min(config.large_seeds, len(config.seeds))
        choices = config.large_lrs, config.large_readout_scales
        sizes.append((config.large, LARGE_ARMS, seeds, *choices))
    for n, arms, seeds, lrs, scales in sizes:
        cost = float(seeds * Curve(n, config.batch_size, config.epochs).steps)
        for arm in arms:
            for scale in scales if arm == "FA" else (1.0,):
                for lr in lrs:
                    params = {"n": n, "arm": arm, "lr": lr, "readout_scale": scale, "seeds": seeds}
                    found.append(Piece(f"{n}-{arm}-{lr:g}-{scale:g}", cost, params))
    return found


def run_piece(
    config: Config, piece: Piece, device: torch.device, progress: Callable[[float], None]
) -> pd.DataFrame:
    """Train the arm's networks at one choice, and evaluate them on validation images.

    Returns:
        Columns n, arm, lr, readout_scale, seed, step, metric, value; the metrics are
        validation_accuracy (0 to 1) and validation_loss (nats) over the data's steps.
    """
    p = piece.params
    data = material(config.dataset, config.validation)
    prep = Preparation(
        sizes=(data.features, config.width, data.classes),
        seeds=config.seeds[: p["seeds"]],
        dataset=config.dataset,
        validation=config.validation,
        steps=config.noise_steps,
        batch_size=config.batch_size,
        lr=config.noise_lr,
        device=device,
    )
    curve = Curve(p["n"], config.batch_size, config.epochs)
    return try_out(p["arm"], prep, curve, p["lr"], p["readout_scale"], data.validation)


def try_out(
    arm: str, prep: Preparation, curve: Curve, lr: float, readout_scale: float, validation: Split
) -> pd.DataFrame:
    """What `run_piece` returns of one choice.

    Arguments:
        arm, prep, lr, readout_scale: as in `learn`.
        curve: how long to train, and on how many images.
        validation: the images to evaluate on.
    """
    _, history = learn(
        arm,
        prep,
        curve.n,
        lr,
        readout_scale,
        steps=curve.steps,
        test={"validation": validation},
        record_every=curve.records,
    )
    table = history.to_frame()
    kept = table["metric"].isin(["validation_accuracy", "validation_loss"])
    table = table[kept].reset_index(drop=True)
    said = {"n": curve.n, "arm": arm, "lr": lr, "readout_scale": readout_scale}
    for place, (name, value) in enumerate(said.items()):
        table.insert(place, name, value)
    return table


def scores(table: pd.DataFrame) -> pd.DataFrame:
    """Mean over seeds of the area under the curve of validation accuracy, for every choice.

    Columns n, arm, lr, readout_scale, score (0 to 1); the chosen one of an arm comes first.
    """
    rows = []
    accuracy = table[table["metric"] == "validation_accuracy"]
    for key, part in accuracy.groupby(["n", "arm", "lr", "readout_scale"], sort=False):
        wide = part.pivot_table(index="step", columns="seed", values="value")
        rows.append((*key, float(area_under_curve(wide.index, wide.to_numpy()).mean())))
    found = pd.DataFrame(rows, columns=["n", "arm", "lr", "readout_scale", "score"])
    found = found.sort_values("score", ascending=False, kind="stable")
    order = {name: place for place, name in enumerate(ARMS)}
    return found.sort_values(
        ["n", "arm"], kind="stable", key=lambda c: c.map(order) if c.name == "arm" else c
    ).reset_index(drop=True)


def chosen(table: pd.DataFrame) -> tuple[tuple[int, str, float, float], ...]:
    """The choice for each number of training images and arm: (n, arm, lr, readout_scale)."""
    best = scores(table).drop_duplicates(["n", "arm"]).drop(columns="score")
    return tuple((int(n), str(a), float(lr), float(s)) for n, a, lr, s in best.to_numpy())
