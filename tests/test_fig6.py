"""The experiment of Figure 6 on tiny settings: tasks, states, choices, losses and path lengths."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from fa_lib import MLP, fit, load_dataset, meta_loss, pretrain
from fa_lib.data import Dataset, stratified_indices
from fa_lib.experiments import _adaptation, fig6
from fa_lib.experiments._arms import start
from fa_lib.experiments._measures import path_of_weights

CPU = torch.device("cpu")
CONFIG = dataclasses.replace(
    fig6.PROFILES["smoke"],
    seeds=(4, 6, 1),
    tasks=("mnist5k", "permuted mnist5k"),
    n=200,
    width=12,
    noise_steps=24,
    checkpoints=(0, 7),
    side_seeds=2,
    adam_lrs=(3e-4, 1e-2),
    choice_seeds=(2, 3),
)


def piece(name: str, config: fig6.Config = CONFIG) -> pd.DataFrame:
    (found,) = [p for p in fig6.pieces(config) if p.name == name]
    return fig6.run_piece(config, found, CPU, lambda steps: None)


def wide(table: pd.DataFrame, metric: str, **where: object) -> pd.DataFrame:
    """A metric as a row for each step and a column for each seed; summed over tasks."""
    rows = table[table["metric"] == metric]
    for column, value in where.items():
        rows = rows[rows[column] == value]
    return rows.pivot_table(index="step", columns="seed", values="value", aggfunc="sum")


# -- Pieces and settings ---------------------------------------------------------------------------


def test_every_arm_adapts_in_both_settings_with_both_optimisers() -> None:
    names = [p.name for p in fig6.pieces(fig6.PROFILES["paper"])]
    assert len(names) == len(set(names)) == 9 * 2 * 3 + 2
    assert {"choice-sgd-BPN-FA", "adapt-F-adam-FA", "adapt-T-sgd-U", "checkpoints"} < set(names)
    assert not [name for name in names if name.endswith("-P")]


def test_no_seed_that_chooses_gives_a_verdict() -> None:
    for config in fig6.PROFILES.values():
        assert not set(config.choice_seeds) & set(config.seeds)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"tasks": ()}, "tasks is empty"),
        ({"tasks": ("digits", "digits")}, "tasks must differ"),
        ({"steps": 99}, "steps must be at least 100"),
        ({"checkpoints": (24,)}, "checkpoints must be from 0 to 23"),
        ({"sgd_lrs": ()}, "sgd_lrs is empty"),
        ({"side_seeds": 0}, "side_seeds must be at least 1"),
    ],
)
def test_settings_that_make_no_figure(change: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        dataclasses.replace(CONFIG, **change)


def test_tasks_of_another_shape_are_refused(tmp_path: Path, monkeypatch) -> None:
    draw = np.random.default_rng(0)
    arrays = {f"x_{part}": draw.random((60, 5, 5), dtype=np.float32) for part in ("train", "test")}
    labels = {f"y_{part}": np.arange(60) % 10 for part in ("train", "test")}
    np.savez(tmp_path / "five_by_five.npz", **arrays, **labels)
    monkeypatch.setenv("FA_DATA_ROOT", str(tmp_path))
    config = dataclasses.replace(CONFIG, tasks=("mnist5k", "five_by_five"))
    with pytest.raises(ValueError, match=r"mnist5k has \(28, 28\) and 10, five_by_five"):
        piece("paths", config)


# -- Tasks -----------------------------------------------------------------------------------------


def test_permuting_reorders_the_pixels_of_all_images_alike() -> None:
    plain, moved = (
        (data.train, data.validation, _adaptation.task_test_images(name))
        for name, data in ((name, _adaptation.load_task(name)) for name in CONFIG.tasks)
    )
    columns = [
        sorted(pixel.tobytes() for pixel in torch.cat([part.x for part in parts]).numpy().T)
        for parts in (plain, moved)
    ]
    assert columns[0] == columns[1]  # each pixel is there again, through all images
    for before, after in zip(plain, moved, strict=True):
        assert torch.equal(before.y, after.y)
        assert not torch.equal(before.x, after.x)


def test_the_last_sixth_is_for_choices_alone() -> None:
    whole, data = load_dataset("mnist5k"), _adaptation.load_task("mnist5k")
    assert len(data.validation) == len(whole.train) // 6
    assert torch.equal(torch.cat([data.train.x, data.validation.x]), whole.train.x)
    assert torch.equal(_adaptation.task_test_images("mnist5k").x, whole.test.x)


# -- States of noise training ----------------------------------------------------------------------


def test_a_state_is_what_a_noise_training_of_that_length_leaves() -> None:
    prep = _adaptation._preparation(CONFIG, CONFIG.seeds, CPU)
    states = _adaptation._states(CONFIG, prep)
    assert list(states) == [0, 7, 24]
    for steps, state in states.items():
        net = MLP(prep.sizes, rule="fa", seeds=CONFIG.seeds, device="cpu")
        how = {"batch_size": CONFIG.batch_size, "lr": CONFIG.noise_lr, "progress": False}
        pretrain(net, steps=steps, **how)
        for mine, expected in zip(state.parameters(), net.parameters(), strict=True):
            assert torch.equal(mine, expected), steps


def test_first_and_last_state_adapt_as_the_arms_do() -> None:
    states = piece("checkpoints")
    for arm, noise_steps in (("FA", 0), ("FAN", 24)):
        table = piece(f"adapt-F-adam-{arm}")
        for metric in ("test_loss", "test_accuracy"):
            mine = wide(states, metric, setting="F", noise_steps=noise_steps)
            pd.testing.assert_frame_equal(mine, wide(table, metric))


# -- Adaptation ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("arm", "optimizer"), [("FAN", "adam"), ("BPN-FA", "sgd")])
def test_the_meta_loss_is_that_of_the_public_function(arm: str, optimizer: str) -> None:
    table = piece(f"adapt-F-{optimizer}-{arm}")
    prep = _adaptation._preparation(CONFIG, CONFIG.seeds_of(arm), CPU)
    found = wide(table, "test_loss").loc[100]
    assert tuple(sorted(found.index)) == tuple(sorted(CONFIG.seeds_of(arm)))
    for seed in prep.seeds:
        net = start(arm, dataclasses.replace(prep, seeds=(seed,)))
        tasks = []
        for name in CONFIG.tasks:
            data, test = _adaptation.load_task(name), _adaptation.task_test_images(name)
            own = data.train.subset(stratified_indices(data.train.y, CONFIG.n, seed))
            tasks.append(Dataset(name, own, test, data.classes, data.image_shape, ""))
        how = {"lr": CONFIG.fixed_lr(optimizer), "batch_size": CONFIG.batch_size}
        expected = meta_loss(net, tasks, optimizer=optimizer, **how)
        assert found[seed] == pytest.approx(expected.item(), rel=1e-4)


def test_path_lengths_are_sums_of_straight_pieces() -> None:
    """Again from snapshots of all weights, in float64 and one network at a time."""
    table = piece("adapt-F-sgd-FA")
    data = _adaptation.load_task("permuted mnist5k")
    for seed in CONFIG.seeds:
        net = MLP([784, 12, 10], rule="fa", seeds=[seed], device="cpu")
        points, readouts = [], []

        def snapshot(part: MLP, step, values, points=points, readouts=readouts) -> None:
            points.append(torch.cat([p.flatten() for p in part.parameters()]).double().numpy())
            weight = part.weights[-1][0].double().numpy()
            readouts.append((weight - weight.mean(axis=0)).ravel())

        rows = stratified_indices(data.train.y, CONFIG.n, seed)
        how = {"steps": 100, "lr": CONFIG.sgd_lr, "optimizer": "sgd", "progress": False}
        how |= {"batch_size": CONFIG.batch_size}
        fit(net, data.train.subset(rows), record_every=10, callback=snapshot, **how)
        assert len(points) == 11
        for metric, path in (("path_length", points), ("path_length_w2", readouts)):
            lengths = np.linalg.norm(np.diff(path, axis=0), axis=1).cumsum()
            found = wide(table, metric, task="permuted mnist5k")[seed]
            assert found[0] == 0
            np.testing.assert_allclose(found[[10, 50, 100]], lengths[[0, 4, 9]], rtol=1e-4)


def test_a_straight_way_is_as_long_as_its_steps() -> None:
    """Five equal steps: every weight of layer 1 by 1/2, every one of the readout by 3."""
    net = MLP([4, 9, 3], rule="fa", seeds=[0, 1], device="cpu")
    measure = path_of_weights()
    for step in range(6):
        values = measure(net)
        expected = step * (36 * 0.25 + 27 * 9) ** 0.5
        np.testing.assert_allclose(values["path_length"], [expected] * 2, rtol=1e-6)
        np.testing.assert_allclose(values["path_length_w2"], [0, 0], atol=1e-5)
        net.weights[0].add_(0.5)
        net.weights[1].add_(3.0)


# -- Setting T -------------------------------------------------------------------------------------


def test_the_choice_has_the_smallest_sum_over_tasks() -> None:
    losses = {  # by learning rate and factor, on tasks a and b: the sums are 4, 3.5, 3.9
        (1e-4, 1.0): (1.0, 3.0),
        (1e-3, 1.0): (1.5, 2.0),
        (1e-3, 0.0): (0.4, 3.5),
    }
    rows = [
        (lr, scale, task, seed, loss + 0.01 * seed)
        for (lr, scale), both in losses.items()
        for task, loss in zip("ab", both, strict=True)
        for seed in (0, 1)
    ]
    table = pd.DataFrame(rows, columns=["lr", "readout_scale", "task", "seed", "value"])
    assert _adaptation.chosen(table) == (1e-3, 1.0)
    assert _adaptation.chosen(table[table["task"] == "a"]) == (1e-3, 0.0)


@pytest.mark.parametrize("arm", ["FA", "Z"])
def test_setting_t_adapts_as_was_chosen(arm: str) -> None:
    offered = piece(f"choice-adam-{arm}")
    assert set(offered["metric"]) == {"validation_loss"}
    assert set(offered["seed"]) == set(CONFIG.choice_seeds)
    keys = ["lr", "readout_scale"]
    sums = offered.groupby([*keys, "seed"])["value"].sum().groupby(keys).mean()
    assert len(sums) == (4 if arm == "FA" else 2)
    found = piece(f"adapt-T-adam-{arm}").drop_duplicates(keys)
    assert [tuple(row) for row in found[keys].to_numpy()] == [sums.idxmin()]


# -- The table -------------------------------------------------------------------------------------


def test_every_panel_has_the_same_columns_and_says_what_it_is() -> None:
    names = ("choice-sgd-BP", "adapt-F-adam-U", "checkpoints", "paths")
    choice, adapt, states, paths = (piece(name) for name in names)
    for table in (choice, adapt, states, paths):
        assert table.columns.tolist() == list(fig6.COLUMNS)
        assert not table.isna().any().any()
    assert set(adapt["seed"]) == set(CONFIG.seeds[:2])
    assert (adapt["noise_steps"] == 24).all()
    assert set(states["noise_steps"]) == {0, 7, 24}
    assert set(paths["panel"]) == {"path"}
    assert set(paths["arm"]) == {"FA", "FAN", "B", ""}
    assert set(paths.loc[paths["arm"] == "FAN", "task"]) == set(CONFIG.tasks)
    shares = paths[paths["metric"] == "explained_variance"].groupby("seed")["value"].sum()
    assert len(shares) == CONFIG.path_seeds
    assert ((shares > 0) & (shares <= 1)).all()
