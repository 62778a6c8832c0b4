"""Panels of the chapter on speed: throughput, ratios to peers, and the machine's limit.

Methods are told apart by shade, dashes and marker: the colours of the book mean its arms.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from fa_lib.plotting._style import COLORS, Dashes, log_axis
from fa_lib.speed import MERGEABLE, METHODS, ONE_BY_ONE

__all__ = ["plot_limits", "plot_ratios", "plot_throughput"]

# Shade, dashes, marker and width.
METHOD_LOOKS: dict[str, tuple[str, Dashes, str, float]] = {
    "fa_lib": (COLORS["ink"], "-", "o", 2.2),
    "vmap": ("#5D5D5D", (0, (5, 1.5)), "s", 1.4),
    "loop": ("#777777", (0, (1, 1)), "^", 1.4),
    "nn": ("#3F3F3F", (0, (3, 1, 1, 1, 1, 1)), "D", 1.4),
    "biotorch": ("#949494", (0, (6, 1.5, 1, 1.5)), "v", 1.4),
}
LIMIT = "limit of the machine"

# The parts of a step, as they are measured, and what they are called and filled with.
PARTS = {
    "noise": ("noise", "#C9C9C9", ""),
    "images": ("picking images", "#C9C9C9", "...."),
    "forward": ("product: forward", "#2F4858", ""),
    "error back": ("product: error back", "#55788C", ""),
    "weight gradient": ("product: weight gradient", "#8FB0C2", ""),
    "Adam": ("Adam", "#D9B26F", ""),
    MERGEABLE: ("ReLU, softmax, biases", "#A56A4B", ""),
    "rest": ("all else", "#FFFFFF", "////"),
}


def _look(method: str) -> dict[str, Any]:
    color, dashes, marker, width = METHOD_LOOKS[method]
    return {"color": color, "ls": dashes, "marker": marker, "lw": width, "ms": 5}


def _with_range(ax: Axes, rows: pd.DataFrame, label: str, **look: Any) -> Line2D:
    """Medians over the repeats at each number of networks, with their smallest and largest."""
    found = rows.groupby("networks")["value"].agg(["median", "min", "max"])
    below, above = found["median"] - found["min"], found["max"] - found["median"]
    drawn = ax.errorbar(
        found.index,
        found["median"],
        [below, above],
        elinewidth=1.2,
        capsize=2,
        label=label,
        **look,
    )
    return drawn.lines[0]


def plot_throughput(
    ax: Axes, rates: pd.DataFrame, limit: pd.DataFrame | None = None
) -> dict[str, Line2D]:
    """Network-steps per second against the number of networks, a line for each method.

    Arguments:
        rates: of `fa_lib.speed.throughput`, for one workload, size and precision.
        limit: of `fa_lib.speed.bounds`, for the same and one bound; None draws no limit.

    Returns:
        The lines, by what they are called.
    """
    lines = {}
    counts = sorted(rates["networks"].unique())
    for method, name in METHODS.items():
        rows = rates[rates["method"] == method]
        if rows.empty:
            continue
        if method in ONE_BY_ONE:  # the same at every number of networks
            rows = pd.concat([rows.assign(networks=n) for n in (counts[0], counts[-1])])
        lines[name] = _with_range(ax, rows, name, **_look(method))
    if limit is not None and len(limit):
        seconds = limit.groupby("networks")["value"].median()
        if set(seconds.index) == {1}:  # a CPU's, which is the same at every number of networks
            seconds = pd.Series(seconds.iloc[0], index=[counts[0], counts[-1]])
        seconds = seconds[seconds.index.isin(counts)]
        (lines[LIMIT],) = ax.plot(
            seconds.index, 1 / seconds, color=COLORS["null"], lw=1.2, label=LIMIT, zorder=1
        )
    _count_axis(ax, counts)
    log_axis(ax, "y")
    return lines


def plot_ratios(ax: Axes, against: pd.DataFrame) -> dict[str, Line2D]:
    """How many times as fast fa_lib is, against the number of networks, a line for each peer.

    Arguments:
        against: of `fa_lib.speed.ratios`, for one workload, size and precision.

    Returns:
        The lines, by what the peers are called.
    """
    lines = {}
    for method, name in METHODS.items():
        rows = against[against["peer"] == method]
        if len(rows):
            lines[name] = _with_range(ax, rows, name, **_look(method))
    ax.axhline(1, color=COLORS["null"], lw=1, zorder=1)
    _count_axis(ax, sorted(against["networks"].unique()))
    ax.set_ylim(0)
    return lines


def _count_axis(ax: Axes, counts: Sequence[int]) -> None:
    ax.set_xscale("log")
    ax.set_xticks(counts, [f"{n:,}" for n in counts])
    ax.set_xticks([], minor=True)
    ax.set_xlim(counts[0] / 1.6, counts[-1] * 1.6)
    ax.set_xlabel("networks")


def plot_limits(ax: Axes, parts: pd.DataFrame, rates: pd.DataFrame) -> dict[str, Patch]:
    """What a network-step takes: its parts at the machine's limit, and what fa_lib takes beside.

    A bar for each bound, then one for each number of networks: the parts as they take when they are
    streamed (hot where that is not measured), and the rest on top of them. A line marks the time
    measured, since parts that take longer by themselves may reach beyond it.

    Arguments:
        parts: of `fa_lib.speed.parts_of_step`, for one workload, size and precision.
        rates: of `fa_lib.speed.throughput`, for the same.

    Returns:
        A patch for each part, by what it is called.
    """
    medians = parts.groupby(["bound", "networks", "part"])["value"].median()
    names = [name for name in ("hot", "streamed") if name in set(parts["bound"])]
    first = int(parts["networks"].min())
    bars: list[tuple[str, pd.Series, float]] = []
    for name in names:
        taken = medians[name, first].drop(MERGEABLE)
        bars.append((f"limit, {name}", taken, 1e3 * taken.sum()))
    ours = rates[rates["method"] == "fa_lib"].groupby("networks")["value"].median()
    for networks, rate in ours.items():
        at = networks if networks in set(parts["networks"]) else first
        taken = medians[names[-1], at]
        rest = max(0.0, 1 / rate - taken.sum())
        label = "1 network" if networks == 1 else f"{networks:,} networks"
        bars.append((label, pd.concat([taken, pd.Series({"rest": rest})]), 1e3 / rate))
    patches: dict[str, Patch] = {}
    for place, (_, taken, whole) in enumerate(bars):
        left = 0.0
        for part, (name, color, hatch) in PARTS.items():
            if part not in taken:
                continue
            width = 1e3 * float(taken[part])
            look: dict[str, Any] = {"fc": color, "hatch": hatch, "ec": COLORS["ink"], "lw": 0.5}
            (patches[name],) = ax.barh(place, width, left=left, height=0.7, **look)
            left += width
        if place >= len(names):
            ax.plot([whole] * 2, [place - 0.45, place + 0.45], color=COLORS["ink"], lw=2)
        ax.text(max(left, whole), place, f"  {whole:.2f}", va="center", fontsize=7.5)
    ax.set_yticks(range(len(bars)), [label for label, _, _ in bars])
    ax.invert_yaxis()
    ax.margins(x=0.12)
    ax.set_xlabel("ms for a network-step")
    return {name: patches[name] for name, _, _ in PARTS.values() if name in patches}
