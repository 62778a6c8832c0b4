"""A profile's config, changed as the caller asks, checked, and as JSON."""

from __future__ import annotations

import ast
import dataclasses
import math
import types
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any, Union, get_args, get_origin, get_type_hints

from fa_lib._checks import choice, positive_int, seed_list
from fa_lib.experiments._registry import Experiment
from fa_lib.results import config_hash


def configure(
    experiment: Experiment,
    name: str,
    profile: str,
    seeds: int | Iterable[int] | None,
    overrides: Mapping[str, Any],
) -> Any:
    """The profile's Config with other seeds and settings.

    Raises ValueError for an unknown profile, setting or seed, TypeError for a value of another type
    than the setting's, and whatever the Config raises about ranges.
    """
    config = experiment.PROFILES[choice(profile, experiment.PROFILES, f"profile of {name}")]
    hints = get_type_hints(type(config))
    changes = {}
    for key, value in overrides.items():
        choice(key, hints.keys() - {"seeds"}, f"setting of {name}")
        changes[key] = _fit(value, hints[key], key)
    if seeds is not None:
        if not isinstance(seeds, Iterable):
            seeds = range(positive_int(seeds, "seeds"))
        changes["seeds"] = seed_list(seeds)
    return dataclasses.replace(config, **changes)


def settings(config: Any) -> dict[str, Any]:
    """The config as a dict of JSON values; equal configs give equal dicts."""
    hints = get_type_hints(type(config))
    return {k: _plain(_fit(getattr(config, k), hint, k)) for k, hint in hints.items()}


def from_settings(experiment: Experiment, values: Mapping[str, Any]) -> Any:
    """The Config a stored dict describes; raises TypeError or ValueError when it no longer fits."""
    hints = get_type_hints(experiment.Config)
    if set(values) != set(hints):
        raise ValueError("the experiment's settings have other names now")
    return experiment.Config(**{k: _fit(v, hints[k], k) for k, v in values.items()})


def result_name(experiment: Experiment, profile: str, values: Mapping[str, Any]) -> str:
    """The profile's name, with the config's hash where it is not the profile's own."""
    changed = config_hash(values)
    own = config_hash(settings(experiment.PROFILES[profile]))
    return profile if changed == own else f"{profile}-{changed}"


def _plain(value: Any) -> Any:
    return [_plain(part) for part in value] if isinstance(value, tuple) else value


def _fit(value: Any, hint: Any, what: str) -> Any:
    """`value` as the type `hint` says, or TypeError."""
    wrong = TypeError(f"{what} must be {_words(hint)}, got {value!r}.")
    if get_origin(hint) in (Union, types.UnionType):
        for option in get_args(hint):
            try:
                return _fit(value, option, what)
            except TypeError:
                continue
        raise wrong
    if get_origin(hint) is tuple:
        if not isinstance(value, (tuple, list, range)):
            raise wrong
        parts = get_args(hint)
        if parts[-1] is Ellipsis:
            parts = (parts[0],) * len(value)
        if len(parts) != len(value):
            raise wrong
        try:
            return tuple(_fit(v, part, what) for v, part in zip(value, parts, strict=True))
        except TypeError:
            raise wrong from None
    if hint is float and isinstance(value, Real) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise ValueError(f"{what} must be finite, got {value!r}.")
        return float(value)
    if hint is int and isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    if hint in (str, bool, types.NoneType) and type(value) is hint:
        return value
    raise wrong


def _words(hint: Any) -> str:
    """A type in words, as in "a list of (text, a number)"."""
    parts = get_args(hint)
    if get_origin(hint) is tuple:
        if parts[-1] is Ellipsis:
            return f"a list, each entry {_words(parts[0])}"
        return f"a list of ({', '.join(_words(part) for part in parts)})"
    if parts:
        return " or ".join(_words(part) for part in parts)
    words = {str: "text", int: "a whole number", float: "a number", bool: "True or False"}
    return words.get(hint, "None")


# -- Settings on the command line ------------------------------------------------------------------


def parse_value(text: str) -> Any:
    """A Python literal (3, 1e-3, [1, 2], None), else the text itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def arguments(values: Mapping[str, Any], own: Mapping[str, Any]) -> list[str]:
    """The options of `fa-lib run` that turn a profile's `own` settings into `values`."""
    options = []
    if values["seeds"] != own["seeds"]:
        seeds = values["seeds"]
        counted = seeds == list(range(len(seeds)))
        options += ["--seeds", str(len(seeds)) if counted else ",".join(map(str, seeds)) + ","]
    for key, value in values.items():
        if key != "seeds" and value != own[key]:
            bare = isinstance(value, str) and parse_value(value) == value
            options += ["--set", f"{key}={value if bare else repr(value)}"]
    return options
