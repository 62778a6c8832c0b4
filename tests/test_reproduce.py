"""`fa-lib reproduce`: what is left to do, doing it, and what stands in the way."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_experiment import computed, register

from fa_lib import cli, results
from fa_lib.experiments import _identity, run, table1
from fa_lib.experiments._registry import REGISTRY
from fa_lib.reproduce import Outstanding, outstanding

Call = Callable[..., tuple[int, str, str]]


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
    assert outstanding("quick") == [Outstanding("tiny", {}, 3, 0, 180.0, ())]
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
    assert outstanding("quick") == [Outstanding("tiny", {}, 3, 2, 90.0, ())]
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


def test_table_1_is_run_on_every_data_set_that_can_be_had(
    results_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "_shipped_root", lambda: tmp_path / "nothing shipped")
    monkeypatch.setenv("FA_DATA_ROOT", str(tmp_path))
    table = [task for task in outstanding("paper") if task.name == "table1"]
    titles = [task.title for task in table]
    official = ["fashion_mnist", "cifar10", "cifar100", "stl10"]
    assert titles == ["table1", *(f"table1 {name}" for name in official)]
    assert [task.to_fetch for task in table] == [("mnist",), *((name,) for name in official)]
    assert not [task for task in outstanding("quick") if task.overrides]


@pytest.mark.filterwarnings("default::fa_lib.results.StoreWarning")  # of Table 1's true result
def test_a_further_data_set_is_run_with_its_own_settings(
    results_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What cannot be had does not stop the others; what is stored joins Table 1's result."""
    for name in list(REGISTRY):
        if name != "table1":
            monkeypatch.delitem(REGISTRY, name)
    small = replace(table1.PROFILES["smoke"], datasets=("digits",))
    monkeypatch.setitem(table1.PROFILES, "paper", small)
    monkeypatch.setattr(table1, "TABLE", {**table1.STAND_INS, "mine": 100})
    monkeypatch.setenv("FA_DATA_ROOT", str(tmp_path))
    (tmp_path / "mine.npz").write_bytes(b"no arrays")
    monkeypatch.setattr(sys, "argv", ["fa-lib", "reproduce", "--device", "cpu"])
    with pytest.raises(SystemExit) as left:
        cli.main()
    output, errors = capsys.readouterr()
    assert left.value.code == 1
    assert "Not done: table1 mine." in errors
    assert "table1 mnist5k: " in output
    first, second = table1.together(run("table1", "paper"))
    assert set(first.table["dataset"]) == {"digits"}
    assert set(second.table["dataset"]) == {"mnist5k"}
    assert [task.title for task in outstanding("paper")] == ["table1 mine"]
