"""What a chapter shows: the results of its experiment and the answers that they give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from fa_lib.answers import Answer, answer
from fa_lib.experiments import get_experiment, resolve, run, stored_result
from fa_lib.experiments._config import from_settings
from fa_lib.judges import experiments_of
from fa_lib.paper import STATEMENTS
from fa_lib.results import Result
from fa_lib.settings import Setting


@dataclass(frozen=True)
class Shown:
    """A chapter's results.

    Attributes:
        figure: of the paper.
        profile: asked for.
        results: by experiment; without the chapter's own where it is not measured.
        answers: to the figure's statements, by id.
    """

    figure: int
    profile: str
    results: Mapping[str, Result]
    answers: Mapping[str, Answer]

    @property
    def experiment(self) -> str:
        """The chapter's own."""
        return resolve(f"fig{self.figure}")

    @property
    def result(self) -> Result | None:
        """Of the chapter's own experiment."""
        return self.results.get(self.experiment)

    @property
    def config(self) -> Any:
        """Of that result."""
        return _config(self.experiment, self.results[self.experiment])

    def base(self, name: str = "") -> Setting:
        """A base as it was run; the first where no name is given."""
        setting: Setting = self.config.base(name or self.config.bases[0])
        return setting


def load(
    figure: int,
    profile: str = "paper",
    seeds: int = 0,
    device: str | torch.device = "auto",
    recompute: bool = False,
    **overrides: Any,
) -> Shown:
    """Run a figure's experiment, or take its stored result.

    The paper profile takes hours: it is computed where `recompute` asks for it, or settings of its
    own; else what is not stored is shown as not measured.

    Arguments:
        figure: 1 to 6.
        profile, device, recompute: as in `fa.run`.
        seeds: how many networks; 0 for the profile's own.
        overrides: other values for the experiment's settings; 0 and "" leave them as they are.
    """
    changed = {name: value for name, value in overrides.items() if value not in (0, "")}
    own = resolve(f"fig{figure}")
    ids = [id for id, statement in STATEMENTS.items() if statement.figure == figure]
    results: dict[str, Result] = {}
    if profile != "paper" or recompute or seeds or changed:
        results[own] = run(own, profile, device, seeds or None, recompute, **changed)
    # Of what other experiments have a share in, the stored results are shown and nothing is run.
    beside = [name for id in ids for name in experiments_of(id)]
    for name in dict.fromkeys([own, *beside, *(["multiverse"] if profile == "paper" else [])]):
        if name not in results and (stored := stored_result(name, profile)) is not None:
            results[name] = stored
    tables = {name: (result.table, _config(name, result)) for name, result in results.items()}
    return Shown(figure, profile, results, {id: answer(id, tables) for id in ids})


def _config(name: str, result: Result) -> Any:
    return from_settings(get_experiment(name), result.provenance["config"])
