"""Random noise training's input: random inputs and labels that have nothing to do with them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fa_lib import _checks, _streams

__all__ = ["Noise", "NoiseStream"]

DISTRIBUTIONS = ("normal", "uniform", "bernoulli")
TARGETS = ("labels", "uniform")


@dataclass(frozen=True)
class Noise:
    """What a network is shown in random noise training (the paper's method; arm U of the controls).

    Arguments:
        distribution: shape of the inputs: "normal", "uniform", or "bernoulli" (two equally likely
            values). All three have the given mean and standard deviation.
        mean, std: of every input element, any unit; std > 0.
        target: "labels" draws a class uniformly for each input, whatever the input is; "uniform"
            asks for the soft target 1/classes instead.

    Raises:
        ValueError, TypeError: unknown distribution or target, std not a finite number above 0,
            mean not a finite number.
    """

    distribution: str = "normal"
    mean: float = 0.0
    std: float = 1.0
    target: str = "labels"

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        _checks.choice(self.distribution, DISTRIBUTIONS, "noise distribution")
        _checks.choice(self.target, TARGETS, "noise target")
        _checks.positive_float(self.std, "std of the noise")
        _checks.finite_float(self.mean, "mean of the noise")


class NoiseStream:
    """Batches of noise for N networks, each a pure function of (seed, step).

    On the CPU each (seed, step) starts a generator of its own. On a GPU a counter-based generator
    makes the whole batch on the device: the numbers differ, their distribution does not.

    Arguments:
        noise: what to draw.
        seeds: one for each network, N in all.
        shape: (batch size, input features).
        classes: number of labels.
        dtype: of inputs and soft targets; the numbers are the same, as they are drawn in float32.
    """

    def __init__(
        self,
        noise: Noise,
        seeds: Sequence[int],
        shape: tuple[int, int],
        classes: int,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.noise = noise
        self.classes = classes
        self._dtype = dtype
        keys = [_streams.stream_key(seed, "noise") for seed in seeds]
        self._x = torch.empty(len(seeds), *shape, device=device, dtype=torch.float32)
        if noise.target == "labels":
            self._y = torch.empty(len(seeds), shape[0], device=device, dtype=torch.int64)
        else:
            self._y = torch.full(
                (len(seeds), shape[0], classes), 1 / classes, device=device, dtype=dtype
            )
        self._generator = torch.Generator()
        self._rows = list(zip(keys, self._x.unbind(), self._y.unbind(), strict=True))
        self._key = torch.tensor([_signed(key) for key in keys], device=device)[:, None]
        self._draw = self._draw_on_cpu if device.type == "cpu" else self._draw_by_counter

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """Inputs [N, B, features] and labels [N, B] (soft targets [N, B, classes]) of that step.

        The tensors are overwritten by the next call.
        """
        self._draw(step)
        return self._x.to(self._dtype), self._y

    def _draw_on_cpu(self, step: int) -> None:
        mean, std = self.noise.mean, self.noise.std
        half_width = math.sqrt(3) * std  # of a uniform distribution with that std
        for key, x, y in self._rows:
            generator = self._generator.manual_seed(_streams.step_seed(key, step))
            if self.noise.distribution == "normal":
                x.normal_(mean, std, generator=generator)
            elif self.noise.distribution == "uniform":
                x.uniform_(mean - half_width, mean + half_width, generator=generator)
            else:
                x.bernoulli_(0.5, generator=generator).mul_(2 * std).add_(mean - std)
            if self.noise.target == "labels":
                y.random_(0, self.classes, generator=generator)

    def _draw_by_counter(self, step: int) -> None:
        device, per_network = self._x.device, self._x[0].numel()
        key = _random_bits(self._key, torch.arange(step, step + 1, device=device))
        half = (per_network + 1) // 2
        bits = _random_bits(key, torch.arange(half, device=device))
        # Two 32-bit uniforms from each 64 bits; u1 is in (0, 1], so that its logarithm is finite.
        u1 = ((bits >> 32) & 0xFFFFFFFF).to(torch.float64).add_(1).mul_(2.0**-32)
        u2 = (bits & 0xFFFFFFFF).to(torch.float64).mul_(2.0**-32)
        if self.noise.distribution == "normal":  # Box and Muller 1958
            radius, angle = u1.log_().mul_(-2).sqrt_(), u2.mul_(2 * math.pi)
            pair = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=2)
        elif self.noise.distribution == "uniform":
            pair = torch.stack([u1, u2], dim=2).sub_(0.5).mul_(math.sqrt(12))
        else:
            pair = torch.stack([u1 > 0.5, u2 >= 0.5], dim=2).to(torch.float64).mul_(2).sub_(1)
        values = pair.reshape(len(key), -1)[:, :per_network].mul_(self.noise.std)
        self._x.copy_(values.add_(self.noise.mean).view_as(self._x))
        if self.noise.target == "labels":
            counter = torch.arange(half, half + self._y.shape[1], device=device)
            self._y.copy_(((_random_bits(key, counter) >> 1) & (2**62 - 1)) % self.classes)


def _signed(value: int) -> int:
    """The same 64 bits as a signed int, which is what torch.int64 holds."""
    return value - 2**64 if value >= 2**63 else value


def _random_bits(key: Tensor, counter: Tensor) -> Tensor:
    """SplitMix64's output for each key [N, 1] and counter [M]: int64 [N, M], all 64 bits random."""
    z = key + (counter + 1) * _signed(_streams.GOLDEN)
    z = (z ^ _shift_right(z, 30)) * _signed(0xBF58476D1CE4E5B9)
    z = (z ^ _shift_right(z, 27)) * _signed(0x94D049BB133111EB)
    return z ^ _shift_right(z, 31)


def _shift_right(z: Tensor, places: int) -> Tensor:
    """Logical shift: torch's `>>` on int64 copies the sign bit."""
    return (z >> places) & ((1 << (64 - places)) - 1)
