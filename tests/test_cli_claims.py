"""`fa-lib claims`: the verdicts follow the stored results."""

import json
import sys
from pathlib import Path

import pandas as pd
import pytest
from test_claims import grid, training

from fa_lib import cli, results
from fa_lib.experiments import fig1
from fa_lib.experiments._config import settings
from fa_lib.results import config_hash


def store(table: pd.DataFrame) -> None:
    config = settings(fig1.PROFILES["paper"])
    provenance = {"experiment": "fig1", "name": "paper", "config": config, "data_fingerprints": {}}
    provenance |= {"config_hash": config_hash(config), "numerics": results.NUMERICS}
    results.save(table, provenance)


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
    assert "fa-lib run fig1 --profile paper" in capsys.readouterr().err


@pytest.mark.usefixtures("results_root")
def test_an_unknown_claim_gets_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fa_lib("claims", "--claim", "C33", monkeypatch=monkeypatch) == 1
    error = capsys.readouterr().err
    assert error == "error: Unknown claim 'C33'. Did you mean 'C3'? Allowed: C1, C2, C3.\n"
