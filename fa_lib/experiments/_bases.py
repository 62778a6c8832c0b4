"""What the experiments in the three bases have in common: their settings, seeds and columns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from fa_lib._checks import choice, positive_int
from fa_lib.settings import BASES, Setting

NAMES = tuple(base.name for base in BASES)
SEEDS = tuple(range(2000, 2010))  # as many networks as the paper has


@dataclass(frozen=True)
class BaseConfig:
    """Settings of an experiment in the bases.

    Fields:
        seeds: a network each, in every arm.
        dataset: to learn; None of an experiment that sees no data.
        bases: names in `fa_lib.settings.BASES`.
        test_images: how many, stratified and drawn once; None for all.
        most_steps, most_images, most_width, most_epochs: cut the bases' noise steps, training
            images, width and horizon down to these; for profiles that are no result.
    """

    seeds: tuple[int, ...]
    dataset: str | None = "mnist"
    bases: tuple[str, ...] = NAMES
    test_images: int | None = None
    most_steps: int = 3750
    most_images: int = 5000
    most_width: int = 100
    most_epochs: int = 100

    def __post_init__(self) -> None:
        """Refuse unknown bases and counts below one."""
        for name in self.bases:
            choice(name, NAMES, "base")
        for field in ("most_steps", "most_images", "most_width", "most_epochs"):
            positive_int(getattr(self, field), field)

    def base(self, name: str) -> Setting:
        """The base of that name, cut down."""
        full = BASES[NAMES.index(name)]
        return replace(
            full,
            noise_steps=min(full.noise_steps, self.most_steps),
            images=min(full.images, self.most_images),
            width=min(full.width, self.most_width),
            horizon=min(full.horizon, self.most_epochs),
        )


def kept(
    table: pd.DataFrame, setting: Setting, part: str, columns: tuple[str, ...], layers: int = 2
) -> pd.DataFrame:
    """The table as it is stored: these columns, values in single precision.

    Arguments:
        part: names the rows of networks that diverged, as in `multiverse.run_piece`.
        layers: of these networks.
    """
    lacking: dict[str, str | int] = {
        "setting": setting.name,
        "task": part,
        "layers": layers,
        "images": setting.images,
    }
    filled: dict[str, Any] = {
        column: table[column].fillna(value) if column in table else value
        for column, value in lacking.items()
    }
    whole = table.assign(**filled).reindex(columns=list(columns))
    kinds = {"value": "float32", "layers": int, "images": int}
    return whole.astype(kinds).reset_index(drop=True)
