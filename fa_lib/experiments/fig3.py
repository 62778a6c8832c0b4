"""Figure 3 and Table 1: accuracy after convergence, over depths and data sets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pandas as pd
import torch

from fa_lib._checks import positive_int
from fa_lib.experiments import _bases
from fa_lib.experiments._measured import of_accuracy
from fa_lib.experiments._parts import COLUMNS, EVERY, epoch_ends, to_convergence, to_horizon
from fa_lib.experiments._registry import Piece
from fa_lib.experiments._stacks import Stack, start, task, without_diverging
from fa_lib.history import MeasureAt
from fa_lib.schema import epoch_steps
from fa_lib.settings import Setting

TITLE = "Accuracy after convergence, over depths and data sets"

ARMS = ("FA", "FAN", "BP", "Z")


@dataclass(frozen=True)
class Config(_bases.BaseConfig):
    """Settings of Figure 3 and Table 1.

    Fields:
        datasets: of the cells; `dataset` is None.
        depths: layers of weights.
        cap: epochs at which training ends that has not converged.
        most_images: of the training images, whose last sixth is for choices and not learned.
        Others: as in `BaseConfig`.
    """

    dataset: str | None = None
    datasets: tuple[str, ...] = ("mnist", "fashion_mnist", "cifar10_lossless", "cifar100_lossless")
    depths: tuple[int, ...] = (2, 3, 4, 5)
    cap: int = 60
    most_images: int = 50_000

    def __post_init__(self) -> None:
        """Refuse an empty table, too."""
        super().__post_init__()
        positive_int(self.cap, "cap")
        for field in ("datasets", "depths"):
            if not getattr(self, field):
                raise ValueError(f"{field} is empty: give at least one.")
        if min(self.depths) < 2:
            raise ValueError(f"depths must be two or more, got {self.depths}.")

    def base(self, name: str) -> Setting:
        """The base; its first EVERY epochs are the horizon."""
        return replace(super().base(name), images=self.most_images, horizon=min(EVERY, self.cap))


PROFILES = {
    "smoke": Config(
        seeds=(0, 1),
        datasets=("mnist5k", "digits"),
        bases=("B1",),
        depths=(2, 3),
        cap=6,
        test_images=200,
        most_steps=60,
        most_images=256,
        most_width=16,
    ),
    "quick": Config(
        seeds=(0, 1),
        datasets=("mnist5k", "digits"),
        bases=("B1", "B3"),
        depths=(2, 4),
        cap=30,
        test_images=1000,
        most_steps=1000,
        most_images=1000,
    ),
    # Of the paper's five data sets the four that are at hand: STL-10 is not.
    "paper": Config(seeds=_bases.SEEDS[:3]),
}


def data_sets(config: Config) -> tuple[str, ...]:
    """Those of the cells."""
    return config.datasets


def pieces(config: Config) -> list[Piece]:
    """Each base, data set, depth and arm; the first base's come first."""
    found = []
    for base in config.bases:
        setting = config.base(base)
        for dataset in config.datasets:
            # At most: pieces are listed without loading data.
            steps = config.cap * epoch_steps(setting.images, setting.batch_size)
            for depth in config.depths:
                for arm in ARMS:
                    noise = setting.noise_steps if arm == "FAN" else 0
                    params = {"setting": setting, "dataset": dataset, "layers": depth, "arm": arm}
                    cost = float(len(config.seeds) * (steps + noise))
                    found.append(Piece(f"{base}-{dataset}-{depth}-{arm}", cost, params))
    return found


def run_piece(
    config: Config, piece: Piece, device: torch.device, progress: Callable[[float], None]
) -> pd.DataFrame:
    """Train one arm's networks until all have converged, or to the cap.

    Returns:
        `_parts.COLUMNS`, at every fifth epoch train_loss, train_accuracy, test_loss, test_accuracy
        and validation_accuracy.
    """
    dataset, layers, arm = (piece.params[key] for key in ("dataset", "layers", "arm"))
    setting: Setting = piece.params["setting"]
    data = task(dataset, setting.inputs, config.test_images)
    setting = replace(setting, images=min(setting.images, len(data.train)))

    def run(seeds: tuple[int, ...]) -> pd.DataFrame:
        net = start(arm, Stack(setting, layers, seeds, device), data.train.x.shape[1], data.classes)
        validation = of_accuracy({"validation": data.validation.to(device)})
        ends = {0, max(epoch_ends(setting))}
        per_epoch = epoch_steps(setting.images, setting.batch_size)
        history = to_horizon(arm, net, data, setting, {"validation": MeasureAt(ends, validation)})
        table = history.to_frame()
        progress(float(len(seeds) * setting.horizon * per_epoch))
        table = table[table["step"].isin(ends)]
        if config.cap > setting.horizon:
            late = to_convergence(arm, net, data, setting, config.cap, history)
            table = pd.concat([table, late], ignore_index=True)
        return table.assign(arm=arm, phase="data", task=dataset)

    table = without_diverging(run, config.seeds)
    lost = table["metric"] == "diverged"
    table.loc[lost, "arm"] = arm
    return _bases.kept(table, setting, dataset, COLUMNS, layers)
