"""The result store: a table (Parquet) and its provenance (JSON), both whole or not used at all.

A result lives in `<root>/<experiment>/<name>.parquet` with `<name>.json` beside it. `name` is the
profile, or `<profile>-<confighash>` when seeds or settings differ from the profile's own. Two roots
are read, in this order: the one that is written to (FA_RESULTS_ROOT, else the checkout's results/,
else the user's data folder), and the one that came with the code (the checkout's results/, or the
copy inside the installed package).

A stored result is checked whenever it is read. It is *damaged* when a file is missing, unreadable
or does not match its checksum; *foreign* when it was written for another experiment or name, or by
another program; *stale* when what its numbers rest on has changed, which `fa_lib.experiments` knows
(`_identity`). Each is said, and none is used.

What a benchmark measured is kept here too, under a name in `BENCHMARKS`. It holds times and no
numbers of experiments, so it has nothing to become stale by.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from fa_lib._pairs import (
    BadResult,
    StoreError,
    config_hash,
    ensure_writable,
    read_pair,
    write_pair,
)

__all__ = [
    "BENCHMARKS",
    "BadResult",
    "Result",
    "StoreError",
    "StoreWarning",
    "config_hash",
    "ensure_writable",
    "load",
    "package_fingerprint",
    "roots",
    "save",
    "write_root",
]

BENCHMARKS = ("speed",)  # as experiments are named, but measured by benchmarks/

_PACKAGE = Path(__file__).resolve().parent
_REQUIRED = ("experiment", "name", "config", "config_hash", "data_fingerprints")


class StoreWarning(UserWarning):
    """Something stored was found, and not used."""


@dataclass(frozen=True, eq=False)
class Result:
    """What `run` returns: a tidy table with a seed column, where it came from, and its file.

    `provenance` holds: experiment, name, profile, config, config_hash, code, torch, python, device,
    data_fingerprints, seeds, seconds, date, command, rules (a hash of the rules by which it is
    judged; "" where no statement rests on it), rows and table_sha256. For comparison with the
    code at hand: pieces (a hash of each, by its name), constants (of the experiment's modules),
    modules (a hash of each that the numbers rest on) and probe (the numbers of a trial run).
    """

    table: pd.DataFrame
    provenance: dict[str, Any]
    path: Path


# -- Where results live ----------------------------------------------------------------------------


def _shipped_root() -> Path:
    """The results that came with the code: the checkout's folder, or the wheel's copy of it."""
    checkout = _PACKAGE.parent
    if (checkout / "pyproject.toml").is_file() and (checkout / "results").is_dir():
        return checkout / "results"
    return _PACKAGE / "_results"


def write_root() -> Path:
    """The folder new results go to; never inside the installed package."""
    chosen = os.environ.get("FA_RESULTS_ROOT")
    if chosen:
        return Path(chosen).expanduser().absolute()
    shipped = _shipped_root()
    if shipped.parent != _PACKAGE:
        return shipped
    import platformdirs

    return platformdirs.user_data_path("fa_lib", appauthor=False) / "results"


def roots() -> list[Path]:
    """The folders results are read from, in order, each once."""
    return list(dict.fromkeys([write_root(), _shipped_root()]))


# -- Results ---------------------------------------------------------------------------------------


def save(table: pd.DataFrame, provenance: Mapping[str, Any]) -> Result:
    """Store a table under its provenance's experiment and name, and return it as read back.

    Raises StoreError when it cannot be written.
    """
    folder = write_root() / provenance["experiment"]
    write_pair(folder, provenance["name"], table, provenance)
    return read(folder, provenance["name"])


def read(folder: Path, name: str) -> Result:
    """Read one result of `<root>/<experiment>`; raises BadResult when it must not be used.

    Whether it is of the present code and data is not looked at here: see `fa_lib.experiments`.
    """
    table, provenance = read_pair(folder, name)
    absent = [key for key in _REQUIRED if key not in provenance]
    if absent:
        raise BadResult("foreign", f"{name}.json does not say its {', '.join(absent)}")
    written_for = (provenance["experiment"], provenance["name"])
    if written_for != (folder.name, name):
        raise BadResult("foreign", f"it was written as {'/'.join(map(str, written_for))}")
    if provenance["config_hash"] != config_hash(provenance["config"]):
        raise BadResult("foreign", "its config_hash is not that of its config")
    return Result(table, provenance, folder / f"{name}.parquet")


def load(
    experiment: str, name: str, require: Callable[[Result], object] | None = None
) -> Result | None:
    """The stored result, or None; what is found and not usable is warned about.

    Arguments:
        require: raises BadResult for a result that must not be used. None takes any, as for a
            benchmark.
    """
    for root in roots():
        folder = root / experiment
        try:
            found = read(folder, name)
            if require is not None:
                require(found)
            if os.environ.get("FA_RESULTS_KEEP") and root != write_root():
                save(found.table, found.provenance)  # so that a batch's job holds all it shows
            return found
        except BadResult as bad:
            if bad.state != "missing":
                text = f"The stored result {folder / name} is not used: it is {bad}."
                warnings.warn(text, StoreWarning, stacklevel=2)
    return None


def stored() -> Iterator[tuple[Path, str]]:
    """Folder and name of everything under the roots that is, or poses as, a result."""
    for root in roots():
        for folder in sorted(f for f in root.glob("[!.]*") if f.is_dir()):
            files = [*folder.glob("[!.]*.parquet"), *folder.glob("[!.]*.json")]
            for name in sorted({file.stem for file in files}):
                yield folder, name


# -- Provenance ------------------------------------------------------------------------------------


def package_fingerprint() -> str:
    """Twelve hex digits over the package's sources: names and bytes, the same in every install."""
    digest = hashlib.sha256()
    sources = [f for f in _PACKAGE.rglob("*") if f.suffix in {".py", ".mplstyle"} and f.is_file()]
    for name, file in sorted((f.relative_to(_PACKAGE).as_posix(), f) for f in sources):
        content = file.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:12]


AS_IMPORTED = package_fingerprint()


def require_sources_as_imported() -> None:
    """Raise StoreError when the package was edited since it was imported.

    What is stored would name the new sources, with numbers by the old ones.
    """
    if package_fingerprint() != AS_IMPORTED:
        raise StoreError(
            "fa_lib's sources have changed since this process imported them, so nothing is stored: "
            "start it again (in a notebook, restart the kernel)."
        )


def device_words(device: torch.device) -> str:
    """The processor's model, as in "cuda: NVIDIA T4": no name of a machine."""
    if device.type == "cuda":
        return f"cuda: {torch.cuda.get_device_name(device)}"
    model = platform.processor() or platform.machine()
    if (cpuinfo := Path("/proc/cpuinfo")).is_file():
        named = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), re.MULTILINE)
        model = named[1] if named else model
    return f"{device.type}: {model}"


def circumstances(device: torch.device) -> dict[str, Any]:
    """What a run's numbers may depend on besides its config and data."""
    try:
        version = importlib.metadata.version("fa-lib")
    except importlib.metadata.PackageNotFoundError:  # used from a checkout, not installed
        version = "source"
    return {
        "code": f"{version}+{package_fingerprint()}",
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": device_words(device),
    }


def now() -> str:
    """The date and time in UTC, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
