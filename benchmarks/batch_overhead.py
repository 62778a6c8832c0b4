"""What a job costs beside its notebook: `fa-lib batch` against plain papermill.

Fifty notebooks that add two numbers are run by
- loop: papermill's command in a shell loop, one after the other;
- pool: `papermill.execute_notebook` in a pool of as many processes as workers;
- batch: `fa-lib batch`, with its start and its end (starting the workers, records, index).

Each is repeated, in turns. Written to benchmarks/batch_overhead.parquet, with the circumstances in
batch_overhead.json: a row for each repetition, with seconds by the clock and processor seconds
(which a busy machine stretches less), both over all jobs. Run it on an idle machine:

    python benchmarks/batch_overhead.py
"""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import pandas as pd
import torch

from fa_lib import results
from fa_lib._pairs import write_pair

Method = Callable[[Path, Path, int, int], None]


def write_notebook(path: Path) -> None:
    """A notebook with one parameter and next to nothing to do."""
    cells = [nbformat.v4.new_code_cell("X: int = 0"), nbformat.v4.new_code_cell("print(X + 1)")]
    cells[0].metadata["tags"] = ["parameters"]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    nbformat.write(notebook, path)


def loop(notebook: Path, out: Path, jobs: int, workers: int) -> None:
    """Papermill's command, one notebook at a time."""
    command = shlex.join([sys.executable, "-m", "papermill", str(notebook)])
    script = f"for x in $(seq {jobs}); do {command} {shlex.quote(str(out))}/$x.ipynb -p X $x; done"
    subprocess.run(["bash", "-ec", script], check=True, capture_output=True)


def _execute(notebook: str, target: str, x: int) -> None:
    import papermill

    papermill.execute_notebook(notebook, target, parameters={"X": x}, progress_bar=False)


def pool(notebook: Path, out: Path, jobs: int, workers: int) -> None:
    """Papermill's function in a pool of processes, in a program of its own."""
    program = [sys.executable, __file__, "--pool", notebook, out, jobs, workers]
    subprocess.run([str(word) for word in program], check=True, capture_output=True)


def run_pool(notebook: str, out: str, jobs: int, workers: int) -> None:
    """What the program of `pool` does."""
    with concurrent.futures.ProcessPoolExecutor(workers) as executor:
        targets = [(notebook, f"{out}/{x}.ipynb", x) for x in range(jobs)]
        for done in [executor.submit(_execute, *target) for target in targets]:
            done.result()


def batch(notebook: Path, out: Path, jobs: int, workers: int) -> None:
    """The same by `fa-lib batch`."""
    values = ",".join(map(str, range(jobs)))
    words = ["batch", notebook, "-p", f"X={values}", "--out", out, "--workers", workers]
    command = [sys.executable, "-m", "fa_lib.cli", *map(str, words)]
    subprocess.run(command, check=True, capture_output=True)


def measure(name: str, method: Method, jobs: int, workers: int) -> dict[str, object]:
    """Seconds of one repetition; processor seconds are those of every process it started."""

    def processor() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    with tempfile.TemporaryDirectory() as folder:
        notebook, out = Path(folder) / "trivial.ipynb", Path(folder) / "out"
        write_notebook(notebook)
        out.mkdir()
        load, used, began = os.getloadavg()[0], processor(), time.perf_counter()
        method(notebook, out, jobs, workers)
        seconds, used = time.perf_counter() - began, processor() - used
        count = len(list(out.glob("*.ipynb"))) + len(list(out.glob("[!.]*/notebook.ipynb")))
    if count != jobs:
        raise RuntimeError(f"{name} left {count} notebooks of {jobs}")
    return {
        "method": name,
        "jobs": jobs,
        "workers": 1 if name == "loop" else workers,
        "seconds": seconds,
        "processor_seconds": used,
        "load_before": load,
    }


def main() -> None:
    """Measure, store and print medians with their spread."""
    if sys.argv[1:2] == ["--pool"]:
        run_pool(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=50)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    chosen = parser.parse_args()
    methods: dict[str, Method] = {"loop": loop, "pool": pool, "batch": batch}
    rows = []
    for repeat in range(chosen.repeats):
        for name, method in methods.items():
            row = {**measure(name, method, chosen.jobs, chosen.workers), "repeat": repeat}
            print(row, flush=True)
            rows.append(row)
    table = pd.DataFrame(rows)
    facts = {
        **results.circumstances(torch.device("cpu")),
        "processors": os.cpu_count(),
        "date": results.now(),
        "command": shlex.join(["python", "benchmarks/batch_overhead.py", *sys.argv[1:]]),
    }
    write_pair(Path(__file__).parent, "batch_overhead", table, facts)
    per_job = table[["seconds", "processor_seconds"]].div(table["jobs"], axis=0)
    print(per_job.groupby(table["method"]).agg(["median", "min", "max"]).round(2))


if __name__ == "__main__":
    main()
