"""Clocks: seconds of a call, alone, in turn with others, and in several processes at once."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.synchronize import Barrier

import torch

Part = Callable[[], object]

_barrier: Barrier  # where the processes of `together` meet


def repeated(part: Part, seconds: float) -> float:
    """Seconds a call of one part, over and over."""
    part()
    calls, began = 0, time.perf_counter()
    while (took := time.perf_counter() - began) < seconds:
        part()
        calls += 1
    return took / calls


def each_alone(parts: dict[str, Part], seconds: float) -> dict[str, float]:
    """Seconds a call of each part, one part after the other, so long each."""
    return {name: repeated(part, seconds) for name, part in parts.items()}


def in_turn(parts: dict[str, Part], seconds: float) -> dict[str, float]:
    """Seconds a call of each part, all of them called one after the other.

    Arguments:
        seconds: to spend on each.
    """
    took = dict.fromkeys(parts, 0.0)
    rounds, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds * len(parts) or rounds < 2:
        for name, part in parts.items():
            start = time.perf_counter()
            part()
            if rounds:  # the first one warms up
                took[name] += time.perf_counter() - start
        rounds += 1
    return {name: total / (rounds - 1) for name, total in took.items()}


def repeated_on_gpu(part: Part, seconds: float) -> float:
    """Seconds a call of one part on a GPU, with many calls in flight."""

    def run(calls: int) -> float:
        torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(calls):
            part()
        torch.cuda.synchronize()
        return time.perf_counter() - began

    run(3)
    calls = max(3, round(seconds / (run(10) / 10)))
    return run(calls) / calls


def together(
    processes: int, job: Callable[..., dict[str, float]], *arguments: object
) -> dict[str, float]:
    """Run a job in every process at the same time, one thread inside operations; the means.

    In threads, the job would be timed with their waiting for each other's turn with the
    interpreter, which is no work.
    """
    ways = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in ways else "spawn")
    context.set_forkserver_preload(["torch"])
    barrier = context.Barrier(processes)
    with ProcessPoolExecutor(processes, context, _meet_at, (barrier,)) as pool:
        done = [pool.submit(_at_once, job, arguments) for _ in range(processes)]
        found = [each.result() for each in done]
    return {name: sum(each[name] for each in found) / processes for name in found[0]}


def _meet_at(barrier: Barrier) -> None:
    global _barrier
    _barrier = barrier


def _at_once(job: Callable[..., dict[str, float]], arguments: Sequence[object]) -> dict[str, float]:
    torch.set_num_threads(1)
    _barrier.wait()
    return job(*arguments)


def clocked(call: Callable[[], object], device: torch.device) -> float:
    """Seconds of one call, until the device has done all that it started."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    began = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began
