"""The page that shows a batch in a browser: each job's state, parameters, files and figure."""

from __future__ import annotations

import html
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fa_lib.batch.grid import Job
from fa_lib.batch.records import NOTEBOOK, RECORD, THUMBNAIL

INDEX = "index.html"


def write_index(
    out: Path, records: Mapping[str, Mapping[str, Any]], waiting: Iterable[Job]
) -> None:
    """Write the page of the jobs that have ended and of those to go, whole or not at all."""
    todo = [_waiting_row(job) for job in waiting]
    rows = [_row(name, records[name]) for name in sorted(records)] + todo
    failed = sum(record["exit"] != "ok" for record in records.values())
    counts = f"{len(records) - failed} done, {failed} failed, {len(todo)} to go"
    page = _PAGE.format(title=html.escape(out.name), counts=counts, rows="\n".join(rows))
    temporary = out / f".{INDEX}.tmp"
    temporary.write_text(page, encoding="utf-8")
    os.replace(temporary, out / INDEX)


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Batch {title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem; color: #222; background: #fff; }}
table {{ border-collapse: collapse; }}
th, td {{ border-bottom: 1px solid #ccc; padding: .4rem .8rem; }}
th, td {{ text-align: left; vertical-align: top; }}
img {{ width: 160px; }}
.ok {{ color: #146c2e; }} .bad {{ color: #a4001d; }} .error {{ max-width: 30rem; }}
</style>
</head>
<body>
<h1>Batch {title}</h1>
<p>{counts}. This page is written anew while the batch runs: reload it.</p>
<table>
<thead><tr><th>Notebook</th><th>Status</th><th>Parameters</th><th>Time</th><th>Files</th>
<th>First figure</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
</body>
</html>
"""


def _row(name: str, record: Mapping[str, Any]) -> str:
    base = quote(name)
    stem = html.escape(Path(record["notebook"]).stem)
    good = record["exit"] == "ok"
    status = f'<span class="{"ok" if good else "bad"}">{"done" if good else record["exit"]}</span>'
    if record["error"]:
        status += f'<div class="error">{html.escape(record["error"])}</div>'
    files = [(RECORD, "record"), *((table, Path(table).name) for table in record["tables"])]
    links = [f'<a href="{base}/{quote(path)}">{html.escape(text)}</a>' for path, text in files]
    figure = ""
    for thumbnail in {f"{THUMBNAIL}.svg", f"{THUMBNAIL}.png"} & set(record["files"]):
        words = html.escape(f"First figure of {name}", quote=True)
        figure = f'<img loading="lazy" src="{base}/{thumbnail}" alt="{words}">'
    first = f'<a href="{base}/{NOTEBOOK}">{stem}</a>' if NOTEBOOK in record["files"] else stem
    seconds = f"{record['seconds']:.1f} s" if "seconds" in record else ""
    cells = [first, status, _parameters(record["parameters"]), seconds, "<br>".join(links), figure]
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _waiting_row(job: Job) -> str:
    cells = [html.escape(Path(job.notebook).stem), "to go", _parameters(job.parameters), "", "", ""]
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _parameters(values: Mapping[str, Any]) -> str:
    return "<br>".join(html.escape(f"{name} = {value}") for name, value in values.items())
