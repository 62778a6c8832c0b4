"""Optimisers: torch's fused kernels, without what a `torch.optim` object does around them.

That costs about as much as the arithmetic of a small network's step: hooks, a profiler's record,
gathering parameters and state anew. The numbers are those of `torch.optim` with fused=True.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.sgd import sgd

__all__ = ["OPTIMIZERS", "Optimizer"]

# Takes parameters that have their gradients, and a learning rate; gives the function that makes one
# step. Gradients have to be written in place from then on.
Optimizer = Callable[[Sequence[Tensor], float], Callable[[], None]]


def make_adam(parameters: Sequence[Tensor], lr: float) -> Callable[[], None]:
    """Adam with its usual constants (Kingma, Ba 2015): decays 0.9 and 0.999, epsilon 1e-8."""
    values, gradients = list(parameters), _gradients(parameters)
    means = [torch.zeros_like(value) for value in values]
    squares = [torch.zeros_like(value) for value in values]
    counts = [torch.zeros((), device=value.device) for value in values]

    def step() -> None:
        adam(
            values,
            gradients,
            means,
            squares,
            [],
            counts,
            fused=True,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=lr,
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )

    return step


def make_sgd(parameters: Sequence[Tensor], lr: float) -> Callable[[], None]:
    """Stochastic gradient descent without momentum."""
    values, gradients = list(parameters), _gradients(parameters)
    no_momentum: list[Tensor | None] = [None] * len(values)

    def step() -> None:
        sgd(
            values,
            gradients,
            no_momentum,
            fused=True,
            weight_decay=0.0,
            momentum=0.0,
            lr=lr,
            dampening=0.0,
            nesterov=False,
            maximize=False,
        )

    return step


def _gradients(parameters: Sequence[Tensor]) -> list[Tensor]:
    found = [parameter.grad for parameter in parameters]
    if any(gradient is None for gradient in found):
        raise ValueError("An optimiser needs parameters that have gradients.")
    return [gradient for gradient in found if gradient is not None]


OPTIMIZERS: dict[str, Optimizer] = {"adam": make_adam, "sgd": make_sgd}
