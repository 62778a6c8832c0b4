"""What `make bench` measured: how fast networks train, and how near that is to the machine's limit.

The stored table has a row for each number: what was trained (`workload`: "noise", "epoch", and
"lenet", a convolutional network as a torch module), `sizes` of the layers, how many `networks` at
once, the `method`, the `threads` that torch might use, the `precision` of matrix products, the
`repeat`, and then the `quantity` with its `unit` and `value`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from fa_lib import results
from fa_lib.judges import mean_interval
from fa_lib.results import Result

__all__ = [
    "METHODS",
    "bounds",
    "effect_of_precision",
    "gain_of_precision",
    "in_words",
    "memory_of_training",
    "modules_against_biotorch",
    "parts_of_step",
    "processors",
    "ratios",
    "shares",
    "stored",
    "summary",
    "throughput",
]

METHODS = {
    "loop": "plain loop",
    "nn": "fa_lib.nn",
    "biotorch": "biotorch",
    "vmap": "torch.func.vmap",
    "fa_lib": "fa_lib",
}
ONE_BY_ONE = ("loop", "nn", "biotorch")  # for these the number of networks changes nothing
WORKLOADS = ("noise", "epoch")
MERGEABLE = "elementwise"  # the part of a step that could be merged into the others
_CASE = ["workload", "sizes", "precision"]


def stored(name: str = "cpu") -> Result | None:
    """The stored measurement: the full one, else the quick one, else None.

    Arguments:
        name: "cpu" or "cuda"; "precision", what fewer digits bring and do ("precision-avx2" without
            AVX-512, "precision-amx" with units for tiles, "precision-cuda" on a GPU); or "steps",
            what each change of the engine brought.
    """
    return results.load("speed", name, None) or results.load("speed", f"{name}-quick", None)


def processors() -> list[Result]:
    """The full measurements on CPUs: "cpu", then those that were given a name of their own."""
    names = {name for folder, name in results.stored() if folder.name == "speed"}
    full = sorted(n for n in names if n.split("-")[0] == "cpu" and not n.endswith("-quick"))
    return [found for name in full if (found := results.load("speed", name, None))]


def throughput(table: pd.DataFrame) -> pd.DataFrame:
    """Network-steps per second.

    Of a method that was tried with several numbers of threads, the one with the best median.

    Returns:
        Columns workload, sizes, precision, networks, method, threads, repeat, value.
    """
    rows = table[table["quantity"] == "network-steps"]
    case = [*_CASE, "networks", "method"]
    medians = rows.groupby([*case, "threads"])["value"].median().reset_index()
    best = medians.loc[medians.groupby(case)["value"].idxmax(), [*case, "threads"]]
    return rows.merge(best)[[*case, "threads", "repeat", "value"]]


def ratios(table: pd.DataFrame) -> pd.DataFrame:
    """How many times as many network-steps per second fa_lib does, against each peer.

    Each repeat is compared with itself. A peer that trains one network at a time is the same peer
    at every number of networks.

    Returns:
        Columns workload, sizes, precision, networks, peer, repeat, value.
    """
    rates = throughput(table).drop(columns="threads")
    ours = rates[rates["method"] == "fa_lib"].drop(columns="method")
    theirs = rates[rates["method"] != "fa_lib"].rename(columns={"method": "peer"})
    alone = theirs["peer"].isin(ONE_BY_ONE)
    keys = [*_CASE, "repeat"]
    pairs = pd.concat(
        [
            ours.merge(theirs[alone].drop(columns="networks"), on=keys, suffixes=("", "_peer")),
            ours.merge(theirs[~alone], on=[*keys, "networks"], suffixes=("", "_peer")),
        ]
    )
    pairs["value"] = pairs["value"] / pairs["value_peer"]
    return pairs[[*_CASE, "networks", "peer", "repeat", "value"]]


def modules_against_biotorch(table: pd.DataFrame) -> pd.DataFrame:
    """How many times as many steps per second a module of fa_lib's layers does as of biotorch's.

    Each repeat is compared with itself.

    Returns:
        Columns workload, sizes, precision, repeat, value; no rows where biotorch was not there.
    """
    rates, keys = throughput(table), [*_CASE, "repeat"]
    ours, theirs = (rates.loc[rates["method"] == m, [*keys, "value"]] for m in ("nn", "biotorch"))
    pairs = ours.merge(theirs, on=keys, suffixes=("", "_biotorch"))
    pairs["value"] = pairs["value"] / pairs.pop("value_biotorch")
    return pairs


def parts_of_step(table: pd.DataFrame) -> pd.DataFrame:
    """Seconds that each part of a network-step takes by itself, on all threads together.

    Returns:
        Columns workload, sizes, precision, networks (at once; 1 on a CPU), bound ("hot" or
        "streamed"), part, repeat, value.
    """
    rows = table[table["method"].isin(["hot", "streamed"]) & table["workload"].isin(WORKLOADS)]
    rows = rows.rename(columns={"quantity": "part", "method": "bound"})
    return rows[[*_CASE, "networks", "bound", "part", "repeat", "value"]]


def bounds(table: pd.DataFrame) -> pd.DataFrame:
    """The least that a network-step can take: seconds of the parts that no program can leave out.

    On a GPU one network alone has no bound: its parts are timed as single calls, which take longer
    to start than to run, and a program may start them all at once.

    Returns:
        As `parts_of_step`, with part replaced by the sum over them.
    """
    parts = parts_of_step(table)
    parts = parts[parts["part"] != MERGEABLE]
    if set(parts["networks"]) != {1}:  # a GPU
        parts = parts[parts["networks"] > 1]
    case = [*_CASE, "networks", "bound", "repeat"]
    return parts.groupby(case, sort=False)["value"].sum().reset_index()


def shares(table: pd.DataFrame) -> pd.DataFrame:
    """The share of the machine's limit that each method reaches, each repeat against its own limit.

    Returns:
        Columns workload, sizes, precision, networks, method, bound, repeat, value (1: the limit).
    """
    limit = bounds(table).rename(columns={"value": "seconds"})
    rates = throughput(table)
    if set(limit["networks"]) == {1}:  # a CPU thread has one network at a time, however many wait
        pairs = rates.merge(limit.drop(columns="networks"), on=[*_CASE, "repeat"])
    else:
        pairs = rates.merge(limit, on=[*_CASE, "networks", "repeat"])
    pairs["value"] = pairs["value"] * pairs["seconds"]
    return pairs[[*_CASE, "networks", "method", "bound", "repeat", "value"]]


def memory_of_training(sizes: Sequence[int]) -> int:
    """Bytes that a network needs while it trains, in float32.

    They are its weights and biases, their gradients, Adam's two moments, and the feedback of every
    layer but the first; activations and batches come on top.
    """
    layers = list(itertools.pairwise(sizes))
    parameters = sum((n_in + 1) * n_out for n_in, n_out in layers)
    feedback = sum(n_in * n_out for n_in, n_out in layers[1:])
    return 4 * (4 * parameters + feedback)


def in_words(values: pd.Series, digits: int = 3) -> str:
    """Median with the smallest and the largest of the repeats, as in "3.1 [3.0, 3.3]"."""
    parts = [_rounded(float(v), digits) for v in (values.median(), values.min(), values.max())]
    return f"{parts[0]} [{parts[1]}, {parts[2]}]"


def _rounded(value: float, digits: int) -> str:
    """To so many significant digits, without an exponent."""
    if value == 0 or not np.isfinite(value):
        return f"{value:g}"
    places = digits - 1 - int(np.floor(np.log10(abs(value))))
    return f"{round(value, places):,.{max(0, places)}f}"


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """A row for each workload, size and number of networks: medians, with the range of the repeats.

    Network-steps per second of fa_lib, how many times that is of each peer's, and the share of each
    bound, of that the median alone: what slows the machine during one of the two clockings of a
    repeat, and not during the other, can lift a single share above 100 %.
    """
    keys = [*_CASE, "networks"]
    rates = throughput(table)
    columns = {"network-steps/s": rates[rates["method"] == "fa_lib"]}
    against = ratios(table)
    for peer in METHODS:
        if peer in set(against["peer"]):
            columns[f"x {METHODS[peer]}"] = against[against["peer"] == peer]
    words = {name: rows.groupby(keys)["value"].agg(in_words) for name, rows in columns.items()}
    share = shares(table)
    for bound in dict.fromkeys(share["bound"]):
        mine = share[(share["method"] == "fa_lib") & (share["bound"] == bound)]
        medians = 100 * mine.groupby(keys)["value"].median()
        words[f"% of {bound} bound"] = medians.map(lambda value: _rounded(value, 3))
    return pd.DataFrame(words).fillna("").reset_index()


# -- Fewer digits ----------------------------------------------------------------------------------


def gain_of_precision(table: pd.DataFrame) -> pd.DataFrame:
    """How many times as fast as in float32, each repeat against itself.

    Arguments:
        table: of `stored("precision")`.

    Returns:
        Columns quantity ("network-steps" of noise training, or the "products" of a step alone),
        sizes, precision (all but float32), repeat, value.
    """
    rows = table[table["quantity"].isin(["network-steps", "products"])]
    keys = ["quantity", "sizes", "repeat"]
    exact = rows.loc[rows["precision"] == "float32", [*keys, "value"]]
    other = rows[rows["precision"] != "float32"]
    pairs = other.merge(exact, on=keys, suffixes=("", "_exact"))
    ratio = pairs["value"] / pairs["value_exact"]
    pairs["value"] = ratio.where(pairs["quantity"] == "network-steps", 1 / ratio)  # a rate, a time
    return pairs[["quantity", "sizes", "precision", "repeat", "value"]]


def effect_of_precision(table: pd.DataFrame) -> pd.DataFrame:
    """What fewer digits do to what is learned, each seed against itself in float32.

    Arguments:
        table: of `stored("precision")`.

    Returns:
        Columns quantity, unit, precision (all but float32), n (seeds), in float32, value (means),
        difference (mean) with its 95 % interval, low and high.
    """
    rows = table[table["seed"].notna()]
    # Stored names may end in the number of a claim that is judged no more, such as "(C1)".
    rows = rows.assign(quantity=rows["quantity"].str.replace(r" \(C\d+\)$", "", regex=True))
    found = []
    for (quantity, unit), part in rows.groupby(["quantity", "unit"], sort=False):
        wide = part.pivot(index="seed", columns="precision", values="value")  # noqa: PD010 - it refuses doubles
        for precision in dict.fromkeys(part["precision"]):
            if precision == "float32":
                continue
            exact, other = wide["float32"], wide[precision]
            difference, low, high = mean_interval(other - exact)
            found.append(
                {
                    "quantity": quantity,
                    "unit": unit,
                    "precision": precision,
                    "n": len(wide),
                    "in float32": exact.mean(),
                    "value": other.mean(),
                    "difference": difference,
                    "low": low,
                    "high": high,
                }
            )
    return pd.DataFrame(found)
