"""The experiment of Figures 2 to 4 on tiny settings, and the choices of setting T."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from fa_lib import MLP, fit, load_dataset, run
from fa_lib.claims import runs
from fa_lib.experiments import _learning, get_experiment, learning, stored_result, tuning
from fa_lib.experiments._arms import ARMS, MAIN_ARMS
from fa_lib.experiments._curve import Curve
from fa_lib.experiments._tuned import TUNED
from fa_lib.schema import epoch_steps

CPU = torch.device("cpu")
CONFIG = dataclasses.replace(
    learning.PROFILES["smoke"],
    seeds=(4, 6, 1),
    side_seeds=2,
    noise_steps=20,
    tuned=tuple((300, arm, 1e-2 if arm == "FA" else 3e-3, 0.5) for arm in ARMS),
)


def piece(name: str, config: learning.Config = CONFIG) -> pd.DataFrame:
    (found,) = [p for p in learning.pieces(config) if p.name == name]
    return learning.run_piece(config, found, CPU, lambda steps: None)


def test_which_pieces_there_are() -> None:
    names = [p.name for p in learning.pieces(learning.PROFILES["paper"])]
    assert len(names) == len(set(names))
    data = [name for name in names if name.startswith("data")]
    assert len(data) == 2 * (len(ARMS) + 3 * len(MAIN_ARMS) + 3)
    assert {"noise-FAN-1000", "noise-BPN-512", "noise-U-512", "paths"} < set(names)


def test_a_data_piece_is_plain_training_on_ones_own_images() -> None:
    table = piece("data-T-300-FA")
    data = load_dataset("mnist5k")
    train = data.train.subset(torch.arange(3000))
    for seed in CONFIG.seeds:
        net = MLP([784, 32, 10], rule="fa", seeds=[seed], device="cpu", readout_scale=0.5)
        rows = learning_rows(train, seed)
        history = fit(
            net, train.subset(rows), epochs=20, lr=1e-2, test=data.test, progress=False
        ).to_frame()
        mine = table[(table["seed"] == seed) & (table["metric"] == "test_loss")]
        at_epochs = mine[mine["step"].isin(range(0, 101, 5))]
        expected = history[history["metric"] == "test_loss"]
        np.testing.assert_allclose(at_epochs["value"], expected["value"], rtol=1e-3)
    assert (table["lr"] == 1e-2).all()
    assert (table["noise_steps"] == 0).all()


def learning_rows(train, seed: int) -> torch.Tensor:
    from fa_lib.data import stratified_indices

    return stratified_indices(train.y, 300, seed)


def test_networks_stop_when_validation_accuracy_no_longer_rises() -> None:
    """All train on until the last one's patience has ended, and none of them longer."""
    short = dataclasses.replace(CONFIG, lr=1e-2, max_epochs=80, patience=4)
    patient = dataclasses.replace(short, patience=1000)
    found, course = (
        piece("data-F-300-BP", config)
        .query("metric == 'validation_accuracy'")
        .pivot_table(index="step", columns="seed", values="value")
        for config in (short, patient)
    )
    assert course.index[-1] == 80 * 5
    ended = (
        step
        for step in course.index
        if step >= 100
        and all(step - course.loc[:step, seed].idxmax() >= 4 * 5 for seed in course.columns)
    )
    end = next(ended)
    assert 100 < end < 80 * 5  # neither the curve's end nor the longest training decides
    assert found.index[-1] == end
    np.testing.assert_array_equal(found, course.loc[:end])


def test_every_panel_has_the_same_columns_and_says_what_it_is() -> None:
    parts = [piece(n) for n in ("noise-FAN-32", "paths", "map-16-50-0.003", "data-F-100-Z")]
    for part in parts:
        assert part.columns.tolist() == [*learning.COLUMNS, "value"]
        assert not part.drop(columns="value").isna().any().any()
    noise, paths, fields, small = parts
    assert set(noise["panel"]) == {"noise"}
    assert noise["step"].max() == 20
    assert set(paths["panel"]) == {"path", "spectrum"}
    assert set(paths.loc[paths["panel"] == "path", "arm"]) == {"FA", "FAN", "Z", "B", ""}
    assert set(paths.loc[paths["panel"] == "spectrum", "arm"]) == {
        "start", "noise", "FA", "FAN", "BP"}  # fmt: skip
    assert set(fields["arm"]) == {"FAN"}
    assert set(small["seed"]) == {4, 6}
    zero = small[(small["metric"] == "centered_alignment_angle_w2") & (small["step"] == 0)]
    assert zero["value"].isna().all()


def test_structure_is_measured_at_its_units_alone() -> None:
    table = piece("data-F-300-S")
    steps = table.loc[table["metric"] == "rank_w1", "step"].unique().tolist()
    assert steps == [5 * unit for unit in _learning.STRUCTURE_UNITS]


def test_the_judges_unit_is_the_epoch_that_the_experiment_knows() -> None:
    """They read it off the table, where 0.4 of an epoch would look the same."""
    table = pd.concat([piece("data-F-300-FA"), piece("data-T-300-FA")])
    units = {run.name: run.unit for run in runs(table, ["test_accuracy"])}
    assert units == {"F, n = 300": 5, "T, n = 300": 5}  # 300 images in batches of 64
    for unit in units.values():
        assert unit == CONFIG.curve(300).at(1) == epoch_steps(300, CONFIG.batch_size)


def test_setting_t_takes_the_choice_of_the_nearest_size() -> None:
    config = dataclasses.replace(
        CONFIG,
        tuned=CONFIG.tuned + tuple((50_000, arm, 1e-4, 1.0) for arm in ARMS),
    )
    assert config.data_lr("T", 100, "FA") == (1e-2, 0.5)
    assert config.data_lr("T", 40_000, "FA") == (1e-4, 1.0)
    assert config.data_lr("F", 40_000, "FA") == (config.lr, 1.0)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"headline": 200}, r"sizes must hold the headline, 200"),
        ({"widths": ()}, "widths is empty"),
        ({"noise_steps": 0}, "noise_steps must be at least 1"),
        ({"units": 0}, "units must be at least 1"),
        ({"sizes": (300, 0)}, "Each of sizes must be at least 1"),
        ({"tuned": ((300, "FA", 1e-3, 1.0),)}, "no entry for BP, BPN"),
    ],
)
def test_settings_that_make_no_figure(change: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        dataclasses.replace(CONFIG, **change)


def test_the_three_figures_mean_one_experiment(results_root) -> None:
    assert get_experiment("fig3") is get_experiment("learning")
    tiny = {"sizes": [300], "map_widths": [], "widths": [8], "units": 1, "max_epochs": 1}
    first = run("fig2", profile="smoke", seeds=[0], device="cpu", **tiny)
    assert first.provenance["experiment"] == "learning"
    again = run("fig4", profile="smoke", seeds=[0], device="cpu", **tiny)
    pd.testing.assert_frame_equal(first.table, again.table)
    assert first.provenance["date"] == again.provenance["date"]


def test_scores_and_choices_of_a_planted_table() -> None:
    rows = []
    for arm, lr, scale, height in [
        ("FA", 1e-4, 1.0, 0.5),
        ("FA", 1e-3, 0.25, 0.8),
        ("FAN", 1e-4, 1.0, 0.9),
        ("FAN", 1e-3, 1.0, 0.7),
    ]:
        for seed in (0, 1):
            for step, share in ((0, 0.0), (10, 1.0), (20, 1.0)):  # area: 3/4 of the height
                for metric, value in (
                    ("validation_accuracy", share * (height + 0.02 * seed)),
                    ("validation_loss", 99.0 - height),
                ):
                    rows.append((50, arm, lr, scale, seed, step, metric, value))
    columns = ["n", "arm", "lr", "readout_scale", "seed", "step", "metric", "value"]
    table = pd.DataFrame(rows, columns=columns)
    assert tuning.chosen(table) == ((50, "FA", 1e-3, 0.25), (50, "FAN", 1e-4, 1.0))
    best = tuning.scores(table).query("arm == 'FAN'")["score"].iloc[0]
    assert best == pytest.approx(0.75 * 0.91)


def test_tuning_records_validation_images_and_uses_no_seed_of_the_verdicts() -> None:
    config = tuning.PROFILES["paper"]
    assert not set(config.seeds) & set(learning.PROFILES["paper"].seeds)
    smoke = tuning.PROFILES["smoke"]
    first = tuning.pieces(smoke)[0]
    table = tuning.run_piece(smoke, first, CPU, lambda steps: None)
    assert set(table["metric"]) == {"validation_accuracy", "validation_loss"}
    assert table["step"].max() == Curve(300, 64, 4).steps


def test_setting_t_is_what_the_stored_tuning_chose() -> None:
    found = stored_result("tuning", "paper")
    assert found is not None
    assert tuning.chosen(found.table) == TUNED
