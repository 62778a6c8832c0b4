"""Runs that are stopped and resumed, and two at a time."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tiny_experiment
from tiny_experiment import computed, expected, register

from fa_lib import results
from fa_lib.experiments import _identity, run
from fa_lib.results import StoreWarning

IN_ANOTHER_PROCESS = """
import sys
sys.path.insert(0, sys.argv[1])
from fa_lib.experiments import _registry, run
_registry.REGISTRY["tiny"] = "tiny_experiment"
run("tiny", "quick")
"""


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch, results_root: Path, tmp_path: Path) -> None:
    """Register the experiment, and keep everything of this test in its own folders."""
    register(monkeypatch, tmp_path)


def start(**environment: str) -> subprocess.Popen[str]:
    here = str(Path(__file__).parent)
    command = [sys.executable, "-W", "error", "-c", IN_ANOTHER_PROCESS, here]
    return subprocess.Popen(
        command, env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True
    )


def wait_for(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < give_up, "waited for a minute"
        time.sleep(0.02)


def test_a_killed_run_resumes_where_it_was(
    results_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = start(TINY_HANG="count-30")
    wait_for(lambda: "count-30" in computed(tmp_path))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (results_root / "tiny").exists()

    resumed = run("tiny", "quick", "cpu")
    assert computed(tmp_path) == ["count-10", "count-20", "count-30", "count-30"]
    monkeypatch.setenv("FA_RESULTS_ROOT", str(tmp_path / "elsewhere"))
    at_once = run("tiny", "quick", "cpu")
    assert resumed.path.read_bytes() == at_once.path.read_bytes()
    assert resumed.path != at_once.path


def test_a_failed_piece_keeps_those_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINY_FAIL", "count-20")
    with pytest.raises(RuntimeError, match="diverged at step 3"):
        run("tiny", "quick")
    monkeypatch.delenv("TINY_FAIL")
    run("tiny", "quick")
    assert computed(tmp_path) == ["count-10", "count-20", "count-20", "count-30"]


def stop_before_the_last_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TINY_FAIL", "count-30")
        with pytest.raises(RuntimeError):
            run("tiny", "quick")


def test_damaged_pieces_are_computed_again(
    results_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_before_the_last_piece(monkeypatch)
    (piece,) = results_root.rglob("count-20.parquet")
    piece.write_bytes(piece.read_bytes()[:-1])
    with pytest.warns(StoreWarning, match=r"1 finished piece\(s\) of an earlier run are computed"):
        result = run("tiny", "quick")
    assert computed(tmp_path)[3:] == ["count-20", "count-30"]
    pd.testing.assert_frame_equal(result.table, expected(tiny_experiment.Config()), rtol=1e-6)


def test_pieces_of_other_numbers_are_computed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As another version of torch may draw others, the package being the same."""
    stop_before_the_last_piece(monkeypatch)
    others = {name: [1.1 * x for x in values] for name, values in _identity.probe_now().items()}
    monkeypatch.setattr(_identity, "probe_now", lambda: others)
    with pytest.warns(StoreWarning, match=r"2 finished piece\(s\)"):
        run("tiny", "quick")
    assert computed(tmp_path)[3:] == ["count-10", "count-20", "count-30"]


def test_pieces_of_other_data_are_computed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()

    def write(seed: int) -> None:
        x = np.random.default_rng(seed).random((8, 6), dtype=np.float32)
        arrays = {
            "x_train": x,
            "x_test": x,
            "y_train": np.arange(8) % 2,
            "y_test": np.arange(8) % 2,
        }
        np.savez(tmp_path / "data" / "mine.npz", **arrays)

    write(0)
    with monkeypatch.context() as patch:
        patch.setenv("TINY_FAIL", "count-30")
        with pytest.raises(RuntimeError, match="diverged"):
            run("tiny", "quick", dataset="mine")
    write(1)
    with pytest.warns(StoreWarning, match=r"2 finished piece\(s\).*from other data"):
        run("tiny", "quick", dataset="mine")
    assert computed(tmp_path)[3:] == ["count-10", "count-20", "count-30"]


def test_an_edit_that_leaves_the_numbers_alone_keeps_the_pieces_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_before_the_last_piece(monkeypatch)
    before = results.package_fingerprint()
    monkeypatch.setattr(results, "AS_IMPORTED", "edited")
    monkeypatch.setattr(results, "package_fingerprint", lambda: "edited")
    code = run("tiny", "quick").provenance["code"]
    assert computed(tmp_path)[3:] == ["count-30"]
    first, second = code.split(" and ")
    assert first.endswith(f"+{before}")
    assert second.endswith("+edited")


def test_recompute_starts_from_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_before_the_last_piece(monkeypatch)
    run("tiny", "quick", recompute=True)
    assert computed(tmp_path)[3:] == ["count-10", "count-20", "count-30"]


def test_of_two_at_a_time_one_waits(tmp_path: Path) -> None:
    first = start(TINY_HANG="count-20")
    wait_for(lambda: "count-20" in computed(tmp_path))
    second = start()
    assert "waiting" in second.stderr.readline()
    (tmp_path / "gate").touch()
    assert (first.wait(60), second.wait(60)) == (0, 0)
    assert first.communicate()[1] == second.communicate()[1] == ""
    assert computed(tmp_path) == ["count-10", "count-20", "count-30"]
