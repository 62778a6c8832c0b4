"""`fa-lib reproduce`: what is left to do, doing it, and what stands in the way."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_experiment import computed, register

from fa_lib import cli, results
from fa_lib.experiments import run
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
    with monkeypatch.context() as other:
        other.setattr(results, "NUMERICS", results.NUMERICS - 1)
        path = run("tiny", "smoke").path.with_suffix(".json")
    assert [task.name for task in outstanding("smoke")] == ["tiny"]
    status, _, errors = fa_lib("--profile", "smoke")
    assert status == 0
    assert f"stale: its NUMERICS is {results.NUMERICS - 1}" in errors
    assert json.loads(path.read_text())["numerics"] == results.NUMERICS


def test_an_unknown_profile_is_refused(fa_lib: Call) -> None:
    status, _, errors = fa_lib("--profile", "papre")
    assert status == 1
    assert errors.startswith("error: Unknown profile 'papre'. Did you mean 'paper'?")
