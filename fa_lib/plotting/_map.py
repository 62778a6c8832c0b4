"""Panels of the map chapter: what noise training brings, and what it costs.

Maps of an effect are drawn by `plot_effect_map`, as in Figure 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from fa_lib.claims import mean_interval
from fa_lib.plotting._fig4 import plot_effect_map
from fa_lib.plotting._style import ARMS, COLORS, arm_look, mean_and_band, seeds_in

__all__ = [
    "draw_break_even",
    "plot_by_rate",
    "plot_net_steps",
    "plot_slices",
    "plot_spent",
]

# Of FAN after the shortest noise training, the next one and so on.
_NOISE_LOOKS = (((0, (1, 1)), "white"), ("-", COLORS["FAN"]), ((0, (5, 1.5)), "#8FD3BC"))


def draw_break_even(ax: Axes) -> None:
    """What it means that noise training pays its steps back, drawn."""
    x = np.linspace(0, 10, 200)
    level, noise = 0.62, 1.6
    plain = 0.9 * (1 - np.exp(-((x / 4.2) ** 1.6)))
    after = 0.9 * (1 - np.exp(-(((x - noise).clip(0) / 1.7) ** 1.1)))
    ax.plot(x, plain, color=COLORS["FA"], lw=2)
    ax.plot(x, np.where(x < noise, np.nan, after), color=COLORS["FAN"], lw=2)
    ax.axvspan(0, noise, color=COLORS["FAN"], alpha=0.12, lw=0)
    ax.text(noise / 2, 0.94, "noise", ha="center", va="top", color=COLORS["FAN"])
    ax.axhline(level, color=COLORS["ink"], lw=0.9, ls=":")
    ax.text(9.95, level - 0.02, "level", ha="right", va="top", fontsize=8)
    reached = [float(x[np.argmax(curve >= level)]) for curve in (after, plain)]
    ax.annotate(
        "",
        (reached[0], level),
        (reached[1], level),
        arrowprops={"arrowstyle": "<->", "color": COLORS["ink"], "shrinkA": 0, "shrinkB": 0},
    )
    ax.text(reached[1] + 0.2, level - 0.1, "net steps saved", va="top", fontsize=8)
    ax.set(xlim=(0, 10), ylim=(0, 1), xticks=[], yticks=[])
    ax.set(xlabel="steps, those on noise counted", ylabel="test accuracy")


def plot_spent(ax: Axes, rows: pd.DataFrame, *, per_step: int) -> dict[str, Line2D]:
    """Test accuracy in per cent against all that was spent, at one point of the map.

    Arguments:
        rows: of the table of `fa_lib.run("map", ...)`: one width, batch size, optimiser and
            learning rates.
        per_step: multiply-adds of a step, for the axis on top.

    Returns:
        Lines by label.
    """
    curves = rows[rows["metric"] == "test_accuracy"]
    curves = curves.assign(
        value=100 * curves["value"], spent=curves["step"] + curves["noise_steps"]
    )
    lines = {}
    for arm, noise_steps, look in _variants(curves):
        mine = curves[(curves["arm"] == arm) & (curves["noise_steps"] == noise_steps)]
        line = {**arm_look(arm), **({"ls": look[0]} if look else {})}
        label = _label(arm, noise_steps)
        lines[label] = mean_and_band(ax, mine[mine["spent"] > 0], x="spent", label=label, **line)
    ax.set_xscale("log")
    ax.set_ylim(0, 100)
    ax.set_xlabel("steps, those on noise counted")
    billions = per_step / 1e9

    def work(steps: ArrayLike) -> NDArray[np.float64]:
        return np.asarray(steps) * billions

    def back(work: ArrayLike) -> NDArray[np.float64]:
        return np.asarray(work) / billions

    top = ax.secondary_xaxis("top", functions=(work, back))
    top.set_xlabel("billion multiply-adds", fontsize=7)
    top.tick_params(labelsize=7)
    return lines


def plot_by_rate(ax: Axes, effects: pd.DataFrame) -> dict[str, Line2D]:
    """What arms gain over FA at each learning rate on data: means with 95 % intervals.

    Arguments:
        effects: columns arm, lr, noise_steps, seed, value.

    Returns:
        Markers by label.
    """
    rates = sorted(effects["lr"].unique())
    variants = _variants(effects)
    lines = {}
    for place, (arm, noise_steps, look) in enumerate(variants):
        mine = effects[(effects["arm"] == arm) & (effects["noise_steps"] == noise_steps)]
        offset = (place - (len(variants) - 1) / 2) * 0.7 / len(variants)
        for rate, sample in mine.dropna(subset="value").groupby("lr")["value"]:
            mean, low, high = mean_interval(sample)
            drawn = ax.errorbar(
                rates.index(rate) + offset,
                mean,
                [[mean - low], [high - mean]],
                fmt=ARMS[arm].marker,
                ms=5.5,
                color=COLORS[arm],
                mfc=look[1] if look else COLORS[arm],
                elinewidth=1.4,
                capsize=2.5,
            )
            label = _label(arm, noise_steps)
            lines[label] = drawn.lines[0]
            lines[label].set_label(f"{label} (n = {len(sample)})")
    ax.axhline(0, color=COLORS["ink"], lw=0.8)
    ax.set_xticks(range(len(rates)), [f"{rate:g}" for rate in rates])
    ax.set_xlim(-0.5, len(rates) - 0.5)
    ax.set_xlabel("lr on data")
    return lines


def plot_net_steps(ax: Axes, effects: pd.DataFrame, *, span: float) -> None:
    """Net steps that noise training saves until a level is reached, a cell for each point.

    Colours and frames as in `plot_effect_map`. Where not all networks of both kinds get there, the
    cell says which do: "neither", "only with" noise, "only without", or how many pairs do.

    Arguments:
        effects: columns lr, noise_steps, seed, reference, arm (steps, NaN: not reached), value.
        span: value with the fullest colour.
    """
    plot_effect_map(ax, effects, span=span)
    rates, steps = sorted(effects["lr"].unique()), sorted(effects["noise_steps"].unique())
    for (rate, noise), cell in effects.groupby(["lr", "noise_steps"]):
        without, with_noise = cell["reference"].notna(), cell["arm"].notna()
        both = without & with_noise
        if both.all():
            continue
        words = f"{both.sum()} of\n{len(cell)}"
        if not both.any():
            words = {
                (True, False): "only\nwith",
                (False, True): "only\nwithout",
                (False, False): "neither",
            }.get((bool(with_noise.any()), bool(without.any())), "no pair")
        ax.text(
            steps.index(noise),
            rates.index(rate),
            words,
            ha="center",
            va="center",
            fontsize=6.5,
            color=COLORS["ink"],
            style="italic",
        )


def plot_slices(
    ax: Axes, effects: Mapping[str, pd.DataFrame], *, arms: Sequence[str] = ("FAN", "Z")
) -> dict[str, Line2D]:
    """What noise training and its controls gain over FA, a row for each setting, in words.

    Arguments:
        effects: by the row's name: columns arm, seed, value.
        arms: to draw.

    Returns:
        Markers by arm, for `legend_below`.
    """
    lines = {}
    for place, rows in enumerate(effects.values()):
        for offset, arm in enumerate(arms):
            sample = rows.loc[rows["arm"] == arm, "value"].dropna()
            if sample.empty:
                continue
            mean, low, high = mean_interval(sample)
            drawn = ax.errorbar(
                mean,
                place + (offset - (len(arms) - 1) / 2) * 0.3,
                xerr=[[mean - low], [high - mean]],
                fmt=ARMS[arm].marker,
                ms=5,
                color=COLORS[arm],
                elinewidth=1.4,
                capsize=2.5,
            )
            lines[arm] = drawn.lines[0]
            lines[arm].set_label(f"{ARMS[arm].title} (n = {seeds_in(rows)})")
    ax.axvline(0, color=COLORS["ink"], lw=0.8)
    ax.set_yticks(range(len(effects)), list(effects))
    ax.set_ylim(len(effects) - 0.5, -0.5)
    return lines


def _variants(rows: pd.DataFrame) -> list[tuple[str, int, tuple | None]]:
    """Arms in the order of `ARMS`, FAN once for each number of noise steps, with its own look."""
    found: list[tuple[str, int, tuple | None]] = []
    for arm in (arm for arm in ARMS if (rows["arm"] == arm).any()):
        counts = sorted(rows.loc[rows["arm"] == arm, "noise_steps"].unique())
        looks = [_NOISE_LOOKS[i % len(_NOISE_LOOKS)] for i in range(len(counts))]
        found += [
            (arm, int(count), look if arm == "FAN" else None)
            for count, look in zip(counts, looks, strict=True)
        ]
    return found


def _label(arm: str, noise_steps: int) -> str:
    return f"FA with {noise_steps:,} noise steps" if arm == "FAN" else ARMS[arm].title
