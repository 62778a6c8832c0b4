"""A table (Parquet) and the facts about it (JSON), written whole and read only when undamaged."""

from __future__ import annotations

import hashlib
import io
import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq


class StoreError(RuntimeError):
    """The store cannot be written; the message names the folder and the way out."""


class BadResult(StoreError):
    """Something stored must not be used. `state`: "missing", "damaged", "foreign" or "stale"."""

    def __init__(self, state: str, reason: str) -> None:
        super().__init__(f"{state}: {reason}")
        self.state = state
        self.reason = reason


def _cannot_write(folder: Path, error: OSError) -> StoreError:
    return StoreError(
        f"Cannot write results in {folder}: {error.strerror or error}. "
        "Make it writable and make room, or set FA_RESULTS_ROOT to another folder."
    )


def ensure_writable(folder: Path) -> None:
    """Make the folder and try it with a megabyte, so that trouble is noticed before the work.

    Raises StoreError, naming the folder, when it is full, read-only or not a folder.
    """
    probe = folder / f".probe-{uuid.uuid4().hex}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            _write_through(probe, bytes(1 << 20))
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        raise _cannot_write(folder, error) from error


def _write_through(path: Path, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: beside it under another name first, then in its place."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        _write_through(temporary, content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def canonical(value: object) -> bytes:
    """JSON of a value, the same bytes for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def sha256(content: bytes) -> str:
    """Hex digest of `content`."""
    return hashlib.sha256(content).hexdigest()


def config_hash(config: Mapping[str, Any]) -> str:
    """Ten hex digits that tell one config (a JSON-able dict) from another."""
    return sha256(canonical(config))[:10]


def write_pair(folder: Path, name: str, table: pd.DataFrame, facts: Mapping[str, Any]) -> None:
    """Write `<name>.parquet`, then `<name>.json`: `facts`, and checksums of the table and itself.

    Each file appears whole or not at all, and the pair counts only when both checksums agree.
    """
    content = io.BytesIO()
    # Without pandas' metadata the bytes depend on the values and the version of Arrow only.
    arrow = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
    pq.write_table(arrow, content, compression="zstd", use_dictionary=True)
    facts = {**facts, "rows": len(table), "table_sha256": sha256(content.getvalue())}
    facts["sha256"] = sha256(canonical(facts))
    text = json.dumps(facts, indent=1, allow_nan=False) + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / f"{name}.parquet", content.getvalue())
        write_whole(folder / f"{name}.json", text.encode())
    except OSError as error:
        raise _cannot_write(folder, error) from error


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def read_pair(folder: Path, name: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read what `write_pair` wrote. Raises BadResult when it is missing, damaged or foreign."""
    contents: dict[str, bytes] = {}
    for suffix in (".parquet", ".json"):
        try:
            contents[suffix] = (folder / f"{name}{suffix}").read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            reason = f"{name}{suffix} cannot be read ({error.strerror})"
            raise BadResult("damaged", reason) from error
    if not contents:
        raise BadResult("missing", f"there is no {name}.parquet and no {name}.json")
    for suffix in (".parquet", ".json"):
        if suffix not in contents:
            raise BadResult("damaged", f"{name}{suffix} is missing")
    try:
        facts = json.loads(contents[".json"], parse_constant=_refuse)
    except ValueError as error:
        raise BadResult("damaged", f"{name}.json is not readable JSON") from error
    if not isinstance(facts, dict) or not {"sha256", "table_sha256"} <= set(facts):
        raise BadResult("foreign", f"{name}.json was not written by fa_lib")
    if facts.pop("sha256") != sha256(canonical(facts)):
        raise BadResult("damaged", f"{name}.json does not match its checksum")
    if sha256(contents[".parquet"]) != facts["table_sha256"]:
        raise BadResult("damaged", f"{name}.parquet does not match its checksum")
    try:
        return pq.read_table(io.BytesIO(contents[".parquet"])).to_pandas(), facts
    except (pa.ArrowException, OSError) as error:
        raise BadResult("damaged", f"{name}.parquet cannot be read ({error})") from error
