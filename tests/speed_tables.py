"""A measurement of speed with numbers that can be followed by hand."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

SIZES = {"noise": ("784-100-10", "784-512-10"), "epoch": ("784-100-10",)}
REPEATS = 3
# Seconds of each part; over all threads together.
PARTS = {
    "noise": 1e-4,
    "images": 2e-4,
    "forward": 1e-4,
    "error back": 1e-5,
    "weight gradient": 1e-4,
    "elementwise": 2e-5,
    "Adam": 9e-5,
}
LIMIT = {"noise": 4e-4, "epoch": 5e-4}  # without the elementwise part


def rows(counts: tuple[int, ...], at_once: tuple[int, ...]) -> Iterator[dict[str, Any]]:
    """Each repeat is slower than the one before, for everything alike: by 10, then 20 %."""
    for workload, all_sizes in SIZES.items():
        for sizes in all_sizes:
            for repeat in range(REPEATS):
                slow = 1 + repeat / 10
                where = {"workload": workload, "sizes": sizes, "repeat": repeat}
                where["precision"] = "float32"
                rate = {"unit": "1/s", "quantity": "network-steps"}
                # With two threads the loop is slower but for its first, lucky repeat.
                for threads, value in ((1, 400), (2, 900 if repeat == 0 else 200)):
                    one = {"method": "loop", "networks": 1, "threads": threads}
                    yield {**where, **rate, **one, "value": value / slow}
                for networks in counts:
                    for method, value in (("vmap", 800), ("fa_lib", 1600)):
                        many = {"method": method, "networks": networks, "threads": 2}
                        yield {**where, **rate, **many, "value": value / slow}
                        yield {**where, **many, "quantity": "once", "unit": "s", "value": 0.1}
                for bound, factor in (("hot", 0.5), ("streamed", 1.0)):
                    for networks in at_once:
                        for part, seconds in PARTS.items():
                            if part == {"noise": "images", "epoch": "noise"}[workload]:
                                continue
                            found = {"method": bound, "networks": networks, "threads": 2}
                            found |= {"quantity": part, "unit": "s"}
                            yield {**where, **found, "value": factor * slow * seconds}


def measured(
    counts: tuple[int, ...] = (1, 10, 100), at_once: tuple[int, ...] = (1,)
) -> pd.DataFrame:
    """A whole table, with a few rows of other workloads."""
    other = {"sizes": "", "networks": 0, "precision": "float32", "repeat": 0, "threads": 2}
    machine = {"workload": "machine", "method": "", "quantity": "copy", "unit": "GB/s"}
    memory = {"workload": "memory", "method": "fa_lib", "quantity": "memory per network"}
    extra = [{**other, **machine, "value": 9.0}, {**other, **memory, "unit": "B", "value": 1e6}]
    return pd.DataFrame([*rows(counts, at_once), *extra])
