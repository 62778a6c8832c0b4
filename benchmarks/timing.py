"""Clocks: seconds of a call, alone, in turn with others, and in several threads at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch

Part = Callable[[], object]


def repeated(part: Part, seconds: float) -> float:
    """Seconds a call of one part, over and over."""
    part()
    calls, began = 0, time.perf_counter()
    while (took := time.perf_counter() - began) < seconds:
        part()
        calls += 1
    return took / calls


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


def together(threads: int, job: Callable[[], dict[str, float]]) -> dict[str, float]:
    """Run a job in every thread at the same time, one thread inside operations; the means."""
    before = torch.get_num_threads()
    start = threading.Barrier(threads)

    def in_thread() -> dict[str, float]:
        torch.set_num_threads(1)
        start.wait()
        return job()

    try:
        with ThreadPoolExecutor(threads) as pool:
            done = [pool.submit(in_thread) for _ in range(threads)]
            found = [each.result() for each in done]
    finally:
        torch.set_num_threads(before)  # a thread sets the number for threads to come
    return {name: sum(each[name] for each in found) / threads for name in found[0]}


def clocked(call: Callable[[], object], device: torch.device) -> float:
    """Seconds of one call, until the device has done all that it started."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    began = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began
