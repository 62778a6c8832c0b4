"""Figure 4: simpler weights after noise training, and better generalisation.

Panels b) the readout's probabilities, c) singular values of the weights, d) their effective rank,
e, f) the gap between test and training loss, over training sets of several sizes, g, h) effective
rank of the features' Gram matrix, over depths.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pandas as pd
import torch

from fa_lib import _streams
from fa_lib.experiments import _bases
from fa_lib.experiments._measured import of_readout, of_weights
from fa_lib.experiments._parts import COLUMNS as SHARED
from fa_lib.experiments._parts import DEEPER_ARMS, deeper
from fa_lib.experiments._registry import Piece
from fa_lib.experiments._stacks import CURVE, Stack, task, untrained, without_diverging
from fa_lib.networks import MLP
from fa_lib.noise import Noise, NoiseStream
from fa_lib.schema import epoch_steps
from fa_lib.settings import Setting
from fa_lib.training import pretrain

TITLE = "Simpler weights after noise training, and the gap between training and test"

COLUMNS = (*SHARED, "index")
DEPTH, IMAGES = 3, 1600  # the paper's, where it varies the other
SHOWN_INPUTS = 100  # noise inputs whose probabilities are tested


@dataclass(frozen=True)
class Config(_bases.BaseConfig):
    """Settings of Figure 4.

    Fields:
        sizes: training images, at depth DEPTH.
        depths: layers of weights, with IMAGES training images.
        Others: as in `BaseConfig`.
    """

    sizes: tuple[int, ...] = (100, 400, 1600, 5000)
    depths: tuple[int, ...] = (2, 3, 4, 5)

    def cells(self) -> list[tuple[int, int]]:
        """Depths and training images, none twice."""
        images = min(IMAGES, self.most_images)
        sizes = [(DEPTH, min(size, self.most_images)) for size in self.sizes]
        return list(dict.fromkeys([*sizes, *((depth, images) for depth in self.depths)]))


PROFILES = {
    "smoke": Config(
        seeds=(0, 1),
        dataset="mnist5k",
        bases=("B1", "B3"),
        test_images=200,
        most_steps=60,
        most_images=256,
        most_width=16,
        most_epochs=6,
        sizes=(100, 400),
        depths=(2, 3),
    ),
    "quick": Config(
        seeds=(0, 1, 2),
        dataset="mnist5k",
        test_images=1000,
        most_steps=1000,
        most_images=1600,
        most_epochs=40,
        sizes=(100, 1600),
        depths=(2, 3),
    ),
    "paper": Config(seeds=_bases.SEEDS),
}


def data_sets(config: Config) -> tuple[str, ...]:
    """The one that is learned."""
    return (str(config.dataset),)


def pieces(config: Config) -> list[Piece]:
    """In each base noise training alone, and each depth and size of the training set."""
    found = []
    for name in config.bases:
        setting = config.base(name)
        steps = float(len(config.seeds) * setting.noise_steps)
        found.append(Piece(f"{name}-noise", steps, {"setting": setting, "layers": DEPTH}))
        for depth, images in config.cells():
            own = replace(setting, images=images)
            steps = len(DEEPER_ARMS) * own.horizon * epoch_steps(images, own.batch_size)
            cost = float(len(config.seeds) * (own.noise_steps + steps))
            found.append(Piece(f"{name}-{depth}-{images}", cost, {"setting": own, "layers": depth}))
    return found


def run_piece(
    config: Config, piece: Piece, device: torch.device, progress: Callable[[float], None]
) -> pd.DataFrame:
    """Run one depth and size, or noise training alone.

    Returns:
        `_parts.COLUMNS` and index, -1 but for two metrics of phase "spectrum", before and after
        noise training: singular_value_w1 (index counts from the largest) and probability (of
        SHOWN_INPUTS fresh noise inputs, class by class). That phase also has what `of_weights` and
        `of_readout` measure along noise training.
    """
    setting: Setting = piece.params["setting"]
    layers: int = piece.params["layers"]
    dataset = str(config.dataset)

    def noise_alone(seeds: tuple[int, ...]) -> pd.DataFrame:
        table = _noise_alone(Stack(setting, layers, seeds, device), dataset, config.test_images)
        progress(float(len(seeds) * setting.noise_steps))
        return table.assign(task=dataset)

    def cell(seeds: tuple[int, ...]) -> pd.DataFrame:
        return deeper(
            setting, seeds, device, progress, layers=layers, dataset=dataset,
            test_images=config.test_images,
        )  # fmt: skip

    alone = piece.name.endswith("-noise")
    table = without_diverging(noise_alone if alone else cell, config.seeds)
    if "index" not in table:
        table["index"] = -1
    table["index"] = table["index"].fillna(-1).astype(int)
    return _bases.kept(table, setting, piece.name, COLUMNS, layers)


def _noise_alone(stack: Stack, dataset: str, test_images: int | None) -> pd.DataFrame:
    setting = stack.setting
    data = task(dataset, setting.inputs, test_images)
    net = untrained(stack, data.train.x.shape[1], data.classes)
    steps = setting.noise_steps
    before = [_singular_values(net, 0), _probabilities(net, 0)]
    table = pretrain(
        net,
        steps=steps,
        batch_size=setting.batch_size,
        lr=setting.noise_lr,
        optimizer=setting.optimizer,
        record_every={round(steps * (i / CURVE) ** 2) for i in range(CURVE + 1)},
        measure={"weights": of_weights, "readout": of_readout(net)},
        progress=False,
    ).to_frame()
    after = [_singular_values(net, steps), _probabilities(net, steps)]
    whole = pd.concat([table, *before, *after], ignore_index=True)
    return whole.assign(arm="FAN", phase="spectrum")


def _singular_values(net: MLP, step: int) -> pd.DataFrame:
    values = torch.linalg.svdvals(net.weights[0].double())
    return _indexed(net, step, "singular_value_w1", values)


def _probabilities(net: MLP, step: int) -> pd.DataFrame:
    """Of each network on noise inputs of its own, on which it is not trained."""
    keys = [_streams.stream_key(seed, "shown inputs") for seed in net.seeds]
    shape = (SHOWN_INPUTS, net.sizes[0])
    inputs = NoiseStream(Noise(), keys, shape, net.classes, net.device)(0)[0]
    probabilities = torch.softmax(net(inputs).double(), dim=-1)
    return _indexed(net, step, "probability", probabilities.flatten(1))


def _indexed(net: MLP, step: int, metric: str, values: torch.Tensor) -> pd.DataFrame:
    """Values [N, K]."""
    rows = [
        {"seed": seed, "step": step, "metric": metric, "index": i, "value": value}
        for seed, own in zip(net.seeds, values.tolist(), strict=True)
        for i, value in enumerate(own)
    ]
    return pd.DataFrame(rows)
