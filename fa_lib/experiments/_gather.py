"""An experiment computed in parts, by a batch's jobs, put together as if by one run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fa_lib import results
from fa_lib._pairs import write_pair
from fa_lib.experiments._config import from_settings, settings
from fa_lib.experiments._registry import Experiment, get_experiment, resolve
from fa_lib.experiments._runner import run
from fa_lib.results import Result, config_hash

_CIRCUMSTANCES = ("numerics", "code", "torch", "python", "device", "rules", "data_fingerprints")


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
    full = settings(experiment.PROFILES[profile])
    found = sorted(Path(folder).glob(f"[!.]*/**/{name}/*.json"))
    if not found:
        raise FileNotFoundError(f"There is no result of {name} in {folder}.")
    partial = results.write_root() / ".partial" / name / config_hash(full)
    for path in found:
        part = results.read(path.parent, path.stem)
        facts = part.provenance
        circumstances = {key: facts[key] for key in _CIRCUMSTANCES}
        write_pair(
            partial,
            _piece_name(experiment, full, facts["config"], path),
            part.table,
            {"circumstances": circumstances, "seconds": facts["seconds"]},
        )
    return run(name, profile)


def _piece_name(
    experiment: Experiment, full: dict[str, Any], config: dict[str, Any], path: Path
) -> str:
    differ = [key for key in full if config.get(key) != full[key]]
    parts = experiment.pieces(from_settings(experiment, config))
    for key in differ:
        within = isinstance(full[key], list) and set(config[key]) <= set(full[key])
        if key == "seeds" or not within:
            raise ValueError(f"{path} is no part of this profile: its {key} is {config[key]}.")
    if len(parts) != 1:
        raise ValueError(f"{path} holds {len(parts)} pieces; wanted is one in each result.")
    return parts[0].name
