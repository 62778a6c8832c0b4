"""Networks in a file, and with them what it takes to go on training.

A file is safetensors: it runs no code when read, and other programs read it too. Tensors go by the
names of `MLP.state_dict`; all else is JSON in its metadata, with a checksum over everything, as the
format itself does not notice a flipped bit.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, overload

import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from fa_lib._pairs import canonical, write_whole
from fa_lib.history import History, TrainingState, network_facts, state_of
from fa_lib.networks import MLP
from fa_lib.rules import RULES, Rule, rule_of
from fa_lib.schema import SERIES

__all__ = ["load", "save"]

# Raised when older code could no longer read what is written.
FORMAT = 1


def save(net: MLP, path: str | os.PathLike[str], *, resume: History | None = None) -> None:
    """Write the networks to a file, whole or not at all: an older one stays until then.

    A view such as net[0:2] saves itself alone. A rule of your own is saved by its name.

    Arguments:
        net: N networks.
        path: of the file, in a folder that is there; "nets.safetensors" for example.
        resume: the History that their last training returned, so that it can go on (see `fit`).
            What it recorded is not saved: `history.to_frame()` is a table for that.

    Raises:
        TypeError: no MLP, no History, or an optimiser of your own that keeps what is no number,
            text or tensor.
        ValueError: a History of other networks, or one that cannot be gone on with.
        OSError: a file that cannot be written: no such folder, a full disk.
    """
    if not isinstance(net, MLP):
        raise TypeError(f"net must be an MLP, got {type(net).__name__}.")
    path = Path(path)
    tensors = {**net.state_dict(), "renewals": net.renewals}
    state = None
    if resume is not None:
        kept = state_of(resume, network_facts(net))
        fields = ("made_by", "step", "updates", "tensors", "parts")
        state = _encode({name: getattr(kept, name) for name in fields}, tensors)
    tensors = {
        name: tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    rule = rule_of(net.rule)
    facts = {
        "format": FORMAT,
        **network_facts(net),
        "own_rule": RULES.get(rule.name) != rule,
        "noise_steps": net.noise_steps,
        "resume": state,
    }
    facts["sha256"] = _checksum(facts, tensors)
    content = to_bytes(tensors, {"fa_lib": json.dumps(facts)})
    try:
        write_whole(path, content)
    except OSError as error:
        raise OSError(error.errno, f"Cannot write {path}: {error.strerror}") from error


@overload
def load(
    path: str | os.PathLike[str],
    *,
    resume: Literal[False] = False,
    rule: Rule | None = None,
    device: str | torch.device = "auto",
) -> MLP: ...
@overload
def load(
    path: str | os.PathLike[str],
    *,
    resume: Literal[True],
    rule: Rule | None = None,
    device: str | torch.device = "auto",
) -> tuple[MLP, History]: ...
def load(
    path: str | os.PathLike[str],
    *,
    resume: bool = False,
    rule: Rule | None = None,
    device: str | torch.device = "auto",
) -> MLP | tuple[MLP, History]:
    """The networks that `save` wrote.

    Arguments:
        path: of the file.
        resume: give the History to go on with too, an empty one but for that: `net, history =
            load(path, resume=True)`, then `fit(net, ..., resume=history)`.
        rule: the networks' rule where it was one of your own.
        device: where they go, as for `MLP`.

    Raises:
        FileNotFoundError, IsADirectoryError: no file there, or a folder.
        ValueError: a file that `save` did not write, that is damaged or written by a newer version;
            a rule that is not known, or nothing to go on with.
    """
    path = Path(path)
    facts, tensors = _read(path)
    if resume and facts["resume"] is None:
        raise ValueError(f"{path} holds nothing to go on with: save it with resume=history.")
    net = MLP(
        facts["sizes"],
        rule=_known_rule(path, facts, rule),
        seeds=facts["seeds"],
        bias=facts["bias"],
        device=device,
        dtype=_dtype(facts["dtype"]),
        compute_dtype=_dtype(facts["compute_dtype"]),
    )
    for kind, own in (("weights", net.weights), ("biases", net.biases), ("feedback", net.feedback)):
        own[:] = [tensors[f"{kind}.{layer}"].to(net.device) for layer in range(len(own))]
    net.renewals = tensors["renewals"]
    net.noise_steps = facts["noise_steps"]
    net = net.with_rule(net.rule)  # which sees whether the feedback fits it
    if not resume:
        return net
    state = TrainingState(**_decode(facts["resume"], tensors))
    return net, History(pd.DataFrame(columns=list(SERIES)), state)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The facts and the tensors of a file, undamaged."""
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, not a file that fa_lib saved.")
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}.")
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            text = (file.metadata() or {}).get("fa_lib")
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{path} is damaged, or no file that fa_lib saved ({reason}).") from error
    if text is None:
        raise ValueError(f"{path} is no file that fa_lib saved, but safetensors of another kind.")
    try:
        facts = json.loads(text)
        version, checksum = int(facts["format"]), facts.pop("sha256")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path} is damaged: its metadata cannot be read.") from error
    if version > FORMAT:
        raise ValueError(
            f"{path} was saved by a newer fa_lib, in format {version}; this one reads up to "
            f"{FORMAT}: update fa_lib."
        )
    if checksum != _checksum(facts, tensors):
        raise ValueError(f"{path} is damaged: it does not match its checksum.")
    return facts, tensors


def _checksum(facts: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over the facts and the tensors' names, types, shapes and bytes."""
    digest = hashlib.sha256(canonical(facts))
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(canonical([name, str(tensor.dtype), list(tensor.shape)]))
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _known_rule(path: Path, facts: Mapping[str, Any], rule: Rule | None) -> str | Rule:
    name = facts["rule"]
    if rule is not None:
        if rule_of(rule).name != name:
            raise ValueError(f"{path} holds networks of rule {name!r}, not {rule_of(rule).name!r}.")
        return rule
    if facts["own_rule"]:
        raise ValueError(
            f"{path} holds networks of a rule of your own, {name!r}: give it as rule=."
        )
    if name not in RULES:
        known = ", ".join(RULES)
        raise ValueError(f"{path} holds networks of rule {name!r}, unknown here. Known: {known}.")
    return name


def _dtype(name: str) -> torch.dtype:
    return getattr(torch, name.removeprefix("torch."))


def _encode(value: Any, tensors: dict[str, Tensor]) -> Any:
    """A value as JSON has it, its tensors put under names beside the others.

    Objects in that JSON say what a dict, tuple or tensor was.
    """
    if isinstance(value, Tensor):
        name = f"resume.{len(tensors)}"
        tensors[name] = value
        return {"tensor": name}
    if isinstance(value, Mapping):
        pairs = [[_encode(key, tensors), _encode(part, tensors)] for key, part in value.items()]
        return {"dict": pairs}
    if isinstance(value, tuple):
        return {"tuple": [_encode(part, tensors) for part in value]}
    if isinstance(value, list):
        return [_encode(part, tensors) for part in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"The optimiser keeps a {type(value).__name__}, which cannot be saved.")


def _decode(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """What `_encode` was given."""
    if isinstance(value, list):
        return [_decode(part, tensors) for part in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "tuple":
        return tuple(_decode(part, tensors) for part in content)
    return {_decode(key, tensors): _decode(part, tensors) for key, part in content}
