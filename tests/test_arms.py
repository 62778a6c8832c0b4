"""The arms: what each keeps, and what each takes away or puts in place."""

import dataclasses
import math

import pytest
import torch

from fa_lib import MLP, Noise, alignment_angle, pretrain, readout_deviation
from fa_lib.experiments._arms import (
    ARMS,
    MAIN_ARMS,
    UNLABELLED,
    Preparation,
    material,
    own_examples,
    start,
    steps_before,
)
from fa_lib.metrics import evaluate

PREP = Preparation(
    sizes=(784, 24, 10),
    seeds=(3, 8),
    dataset="mnist5k",
    validation=1000,
    steps=120,
    batch_size=32,
    lr=1e-3,
    device=torch.device("cpu"),
)


def by_noise(rule: str, target: str = "labels") -> MLP:
    net = MLP(PREP.sizes, rule=rule, seeds=PREP.seeds, device="cpu")
    noise = Noise(target=target)
    pretrain(net, steps=120, batch_size=32, lr=1e-3, noise=noise, progress=False)
    return net


def equal(first: MLP, second: MLP, tensors: str) -> bool:
    pairs = zip(getattr(first, tensors), getattr(second, tensors), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize(
    ("name", "rule", "before"),
    [
        ("FA", "fa", None),
        ("BP", "bp", None),
        ("FAN", "fa", ("fa", "labels")),
        ("BPN", "bp", ("bp", "labels")),
        ("BPN-FA", "fa", ("bp", "labels")),
        ("U", "fa", ("fa", "uniform")),
    ],
)
def test_an_arm_is_what_the_public_calls_make(name: str, rule: str, before: tuple | None) -> None:
    net = start(name, PREP)
    fresh = MLP(PREP.sizes, rule=rule, seeds=PREP.seeds, device="cpu")
    reference = by_noise(*before) if before else fresh
    assert net.rule == rule
    assert equal(net, reference, "weights")
    assert equal(net, reference, "biases")
    assert equal(net, fresh, "feedback")
    assert steps_before(name, PREP) == (120 if before else 0)


def test_the_zero_arm_differs_from_fa_in_its_readout_alone() -> None:
    zero, fa = start("Z", PREP), start("FA", PREP)
    assert not zero.weights[-1].any()
    assert torch.equal(zero.weights[0], fa.weights[0])
    assert equal(zero, fa, "feedback")


def test_the_swapped_arm_differs_from_fan_in_its_feedback_alone() -> None:
    swapped, fan = start("S", PREP), start("FAN", PREP)
    assert equal(swapped, fan, "weights")
    assert equal(swapped, fan, "biases")
    assert (alignment_angle(swapped.feedback[-1], fan.feedback[-1]) - 90).abs().max() < 20
    assert swapped.feedback[-1].std() == pytest.approx(math.sqrt(2 / 24), rel=0.1)


def test_the_matched_arm_is_as_sure_of_itself_as_fan_but_aligned_as_fa() -> None:
    matched, fan, fa = (start(name, PREP) for name in ("M", "FAN", "FA"))
    images = material("mnist5k", 1000).train.x[:UNLABELLED]
    torch.testing.assert_close(readout_deviation(matched(images)), readout_deviation(fan(images)))
    ratio = matched.weights[-1] / fa.weights[-1]
    torch.testing.assert_close(ratio, ratio[:, :1, :1].expand_as(ratio))
    assert torch.equal(matched.weights[0], fa.weights[0])


def test_the_permuted_arm_learns_nothing_about_the_true_labels() -> None:
    net, data = start("P", PREP), material("mnist5k", 1000)
    assert not torch.equal(net.weights[0], start("FA", PREP).weights[0])
    assert (evaluate(net, data.validation)[1] < 0.3).all()


@pytest.mark.parametrize("name", ARMS)
def test_a_network_is_the_same_alone(name: str) -> None:
    together = start(name, PREP)
    alone = start(name, dataclasses.replace(PREP, seeds=(8,)))
    for mine, its in zip(together.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(mine[1], its[0], rtol=1e-4, atol=1e-5)


def test_starting_twice_gives_networks_of_their_own() -> None:
    first = start("FAN", PREP)
    first.weights[0].zero_()
    assert start("FAN", PREP).weights[0].any()
    assert start("S", PREP).weights[0].any()


def test_the_readout_scale_comes_last() -> None:
    torch.testing.assert_close(
        start("FAN", PREP, 0.5).weights[-1], start("FAN", PREP).weights[-1] / 2
    )


def test_each_seed_has_its_own_examples_and_every_class_by_its_share() -> None:
    data = material("mnist5k", 1000)
    rows = own_examples(data.train, 100, PREP.seeds)
    assert not torch.equal(rows[0].sort().values, rows[1].sort().values)
    for own in rows:
        share = data.train.y.bincount() / 3000 * 100
        assert (data.train.y[own].bincount() - share).abs().max() < 1


def test_the_main_arms_are_arms() -> None:
    assert set(MAIN_ARMS) < set(ARMS)
