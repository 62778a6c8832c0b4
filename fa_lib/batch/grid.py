"""What a batch consists of: notebooks, each with values for its parameters."""

from __future__ import annotations

import ast
import glob
import hashlib
import itertools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fa_lib._checks import choice
from fa_lib.batch.types import as_type
from fa_lib.results import config_hash

Grid = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Notebook:
    """A notebook as it was when the batch was planned.

    text: the file's content, which is what runs, wherever and whenever a job starts.
    fingerprint: 12 hex digits over the cells' sources; outputs and metadata do not count.
    declared: name -> type, from the cell tagged "parameters".
    """

    path: Path
    text: str
    fingerprint: str
    declared: Mapping[str, ast.expr]


@dataclass(frozen=True)
class Job:
    """One run of one notebook. `name` is the folder it leaves, unique in a batch."""

    name: str
    notebook: str
    text: str
    fingerprint: str
    parameters: Mapping[str, Any]


def plan(targets: Iterable[str | Path], grid: Grid) -> list[Job]:
    """The jobs of a batch, each once.

    Args:
        targets: notebooks, patterns such as "book/fig3_*.ipynb", and YAML files (see `_read_yaml`).
        grid: for every notebook; each combination of its values is a job.

    Raises:
        FileNotFoundError: no such notebook or YAML file.
        ValueError: a parameter that a notebook does not declare, or something that is no notebook.
        TypeError: a value that is not of its parameter's type.
    """
    jobs: dict[str, Job] = {}
    stems: dict[str, Path] = {}
    for target in targets:
        for pattern, combination, own_grid in _entries(Path(target)):
            merged = _merge(own_grid, grid, str(target))
            for path in _matching(pattern):
                notebook = read_notebook(path)
                if stems.setdefault(path.stem, path).resolve() != path.resolve():
                    raise ValueError(
                        f"Two notebooks are called {path.stem}: {stems[path.stem]} and {path}. "
                        "Run them as two batches, into two folders."
                    )
                for values in _combinations(notebook, _merge(combination, merged, path.name)):
                    job = _job(notebook, values)
                    jobs[job.name] = job
    return list(jobs.values())


def read_notebook(path: Path) -> Notebook:
    """Read a notebook and what it declares; raises FileNotFoundError or ValueError."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise FileNotFoundError(f"Cannot read the notebook {path}: {error.strerror}.") from error
    try:
        cells = [
            (cell["cell_type"], "".join(cell["source"]), cell["metadata"].get("tags", []))
            for cell in json.loads(text)["cells"]
        ]
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} is not a Jupyter notebook (version 4).") from error
    fingerprint = hashlib.sha256(json.dumps(cells).encode()).hexdigest()[:12]
    sources = [source for kind, source, tags in cells if kind == "code" and "parameters" in tags]
    try:
        declared = _declared(sources[0]) if sources else {}
    except SyntaxError as error:
        raise ValueError(f"The parameters cell of {path} is not plain Python.") from error
    return Notebook(path, text, fingerprint, declared)


def _declared(source: str) -> dict[str, ast.expr]:
    """The names a parameters cell assigns, with their annotations, else their defaults' types."""
    types: dict[str, ast.expr] = {}
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            types[statement.target.id] = statement.annotation
        elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            default = statement.value
            known = isinstance(default, ast.Constant) and default.value is not None
            kind = type(default.value).__name__ if known else "Any"  # type: ignore[attr-defined]
            types[statement.targets[0].id] = ast.Name(kind)
    return types


# -- Combinations ----------------------------------------------------------------------------------


def _matching(pattern: str) -> list[Path]:
    if not glob.has_magic(pattern) or Path(pattern).exists():
        return [Path(pattern)]
    found = sorted(Path(match) for match in glob.glob(pattern))
    if not found:
        raise FileNotFoundError(f"No notebook matches {pattern}.")
    return found


def _merge(one: Grid, other: Grid, where: str) -> dict[str, Sequence[Any]]:
    if twice := sorted(set(one) & set(other)):
        raise ValueError(f"{where}: {', '.join(twice)} is given twice.")
    return {**one, **other}


def _combinations(notebook: Notebook, grid: Grid) -> list[dict[str, Any]]:
    typed = {}
    for name, values in grid.items():
        choice(name, notebook.declared, f"parameter of {notebook.path.name}")
        kind = notebook.declared[name]
        if not values:
            raise ValueError(f"{name} has no values: give at least one.")
        typed[name] = [as_type(value, kind, name) for value in values]
    return [dict(zip(typed, point, strict=True)) for point in itertools.product(*typed.values())]


def _job(notebook: Notebook, parameters: dict[str, Any]) -> Job:
    """A job; its name reads well and, by the hash at its end, is that of no other."""
    stem = notebook.path.stem
    words = "-".join([stem, *(f"{name}={value}" for name, value in parameters.items())])
    readable = re.sub(r"[^\w.=+-]", "_", words, flags=re.ASCII)[:100]
    name = f"{readable}-{config_hash({'notebook': stem, 'parameters': parameters})}"
    return Job(name, str(notebook.path), notebook.text, notebook.fingerprint, parameters)


# -- Where values come from ------------------------------------------------------------------------


def parse_options(texts: Iterable[str]) -> dict[str, list[str]]:
    """Each NAME=a,b,c as a name and its values, still texts; raises ValueError."""
    options: dict[str, list[str]] = {}
    for text in texts:
        name, values = _parse_option(text)
        if name in options:
            raise ValueError(f"{name} is given twice: give its values together, as {name}=a,b.")
        options[name] = values
    return options


def _parse_option(text: str) -> tuple[str, list[str]]:
    """A name and texts; commas inside brackets do not separate."""
    name, equals, values = text.partition("=")
    if not equals or not name.isidentifier():
        raise ValueError(f"Give parameters as NAME=a,b,c, got {text!r}.")
    parts, depth = [""], 0
    for character in values:
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return name, [part.strip() for part in parts]


def _entries(target: Path) -> list[tuple[str, Grid, Grid]]:
    """Pattern, explicit combination and grid of everything that a target stands for."""
    if target.suffix not in (".yml", ".yaml"):
        return [(str(target), {}, {})]
    return _read_yaml(target)


def _read_yaml(path: Path) -> list[tuple[str, Grid, Grid]]:
    """Read a batch's description.

    `notebooks` lists entries with `notebook` (a path or pattern, from the file's own folder),
    `grid` (name: value or list of values) and `combinations` (a list of name: value). A `grid`
    beside `notebooks` is for all of them. Every combination is run at every point of the grids.
    """
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileNotFoundError(f"Cannot read {path}: {error.strerror}.") from error
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not YAML: {error}") from error
    top = _mapping(content, ("notebooks", "grid"), str(path))
    entries: list[tuple[str, Grid, Grid]] = []
    for raw in top.get("notebooks") or []:
        raw = {"notebook": raw} if isinstance(raw, str) else raw
        entry = _mapping(raw, ("notebook", "grid", "combinations"), f"{path}: notebooks")
        if not isinstance(entry.get("notebook"), str):
            raise ValueError(f"{path}: an entry of notebooks does not say which notebook.")
        grid = _merge(_lists(top.get("grid"), path), _lists(entry.get("grid"), path), str(path))
        for combination in entry.get("combinations") or [{}]:
            given = {
                n: [v] for n, v in _mapping(combination, None, f"{path}: combinations").items()
            }
            entries.append((str(path.parent / entry["notebook"]), given, grid))
    if not entries:
        raise ValueError(f"{path} lists no notebooks.")
    return entries


def _mapping(value: Any, allowed: Sequence[str] | None, where: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ValueError(f"{where}: wanted a list of NAME: VALUE, got {value!r}.")
    for key in value if allowed else ():
        choice(key, allowed or (), f"entry in {where}")
    return value


def _lists(grid: Any, path: Path) -> dict[str, list[Any]]:
    values = _mapping(grid or {}, None, f"{path}: grid")
    return {name: value if isinstance(value, list) else [value] for name, value in values.items()}
