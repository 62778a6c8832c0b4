"""Figure 6: does noise training prepare for any task? (claims C15 and C16)

The same networks adapt to each of several tasks: from where noise training left them, from where
each control starts, and from states in the middle of noise training. The meta-loss after K steps is
the sum over tasks of the test loss after K steps of adaptation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import torch

from fa_lib._checks import positive_int
from fa_lib.experiments._adaptation import PANELS, source_of
from fa_lib.experiments._arms import ARMS
from fa_lib.experiments._registry import Piece

TITLE = "Adaptation to three tasks: meta-loss, speed and paths after noise training"

TASK_ARMS = tuple(arm for arm in ARMS if arm != "P")  # P has seen images of one of the tasks
SIDE_ARMS = ("BP", "BPN", "BPN-FA", "U")
OPTIMIZERS = ("adam", "sgd")
COLUMNS = (
    *("panel", "task", "optimizer", "arm", "setting", "n", "lr", "readout_scale", "noise_steps"),
    *("seed", "step", "metric", "value"),
)


@dataclass(frozen=True)
class Config:
    """Settings of Figure 6.

    Fields:
        seeds: a network each, in every arm.
        dataset: None; the data sets are the tasks'.
        tasks: data sets of one shape and number of classes; "permuted NAME" is NAME with its pixels
            in another order, the same for every image and network.
        n: training images of each task, each seed's own. The last sixth of a task's training images
            is for choices.
        width, batch_size, noise_steps, noise_lr: as in Figures 2 to 4.
        checkpoints: noise steps after which networks adapt, besides the last.
        side_seeds: how many of the seeds run in the arms that judge no claim and have a training
            of their own: BP, BPN, BPN-FA and U.
        adam_lr, sgd_lr: of adaptation in setting F, by optimiser.
        adam_lrs, sgd_lrs, readout_scales: to choose from in setting T, for each arm and optimiser,
            by the meta-loss on validation images; factors on the readout for FA alone.
        choice_seeds: that choose; others than those of the verdicts.
        steps: of adaptation.
        path_seeds: how many seeds' paths are kept.
    """

    seeds: tuple[int, ...]
    dataset: str | None = None
    tasks: tuple[str, ...] = ("mnist", "fashion_mnist", "kmnist10k")
    n: int = 5000
    width: int = 512
    batch_size: int = 64
    noise_steps: int = 5000
    noise_lr: float = 1e-4
    checkpoints: tuple[int, ...] = (0, 500, 1000, 2000, 3500)
    side_seeds: int = 6
    adam_lr: float = 1e-4
    sgd_lr: float = 0.01
    adam_lrs: tuple[float, ...] = (1e-4, 3e-4, 1e-3, 3e-3)
    sgd_lrs: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3)
    readout_scales: tuple[float, ...] = (1.0, 0.5, 0.25, 0.0)
    choice_seeds: tuple[int, ...] = (0, 1, 2)
    steps: int = 300
    path_seeds: int = 2

    def __post_init__(self) -> None:
        """Refuse what leaves nothing to adapt to, to choose from or to compare."""
        for name in ("tasks", "adam_lrs", "sgd_lrs", "readout_scales", "choice_seeds"):
            if not getattr(self, name):
                raise ValueError(f"{name} is empty: give at least one.")
        if len(set(self.tasks)) < len(self.tasks):
            raise ValueError(f"tasks must differ from one another, got {self.tasks}.")
        for name in ("n", "width", "batch_size", "noise_steps", "side_seeds", "path_seeds"):
            positive_int(getattr(self, name), name)
        if not all(0 <= step < self.noise_steps for step in self.checkpoints):
            raise ValueError(
                f"checkpoints must be from 0 to {self.noise_steps - 1}, one less than noise_steps, "
                f"got {self.checkpoints}."
            )
        if self.steps < 100:
            raise ValueError(f"steps must be at least 100, which is judged, got {self.steps}.")

    def seeds_of(self, arm: str) -> tuple[int, ...]:
        """The seeds that run."""
        return self.seeds[: self.side_seeds] if arm in SIDE_ARMS else self.seeds

    def fixed_lr(self, optimizer: str) -> float:
        """Learning rate of setting F."""
        return {"adam": self.adam_lr, "sgd": self.sgd_lr}[optimizer]

    def choices(self, optimizer: str, arm: str) -> list[tuple[float, float]]:
        """Learning rates and factors on the readout that setting T chooses from."""
        rates = {"adam": self.adam_lrs, "sgd": self.sgd_lrs}
        scales = self.readout_scales if arm == "FA" else (1.0,)
        return [(lr, scale) for scale in scales for lr in rates[optimizer]]


PROFILES = {
    "smoke": Config(
        seeds=(0, 1),
        tasks=("mnist5k", "digits", "permuted mnist5k"),
        n=300,
        width=16,
        batch_size=16,
        noise_steps=60,
        noise_lr=1e-3,
        checkpoints=(0, 20),
        side_seeds=1,
        adam_lrs=(1e-3,),
        sgd_lrs=(0.1,),
        readout_scales=(1.0, 0.0),
        choice_seeds=(2,),
        steps=100,
        path_seeds=1,
    ),
    "quick": Config(
        seeds=(0, 1, 2),
        tasks=("mnist5k", "digits", "permuted mnist5k"),
        n=1200,
        width=128,
        noise_steps=2000,
        checkpoints=(0, 500, 1000),
        side_seeds=2,
        adam_lrs=(3e-4, 1e-3, 3e-3),
        sgd_lrs=(0.03, 0.1, 0.3),
        readout_scales=(1.0, 0.0),
        choice_seeds=(3,),
        steps=150,
        path_seeds=1,
    ),
    "paper": Config(seeds=tuple(range(1000, 1012))),
}


def data_sets(config: Config) -> tuple[str, ...]:
    """Those that the tasks are made of."""
    return tuple(dict.fromkeys(source_of(task) for task in config.tasks))


def pieces(config: Config) -> list[Piece]:
    """Choices first, then adaptation for each setting, optimiser and arm; states in between."""
    found = []

    def add(panel: str, cost: float, **params: object) -> None:
        name = "-".join([panel, *map(str, params.values())])
        found.append(Piece(name, len(config.tasks) * cost, {"panel": panel, **params}))

    for optimizer in OPTIMIZERS:
        for arm in TASK_ARMS:
            options = len(config.choices(optimizer, arm))
            cost = 100.0 * options * len(config.choice_seeds)
            add("choice", cost, optimizer=optimizer, arm=arm)
    for setting in "FT":
        for optimizer in OPTIMIZERS:
            for arm in TASK_ARMS:
                cost = float(config.steps * len(config.seeds_of(arm)))
                add("adapt", cost, setting=setting, optimizer=optimizer, arm=arm)
    add("checkpoints", 2 * 100.0 * len(config.seeds) * (len(config.checkpoints) + 1))
    add("paths", 2.0 * config.steps * config.path_seeds)
    return found


def run_piece(
    config: Config, piece: Piece, device: torch.device, progress: Callable[[float], None]
) -> pd.DataFrame:
    """Adapt one arm's networks to every task, or what else the piece's panel says.

    Returns:
        Columns panel, task, optimizer, arm, setting, n, lr, readout_scale, noise_steps (before the
        data), seed, step (of adaptation), metric, value. The panels:

        - "choice": validation_loss (nats) after 100 steps, for every choice of setting T.
        - "adapt": train_loss, test_loss (nats), test_accuracy (0 to 1), path_length and
          path_length_w2 (of all weights and biases, and of the centred readout, in units of the
          weights) along adaptation.
        - "checkpoints": test_loss and test_accuracy after up to 100 steps, from states of noise
          training.
        - "path": pc1, pc2 and explained_variance of the centred readout's paths.
    """
    params = dict(piece.params)
    table = PANELS[params.pop("panel")](config, params, device)
    return table.assign(n=config.n)[list(COLUMNS)]
