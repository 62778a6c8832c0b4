"""The optimisers of training against torch.optim, bit for bit, and optimisers of one's own."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from small_networks import copies, make, same, split
from torch import Tensor
from torch.optim import lr_scheduler

from fa_lib import fit, pretrain
from fa_lib._optimizers import OPTIMIZERS, fresh_state

TORCH = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", list(TORCH))
def test_as_torch_optim(name: str, dtype: torch.dtype) -> None:
    draw = torch.Generator().manual_seed(3)
    shapes = [(3, 50, 20), (3, 7)]
    ours = [torch.randn(shape, generator=draw).to(dtype) for shape in shapes]
    theirs = [value.clone() for value in ours]
    for value in (*ours, *theirs):
        value.grad = torch.empty_like(value)
    step = OPTIMIZERS[name](ours, 0.01, fresh_state(name, ours), 0)
    optimiser = TORCH[name](theirs, lr=0.01, fused=True)
    for _ in range(20):
        for mine, reference in zip(ours, theirs, strict=True):
            assert mine.grad is not None
            assert reference.grad is not None
            mine.grad.normal_(generator=draw)
            reference.grad.copy_(mine.grad)
        step()
        optimiser.step()
    for mine, reference in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, reference, rtol=0, atol=0)


@pytest.mark.parametrize("name", list(TORCH))
def test_parameters_without_gradients_are_refused(name: str) -> None:
    values = [torch.zeros(3)]
    with pytest.raises(ValueError, match="gradients"):
        OPTIMIZERS[name](values, 0.1, fresh_state(name, values), 0)


# Optimisers of one's own


def fused_adam(parameters: list[Tensor]) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=1e-2, fused=True)


def momentum(parameters: list[Tensor]) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.05, momentum=0.9, weight_decay=1e-3)


def halving(parameters: list[Tensor]) -> tuple[torch.optim.Optimizer, lr_scheduler.LRScheduler]:
    optimiser = torch.optim.SGD(parameters, lr=0.1, momentum=0.5)
    return optimiser, lr_scheduler.StepLR(optimiser, step_size=3, gamma=0.5)


def test_torchs_adam_by_a_function_is_adam_by_name(small_chunks: None) -> None:
    named, given = make(), make()
    for net, how in ((named, {"lr": 1e-2}), (given, {"optimizer": fused_adam})):
        pretrain(net, steps=9, **how)
        fit(net, split(), epochs=2, batch_size=16, **how)
    assert same(copies(named), copies(given))


@pytest.mark.parametrize("optimizer", [momentum, halving])
def test_against_a_plain_loop_over_a_module(optimizer: Callable) -> None:
    """Eight steps on all of the data, whose order then does not matter."""
    data, net = split(20), make("bp", dtype=torch.float64)
    modules = [net.module(i) for i in range(3)]
    losses = fit(net, data, steps=8, batch_size=20, optimizer=optimizer, record_every=1)["loss"]
    for i, module in enumerate(modules):
        made = optimizer(list(module.parameters()))
        parts = made if isinstance(made, tuple) else (made,)
        expected = []
        for _ in range(9):
            module.zero_grad()
            loss = torch.nn.functional.cross_entropy(module(data.x.double()), data.y)
            expected.append(loss.item())
            loss.backward()
            for part in parts:
                part.step()
        np.testing.assert_allclose(losses[net.seeds[i]], expected, rtol=1e-10)


@pytest.mark.parametrize("optimizer", [fused_adam, momentum, halving])
@pytest.mark.parametrize("kind", ["noise", "data"])
def test_it_goes_on_as_if_it_had_not_stopped(
    optimizer: Callable, kind: str, small_chunks: None
) -> None:
    def train(net, steps: int, **how):
        if kind == "noise":
            return pretrain(net, steps=steps, optimizer=optimizer, **how)
        return fit(net, split(), steps=steps, optimizer=optimizer, **how)

    whole, parts = make(), make()
    train(whole, 9)
    first = train(parts, 0)
    first = train(parts, 4, resume=first)
    train(parts, 0, resume=first)
    second = train(parts, 4, resume=first)
    train(parts, 1, resume=second)
    assert same(copies(whole), copies(parts))


def test_it_goes_on_in_the_same_parts_alone(two_threads: None) -> None:
    net = make()
    torch.set_num_threads(1)
    first = fit(net, split(), epochs=1, optimizer=momentum)
    before = copies(net)
    torch.set_num_threads(2)
    with pytest.raises(ValueError, match="only 'adam' and 'sgd' go on in other parts") as caught:
        fit(net, split(), epochs=1, optimizer=momentum, resume=first)
    assert "\n" not in str(caught.value)
    assert same(copies(net), before)
    torch.set_num_threads(1)
    with pytest.raises(ValueError, match="resume's optimiser was SGD, and this one is SGD, StepLR"):
        fit(net, split(), epochs=1, optimizer=halving, resume=first)
    with pytest.raises(ValueError, match="optimizer by a function there and adam here"):
        fit(net, split(), epochs=1, resume=first)


@pytest.mark.parametrize(
    ("optimizer", "error", "message"),
    [
        ("Adam", ValueError, "Unknown optimizer 'Adam'. Did you mean 'adam'? Allowed: adam, sgd."),
        (
            torch.optim.Adam([torch.zeros(1)]),
            TypeError,
            "optimizer must be 'adam', 'sgd' or a function of the parameters that returns a "
            "torch.optim.Optimizer, got Adam.",
        ),
        (
            lambda parameters: None,
            TypeError,
            "optimizer's function must return a torch.optim.Optimizer, or that and a scheduler of "
            "its learning rate, got NoneType.",
        ),
        (
            lambda parameters: (fused_adam(parameters), fused_adam(parameters)),
            TypeError,
            "optimizer's function must return a torch.optim.Optimizer, or that and a scheduler of "
            "its learning rate, got Adam, Adam.",
        ),
        (
            lambda parameters: (*halving(parameters), 3),
            TypeError,
            "optimizer's function must return a torch.optim.Optimizer, or that and a scheduler of "
            "its learning rate, got SGD, StepLR, int.",
        ),
        (
            lambda parameters: fused_adam([torch.zeros(3)]),
            ValueError,
            "optimizer's function returned an optimiser of other tensors.",
        ),
    ],
)
def test_what_is_no_optimiser(optimizer: object, error: type[Exception], message: str) -> None:
    net, before = make(), copies(make())
    for train in (pretrain, lambda *args, **how: fit(args[0], split(), **how)):
        with pytest.raises(error) as caught:
            train(net, steps=3, optimizer=optimizer)  # type: ignore[operator]
        assert str(caught.value) == message
    assert same(copies(net), before)
