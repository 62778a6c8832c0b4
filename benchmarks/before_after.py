"""Two versions of the package side by side: whether a change made anything slower.

The networks of each size train on noise and on mnist5k by FA, in turns, in processes of their own.
Written to benchmarks/before_after.parquet, a row for each run, with the circumstances in
benchmarks/before_after.json. Run it on an idle machine, from the repository's root:

    git worktree add ../before COMMIT
    python -m benchmarks.before_after ../before
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import torch

from fa_lib import results
from fa_lib._pairs import write_pair

FOLDER = Path(__file__).parent
# Sizes, networks and steps: about a second each.
CASES = (
    ((784, 100, 10), 1, 600),
    ((784, 100, 10), 10, 300),
    ((784, 100, 10), 100, 40),
    ((784, 512, 10), 1, 200),
    ((784, 512, 10), 10, 80),
    ((784, 512, 512, 10), 10, 40),
)
# What a process of either version runs; both know these names.
TIMED = """
import json, sys, time
import fa_lib as fa
data, found = fa.load_dataset("mnist5k").train, []
for sizes, networks, steps in json.loads(sys.argv[1]):
    for workload in ("noise", "epoch"):
        net = fa.MLP(sizes, rule="fa", seeds=range(networks), device="cpu")
        def run(count):
            how = {"steps": count, "record_every": count, "progress": False}
            fa.pretrain(net, **how) if workload == "noise" else fa.fit(net, data, **how)
        run(3)
        began = time.perf_counter()
        run(steps)
        rate = networks * steps / (time.perf_counter() - began)
        found.append([workload, "-".join(map(str, sizes)), networks, rate])
print(json.dumps(found))
"""


def measure(tree: Path, version: str, repeat: int) -> pd.DataFrame:
    """Run that version in a process: columns workload, sizes, networks, rate (steps/s) and more."""
    command = [sys.executable, "-c", TIMED, json.dumps(CASES)]
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    done = subprocess.run(
        command, env=environment, cwd=tree, capture_output=True, text=True, check=True
    )
    columns = ["workload", "sizes", "networks", "rate"]
    table = pd.DataFrame(json.loads(done.stdout.splitlines()[-1]), columns=columns)
    return table.assign(version=version, repeat=repeat)


def ratios(table: pd.DataFrame) -> pd.DataFrame:
    """After over before: median, least and most of the repeats for each case."""
    keys = ["workload", "sizes", "networks"]
    wide = table.pivot_table(index=[*keys, "repeat"], columns="version", values="rate")
    ratio = (wide["after"] / wide["before"]).groupby(level=keys, sort=False)
    return ratio.agg(["median", "min", "max"])


def main() -> None:
    """Measure, store and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", type=Path, help="a checkout of the version to compare with")
    parser.add_argument("--repeats", type=int, default=5, help="of both in turns (default 5)")
    arguments = parser.parse_args()
    before = arguments.before.resolve()
    if not (before / "fa_lib").is_dir():
        parser.error(f"{before} holds no fa_lib: give a checkout of this repository.")
    load = os.getloadavg()[0]
    trees = {"before": before, "after": FOLDER.parent}
    tables = []
    for repeat in range(arguments.repeats):
        for version, tree in trees.items():
            tables.append(measure(tree, version, repeat))
            print(f"[{repeat}] {version}", flush=True)
    table = pd.concat(tables, ignore_index=True)
    revision = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=before, capture_output=True, text=True, check=True
    )
    facts = results.circumstances(torch.device("cpu")) | {
        "before": revision.stdout.strip()[:12],
        "threads": torch.get_num_threads(),
        "load_before": load,
        "date": results.now(),
        "command": shlex.join(["python", "-m", "benchmarks.before_after", "BEFORE"]),
    }
    write_pair(FOLDER, "before_after", table, facts)
    print(ratios(table).round(2).to_string())


if __name__ == "__main__":
    main()
