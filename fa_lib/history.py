"""What training recorded: one value for each network, step and metric."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from fa_lib import _checks
from fa_lib.metrics import angle_between, centered_norm
from fa_lib.networks import MLP, cross_entropy, he_std
from fa_lib.rules import rule_of

__all__ = [
    "DivergenceError",
    "History",
    "Measure",
    "MeasureAt",
    "Recorder",
    "TrainingState",
    "network_facts",
    "record_steps",
    "state_of",
]

# [N] values of some of the networks, or several such by metric.
Measure = Callable[[MLP], Tensor | Mapping[str, Tensor]]


@dataclass(frozen=True)
class MeasureAt:
    """A costly measure, taken at some of the recorded steps only."""

    steps: Collection[int]
    function: Measure


# A readout whose centred norm is below this share of a He-normal one's has no direction to speak
# of (protocol of the verdicts, "Centring").
SMALLEST_SHARE_OF_NORM = 0.01


@dataclass(frozen=True)
class TrainingState:
    """What it takes to go on where training ended, besides the networks.

    Attributes:
        made_by: the facts of that training that one which goes on must share, as JSON has them.
        step: at which it ended, as the History counts.
        updates: how many steps the optimiser has made.
        tensors: what "adam" or "sgd" keeps, by torch's name, for each of the networks'
            `parameters()`: [N, ...].
        parts: of an optimiser of one's own, for each part of the networks, its state_dict and that
            of its scheduler, by the names of their classes.
    """

    made_by: dict[str, Any]
    step: int
    updates: int
    tensors: dict[str, list[Tensor]]
    parts: list[dict[str, dict[str, Any]]]


@dataclass(frozen=True)
class History:
    """A tidy record of training.

    Attributes:
        frame: columns seed, step, metric, value; a row for each network, recorded step and metric.
        state: what `resume=` goes on with, Adam's twice the size of the networks; None where
            training broke off, or ended at different steps.
    """

    frame: pd.DataFrame
    state: TrainingState | None = field(default=None, repr=False, compare=False)

    def to_frame(self) -> pd.DataFrame:
        """A copy of the table: columns seed, step, metric, value."""
        return self.frame.copy()

    def __getitem__(self, metric: str) -> pd.DataFrame:
        """One metric as a wide table: a row for each step, a column for each seed."""
        _checks.choice(metric, self.frame["metric"].unique(), "metric")
        rows = self.frame[self.frame["metric"] == metric]
        wide = rows.pivot_table(index="step", columns="seed", values="value", dropna=False)
        return wide[list(dict.fromkeys(rows["seed"]))]


class DivergenceError(RuntimeError):
    """A loss that is no longer finite.

    Attributes:
        seeds: whose networks it befell.
        step: the recorded step at which it was noticed.
        history: what was recorded until then.
    """

    def __init__(self, seeds: list[int], step: int) -> None:
        self.seeds = seeds
        self.step = step
        self.history: History | None = None
        super().__init__(seeds, step)  # its arguments, so that it can be pickled

    def __str__(self) -> str:
        """One line: when, whose, what to do."""
        return (
            f"The loss is no longer finite at step {self.step} for seed(s) "
            f"{', '.join(map(str, self.seeds))}: lower lr, or look at the inputs. What was "
            "recorded until then is in this error's `history`."
        )


class Recorder:
    """Collects records of parts of the networks, from several threads, into one History.

    Arguments:
        seeds: of all networks, in order.
        measure: the caller's metrics, name -> function of the networks giving [N] values, or a
            mapping metric -> [N] values, recorded under those names.
        also: further metrics, a function of the networks giving name -> [N] values.
        first_step: what the first step counts as in the History; kept as an attribute.
    """

    def __init__(
        self,
        seeds: tuple[int, ...],
        measure: Mapping[str, Measure | MeasureAt] | None,
        *,
        also: Callable[[MLP], dict[str, Tensor]] | None = None,
        first_step: int = 0,
    ) -> None:
        self._seeds = seeds
        self._measure = dict(measure or {})
        self._also = also
        self.first_step = first_step
        self._records: list[tuple[tuple[int, ...], int, dict[str, Tensor]]] = []
        self._lock = threading.Lock()

    def record(self, net: MLP, step: int, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Record every metric of these networks before they learn from the batch x, y.

        Returns:
            What was recorded, metric -> [N] values.

        Raises:
            DivergenceError: a loss that is not finite.
            ValueError: a measure that does not give one value for each network, or none at all.
        """
        loss = cross_entropy(net(x), y)
        values = {"loss": loss, **alignment(net)}
        if self._also is not None:
            values |= self._also(net)
        for name, measure in self._measure.items():
            if isinstance(measure, MeasureAt) and step not in measure.steps:
                continue
            function = measure.function if isinstance(measure, MeasureAt) else measure
            found = function(net)
            if isinstance(found, Mapping) and not found:
                raise ValueError(
                    f"measure {name!r} gave an empty mapping, so nothing to record: to look at the "
                    "networks without recording, give a callback."
                )
            for metric, value in (found if isinstance(found, Mapping) else {name: found}).items():
                # A copy: a measure may give a view on weights that go on changing.
                values[metric] = torch.as_tensor(value).detach().clone()
                if tuple(values[metric].shape) != (len(net),):
                    raise ValueError(
                        f"measure {metric!r} must give one value for each of {len(net)} networks, "
                        f"got shape {list(values[metric].shape)}."
                    )
        with self._lock:
            self._records.append((net.seeds, self.first_step + step, values))
        finite = loss.isfinite()
        if not finite.all():
            lost = [seed for seed, ok in zip(net.seeds, finite.tolist(), strict=True) if not ok]
            raise DivergenceError(lost, self.first_step + step)
        return values

    def history(self) -> History:
        """All records so far, by network, metric and step."""
        place = {seed: i for i, seed in enumerate(self._seeds)}
        rows = [
            (place[seed], metric, step, seed, value)
            for seeds, step, values in self._records
            for metric, tensor in values.items()
            for seed, value in zip(seeds, tensor.tolist(), strict=True)
        ]
        rows.sort(key=lambda row: row[:3])
        frame = pd.DataFrame(rows, columns=["place", "metric", "step", "seed", "value"])
        frame = frame[["seed", "step", "metric", "value"]]
        undefined = frame["metric"].str.contains("alignment_angle") & frame["value"].isna()
        if undefined.any():
            who = ", ".join(map(str, frame.loc[undefined, "seed"].unique()))
            warnings.warn(
                f"The alignment angle is undefined (NaN) at some steps for seed(s) {who}: the "
                "weights there are zero or, centred, below 1 % of a He-normal readout's norm.",
                stacklevel=4,
            )
        return History(frame)


def network_facts(net: MLP) -> dict[str, Any]:
    """What tells these networks from others, but for their tensors, as JSON has it."""
    return {
        "rule": rule_of(net.rule).name,
        "sizes": list(net.sizes),
        "bias": bool(net.biases),
        "dtype": str(net.dtype),
        "compute_dtype": str(net.compute_dtype),
        "seeds": list(net.seeds),
    }


def state_of(resume: History, made_by: Mapping[str, Any]) -> TrainingState:
    """What to go on with.

    Raises:
        TypeError: no History.
        ValueError: one that cannot be gone on with, or of training with other facts than these.
    """
    if not isinstance(resume, History):
        kind = type(resume).__name__
        raise TypeError(f"resume must be a History that an earlier call returned, got {kind}.")
    state = resume.state
    if state is None:
        raise ValueError(
            "resume cannot be gone on with: its training broke off, or stop_when ended it at "
            "different steps."
        )
    before = state.made_by
    differ = [
        f"{name} {before[name]} there and {now} here"
        for name, now in made_by.items()
        if name in before and before[name] != now
    ]
    if differ:
        raise ValueError(f"resume is of other training: {', '.join(differ)}.")
    return state


def alignment(net: MLP) -> dict[str, Tensor]:
    """Alignment angles in degrees of each layer from 2 up; of the readout also centred.

    Centring takes the class mean out, which never trains; with it goes the norm that is left, as
    the angle means little where that is small. A layer whose feedback weights carry another error
    than that of the layer above has no such angle.
    """
    values = {}
    for layer in range(1, len(net.weights)):
        weight, feedback = net.weights[layer], net.feedback[layer]
        if weight.shape == feedback.shape:
            values[f"alignment_angle_w{layer + 1}"] = angle_between(weight, feedback)
    readout, feedback, depth = net.weights[-1], net.feedback[-1], len(net.weights)
    if depth > 1:
        classes, width = readout.shape[1:]
        he_norm = he_std(width) * ((classes - 1) * width) ** 0.5
        smallest = SMALLEST_SHARE_OF_NORM * he_norm
        centered = angle_between(readout, feedback, centered=True, min_norm=smallest)
        values[f"centered_alignment_angle_w{depth}"] = centered
        values[f"centered_norm_w{depth}"] = centered_norm(readout)
    return values


def record_steps(every: int | Iterable[int] | None, steps: int, default: int) -> list[int]:
    """The steps to record at, in order, the first (0) and the last (`steps`) among them."""
    if every is None:
        every = default
    if isinstance(every, Iterable):
        chosen = {_checks.non_negative_int(step, "Each recorded step") for step in every}
        if max(chosen, default=0) > steps:
            raise ValueError(f"record_every names step {max(chosen)}, but there are {steps} steps.")
    else:
        chosen = set(range(0, steps, _checks.positive_int(every, "record_every")))
    return sorted(chosen | {0, steps})
