"""`pretrain` and `fit` for one torch module: its loop, and what is recorded of it."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fa_lib import _checks, _streams
from fa_lib._engine import TICK, Batches, Schedule
from fa_lib._optimizers import GivenOptimizer
from fa_lib._progress import progress_bar
from fa_lib.data import Split
from fa_lib.history import DivergenceError, History, MeasureAt, TrainingState
from fa_lib.metrics import alignment_angle
from fa_lib.nn import DirectChain, feedback_layers, mirror

__all__ = ["ModuleTraining", "image_shape"]

EVALUATED_AT_ONCE = 1000  # inputs


def image_shape(shape: Sequence[int] | None, features: int) -> tuple[int, ...]:
    """The shape of one input of so many features; flat where none is given.

    Raises:
        ValueError: a shape of another size.
    """
    if shape is None:
        return (features,)
    sizes = tuple(_checks.positive_int(size, "Each of shape") for size in shape)
    if math.prod(sizes) != features:
        raise ValueError(f"shape {sizes} does not fit inputs of {features:,} features.")
    return sizes


class ModuleTraining:
    """One call's training of a module.

    Arguments:
        module: changed in place; left in the mode, training or evaluation, in which it was.
        seed: of the module's own draws in training, such as dropout's: a function of seed and step.
        shape: of one input.
        first_step: what the first step counts as in the History.
        evaluated: data to evaluate at every record, by name.
        measure: as in `fit`, functions of the module that give numbers.
    """

    def __init__(
        self,
        module: nn.Module,
        seed: int,
        shape: tuple[int, ...],
        first_step: int,
        evaluated: Mapping[str, Split],
        measure: Mapping[str, Any] | None,
    ) -> None:
        self.module, self.seed, self.shape = module, seed, shape
        self.first_step = first_step
        self._evaluated = evaluated
        self._measure = dict(measure or {})
        self._rows: list[tuple[int, int, str, float]] = []

    def run(
        self, next_batch: Batches, schedule: Schedule, description: str, progress: bool | None
    ) -> History:
        """Train from the first step to the last; inputs [1, B, features] and targets [1, B]."""
        module, mode = self.module, self.module.training
        given = self._optimiser(schedule)
        steps_to_record = iter(schedule.record_at)
        next_record, step = next(steps_to_record), 0
        device = next(module.parameters()).device
        bar = progress_bar(schedule.steps, description, " steps", progress)
        try:
            # What the module draws is a function of seed and step, and nobody else's numbers move.
            with bar, torch.random.fork_rng([device] if device.type == "cuda" else []):
                for step in range(schedule.steps + 1):
                    torch.manual_seed(_streams.stream_key(self.seed, "module", self._count(step)))
                    x, y = (part[0] for part in next_batch(step))
                    x = x.reshape(-1, *self.shape)
                    if step == next_record:
                        values = self._record(step, x, y)
                        heard = (module, self._count(step), values)
                        if schedule.callback is not None:
                            schedule.callback(*heard)  # type: ignore[arg-type]
                        if schedule.stop_when is not None and schedule.stop_when(*heard):  # type: ignore[arg-type]
                            break
                        next_record = next(steps_to_record, schedule.steps)
                    if step == schedule.steps:
                        break
                    module.train()
                    module.zero_grad()
                    F.cross_entropy(self._logits(x, y), y).backward()
                    given.step()
                    mirror(module)
                    if (step + 1) % TICK == 0:
                        bar.update(TICK)
        except DivergenceError as error:
            error.history = History(self._frame())
            raise
        finally:
            module.train(mode)
        before = schedule.resume.updates if schedule.resume else 0
        parts, updates = [given.state()], before + step
        made_by, last = schedule.made_by, self._count(step)
        return History(self._frame(), TrainingState(made_by, last, updates, {}, parts))

    def _count(self, step: int) -> int:
        return self.first_step + step

    def _optimiser(self, schedule: Schedule) -> GivenOptimizer:
        make = schedule.optimizer
        if isinstance(make, str):
            named = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[make]
            make = functools.partial(named, lr=schedule.lr)
        learned: list[Tensor] = [p for p in self.module.parameters() if p.requires_grad]
        given = GivenOptimizer(make, learned)
        if schedule.resume is not None:
            given.resume(schedule.resume.parts[0])
        return given

    def _logits(self, x: Tensor, y: Tensor) -> Tensor:
        if isinstance(self.module, DirectChain) and self.module.rule.source == "targets":
            return self.module(x, y)
        logits: Tensor = self.module(x)
        return logits

    @torch.no_grad()
    def _record(self, step: int, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Record the module as it is when evaluated, before it learns from the batch x, y."""
        self.module.eval()
        values: dict[str, Any] = {"loss": F.cross_entropy(self.module(x), y)}
        names = {layer: name for name, layer in self.module.named_modules()}
        for layer in feedback_layers(self.module):
            weight, feedback = layer.weight.flatten(1), layer.feedback.flatten(1)
            values[f"alignment_angle_{names[layer]}"] = alignment_angle(weight, feedback)[0]
        for name, split in self._evaluated.items():
            values[f"{name}_loss"], values[f"{name}_accuracy"] = self._evaluate(split)
        for name, measure in self._measure.items():
            if isinstance(measure, MeasureAt) and step not in measure.steps:
                continue
            function: Any = measure.function if isinstance(measure, MeasureAt) else measure
            found = function(self.module)
            several = isinstance(found, Mapping)
            if several and not found:
                raise ValueError(
                    f"measure {name!r} gave an empty mapping, so nothing to record: to look at the "
                    "module without recording, give a callback."
                )
            values |= found if several else {name: found}
        numbers = {metric: torch.as_tensor(value).detach() for metric, value in values.items()}
        for metric, number in numbers.items():
            if number.numel() != 1:
                raise ValueError(
                    f"measure {metric!r} must give one number for a module, got shape "
                    f"{list(number.shape)}."
                )
            self._rows.append((self.seed, self._count(step), metric, float(number)))
        if not numbers["loss"].isfinite():
            raise DivergenceError([self.seed], self._count(step))
        return numbers

    def _evaluate(self, split: Split) -> tuple[Tensor, Tensor]:
        """Mean cross-entropy in nats, and accuracy in 0 to 1."""
        dtype = next(self.module.parameters()).dtype
        loss = correct = torch.zeros((), dtype=torch.float64, device=split.x.device)
        for first in range(0, len(split), EVALUATED_AT_ONCE):
            rows = slice(first, first + EVALUATED_AT_ONCE)
            logits = self.module(split.x[rows].to(dtype).reshape(-1, *self.shape))
            loss = loss + F.cross_entropy(logits, split.y[rows], reduction="sum").double()
            correct = correct + (logits.argmax(1) == split.y[rows]).sum()
        return loss / len(split), correct / len(split)

    def _frame(self) -> pd.DataFrame:
        frame = pd.DataFrame(self._rows, columns=["seed", "step", "metric", "value"])
        return frame.sort_values(["metric", "step"], kind="stable", ignore_index=True)
