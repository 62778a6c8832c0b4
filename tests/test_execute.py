"""Before the book's pages are read: its results are checked, its chapters executed side by side."""

import os
import sys
import time
from pathlib import Path
from types import ModuleType

import nbformat
import pytest
from built_book import load_fa_book
from jupyter_cache import get_cache
from jupyter_cache.base import JupyterCacheAbstract

EXTENSIONS = Path(__file__).parents[1] / "book/_ext"
# What a kernel is and has before anything is imported in it.
ASKS = """\
import os, sys
from ipykernel.connect import get_connection_info
about = get_connection_info(unpack=True)
print(about["transport"], os.getcwd(), "torch" in sys.modules, os.getpid(), os.getpgid(0))"""
DRAWS = "import matplotlib.pyplot as plt\nplt.plot([0, 1])\nplt.show()"
STARTS_OTHERS = (
    "import subprocess\nprint(subprocess.run(['sh', '-c', 'exit 3'], check=False).returncode)"
)

pytestmark = pytest.mark.notebook


@pytest.fixture
def fa_execute(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(EXTENSIONS))
    import fa_execute

    return fa_execute


def executed(
    fa_execute: ModuleType, folder: Path, notebooks: dict[str, list[str]]
) -> tuple[JupyterCacheAbstract, dict[str, list[str]]]:
    """The cache, and by name of each notebook in it the first output of every cell as text."""
    cache = get_cache(folder / "cache")
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    for name, sources in notebooks.items():
        # With a comment, as the cache tells notebooks apart by their code.
        cells = [nbformat.v4.new_code_cell(f"# {name}\n{source}") for source in sources]
        notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
        nbformat.write(notebook, folder / f"{name}.ipynb")
        cache.add_nb_to_project(str(folder / f"{name}.ipynb"))
    paths = [str(folder / f"{name}.ipynb") for name in notebooks]
    with fa_execute.forking() as fork:
        fa_execute.fill(cache, paths, timeout=300, kernels=2, fork=fork)
    found = {}
    for record in cache.list_cache_records():
        cells = cache.get_cache_bundle(record.pk).nb.cells
        outputs = [cell.outputs[0] for cell in cells]
        found[Path(record.uri).stem] = [
            out.text.strip() if out.output_type == "stream" else " ".join(out.data)
            for out in outputs
        ]
    return cache, found


def test_chapters_have_kernels_of_their_own_with_the_imports_done(
    fa_execute: ModuleType, tmp_path: Path
) -> None:
    notebooks = {name: [ASKS, DRAWS, STARTS_OTHERS] for name in ("one", "other", "third")}
    cache, found = executed(fa_execute, tmp_path, notebooks)
    assert cache.list_unexecuted() == []  # the builder finds them under the sources' hashes
    pids = set()
    for said, drawn, code in found.values():
        transport, folder, has_torch, pid, group = said.split()
        assert folder == str(tmp_path)
        assert "image" in drawn
        assert code == "3"
        # By TCP, kernels that start at once take each other's ports.
        assert (transport == "ipc") == (sys.platform != "win32")
        assert (has_torch == "True") == (sys.platform == "linux")
        assert pid == group or sys.platform == "win32"
        pids.add(int(pid))
    assert len(pids) == 3
    if sys.platform == "linux":
        assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_chapters_that_fail_are_left_to_the_builder(fa_execute: ModuleType, tmp_path: Path) -> None:
    notebooks = {
        "fails": ["print(1)", "raise ValueError"],
        "dies": ["import os\nos._exit(1)"],
        "good": ["print(2)"],
    }
    cache, found = executed(fa_execute, tmp_path, notebooks)
    assert found == {"good": ["2"]}
    assert {Path(record.uri).stem for record in cache.list_unexecuted()} == {"fails", "dies"}


@pytest.mark.skipif(sys.platform != "linux", reason="kernels are not forked there")
def test_kernels_end_with_what_started_them(fa_execute: ModuleType, tmp_path: Path) -> None:
    with fa_execute.forking() as fork:
        pid = fork(str(tmp_path), ["-f", str(tmp_path / "connection.json")], os.environ)
        assert Path(f"/proc/{pid}").exists()
    for _ in range(300):
        if not Path(f"/proc/{pid}").exists():
            return
        time.sleep(0.1)
    pytest.fail("The kernel goes on.")


def test_a_result_that_cannot_be_used_stops_the_build(results_root: Path) -> None:
    check_results = load_fa_book().check_results
    check_results(None)  # the repository's own are good
    (results_root / "fig1").mkdir(parents=True)
    (results_root / "fig1" / "paper.json").write_text("{", encoding="utf-8")
    with pytest.raises(SystemExit, match=r"fig1/paper is damaged(.|\n)* with fa-lib run"):
        check_results(None)
