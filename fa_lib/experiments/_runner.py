"""`run`: the stored result of an experiment, or its pieces computed, stored and put together."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import sys
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import pandas as pd
import torch

from fa_lib import results
from fa_lib._device import resolve_device
from fa_lib._pairs import BadResult, read_pair, write_pair
from fa_lib._probe import differing
from fa_lib._progress import progress_bar
from fa_lib.experiments._check import changed_data
from fa_lib.experiments._config import arguments, configure, result_name, settings
from fa_lib.experiments._identity import SAME, identity_now, pieces_identity, require_current
from fa_lib.experiments._registry import Experiment, Piece, get_experiment, resolve
from fa_lib.results import Result, StoreWarning, config_hash

try:
    import fcntl
except ImportError:  # not on Windows, where two runs of the same thing are not kept apart
    fcntl = None  # type: ignore[assignment]


def run(
    name: str,
    profile: str = "quick",
    device: str | torch.device = "auto",
    seeds: int | Iterable[int] | None = None,
    recompute: bool = False,
    progress: bool | None = None,
    **overrides: Any,
) -> Result:
    """The result of an experiment: the stored one when its config is the same, else computed.

    Args:
        name: one of `list_experiments()`.
        profile: "smoke", "quick" or "paper".
        device: "auto", "cpu", "cuda" or "cuda:<index>". Not part of the config: a result stored
            from a CPU answers for a GPU too, and its provenance says which it was.
        seeds: None for the profile's own, n for range(n), or the seeds themselves.
        recompute: compute afresh, whatever is stored.
        progress: show a bar; None shows it at a terminal and in a notebook.
        **overrides: other values for the profile's settings, such as `dataset="digits"`.

    Finished pieces are stored as they come: the same call resumes a run that was stopped. Pieces
    that were made by other code, from other data or under other rules are computed again; what is
    left then differs in nothing that the numbers rest on, and the provenance names every version
    and device that had a part in it. While another process computes the same, this one waits for
    it.

    Raises:
        ValueError: an unknown experiment, profile, setting or device, or a value out of range.
        TypeError: a value of the wrong type.
        StoreError: (a RuntimeError) the results cannot be written; before the work starts.
        RuntimeError: a CUDA device that is not there.
    """
    name = resolve(name)
    experiment = get_experiment(name)
    config = configure(experiment, name, profile, seeds, overrides)
    sets = experiment.data_sets(config)
    if config.dataset is not None and config.dataset not in sets:
        raise ValueError(
            f"{name} sees {', '.join(sets) or 'no data'}: dataset must be None, got "
            f"{config.dataset!r}."
        )
    place = resolve_device(device)
    values = settings(config)
    stored_as = result_name(experiment, profile, values)
    if not recompute and (found := _load(name, experiment, stored_as, config)):
        return found
    root = results.write_root()
    results.ensure_writable(root)
    results.require_sources_as_imported()
    circumstances = results.circumstances(place) | identity_now(name, sets)
    folder = partial_folder(name, config)
    with _alone(folder.with_suffix(".lock")) as waited:
        if waited and not recompute and (found := _load(name, experiment, stored_as, config)):
            return found
        if recompute:
            shutil.rmtree(folder, ignore_errors=True)
        table, facts = _compute(experiment, config, place, folder, circumstances, progress)
        own = settings(experiment.PROFILES[profile])
        command = ["fa-lib", "run", name, "--profile", profile, *arguments(values, own)]
        provenance = {
            "experiment": name,
            "name": stored_as,
            "profile": profile,
            "config": values,
            "config_hash": config_hash(values),
            "pieces": pieces_identity(experiment.pieces(config)),
            **circumstances,
            **_over_pieces([piece["circumstances"] for piece in facts]),
            "seeds": values["seeds"],
            "seconds": round(sum(piece["seconds"] for piece in facts), 3),
            "date": results.now(),
            "command": shlex.join(command),
        }
        result = results.save(table, provenance)
        shutil.rmtree(folder, ignore_errors=True)
    return result


def stored_result(name: str, profile: str, **overrides: Any) -> Result | None:
    """A profile's result if it is stored and fit for use; nothing is computed.

    Args:
        name, profile: as in `run`.
        **overrides: as in `run`, the seeds themselves among them.
    """
    name = resolve(name)
    experiment = get_experiment(name)
    seeds = overrides.pop("seeds", None)
    config = configure(experiment, name, profile, seeds, overrides)
    return _load(name, experiment, result_name(experiment, profile, settings(config)), config)


def partial_folder(name: str, config: Any) -> Path:
    """Where the finished pieces of a run of this config are until all are done."""
    return results.write_root() / ".partial" / name / config_hash(settings(config))


def _load(name: str, experiment: Experiment, stored_as: str, config: Any) -> Result | None:
    """The stored result, unless the reader's own arrays it was computed from have changed since."""

    def require(found: Result) -> None:
        require_current(name, experiment, config, found.provenance)

    found = results.load(name, stored_as, require)
    changed = changed_data(found.provenance["data_fingerprints"], own_only=True) if found else []
    if changed:
        text = f"The stored result {name}/{stored_as} is not used: {changed[0]} has changed."
        warnings.warn(text, StoreWarning, stacklevel=3)
        return None
    return found


def _compute(
    experiment: Experiment,
    config: Any,
    device: torch.device,
    folder: Path,
    circumstances: dict[str, Any],
    progress: bool | None,
) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """The table of all pieces, and the facts of each: its circumstances and seconds."""
    pieces = list(experiment.pieces(config))
    if len({piece.name for piece in pieces}) < len(pieces):
        raise ValueError("Two pieces of the experiment have the same name.")
    done = finished(folder, pieces, circumstances)
    identity = pieces_identity(pieces)
    cost = sum(piece.cost for piece in pieces)
    with progress_bar(cost, folder.parent.name, " network-steps", progress) as bar:
        # Not update(): what an earlier run did must not count in this one's rate.
        bar.initial = bar.n = sum(piece.cost for piece in pieces if piece.name in done)

        def advance(steps: float) -> None:
            bar.update(steps)

        for piece in pieces:
            if piece.name in done:
                continue
            bar.set_postfix_str(piece.name)
            before, began = bar.n, time.perf_counter()
            table = experiment.run_piece(config, piece, device, advance)
            seconds = time.perf_counter() - began
            bar.update(max(0.0, before + piece.cost - bar.n))
            facts = {
                "piece": identity[piece.name],
                "circumstances": circumstances,
                "seconds": seconds,
            }
            results.require_sources_as_imported()
            write_pair(folder, piece.name, _checked(table, piece), facts)
            done[piece.name] = read_pair(folder, piece.name)  # as a resumed run would find it
    tables = [done[piece.name][0] for piece in pieces]
    if any(list(table.columns) != list(tables[0].columns) for table in tables):
        raise ValueError("The tables of the experiment's pieces differ in their columns.")
    return pd.concat(tables, ignore_index=True), [done[piece.name][1] for piece in pieces]


def _over_pieces(circumstances: Sequence[dict[str, Any]]) -> dict[str, str]:
    """What may differ between pieces without their numbers differing: every value there was."""
    merged: dict[str, str] = {}
    for key in ("code", "torch", "python", "device"):
        said = [c[key] for c in circumstances]
        # A piece of a gathered result may itself name several.
        values = dict.fromkeys(value for text in said for value in text.split(" and "))
        merged[key] = " and ".join(values)
    return merged


def finished(
    folder: Path, pieces: Sequence[Piece], circumstances: Mapping[str, Any]
) -> dict[str, tuple[pd.DataFrame, dict[str, Any]]]:
    """The stored pieces of a run that was stopped, by name, if they may be part of this one.

    Arguments:
        folder: of `partial_folder`.
        pieces: of the experiment, in order.
        circumstances: those of this run.
    """
    done, unusable = {}, 0
    identity = pieces_identity(pieces)
    for piece in pieces:
        try:
            table, facts = read_pair(folder, piece.name)
        except BadResult as bad:
            unusable += bad.state != "missing"
            continue
        made_by = facts.get("circumstances", {})
        same = all(made_by.get(key) == circumstances[key] for key in SAME)
        same &= facts.get("piece") == identity[piece.name]
        if same and not differing(made_by["probe"], circumstances["probe"]):
            done[piece.name] = table, facts
        else:
            unusable += 1
    if unusable:
        text = (
            f"{unusable} finished piece(s) of an earlier run are computed again: they are damaged, "
            "or were made by other code, from other data or under other rules."
        )
        warnings.warn(text, StoreWarning, stacklevel=4)
    return done


def _checked(table: pd.DataFrame, piece: Piece) -> pd.DataFrame:
    if not isinstance(table, pd.DataFrame) or table.empty or "seed" not in table.columns:
        raise ValueError(f"Piece {piece.name!r} gave no table with rows and a seed column.")
    return table


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[bool]:
    """Hold the lock, waiting while another process does; yields whether that was needed.

    The system drops a lock with the process that held it, so none is ever left behind.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with open(lock, "a+") as file:
        yield fcntl is not None and _hold(file)


def _hold(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("Another process is computing the same; waiting for it.", file=sys.stderr)
        fcntl.flock(file, fcntl.LOCK_EX)
        return True
    except OSError:  # a file system without locks, as some network drives are
        pass
    return False
