"""Chapters executed side by side while the book is built."""

import logging
import sys
import tempfile
from pathlib import Path

import nbformat
import pytest
from jupyter_cache import get_cache

EXTENSIONS = Path(__file__).parents[1] / "book/_ext"
ASKS = "from ipykernel.connect import get_connection_info as about\nabout(unpack=True)['transport']"

pytestmark = pytest.mark.notebook


@pytest.mark.skipif(sys.platform == "win32", reason="no such sockets there")
def test_chapters_cannot_take_each_others_ports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(EXTENSIONS))
    import fa_execute

    cache = get_cache(tmp_path / "cache")
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    for name in ("one", "other"):
        # With a comment, as the cache tells notebooks apart by their code.
        cells = [nbformat.v4.new_code_cell(f"# {name}\n{ASKS}")]
        notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
        nbformat.write(notebook, tmp_path / f"{name}.ipynb")
        cache.add_nb_to_project(str(tmp_path / f"{name}.ipynb"))
    with tempfile.TemporaryDirectory() as sockets:
        monkeypatch.setenv(fa_execute.SOCKETS, sockets)
        executor = fa_execute._Executor(cache, logging.getLogger("test"))
        assert len(executor.run_and_cache(timeout=300).succeeded) == 2
    for record in cache.list_cache_records():
        (cell,) = cache.get_cache_bundle(record.pk).nb.cells
        assert cell.outputs[0].data["text/plain"] == "'ipc'"
