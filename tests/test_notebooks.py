"""Every chapter runs from end to end in its smoke profile, far from the checkout.

The bad notebooks at the end show that the tooling notices what it is there to notice.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import papermill
import pytest
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = sorted((ROOT / "book").glob("*.ipynb"))

pytestmark = pytest.mark.notebook


def write_copy(source: Path, target: Path, **parameters: Any) -> None:
    """Write the notebook with other parameters; ValueError for one it does not declare."""
    unknown = set(parameters) - set(papermill.inspect_notebook(str(source)))
    if unknown:
        raise ValueError(f"{source.name} declares no parameter {', '.join(sorted(unknown))}")
    notebook = parameterize_notebook(load_notebook_node(str(source)), parameters)
    nbformat.write(notebook, target)


def run_nbval(notebook: Path) -> subprocess.CompletedProcess[str]:
    """Run nbval on one notebook in a process of its own, with the notebook's folder as its root."""
    pytest_here = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir=."]
    nbval = ["--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=300", notebook.name]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    return subprocess.run(
        [*pytest_here, *nbval],
        cwd=notebook.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_chapter_runs_in_smoke_profile(chapter: Path, tmp_path: Path):
    copy = tmp_path / chapter.name
    write_copy(chapter, copy, PROFILE="smoke")
    run = run_nbval(copy)
    assert run.returncode == 0, run.stdout + run.stderr
    code_cells = sum(c.cell_type == "code" for c in nbformat.read(copy, as_version=4).cells)
    assert f"{code_cells} passed" in run.stdout


def test_changed_parameters_change_what_a_notebook_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FA_RESULTS_ROOT", str(tmp_path / "results"))
    executed = papermill.execute_notebook(
        str(ROOT / "book/sweep_point.ipynb"),
        str(tmp_path / "out.ipynb"),
        parameters={"PROFILE": "smoke", "SEEDS": 3, "NOISE_STEPS": 7},
        cwd=str(tmp_path),
        progress_bar=False,
    )
    (said,) = [
        output.data["text/plain"]
        for cell in executed.cells
        for output in cell.get("outputs", [])
        if output.output_type == "execute_result"
    ]
    assert len(said.splitlines()) == 1 + 3
    table = pd.read_parquet(tmp_path / "results/sweep_point.parquet")  # as `fa-lib batch` has it
    assert table["seed"].to_list() == [0, 1, 2]
    assert set(table["step"]) == {150 - 7}


def bad_notebook(path: Path, *sources: str) -> Path:
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    cells[0].metadata["tags"] = ["parameters"]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    return path


def test_a_failing_cell_fails_nbval(tmp_path: Path):
    run = run_nbval(bad_notebook(tmp_path / "bad.ipynb", "SEEDS: int = 3", "assert SEEDS == 4"))
    assert run.returncode == 1
    assert "1 failed, 1 passed" in run.stdout


def test_an_undeclared_parameter_is_refused(tmp_path: Path):
    bad = bad_notebook(tmp_path / "bad.ipynb", "SEEDS: int = 3")
    with pytest.raises(ValueError, match=r"bad\.ipynb declares no parameter PROFILE"):
        write_copy(bad, tmp_path / "copy.ipynb", PROFILE="smoke")


def test_a_file_beside_the_chapter_is_not_there_for_its_copy(tmp_path: Path):
    """The copies run far from book/, so a path relative to it fails."""
    bad = bad_notebook(tmp_path / "bad.ipynb", "X: int = 0", "open('references.bib').close()")
    assert run_nbval(bad).returncode == 1
