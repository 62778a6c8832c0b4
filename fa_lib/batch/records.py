"""What a job leaves in its folder, and whether that still holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fa_lib._pairs import sha256
from fa_lib.batch.grid import Job

RECORD = "record.json"
NOTEBOOK = "notebook.ipynb"
THUMBNAIL = "thumbnail"  # .svg or .png


@dataclass(frozen=True)
class State:
    """How a job stands: `kind` is "done", "failed", "stale" or "new"; `reason` says why."""

    kind: str
    reason: str = ""
    record: Mapping[str, Any] = field(default_factory=dict)


def write_record(folder: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Write a job's record: facts, checksums of the files beside it, and its own."""
    files = {
        path.relative_to(folder).as_posix(): sha256(path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    record = {**facts, "files": files}
    text = json.dumps({**record, "sha256": _checksum(record)}, indent=1)
    (folder / RECORD).write_text(text + "\n", encoding="utf-8")
    return record


def read_record(folder: Path) -> dict[str, Any] | None:
    """The record in a job's folder; None when there is none or it is not whole."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return record if record.pop("sha256") == _checksum(record) else None
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        return None


def _checksum(record: Mapping[str, Any]) -> str:
    return sha256(json.dumps(record, sort_keys=True).encode())


def state(job: Job, out: Path, code: str) -> State:
    """How the job stands in `out`, for the package with the fingerprint `code`."""
    folder = out / job.name
    record = read_record(folder)
    if record is None:
        return State("stale", "its record is not whole") if folder.exists() else State("new")
    if record["exit"] != "ok":
        return State("failed", record["error"], record)
    if record["fingerprint"] != job.fingerprint:
        return State("stale", "the notebook has changed", record)
    if record["code"] != code:
        return State("stale", "fa_lib has changed", record)
    for name, checksum in record["files"].items():
        path = folder / name
        if not path.is_file() or sha256(path.read_bytes()) != checksum:
            return State("stale", f"{name} is missing or was changed", record)
    return State("done", "", record)
