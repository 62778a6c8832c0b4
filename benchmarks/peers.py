"""The same training as people write it today, to compare fa_lib with.

Every peer starts from the networks of an `fa.MLP` and returns a function that trains for so many
steps, with an optimiser of its own each time, as `fa.pretrain` and `fa.fit` do. The batches are
handed in, so that a test can give all of them the same and ask for the same weights.

- `loop`: one network, a module with a custom autograd Function, Adam as it comes, and the loss
  read off at every step.
- `nn`: the same loop around a module that fa_lib.nn converted.
- `biotorch`: the same loop around the layers of biotorch 0.0.16.
- `vmap`: all networks at once by torch.func, with fused Adam on the stacked parameters.
"""

from __future__ import annotations

import importlib
import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear
from torch.utils.data import DataLoader, TensorDataset

import fa_lib as fa

BATCH = 64
LR = 1e-4
# Where `make bench` puts biotorch: alone, as what it requires would replace half the environment.
BIOTORCH = Path(__file__).resolve().parents[1] / ".bench"

Train = Callable[[int], Any]
Batches = Iterator[tuple[Tensor, Tensor]]


class FeedbackLinear(torch.autograd.Function):
    """x W^T + b, whose error returns through B instead of W."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, feedback: Tensor) -> Tensor:
        """Outputs [B, out]."""
        ctx.save_for_backward(x, feedback)
        return linear(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, error: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None]:
        """Errors at the input, the weight and the bias."""
        x, feedback = ctx.saved_tensors
        below = error @ feedback if ctx.needs_input_grad[0] else None
        return below, error.mT @ x, error.sum(0), None


class MappedFeedbackLinear(FeedbackLinear):
    """The same in the form that torch.func asks for."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor, feedback: Tensor) -> Tensor:
        """Outputs [B, out]."""
        return linear(x, weight, bias)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        """Keep what `backward` needs."""
        x, _, _, feedback = inputs
        ctx.save_for_backward(x, feedback)


class FeedbackLayer(nn.Module):
    """A linear layer with feedback alignment."""

    def __init__(
        self, weight: Tensor, bias: Tensor, feedback: Tensor, function: type[FeedbackLinear]
    ) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)
        self.register_buffer("feedback", feedback)
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        """Outputs [B, out]."""
        return self.function.apply(x, self.weight, self.bias, self.feedback)


def _layers(net: fa.MLP) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    return zip(net.weights, net.biases, net.feedback, strict=True)


def _sequence(layers: list[nn.Module]) -> nn.Sequential:
    """The layers with ReLU between them."""
    parts = [part for layer in layers for part in (layer, nn.ReLU())]
    return nn.Sequential(*parts[:-1])


def loop_network(net: fa.MLP) -> nn.Module:
    """The first network of the stack as a module, a copy."""
    copies = [[tensor[0].clone() for tensor in layer] for layer in _layers(net)]
    return _sequence([FeedbackLayer(*layer, FeedbackLinear) for layer in copies])


def nn_network(net: fa.MLP) -> nn.Module:
    """The first network of the stack in fa_lib's layers for torch modules, a copy."""
    network = fa.nn.convert(net.module(0))
    layers = [layer for layer in network if isinstance(layer, fa.nn.FeedbackLinear)]
    for layer, feedback in zip(layers, net.feedback, strict=True):
        layer.feedback.copy_(feedback[0])
    return network


def biotorch_network(net: fa.MLP) -> nn.Module:
    """The first network of the stack in biotorch's layers, a copy.

    Raises:
        ModuleNotFoundError: biotorch is not there.
    """
    if str(BIOTORCH) not in sys.path:
        sys.path.append(str(BIOTORCH))
    make = importlib.import_module("biotorch.layers.fa.linear").Linear
    layers = []
    for weight, bias, feedback in _layers(net):
        layer = make(weight.shape[2], weight.shape[1]).to(net.device)
        with torch.no_grad():
            layer.weight.copy_(weight[0])
            layer.bias.copy_(bias[0])
            layer.weight_backward.copy_(feedback[0])
        layers.append(layer)
    return _sequence(layers)


def loop(network: nn.Module, batches: Batches) -> Train:
    """The plain loop over the batches of one network, x [B, features] and y [B]."""
    device = next(network.parameters()).device

    def train(steps: int) -> list[float]:
        optimiser = torch.optim.Adam(network.parameters(), lr=LR)
        losses = []
        for x, y in itertools.islice(batches, steps):
            optimiser.zero_grad()
            loss = cross_entropy(network(x.to(device)), y.to(device))
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        return losses

    return train


def vmap(net: fa.MLP, batches: Batches) -> Train:
    """All networks at once, in place: x [N, B, features] and y [N, B].

    The tensors of `net` are what torch.func.stack_module_state would make of N modules.
    """
    with torch.device("meta"):
        empty = [[torch.empty(tensor.shape[1:]) for tensor in layer] for layer in _layers(net)]
        skeleton = _sequence([FeedbackLayer(*shape, MappedFeedbackLinear) for shape in empty])
    parameters, feedback = {}, {}
    for i, layer in enumerate(_layers(net)):
        name = 2 * i  # between them are the ReLUs
        parameters[f"{name}.weight"], parameters[f"{name}.bias"] = layer[:2]
        feedback[f"{name}.feedback"] = layer[2]

    def loss_of(parameters: Any, feedback: Any, x: Tensor, y: Tensor) -> Tensor:
        logits = torch.func.functional_call(skeleton, (parameters, feedback), (x,))
        return cross_entropy(logits, y)

    gradients_of = torch.func.vmap(torch.func.grad_and_value(loss_of))

    def train(steps: int) -> list[Tensor]:
        optimiser = torch.optim.Adam(parameters.values(), lr=LR, fused=True)
        losses = []
        for x, y in itertools.islice(batches, steps):
            gradients, loss = gradients_of(parameters, feedback, x, y)
            for name, parameter in parameters.items():
                parameter.grad = gradients[name]
            optimiser.step()
            losses.append(loss)
        for parameter in parameters.values():
            parameter.grad = None  # they are fa_lib's tensors too
        return losses

    return train


# -- Batches ---------------------------------------------------------------------------------------


def host_noise(features: int, classes: int) -> Batches:
    """Random inputs and labels for one network, made on the host."""
    while True:
        yield torch.randn(BATCH, features), torch.randint(classes, (BATCH,))


def host_data(split: fa.Split) -> Batches:
    """One network's images, epoch after epoch, by torch's DataLoader."""
    loader = DataLoader(TensorDataset(split.x, split.y), batch_size=BATCH, shuffle=True)
    while True:
        yield from loader


def stacked_noise(n: int, features: int, classes: int, device: torch.device) -> Batches:
    """Random inputs and labels for n networks, made where they are needed."""
    while True:
        x = torch.randn(n, BATCH, features, device=device)
        yield x, torch.randint(classes, (n, BATCH), device=device)


def stacked_data(n: int, split: fa.Split, device: torch.device) -> Batches:
    """Images for n networks, epoch after epoch, each network in its own order."""
    x, y = split.x.to(device), split.y.to(device)
    while True:
        orders = torch.stack([torch.randperm(len(split)) for _ in range(n)]).to(device)
        for rows in orders.split(BATCH, dim=1):
            yield x[rows], y[rows]
