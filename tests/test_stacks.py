"""The networks of a setting: how they start and learn, and that one that diverges harms none."""

from __future__ import annotations

import math
from dataclasses import replace

import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from scipy import stats

from fa_lib import MLP, DivergenceError, load_dataset, neuron_angles, pretrain
from fa_lib._batches import DataBatches
from fa_lib.experiments import _stacks
from fa_lib.experiments._stacks import Stack, learn, own_images, start, task, untrained
from fa_lib.settings import Setting

CPU = torch.device("cpu")
SETTING = Setting(
    "small", "sgd", 0.1, 0.01, noise_steps=230, batch_size=16, width=24, images=60, horizon=2
)
STACK = Stack(SETTING, 2, (5, 3), CPU)


def test_a_he_normal_start_is_the_mlps_own() -> None:
    net, own = untrained(STACK, 50, 10), MLP([50, 24, 10], rule="fa", seeds=(5, 3), device="cpu")
    for name, tensor in own.state_dict().items():
        assert torch.equal(net.state_dict()[name], tensor)


def test_torchs_default_start_is_uniform_within_one_over_root_fan_in() -> None:
    wide = replace(SETTING, weights="torch", feedback="torch", width=400)
    net = untrained(Stack(wide, 3, (5, 3), CPU), 300, 10)
    for kind in (net.weights, net.biases, net.feedback):
        for layer, fan_in in enumerate((300, 400, 400)):
            for drawn in kind[layer]:
                bound = 1 / math.sqrt(fan_in)
                uniform = stats.uniform(-bound, 2 * bound)
                assert stats.kstest(drawn.flatten().numpy(), uniform.cdf).pvalue > 1e-3
                assert drawn.abs().max() <= bound
    pair = torch.stack([net.weights[1].flatten(), net.feedback[1].flatten()])
    assert abs(float(pair.corrcoef()[0, 1])) < 0.02
    alone = untrained(Stack(wide, 3, (3,), CPU), 300, 10)
    for name, tensor in alone.state_dict().items():
        assert torch.equal(net.state_dict()[name][1:], tensor)


def test_only_what_the_setting_names_has_torchs_start() -> None:
    he = untrained(STACK, 50, 10)
    weights = untrained(replace(STACK, setting=replace(SETTING, weights="torch")), 50, 10)
    feedback = untrained(replace(STACK, setting=replace(SETTING, feedback="torch")), 50, 10)
    assert torch.equal(weights.feedback[1], he.feedback[1])
    assert torch.equal(feedback.weights[1], he.weights[1])
    assert not torch.equal(weights.weights[1], he.weights[1])
    assert not torch.equal(feedback.feedback[1], he.feedback[1])


def test_standardised_inputs_go_by_the_training_images_alone() -> None:
    unit, standard = task("digits", "unit", None), task("digits", "standardised", None)
    data = load_dataset("digits")
    own = data.train.x[: len(data.train) - len(data.train) // 6].double()
    assert torch.equal(unit.train.x.double(), own)
    assert torch.equal(unit.test.x, data.test.x)
    assert float(standard.train.x.mean()) == pytest.approx(0, abs=1e-5)
    assert float(standard.train.x.std()) == pytest.approx(1, abs=1e-5)
    wanted = (data.test.x.double() - own.mean()) / own.std()
    torch.testing.assert_close(standard.test.x.double(), wanted, rtol=1e-5, atol=1e-5)
    rows = {tuple(image) for image in unit.train.x.tolist()}
    assert not any(tuple(image) in rows for image in unit.validation.x.tolist())


def test_noise_trainings_record_is_that_of_pretrain() -> None:
    net, table = _stacks.noise_trained(STACK, 50, 10)
    own = untrained(STACK, 50, 10)
    history = pretrain(
        own, steps=230, batch_size=16, lr=0.01, optimizer="sgd", record_every=1, progress=False
    )
    assert torch.equal(net.weights[1], own.weights[1])
    loss = history["loss"]
    means = table[table["metric"] == "mean_loss"].pivot_table(
        index="step", columns="seed", values="value"
    )
    for seed in STACK.seeds:
        assert means.loc[0, seed] == pytest.approx(loss[seed].iloc[:100].mean())
        assert means.loc[230, seed] == pytest.approx(loss[seed].iloc[130:230].mean())
    angles = neuron_angles(own.weights[1], own.feedback[1]).mean(dim=1)
    at_end = table[(table["metric"] == "neuron_angle") & (table["step"] == 230)]
    assert at_end["value"].tolist() == pytest.approx(angles.tolist())
    assert set(table.loc[table["metric"] == "rank_w1", "step"]) == {0, 230}


def test_arms_share_their_start_and_differ_in_what_they_are_named_for() -> None:
    fa, bp, zero, noisy = (start(arm, STACK, 50, 10) for arm in ("FA", "BP", "Z", "FAN"))
    assert (fa.rule, bp.rule, zero.rule, noisy.rule) == ("fa", "bp", "fa", "fa")
    assert torch.equal(fa.weights[1], bp.weights[1])
    assert torch.equal(fa.weights[0], zero.weights[0])
    assert not zero.weights[1].any()
    assert noisy.noise_steps == 230
    torch_start = replace(STACK, setting=replace(SETTING, weights="torch"))
    assert not start("Z", torch_start, 50, 10).biases[-1].any()
    noisy.weights[1].zero_()
    assert start("FAN", STACK, 50, 10).weights[1].any()  # it was a copy


def test_with_frozen_layers_the_readout_alone_learns_by_its_gradient() -> None:
    data = task("digits", "standardised", None)
    net = start("ZF", replace(STACK, setting=replace(SETTING, batch_size=60)), 784, 10)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    learn("ZF", net, data.train, replace(SETTING, batch_size=60), steps=1)
    moved = {name for name, tensor in net.state_dict().items() if not tensor.equal(before[name])}
    assert moved == {"weights.1", "biases.1"}
    rows = own_images(data.train, 60, net.seeds)
    x, y = DataBatches(net.seeds, torch.float32, data.train, rows, 60)(0)
    for i in range(2):
        hidden = F.linear(x[i].double(), before["weights.0"][i].double()).relu()
        readout = torch.zeros(10, 24, dtype=torch.float64, requires_grad=True)
        F.cross_entropy(F.linear(hidden, readout), y[i]).backward()
        assert readout.grad is not None
        torch.testing.assert_close(
            net.weights[1][i].double(), -0.1 * readout.grad, rtol=1e-4, atol=1e-6
        )


def test_a_network_that_diverges_is_named_and_the_others_are_run_again() -> None:
    asked = []

    def run(seeds: tuple[int, ...]) -> pd.DataFrame:
        asked.append(seeds)
        if 3 in seeds:
            raise DivergenceError([3], 70)
        return pd.DataFrame({"seed": seeds, "metric": "loss", "value": 1.0})

    table = _stacks.without_diverging(run, (1, 3, 2))
    assert asked == [(1, 3, 2), (1, 2)]
    assert table["seed"].tolist() == [1, 2, 3]
    assert table["metric"].tolist() == ["loss", "loss", "diverged"]
    assert table["value"].iloc[-1] == 70
    all_lost = _stacks.without_diverging(run, (3,))
    assert all_lost["metric"].tolist() == ["diverged"]


def test_each_network_learns_images_of_its_own() -> None:
    data = task("digits", "standardised", 150).train
    one, other = own_images(data, 100, (1, 2))
    assert set(one.tolist()) != set(other.tolist())
    assert len(set(one.tolist())) == 100
    assert torch.equal(own_images(data, 100, (2,))[0], other)
