"""The code that an experiment's numbers rest on: the modules it imports, and their constants.

Read from the sources, without importing anything. Comments, docstrings and blank lines do not
count, and neither do the modules that only check, keep or show.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import io
import tokenize
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]

# What every experiment's numbers pass through, whether it imports it or not.
_ALWAYS = "experiments/_runner"
# Imported on the way, but no number rests on these: they check, keep and show.
_AROUND = {
    "_probe",
    "_progress",
    "experiments/__init__",
    "experiments/_check",
    "experiments/_identity",
    "experiments/_sources",
    "protocol",
    "results",
}
# Constants that the config holds already, that a reader sees alone, or that name experiments.
_KNOWN = {"FIGURES", "PROFILES", "REGISTRY", "TITLE"}


@dataclass(frozen=True)
class _Source:
    """What counts of a module: a hash of its code, what it imports, its constants' code."""

    hash: str
    imports: tuple[str, ...]
    constants: tuple[tuple[str, str], ...]


def modules(experiment: str, package: Path = PACKAGE) -> dict[str, str]:
    """A hash of each module that the experiment's numbers rest on, by its path in the package.

    Arguments:
        experiment: a module of the package such as "experiments/fig1"; one that is not in the
            package goes by its dotted name, and its own imports are not followed.
    """
    return {name: source.hash for name, source in _sources(experiment, package).items()}


def constants(experiment: str, package: Path = PACKAGE) -> dict[str, str]:
    """The upper-case names that the experiment's own modules set, such as "fig1.RECORDS".

    Those of its modules in `experiments/`, that is. The values are their code, on one line.
    """
    return {
        f"{name.rpartition('/')[2]}.{constant}": code
        for name, source in _sources(experiment, package).items()
        if name == experiment or name.startswith("experiments/")
        for constant, code in source.constants
    }


def _sources(experiment: str, package: Path) -> dict[str, _Source]:
    """The experiment's module, the runner, and all that they import from the package."""
    found: dict[str, _Source] = {}
    if not (package / f"{experiment}.py").is_file():
        spec = importlib.util.find_spec(experiment)
        if spec is None or spec.origin is None:
            raise ValueError(f"The experiment's module {experiment!r} has no source file.")
        found[experiment] = _parsed(Path(spec.origin).read_text(encoding="utf-8"))
    waiting = [experiment, _ALWAYS]
    while waiting:
        name = waiting.pop()
        if (package / name / "__init__.py").is_file():
            name = f"{name}/__init__"
        path = package / f"{name}.py"
        if name not in found and name not in _AROUND and path.is_file():
            found[name] = _parsed(path.read_text(encoding="utf-8"))
            waiting += found[name].imports
    return dict(sorted(found.items()))


@functools.lru_cache(maxsize=256)
def _parsed(text: str) -> _Source:
    code = _without_comments(text)
    tree = ast.parse(code)
    imports = tuple(name for node in ast.walk(tree) for name in _imported(node))
    constants = []
    for node in tree.body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            value = " ".join((ast.get_source_segment(code, node.value) or "").split())
            # Several may be set at once: A, B = 1, 2.
            names = [
                part.id
                for target in targets
                for part in ast.walk(target)
                if isinstance(part, ast.Name)
            ]
            constants += [(name, value) for name in names if name.isupper() and name not in _KNOWN]
    return _Source(hashlib.sha256(code.encode()).hexdigest()[:8], imports, tuple(constants))


def _imported(node: ast.AST) -> list[str]:
    """Paths in the package of what an import may mean: a module, or a name in a module."""
    if isinstance(node, ast.ImportFrom) and node.module:
        names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    elif isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    else:
        return []
    inside = [name.removeprefix("fa_lib.") for name in names if name.startswith("fa_lib.")]
    return [name.replace(".", "/") for name in inside]


def _without_comments(text: str) -> str:
    """The text without comments, docstrings, blank lines and spaces at line ends.

    Not from the syntax tree, whose text differs between versions of Python.
    """
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and node.body:
            first = node.body[0]
            if ast.get_docstring(node, clean=False) is not None:
                rows = slice(first.lineno - 1, first.end_lineno)
                lines[rows] = [""] * len(lines[rows])
                if len(node.body) == 1:
                    lines[rows.start] = " " * first.col_offset + "..."
    return "\n".join(line.rstrip() for line in lines if line.strip()) + "\n"
