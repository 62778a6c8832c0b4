"""Multilayer perceptrons: many networks, one for each seed, as one stack of tensors."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fa_lib import _checks, _streams
from fa_lib._device import resolve_device
from fa_lib.rules import Rule, by_weight, rule_of

__all__ = ["MLP", "cross_entropy", "he_std"]

# Of rule "wm": how far the feedback weights go at a step, and how many noise inputs it takes.
MIRROR_RATE, MIRROR_BATCH = 0.05, 64


def he_std(fan_in: int) -> float:
    """Standard deviation of He-normal weights, sqrt(2 / fan_in) (He et al. 2015)."""
    return math.sqrt(2 / fan_in)


@dataclass
class _Buffers:
    """What one step writes, kept between steps: making it anew would cost more than some products.

    Activations [N, B, out] of every layer (the last are the logits), the error at every hidden
    layer and at the logits, and `minus_one` [N, B, 1].
    """

    activations: list[Tensor]
    deltas: list[Tensor]
    error: Tensor
    minus_one: Tensor


class MLP:
    """N multilayer perceptrons with ReLU hidden layers and a softmax readout, one for each seed.

    Forward weights and feedback are He-normal, biases zero. A network's draws (weights, feedback,
    noise, order of data) depend on its seed alone, bit for bit on one CPU machine, so it shares
    initial weights and feedback with every network of that seed and those sizes whatever its rule
    ("bp" too has feedback, so that its alignment angle can be measured). The same seeds in the same
    stack on the same number of threads give the same numbers, bit for bit on one CPU machine. Alone
    or among others, on another number of threads or on another processor, a network's numbers agree
    within a tolerance, as sums are rounded in another order.

    Index legend: N networks, B batch, in and out features, L layers.

    Arguments:
        sizes: features of the input, of each hidden layer, and the number of classes; L + 1 ints.
        rule: what carries the error back: "bp", "fa", "dfa", "usf", "brsf", "frsf", "kp", "wm" or
            "drtp" (`fa_lib.rules.RULES`), or a Rule of your own.
        seeds: N distinct non-negative ints.
        bias: whether layers have biases.
        device: "auto" (the GPU when there is one), "cpu", "cuda", or a torch.device.
        dtype: torch.float32, or torch.float64 for reference computations.
        compute_dtype: torch.bfloat16 makes the matrix products, and what goes in and comes out of
            them, in bfloat16; weights, the softmax and the optimiser's state stay in `dtype`
            (mixed precision, Micikevicius et al. 2018; Kalamkar et al. 2019). None for `dtype`.
            It pays where the processor has units for it, and changes the numbers.
        readout_scale: factor on the initial weights of the last layer; 0 gives a zero readout.

    Attributes:
        weights: L tensors [N, out, in], layer l mapping sizes[l] to sizes[l + 1] features.
        biases: L tensors [N, out]; empty when bias=False.
        feedback: L tensors [N, out, in]; feedback[l] stands in for weights[l]. Under a rule whose
            error comes from the output or the targets, [N, classes, in]. feedback[0] is unused, as
            no error goes below the first layer.
        compute_dtype: type of the matrix products.
        renewals: how often each network's feedback was drawn anew or mirrored, int64 [N] on the
            CPU; shared with views.
        noise_steps: how many steps of random noise training the networks have had; training a
            view counts in the view alone.

    Raises:
        ValueError: fewer than two layer sizes, a width below 1, an unknown rule or device, no or
            duplicate seeds, another dtype, a readout scale that is not finite.
        TypeError: sizes, seeds or a scale of another type.
        RuntimeError: a CUDA device that is not there.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        rule: str | Rule,
        seeds: Iterable[int],
        bias: bool = True,
        device: str | torch.device = "auto",
        dtype: torch.dtype = torch.float32,
        compute_dtype: torch.dtype | None = None,
        readout_scale: float = 1.0,
    ) -> None:
        if not isinstance(sizes, Iterable):
            raise TypeError(f"sizes must be a list such as [784, 512, 10], got {sizes!r}.")
        self.sizes = tuple(_checks.positive_int(size, "Each layer size") for size in sizes)
        if len(self.sizes) < 2:
            raise ValueError(
                f"sizes needs at least an input and an output, got {list(self.sizes)}."
            )
        if self.sizes[-1] < 2:
            raise ValueError("The last of sizes is the number of classes and must be at least 2.")
        _checked_dtype(dtype)
        if compute_dtype not in (None, dtype, torch.bfloat16):
            text = f"compute_dtype must be None, torch.bfloat16 or {dtype}, got {compute_dtype}."
            raise ValueError(text)
        self.compute_dtype = compute_dtype or dtype
        self.rule, carries = rule, rule_of(rule)
        self.seeds = _checks.seed_list(seeds)
        place = resolve_device(device)
        self.noise_steps = 0
        self.renewals = torch.zeros(len(self), dtype=torch.int64)
        self.weights = self._draw("weights", self.sizes[1:], place, dtype)
        self.feedback = self._draw("feedback", self._carried_from(carries), place, dtype)
        self.weights[-1].mul_(_checks.finite_float(readout_scale, "readout_scale"))
        self.biases = [
            torch.zeros(len(self), out, device=place, dtype=dtype) for out in self.sizes[1:] if bias
        ]
        self._buffers: dict[int, _Buffers] = {}

    def _carried_from(self, rule: Rule) -> tuple[int, ...]:
        """For each layer, how many errors its feedback weights carry to its input."""
        above = rule.source == "above"
        return self.sizes[1:] if above else (self.classes,) * (len(self.sizes) - 1)

    def _draw(
        self, stream: str, outs: Sequence[int], device: torch.device, dtype: torch.dtype
    ) -> list[Tensor]:
        """He-normal matrices [N, out, in] for every layer and seed, drawn on the CPU in float32."""
        layers = []
        for layer, (fan_in, fan_out) in enumerate(zip(self.sizes[:-1], outs, strict=True)):
            stack = torch.empty(len(self.seeds), fan_out, fan_in, dtype=torch.float32)
            for matrix, seed in zip(stack, self.seeds, strict=True):
                generator = _streams.generator(seed, stream, layer)
                matrix.normal_(0.0, he_std(fan_in), generator=generator)
            layers.append(stack.to(device=device, dtype=dtype))
        return layers

    def __len__(self) -> int:
        """N, the number of networks."""
        return len(self.seeds)

    def __repr__(self) -> str:
        """Sizes, rule, number of networks and device."""
        sizes = "-".join(map(str, self.sizes))
        return f"MLP({sizes}, rule={self.rule!r}, {len(self)} network(s), {self.device})"

    def __getitem__(self, index: slice) -> MLP:
        """A view on some of the networks: it shares their tensors, so training it trains them."""
        if not isinstance(index, slice):
            raise TypeError(f"Index networks with a slice such as net[0:2], got {index!r}.")
        view = copy.copy(self)
        view.seeds = _checks.seed_list(self.seeds[index])
        view.weights = [w[index] for w in self.weights]
        view.biases = [b[index] for b in self.biases]
        view.feedback = [b[index] for b in self.feedback]
        view.renewals = self.renewals[index]
        view._buffers = {}
        return view

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.weights[0].device

    @property
    def dtype(self) -> torch.dtype:
        """Floating-point type of the tensors."""
        return self.weights[0].dtype

    @property
    def classes(self) -> int:
        """Number of classes, the width of the readout."""
        return self.sizes[-1]

    def parameters(self) -> list[Tensor]:
        """The tensors that learning changes, for any torch.optim optimiser.

        Weights, then biases, and under rule "kp" the feedback weights.
        """
        learned = self.feedback[1:] if rule_of(self.rule).learning == "gradient" else []
        return [*self.weights, *self.biases, *learned]

    def with_rule(self, rule: str | Rule) -> MLP:
        """The same networks, sharing their tensors but not their gradients, under another rule.

        Raises:
            ValueError: an unknown rule, or one whose feedback weights have another shape.
        """
        other, carries = self[:], rule_of(rule)
        needed = self._carried_from(carries)
        if carries.matrix is not by_weight and any(
            matrix.shape[1] != out
            for matrix, out in zip(self.feedback[1:], needed[1:], strict=True)
        ):
            raise ValueError(
                f"The feedback weights of networks made under rule {self.rule!r} do not fit rule "
                f"{rule!r}: make new ones with rule={rule!r}."
            )
        other.rule = rule
        return other

    def renew_feedback(self) -> None:
        """What some rules do to their feedback weights before each step; others do nothing.

        Under "brsf" they are drawn anew, a function of seed and step. Under "wm" each layer is sent
        noise x, and its feedback weights move by MIRROR_RATE from where they are to the mean of
        y x^T, y being what comes out: that is its forward weights, but for sampling (Akrout et al.
        2019, with rate and decay equal).
        """
        rule = rule_of(self.rule)
        if not rule.redrawn and rule.learning != "mirror":
            return
        for layer in range(1, len(self.feedback)):
            feedback, fan_in = self.feedback[layer], self.sizes[layer]
            shape = feedback.shape[1:] if rule.redrawn else (MIRROR_BATCH, fan_in)
            drawn = torch.empty(len(self), *shape, dtype=torch.float32)
            for noise, seed, step in zip(drawn, self.seeds, self.renewals.tolist(), strict=True):
                noise.normal_(generator=_streams.generator(seed, "renewal", layer, step))
            noise = drawn.to(device=self.device, dtype=self.dtype)
            if rule.redrawn:
                feedback.copy_(noise * he_std(fan_in))
            else:
                response = torch.bmm(noise, self.weights[layer].mT)
                rate = MIRROR_RATE / MIRROR_BATCH
                feedback.baddbmm_(response.mT, noise, beta=1 - MIRROR_RATE, alpha=rate)
        self.renewals += 1

    def __call__(self, x: Tensor) -> Tensor:
        """Logits [N, B, classes] for inputs [B, features] (shared) or [N, B, features].

        Raises:
            ValueError: inputs of another width or number of networks, or no inputs.
        """
        return self.activations(x)[-1]

    def check_fits(self, x: Tensor, y: Tensor) -> None:
        """Raise a ValueError where inputs or targets do not fit these networks; see `backward`."""
        self._checked_targets(y, self._checked_inputs(x).shape[1])

    def state_dict(self) -> dict[str, Tensor]:
        """The tensors themselves, by name: "weights.0", "biases.0", "feedback.0" and so on.

        As in torch they share memory with the networks. Seeds, rule, `noise_steps` and `renewals`
        are not among them; `fa.save` keeps those too.
        """
        kinds = {"weights": self.weights, "biases": self.biases, "feedback": self.feedback}
        return {
            f"{kind}.{layer}": tensor.detach()
            for kind, tensors in kinds.items()
            for layer, tensor in enumerate(tensors)
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Copy into these networks, in place, what `state_dict` of others gave: all or nothing.

        Raises:
            ValueError: names or shapes that are not those of this `state_dict`.
            TypeError: no mapping of names to tensors.
        """
        if not isinstance(state, Mapping):
            raise TypeError(f"state must be what state_dict() gives, got {type(state).__name__}.")
        own = self.state_dict()
        if missing := [name for name in own if name not in state]:
            raise ValueError(f"state lacks {', '.join(missing)}.")
        if unknown := [str(name) for name in state if name not in own]:
            raise ValueError(f"state holds {', '.join(unknown)}, which these networks lack.")
        for name, tensor in own.items():
            if not isinstance(state[name], Tensor):
                raise TypeError(f"{name} must be a tensor, got {type(state[name]).__name__}.")
            if state[name].shape != tensor.shape:
                shapes = f"{list(tensor.shape)}, got {list(state[name].shape)}"
                raise ValueError(f"{name} must be {shapes}.")
        for name, tensor in own.items():
            tensor.copy_(state[name].detach())

    def to(self, device: str | torch.device | None = None, dtype: torch.dtype | None = None) -> MLP:
        """New networks with copies of these tensors, elsewhere or of another type.

        Unlike torch's modules these stay as they are. None leaves device or dtype as it is; matrix
        products go over to the new dtype, but those in bfloat16 stay in it.

        Raises:
            ValueError: a dtype other than torch.float32 and torch.float64, or an unknown device.
            RuntimeError: a CUDA device that is not there.
        """
        place = self.device if device is None else resolve_device(device)
        dtype = _checked_dtype(self.dtype if dtype is None else dtype)
        other = copy.copy(self)
        for kind in ("weights", "biases", "feedback"):
            copies = [t.detach().to(place, dtype, copy=True) for t in getattr(self, kind)]
            setattr(other, kind, copies)
        if self.compute_dtype == self.dtype:
            other.compute_dtype = dtype
        other.renewals = self.renewals.clone()
        other._buffers = {}
        return other

    def module(self, i: int) -> nn.Sequential:
        """Network i, by its position, as a plain torch module of Linear and ReLU.

        It holds copies of the forward weights and biases, so its logits are `net(x)[i]` to
        rounding, and it trains by backpropagation as any module does.

        Raises:
            IndexError: no network at that position.
            TypeError: no whole number.
        """
        if _checks.non_negative_int(i, "The network's position") >= len(self):
            raise IndexError(f"The network's position must be below {len(self)}, got {i}.")
        layers: list[nn.Module] = []
        for layer, weight in enumerate(self.weights):
            fan_out, fan_in = weight.shape[1:]
            how = {"bias": bool(self.biases), "device": self.device, "dtype": self.dtype}
            # Without torch's own first values, which would be drawn from its global generator.
            linear = nn.utils.skip_init(nn.Linear, fan_in, fan_out, **how)
            linear.weight.data.copy_(weight[i])
            if self.biases:
                linear.bias.data.copy_(self.biases[layer][i])
            layers += [linear, nn.ReLU()]
        return nn.Sequential(*layers[:-1])

    def activations(self, x: Tensor) -> list[Tensor]:
        """Outputs of every layer [N, B, out], the logits last, as fresh tensors."""
        x = self._checked_inputs(x)
        layers = self._forward(x, self._cast(self.weights), [None] * (len(self.sizes) - 1))
        return [layer.to(self.dtype) for layer in layers]

    def backward(self, x: Tensor, y: Tensor) -> Tensor:
        """Fill every parameter's `.grad` with the rule's update direction.

        With rule "bp" that is the gradient of each network's mean cross-entropy.

        Arguments:
            x: inputs [B, features] (shared) or [N, B, features].
            y: labels, int64 [B] or [N, B]; or target probabilities [B, classes] or
                [N, B, classes] in a floating type.

        Returns:
            Mean cross-entropy of each network before the update [N], in nats.

        Raises:
            ValueError: shapes that do not fit, labels outside 0 to classes - 1, or targets that
                are no probabilities.
            TypeError: inputs or targets that are no tensors.
        """
        x = self._checked_inputs(x)
        y = self._checked_targets(y, x.shape[1])
        logits = self.compute_gradients(x, y)
        return cross_entropy(logits, y)

    def compute_gradients(self, x: Tensor, y: Tensor) -> Tensor:
        """`backward` without its checks and loss, for loops that made x [N, B, features] and y.

        Returns:
            The logits [N, B, classes], overwritten by the next call with that batch size.
        """
        buffers = self._buffers_for(x.shape[1])
        x, weights = x.to(self.compute_dtype), self._cast(self.weights)
        layers = self._forward(x, weights, buffers.activations)
        logits, error = layers[-1].to(self.dtype), buffers.error
        torch.softmax(logits, dim=-1, out=error)
        if y.is_floating_point():
            error.sub_(y)
        else:
            error.scatter_add_(2, y.unsqueeze(2), buffers.minus_one)
        error.div_(x.shape[1])
        deltas = [*buffers.deltas, error.to(self.compute_dtype)]
        rule = rule_of(self.rule)
        sent = deltas[-1] if rule.source == "output" else None
        if rule.source == "targets":
            sent = self._minus_targets(y, error).to(self.compute_dtype)
        for layer in reversed(range(len(weights))):
            if layer < len(weights) - 1:
                upper = layer + 1
                feedback = self.feedback[upper].to(self.compute_dtype)
                if sent is None:
                    matrix = rule.matrix(weights[upper], feedback)
                    torch.bmm(deltas[upper], matrix, out=deltas[layer])
                else:
                    torch.bmm(sent, feedback, out=deltas[layer])
                _zero_where_off(deltas[layer], layers[layer])
            below = layers[layer - 1] if layer else x
            _product(deltas[layer].mT, below, _gradient(self.weights[layer]))
            if self.biases:
                torch.sum(deltas[layer], 1, dtype=self.dtype, out=_gradient(self.biases[layer]))
        if rule.learning == "gradient":
            for weight, learned in zip(self.weights[1:], self.feedback[1:], strict=True):
                learned.grad = weight.grad
        return logits

    def _minus_targets(self, y: Tensor, error: Tensor) -> Tensor:
        """The part -t / B of the error (p - t) / B, [N, B, classes]."""
        scale = -1 / error.shape[1]
        if y.is_floating_point():
            return y * scale
        parts = error.new_full((), scale).expand(*y.shape, 1)
        return torch.zeros_like(error).scatter_(2, y.unsqueeze(2), parts)

    def _cast(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """In the type of the matrix products: themselves where that is their own."""
        return [tensor.to(self.compute_dtype) for tensor in tensors]

    def _forward(
        self, x: Tensor, weights: Sequence[Tensor], out: Sequence[Tensor | None]
    ) -> list[Tensor]:
        layers: list[Tensor] = [x.to(self.compute_dtype)]
        biases = [bias.unsqueeze(1) for bias in self._cast(self.biases)]
        for layer, weight in enumerate(weights):
            if biases:
                z = torch.baddbmm(biases[layer], layers[-1], weight.mT, out=out[layer])
            else:
                z = torch.bmm(layers[-1], weight.mT, out=out[layer])
            layers.append(z.relu_() if layer < len(weights) - 1 else z)
        return layers[1:]

    def _buffers_for(self, batch: int) -> _Buffers:
        if batch not in self._buffers:
            shapes = [(len(self), batch, out) for out in self.sizes[1:]]
            activations = [
                torch.empty(shape, dtype=self.compute_dtype, device=self.device) for shape in shapes
            ]
            error = torch.empty_like(activations[-1], dtype=self.dtype)
            self._buffers[batch] = _Buffers(
                activations=activations,
                deltas=[torch.empty_like(a) for a in activations[:-1]],
                error=error,
                minus_one=error.new_full((), -1.0).expand(len(self), batch, 1),
            )
        return self._buffers[batch]

    def _checked_inputs(self, x: Tensor) -> Tensor:
        n, features = len(self), self.sizes[0]
        if not isinstance(x, Tensor):
            raise TypeError(f"Inputs must be a tensor, got {type(x).__name__}.")
        if x.dim() not in (2, 3) or x.shape[-1] != features or (x.dim() == 3 and x.shape[0] != n):
            raise ValueError(
                f"Inputs must be [B, {features}] or [{n}, B, {features}], got {list(x.shape)}."
            )
        if x.shape[-2] == 0:
            raise ValueError("Inputs are empty: the batch has no rows.")
        return x.to(device=self.device, dtype=self.dtype).expand(n, -1, -1)

    def _checked_targets(self, y: Tensor, batch: int) -> Tensor:
        n, classes = len(self), self.classes
        if not isinstance(y, Tensor):
            raise TypeError(f"Targets must be a tensor, got {type(y).__name__}.")
        shape = (batch, classes) if y.is_floating_point() else (batch,)
        if tuple(y.shape) not in (shape, (n, *shape)):
            raise ValueError(f"Targets must be {[*shape]} or {[n, *shape]}, got {list(y.shape)}.")
        if y.is_floating_point():
            if not ((y >= 0).all() and ((y.sum(dim=-1) - 1).abs() < 1e-3).all()):
                raise ValueError("Target probabilities must be at least 0 and sum to 1.")
            return y.to(device=self.device, dtype=self.dtype).expand(n, *shape)
        if y.min() < 0 or y.max() >= classes:
            raise ValueError(
                f"Labels must lie in 0 to {classes - 1}, got {int(y.min())} to {int(y.max())}."
            )
        return y.to(device=self.device, dtype=torch.int64).expand(n, *shape)


def _checked_dtype(dtype: torch.dtype) -> torch.dtype:
    """Of weights: float32, or float64 for reference computations."""
    if dtype not in (torch.float32, torch.float64):
        raise ValueError(f"dtype must be torch.float32 or torch.float64, got {dtype}.")
    return dtype


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """Mean cross-entropy of each network [N], in nats, for logits [N, B, classes].

    `y` holds labels, int64 [N, B], or target probabilities [N, B, classes] in a floating type.
    """
    log_p = torch.log_softmax(logits, dim=-1)
    if y.is_floating_point():
        return -(y * log_p).sum(dim=2).mean(dim=1)
    return -log_p.gather(2, y.unsqueeze(2)).squeeze(2).mean(dim=1)


def _zero_where_off(delta: Tensor, activation: Tensor) -> None:
    """The error below a ReLU, in place: nothing passes a unit that is off."""
    torch.ops.aten.threshold_backward.grad_input(delta, activation, 0, grad_input=delta)


def _product(a: Tensor, b: Tensor, out: Tensor) -> None:
    """Matrix products, converted where `out` is of another type."""
    if out.dtype == a.dtype:
        torch.bmm(a, b, out=out)
    else:
        out.copy_(torch.bmm(a, b))


def _gradient(parameter: Tensor) -> Tensor:
    """The parameter's `.grad`, made on first use and then written over."""
    if parameter.grad is None:
        parameter.grad = torch.empty_like(parameter)
    return parameter.grad
