"""Optimisers: torch's fused kernels, without what a `torch.optim` object does around them.

That costs about as much as the arithmetic of a small network's step: hooks, a profiler's record,
gathering parameters and state anew. The numbers are those of `torch.optim` with fused=True. An
optimiser of the caller's own is a `torch.optim` object, with all of that.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.sgd import sgd

from fa_lib import _checks
from fa_lib.history import TrainingState
from fa_lib.networks import MLP

__all__ = ["OPTIMIZERS", "Optimisers", "Optimizer", "OptimizerFunction", "checked", "fresh_state"]

# What an optimiser keeps between steps, as torch.optim names it: a tensor for each parameter.
State = dict[str, list[Tensor]]
# Takes parameters that have their gradients, a learning rate, what it keeps (changed in place) and
# how many steps it has made; gives the function that makes one step. Gradients have to be written
# in place from then on.
Optimizer = Callable[[Sequence[Tensor], float, State, int], Callable[[], None]]
# Gives a torch.optim.Optimizer of the parameters, or that and a scheduler of its learning rate.
OptimizerFunction = Callable[[list[Tensor]], Any]

KEPT: dict[str, tuple[str, ...]] = {"adam": ("exp_avg", "exp_avg_sq"), "sgd": ()}


def fresh_state(name: str, parameters: Sequence[Tensor]) -> State:
    """What the optimiser of that name keeps before its first step: zeros."""
    return {kept: [torch.zeros_like(value) for value in parameters] for kept in KEPT[name]}


def make_adam(
    parameters: Sequence[Tensor], lr: float, state: State, steps: int
) -> Callable[[], None]:
    """Adam with its usual constants (Kingma, Ba 2015): decays 0.9 and 0.999, epsilon 1e-8."""
    values, gradients = list(parameters), _gradients(parameters)
    means, squares = state["exp_avg"], state["exp_avg_sq"]
    counts = [torch.full((), float(steps), device=value.device) for value in values]

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


def make_sgd(
    parameters: Sequence[Tensor], lr: float, state: State, steps: int
) -> Callable[[], None]:
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


def checked(optimizer: str | OptimizerFunction) -> str | OptimizerFunction:
    """Return it if it is a name in OPTIMIZERS or a function, else raise in one line."""
    if isinstance(optimizer, str):
        return _checks.choice(optimizer, OPTIMIZERS, "optimizer")
    if not callable(optimizer):
        raise TypeError(
            "optimizer must be 'adam', 'sgd' or a function of the parameters that returns a "
            f"torch.optim.Optimizer, got {type(optimizer).__name__}."
        )
    return optimizer


class GivenOptimizer:
    """What the caller's function made of some parameters, as one.

    Raises:
        TypeError: it gave no optimiser, or no scheduler beside it.
        ValueError: an optimiser of other tensors.
    """

    def __init__(self, function: OptimizerFunction, parameters: list[Tensor]) -> None:
        made = function(parameters)
        self._parts: list[Any] = list(made) if isinstance(made, tuple) else [made]
        kinds = (torch.optim.Optimizer, LRScheduler)[: len(self._parts)]
        if len(kinds) != len(self._parts) or not all(map(isinstance, self._parts, kinds)):
            names = ", ".join(type(part).__name__ for part in self._parts)
            raise TypeError(
                "optimizer's function must return a torch.optim.Optimizer, or that and a "
                f"scheduler of its learning rate, got {names or 'nothing'}."
            )
        given = {id(parameter) for parameter in parameters}
        learned = [p for group in self._parts[0].param_groups for p in group["params"]]
        if not all(id(parameter) in given for parameter in learned):
            raise ValueError("optimizer's function returned an optimiser of other tensors.")

    def step(self) -> None:
        """A step of the optimiser, then one of its scheduler."""
        for part in self._parts:
            part.step()

    def state(self) -> dict[str, dict[str, Any]]:
        """What torch calls their state_dict, by the names of their classes."""
        return {type(part).__name__: part.state_dict() for part in self._parts}

    def resume(self, state: dict[str, dict[str, Any]]) -> None:
        """Go on from what `state` gave, which stays as it is."""
        before, here = ", ".join(state), ", ".join(type(part).__name__ for part in self._parts)
        if before != here:
            raise ValueError(f"resume's optimiser was {before}, and this one is {here}.")
        for part, saved in zip(self._parts, copy.deepcopy(state).values(), strict=True):
            part.load_state_dict(saved)


class Optimisers:
    """The optimiser of every chunk, with what it keeps: for all networks in the same tensors."""

    def __init__(
        self,
        net: MLP,
        parts: Sequence[MLP],
        optimizer: str | OptimizerFunction,
        lr: float,
        resume: TrainingState | None,
    ) -> None:
        self._parts = parts
        self._optimizer = optimizer
        self._lr = lr
        self._updates = 0
        self._kept: State = {}
        self._given: list[GivenOptimizer] = []
        if isinstance(optimizer, str):
            self._kept = fresh_state(optimizer, net.parameters())
        else:
            self._given = [GivenOptimizer(optimizer, part.parameters()) for part in parts]
        if resume is None:
            return
        self._updates = resume.updates
        for name, tensors in self._kept.items():
            for tensor, before in zip(tensors, resume.tensors[name], strict=True):
                tensor.copy_(before)
        if self._given and len(self._given) != len(resume.parts):
            raise ValueError(
                f"resume's optimisers are of {len(resume.parts)} part(s) of the networks, and on "
                f"this machine, with {torch.get_num_threads()} thread(s), there are "
                f"{len(parts)}: only 'adam' and 'sgd' go on in other parts."
            )
        for given, states in zip(self._given, resume.parts, strict=True):
            given.resume(states)

    def maker(self, i: int) -> Callable[[], Callable[[], None]]:
        """Makes the update of a chunk, once that has its gradients."""
        if not isinstance(self._optimizer, str):
            return lambda: self._given[i].step
        make = OPTIMIZERS[self._optimizer]
        start = sum(len(part) for part in self._parts[:i])
        rows = slice(start, start + len(self._parts[i]))
        kept = {name: [t[rows] for t in tensors] for name, tensors in self._kept.items()}
        return lambda: make(self._parts[i].parameters(), self._lr, kept, self._updates)

    def state(
        self, made_by: dict[str, Any], first_step: int, ends: Sequence[int]
    ) -> TrainingState | None:
        """What to go on with after so many steps of every chunk; None where they differ."""
        if len(set(ends)) > 1:
            return None
        return TrainingState(
            made_by=made_by,
            step=first_step + ends[0],
            updates=self._updates + ends[0],
            tensors=self._kept,
            parts=[given.state() for given in self._given],
        )
