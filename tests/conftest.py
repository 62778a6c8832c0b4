"""What all tests share: one thread a process, no writing into the checkout, GPU tests skipped."""

import os

# Before torch is imported, and inherited by notebook kernels: the networks here are too small for
# threads to pay, and two test processes with two threads each would fight over two cores.
os.environ["OMP_NUM_THREADS"] = "1"

from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.axes import Axes

from fa_lib import _engine, plotting


@pytest.fixture(autouse=True, scope="session")
def _keep_out_of_the_checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test adds to results/, not even one that forgot to ask for `results_root`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FA_RESULTS_ROOT", str(tmp_path_factory.mktemp("results")))
        yield


@pytest.fixture
def results_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder where new results go during this test."""
    root = tmp_path / "results"
    monkeypatch.setenv("FA_RESULTS_ROOT", str(root))
    return root


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def small_chunks(two_threads: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads, and room for a single network in a chunk."""
    monkeypatch.setattr(_engine, "CHUNK_BYTES", 1)


@pytest.fixture
def style() -> Iterator[None]:
    """The book's style during this test; figures are closed after it."""
    with mpl.rc_context():
        plotting.use_style()
        yield
    plt.close("all")


@pytest.fixture
def ax() -> Axes:
    return plt.figure().add_subplot()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests marked `gpu` where there is none."""
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))
