"""What one change of the engine brought: measured, and added to the table results/speed/steps.

For each change, write down what it should bring before it is made, make it, and run, on an idle
machine and from the repository's root:

    python -m benchmarks.steps "name of the step" "what it should bring" "what was changed"

Ten networks of two sizes train on noise. A step of a name that is there already takes its place.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time

import pandas as pd
import torch

import fa_lib as fa
from benchmarks.workloads import NOISE_SIZES, Contender, train_fa_lib
from fa_lib import results

NETWORKS, REPEATS, SECONDS = 10, 5, 1.0


def measure() -> pd.DataFrame:
    """Network-steps per second of each size in each repeat, the sizes in turns."""
    device, found = torch.device("cpu"), {}
    for sizes in NOISE_SIZES[:2]:
        net = fa.MLP(sizes, rule="fa", seeds=range(NETWORKS), device=device)
        train = train_fa_lib(net, None)
        found[sizes] = Contender("fa_lib", NETWORKS, torch.get_num_threads(), train)
        found[sizes].size_up(SECONDS, device)
    rows = [
        {
            "sizes": "-".join(map(str, sizes)),
            "networks": NETWORKS,
            "repeat": repeat,
            "value": contender.measure(device)["network-steps"],
        }
        for repeat in range(REPEATS)
        for sizes, contender in found.items()
    ]
    return pd.DataFrame(rows)


def with_step(table: pd.DataFrame | None, step: pd.DataFrame) -> pd.DataFrame:
    """The table with one step more, or with it in the place of the step of that name."""
    if table is None:
        return step.assign(place=0)
    name = step["step"].iloc[0]
    same = table.loc[table["step"] == name, "place"]
    place = int(same.iloc[0]) if len(same) else int(table["place"].max()) + 1
    rest = table[table["step"] != name]
    return pd.concat([rest, step.assign(place=place)]).sort_values("place", kind="stable")


def main() -> None:
    """Measure one step, and store all of them."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.steps",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name in ("step", "prediction", "change"):
        parser.add_argument(name)
    chosen = parser.parse_args()
    before = results.load("speed", "steps", None)
    began = time.perf_counter()
    step = measure().assign(**vars(chosen))
    step["code"] = results.circumstances(torch.device("cpu"))["code"]
    table = with_step(before.table if before else None, step).reset_index(drop=True)
    config = {"networks": NETWORKS, "repeats": REPEATS, "seconds": SECONDS}
    facts = {
        "experiment": "speed",
        "name": "steps",
        "profile": "paper",
        "config": config,
        "config_hash": results.config_hash(config),
        **results.circumstances(torch.device("cpu")),
        "data_fingerprints": {},
        "seeds": [],
        "threads": torch.get_num_threads(),
        "processors": os.cpu_count(),
        "seconds": round(time.perf_counter() - began, 1),
        "date": results.now(),
        "command": shlex.join(["python", "-m", "benchmarks.steps", *sys.argv[1:]]),
    }
    stored = results.save(table, facts)
    print(step.groupby("sizes")["value"].agg(["median", "min", "max"]).round(0))
    print(f"Stored in {stored.path}")


if __name__ == "__main__":
    main()
