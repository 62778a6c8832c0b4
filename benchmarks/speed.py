"""How fast networks train: fa_lib, its peers and the machine's limit, in one run.

Compared are a plain loop over one network at a time, the same with fa_lib's layers for torch
modules and with biotorch's, torch.func's vmap over all networks, and fa_lib (see
`benchmarks/peers.py`), in
- noise: random noise training of three sizes of network at batch 64;
- epoch: training on the 60,000 images of MNIST, or on those of mnist5k where it is not at hand;
and beside them
- lenet: a convolutional network in fa_lib's layers and in biotorch's, on images of noise;
- the parts that no program can leave out, timed in the same turns (`benchmarks/ceilings.py`);
- memory: what one network more takes;
- alternatives: torch.compile (fewer digits have a benchmark of their own, `precision.py`).

All methods of a size are timed in turns, and that is repeated, so that what slows the machine down
slows all of them. A complete run is stored as results/speed/<device>, with --name X as <device>-X,
beside another machine's; one with --quick has -quick after that, and one with --only is not stored
at all. Run it on an idle machine, from the repository's root:

    python -m benchmarks.speed
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from collections.abc import Iterable, Sequence
from importlib import metadata
from typing import Any

import pandas as pd
import torch

import fa_lib as fa
from benchmarks import alternatives, ceilings, peers, workloads
from benchmarks.precision import tensor_float
from fa_lib import results, speed
from fa_lib._device import resolve_device
from fa_lib.data import dataset_info

PIECES = ("noise", "epoch", "lenet", "memory", "alternatives")
COUNTS = {"cpu": (1, 10, 100, 1000), "cuda": (1, 128, 1000)}
MIDDLE = (784, 512, 10)
SECONDS, QUICK_SECONDS = 0.8, 0.15  # of a run that is timed


class Run:
    """The rows measured so far, and what was left out and why."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.rows: list[dict[str, Any]] = []
        self.skipped: dict[str, str] = {}

    def add(self, rows: Iterable[dict[str, Any]], **where: Any) -> None:
        """Keep rows, and print them; `where` fills in what they do not say themselves."""
        precision = "tf32" if torch.backends.cuda.matmul.allow_tf32 else "float32"
        empty = {"workload": "", "sizes": "", "networks": 0, "method": "", "repeat": 0}
        facts = {**empty, "threads": torch.get_num_threads(), "precision": precision, **where}
        for row in rows:
            whole = {**facts, **row}
            self.rows.append(whole)
            words = (whole["workload"], whole["sizes"], whole["networks"] or "", whole["method"])
            said = " ".join(str(word) for word in (*words, whole["quantity"]) if word != "")
            print(f"[{whole['repeat']}] {said}: {whole['value']:.4g} {whole['unit']}", flush=True)

    def skip(self, what: str, why: str) -> None:
        """Keep, and say, why something is not measured."""
        if what not in self.skipped:
            print(f"{what} is left out: {why}", flush=True)
        self.skipped[what] = why


def add_rate(run: Run, one: workloads.Contender, **where: Any) -> None:
    """Time one method, and keep what it does a second and what it costs once."""
    measured = one.measure(run.device)
    rows = [
        {"quantity": "network-steps", "unit": "1/s", "value": measured["network-steps"]},
        {"quantity": "once", "unit": "s", "value": measured["once"]},
    ]
    run.add(rows, method=one.method, networks=one.networks, **where)


def train_in_turns(
    run: Run,
    workload: str,
    sizes: Sequence[int],
    counts: Sequence[int],
    split: fa.Split | None,
    repeats: int,
    seconds: float,
) -> None:
    """Time all methods for networks of those sizes, and the parts of a step, in turns."""
    name, most = "-".join(map(str, sizes)), torch.get_num_threads()
    found = list(workloads.contenders(sizes, counts, split, run.device, run.skip))
    for contender in found:
        contender.size_up(seconds, run.device)
    images = None if split is None else len(split)
    # A thread on the CPU works on one network after the other, a GPU on all of them at once.
    on_gpu = run.device.type == "cuda"
    at_once = [one.networks for one in found if one.method == "fa_lib"] if on_gpu else [1]
    for repeat in range(repeats):
        where = {"workload": workload, "sizes": name, "repeat": repeat}
        for one in found:
            add_rate(run, one, **where)
        torch.set_num_threads(most)
        for networks in at_once:
            parts = ceilings.measure_parts(sizes, networks, run.device, seconds / 8, images)
            run.add(parts, networks=networks, **where)


def measure_training(run: Run, workload: str, repeats: int, seconds: float, quick: bool) -> str:
    """All sizes of one workload; returns the data set's name, if there is one."""
    counts = COUNTS[run.device.type]
    counts = counts[:-1] if quick else counts
    if workload == "noise":
        dataset, split, all_sizes = "", None, workloads.NOISE_SIZES
    else:
        dataset = "mnist" if dataset_info("mnist").at_hand else "mnist5k"
        split, all_sizes = fa.load_dataset(dataset).train, workloads.EPOCH_SIZES
        counts = tuple(n for n in counts if n <= 128)
    for sizes in all_sizes[:2] if quick else all_sizes:
        train_in_turns(run, workload, sizes, counts, split, repeats, seconds)
        if run.device.type == "cuda" and sizes == MIDDLE:
            with tensor_float(True):
                train_in_turns(run, workload, sizes, counts, split, repeats, seconds)
    return dataset


def measure_lenet(run: Run, repeats: int, seconds: float) -> None:
    """A convolutional network in the layers of fa_lib and of biotorch, in turns."""
    most = torch.get_num_threads()
    found = list(workloads.lenets(run.device, run.skip))
    for contender in found:
        contender.size_up(seconds, run.device)
    for repeat in range(repeats):
        for one in found:
            add_rate(run, one, workload="lenet", sizes="LeNet", repeat=repeat)
    torch.set_num_threads(most)


def measure_memory(run: Run) -> None:
    """What one network more takes, for each method and size."""
    for sizes in workloads.NOISE_SIZES:
        for method in workloads.STACKED:
            value = workloads.measure_memory(method, sizes, run.device)
            row = {"quantity": "memory per network", "unit": "B", "value": value}
            run.add([row], workload="memory", sizes="-".join(map(str, sizes)), method=method)


def measure_alternatives(run: Run, seconds: float) -> None:
    """A compiled step."""
    where = {"workload": "alternatives", "sizes": "-".join(map(str, MIDDLE))}
    networks = 128 if run.device.type == "cuda" else 10
    try:
        rows = list(alternatives.measure_compile(MIDDLE, networks, run.device, seconds))
    except Exception as error:  # whatever it is, it is the finding
        run.skip("torch.compile", f"{type(error).__name__}: {str(error).splitlines()[0]}")
    else:
        run.add(rows, networks=networks, **where)


def facts_about(
    run: Run, chosen: argparse.Namespace, dataset: str, seconds: float
) -> dict[str, Any]:
    """The provenance of the measurement."""
    try:
        (found,) = metadata.distributions(name="biotorch", path=[str(peers.BIOTORCH)])
        biotorch = found.version
    except ValueError:
        biotorch = "not there"
    config = {
        "repeats": chosen.repeats,
        "seconds": chosen.seconds,
        "batch_size": peers.BATCH,
        "dataset": dataset,
    }
    parts = [run.device.type, chosen.name, "quick" if chosen.quick else ""]
    return {
        "experiment": "speed",
        "name": "-".join(filter(None, parts)),
        "profile": "quick" if chosen.quick else "paper",
        "config": config,
        "config_hash": results.config_hash(config),
        **results.circumstances(run.device),
        "data_fingerprints": {dataset: fa.load_dataset(dataset).fingerprint} if dataset else {},
        "seeds": [],
        "threads": torch.get_num_threads(),
        "processors": os.cpu_count(),
        "load_before": chosen.load,
        "biotorch": biotorch,
        "skipped": run.skipped,
        "seconds": round(seconds, 1),
        "date": results.now(),
        "command": shlex.join(["python", "-m", "benchmarks.speed", *sys.argv[1:]]),
    }


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--device", default="cpu", help="cpu (the default) or cuda")
    parser.add_argument("--name", default="", help="of the machine, for a result beside another's")
    parser.add_argument("--repeats", type=int, help="of everything (default 5, with --quick 2)")
    parser.add_argument(
        "--only", nargs="+", choices=PIECES, metavar="PIECE", help=f"some of {', '.join(PIECES)}"
    )
    parser.add_argument(
        "--quick", action="store_true", help="a minute: noise and epoch, small and briefly"
    )
    chosen = parser.parse_args()
    if chosen.repeats is not None and chosen.repeats < 1:
        parser.error("--repeats must be at least 1")
    if chosen.name and not chosen.name.isalnum():
        parser.error("--name must be made of letters and digits")
    chosen.repeats = chosen.repeats or (2 if chosen.quick else 5)
    chosen.seconds = QUICK_SECONDS if chosen.quick else SECONDS
    chosen.load = os.getloadavg()[0]
    return chosen


def main() -> None:
    """Measure, store and print medians with their spread."""
    chosen = arguments()
    run = Run(resolve_device(chosen.device))
    pieces = chosen.only or (PIECES[:2] if chosen.quick else PIECES)
    torch.manual_seed(0)
    began, dataset = time.perf_counter(), ""
    for repeat in range(chosen.repeats):
        rows = ceilings.measure_machine(run.device, chosen.seconds / 4)
        run.add(rows, workload="machine", repeat=repeat)
    for workload in PIECES[:2]:
        if workload in pieces:
            how = (chosen.repeats, chosen.seconds, chosen.quick)
            dataset = measure_training(run, workload, *how) or dataset
    if "lenet" in pieces:
        measure_lenet(run, chosen.repeats, chosen.seconds)
    if "memory" in pieces:
        measure_memory(run)
    if "alternatives" in pieces:
        measure_alternatives(run, chosen.seconds)
    table, seconds = pd.DataFrame(run.rows), time.perf_counter() - began
    if not chosen.only:
        stored = results.save(table, facts_about(run, chosen, dataset, seconds))
        print(f"Stored in {stored.path}")
    if (table["method"] == "fa_lib").any():
        print(speed.summary(table).to_string(index=False))
    if len(against := speed.modules_against_biotorch(table)):
        words = against.groupby(["workload", "sizes"])["value"].agg(speed.in_words)
        print(f"fa_lib.nn, as many times the steps of biotorch:\n{words.to_string()}")
    print(f"It took {seconds / 60:.1f} minutes.")


if __name__ == "__main__":
    main()
