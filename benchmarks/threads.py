"""One network alone: on one thread and on all of them, on a machine at rest and on a busy one.

Networks of two sizes train on mnist5k, in turns, in each of these ways:
- one thread;
- all threads, which spin for milliseconds while they wait for one another, as GNU's OpenMP has it;
- all threads, which spin for microseconds and then sleep, or sleep at once. What is set for that is
  read when torch is imported.

That is done with nothing beside it, and again beside processes that loop. Whether the weights come
out the same, bit for bit, is written down too (`weights`, a hash). Written to
benchmarks/threads.parquet, with the circumstances in benchmarks/threads.json: a row for each run,
with the load average before it. Run it on an idle machine, from the repository's root:

    python -m benchmarks.threads
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pandas as pd
import torch

import fa_lib as fa
from fa_lib import results
from fa_lib._pairs import write_pair

FOLDER = Path(__file__).parent
SIZES = ((784, 100, 10), (784, 512, 10))
STEPS = 30  # a busy machine takes a second for one
# Whether all threads are used, and what the environment says of how they wait.
WAYS: dict[str, tuple[bool, dict[str, str]]] = {
    "one thread": (False, {}),
    "all threads": (True, {}),
    "all threads, spinning briefly": (True, {"GOMP_SPINCOUNT": "1000"}),
    "all threads, asleep at once": (True, {"OMP_WAIT_POLICY": "PASSIVE"}),
}


def train(sizes: tuple[int, ...], steps: int, every_thread: bool) -> tuple[float, str]:
    """Seconds of so many steps after a first one, and a hash of the weights."""
    if not every_thread:
        torch.set_num_threads(1)
    data, net = fa.load_dataset("mnist5k").train, fa.MLP(sizes, rule="fa", seeds=[0], device="cpu")
    fa.fit(net, data, steps=1, progress=False)
    began = time.perf_counter()
    fa.fit(net, data, steps=steps, record_every=steps, progress=False)
    took = time.perf_counter() - began
    digest = hashlib.sha256()
    for tensor in net.parameters():
        digest.update(tensor.detach().numpy().tobytes())
    return took, digest.hexdigest()[:12]


def process_with(environment: dict[str, str]) -> ProcessPoolExecutor:
    """A process of its own, started with that in its environment."""
    with mock.patch.dict(os.environ, environment):
        pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
        pool.submit(os.getpid).result()  # starts it
    return pool


@contextmanager
def beside(loops: int) -> Iterator[None]:
    """So many processes that only loop, while this one lives."""
    program = "import os; parent = os.getppid()\nwhile os.getppid() == parent: pass"
    others = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(loops)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def measure(steps: int, repeats: int, loops: int) -> Iterator[dict[str, object]]:
    """A row for each run: all ways in turns, at rest and then beside the loops."""
    pools = {way: process_with(environment) for way, (_, environment) in WAYS.items()}
    try:
        for beside_it in (0, loops):
            with beside(beside_it):
                for repeat in range(repeats):
                    for sizes in SIZES:
                        for way, (every_thread, _) in WAYS.items():
                            load = os.getloadavg()[0]
                            run = pools[way].submit(train, sizes, steps, every_thread)
                            seconds, weights = run.result()
                            yield {
                                "sizes": "-".join(map(str, sizes)),
                                "way": way,
                                "loops": beside_it,
                                "repeat": repeat,
                                "steps": steps,
                                "seconds": seconds,
                                "weights": weights,
                                "load_before": load,
                            }
    finally:
        for pool in pools.values():
            pool.shutdown()


def main() -> None:
    """Measure, store and print medians with their spread."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.threads",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--steps", type=int, default=STEPS, help=f"default {STEPS}")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--loops", type=int, default=6, help="beside it, where it is busy")
    chosen = parser.parse_args()
    rows = []
    for row in measure(chosen.steps, chosen.repeats, chosen.loops):
        print(row, flush=True)
        rows.append(row)
    table = pd.DataFrame(rows)
    facts = {
        **results.circumstances(torch.device("cpu")),
        "threads": torch.get_num_threads(),
        "processors": os.cpu_count(),
        "date": results.now(),
        "command": shlex.join(["python", "-m", "benchmarks.threads", *sys.argv[1:]]),
    }
    write_pair(FOLDER, "threads", table, facts)
    case = ["sizes", "loops", "way"]
    print(table.groupby(case, sort=False)["seconds"].agg(["median", "min", "max"]).round(3))
    print(table.groupby(["sizes", "way"], sort=False)["weights"].unique())


if __name__ == "__main__":
    main()
