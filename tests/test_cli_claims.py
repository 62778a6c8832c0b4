"""`fa-lib claims`: the verdicts follow the stored results."""

import json
import sys
from pathlib import Path
from types import ModuleType

import pandas as pd
import planted_results
import pytest
from learning_tables import data as learning_data
from test_claims import grid, training

from fa_lib import cli, results
from fa_lib.experiments import fig1, learning
from fa_lib.protocol import CLAIMS


def store(table: pd.DataFrame, experiment: ModuleType = fig1) -> None:
    name = experiment.__name__.rpartition(".")[2]
    planted_results.store(table, name, experiment, experiment.PROFILES["paper"])


def fa_lib(*words: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["fa-lib", *words])
    with pytest.raises(SystemExit) as left:
        cli.main()
    return int(left.value.code or 0)


@pytest.mark.usefixtures("results_root")
def test_a_changed_result_changes_the_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = grid([15.0] * 10)
    store(pd.concat([training(), cells]))
    assert fa_lib("claims", monkeypatch=monkeypatch) == 0
    before = capsys.readouterr().out
    assert "C1 holds" in before
    assert "C2 holds" in before
    assert "C3 holds" in before
    store(pd.concat([training(angle=88.0), cells]))
    assert fa_lib("claims", "--claim", "C2", monkeypatch=monkeypatch) == 0
    after = capsys.readouterr().out
    assert after.startswith("C2 does not hold")
    assert "C1" not in after


@pytest.mark.usefixtures("results_root")
def test_json_has_the_numbers_and_the_rule(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store(pd.concat([training(), grid([15.0] * 10)]))
    assert fa_lib("claims", "--json", "--claim", "C2", monkeypatch=monkeypatch) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["effect"] == pytest.approx(20.0)
    assert row["rule"]["smallest_effect"] == 10.0


def test_what_is_not_measured_is_named(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    results_root: Path,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(results, "_shipped_root", lambda: tmp_path / "nothing shipped")
    assert fa_lib("claims", monkeypatch=monkeypatch) == 0
    error = capsys.readouterr().err
    assert "fa-lib run fig1 --profile paper" in error
    assert "fa-lib run learning --profile paper" in error


@pytest.mark.usefixtures("results_root")
def test_a_claim_of_the_learning_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store(learning_data(), learning)
    assert fa_lib("claims", "--claim", "C5", monkeypatch=monkeypatch) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("C5 holds (specific to noise: yes): ")
    assert second.startswith(
        "  F, n = 5,000: PASS, 6 [6, 6] points, 10 seeds; FA 75, FAN 81, BP 87"
    )
    assert fa_lib("claims", "--claim", "C5", "--json", monkeypatch=monkeypatch) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["effect"] == pytest.approx(6.0)
    assert (row["verdict"], row["specific to noise"]) == ("holds", "yes")


@pytest.mark.usefixtures("results_root")
def test_what_is_measured_is_shown_beside_what_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(results, "_shipped_root", lambda: tmp_path / "nothing shipped")
    store(learning_data(), learning)
    assert fa_lib("claims", monkeypatch=monkeypatch) == 0
    shown = capsys.readouterr()
    assert [line[:3] for line in shown.out.splitlines() if not line.startswith(" ")] == [
        "C4 ", "C5 ", "C6 ", "C7 ", "C8 ", "C9 ", "C10", "C11", "C12",
    ]  # fmt: skip
    others = dict.fromkeys(claim.experiment for claim in CLAIMS.values())
    assert shown.err.splitlines() == [
        f"{name} is not measured yet: fa-lib run {name} --profile paper"
        for name in others
        if name != "learning"
    ]


@pytest.mark.usefixtures("results_root")
def test_an_unknown_claim_gets_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fa_lib("claims", "--claim", "C33", monkeypatch=monkeypatch) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: Unknown claim 'C33'. Did you mean 'C3'? Allowed: C1, C2, ")
    assert error.count("\n") == 1
