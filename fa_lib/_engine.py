"""The loop that `pretrain` and `fit` share: a batch, the rule's update, an optimiser step.

Networks are independent, so on the CPU the stack is split into chunks that stay in cache, each
trained from its first step to its last by one of as many threads as torch may use. On a GPU the
stack is one chunk, and a step is recorded once as a CUDA graph and then replayed: started one by
one, its kernels would take longer to start than to run.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from fa_lib import _checks
from fa_lib._optimizers import Optimisers, OptimizerFunction, checked
from fa_lib._progress import progress_bar
from fa_lib.history import DivergenceError, History, Recorder, TrainingState
from fa_lib.networks import MLP

__all__ = ["Batches", "Callback", "Schedule", "StopWhen", "train"]

# Gives inputs and targets of a step, in the same tensors for every batch of that size.
Batches = Callable[[int], tuple[Tensor, Tensor]]
# Both get some of the networks, the step, and what was just recorded of them: metric -> [N] values.
Callback = Callable[[MLP, int, Mapping[str, Tensor]], object]
StopWhen = Callable[[MLP, int, Mapping[str, Tensor]], bool]

# Bytes of weights, gradients and optimiser state that one CPU thread works on: more falls out of
# cache, less spends its time on calls.
CHUNK_BYTES = 24e6

TICK = 100  # steps between two updates of the progress bar


@dataclass(frozen=True)
class Schedule:
    """How long and how to train.

    steps, lr, optimizer: as in `pretrain`.
    record_at: steps to record at, in order, the first and the last among them.
    callback: called at every record, one call at a time.
    stop_when: asked at every record; True ends the training of those networks.
    made_by: facts of this training that one which goes on must share.
    resume: what to go on with; None starts the optimiser afresh.
    """

    steps: int
    lr: float
    optimizer: str | OptimizerFunction
    record_at: Sequence[int]
    callback: Callback | None = None
    stop_when: StopWhen | None = None
    made_by: dict[str, Any] = field(default_factory=dict)
    resume: TrainingState | None = None

    def __post_init__(self) -> None:
        """Refuse a rate or an optimiser that is not allowed."""
        _checks.positive_float(self.lr, "lr")
        checked(self.optimizer)


def train(
    net: MLP,
    batches: Callable[[MLP], Batches],
    schedule: Schedule,
    recorder: Recorder,
    description: str,
    progress: bool | None,
) -> History:
    """Train every chunk of the networks from first step to last; return what was recorded."""
    parts = _chunks(net)
    optimisers = Optimisers(net, parts, schedule.optimizer, schedule.lr, schedule.resume)
    threads = torch.get_num_threads()
    workers = min(threads, len(parts)) if net.device.type == "cpu" else 1
    stop, calling = threading.Event(), threading.Lock()
    bar = progress_bar(len(net) * schedule.steps, description, " network-steps", progress)

    def train_part(i: int) -> int:
        part = parts[i]
        learn = _learner(part, optimisers.maker(i), replayed=isinstance(schedule.optimizer, str))
        try:
            return _train_chunk(part, batches(part), learn, schedule, recorder, stop, calling, bar)
        except BaseException:
            stop.set()
            raise

    try:
        with bar:
            if workers == 1:
                ends = [train_part(i) for i in range(len(parts))]
            else:
                with ThreadPoolExecutor(
                    workers, initializer=torch.set_num_threads, initargs=(threads // workers,)
                ) as pool:
                    jobs = [pool.submit(train_part, i) for i in range(len(parts))]
                    try:
                        wait(jobs)
                    except BaseException:  # Ctrl-C comes here: let the threads end their step
                        stop.set()
                        raise
                ends = [job.result() for job in jobs]
    except DivergenceError as error:
        error.history = recorder.history()
        raise
    finally:
        torch.set_num_threads(threads)  # a pool's threads set the number for threads to come
    state = optimisers.state(schedule.made_by, recorder.first_step, ends)
    return replace(recorder.history(), state=state)


def _train_chunk(
    net: MLP,
    next_batch: Batches,
    learn: Callable[[Tensor, Tensor], None],
    schedule: Schedule,
    recorder: Recorder,
    stop: threading.Event,
    calling: threading.Lock,
    bar: Any,
) -> int:
    """Train these networks; how many steps they have made."""
    steps = schedule.steps
    steps_to_record = iter(schedule.record_at)
    next_record = next(steps_to_record)
    for step in range(steps + 1):
        if stop.is_set():
            break
        x, y = next_batch(step)
        if step == next_record:
            values = recorder.record(net, step, x, y)
            shown = recorder.first_step + step
            if schedule.callback is not None:
                with calling:
                    schedule.callback(net, shown, values)
            if schedule.stop_when is not None and schedule.stop_when(net, shown, values):
                bar.update(len(net) * (steps - step // TICK * TICK))
                break
            next_record = next(steps_to_record, steps)
        if step == steps:
            bar.update(len(net) * (steps % TICK))
            break
        net.renew_feedback()  # draws on the CPU, so apart from what a GPU replays
        learn(x, y)
        if (step + 1) % TICK == 0:
            bar.update(len(net) * TICK)
    return step


def _learner(
    net: MLP, make_update: Callable[[], Callable[[], None]], replayed: bool
) -> Callable[[Tensor, Tensor], None]:
    """What makes a step on a batch: the rule's update, and the optimiser's step along it.

    An optimiser of the caller's own may do anything, so its steps are not replayed.
    """
    update = None

    def learn(x: Tensor, y: Tensor) -> None:
        nonlocal update
        net.compute_gradients(x, y)
        if update is None:  # after the first gradients, which it looks for
            update = make_update()
        update()

    return _replayed(learn) if replayed and net.device.type != "cpu" else learn


def _replayed(learn: Callable[[Tensor, Tensor], None]) -> Callable[[Tensor, Tensor], None]:
    """The same by a CUDA graph for each batch size, recorded when that size comes again.

    The first time makes what lasts: buffers, gradients, the optimiser's state.
    """
    graphs: dict[int, torch.cuda.CUDAGraph | None] = {}

    def replay(x: Tensor, y: Tensor) -> None:
        size = x.shape[1]
        if size not in graphs:
            graphs[size] = None
            return learn(x, y)
        graph = graphs[size]
        if graph is None:
            graph = graphs[size] = torch.cuda.CUDAGraph()
            # Other threads may go on using the device meanwhile.
            with (
                torch.cuda.device(x.device),
                torch.cuda.graph(graph, capture_error_mode="thread_local"),
            ):
                learn(x, y)
        graph.replay()

    return replay


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
