"""What a result's numbers rest on besides its config and data, and whether it is still the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from fa_lib import results
from fa_lib._pairs import BadResult, config_hash
from fa_lib._probe import differing, probe
from fa_lib.data import load_dataset
from fa_lib.experiments._config import settings
from fa_lib.experiments._registry import Experiment, Piece, module_of
from fa_lib.experiments._sources import constants, modules
from fa_lib.protocol import rules_hash

# What must be the same for two pieces to belong to one result; the probe within its tolerance.
SAME = ("constants", "modules", "rules", "data_fingerprints")


def identity_now(name: str, data_sets: Iterable[str]) -> dict[str, Any]:
    """What `SAME` names, and the probe, of the experiment and the data as they are now.

    Loads the data sets.
    """
    module = module_of(name)
    return {
        "constants": constants(module),
        "modules": modules(module),
        "rules": rules_hash(name),
        "data_fingerprints": {data: load_dataset(data).fingerprint for data in data_sets},
        "probe": probe_now(),
    }


def probe_now() -> dict[str, list[float]]:
    """The numbers of a trial run of the code that was imported."""
    return probe(f"{results.AS_IMPORTED}-{torch.__version__}")


def pieces_identity(pieces: Sequence[Piece]) -> dict[str, str]:
    """A hash of each piece's parameters, by its name."""
    return {piece.name: config_hash({"": _plain(piece.params)}) for piece in pieces}


def _plain(value: Any) -> Any:
    """As JSON has it; dataclasses by their names and fields."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {type(value).__name__: fields}
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(part) for part in value]
    return value


def require_current(
    name: str, experiment: Experiment, config: Any, provenance: Mapping[str, Any]
) -> None:
    """Raise BadResult, saying what differs, where this config would give other numbers now.

    What is compared: config, pieces, data sets' names, constants, rules, and the numbers of the
    probe. Other modules alone say nothing against a result (`other_code`).
    """
    values = settings(config)
    old = provenance["config"]
    if provenance["config_hash"] != config_hash(values):
        differ = [k for k in {**old, **values} if old.get(k, KeyError) != values.get(k, KeyError)]
        raise BadResult("stale", f"its config differs in {', '.join(differ) or 'its hash'}")
    if not {"pieces", "constants", "modules", "probe"} <= set(provenance):
        raise BadResult("stale", "an older version stored it, which did not say what it rests on")
    if changed := _changed(provenance["pieces"], pieces_identity(experiment.pieces(config))):
        raise BadResult("stale", f"its pieces differ: {changed}")
    sets = experiment.data_sets(config)
    if changed := _changed(dict.fromkeys(provenance["data_fingerprints"]), dict.fromkeys(sets)):
        raise BadResult("stale", f"its data sets differ: {changed}")
    # A constant that is new says nothing of what the others were; the modules tell that.
    now, before = constants(module_of(name)), provenance["constants"]
    if changed := _changed(before, {key: now[key] for key in before if key in now}):
        raise BadResult("stale", f"its constants differ: {changed}")
    if provenance["rules"] != rules_hash(name):
        was = f"it was measured under rules {provenance['rules']}"
        raise BadResult("stale", f"{was}, and is judged by {rules_hash(name)} now")
    if parts := differing(provenance["probe"], probe_now()):
        raise BadResult("stale", f"the code at hand gives other numbers: {_some(parts)}")


def other_code(name: str, provenance: Mapping[str, Any]) -> str:
    """The modules behind the numbers that are not those the result was made with, or ""."""
    return _changed(provenance["modules"], modules(module_of(name)))


def _changed(old: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The names under which two mappings differ, a few of them."""
    words = []
    for name in dict.fromkeys([*now, *old]):
        if name not in old or name not in now:
            words.append(f"{name} is {'new' if name in now else 'gone'}")
        elif old[name] != now[name]:
            words.append(name)
    return _some(words)


def _some(names: Sequence[str], most: int = 4) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
