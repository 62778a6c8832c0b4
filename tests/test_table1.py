"""Table 1's experiment: what a piece trains, what T chooses, data sets run by themselves."""

import dataclasses
import shlex
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from test_official import CIFAR100, root, write_cifar, write_stl10  # noqa: F401 - a fixture

from fa_lib import MLP, cli, fit, load_dataset, run
from fa_lib.data import stratified_indices
from fa_lib.experiments import _arms, _checkpoints, table1
from fa_lib.experiments._arms import FOLLOWED, MAIN_ARMS, material

CPU = torch.device("cpu")
CONFIG = dataclasses.replace(
    table1.PROFILES["smoke"], seeds=(4, 6), lr=3e-3, readout_scales=(1.0, 0.5, 0.0)
)


def piece(name: str, config: table1.Config = CONFIG) -> pd.DataFrame:
    (found,) = [p for p in table1.pieces(config) if p.name == name]
    return table1.run_piece(config, found, CPU, lambda steps: None)


def test_there_is_a_piece_for_every_data_set_setting_and_arm() -> None:
    paper = table1.PROFILES["paper"]
    config = dataclasses.replace(paper, datasets=("mnist", "fashion_mnist"))
    names = [p.name for p in table1.pieces(config)]
    assert len(names) == len(set(names)) == 2 * 2 * len(MAIN_ARMS)
    assert {"mnist-F-FA", "fashion_mnist-T-Z"} < set(names)
    assert len(table1.pieces(dataclasses.replace(config, datasets=("stl10",)))) == 10


def test_a_piece_is_plain_training_on_all_that_the_last_sixth_leaves() -> None:
    config = dataclasses.replace(CONFIG, n=None, datasets=("digits",), epochs=2)
    table = piece("digits-F-BP", config)
    data = load_dataset("digits")  # 1,500 for training, the last 250 of them set apart
    kept, apart = (data.train.subset(torch.arange(*ends)) for ends in ((1250,), (1250, 1500)))
    for seed in config.seeds:
        net = MLP([784, 16, 10], rule="bp", seeds=[seed], device="cpu")
        own = kept.subset(stratified_indices(kept.y, 1250, seed))
        both = {"test": data.test, "validation": apart}
        history = fit(net, own, epochs=2, lr=3e-3, test=both, progress=False)
        for metric in ("test_accuracy", "test_loss", "validation_accuracy"):
            mine = table[(table["seed"] == seed) & (table["metric"] == metric)]
            at_epochs = mine.set_index("step")["value"].loc[[0, 20, 40]]
            np.testing.assert_allclose(at_epochs, history[metric][seed], rtol=1e-4)
    said = table[["n", "epoch_steps", "lr", "readout_scale", "noise_steps"]].drop_duplicates()
    assert said.to_numpy().tolist() == [[1250, 20, 3e-3, 1.0, 0]]


def test_training_ends_when_validation_accuracy_no_longer_rises() -> None:
    """All go on until the last one's patience has ended, and none of them longer."""
    patient = dataclasses.replace(CONFIG, epochs=60, patience=1000)
    short = dataclasses.replace(patient, patience=5)
    found, course = (
        piece("mnist5k-F-BP", config)
        .query("metric == 'validation_accuracy'")
        .pivot_table(index="step", columns="seed", values="value")
        for config in (short, patient)
    )
    assert course.index[-1] == 60 * 4
    end = next(
        step
        for step in course.index
        if all(step - course.loc[:step, seed].idxmax() >= 5 * 4 for seed in course.columns)
    )
    assert end < 60 * 4
    assert found.index[-1] == end
    np.testing.assert_array_equal(found, course.loc[:end])


def test_small_sets_are_trained_on_for_more_epochs() -> None:
    config = table1.PROFILES["paper"]
    assert config.curve(50_000).steps == 20 * 782
    assert config.curve(4167).steps == 5000


def area(rows: pd.DataFrame) -> float:
    """Mean area under the seeds' curves, by numpy."""
    wide = rows.pivot_table(index="step", columns="seed", values="value")
    widths = np.diff(wide.index)[:, None]
    heights = (wide.to_numpy()[1:] + wide.to_numpy()[:-1]) / 2
    return float((heights * widths).sum(axis=0).mean())


@pytest.mark.parametrize("arm", ["FA", "FAN"])
def test_setting_t_takes_the_choice_with_the_largest_validation_area(arm: str) -> None:
    config = dataclasses.replace(CONFIG, choice_seeds=(0, 3))
    table = piece(f"mnist5k-T-{arm}", config)
    tried, trained = (table[table["panel"] == panel] for panel in ("choice", "data"))
    areas = {key: area(rows) for key, rows in tried.groupby(["lr", "readout_scale"])}
    assert len(areas) == (6 if arm == "FA" else 2)
    assert set(tried["seed"]) == {0, 3}
    assert set(tried["metric"]) == {"validation_accuracy"}  # no test image has a say
    chosen = trained[["lr", "readout_scale"]].drop_duplicates().to_records(index=False)
    assert [tuple(row) for row in chosen] == [max(areas, key=areas.get)]
    assert set(trained["seed"]) == set(config.seeds)
    assert not set(table1.PROFILES["paper"].choice_seeds) & set(table1.PROFILES["paper"].seeds)


def test_fa_from_a_readout_of_zero_is_arm_z() -> None:
    """So the two share what they try out: it must be the same, computed apart too."""
    data = material("mnist5k", None)
    prep = _arms.Preparation((784, 16, 10), (4, 6), "mnist5k", None, 50, 64, 1e-3, CPU)
    how = {"steps": 12, "test": data.followed, "record_every": 4}
    (_, scaled), (_, zero) = (
        _arms.learn(arm, prep, 200, 3e-3, scale, **how) for arm, scale in (("FA", 0.0), ("Z", 1.0))
    )
    pd.testing.assert_frame_equal(scaled.to_frame(), zero.to_frame())
    fa, z = (piece(f"mnist5k-T-{arm}").query("panel == 'choice'") for arm in ("FA", "Z"))
    columns = ["lr", "seed", "step", "value"]
    shared = fa.loc[fa["readout_scale"] == 0, columns].reset_index(drop=True)
    pd.testing.assert_frame_equal(shared, z[columns].reset_index(drop=True))


def test_the_last_sixth_is_set_apart() -> None:
    data, whole = material("mnist5k", None), load_dataset("mnist5k").train
    assert (len(data.train), len(data.validation)) == (3334, 666)
    assert torch.equal(torch.cat([data.train.x, data.validation.x]), whole.x)
    assert torch.equal(data.followed.x, data.validation.x[:FOLLOWED])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"dataset": "mnist"}, r"table1 takes `datasets`, a list such as \['mnist'\]"),
        ({"datasets": ()}, "datasets is empty"),
        ({"datasets": ("digits", "digits")}, "datasets must differ"),
        ({"lrs": ()}, "lrs is empty"),
        ({"lrs": (0.0,)}, "Each learning rate must be above 0"),
        ({"patience": 0}, "patience must be at least 1"),
        ({"n": 0}, "n must be at least 1"),
    ],
)
def test_settings_that_make_no_table(change: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        dataclasses.replace(CONFIG, **change)


# -- Data sets that were run by themselves ---------------------------------------------------------


@pytest.fixture
def small_official_files(root, monkeypatch):  # noqa: F811 - the fixture
    """CIFAR-100 and STL-10 as small files in the official formats, and nothing remembered."""
    caches = (_arms.material, _arms.test_images, _arms.trained_before, _checkpoints._tried)
    for cache in caches:
        cache.cache_clear()
    write_cifar(root, monkeypatch, *CIFAR100)
    write_stl10(root, monkeypatch)
    yield
    for cache in caches:
        cache.cache_clear()


@pytest.mark.usefixtures("small_official_files", "results_root")
def test_a_row_that_is_not_measured_is_filled_by_its_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main = run("table1", "smoke", "cpu", seeds=[5], datasets=["digits"], n=None)
    assert table1.together(main) == [main]
    for name in ("cifar100", "stl10"):
        words = shlex.split(table1.command(name, main))
        assert f'datasets=["{name}"]' in words
        monkeypatch.setattr(sys, "argv", [*words, "--device", "cpu"])
        with pytest.raises(SystemExit) as left:
            cli.main()
        assert not left.value.code, capsys.readouterr().err
    again, *added = table1.together(main)
    assert again is main
    by_set = {one.table["dataset"].iloc[0]: one.table for one in added}
    assert list(by_set) == ["cifar100", "stl10"]
    # 200 and 40 training images, of which a sixth is set apart.
    assert {name: set(table["n"]) for name, table in by_set.items()} == {
        "cifar100": {167},
        "stl10": {34},
    }
    for table in by_set.values():
        assert set(table["arm"]) == set(MAIN_ARMS)
        assert table.columns.tolist() == main.table.columns.tolist()
        accuracy = table.loc[table["metric"] == "test_accuracy", "value"]
        assert accuracy.between(0, 1).all()


@pytest.mark.usefixtures("results_root")
def test_results_with_other_settings_do_not_join() -> None:
    main = run("table1", "smoke", "cpu", seeds=[5], datasets=["digits"], epochs=1)
    assert table1.command("stl10", main) == (
        "fa-lib run table1 --profile smoke --seeds 5, "
        """--set 'datasets=["stl10"]' --set epochs=1"""
    )
    assert table1.together(main) == [main]
