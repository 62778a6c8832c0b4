"""Training: random noise first (`pretrain`), then data (`fit`), of an MLP or a torch module."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from fa_lib import _checks
from fa_lib._batches import DataBatches
from fa_lib._engine import Batches, Callback, Schedule, StopWhen, train
from fa_lib._modules import ModuleTraining, image_shape
from fa_lib._optimizers import OptimizerFunction, checked
from fa_lib.data import Dataset, Examples, Split
from fa_lib.history import (
    DivergenceError,
    History,
    Measure,
    MeasureAt,
    Recorder,
    TrainingState,
    network_facts,
    record_steps,
    state_of,
)
from fa_lib.metrics import evaluate
from fa_lib.networks import MLP
from fa_lib.noise import Noise, NoiseStream
from fa_lib.schema import epoch_steps

__all__ = ["DivergenceError", "History", "fit", "meta_loss", "pretrain"]

STANDARD_NOISE = Noise()


def pretrain(
    net: MLP | nn.Module,
    *,
    steps: int,
    batch_size: int = 64,
    lr: float = 1e-4,
    noise: Noise = STANDARD_NOISE,
    optimizer: str | OptimizerFunction = "adam",
    record_every: int | Iterable[int] | None = None,
    measure: Mapping[str, Measure | MeasureAt] | None = None,
    callback: Callback | None = None,
    resume: History | None = None,
    seed: int | None = None,
    shape: Sequence[int] | None = None,
    classes: int | None = None,
    progress: bool | None = None,
) -> History:
    """Random noise training: every step draws fresh inputs and labels (paper, the method).

    The networks are changed in place. A later call goes on with fresh noise where this one ended,
    and starts its optimiser afresh, unless `resume` gives this call's History.

    A torch module is trained in training mode and recorded in evaluation mode, in which it is when
    it comes from `fa.nn.convert` or anywhere else. What is called for N networks below is called
    for the module itself, and gives one number.

    On a busy machine one small network alone may take many times as long on several threads as on
    one, as they wait for each other. `torch.set_num_threads(1)` ends that, and rounds otherwise;
    GOMP_SPINCOUNT=1000 in the environment ends most of it and keeps the numbers, bit for bit.

    Arguments:
        net: N networks, or one torch module.
        steps: how many optimiser steps.
        batch_size: inputs a step, for each network.
        lr: learning rate of "adam" and "sgd"; a function sets its own.
        noise: distribution of the inputs and kind of target.
        optimizer: "adam", "sgd", or a function of the parameters, a list of tensors, that returns a
            torch.optim.Optimizer, or that and a scheduler, which steps after every step of the
            optimiser. Parts of the networks train one beside the other, as views, so the function
            is called for each of them; the tensors are [n, out, in] and [n, out], n networks in
            one, so an optimiser that works element by element (as SGD, Adam and their kin do, but
            none that takes a norm) leaves networks independent.
        record_every: record at every so many steps, or at these very steps; the first and the last
            step are recorded always. Default: about 50 records.
        measure: further metrics to record: name -> function of the networks giving [N] values (or
            a mapping of several such, metric -> values, recorded under those names; an empty one is
            an error). It is called at every recorded step, with a view on some of the networks at a
            time, from several threads at once; a `MeasureAt(steps, function)` is called at those of
            the recorded steps alone, counted from 0 in this call as `record_every` counts them.
        callback: a function of a view on some of the networks, the step, and what was just recorded
            of them (metric -> [N] values), called at every recorded step before those networks
            learn from it; what it returns is ignored. Parts of the networks train in several
            threads, but there is one call at a time. `step` is the one that the History shows: all
            noise steps that the networks have had. Copy what is to be kept, as training goes on in
            the same tensors. An exception in it ends the training and comes out.
        resume: the History that the call before this one returned: its optimiser goes on where it
            was, bit for bit as if that call had not ended. Networks, rule, optimiser, lr, batch
            size and noise must be those of that call, and with a function as optimiser the number
            of threads. None starts the optimiser afresh.
        seed: of a module's noise, order of data and own draws; 0 by default.
        shape: of a module's inputs, such as (1, 28, 28).
        classes: how many a module tells apart.
        progress: show a bar; None shows it at a terminal or in a notebook.

    Returns:
        A History of this call alone, whose `step` counts the noise steps that a network has had,
        with the metrics loss (mean cross-entropy in nats on that step's batch, before the update)
        and, for each layer l from 2 up, alignment_angle_w<l> (degrees); for the readout also
        centered_alignment_angle_w<l> and centered_norm_w<l>. Of a module the loss, and for each
        feedback layer alignment_angle_<its name>.

    Raises:
        ValueError, TypeError: a count, rate or name that is not allowed, a measure that does not
            give one value for each network, a History of other training.
        DivergenceError: a loss that is no longer finite; it holds the history so far.
    """
    if not isinstance(noise, Noise):
        raise TypeError(f"noise must be a Noise such as Noise(mean=0.5), got {noise!r}.")
    _checks.non_negative_int(steps, "steps")
    drawn = {**asdict(noise), "mean": float(noise.mean), "std": float(noise.std)}
    start = int(getattr(net, "noise_steps", 0))
    record_at = record_steps(record_every, steps, default=max(1, steps // 50))
    if isinstance(net, nn.Module):
        if shape is None or classes is None:
            raise ValueError(
                "Of a torch module say shape=, of its inputs, and classes=, how many it tells "
                "apart: for example shape=(1, 28, 28), classes=10."
            )
        own, classes = _checks.seed_list([seed or 0])[0], _checks.positive_int(classes, "classes")
        sizes = image_shape(shape, math.prod(shape))
        made_by = _facts(net, "noise", optimizer, lr, batch_size, noise=drawn, seed=own)
        state = None if resume is None else _noise_state(resume, made_by, start)
        stream = NoiseStream(
            noise,
            [own],
            (_checks.positive_int(batch_size, "batch_size"), math.prod(sizes)),
            classes,
            *_place(net),
        )
        training = ModuleTraining(net, own, sizes, start, {}, measure)
        schedule = Schedule(
            steps, lr, optimizer, record_at, callback, made_by=made_by, resume=state
        )
        history = training.run(lambda step: stream(start + step), schedule, "noise", progress)
        net.noise_steps = start + steps  # type: ignore[assignment]
        return history
    _refuse_for_stack(seed=seed, shape=shape, classes=classes)
    batch = (_checks.positive_int(batch_size, "batch_size"), net.sizes[0])

    def batches(part: MLP) -> Batches:
        stream = NoiseStream(noise, part.seeds, batch, part.classes, part.device, part.dtype)
        return lambda step: stream(start + step)

    recorder = Recorder(net.seeds, measure, first_step=start)
    made_by = _facts(net, "noise", optimizer, lr, batch_size, noise=drawn)
    state = None if resume is None else _noise_state(resume, made_by, start)
    schedule = Schedule(steps, lr, optimizer, record_at, callback, made_by=made_by, resume=state)
    history = train(net, batches, schedule, recorder, "noise", progress)
    net.noise_steps += steps
    return history


def fit(
    net: MLP | nn.Module,
    split: Examples,
    *,
    epochs: int | None = None,
    steps: int | None = None,
    batch_size: int = 64,
    lr: float = 1e-4,
    optimizer: str | OptimizerFunction = "adam",
    subset: Tensor | None = None,
    test: Examples | Mapping[str, Examples] | None = None,
    record_every: int | Iterable[int] | None = None,
    measure: Mapping[str, Measure | MeasureAt] | None = None,
    callback: Callback | None = None,
    stop_when: StopWhen | None = None,
    resume: History | None = None,
    seed: int | None = None,
    shape: Sequence[int] | None = None,
    progress: bool | None = None,
) -> History:
    """Train on data, each network in its own order of the images, drawn anew each epoch.

    A call starts its optimiser and the order of the images afresh, unless `resume` gives the
    History of an earlier one.

    Arguments:
        net: N networks, or one torch module (see `pretrain`), changed in place.
        split: training data, a Split, a pair (x, y) or a torch data set such as torchvision's: see
            `Split.of`. uint8 images become float32 from 0 to 1. An epoch's last batch may be
            smaller.
        epochs, steps: how long; give one of them. With `resume`, how much longer.
        batch_size, lr, optimizer, measure, progress: as in `pretrain`.
        callback: as in `pretrain`; `step` is the one that the History shows.
        subset: each network's own training examples, indices into `split`, int64 [N, n]; None
            gives all of them to every network.
        test: data to evaluate at every recorded step, in any form that `split` has, recorded as
            test_loss and test_accuracy; or a mapping of names to data, recorded as <name>_loss and
            <name>_accuracy.
        record_every: as in `pretrain`, in steps of this call. Default: once an epoch.
        stop_when: early stopping, a function that is given what `callback` is, at every recorded
            step and after it, but from several threads at once; True ends the training of those
            networks, before they learn from that step.
        resume: as in `pretrain`, the History of an earlier call on these data: its optimiser, and
            the order of the images, go on where they were. The number of training images must be
            that of that call; `test`, `measure` and the like may differ.
        seed, shape: of a module, as in `pretrain`; inputs stay flat where no shape is given.

    Returns:
        A History of this call alone, with the metrics of `pretrain` and those of `test` (losses in
        nats, accuracies in 0 to 1). Its `step` counts the steps of this call, and with `resume`
        those before it, beginning with the record that the earlier History ends with.

    Raises:
        ValueError, TypeError: a count, rate or name that is not allowed, labels outside the
            networks' classes, inputs of another width, a measure that does not give one value for
            each network, a History of other training.
        DivergenceError: a loss that is no longer finite; it holds the history so far.
    """
    if (epochs is None) == (steps is None):
        raise ValueError("Give either epochs or steps.")
    split = Split.of(split)
    named = {} if test is None else test if isinstance(test, Mapping) else {"test": test}
    evaluated = {name: Split.of(part) for name, part in named.items()}
    seeds = net.seeds if isinstance(net, MLP) else _checks.seed_list([seed or 0])
    rows = _checked_subset(subset, split, len(seeds))
    per_epoch = epoch_steps(rows.shape[1], _checks.positive_int(batch_size, "batch_size"))
    if steps is None:
        steps = _checks.non_negative_int(epochs, "epochs") * per_epoch
    _checks.non_negative_int(steps, "steps")
    device, dtype = _place(net)
    evaluated = {name: part.to(device) for name, part in evaluated.items()}
    split, rows = split.to(device), rows.to(device)
    record_at = record_steps(record_every, steps, default=per_epoch)
    if isinstance(net, nn.Module):
        sizes = image_shape(shape, split.x.shape[1])
        facts = {"images": rows.shape[1], "seed": seeds[0]}
        made_by = _facts(net, "data", optimizer, lr, batch_size, **facts)
        state = None if resume is None else state_of(resume, made_by)
        start = 0 if state is None else state.step
        training = ModuleTraining(net, seeds[0], sizes, start, evaluated, measure)
        schedule = Schedule(steps, lr, optimizer, record_at, callback, stop_when, made_by, state)
        data = DataBatches(seeds, dtype, split, rows, batch_size)
        return training.run(lambda step: data(start + step), schedule, "data", progress)
    _refuse_for_stack(seed=seed, shape=shape)
    for part in (split, *evaluated.values()):
        net.check_fits(part.x, part.y)

    place = {seed: i for i, seed in enumerate(net.seeds)}

    def accuracy(part: MLP) -> dict[str, Tensor]:
        values = {}
        for name, data in evaluated.items():
            values[f"{name}_loss"], values[f"{name}_accuracy"] = evaluate(part, data)
        return values

    made_by = _facts(net, "data", optimizer, lr, batch_size, images=rows.shape[1])
    state = None if resume is None else state_of(resume, made_by)
    start = 0 if state is None else state.step

    def batches(part: MLP) -> Batches:
        own_rows = rows[[place[seed] for seed in part.seeds]]
        own = DataBatches(part.seeds, part.dtype, split, own_rows, batch_size)
        return lambda step: own(start + step)

    recorder = Recorder(net.seeds, measure, also=accuracy, first_step=start)
    schedule = Schedule(steps, lr, optimizer, record_at, callback, stop_when, made_by, state)
    return train(net, batches, schedule, recorder, "data", progress)


def _place(net: MLP | nn.Module) -> tuple[torch.device, torch.dtype]:
    """Where the networks are, and of what type."""
    if isinstance(net, MLP):
        return net.device, net.dtype
    parameter = next(net.parameters(), None)
    if parameter is None:
        raise ValueError("The module has no parameters to learn.")
    return parameter.device, parameter.dtype


def _refuse_for_stack(**given: object) -> None:
    """Raise for what is asked of modules alone."""
    if asked := [f"{name}=" for name, value in given.items() if value is not None]:
        raise TypeError(f"An MLP knows its own: leave out {', '.join(asked)}.")


def _noise_state(resume: History, made_by: dict[str, Any], start: int) -> TrainingState:
    """What to go on with on noise, of which so many steps were made."""
    state = state_of(resume, made_by)
    if state.step != start:
        raise ValueError(
            f"resume ended at noise step {state.step}, but these networks have had {start}."
        )
    return state


def _facts(
    net: MLP | nn.Module,
    training: str,
    optimizer: str | OptimizerFunction,
    lr: float,
    batch_size: int,
    **more: object,
) -> dict[str, Any]:
    """What a call that goes on must share with the one before it, as JSON has it."""
    named = isinstance(checked(optimizer), str)
    return {
        "training on": training,
        **(network_facts(net) if isinstance(net, MLP) else {"module": type(net).__name__}),
        "optimizer": optimizer if named else "by a function",
        "lr": _checks.positive_float(lr, "lr") if named else None,
        "batch_size": int(batch_size),
        **more,
    }


def _checked_subset(subset: Tensor | None, split: Split, n: int) -> Tensor:
    """Rows of the split for each of n networks, int64 [N, n]."""
    if subset is None:
        return torch.arange(len(split)).expand(n, -1)
    if not isinstance(subset, Tensor) or subset.dtype != torch.int64:
        raise TypeError("subset must be a tensor of int64 indices.")
    if subset.dim() != 2 or len(subset) != n or subset.shape[1] == 0:
        raise ValueError(f"subset must be [{n}, n] with n > 0, got {list(subset.shape)}.")
    if subset.min() < 0 or subset.max() >= len(split):
        raise ValueError(
            f"subset's indices must lie in 0 to {len(split) - 1}, got {int(subset.min())} to "
            f"{int(subset.max())}."
        )
    return subset


def meta_loss(
    net: MLP,
    tasks: Sequence[Dataset],
    *,
    steps: int = 100,
    batch_size: int = 64,
    lr: float = 1e-4,
    optimizer: str | OptimizerFunction = "adam",
) -> Tensor:
    """Sum over tasks of the test loss after a few steps of adaptation (claim C15).

    Each task starts from the networks as they are, with a fresh optimiser; they are not changed.

    Returns:
        Nats, float64 [N].
    """
    if not tasks:
        raise ValueError("tasks is empty: give at least one data set.")
    total = torch.zeros(len(net), dtype=torch.float64, device=net.device)
    for task in tasks:
        adapted = copy.deepcopy(net)
        fit(
            adapted,
            task.train,
            steps=steps,
            batch_size=batch_size,
            lr=lr,
            optimizer=optimizer,
            progress=False,
        )
        total += evaluate(adapted, task.test)[0]
    return total
