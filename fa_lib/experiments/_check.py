"""Whether what is stored may still be used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fa_lib import results
from fa_lib._pairs import BadResult
from fa_lib.data import dataset_info, list_datasets, load_dataset
from fa_lib.experiments._config import from_settings, settings
from fa_lib.experiments._identity import other_code, require_current
from fa_lib.experiments._registry import REGISTRY, Experiment, get_experiment
from fa_lib.results import Result

OTHER_CODE = "other code"


@dataclass(frozen=True)
class Status:
    """What a check found: `state` is "good", "other code", "damaged", "stale" or "foreign".

    A result of "other code" was made by a version of the package in which the modules differ that
    its numbers rest on; a trial run gives the same numbers in both, so it is used. `reason` says
    what differs. What is damaged, stale or foreign is not used.
    """

    path: Path  # without the suffix: there is a .parquet and a .json
    state: str
    reason: str

    @property
    def usable(self) -> bool:
        """Whether `run` would show it."""
        return self.state in ("good", OTHER_CODE)


def check(data: bool = False) -> list[Status]:
    """Check everything stored: checksums, and that what its numbers rest on is still the same.

    Of a benchmark the checksums alone, and with `data` the data.

    With `data`, load the data sets that are at hand and compare their fingerprints too; one that
    would have to be downloaded first says nothing against a result.
    """
    return [_status(folder, name, data) for folder, name in results.stored()]


def _status(folder: Path, name: str, data: bool) -> Status:
    state, reason = "good", ""
    try:
        result = results.read(folder, name)
        facts = result.provenance
        if folder.name not in results.BENCHMARKS:
            experiment_of(result)
            if changed := other_code(folder.name, facts):
                state, reason = (
                    OTHER_CODE,
                    f"{changed}; a trial of the engine gives the same numbers",
                )
        if data and (moved := changed_data(facts["data_fingerprints"])):
            raise BadResult("stale", f"the data have changed: {', '.join(moved)}")
    except BadResult as bad:
        state, reason = bad.state, bad.reason
    return Status(folder / name, state, reason)


def experiment_of(result: Result) -> tuple[Experiment, Any]:
    """The experiment that a stored result is of, and its config.

    Raises BadResult for a result that would not be used, as `check` finds it without the data.
    """
    folder, facts = result.path.parent.name, result.provenance
    experiment, config = _experiment_and_config(folder, result.path.stem, facts["config"])
    require_current(folder, experiment, config, facts)
    return experiment, config


def _experiment_and_config(
    experiment_name: str, name: str, stored: Mapping[str, Any]
) -> tuple[Experiment, Any]:
    """The experiment, and the config that a result of this name should have been computed with."""
    profile, _, changed = name.partition("-")
    if experiment_name not in REGISTRY:
        raise BadResult("foreign", f"there is no experiment {experiment_name!r}")
    experiment = get_experiment(experiment_name)
    if profile not in experiment.PROFILES:
        raise BadResult("foreign", f"{experiment_name} has no profile {profile!r}")
    if not changed:
        return experiment, experiment.PROFILES[profile]
    try:
        config = from_settings(experiment, stored)
    except (TypeError, ValueError) as error:
        raise BadResult("stale", str(error)) from error
    if results.config_hash(settings(config)) != changed:
        raise BadResult("foreign", "its name is not that of its config")
    return experiment, config


def changed_data(fingerprints: Mapping[str, str], own_only: bool = False) -> list[str]:
    """The data sets at hand that are no longer what they were, by their fingerprints.

    With `own_only`, looks only at the reader's own arrays: the others cannot change under their
    name, short of a new version of the package that holds them, and take longer to load.
    """
    known = set(list_datasets()) & set(fingerprints)
    infos = [dataset_info(name) for name in sorted(known)]
    return [
        info.name
        for info in infos
        if info.at_hand
        and (info.kind == "your own" or not own_only)
        and load_dataset(info.name).fingerprint != fingerprints[info.name]
    ]
