"""The tables that a batch's jobs left, as one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from fa_lib import results
from fa_lib._pairs import sha256, write_pair
from fa_lib.batch.records import read_record


def good_records(out: Path) -> tuple[list[dict[str, Any]], int]:
    """The whole records of jobs that went well, and how many others there are.

    Raises:
        FileNotFoundError: there is no record in `out`.
        ValueError: the jobs were run by different versions of fa_lib or of a notebook.
    """
    found = [read_record(path.parent) for path in sorted(out.glob("[!.]*/record.json"))]
    if not found:
        raise FileNotFoundError(f"No batch has run in {out}: it holds no job's record.")
    good = [record for record in found if record and record["exit"] == "ok"]
    for what, key in (("of fa_lib", "code"), ("of a notebook", "fingerprint")):
        versions: dict[str, set[str]] = {}
        for record in good:
            versions.setdefault("" if key == "code" else record["notebook"], set()).add(record[key])
        if any(len(same) > 1 for same in versions.values()):
            text = f"The jobs in {out} were run with different versions {what}: run the batch again"
            raise ValueError(f"{text}, which redoes the stale ones.")
    return good, len(found) - len(good)


def collect(out: Path) -> pd.DataFrame:
    """The tables of all jobs that went well, one under the other.

    Returns:
        The columns of the tables, behind job, notebook and one for each parameter (JSON where its
        values are lists). A parameter that has the name of a column is called PARAMETER_<name>.

    Raises:
        FileNotFoundError: no batch has run in `out`, or none of its jobs left a table.
        ValueError: the jobs do not belong together (`good_records`), or a table was changed.
    """
    parts = []
    for record in good_records(out)[0]:
        for name in record["tables"]:
            path = out / record["job"] / name
            if not path.is_file() or sha256(path.read_bytes()) != record["files"][name]:
                raise ValueError(f"{path} is missing or was changed: run the batch again.")
            table = pd.read_parquet(path)
            labels = {"job": record["job"], "notebook": Path(record["notebook"]).stem}
            for column, value in [*labels.items(), *_columns(record["parameters"]).items()][::-1]:
                taken = column in table.columns
                table.insert(0, f"PARAMETER_{column}" if taken else column, value)
            parts.append(table)
    if not parts:
        raise FileNotFoundError(f"The jobs in {out} left no tables.")
    return pd.concat(parts, ignore_index=True)


def _columns(parameters: Mapping[str, Any]) -> dict[str, Any]:
    plain = (str, int, float, bool, type(None))
    return {k: v if isinstance(v, plain) else json.dumps(v) for k, v in parameters.items()}


def write(out: Path, target: Path) -> str:
    """Collect into `target` (.parquet) with a .json of facts beside it; says what was done."""
    if target.suffix != ".parquet":
        raise ValueError(f"The collected table is a .parquet file, got {target}.")
    table = collect(out)
    good, others = good_records(out)
    facts = {
        "jobs": len(good),
        "code": good[0]["code"],
        "notebooks": {record["notebook"]: record["fingerprint"] for record in good},
        "seconds": round(sum(record["seconds"] for record in good), 3),
        "date": results.now(),
    }
    write_pair(target.parent, target.stem, table, facts)
    left_out = f"; {others} without a good end left out" if others else ""
    return f"{len(table):,} rows from {len(good)} jobs in {target}{left_out}"
