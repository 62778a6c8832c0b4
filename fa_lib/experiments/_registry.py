"""Which experiments there are, and what a module must define to be one."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import pandas as pd
import torch

from fa_lib._checks import choice, positive_float

REGISTRY: dict[str, str] = {
    "fig1": "fa_lib.experiments.fig1",
    "fig2": "fa_lib.experiments.fig2",
    "fig3": "fa_lib.experiments.fig3",
    "fig4": "fa_lib.experiments.fig4",
    "fig6": "fa_lib.experiments.fig6",
    "multiverse": "fa_lib.experiments.multiverse",
}

# Figures that look at the same runs from different sides share an experiment.
FIGURES: dict[str, str] = {"fig5": "fig2"}


@dataclass(frozen=True)
class Piece:
    """A part of an experiment that is computed, stored and resumed as a whole.

    name: tells it from the experiment's other pieces, and becomes a file name.
    cost: network-steps, that is training steps x networks; for the progress bar and the estimate.
    params: whatever `run_piece` needs to know.
    """

    name: str
    cost: float
    params: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a name that makes no file name, and a cost of nothing."""
        if not re.fullmatch(r"[\w=+-][\w.=+-]*", self.name, re.ASCII):
            raise ValueError(f"A piece's name must be letters, digits or _.=+-, got {self.name!r}.")
        positive_float(self.cost, f"The cost of piece {self.name!r}")


class Experiment(Protocol):
    """What a module in the registry defines.

    `Config` is a frozen dataclass of str, int, float, bool, optional ones, and tuples of them. It
    holds `seeds: tuple[int, ...]`, `dataset: str | None` and all else that the numbers depend on
    except the device. It may check ranges in `__post_init__`; types are checked by `run`.
    `PROFILES` has smoke, quick and paper. What the pieces' parameters or an upper-case name in a
    module of the experiment say counts as part of the config: a stored result is stale once any of
    it changes.

    `data_sets` names those used, `dataset` among them if any. `pieces` is quick and gives the same
    list for the same config. `run_piece` returns a tidy table of plain columns, one of them `seed`,
    the same columns for every piece; it may call its last argument with the number of network-steps
    just done.
    """

    TITLE: str
    Config: type[Any]
    PROFILES: Mapping[str, Any]

    def data_sets(self, config: Any) -> Sequence[str]: ...

    def pieces(self, config: Any) -> Sequence[Piece]: ...

    def run_piece(
        self,
        config: Any,
        piece: Piece,
        device: torch.device,
        progress: Callable[[float], None],
    ) -> pd.DataFrame: ...


def list_experiments() -> list[str]:
    """The names `run` takes; those of several figures may mean one experiment (`resolve`)."""
    return sorted([*REGISTRY, *FIGURES])


def resolve(name: str) -> str:
    """The experiment that a name means; raises ValueError for an unknown one."""
    return FIGURES.get(choice(name, [*REGISTRY, *FIGURES], "experiment"), name)


def module_of(name: str) -> str:
    """The experiment's module as `_sources` takes it: its path in the package."""
    return REGISTRY[resolve(name)].removeprefix("fa_lib.").replace(".", "/")


def get_experiment(name: str) -> Experiment:
    """The experiment's module; raises ValueError, with the closest match, for an unknown name."""
    return cast(Experiment, importlib.import_module(REGISTRY[resolve(name)]))
