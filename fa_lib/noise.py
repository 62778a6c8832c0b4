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

# Of one network, that a generator draws in one call on a GPU: fewer leave it waiting for calls,
# more take memory. 20 steps of 64 images of MNIST, 4 MB.
NUMBERS_AT_ONCE = 1 << 20


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

    On the CPU each (seed, step) starts a generator anew. On a GPU that would be a call for each
    network and step, so there a generator, which is a counter-based one (Philox), draws several
    steps at once: the numbers differ, their distribution does not.

    Arguments:
        noise: what to draw.
        seeds: one for each network, N in all.
        shape: (batch size, input features).
        classes: number of labels.
        dtype: of inputs and soft targets; the numbers are the same, as they are drawn in float32.
        steps_at_once: how many steps a generator draws; None: as the device needs. On that the
            numbers depend.
    """

    def __init__(
        self,
        noise: Noise,
        seeds: Sequence[int],
        shape: tuple[int, int],
        classes: int,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        steps_at_once: int | None = None,
    ) -> None:
        self.noise = noise
        self.classes = classes
        if steps_at_once is None:
            fitting = max(1, NUMBERS_AT_ONCE // math.prod(shape))
            steps_at_once = 1 if device.type == "cpu" else fitting
        self._at_once = steps_at_once
        self._block = -1
        many = (len(seeds), steps_at_once)
        drawn_x = torch.empty(*many, *shape, device=device, dtype=torch.float32)
        drawn_y = torch.empty(*many, shape[0], device=device, dtype=torch.int64)
        self._generator = torch.Generator(device)
        keys = [_streams.stream_key(seed, "noise") for seed in seeds]
        self._rows = list(zip(keys, drawn_x.unbind(), drawn_y.unbind(), strict=True))
        x, y = drawn_x[:, 0].to(dtype), drawn_y[:, 0]
        if steps_at_once > 1:
            x, y = x.clone(), y.clone()
        # A step at once is drawn where it is used, but for another type.
        pairs = ((x, drawn_x), (y, drawn_y))
        self._copied = [pair for pair in pairs if pair[0].data_ptr() != pair[1].data_ptr()]
        if noise.target == "uniform":
            y = torch.full((len(seeds), shape[0], classes), 1 / classes, device=device, dtype=dtype)
        self._batch = x, y

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """Inputs [N, B, features] and labels [N, B] (soft targets [N, B, classes]) of that step.

        The tensors are the same ones at every call, written over.
        """
        block, place = divmod(step, self._at_once)
        if block != self._block:
            self._draw(block)
            self._block = block
        for batch, drawn in self._copied:
            batch.copy_(drawn[:, place])
        return self._batch

    def _draw(self, block: int) -> None:
        mean, std = self.noise.mean, self.noise.std
        half_width = math.sqrt(3) * std  # of a uniform distribution with that std
        for key, x, y in self._rows:
            generator = self._generator.manual_seed(_streams.step_seed(key, block))
            if self.noise.distribution == "normal":
                x.normal_(mean, std, generator=generator)
            elif self.noise.distribution == "uniform":
                x.uniform_(mean - half_width, mean + half_width, generator=generator)
            else:
                x.bernoulli_(0.5, generator=generator).mul_(2 * std).add_(mean - std)
            if self.noise.target == "labels":
                y.random_(0, self.classes, generator=generator)
