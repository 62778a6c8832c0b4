"""An experiment computed in parts, by a batch's jobs, put together as if by one run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fa_lib import results
from fa_lib._pairs import write_pair
from fa_lib.experiments._config import from_settings, settings
from fa_lib.experiments._identity import SAME, require_current
from fa_lib.experiments._registry import Experiment, Piece, get_experiment, resolve
from fa_lib.experiments._runner import partial_folder, run
from fa_lib.results import Result

_CIRCUMSTANCES = ("code", "torch", "python", "device", "probe", *SAME)


def gather(name: str, profile: str, folder: str | Path) -> Result:
    """The profile's result, from the results of single pieces that a batch left in `folder`.

    A piece's result is that of `run` with the profile's settings, but with a part of its lists
    (such as one learning rate of several) that leaves one piece. Pieces that are not found are
    computed here.

    Raises:
        FileNotFoundError: no result of the experiment below `folder`.
        BadResult: (a RuntimeError) a damaged or stale one.
        ValueError: one that is not a piece of the profile.
    """
    name = resolve(name)
    experiment = get_experiment(name)
    config = experiment.PROFILES[profile]
    found = sorted(Path(folder).glob(f"[!.]*/**/{name}/*.json"))
    if not found:
        raise FileNotFoundError(f"There is no result of {name} in {folder}.")
    for path in found:
        part = results.read(path.parent, path.stem)
        facts = part.provenance
        piece, own = _piece_of(experiment, settings(config), facts["config"], path)
        require_current(name, experiment, own, facts)
        circumstances = {key: facts[key] for key in _CIRCUMSTANCES}
        write_pair(
            partial_folder(name, config),
            piece.name,
            part.table,
            {
                "piece": facts["pieces"][piece.name],
                "circumstances": circumstances,
                "seconds": facts["seconds"],
            },
        )
    return run(name, profile)


def _piece_of(
    experiment: Experiment, full: dict[str, Any], stored: dict[str, Any], path: Path
) -> tuple[Piece, Any]:
    """The one piece that a part's config leaves of the full settings, and that config."""
    config = from_settings(experiment, stored)
    for key in [key for key in full if stored.get(key) != full[key]]:
        within = isinstance(full[key], list) and set(stored[key]) <= set(full[key])
        if key == "seeds" or not within:
            raise ValueError(f"{path} is no part of this profile: its {key} is {stored[key]}.")
    pieces = experiment.pieces(config)
    if len(pieces) != 1:
        raise ValueError(f"{path} holds {len(pieces)} pieces; wanted is one in each result.")
    return pieces[0], config
