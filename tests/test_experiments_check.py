"""Checking what is stored against the experiments and data of now."""

import json
from collections.abc import Callable
from dataclasses import make_dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import tiny_experiment
from tiny_experiment import computed, register

from fa_lib.experiments import check, run
from fa_lib.results import Result, StoreWarning


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch, results_root: Path, tmp_path: Path) -> None:
    """Register the experiment, and keep everything of this test in its own folders."""
    register(monkeypatch, tmp_path)


@pytest.fixture
def own_data(tmp_path: Path) -> Callable[[int], None]:
    """A function that writes `mine.npz` where data sets are looked for."""

    def write(seed: int) -> None:
        rng = np.random.default_rng(seed)
        x, y = rng.random((8, 6), dtype=np.float32), np.arange(8) % 2
        (tmp_path / "data").mkdir(exist_ok=True)
        np.savez(tmp_path / "data" / "mine.npz", x_train=x, y_train=y, x_test=x, y_test=y)

    write(0)
    return write


def states(root: Path, data: bool = False) -> dict[str, tuple[str, str]]:
    found = [status for status in check(data) if root in status.path.parents]
    return {status.path.name: (status.state, status.reason) for status in found}


def stored_twice() -> tuple[Result, Result]:
    return run("tiny", "smoke"), run("tiny", "smoke", scale=2.0)


def test_results_of_the_settings_now_are_good(results_root: Path) -> None:
    stored_twice()
    assert {state for state, _ in states(results_root).values()} == {"good"}
    assert len(states(results_root)) == 2


def test_a_profile_s_result_is_stale_when_the_profile_changes(
    results_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, other = stored_twice()
    changed = replace(tiny_experiment.PROFILES["smoke"], counts=(11,))
    monkeypatch.setitem(tiny_experiment.PROFILES, "smoke", changed)
    assert states(results_root) == {
        "smoke": ("stale", "its config differs in counts"),
        other.path.stem: ("good", ""),
    }
    with pytest.warns(StoreWarning, match="smoke is not used: it is stale: its config differs in"):
        assert set(run("tiny", "smoke").table["count"]) == {11}
    assert states(results_root)["smoke"] == ("good", "")


def test_results_are_stale_when_the_settings_get_other_names(
    results_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored_twice()
    fields = [("seeds", tuple[int, ...], (0,)), ("dataset", str | None, None), ("size", int, 3)]
    config = make_dataclass("Config", fields, frozen=True)
    monkeypatch.setattr(tiny_experiment, "Config", config)
    monkeypatch.setitem(tiny_experiment.PROFILES, "smoke", config())
    assert {state for state, _ in states(results_root).values()} == {"stale"}


def test_damaged_and_foreign_results_are_found(results_root: Path) -> None:
    path = run("tiny", "smoke").path
    content = path.read_bytes(), path.with_suffix(".json").read_bytes()
    for name in ("tiny/quick", "unheard_of/smoke"):
        copy = results_root / name
        copy.parent.mkdir(exist_ok=True)
        copy.with_suffix(".parquet").write_bytes(content[0])
        copy.with_suffix(".json").write_bytes(content[1])
    path.with_suffix(".json").unlink()
    (results_root / "tiny" / "stray.json").write_text(json.dumps({"a": 1}))
    mine = [status for status in check() if results_root in status.path.parents]
    assert {str(s.path.relative_to(results_root)): s.state for s in mine} == {
        "tiny/quick": "foreign",
        "tiny/smoke": "damaged",
        "tiny/stray": "damaged",
        "unheard_of/smoke": "foreign",
    }


def test_results_of_changed_data_are_stale(
    results_root: Path, tmp_path: Path, own_data: Callable[[int], None]
) -> None:
    first = run("tiny", "smoke", dataset="mine")
    assert states(results_root, data=True) == {first.path.stem: ("good", "")}
    own_data(1)
    assert states(results_root) == {first.path.stem: ("good", "")}
    reason = ("stale", "the data have changed: mine")
    assert states(results_root, data=True) == {first.path.stem: reason}
    with pytest.warns(StoreWarning, match="not used: mine has changed"):
        second = run("tiny", "smoke", dataset="mine")
    assert second.provenance["data_fingerprints"] != first.provenance["data_fingerprints"]


def test_a_reader_without_the_data_sees_the_result(
    results_root: Path, tmp_path: Path, own_data: Callable[[int], None]
) -> None:
    run("tiny", "smoke", dataset="mine")
    (tmp_path / "data" / "mine.npz").unlink()
    run("tiny", "smoke", dataset="mine")
    assert computed(tmp_path) == ["count-10"]
    assert [state for state, _ in states(results_root, data=True).values()] == ["good"]
