"""A real experiment of a few milliseconds, for the tests of the runner and the command.

TINY_LOG names a file that gets a line for each piece computed. A piece named by TINY_HANG waits
until the file TINY_GATE exists; one named by TINY_FAIL raises.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import torch

from fa_lib._streams import generator
from fa_lib.experiments import Piece
from fa_lib.experiments._registry import REGISTRY

TITLE = "Means of random numbers"


@dataclass(frozen=True)
class Config:
    """Settings of every type the runner knows."""

    seeds: tuple[int, ...] = (0, 1, 2)
    dataset: str | None = None
    counts: tuple[int, ...] = (10, 20, 30)
    scale: float = 1.0
    label: str = "plain"
    centered: bool = False
    limits: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        """Refuse counts of nothing."""
        if any(count < 1 for count in self.counts):
            raise ValueError(f"counts must be at least 1, got {self.counts}.")


PROFILES = {
    "smoke": Config(counts=(10,)),
    "quick": Config(),
    "paper": Config(seeds=tuple(range(1000, 1020))),
}


def data_sets(config: Config) -> tuple[str, ...]:
    """The one of the config, if any."""
    return (config.dataset,) if config.dataset else ()


def pieces(config: Config) -> list[Piece]:
    """One for each count."""
    seeds = len(config.seeds)
    return [Piece(f"count-{n}", float(n * seeds), {"count": n}) for n in config.counts]


def run_piece(
    config: Config, piece: Piece, device: torch.device, progress: Callable[[float], None]
) -> pd.DataFrame:
    """A row for each seed, with the scaled mean of `count` normal numbers."""
    if "TINY_LOG" in os.environ:
        with open(os.environ["TINY_LOG"], "a") as log:
            log.write(piece.name + "\n")
    if os.environ.get("TINY_FAIL") == piece.name:
        raise RuntimeError("diverged at step 3")
    while os.environ.get("TINY_HANG") == piece.name and not Path(os.environ["TINY_GATE"]).exists():
        time.sleep(0.02)
    rows = []
    for seed in config.seeds:
        draws = torch.randn(piece.params["count"], generator=generator(seed, "tiny"))
        value = config.scale * draws.to(device).mean().item()
        rows.append({"label": config.label, "seed": seed, "count": len(draws), "value": value})
        progress(len(draws))
    return pd.DataFrame(rows)


def register(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Make it an experiment for one test, which keeps its log, gate and data in `folder`."""
    monkeypatch.setitem(REGISTRY, "tiny", "tiny_experiment")
    monkeypatch.setenv("TINY_LOG", str(folder / "log"))
    monkeypatch.setenv("TINY_GATE", str(folder / "gate"))
    monkeypatch.setenv("FA_DATA_ROOT", str(folder / "data"))


def computed(folder: Path) -> list[str]:
    """The pieces computed so far, in order."""
    log = folder / "log"
    return log.read_text().split() if log.exists() else []


def expected(config: Config) -> pd.DataFrame:
    """Its table by way of numpy."""
    draws = {
        (count, seed): torch.randn(count, generator=generator(seed, "tiny")).numpy().astype(float)
        for count in config.counts
        for seed in config.seeds
    }
    rows = [(config.label, seed, n, config.scale * x.mean()) for (n, seed), x in draws.items()]
    return pd.DataFrame(rows, columns=["label", "seed", "count", "value"])
