"""Every chapter alone, as on Colab: `make test-colab`, which makes the environment that it needs.

That environment holds the versions of colab.txt and not this package, which a chapter's first cell
has to install: from the last commit of this checkout, in the place of the repository's address.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = sorted((ROOT / "book").glob("*.ipynb"))
# "paper" is what a reader sees first: the stored results, which have to come with the package.
# "quick" is what a reader computes there, in up to three minutes: --durations=0 shows the times.
PROFILES = ("smoke", "paper", "quick")

ENVIRONMENT = os.environ.get("FA_COLAB", "")  # a virtual environment's folder
FOLDER = Path(ENVIRONMENT).absolute()
PYTHON = str(FOLDER / "bin/python")
pytestmark = [
    pytest.mark.notebook,
    pytest.mark.skipif(not ENVIRONMENT, reason="only when asked for: make test-colab"),
]


def in_colab(*command: str) -> str:
    """What a command of the environment's Python prints, far from the checkout."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    how: dict[str, Any] = {"cwd": "/", "env": environment, "capture_output": True, "text": True}
    return subprocess.run([PYTHON, *command], check=True, **how).stdout


def installed() -> dict[str, str]:
    """Version of each package in the environment."""
    listed = json.loads(in_colab("-m", "pip", "list", "--format", "json"))
    return {package["name"]: package["version"] for package in listed}


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Name of a kernel of the environment, in which fa_lib is not installed at first."""
    in_colab("-m", "pip", "uninstall", "--yes", "--quiet", "fa-lib")
    folder = tmp_path_factory.mktemp("jupyter")
    spec = folder / "kernels/colab/kernel.json"
    spec.parent.mkdir(parents=True)
    argv = [PYTHON, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec.write_text(json.dumps({"argv": argv, "display_name": "Colab", "language": "python"}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(folder))
        patch.setenv("FA_RESULTS_ROOT", str(folder / "results"))
        patch.delenv("PYTHONPATH", raising=False)
        yield "colab"


def execute(chapter: Path, folder: Path, kernel: str, **parameters: Any) -> nbformat.NotebookNode:
    """Run a chapter that has been taken out of its book, in an empty folder."""
    notebook = nbformat.read(chapter, as_version=4)
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    first.source = re.sub('REPOSITORY = ".*"', f'REPOSITORY = "file://{ROOT}"', first.source)
    alone, done, empty = folder / "alone.ipynb", folder / "done.ipynb", folder / "empty"
    nbformat.write(notebook, alone)
    empty.mkdir()
    papermill.execute_notebook(
        str(alone),
        str(done),
        parameters=parameters,
        kernel_name=kernel,
        cwd=str(empty),
        progress_bar=False,
    )
    assert not list(empty.iterdir())
    return nbformat.read(done, as_version=4)


def test_the_first_cell_installs_the_package_and_replaces_nothing(kernel: str, tmp_path: Path):
    before = installed()
    assert "fa-lib" not in before
    execute(ROOT / "book/sweep_point.ipynb", tmp_path, kernel, PROFILE="smoke")
    after = installed()
    assert "fa-lib" in after
    assert {name: after[name] for name in before} == before
    where = in_colab("-c", "import fa_lib; print(fa_lib.__file__)")
    assert Path(where.strip()).is_relative_to(FOLDER)  # and not in the checkout


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_chapter_runs_alone(chapter: Path, profile: str, kernel: str, tmp_path: Path):
    executed = execute(chapter, tmp_path, kernel, PROFILE=profile)
    said = [
        output.text
        for cell in executed.cells
        if cell.cell_type == "code" and "%pip" not in cell.source
        for output in cell.outputs
        if output.get("name") == "stderr"
    ]
    assert said == []
