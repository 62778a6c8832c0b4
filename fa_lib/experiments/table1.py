"""Table 1: two-layer networks on several data sets (claim C17).

Every data set is trained on by itself, with a sixth of its training images set apart for choices.
A data set can be run alone; what is stored of those that were joins the table (`together`).
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pandas as pd
import torch

from fa_lib._checks import positive_float, positive_int
from fa_lib.experiments import _checkpoints
from fa_lib.experiments._arms import MAIN_ARMS, Preparation, material
from fa_lib.experiments._checkpoints import Choice, train_to_checkpoint
from fa_lib.experiments._config import arguments, settings
from fa_lib.experiments._curve import Curve
from fa_lib.experiments._registry import Piece
from fa_lib.experiments._runner import stored_result
from fa_lib.results import Result

TITLE = "Table 1: test accuracy of two-layer networks on several data sets"

COLUMNS = ("dataset", *_checkpoints.COLUMNS)
METRICS = ("test_accuracy", "test_loss", "validation_accuracy", "centered_alignment_angle_w2")


# The data sets that Table 1 has, and those that stand in for them: how many training images.
TABLE = {
    "mnist": 60_000,
    "fashion_mnist": 60_000,
    "cifar10": 50_000,
    "cifar100": 50_000,
    "stl10": 5000,
}
STAND_INS = {"mnist5k": 4000, "digits": 1500}


@dataclass(frozen=True)
class Config:
    """Settings of Table 1.

    The paper profile has MNIST; each further data set of TABLE takes as long again, and one of
    colour images several times as long, is run by itself and joins it (`command`, `together`);
    `fa-lib reproduce` runs those too. It was cut for computing time: at most 20 epochs, which
    setting F's learning rate may not have used up; setting T chooses among three rates, not four,
    by two seeds and 10 epochs. No arm and no setting was left out.

    Fields:
        seeds: a network each, in every arm, on every data set.
        dataset: None; see `datasets`.
        datasets: names of data sets; the last sixth of each one's training images is for choices.
        n: training images, each seed's own; None takes all that are left.
        width: of the hidden layer.
        batch_size, noise_steps, noise_lr: of noise training, with Adam.
        lr: of setting F, with Adam.
        epochs: of the longest training; more where these are fewer than `min_steps` steps.
        min_steps: of the longest training.
        patience: epochs without a rise of validation accuracy that end it.
        lrs, readout_scales, choice_seeds, choice_epochs: of setting T's choices, see `Choice`; the
            seeds are others than `seeds` in every profile.
    """

    seeds: tuple[int, ...]
    dataset: str | None = None
    datasets: tuple[str, ...] = ("mnist",)
    n: int | None = None
    width: int = 512
    batch_size: int = 64
    noise_steps: int = 5000
    noise_lr: float = 1e-4
    lr: float = 1e-4
    epochs: int = 20
    min_steps: int = 5000
    patience: int = 10
    lrs: tuple[float, ...] = (3e-4, 1e-3, 3e-3)
    readout_scales: tuple[float, ...] = (1.0, 0.0)
    choice_seeds: tuple[int, ...] = (0, 1)
    choice_epochs: int = 10

    def __post_init__(self) -> None:
        """Refuse what makes no table."""
        if self.dataset is not None:
            raise ValueError("table1 takes `datasets`, a list such as ['mnist'], not `dataset`.")
        for name in ("datasets", "lrs", "readout_scales", "choice_seeds"):
            if not getattr(self, name):
                raise ValueError(f"{name} is empty: give at least one.")
        if len(set(self.datasets)) < len(self.datasets):
            raise ValueError(f"datasets must differ from one another, got {self.datasets}.")
        counts = ("width", "batch_size", "noise_steps", "epochs", "min_steps", "patience")
        for name in (*counts, "choice_epochs"):
            positive_int(getattr(self, name), name)
        if self.n is not None:
            positive_int(self.n, "n")
        for lr in (self.lr, self.noise_lr, *self.lrs):
            positive_float(lr, "Each learning rate")

    @property
    def choice(self) -> Choice:
        """What setting T chooses from."""
        return Choice(self.choice_seeds, self.lrs, self.readout_scales, self.choice_epochs)

    def curve(self, n: int) -> Curve:
        """When training on n images is looked at, at the longest."""
        return Curve(n, self.batch_size, self.epochs, self.min_steps)


PROFILES = {
    "smoke": Config(
        seeds=(1, 2),
        datasets=("mnist5k", "digits"),
        n=200,
        width=16,
        noise_steps=50,
        noise_lr=1e-3,
        lr=1e-3,
        epochs=4,
        min_steps=1,
        patience=2,
        lrs=(1e-3, 3e-3),
        choice_seeds=(0,),
        choice_epochs=2,
    ),
    "quick": Config(
        seeds=(2, 3, 4),
        datasets=("mnist5k", "digits"),
        width=128,
        noise_steps=2000,
        min_steps=1000,
    ),
    "paper": Config(seeds=tuple(range(1000, 1010))),
}


def data_sets(config: Config) -> tuple[str, ...]:
    """Those of the table."""
    return config.datasets


def pieces(config: Config) -> list[Piece]:
    """One for each data set, setting and arm."""
    found = []
    for dataset in config.datasets:
        known = {**TABLE, **STAND_INS}.get(dataset, 60_000)  # your own are taken to be large
        n = config.n or known - known // 6
        for setting in "FT":
            for arm in MAIN_ARMS:
                cost = float(len(config.seeds) * config.curve(n).steps)
                cost += config.choice.cost(arm, n, config.batch_size) * (setting == "T")
                params = {"dataset": dataset, "setting": setting, "arm": arm}
                found.append(Piece(f"{dataset}-{setting}-{arm}", cost, params))
    return found


def run_piece(
    config: Config, piece: Piece, device: torch.device, progress: Callable[[float], None]
) -> pd.DataFrame:
    """Train one arm in one setting on one data set, in setting T after the choice of its rate.

    Returns:
        Columns dataset and those of `train_to_checkpoint`, whose panels are "data" and "choice".
        The metrics are METRICS: accuracies in 0 to 1, loss in nats, angle in degrees.
    """
    dataset = piece.params["dataset"]
    data = material(dataset, None)
    prep = Preparation(
        sizes=(data.features, config.width, data.classes),
        seeds=config.seeds,
        dataset=dataset,
        validation=None,
        steps=config.noise_steps,
        batch_size=config.batch_size,
        lr=config.noise_lr,
        device=device,
    )
    table = train_to_checkpoint(
        piece.params["arm"],
        piece.params["setting"],
        prep,
        config.curve(config.n or len(data.train)),
        lr=config.lr,
        choice=config.choice,
        patience=config.patience,
        metrics=METRICS,
    )
    return table.assign(dataset=dataset)[list(COLUMNS)]


# -- Data sets that were run by themselves ---------------------------------------------------------


def further(datasets: Iterable[str]) -> list[str]:
    """The data sets of TABLE beyond those."""
    known = set(datasets)
    return [name for name in TABLE if name not in known]


def together(result: Result) -> list[Result]:
    """The result, and the stored ones of further data sets with the same settings in all else.

    A further data set was run by itself, as `command` says.
    """
    config, profile = result.provenance["config"], result.provenance["profile"]
    found = [
        stored_result("table1", profile, **{**config, "datasets": [name]})
        for name in further(config["datasets"])
    ]
    return [result, *(one for one in found if one is not None)]


def command(dataset: str, result: Result) -> str:
    """The command that measures a further data set, so that it joins the result (`together`)."""
    profile = result.provenance["profile"]
    wanted = {**result.provenance["config"], "datasets": [dataset]}
    options = arguments(wanted, settings(PROFILES[profile]))
    options = [option.replace("'", '"') for option in options]  # which is easier to quote
    return shlex.join(["fa-lib", "run", "table1", "--profile", profile, *options])
