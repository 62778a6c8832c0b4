"""`fa-lib reproduce`: what is left to do, doing it, and what stands in the way."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny_experiment
from tiny_experiment import computed, register

from fa_lib import cli, results
from fa_lib.experiments import _identity, run
from fa_lib.experiments._registry import REGISTRY
from fa_lib.reproduce import Outstanding, outstanding

Call = Callable[..., tuple[int, str, str]]
OWN = 'dataset: str | None = "mine"'


@pytest.fixture
def fa_lib(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    results_root: Path,
    tmp_path: Path,
) -> Call:
    """Call the command, with the tiny experiment as the only one there is."""
    for name in list(REGISTRY):
        monkeypatch.delitem(REGISTRY, name)
    register(monkeypatch, tmp_path)

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["fa-lib", "reproduce", *words])
        with pytest.raises(SystemExit) as left:
            cli.main()
        return (left.value.code or 0, *capsys.readouterr())

    return call


def test_what_is_missing_is_estimated_computed_and_then_done(fa_lib: Call, tmp_path: Path) -> None:
    assert outstanding("quick") == [Outstanding("tiny", 3, 0, 180.0, ())]
    status, output, errors = fa_lib("--profile", "quick", "--dry-run")
    assert (status, errors, computed(tmp_path)) == (0, "", [])
    assert "180 network-steps" in output
    assert "s in all, at " in output
    status, output, errors = fa_lib("--profile", "quick")
    assert (status, errors) == (0, "")
    assert computed(tmp_path) == ["count-10", "count-20", "count-30"]
    status, output, _ = fa_lib("--profile", "quick")
    assert (status, outstanding("quick")) == (0, [])
    assert "Every experiment's quick result is stored" in output
    assert len(computed(tmp_path)) == 3


def test_what_a_stopped_run_finished_is_not_counted(
    fa_lib: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINY_FAIL", "count-30")
    status, _, errors = fa_lib("--profile", "quick")
    assert status == 1
    assert errors == "tiny: diverged at step 3\nNot done: tiny.\n"
    assert outstanding("quick") == [Outstanding("tiny", 3, 2, 90.0, ())]
    monkeypatch.delenv("TINY_FAIL")
    status, output, _ = fa_lib("--profile", "quick")
    assert status == 0
    assert "2 of 3 pieces done" in output
    assert computed(tmp_path)[-1] == "count-30"
    assert len(computed(tmp_path)) == 4  # the one that failed twice, the others once


@pytest.mark.filterwarnings("default::fa_lib.results.StoreWarning")
def test_a_stale_result_is_made_again(fa_lib: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    now = _identity.probe_now()
    other_numbers = {name: [1.1 * value for value in values] for name, values in now.items()}
    with monkeypatch.context() as other:
        other.setattr(_identity, "probe_now", lambda: other_numbers)
        other.setattr(_identity, "modules", lambda module: {"networks": "0"})
        path = run("tiny", "smoke").path.with_suffix(".json")
    assert [task.name for task in outstanding("smoke")] == ["tiny"]
    status, _, errors = fa_lib("--profile", "smoke")
    assert status == 0
    assert "stale: the code at hand gives other numbers" in errors
    assert json.loads(path.read_text())["probe"] == now


def test_an_unknown_profile_is_refused(fa_lib: Call) -> None:
    status, _, errors = fa_lib("--profile", "papre")
    assert status == 1
    assert errors.startswith("error: Unknown profile 'papre'. Did you mean 'paper'?")


def test_data_sets_that_are_not_at_hand_are_named(
    results_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "_shipped_root", lambda: tmp_path / "nothing shipped")
    monkeypatch.setenv("FA_DATA_ROOT", str(tmp_path))
    found = {task.name: task for task in outstanding("paper")}
    assert list(found) == list(REGISTRY)
    assert found["fig1"].to_fetch == ()
    assert found["fig4"].to_fetch == ("mnist",)


def test_what_cannot_be_had_does_not_stop_the_others(
    fa_lib: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(REGISTRY, "other", "other_tiny")
    (tmp_path / "other_tiny.py").write_text(
        Path(tiny_experiment.__file__).read_text().replace("dataset: str | None = None", OWN)
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.npz").write_bytes(b"no arrays")
    status, output, errors = fa_lib("--profile", "quick")
    assert status == 1
    assert "Not done: other." in errors
    assert "tiny: " in output
    assert [task.name for task in outstanding("quick")] == ["other"]
