"""Training: random noise first (`pretrain`), then data (`fit`), for all networks of an MLP.

A step is the same in both: a batch, the rule's update directions, an optimiser step. Networks are
independent, so on the CPU the stack is split into chunks that stay in cache, each trained from its
first step to its last by one of as many threads as torch may use; on a GPU the stack is one chunk.
"""

from __future__ import annotations

import copy
import itertools
import math
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import torch
from torch import Tensor

from fa_lib import _checks
from fa_lib._batches import DataBatches
from fa_lib._progress import progress_bar
from fa_lib.data import Dataset, Split
from fa_lib.history import DivergenceError, History, Measure, Recorder, record_steps
from fa_lib.metrics import evaluate
from fa_lib.networks import MLP
from fa_lib.noise import Noise, NoiseStream

__all__ = ["DivergenceError", "History", "fit", "meta_loss", "pretrain"]

Batches = Callable[[int], tuple[Tensor, Tensor]]

OPTIMIZERS = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}
STANDARD_NOISE = Noise()

# Bytes of weights, gradients and optimiser state that one CPU thread works on: more falls out of
# cache, less spends its time on calls (benchmarks/ has the curve).
CHUNK_BYTES = 12e6

TICK = 100  # steps between two updates of the progress bar


def pretrain(
    net: MLP,
    *,
    steps: int,
    batch_size: int = 64,
    lr: float = 1e-4,
    noise: Noise = STANDARD_NOISE,
    optimizer: str = "adam",
    record_every: int | Iterable[int] | None = None,
    measure: Mapping[str, Measure] | None = None,
    progress: bool | None = None,
) -> History:
    """Random noise training: every step draws fresh inputs and labels (paper, the method).

    The networks are changed in place. A later call goes on with fresh noise where this one ended.

    Arguments:
        net: N networks.
        steps: how many optimiser steps.
        batch_size: inputs a step, for each network.
        lr: learning rate.
        noise: distribution of the inputs and kind of target.
        optimizer: "adam" or "sgd", made afresh for this call.
        record_every: record at every so many steps, or at these very steps; the first and the last
            step are recorded always. Default: about 50 records.
        measure: further metrics to record: name -> function of the networks giving [N] values. It
            is called with a view on some of the networks at a time, from several threads.
        progress: show a bar; None shows it at a terminal or in a notebook.

    Returns:
        A History whose `step` counts the noise steps that a network has had, with the metrics
        loss (mean cross-entropy in nats on that step's batch, before the update) and, for each
        layer l from 2 up, alignment_angle_w<l> (degrees); for the readout also
        centered_alignment_angle_w<l> and centered_norm_w<l>.

    Raises:
        ValueError, TypeError: a count, rate or name that is not allowed.
        DivergenceError: a loss that is no longer finite; it holds the history so far.
    """
    start = net.noise_steps
    if not isinstance(noise, Noise):
        raise TypeError(f"noise must be a Noise such as Noise(mean=0.5), got {noise!r}.")
    _checks.non_negative_int(steps, "steps")
    shape = (_checks.positive_int(batch_size, "batch_size"), net.sizes[0])

    def batches(part: MLP) -> Batches:
        stream = NoiseStream(noise, part.seeds, shape, part.classes, part.device, part.dtype)
        return lambda step: stream(start + step)

    record_at = record_steps(record_every, steps, default=max(1, steps // 50))
    recorder = Recorder(net.seeds, measure, first_step=start)
    history = _train(net, batches, steps, lr, optimizer, record_at, recorder, "noise", progress)
    net.noise_steps += steps
    return history


def fit(
    net: MLP,
    split: Split,
    *,
    epochs: int | None = None,
    steps: int | None = None,
    batch_size: int = 64,
    lr: float = 1e-4,
    optimizer: str = "adam",
    test: Split | Mapping[str, Split] | None = None,
    record_every: int | Iterable[int] | None = None,
    measure: Mapping[str, Measure] | None = None,
    progress: bool | None = None,
) -> History:
    """Train on data, each network in its own order of the images, drawn anew each epoch.

    Arguments:
        net: N networks, changed in place.
        split: training data; an epoch's last batch may be smaller.
        epochs, steps: how long; give one of them.
        batch_size, lr, optimizer, measure, progress: as in `pretrain`.
        test: data to evaluate at every recorded step, recorded as test_loss and test_accuracy; or
            a mapping of names to data, recorded as <name>_loss and <name>_accuracy.
        record_every: as in `pretrain`, in steps. Default: once an epoch.

    Returns:
        A History whose `step` counts the steps of this call, with the metrics of `pretrain` and
        those of `test` (losses in nats, accuracies in 0 to 1).

    Raises:
        ValueError, TypeError: a count, rate or name that is not allowed, labels outside the
            networks' classes, inputs of another width.
        DivergenceError: a loss that is no longer finite; it holds the history so far.
    """
    if (epochs is None) == (steps is None):
        raise ValueError("Give either epochs or steps.")
    evaluated = {} if test is None else test if isinstance(test, Mapping) else {"test": test}
    for part in (split, *evaluated.values()):
        if not isinstance(part, Split):
            raise TypeError(f"Data must be a Split such as data.train, got {type(part).__name__}.")
    per_epoch = math.ceil(len(split) / _checks.positive_int(batch_size, "batch_size"))
    if steps is None:
        steps = _checks.non_negative_int(epochs, "epochs") * per_epoch
    _checks.non_negative_int(steps, "steps")
    evaluated = {name: part.to(net.device) for name, part in evaluated.items()}
    split = split.to(net.device)
    for part in (split, *evaluated.values()):
        net.check_fits(part.x, part.y)

    def accuracy(part: MLP) -> dict[str, Tensor]:
        values = {}
        for name, data in evaluated.items():
            values[f"{name}_loss"], values[f"{name}_accuracy"] = evaluate(part, data)
        return values

    def batches(part: MLP) -> Batches:
        return DataBatches(part, split, batch_size)

    record_at = record_steps(record_every, steps, default=per_epoch)
    recorder = Recorder(net.seeds, measure, also=accuracy)
    return _train(net, batches, steps, lr, optimizer, record_at, recorder, "data", progress)


def meta_loss(
    net: MLP,
    tasks: Sequence[Dataset],
    *,
    steps: int = 100,
    batch_size: int = 64,
    lr: float = 1e-4,
    optimizer: str = "adam",
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


def _train(
    net: MLP,
    batches: Callable[[MLP], Batches],
    steps: int,
    lr: float,
    optimizer: str,
    record_at: Sequence[int],
    recorder: Recorder,
    description: str,
    progress: bool | None,
) -> History:
    """Train every chunk of the networks from first step to last; return what was recorded."""
    _checks.positive_float(lr, "lr")
    _checks.choice(optimizer, OPTIMIZERS, "optimizer")
    parts = _chunks(net)
    threads = torch.get_num_threads()
    workers = min(threads, len(parts)) if net.device.type == "cpu" else 1
    stop = threading.Event()
    bar = progress_bar(len(net) * steps, description, " network-steps", progress)

    def train_part(part: MLP) -> None:
        try:
            _train_chunk(part, batches(part), steps, lr, optimizer, record_at, recorder, stop, bar)
        except BaseException:
            stop.set()
            raise

    try:
        with bar:
            if workers == 1:
                for part in parts:
                    train_part(part)
            else:
                with ThreadPoolExecutor(
                    workers, initializer=torch.set_num_threads, initargs=(threads // workers,)
                ) as pool:
                    jobs = [pool.submit(train_part, part) for part in parts]
                    try:
                        wait(jobs)
                    except BaseException:  # Ctrl-C comes here: let the threads end their step
                        stop.set()
                        raise
                for job in jobs:
                    job.result()
    except DivergenceError as error:
        error.history = recorder.history()
        raise
    finally:
        torch.set_num_threads(threads)  # a pool's threads set the number for threads to come
    return recorder.history()


def _train_chunk(
    net: MLP,
    next_batch: Batches,
    steps: int,
    lr: float,
    optimizer: str,
    record_at: Sequence[int],
    recorder: Recorder,
    stop: threading.Event,
    bar: Any,
) -> None:
    steps_to_record = iter(record_at)
    next_record = next(steps_to_record)
    optimiser = None
    for step in range(steps + 1):
        if stop.is_set():
            return
        x, y = next_batch(step)
        if step == next_record:
            recorder.record(net, step, x, y)
            next_record = next(steps_to_record, steps)
        if step == steps:
            bar.update(len(net) * (steps % TICK))
            return
        net.compute_gradients(x, y)
        if optimiser is None:  # after the first gradients, which it looks for
            optimiser = OPTIMIZERS[optimizer](net.parameters(), lr=lr, fused=True)
        optimiser.step()
        if (step + 1) % TICK == 0:
            bar.update(len(net) * TICK)


def _chunks(net: MLP) -> list[MLP]:
    """Views on parts of the networks: near CHUNK_BYTES each, as many for every thread."""
    threads = torch.get_num_threads()
    if net.device.type != "cpu":
        return [net]
    values = sum(p[0].numel() for p in net.parameters())
    fitting = max(1, round(CHUNK_BYTES / (4 * values * net.weights[0].element_size())))
    rounds = math.ceil(len(net) / (fitting * threads))
    count = min(len(net), rounds * threads)
    edges = [round(i * len(net) / count) for i in range(count + 1)]
    return [net[a:b] for a, b in itertools.pairwise(edges)]
