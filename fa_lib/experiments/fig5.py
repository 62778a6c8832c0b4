"""Figure 5: trained on MNIST, tested on images from elsewhere (claims C13 and C14).

The test images are shifted, scaled and rotated, or come from another data set. They are looked at
all along training, so that two arms can be compared at the end and also where both are equally good
on images as they are: a gain that is gone there is a gain in speed, not in robustness.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from fa_lib._checks import positive_int
from fa_lib.data import Split, load_dataset
from fa_lib.experiments._arms import (
    LARGE_ARMS,
    MAIN_ARMS,
    Preparation,
    learn,
    material,
    steps_before,
    tuned_choice,
)
from fa_lib.experiments._curve import Curve
from fa_lib.experiments._moved import IDENTITY, evaluation_sets
from fa_lib.experiments._registry import Piece
from fa_lib.experiments._tuned import TUNED
from fa_lib.history import Measure, MeasureAt
from fa_lib.metrics import evaluate
from fa_lib.networks import MLP

TITLE = "Trained on MNIST, tested on shifted, scaled and rotated MNIST and on USPS"

# Records, in units of the curve: close at the end, where arms come to the same accuracy.
RECORDS = (1, 2, 4, 7, 10, 13, 16, 20)
ON = "on "
COLUMNS = ("arm", "setting", "n", "lr", "noise_steps", "seed", "step", "test_set", "amount")


@dataclass(frozen=True)
class Config:
    """Settings of Figure 5.

    Fields:
        seeds: a network each, in every arm.
        dataset, validation: trained on, but for the last `validation` training images, which are
            left out as in Figures 2 to 4.
        others: data sets whose test images are another world, with the same classes.
        width, batch_size, noise_steps, noise_lr, lr, tuned: as in Figures 2 to 4.
        sizes: numbers of training images; all arms run at the first, FA, FAN and BP at the others.
        side_seeds: how many of the seeds run at sizes other than the first, for their cost.
        shifts, scales, rotations: in pixels, as a factor, and in degrees; what changes nothing must
            be among them.
        test_images: how many of the test images, drawn by stratified sampling, the same for all.
    """

    seeds: tuple[int, ...]
    dataset: str = "mnist"
    validation: int = 10_000
    others: tuple[str, ...] = ("usps", "usps_padded")
    width: int = 512
    batch_size: int = 64
    noise_steps: int = 5000
    noise_lr: float = 1e-4
    sizes: tuple[int, ...] = (5000, 50_000)
    side_seeds: int = 6
    lr: float = 1e-4
    tuned: tuple[tuple[int, str, float, float], ...] = TUNED
    shifts: tuple[float, ...] = (0, 2, 4, 6, 8)
    scales: tuple[float, ...] = (0.5, 0.75, 1.0, 1.25, 1.5)
    rotations: tuple[float, ...] = (0, 15, 30, 45, 60)
    test_images: int = 5000

    def __post_init__(self) -> None:
        """Refuse counts below one, and transformations without a starting point."""
        if not self.sizes:
            raise ValueError("sizes is empty: give at least one.")
        for name in ("batch_size", "validation", "width", "noise_steps", "side_seeds"):
            positive_int(getattr(self, name), name)
        for kind, amounts in self.amounts.items():
            if IDENTITY[kind] not in amounts or len(amounts) < 2:
                raise ValueError(
                    f"{kind}s must hold {IDENTITY[kind]:g}, which changes nothing, and another, "
                    f"got {amounts}."
                )

    @property
    def amounts(self) -> dict[str, Sequence[float]]:
        """Of each transformation, in order."""
        found = {"shift": self.shifts, "scale": self.scales, "rotation": self.rotations}
        return {kind: sorted(set(amounts)) for kind, amounts in found.items()}

    def curve(self, n: int) -> Curve:
        """When training on n images is looked at."""
        return Curve(n, self.batch_size)


PROFILES = {
    "smoke": Config(
        seeds=(0, 1),
        dataset="mnist5k",
        validation=1000,
        others=("digits",),
        width=32,
        noise_steps=60,
        noise_lr=1e-3,
        sizes=(300,),
        lr=1e-3,
        shifts=(0, 4),
        scales=(0.75, 1.0),
        rotations=(0, 30),
        test_images=200,
    ),
    "quick": Config(
        seeds=(0, 1, 2),
        dataset="mnist5k",
        validation=1000,
        others=("digits",),
        width=256,
        noise_steps=3000,
        sizes=(3000,),
        test_images=1000,
    ),
    "paper": Config(seeds=tuple(range(1000, 1020))),
}


def data_sets(config: Config) -> tuple[str, ...]:
    """The one that is trained on, and those from elsewhere."""
    return (config.dataset, *config.others)


def pieces(config: Config) -> list[Piece]:
    """One for each number of training images, setting and arm."""
    found = []
    for n in config.sizes:
        first = n == config.sizes[0]
        seeds = config.seeds if first else config.seeds[: config.side_seeds]
        cost = float(len(seeds) * config.curve(n).steps)
        for setting in "FT":
            for arm in MAIN_ARMS if first else LARGE_ARMS:
                params = {"setting": setting, "n": n, "arm": arm, "seeds": seeds}
                found.append(Piece(f"{setting}-{n}-{arm}", cost, params))
    return found


@functools.lru_cache(maxsize=1)
def _tested(config: Config) -> dict[tuple[str, float], Split]:
    """What all networks are tested on."""
    data = load_dataset(config.dataset, n_test=config.test_images)
    return evaluation_sets(data, [load_dataset(name) for name in config.others], config.amounts)


def _accuracies(config: Config, device: torch.device) -> Measure:
    """Accuracy on everything, under names that hold the test set and the amount."""
    tested = {key: split.to(device) for key, split in _tested(config).items()}

    def measure(net: MLP) -> Mapping[str, Tensor]:
        return {
            f"{ON}{name} {amount!r}": evaluate(net, split)[1]
            for (name, amount), split in tested.items()
        }

    return measure


def run_piece(
    config: Config, piece: Piece, device: torch.device, progress: Callable[[float], None]
) -> pd.DataFrame:
    """Train one arm in one setting, and test it on everything along the way.

    Returns:
        Columns arm, setting, n, lr, noise_steps, seed, step (on data), test_set, amount, metric,
        value. A test set is "clean", the name of another data set, or a transformation with its
        amount: "shift" (pixels), "scale" (a factor) or "rotation" (degrees). The metric is
        accuracy, 0 to 1.
    """
    arm, setting, n, seeds = (piece.params[key] for key in ("arm", "setting", "n", "seeds"))
    data = material(config.dataset, config.validation)
    prep = Preparation(
        sizes=(data.features, config.width, data.classes),
        seeds=seeds,
        dataset=config.dataset,
        validation=config.validation,
        steps=config.noise_steps,
        batch_size=config.batch_size,
        lr=config.noise_lr,
        device=device,
    )
    lr, scale = (config.lr, 1.0) if setting == "F" else tuned_choice(config.tuned, n, arm)
    curve = config.curve(n)
    records = {curve.at(unit) for unit in RECORDS}
    measure = {"accuracy": MeasureAt(records, _accuracies(config, device))}
    _, history = learn(
        arm, prep, n, lr, scale, steps=curve.steps, record_every=records, measure=measure
    )
    table = history.to_frame()
    table = table[table["metric"].str.startswith(ON)].reset_index(drop=True)
    names = table["metric"].str.removeprefix(ON).str.rsplit(" ", n=1)
    table = table.assign(
        **{"arm": arm, "setting": setting, "n": n, "lr": lr, "metric": "accuracy"},
        noise_steps=steps_before(arm, prep),
        test_set=names.str[0],
        amount=names.str[1].astype(float),
    )
    return table[[*COLUMNS, "metric", "value"]]
