"""Training against plain torch loops; alone and among others; what is learnt."""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch
from small_networks import SEEDS, SIZES, copies, make, restore, same, split
from torch import Tensor, nn

from fa_lib import MLP, History, Noise, Split, _engine, _streams, evaluate, fit, pretrain
from fa_lib._batches import DataBatches
from fa_lib.noise import NoiseStream

# Against a training loop as one writes it in plain torch, a network at a time


def plain_network(net: MLP, i: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for layer, weight in enumerate(net.weights):
        linear = nn.Linear(*weight.shape[:0:-1], bias=bool(net.biases), dtype=net.dtype)
        linear.weight.data.copy_(weight[i])
        if net.biases:
            linear.bias.data.copy_(net.biases[layer][i])
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def plain_training(model: nn.Sequential, batches: list, optimizer: str, lr: float) -> list[float]:
    """Train on the batches but the last; the loss on each before it is learnt from."""
    optimiser = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[optimizer](
        model.parameters(), lr=lr, foreach=False
    )
    losses = []
    for i, (x, y) in enumerate(batches):
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        losses.append(loss.item())
        if i < len(batches) - 1:
            loss.backward()
            optimiser.step()
    return losses


def check_against_plain_training(
    net: MLP, start: MLP, history: History, batches: Callable, optimizer: str, lr: float
) -> None:
    for i, seed in enumerate(net.seeds):
        model = plain_network(start, i)
        losses = plain_training(model, batches(seed), optimizer, lr)
        np.testing.assert_allclose(history["loss"][seed].to_numpy(), losses, rtol=1e-10)
        linears = [module for module in model if isinstance(module, nn.Linear)]
        expected = [m.weight for m in linears] + [m.bias for m in linears if m.bias is not None]
        for parameter, reference in zip(net.parameters(), expected, strict=True):
            torch.testing.assert_close(parameter[i], reference.detach(), rtol=1e-9, atol=1e-11)


SETTINGS = [
    ([12, 4], True, "adam", 1e-2),
    ([12, 9, 4], True, "adam", 1e-2),
    ([12, 9, 4], False, "sgd", 0.1),
    (SIZES, True, "sgd", 0.1),
    ([12, 9, 7, 6, 4], False, "adam", 1e-3),
]


@pytest.mark.parametrize(("sizes", "bias", "optimizer", "lr"), SETTINGS)
def test_fit_against_a_plain_loop(sizes: list[int], bias: bool, optimizer: str, lr: float) -> None:
    net, start = (make("bp", sizes, bias=bias, dtype=torch.float64) for _ in range(2))
    data, epochs, batch = split(50), 3, 16  # four batches an epoch, the last of 2

    def batches(seed: int) -> list:
        orders = [
            torch.randperm(50, generator=_streams.generator(seed, "order", epoch))
            for epoch in range(epochs + 1)
        ]
        rows = [rows for order in orders for rows in order.split(batch)]
        return [(data.x[r].double(), data.y[r]) for r in rows[: 4 * epochs + 1]]

    history = fit(
        net, data, epochs=epochs, batch_size=batch, lr=lr, optimizer=optimizer, record_every=1
    )
    check_against_plain_training(net, start, history, batches, optimizer, lr)


@pytest.mark.parametrize(
    "noise", [Noise(), Noise("uniform", 0.5, 0.3), Noise("bernoulli", target="uniform")]
)
@pytest.mark.parametrize(("sizes", "bias", "optimizer", "lr"), SETTINGS)
def test_pretrain_against_a_plain_loop(
    sizes: list[int], bias: bool, optimizer: str, lr: float, noise: Noise
) -> None:
    net, start = (make("bp", sizes, bias=bias, dtype=torch.float64) for _ in range(2))

    def batches(seed: int) -> list:
        stream = NoiseStream(noise, [seed], (5, 12), 4, torch.device("cpu"), torch.float64)
        return [tuple(t[0].clone() for t in stream(step)) for step in range(11)]

    history = pretrain(
        net, steps=10, batch_size=5, lr=lr, noise=noise, optimizer=optimizer, record_every=1
    )
    check_against_plain_training(net, start, history, batches, optimizer, lr)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("rule", ["bp", "fa"])
def test_the_stack_against_separate_optimisers(rule: str, optimizer: str) -> None:
    net = make(rule, dtype=torch.float64)
    pretrain(net, steps=30, batch_size=7, lr=1e-2, optimizer=optimizer)
    for i, seed in enumerate(SEEDS):
        alone = make(rule, seeds=[seed], dtype=torch.float64)
        stream = NoiseStream(Noise(), [seed], (7, 12), 4, torch.device("cpu"), torch.float64)
        kind = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[optimizer]
        optimisers = [kind([parameter], lr=1e-2) for parameter in alone.parameters()]
        for step in range(30):
            alone.backward(*stream(step))
            for optimiser in optimisers:
                optimiser.step()
        for stacked, single in zip(net.parameters(), alone.parameters(), strict=True):
            torch.testing.assert_close(stacked[i], single[0], rtol=1e-9, atol=1e-12)


# Alone or among others, on one thread or two, as the README promises

STACK = [7, 1, 4, 0, 9]
MIDDLING = [64, 50, 10]  # so large that products of other shapes are rounded otherwise
ROUNDING = 1e-4  # of a tensor's largest entry; far within the README's tolerance, of 1,000 steps

Learnt = tuple[MLP, list[History]]


def middling_split(n: int = 200, seed: int = 0) -> Split:
    x = torch.randn(n, 64, generator=torch.Generator().manual_seed(seed))
    return Split(x, x[:, :10].argmax(dim=1))


def draws(seeds: list[int], threads: int) -> list[Tensor]:
    """Weights, feedback, noise and batches of data, the networks first in every tensor."""
    torch.set_num_threads(threads)
    net, data = make(sizes=MIDDLING, seeds=seeds), middling_split(50)
    noise = NoiseStream(Noise(), seeds, (8, 64), 10, torch.device("cpu"))
    batches = DataBatches(seeds, net.dtype, data, torch.arange(50).expand(len(seeds), -1), 16)
    drawn = [t.clone() for step in (0, 3, 9) for source in (noise, batches) for t in source(step)]
    return [*net.weights, *net.feedback, *drawn]


def test_draws_depend_on_the_seed_alone_bit_for_bit(two_threads: None) -> None:
    stack, alone = draws(STACK, threads=2), draws([4], threads=1)
    assert same([t[2] for t in stack], [t[0] for t in alone])
    assert not any(torch.equal(t[2], t[0]) for t in stack)  # another seed's are others


def learn(rule: str, seeds: list[int], threads: int = 2) -> Learnt:
    """A hundred steps, forty of them on data, in batches of which some are smaller."""
    torch.set_num_threads(threads)
    net = make(rule, MIDDLING, seeds)
    noise = pretrain(net, steps=60, batch_size=32, lr=1e-3, record_every=20)
    how = {"steps": 40, "batch_size": 32, "lr": 1e-3, "record_every": 20}
    return net, [noise, fit(net, middling_split(), test=middling_split(50, 1), **how)]


def assert_agrees(learnt: Learnt, place: int, alone: Learnt) -> None:
    """Within the tolerance, the network at that place of the stack and the one alone, of seed 4."""
    (net, histories), (single, expected) = learnt, alone
    for stacked, own in zip(net.parameters(), single.parameters(), strict=True):
        off = (stacked[place] - own[0]).abs().max() / own.abs().max()
        assert off <= ROUNDING
    for history, of_alone in zip(histories, expected, strict=True):
        frame = history.to_frame()
        rows = frame[frame["seed"] == 4].reset_index(drop=True)
        pd.testing.assert_frame_equal(rows, of_alone.to_frame(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("rule", ["bp", "fa"])
def test_a_network_learns_the_same_alone_and_among_others(
    rule: str, two_threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = learn(rule, [4], threads=1)
    assert_agrees(learn(rule, [9, 4]), 1, alone)
    assert_agrees(learn(rule, STACK), 2, alone)
    assert_agrees(learn(rule, STACK, threads=1), 2, alone)
    monkeypatch.setattr(_engine, "CHUNK_BYTES", 1)  # a network in a chunk
    assert_agrees(learn(rule, STACK), 2, alone)


def test_a_network_alone_learns_the_same_on_one_thread_and_on_two(two_threads: None) -> None:
    assert_agrees(learn("fa", [4]), 0, learn("fa", [4], threads=1))


def test_the_same_stack_gives_the_same_numbers_bit_for_bit(two_threads: None) -> None:
    (first, of_first), (second, of_second) = learn("fa", STACK), learn("fa", STACK)
    for a, b in zip(of_first, of_second, strict=True):
        pd.testing.assert_frame_equal(a.to_frame(), b.to_frame(), check_exact=True)
    assert same(copies(first), copies(second))


# Whole or in pieces


def test_order_of_data_is_the_same_with_and_without_noise_before() -> None:
    plain, noisy = make(), make()
    start = copies(noisy)
    pretrain(noisy, steps=7)
    restore(noisy, start)
    fit(plain, split(), epochs=2)
    fit(noisy, split(), epochs=2)
    assert same(copies(plain), copies(noisy))


def test_noise_is_the_same_with_and_without_data_before() -> None:
    plain, taught = make(), make()
    start = copies(taught)
    fit(taught, split(), epochs=2)
    restore(taught, start)
    pretrain(plain, steps=7)
    pretrain(taught, steps=7)
    assert same(copies(plain), copies(taught))


def test_noise_training_in_two_calls_equals_one() -> None:
    whole, halves = make(), make()
    once = pretrain(whole, steps=40, optimizer="sgd", lr=0.05, record_every=10)
    first = pretrain(halves, steps=30, optimizer="sgd", lr=0.05, record_every=10)
    second = pretrain(halves, steps=10, optimizer="sgd", lr=0.05, record_every=10)
    assert same(copies(whole), copies(halves))
    assert whole.noise_steps == halves.noise_steps == 40
    joined = pd.concat([first["loss"], second["loss"].iloc[1:]])
    pd.testing.assert_frame_equal(once["loss"], joined, check_exact=True)


def test_epochs_are_steps_by_another_name() -> None:
    by_epochs, by_steps = make(), make()
    first = fit(by_epochs, split(), epochs=2, batch_size=16)
    second = fit(by_steps, split(), steps=8, batch_size=16)
    assert same(copies(by_epochs), copies(by_steps))
    pd.testing.assert_frame_equal(first.to_frame(), second.to_frame(), check_exact=True)


def test_every_epoch_shows_every_image_once_in_a_new_order(two_threads: None) -> None:
    """Seen through SGD from a zero, linear network that is put back after each step."""
    n = 10
    data = Split(torch.eye(n), torch.arange(n) % 2)
    shown = []
    for steps in range(1, 2 * n + 1):
        before, after = (
            MLP([n, 2], rule="bp", seeds=[0, 1], device="cpu", readout_scale=0, bias=False)
            for _ in range(2)
        )
        fit(before, data, steps=steps - 1, batch_size=1, lr=1.0, optimizer="sgd")
        fit(after, data, steps=steps, batch_size=1, lr=1.0, optimizer="sgd")
        changed = (after.weights[0] != before.weights[0]).any(dim=1)
        assert (changed.sum(dim=1) == 1).all()
        shown.append(changed.int().argmax(dim=1).tolist())
    orders = [[row[i] for row in shown] for i in (0, 1)]
    epochs = [order[start : start + n] for order in orders for start in (0, n)]
    assert all(sorted(epoch) == list(range(n)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_recording_does_not_change_training() -> None:
    seldom, often = make(), make()
    pretrain(seldom, steps=20, record_every=20)
    pretrain(often, steps=20, record_every=1)
    fit(seldom, split(), epochs=1)
    fit(often, split(), epochs=1, test=split(20, 1), record_every=1)
    assert same(copies(seldom), copies(often))


# What is learnt


@pytest.mark.parametrize("rule", ["bp", "fa"])
def test_data_are_learnt(rule: str) -> None:
    net = make(rule, [12, 64, 4])
    history = fit(net, split(400), epochs=30, lr=3e-3, test=split(200, 1))
    accuracy = history["test_accuracy"]
    assert (accuracy.iloc[0] < 0.5).all()
    assert (accuracy.iloc[-1] > 0.75).all()
    loss, end = evaluate(net, split(200, 1))
    np.testing.assert_array_equal(accuracy.iloc[-1].to_numpy(), end.numpy())
    np.testing.assert_array_equal(history["test_loss"].iloc[-1].to_numpy(), loss.numpy())


@pytest.mark.parametrize("target", ["labels", "uniform"])
def test_noise_training_ends_at_chance(target: str) -> None:
    """Random labels cannot be predicted: the loss on fresh noise comes down to ln C."""
    net = make("fa", [20, 50, 5], seeds=range(4))
    history = pretrain(
        net, steps=1500, lr=2e-3, noise=Noise(target=target), record_every=range(1400, 1501)
    )
    loss = history["loss"]
    assert (loss.iloc[0] > math.log(5) + 0.1).all()
    assert (abs(loss.iloc[1:].mean() - math.log(5)) < 0.03).all()


def test_a_zero_network_is_at_chance_to_rounding() -> None:
    net = make(readout_scale=0, dtype=torch.float64)
    with pytest.warns(UserWarning, match="undefined"):
        history = pretrain(net, steps=0)
    np.testing.assert_allclose(history["loss"].to_numpy(), math.log(4), rtol=1e-15)
