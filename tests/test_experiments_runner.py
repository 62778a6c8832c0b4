"""The runner, on a real experiment of a few milliseconds (tiny_experiment.py)."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tiny_experiment
import torch
from tiny_experiment import computed, expected, register

from fa_lib import results
from fa_lib.data import list_datasets, load_dataset
from fa_lib.experiments import _registry, list_experiments, run
from fa_lib.results import StoreError


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch, results_root: Path, tmp_path: Path) -> None:
    """Register the experiment, and keep everything of this test in its own folders."""
    register(monkeypatch, tmp_path)


# -- Computing and storing -------------------------------------------------------------------------


def test_the_table_is_that_of_all_pieces(results_root: Path) -> None:
    result = run("tiny", "quick", "cpu")
    pd.testing.assert_frame_equal(result.table, expected(tiny_experiment.Config()), rtol=1e-6)
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
        ({"name": "tinny"}, ValueError, "Unknown experiment 'tinny'. Did you mean 'tiny'?"),
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
        (
            {"name": "fig1", "dataset": "digits"},
            ValueError,
            "fig1 sees no data: dataset must be None, got 'digits'.",
        ),
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
    with pytest.raises(ValueError, match="The cost of piece 'free' must be above 0"):
        _registry.Piece("free", 0.0)


def test_every_registered_experiment_defines_what_the_runner_needs() -> None:
    for name in list_experiments():
        experiment = _registry.get_experiment(name)
        assert set(experiment.PROFILES) == {"smoke", "quick", "paper"}
        for config in experiment.PROFILES.values():
            assert config.seeds
            names = [piece.name for piece in experiment.pieces(config)]
            assert len(set(names)) == len(names) > 0
            assert set(experiment.data_sets(config)) <= set(list_datasets())
