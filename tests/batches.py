"""Small notebooks for the tests of batches, and the command in a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import nbformat

# The workers and kernels of these tests start from here, whatever the folder they work in.
ROOT = Path(__file__).resolve().parents[1]

PARAMETERS = """
X: int = 0
LR: float = 1e-3
NAME: str = "plain"
FLAG: bool = False
SIZES: list[int] = [1]
LIMIT: int | None = None
COUNT = 3
"""


def write_notebook(path: Path, *sources: str, parameters: str = PARAMETERS) -> Path:
    """A notebook with a parameters cell and these further cells."""
    cells = [nbformat.v4.new_code_cell(source) for source in (parameters.strip(), *sources)]
    cells[0].metadata["tags"] = ["parameters"]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "", "language": "python"}
    nbformat.write(notebook, path)
    return path


def start(*words: object, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """Start `python -m ...` as the leader of a process group, as a shell would.

    It heeds Ctrl-C even when these tests run in the background, which hands down to ignore it.
    """
    return subprocess.Popen(
        [sys.executable, "-m", *map(str, words)],
        env={**os.environ, **(environment or {})},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def batch(*words: object, environment: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run `fa-lib batch` to its end; returns its exit status and all that it printed."""
    with start("fa_lib.cli", "batch", *words, environment=environment) as process:
        try:
            output, _ = process.communicate(timeout=300)
        finally:
            process.kill()
    return process.returncode, output
