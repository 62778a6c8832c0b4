"""The runner, on a real experiment of a few milliseconds (tiny_experiment.py)."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import make_dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tiny_experiment
import torch

from fa_lib import results
from fa_lib._streams import generator
from fa_lib.data import list_datasets, load_dataset
from fa_lib.experiments import _registry, check, list_experiments, run
from fa_lib.results import Result, StoreError, StoreWarning

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
    monkeypatch.setitem(_registry.REGISTRY, "tiny", "tiny_experiment")
    monkeypatch.setenv("TINY_LOG", str(tmp_path / "log"))
    monkeypatch.setenv("TINY_GATE", str(tmp_path / "gate"))
    monkeypatch.setenv("FA_DATA_ROOT", str(tmp_path / "data"))


def computed(tmp_path: Path) -> list[str]:
    """The pieces computed so far, in order."""
    log = tmp_path / "log"
    return log.read_text().split() if log.exists() else []


def start(**environment: str) -> subprocess.Popen[str]:
    here = str(Path(__file__).parent)
    command = [sys.executable, "-W", "error", "-c", IN_ANOTHER_PROCESS, here]
    return subprocess.Popen(
        command, env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True
    )


def wait_for(condition: object) -> None:
    give_up = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < give_up, "waited for a minute"
        time.sleep(0.02)


def expected(counts: tuple[int, ...], seeds: tuple[int, ...]) -> pd.DataFrame:
    """The experiment's table by way of numpy."""
    draws = {
        (n, seed): torch.randn(n, generator=generator(seed, "tiny")).numpy().astype(float)
        for n in counts
        for seed in seeds
    }
    rows = [("plain", seed, n, numbers.mean()) for (n, seed), numbers in draws.items()]
    return pd.DataFrame(rows, columns=["label", "seed", "count", "value"])


# -- Computing and storing -------------------------------------------------------------------------


def test_the_table_is_that_of_all_pieces(results_root: Path) -> None:
    result = run("tiny", "quick", "cpu")
    pd.testing.assert_frame_equal(result.table, expected((10, 20, 30), (0, 1, 2)), rtol=1e-6)
    assert result.path == results_root / "tiny" / "quick.parquet"
    assert not list((results_root / ".partial").rglob("*.parquet"))


def test_a_stored_result_is_not_computed_again(tmp_path: Path) -> None:
    first = run("tiny", "quick")
    second = run("tiny", "quick")
    pd.testing.assert_frame_equal(first.table, second.table)
    assert first.provenance == second.provenance
    assert computed(tmp_path) == ["count-10", "count-20", "count-30"]
    again = run("tiny", "quick", recompute=True)
    assert len(computed(tmp_path)) == 6
    assert again.provenance["table_sha256"] == first.provenance["table_sha256"]


def test_provenance_says_where_the_numbers_came_from(results_root: Path, tmp_path: Path) -> None:
    result = run("tiny", "quick", "cpu", seeds=[7, 3], scale=2, label="a b")
    said = result.provenance
    assert said["config"] == {
        "seeds": [7, 3],
        "dataset": None,
        "counts": [10, 20, 30],
        "scale": 2.0,
        "label": "a b",
        "centered": False,
        "limits": [0.0, 1.0],
    }
    assert said["name"] == f"quick-{said['config_hash']}" == result.path.stem
    assert said["seeds"] == [7, 3]
    assert said["numerics"] == results.NUMERICS
    assert said["code"].endswith("+" + results.package_fingerprint())
    assert said["torch"] == torch.__version__
    assert said["device"].startswith("cpu: ")
    assert said["seconds"] > 0
    assert pd.Timestamp(said["date"]).utcoffset() == pd.Timedelta(0)
    command = "fa-lib run tiny --profile quick --seeds 7,3, --set scale=2.0 --set 'label=a b'"
    assert said["command"] == command
    text = result.path.with_suffix(".json").read_text()
    for private in (str(tmp_path), str(Path.home()), str(Path(__file__).parents[1])):
        assert private not in text


def test_settings_equal_to_the_profile_s_are_the_profile() -> None:
    for same in ({"scale": 1}, {"counts": [10, 20, 30]}, {"seeds": 3}, {"limits": (0, 1)}):
        assert run("tiny", "quick", **same).path.stem == "quick"
    for other in ({"scale": 1.5}, {"counts": [10, 20]}, {"seeds": 1}, {"dataset": "digits"}):
        assert run("tiny", "quick", **other).path.stem.startswith("quick-")


def test_seeds_are_a_number_or_a_collection() -> None:
    assert run("tiny", "smoke", seeds=1).provenance["seeds"] == [0]
    assert run("tiny", "smoke", seeds=np.array([4, 2])).provenance["seeds"] == [4, 2]
    assert run("tiny", "paper").provenance["seeds"] == list(range(1000, 1020))


def test_the_data_are_fingerprinted() -> None:
    said = run("tiny", "smoke", dataset="digits").provenance
    assert said["data_fingerprints"] == {"digits": load_dataset("digits").fingerprint}


def test_the_bar_is_for_those_who_watch(capfd: pytest.CaptureFixture[str]) -> None:
    run("tiny", "quick")
    assert capfd.readouterr() == ("", "")


# -- Bad input -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"name": "tyni"}, ValueError, "Unknown experiment 'tyni'. Did you mean 'tiny'?"),
        ({"profile": "papers"}, ValueError, "Unknown profile of tiny 'papers'. Did you mean 'pap"),
        ({"scael": 1}, ValueError, "Unknown setting of tiny 'scael'. Did you mean 'scale'?"),
        ({"scale": "2"}, TypeError, "scale must be a number, got '2'."),
        ({"scale": True}, TypeError, "scale must be a number, got True."),
        ({"scale": float("nan")}, ValueError, "scale must be finite, got nan."),
        ({"counts": 10}, TypeError, "counts must be a list, each entry a whole number, got 10."),
        ({"counts": [10, 2.5]}, TypeError, "counts must be a list, each entry a whole number, go"),
        ({"counts": [10, 0]}, ValueError, "counts must be at least 1, got (10, 0)."),
        ({"limits": [1.0]}, TypeError, "limits must be a list of (a number, a number), got [1.0]."),
        ({"label": 3}, TypeError, "label must be text, got 3."),
        ({"centered": 1}, TypeError, "centered must be True or False, got 1."),
        ({"dataset": 5}, TypeError, "dataset must be text or None, got 5."),
        ({"dataset": "digit"}, ValueError, "Did you mean 'digits'?"),
        ({"seeds": 0}, ValueError, "seeds must be at least 1, got 0."),
        ({"seeds": []}, ValueError, "seeds is empty"),
        ({"seeds": [1, 1]}, ValueError, "1 occurs twice"),
        ({"seeds": 2.5}, TypeError, "seeds must be a whole number, got 2.5."),
        ({"device": "gpu"}, ValueError, "Unknown device 'gpu'"),
        ({"device": "cuda:99"}, RuntimeError, "Device 'cuda:99' is not there"),
    ],
)
def test_bad_input_gets_one_line(
    arguments: dict, kind: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(kind) as caught:
        run(**{"name": "tiny", "profile": "quick", **arguments})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert computed(tmp_path) == []


def test_a_folder_that_cannot_be_written_stops_it_before_the_work(
    results_root: Path, tmp_path: Path
) -> None:
    results_root.write_text("not a folder")
    with pytest.raises(StoreError, match=f"Cannot write results in {results_root}"):
        run("tiny", "quick")
    assert computed(tmp_path) == []


@pytest.mark.parametrize(
    "table", [pd.DataFrame({"value": [1.0]}), pd.DataFrame({"seed": []}), {"seed": [1]}]
)
def test_a_piece_must_give_rows_with_seeds(table: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiny_experiment, "run_piece", lambda *_: table)
    with pytest.raises(ValueError, match="'count-10' gave no table with rows and a seed column"):
        run("tiny", "quick")


def test_pieces_must_have_the_same_columns_and_different_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def other_columns(config: object, piece: _registry.Piece, *_: object) -> pd.DataFrame:
        return pd.DataFrame({"seed": [0], piece.name: [1.0]})

    monkeypatch.setattr(tiny_experiment, "run_piece", other_columns)
    with pytest.raises(ValueError, match="differ in their columns"):
        run("tiny", "quick")
    with pytest.raises(ValueError, match="same name"):
        run("tiny", "quick", counts=[10, 10])
    for name in ("", "a/b", "..", ".hidden", "two words"):
        with pytest.raises(ValueError, match="A piece's name must be"):
            _registry.Piece(name, 1.0)
    with pytest.raises(ValueError, match="The cost of piece 'free' must be finite and above 0"):
        _registry.Piece("free", 0.0)


# -- Stopped and resumed, two at a time ------------------------------------------------------------


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
    pd.testing.assert_frame_equal(result.table, expected((10, 20, 30), (0, 1, 2)), rtol=1e-6)


def test_pieces_of_other_numerics_are_computed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_before_the_last_piece(monkeypatch)
    monkeypatch.setattr(results, "NUMERICS", results.NUMERICS + 1)
    with pytest.warns(StoreWarning, match=r"2 finished piece\(s\)"):
        run("tiny", "quick")
    assert computed(tmp_path)[3:] == ["count-10", "count-20", "count-30"]


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


# -- Checking what is stored -----------------------------------------------------------------------


@pytest.fixture
def own_data(tmp_path: Path) -> Iterator[object]:
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
    results_root: Path, tmp_path: Path, own_data: object
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
    results_root: Path, tmp_path: Path, own_data: object
) -> None:
    run("tiny", "smoke", dataset="mine")
    (tmp_path / "data" / "mine.npz").unlink()
    run("tiny", "smoke", dataset="mine")
    assert computed(tmp_path) == ["count-10"]
    assert [state for state, _ in states(results_root, data=True).values()] == ["good"]


def test_every_registered_experiment_defines_what_the_runner_needs() -> None:
    for name in list_experiments():
        experiment = _registry.get_experiment(name)
        assert set(experiment.PROFILES) == {"smoke", "quick", "paper"}
        for config in experiment.PROFILES.values():
            assert config.seeds
            names = [piece.name for piece in experiment.pieces(config)]
            assert len(set(names)) == len(names) > 0
            assert all(name in list_datasets() for name in experiment.data_sets(config))
