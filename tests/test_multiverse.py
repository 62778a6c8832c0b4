"""A setting's parts, against `pretrain` and `fit` called by hand, and what is kept of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from fa_lib import MLP, fit, gram_effective_rank, pretrain, translate, weight_distance
from fa_lib.data import load_dataset
from fa_lib.experiments import multiverse
from fa_lib.experiments._parts import (
    COLUMNS,
    LEARNING_ARMS,
    deeper,
    learning,
    moved_tests,
    other_tasks,
    record_epochs,
)
from fa_lib.experiments._stacks import own_images, task
from fa_lib.settings import MULTIVERSE, Setting

CPU = torch.device("cpu")
SEEDS = (4, 9)
SETTING = Setting(
    "small", "adam", 3e-3, 1e-3, noise_steps=60, batch_size=32, width=16, images=200, horizon=6
)
PER_EPOCH = 7  # 200 images, 32 at a time
WHERE: dict[str, Any] = {"dataset": "digits", "test_images": 150}


def _silent(steps: float) -> None:
    pass


@pytest.fixture(scope="module")
def learned() -> pd.DataFrame:
    return learning(SETTING, SEEDS, CPU, _silent, other="digits", cap=11, **WHERE)


def _read(table: pd.DataFrame, **which: object) -> list[float]:
    rows = table
    for column, value in which.items():
        rows = rows[rows[column] == value]
    return rows.sort_values("seed")["value"].tolist()


def _by_hand(rule: str, noise: bool = False) -> MLP:
    net = MLP([784, 16, 10], rule=rule, seeds=SEEDS, device="cpu")
    if noise:
        pretrain(net, steps=60, batch_size=32, lr=1e-3, progress=False)
    return net


def _fitted(net: MLP, epochs: int, **more: Any) -> Any:
    data = task("digits", "standardised", 150)
    rows = own_images(data.train, 200, SEEDS)
    how = {"batch_size": 32, "lr": 3e-3, "subset": rows, "test": data.test, "progress": False}
    return fit(net, data.train, epochs=epochs, **how, **more)


@pytest.mark.parametrize(
    ("arm", "rule", "noise"), [("FA", "fa", False), ("FAN", "fa", True), ("BP", "bp", False)]
)
def test_an_arm_learns_as_by_hand_to_the_horizon_and_on(
    learned: pd.DataFrame, arm: str, rule: str, noise: bool
) -> None:
    net = _by_hand(rule, noise)
    history = _fitted(net, 11)
    for metric in ("test_accuracy", "test_loss"):
        for epoch in (0, 1, 5, 6, 11):
            step = epoch * PER_EPOCH
            wanted = history[metric].loc[step, list(SEEDS)].tolist()
            found = _read(learned, arm=arm, phase="data", metric=metric, step=step)
            assert found == pytest.approx(wanted, rel=1e-5), (metric, epoch)


def test_noise_after_data_begins_where_data_ended_at_the_horizon(learned: pd.DataFrame) -> None:
    net = _by_hand("fa")
    _fitted(net, 6)
    before = weight_distance(net.weights[1], net.feedback[1]).tolist()
    pretrain(net, steps=60, batch_size=32, lr=1e-3, progress=False)
    after = weight_distance(net.weights[1], net.feedback[1]).tolist()
    which = {"arm": "DN", "phase": "after", "metric": "distance"}
    assert _read(learned, **which, step=0) == pytest.approx(before, rel=1e-5)
    assert _read(learned, **which, step=60) == pytest.approx(after, rel=1e-5)
    at_horizon = {"arm": "FA", "phase": "data", "metric": "distance", "step": 6 * PER_EPOCH}
    assert _read(learned, **at_horizon) == pytest.approx(before, rel=1e-5)


def test_displacements_are_those_of_the_last_layer_from_its_start(learned: pd.DataFrame) -> None:
    first, noisy, data = _by_hand("fa"), _by_hand("fa", noise=True), _by_hand("fa")
    _fitted(data, 6)
    for i, seed in enumerate(SEEDS):
        w0, wn, wd, b = (
            w[i].double().numpy().ravel()
            for w in (first.weights[1], noisy.weights[1], data.weights[1], first.feedback[1])
        )

        def cosine(u: np.ndarray, v: np.ndarray) -> float:
            return float(u @ v / np.linalg.norm(u) / np.linalg.norm(v))

        own = learned[learned["seed"] == seed]
        by_noise = _read(own, metric="displacement_cosine", phase="noise")
        by_data = _read(own, metric="displacement_cosine", phase="data")
        apart = _read(own, metric="displacements_apart")
        assert by_noise == pytest.approx([cosine(wn - w0, b)], rel=1e-4)
        assert by_data == pytest.approx([cosine(wd - w0, b)], rel=1e-4)
        assert apart == pytest.approx([np.degrees(np.arccos(cosine(wn - w0, wd - w0)))], rel=1e-4)


def test_training_goes_on_to_convergence_and_not_past_it() -> None:
    quick = replace(SETTING, data_lr=0.01, width=64, horizon=5)
    table = learning(quick, SEEDS, CPU, _silent, other="digits", cap=200, **WHERE)
    loss = table[(table["metric"] == "train_loss") & (table["phase"] == "data")]
    for arm in ("FA", "FAN", "BP"):
        curve = loss[loss["arm"] == arm].groupby("step")["value"].max().sort_index()
        assert curve.iloc[-1] < 0.01
        late = curve[curve.index > 5 * PER_EPOCH]
        assert (late.iloc[:-1] >= 0.01).all()
        assert set(late.index % (5 * PER_EPOCH)) <= {0}
    for arm in ("Z", "ZF"):
        assert loss.loc[loss["arm"] == arm, "step"].max() == 5 * PER_EPOCH


def test_test_images_from_elsewhere_are_moved_and_seen_as_the_networks_see_images() -> None:
    tests = moved_tests("digits", "mnist5k", "standardised", 297)
    data = load_dataset("digits", n_test=297)
    n, prepare = len(data.test), task("digits", "standardised", 297).prepare
    assert {name: len(split) for name, split in tests.items()} == {
        "shift": 4 * n, "scale": 4 * n, "rotation": 6 * n, "other": 1000,
    }  # fmt: skip
    shifted = prepare(type(data.test)(translate(data.test.x, 3.0, 0.0), data.test.y))
    assert torch.equal(tests["shift"].x[:n], shifted.x)
    assert torch.equal(tests["shift"].y, data.test.y.repeat(4))


def test_deeper_networks_features_are_ranked_at_the_horizon() -> None:
    table = deeper(SETTING, SEEDS, CPU, _silent, layers=3, **WHERE)
    net = MLP([784, 16, 16, 10], rule="fa", seeds=SEEDS, device="cpu")
    _fitted(net, 6)
    test = task("digits", "standardised", 150).test
    wanted = gram_effective_rank(net.activations(test.x)[-2]).tolist()
    found = _read(table, arm="FA", metric="gram_rank", step=6 * PER_EPOCH)
    assert found == pytest.approx(wanted, rel=1e-4)
    assert set(table["arm"]) == {"FA", "FAN", "Z"}
    assert {"rank_w1", "rank_w3", "top_share_w1"} <= set(table["metric"])


def test_every_part_has_its_columns_and_says_how_far_it_is(learned: pd.DataFrame) -> None:
    done: list[float] = []
    other = other_tasks(SETTING, SEEDS, CPU, done.append, datasets=("mnist5k",), test_images=150)
    assert list(other.columns) == list(learned.columns) == list(COLUMNS)
    assert set(other["task"]) == {"mnist5k"}
    assert sum(done) == 2 * 4 * 6 * PER_EPOCH
    assert set(learned["arm"]) == {*LEARNING_ARMS, "DN"}


def test_epochs_that_are_recorded() -> None:
    assert record_epochs(20) == [0, 1, 2, 3, 4, 5, 10, 15, 20]
    assert record_epochs(7) == [0, 1, 2, 3, 4, 5, 7]
    assert record_epochs(2) == [0, 1, 2]


def test_no_two_settings_share_a_network() -> None:
    config = multiverse.PROFILES["paper"]
    assert len(config.settings) == len(MULTIVERSE) == 60
    pieces = multiverse.pieces(config)
    assert len(pieces) == 180
    deep = [p.params["setting"] for p in pieces if p.params["part"] == "deeper"]
    assert {setting.images for setting in deep} == {1600}
    whole = [p.params["setting"] for p in pieces if p.params["part"] == "learning"]
    assert tuple(whole) == MULTIVERSE


def test_two_settings_of_the_smoke_profile() -> None:
    config = multiverse.PROFILES["smoke"]
    seeds: list[set[int]] = []
    for piece in multiverse.pieces(config):
        done: list[float] = []
        table = multiverse.run_piece(config, piece, CPU, done.append)
        assert sum(done) == piece.cost
        assert table["setting"].unique().tolist() == [piece.params["setting"].name]
        assert table["value"].dtype == np.float32
        seeds.append(set(table["seed"]))
    assert seeds[0] == seeds[1] == seeds[2]
    assert not seeds[0] & seeds[3]


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(ValueError, match="M99"):
        multiverse.Config(seeds=(0,), settings=("M99",))
