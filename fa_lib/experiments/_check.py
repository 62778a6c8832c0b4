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
from fa_lib.experiments._registry import REGISTRY, get_experiment


@dataclass(frozen=True)
class Status:
    """What a check found: `state` is "good", "damaged", "foreign" or "stale"; `reason` says why."""

    path: Path  # without the suffix: there is a .parquet and a .json
    state: str
    reason: str


def check(data: bool = False) -> list[Status]:
    """Check everything stored: checksums, NUMERICS, and that the config is still the experiment's.

    Of a benchmark the checksums alone, and with `data` the data.

    With `data`, load the data sets that are at hand and compare their fingerprints too; one that
    would have to be downloaded first says nothing against a result.
    """
    return [_status(folder, name, data) for folder, name in results.stored()]


def _status(folder: Path, name: str, data: bool) -> Status:
    try:
        found = results.read(folder, name)
        now = _config_now(folder.name, name, found.provenance["config"])
        results.require_config(found, now)
        changed = changed_data(found.provenance["data_fingerprints"]) if data else []
        if changed:
            raise BadResult("stale", f"the data have changed: {', '.join(changed)}")
    except BadResult as bad:
        return Status(folder / name, bad.state, bad.reason)
    return Status(folder / name, "good", "")


def _config_now(experiment_name: str, name: str, stored: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that a result of this name should have been computed with."""
    if experiment_name in results.BENCHMARKS:
        return dict(stored)
    profile, _, changed = name.partition("-")
    if experiment_name not in REGISTRY:
        raise BadResult("foreign", f"there is no experiment {experiment_name!r}")
    experiment = get_experiment(experiment_name)
    if profile not in experiment.PROFILES:
        raise BadResult("foreign", f"{experiment_name} has no profile {profile!r}")
    if not changed:
        return settings(experiment.PROFILES[profile])
    try:
        values = settings(from_settings(experiment, stored))
    except (TypeError, ValueError) as error:
        raise BadResult("stale", str(error)) from error
    if results.config_hash(values) != changed:
        raise BadResult("foreign", "its name is not that of its config")
    return values


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
