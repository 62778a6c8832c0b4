"""`pretrain` and `fit` of torch modules: against the stack of networks, and plain torch loops."""

import copy

import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fa_lib import MLP, DivergenceError, Noise, Split, fit, load_dataset, pretrain
from fa_lib._batches import DataBatches
from fa_lib.history import MeasureAt
from fa_lib.nn import convert
from fa_lib.noise import NoiseStream
from fa_lib.rules import RULES

DIGITS = load_dataset("digits", n_train=300, n_test=100)
SMALL = Split(DIGITS.train.x[:, ::8], DIGITS.train.y)  # 98 features
SIZES = [98, 12, 9, 10]


def lenet(**more: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    layers = {
        "conv": nn.Conv2d(1, 4, 5, stride=2),
        **more,
        "relu": nn.ReLU(),
        "pool": nn.MaxPool2d(2),
        "flat": nn.Flatten(),
        "out": nn.Linear(144, 10),
    }
    model = nn.Sequential()
    for name, layer in layers.items():
        model.add_module(name, layer)
    return model


def states(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


# -- Against the stack -----------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("rule", [name for name in RULES if name not in ("brsf", "wm")])
def test_a_converted_network_trains_as_its_stack_does(rule: str, optimizer: str) -> None:
    """On the same noise and the same order of images, all being streams of one seed."""
    stack = MLP(SIZES, rule=rule, seeds=[5], device="cpu", dtype=torch.float64)
    module = convert(stack.module(0), rule, seed=5)
    how = {"lr": 0.01, "optimizer": optimizer, "batch_size": 16, "progress": False}
    noises = (
        pretrain(stack, steps=20, noise=Noise(std=0.5), **how),
        pretrain(module, steps=20, noise=Noise(std=0.5), shape=[98], classes=10, seed=5, **how),
    )
    data = (
        fit(stack, SMALL, epochs=2, test=SMALL, **how),
        fit(module, SMALL, epochs=2, test=SMALL, seed=5, **how),
    )
    for k, weight in enumerate(stack.weights):
        torch.testing.assert_close(module[2 * k].weight, weight[0], rtol=1e-7, atol=1e-10)
        torch.testing.assert_close(module[2 * k].bias, stack.biases[k][0], rtol=1e-7, atol=1e-10)
    assert module.noise_steps == stack.noise_steps == 20
    for by_stack, by_module in (noises, data):
        for metric in set(by_module.frame["metric"]) & set(by_stack.frame["metric"]):
            pd.testing.assert_frame_equal(by_module[metric], by_stack[metric], rtol=1e-6)
    if RULES[rule].source == "above":
        angles = data[1]["alignment_angle_4"], data[0]["alignment_angle_w3"]
        pd.testing.assert_frame_equal(*angles, rtol=1e-6)


def test_a_convolution_trains_as_a_plain_loop_does() -> None:
    net, plain = convert(lenet()), convert(lenet())
    fit(net, DIGITS.train, steps=9, lr=0.01, seed=3, shape=(1, 28, 28), progress=False)
    optimiser = torch.optim.Adam(plain.parameters(), lr=0.01)
    rows = torch.arange(300).expand(1, -1)
    batches = DataBatches([3], torch.float32, DIGITS.train, rows, 64)
    for step in range(9):
        x, y = batches(step)
        optimiser.zero_grad()
        F.cross_entropy(plain(x[0].reshape(-1, 1, 28, 28)), y[0]).backward()
        optimiser.step()
    assert same(states(net), states(plain))


def test_noise_has_the_shape_of_the_inputs() -> None:
    net, plain = convert(lenet()), convert(lenet())
    history = pretrain(net, steps=3, lr=0.1, optimizer="sgd", seed=2, shape=(1, 28, 28), classes=10)
    stream = NoiseStream(Noise(), [2], (64, 784), 10, torch.device("cpu"))
    for step in range(3):
        x, y = stream(step)
        plain.zero_grad()
        loss = F.cross_entropy(plain(x[0].reshape(-1, 1, 28, 28)), y[0])
        assert history["loss"][2].loc[step] == pytest.approx(loss.item(), rel=1e-6)
        loss.backward()
        with torch.no_grad():
            for parameter in plain.parameters():
                parameter -= 0.1 * parameter.grad
    for name, tensor in states(plain).items():
        torch.testing.assert_close(net.state_dict()[name], tensor)
    pretrain(net, steps=2, seed=2, shape=(1, 28, 28), classes=10)
    assert net.noise_steps == 5


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_learns_with_convolutions(rule: str) -> None:
    net = convert(lenet(), rule, seed=1, example=DIGITS.train.x[:1].reshape(1, 1, 28, 28))
    how = {"shape": (1, 28, 28), "progress": False, "seed": 1}
    history = fit(net, DIGITS.train, epochs=12, lr=3e-3, test=DIGITS.test, **how)
    accuracy = history["test_accuracy"][1]
    assert accuracy.iloc[-1] > 0.6 > 0.4 > accuracy.iloc[0]
    logits = net.eval()(DIGITS.test.x.reshape(-1, 1, 28, 28)).detach() if rule != "drtp" else None
    if logits is not None:
        right = (logits.argmax(1) == DIGITS.test.y).double().mean().item()
        assert accuracy.iloc[-1] == pytest.approx(right)
        loss = F.cross_entropy(logits, DIGITS.test.y).item()
        assert history["test_loss"][1].iloc[-1] == pytest.approx(loss, rel=1e-5)


# -- Modes, random numbers, going on ---------------------------------------------------------------


def dropped() -> nn.Module:
    return convert(lenet(norm=nn.BatchNorm2d(4), drop=nn.Dropout(0.3)), "brsf")


def test_modes_are_those_of_training_and_evaluation_and_come_back() -> None:
    net = dropped().eval()
    modes = []
    net.drop.register_forward_hook(lambda module, *_: modes.append(module.training))
    fit(net, DIGITS.train, steps=2, shape=(1, 28, 28), record_every=1)
    assert modes == [False, True, False, True, False]
    assert not net.training
    assert not torch.equal(net.norm.running_mean, torch.zeros(4))
    before = states(net)
    fit(net, DIGITS.train, steps=0, test=DIGITS.test, shape=(1, 28, 28))
    assert same(before, states(net))


def test_what_a_module_draws_is_a_function_of_seed_and_step() -> None:
    nets = [dropped() for _ in range(3)]
    torch.manual_seed(8)
    expected = torch.rand(3)
    torch.manual_seed(8)
    for net, seed in zip(nets, (4, 4, 5), strict=True):
        fit(net, DIGITS.train, steps=7, shape=(1, 28, 28), seed=seed)
    assert torch.equal(torch.rand(3), expected)
    assert same(states(nets[0]), states(nets[1]))
    assert not same(states(nets[0]), states(nets[2]))


@pytest.mark.parametrize("optimizer", ["adam", lambda p: torch.optim.SGD(p, 0.05, momentum=0.9)])
def test_training_goes_on_as_if_it_had_not_stopped(optimizer) -> None:
    whole, halves = dropped(), dropped()
    how = {"shape": (1, 28, 28), "optimizer": optimizer, "record_every": 1, "seed": 2}
    once = fit(whole, DIGITS.train, steps=9, **how)
    first = fit(halves, DIGITS.train, steps=4, **how)
    second = fit(halves, DIGITS.train, steps=5, resume=first, **how)
    assert same(states(whole), states(halves))
    joined = pd.concat([first["loss"], second["loss"].iloc[1:]])
    pd.testing.assert_frame_equal(once["loss"], joined, check_exact=True)
    with pytest.raises(ValueError, match="resume is of other training: seed 2 there and 3 here"):
        fit(halves, DIGITS.train, steps=1, resume=second, **{**how, "seed": 3})


# -- Records ---------------------------------------------------------------------------------------


def test_measures_callbacks_and_stops_see_the_module() -> None:
    net = convert(lenet())
    seen = []
    history = fit(
        net,
        DIGITS.train,
        steps=50,
        shape=(1, 28, 28),
        record_every=5,
        measure={
            "norm": lambda module: module.out.weight.norm(),
            "late": MeasureAt({10}, lambda module: {"a": 1, "b": torch.tensor([2.0])}),
        },
        callback=lambda module, step, values: seen.append((module is net, step, set(values))),
        stop_when=lambda module, step, values: step >= 20,
    )
    assert [step for _, step, _ in seen] == [0, 5, 10, 15, 20]
    assert all(own for own, _, _ in seen)
    assert history["norm"][0].iloc[-1] == pytest.approx(net.out.weight.norm().item())
    assert history["a"][0].to_dict() == {10: 1.0}
    assert {"loss", "alignment_angle_conv", "alignment_angle_out", "norm"} <= seen[0][2]


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: pretrain(lenet(), steps=1), ValueError, "say shape=, of its inputs, and classes="),
        (
            lambda: fit(lenet(), DIGITS.train, steps=1, shape=(3, 28, 28)),
            ValueError,
            "shape (3, 28, 28) does not fit inputs of 784 features",
        ),
        (
            lambda: fit(MLP([784, 10], rule="fa", seeds=[0]), DIGITS.train, steps=1, seed=1),
            TypeError,
            "An MLP knows its own: leave out seed=",
        ),
        (lambda: fit(nn.ReLU(), DIGITS.train, steps=1), ValueError, "no parameters to learn"),
        (
            lambda: fit(
                lenet(), DIGITS.train, steps=1, shape=(1, 28, 28), measure={"w": lambda m: [1, 2]}
            ),
            ValueError,
            "measure 'w' must give one number for a module, got shape [2]",
        ),
        (
            lambda: fit(
                lenet(), DIGITS.train, steps=1, shape=(1, 28, 28), measure={"w": lambda m: {}}
            ),
            ValueError,
            "give a callback",
        ),
        (
            lambda: fit(lenet(), DIGITS.train, steps=1, shape=(1, 28, 28), optimizer="adamm"),
            ValueError,
            "Did you mean 'adam'?",
        ),
    ],
)
def test_bad_input_gets_one_line(call, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as caught:
        call()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_loss_that_is_not_finite_ends_it_with_the_history() -> None:
    net = copy.deepcopy(lenet())
    with pytest.raises(DivergenceError) as caught:
        fit(
            net, DIGITS.train, steps=50, shape=(1, 28, 28), lr=1e30, optimizer="sgd", record_every=1
        )
    assert caught.value.seeds == [0]
    assert len(caught.value.history["loss"]) >= 2
