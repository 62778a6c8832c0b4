"""Feedback alignment for ordinary torch modules: layers, and the conversion of a whole model.

    net = fa.nn.convert(model, rule="fa", seed=0)      # a copy; then train it as any other model
    layer = fa.nn.FeedbackLinear(784, 100, rule="kp")  # or build with these layers

What comes out of `loss.backward()` in the parameters' `.grad` is the rule's update direction; any
optimiser, loss and activation go with it. Feedback weights are named streams of a seed.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fa_lib import _streams
from fa_lib.networks import MIRROR_BATCH, MIRROR_RATE, he_std
from fa_lib.rules import Rule, rule_of

__all__ = ["DirectChain", "FeedbackConv2d", "FeedbackLinear", "convert", "mirror"]


# -- On the way back -------------------------------------------------------------------------------


class _Linear(torch.autograd.Function):
    """x W^T + b, whose error goes back through another matrix than W."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: Tensor, matrix: Tensor, bias: Tensor | None) -> Tensor:
        return F.linear(x, weight, bias)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, _, matrix, bias = inputs
        ctx.save_for_backward(x, matrix)
        ctx.has_bias = bias is not None

    @staticmethod
    def backward(ctx: Any, error: Tensor) -> tuple[Tensor | None, ...]:
        # Under autocast the error comes in fewer digits than what was saved.
        x, matrix = (saved.to(error.dtype) for saved in ctx.saved_tensors)
        rows = error.reshape(-1, error.shape[-1])
        below = error @ matrix if ctx.needs_input_grad[0] else None
        weight = rows.mT @ x.reshape(-1, x.shape[-1])
        learned = weight if ctx.needs_input_grad[2] else None
        return below, weight, learned, rows.sum(0) if ctx.has_bias else None


class _Conv2d(torch.autograd.Function):
    """A convolution whose error goes back through other kernels than the forward ones."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        x: Tensor,
        weight: Tensor,
        matrix: Tensor,
        bias: Tensor | None,
        stride: tuple[int, ...],
        padding: tuple[int, ...],
        dilation: tuple[int, ...],
        groups: int,
    ) -> Tensor:
        return F.conv2d(x, weight, bias, stride, padding, dilation, groups)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, _, matrix, bias, *ctx.geometry = inputs
        ctx.save_for_backward(x, matrix)
        ctx.has_bias = bias is not None

    @staticmethod
    def backward(ctx: Any, error: Tensor) -> tuple[Tensor | None, ...]:
        x, matrix = (saved.to(error.dtype) for saved in ctx.saved_tensors)
        stride, padding, dilation, groups = ctx.geometry
        below, weight, _ = torch.ops.aten.convolution_backward(
            error, x, matrix, None, stride, padding, dilation, False, [0, 0], groups,
            [ctx.needs_input_grad[0], True, False],
        )  # fmt: skip
        learned = weight if ctx.needs_input_grad[2] else None
        bias = error.sum((0, 2, 3)) if ctx.has_bias else None
        return below, weight, learned, bias, None, None, None, None


# -- Layers ----------------------------------------------------------------------------------------


def _layer_rule(rule: str | Rule) -> Rule:
    """The rule, if a layer by itself can have it."""
    found = rule_of(rule)
    if found.source != "above":
        raise ValueError(
            f"Rule {found.name!r} takes its error from the {found.source}, which a layer by itself "
            "does not see: convert a whole nn.Sequential with fa_lib.nn.convert."
        )
    return found


def _draw_feedback(layer: FeedbackLinear | FeedbackConv2d) -> None:
    """He-normal feedback of the weight's shape, a function of the layer's seed and stream."""
    weight = layer.weight
    generator = _streams.generator(layer.seed, "feedback", layer.stream)
    drawn = torch.empty(weight.shape, dtype=torch.float32)
    drawn.normal_(0.0, he_std(math.prod(weight.shape[1:])), generator=generator)
    drawn = drawn.to(device=weight.device, dtype=weight.dtype)
    if layer.rule.learning == "gradient":
        layer.feedback = nn.Parameter(drawn)
    else:
        layer.register_buffer("feedback", drawn)


def _matrix(layer: FeedbackLinear | FeedbackConv2d) -> Tensor:
    """What stands for the layer's weight on the way back."""
    if layer.rule.redrawn and torch.is_grad_enabled():
        drawn = torch.randn_like(layer.feedback) * he_std(math.prod(layer.weight.shape[1:]))
        return layer.rule.matrix(layer.weight.detach(), drawn)
    if layer.rule.learning == "gradient":
        return layer.feedback
    return layer.rule.matrix(layer.weight.detach(), layer.feedback)


class FeedbackLinear(nn.Linear):
    """`torch.nn.Linear` under a learning rule: its error goes back by the rule, not by its weight.

    `weight` and `bias` are as torch has them. `feedback` [out, in] is a buffer, under "kp" a
    Parameter whose gradient is the weight's (use weight decay, so that the two come together).
    Under "brsf" the magnitudes are drawn in each forward pass by torch's own generator.

    Arguments:
        in_features, out_features, bias, device, dtype: as in `torch.nn.Linear`.
        rule: a name or Rule whose error comes from the layer above.
        seed, stream: of the feedback's draw; layers that share both share it.

    Raises:
        ValueError: an unknown rule, or one whose error does not come from the layer above.
    """

    feedback: Tensor

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        rule: str | Rule = "fa",
        seed: int = 0,
        stream: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        self.rule, self.seed, self.stream = _layer_rule(rule), seed, stream
        super().__init__(in_features, out_features, bias, device, dtype)
        _draw_feedback(self)

    def forward(self, x: Tensor) -> Tensor:
        """Outputs [..., out] for inputs [..., in]."""
        return _Linear.apply(x, self.weight, _matrix(self), self.bias)


class FeedbackConv2d(nn.Conv2d):
    """`torch.nn.Conv2d` under a learning rule, as `FeedbackLinear` is `Linear`.

    `feedback` has the weight's shape, [out, in / groups, height, width].

    Arguments:
        in_channels to padding_mode, device, dtype: as in `torch.nn.Conv2d`.
        rule, seed, stream: as in `FeedbackLinear`.
    """

    feedback: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | str = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        rule: str | Rule = "fa",
        seed: int = 0,
        stream: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        self.rule, self.seed, self.stream = _layer_rule(rule), seed, stream
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            padding_mode,  # type: ignore[arg-type]
            device,
            dtype,
        )
        _draw_feedback(self)

    def forward(self, x: Tensor) -> Tensor:
        """Outputs [B, out, height, width] for inputs [B, in, height, width] (or without B)."""
        alone = x.dim() == 3
        x = x.unsqueeze(0) if alone else x
        padding = self.padding
        if isinstance(padding, str) or self.padding_mode != "zeros":
            mode = "constant" if self.padding_mode == "zeros" else self.padding_mode
            x, padding = F.pad(x, self._reversed_padding_repeated_twice, mode=mode), (0, 0)
        out = _Conv2d.apply(
            x, self.weight, _matrix(self), self.bias, self.stride, padding, self.dilation,
            self.groups,
        )  # fmt: skip
        return out.squeeze(0) if alone else out


def feedback_layers(module: nn.Module) -> Iterator[FeedbackLinear | FeedbackConv2d]:
    """The module's feedback layers, in the order of `modules()`."""
    for layer in module.modules():
        if isinstance(layer, (FeedbackLinear, FeedbackConv2d)):
            yield layer


@torch.no_grad()
def mirror(module: nn.Module, *, rate: float = MIRROR_RATE, batch_size: int = MIRROR_BATCH) -> None:
    """One step of the weight mirrors in a module, between steps of training (Akrout et al. 2019).

    Each layer under rule "wm" is sent noise x, N(0, 1), and its feedback moves by `rate` from where
    it is to the mean over the batch of y x^T, y being what comes out without the bias: that is its
    weight, but for sampling. (Rate and decay are equal here, so that the fixed point is the weight
    itself.) A convolution takes the noise as patches of its kernel's size.
    """
    for layer in feedback_layers(module):
        if layer.rule.learning == "mirror":
            weight = layer.weight.flatten(1)
            noise = torch.randn(
                batch_size, weight.shape[1], device=weight.device, dtype=weight.dtype
            )
            response = noise @ weight.mT
            correlation = (response.mT @ noise / batch_size).view_as(layer.feedback)
            layer.feedback.lerp_(correlation, rate)


# -- Conversion ------------------------------------------------------------------------------------


def convert(
    module: nn.Module, rule: str | Rule = "fa", seed: int = 0, *, example: Tensor | None = None
) -> nn.Module:
    """A copy of a model that learns by the rule; its attribute `converted` names what was turned.

    Every Linear and Conv2d becomes a feedback layer with the same weights, parameters in the same
    order. Layer k of them, from 0, draws its feedback from stream k of the seed.

    Arguments:
        module: any torch module; under a rule whose error comes from the output or the targets, one
            chain of layers, `nn.Sequential`, which ends at the logits.
        rule: a name or Rule.
        seed: of the feedback weights.
        example: an input, of which such a chain of convolutions needs one to know its shapes.

    Raises:
        ValueError: nothing to turn; something that cannot be: subclasses of Linear and Conv2d,
            MultiheadAttention, weights that layers share; an unknown rule; a rule that needs a
            chain for a module that is none.
        TypeError: no module.
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"convert takes a torch module, got {type(module).__name__}.")
    found = rule_of(rule)
    _refuse(module)
    if found.source != "above":
        return _chain(module, found, seed, example)
    net = copy.deepcopy(module)
    names = [name for name, layer in net.named_modules() if type(layer) in (nn.Linear, nn.Conv2d)]
    for stream, name in enumerate(names):
        layer = _turned(net.get_submodule(name), found, seed, stream)
        if name:
            parent, _, own = name.rpartition(".")
            setattr(net.get_submodule(parent), own, layer)
        else:
            net = layer
    net.converted = tuple(names)  # type: ignore[assignment]
    return net


def _refuse(module: nn.Module) -> None:
    """Raise for what would silently stay with backpropagation, or learn twice."""
    seen: dict[int, str] = {}
    turned = 0
    for name, layer in module.named_modules(remove_duplicate=False):
        where = f"{name or 'the module'} ({type(layer).__name__})"
        if isinstance(layer, nn.MultiheadAttention):
            raise ValueError(f"{where} multiplies by its weights itself and cannot be turned.")
        if not isinstance(layer, (nn.Linear, nn.Conv2d)):
            continue
        if type(layer) not in (nn.Linear, nn.Conv2d):
            kind = "Conv2d" if isinstance(layer, nn.Conv2d) else "Linear"
            raise ValueError(f"{where} is a subclass of {kind}: only {kind} itself can be turned.")
        if other := seen.get(id(layer.weight)):
            raise ValueError(f"{where} shares its weight with {other}, and cannot be turned.")
        seen[id(layer.weight)] = where
        turned += 1
    if not turned:
        raise ValueError("There is no Linear and no Conv2d to turn.")


def _turned(layer: nn.Module, rule: Rule, seed: int, stream: int) -> Any:
    """A feedback layer with that layer's parameters, hooks and mode."""
    kind = FeedbackConv2d if isinstance(layer, nn.Conv2d) else FeedbackLinear
    turned: Any = kind.__new__(kind)
    turned.__dict__.update(layer.__dict__)
    turned.rule, turned.seed, turned.stream = rule, seed, stream
    _draw_feedback(turned)
    return turned


# -- Error from the output or the targets ----------------------------------------------------------


class _Direct(torch.autograd.Function):
    """The logits as they are; the error, or what stands for it, goes to every hidden layer too.

    Inputs: logits [B, C], what is sent in the error's place [B, C] or None, and for each hidden
    layer its output h [B, ...] and feedback [C, h's size].
    """

    @staticmethod
    def forward(logits: Tensor, sent: Tensor | None, *hidden: Tensor) -> Tensor:
        return logits.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, sent, *hidden = inputs
        outputs, feedback = hidden[0::2], hidden[1::2]
        ctx.shapes = [h.shape for h in outputs]
        ctx.sends = sent is not None
        ctx.save_for_backward(*feedback, *([sent] if ctx.sends else []))

    @staticmethod
    def backward(ctx: Any, error: Tensor) -> tuple[Tensor | None, ...]:
        saved = [tensor.to(error.dtype) for tensor in ctx.saved_tensors]
        sent = saved.pop() if ctx.sends else error
        back: list[Tensor | None] = []
        for shape, feedback in zip(ctx.shapes, saved, strict=True):
            back += [(sent @ feedback).reshape(shape), None]
        return error, None, *back


class DirectChain(nn.Sequential):
    """A chain of layers whose hidden layers learn from the output's error, or from the targets.

    Made by `convert`. Under rule "drtp" the targets are given with the inputs, `net(x, targets)`:
    labels int64 [B], or probabilities [B, C]; the loss is then the mean cross-entropy.
    """

    rule: Rule
    converted: tuple[str, ...]

    def forward(self, x: Tensor, targets: Tensor | None = None) -> Tensor:
        """Logits [B, C]."""
        hidden: list[Tensor] = []
        for name, layer in self._modules.items():
            if name in self.converted[1:]:
                hidden += [x, getattr(self, f"feedback_{name}")]
                x = x.detach()
            assert layer is not None
            x = layer(x)
        if not torch.is_grad_enabled():
            return x
        return _Direct.apply(x, self._sent(x, targets), *hidden)

    def _sent(self, logits: Tensor, targets: Tensor | None) -> Tensor | None:
        if self.rule.source == "output":
            return None
        if targets is None:
            raise ValueError("Rule 'drtp' learns from the targets: call net(x, targets).")
        if not targets.is_floating_point():
            targets = F.one_hot(targets, logits.shape[1])
        return -targets.to(logits.dtype) / len(logits)


def _chain(module: nn.Module, rule: Rule, seed: int, example: Tensor | None) -> DirectChain:
    if type(module) is not nn.Sequential:
        raise ValueError(
            f"Rule {rule.name!r} needs one chain of layers, a nn.Sequential, got "
            f"{type(module).__name__}."
        )
    layers = dict(copy.deepcopy(module).named_children())
    names = [name for name, layer in layers.items() if isinstance(layer, (nn.Linear, nn.Conv2d))]
    inside = [
        name
        for name, layer in module.named_modules()
        if isinstance(layer, (nn.Linear, nn.Conv2d)) and name not in names
    ]
    last = layers[names[-1]] if names else None
    if inside or not isinstance(last, nn.Linear):
        what = f"{inside[0]} lies inside another module" if inside else "it ends in no Linear"
        raise ValueError(
            f"Rule {rule.name!r} needs one chain of layers down to the logits: {what}."
        )
    net = DirectChain()
    for name, layer in layers.items():
        net.add_module(name, layer)
    net.rule, net.converted = rule, tuple(names)
    sizes = _input_sizes(net, example)
    for stream, name in enumerate(names):
        if stream:
            generator = _streams.generator(seed, "feedback", stream)
            drawn = torch.empty(last.out_features, sizes[name], dtype=torch.float32)
            drawn.normal_(0.0, he_std(sizes[name]), generator=generator)
            drawn = drawn.to(device=last.weight.device, dtype=last.weight.dtype)
            net.register_buffer(f"feedback_{name}", drawn)
    return net


def _input_sizes(net: DirectChain, example: Tensor | None) -> dict[str, int]:
    """How many numbers go into each layer that was turned."""
    if example is None:
        layers = {name: net.get_submodule(name) for name in net.converted}
        if any(isinstance(layer, nn.Conv2d) for layer in layers.values()):
            raise ValueError("With convolutions give an example input, for the layers' shapes.")
        return {name: int(layer.in_features) for name, layer in layers.items()}  # type: ignore[arg-type]
    sizes: dict[str, int] = {}
    x = example
    with torch.no_grad():
        for name, layer in net.named_children():
            sizes[name] = x[0].numel()
            x = layer(x)
    return sizes
