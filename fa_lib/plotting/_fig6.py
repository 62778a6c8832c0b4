"""Panels of Figure 6: the meta-loss, adaptation to several tasks, and its paths.

The arms have their colours; where tasks share an axis, dashes and markers tell them apart. The
paths in a plane are drawn by `plot_paths`, as in Figure 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from fa_lib.experiments._adaptation import JUDGED_K, PERMUTED, source_of
from fa_lib.plotting._style import (
    ARMS,
    COLORS,
    STRONG_ARMS,
    arm_look,
    arms_in,
    log_axis,
    mean_and_band,
    mean_marker,
    plot_arms,
    task_looks,
)
from fa_lib.schema import title_of

__all__ = [
    "draw_meta_loss",
    "plot_adaptation",
    "plot_meta_loss_by_steps",
    "plot_meta_loss_through_noise",
    "plot_task_effects",
    "plot_tasks_through_noise",
    "task_name",
]


def task_name(task: str) -> str:
    """A task of "fig6" in words that say which images it is; a name of your own stays as it is."""
    source = source_of(task)
    return (PERMUTED if task != source else "") + title_of(source)


def draw_meta_loss(axes: Sequence[Axes]) -> None:
    """What Figure 6 measures, drawn: the branches, their losses, and how two arms compare.

    Arguments:
        axes: three.
    """
    branches, losses, common = axes
    start, last = (0.15, 0.5), 1.0
    tips = (0.85, 0.5, 0.15)
    branches.annotate(
        "", start, (-0.55, 0.5), arrowprops={"arrowstyle": "-|>", "color": COLORS["null"], "lw": 3}
    )
    branches.text(-0.2, 0.56, "noise\ntraining", ha="center", va="bottom", fontsize=7.5)
    branches.plot(*start, "o", ms=8, mfc="white", mec=COLORS["ink"], zorder=3)
    branches.text(start[0], 0.4, "one\nstart", ha="center", va="top", fontsize=7.5)
    names = ("task 1", "task 2", "task 3")
    for tip, name, (dashes, marker) in zip(tips, names, task_looks(names).values(), strict=True):
        arrow = {"arrowstyle": "-|>", "color": COLORS["FAN"], "lw": 1.4, "ls": dashes}
        branches.annotate("", (last, tip), start, arrowprops={**arrow, "shrinkA": 6, "shrinkB": 5})
        branches.plot(last, tip, marker, ms=6, color=COLORS["FAN"])
        branches.text(last + 0.09, tip, name, va="center", fontsize=7.5)
    branches.text(0.55, 0.9, "$K$ steps each", ha="center", fontsize=7.5, color=COLORS["FAN"])
    branches.set(xlim=(-0.6, 1.5), ylim=(0, 1))
    branches.axis("off")

    x = np.linspace(0, 1.3, 100)
    floors = (0.25, 0.1, 0.4)
    for floor, (dashes, marker) in zip(floors, task_looks(names).values(), strict=True):
        heights = floor + (0.9 - floor) * np.exp(-2.2 * x)
        losses.plot(x, heights, color=COLORS["FAN"], lw=1.6, ls=dashes)
        at_k = floor + (0.9 - floor) * np.exp(-2.2)
        losses.plot(1.0, at_k, marker, ms=6, color=COLORS["FAN"], zorder=3)
    losses.axvline(1.0, ymax=0.72, color=COLORS["ink"], lw=0.9, ls=":")
    losses.text(1.0, 0.74, "meta-loss:\nsum of the three", ha="center", va="bottom", fontsize=7.5)
    losses.set(xlim=(0, 1.45), ylim=(0, 1), xticks=[0, 1], yticks=[])
    losses.set_xticklabels(["0", "$K$"])
    losses.set(xlabel="adaptation step", ylabel="test loss")

    level, rates = 0.36, {"FA": 0.9, "FAN": 1.5}
    x = np.linspace(0, 1.6, 100)
    for arm, words in (("FA", (0.7, 0.62)), ("FAN", (0.04, 0.16))):
        common.plot(x, np.exp(-rates[arm] * x), color=COLORS[arm], lw=2)
        reached = -np.log(level) / rates[arm]
        common.plot([reached, reached], [0, level], color=COLORS[arm], lw=0.9, ls=":")
        common.plot(reached, level, ARMS[arm].marker, ms=5, color=COLORS[arm], zorder=3)
        name = ARMS[arm].title.replace(" with", "\nwith")
        common.text(*words, name, color=COLORS[arm], fontsize=7.5)
    common.axhline(level, color=COLORS["ink"], lw=0.9, ls=":")
    common.text(2.1, level + 0.03, "common loss", ha="right", fontsize=7.5)
    first, second = ((-np.log(level) / rates[arm], 0.06) for arm in ("FAN", "FA"))
    arrow = {"arrowstyle": "<->", "color": COLORS["ink"], "lw": 0.9}
    common.annotate("", first, second, arrowprops=arrow)
    common.text(1.22, 0.06, "steps saved", va="center", fontsize=7.5)
    common.set(xlim=(0, 2.15), ylim=(0, 1.02), xticks=[], yticks=[])
    common.set(xlabel="adaptation step", ylabel="training loss")


def plot_meta_loss_through_noise(
    ax: Axes, table: pd.DataFrame, values: pd.DataFrame, *, setting: str
) -> dict[str, Line2D]:
    """Meta-loss from states of noise training, and every other arm's beside the line.

    Arms that train on something before the data stand to the right of the last noise step, the
    others to the left of the first.

    Arguments:
        table: of `fa_lib.run("fig6", ...)`.
        values: the meta-losses of the arms in this setting, columns arm, seed, value.

    Returns:
        The line and the markers by arm, for `legend_below`.
    """
    rows = _from_states(table, setting)
    course = rows.groupby(["noise_steps", "seed"])["value"].sum().reset_index()
    look = {"label": ARMS["FAN"].title, "marker": ARMS["FAN"].marker, "ms": 4, **arm_look("FAN")}
    lines = {"FAN": mean_and_band(ax, course, x="noise_steps", **look)}
    last = int(course["noise_steps"].max())
    adapted = table[table["panel"] == "adapt"]
    before = adapted.groupby("arm")["noise_steps"].max()
    beside = {False: 0, True: 0}  # how many arms stand on either side so far
    for arm in (arm for arm in arms_in(values) if arm != "FAN"):
        trained = bool(before[arm])
        beside[trained] += 1
        away = 0.05 * last * beside[trained]
        sample = values.loc[values["arm"] == arm, "value"].dropna().to_numpy()
        lines[arm] = mean_marker(ax, last + away if trained else -away, sample, arm)
    ax.set_xlim(-0.05 * last * (beside[False] + 1), last * (1 + 0.05 * (beside[True] + 1)))
    _noise_steps_on_axis(ax, course)
    return lines


def plot_tasks_through_noise(ax: Axes, table: pd.DataFrame, *, setting: str) -> None:
    """The terms of the meta-loss: each task's test loss from states of noise training."""
    rows = _from_states(table, setting)
    for task, (dashes, marker) in task_looks(table["task"]).items():
        own = rows[rows["task"] == task]
        look = {**arm_look("FAN"), "ls": dashes, "lw": 1.6, "marker": marker, "ms": 4}
        mean_and_band(ax, own, x="noise_steps", label=task_name(task), **look)
    _noise_steps_on_axis(ax, rows)


def plot_meta_loss_by_steps(ax: Axes, values: pd.DataFrame) -> dict[str, Line2D]:
    """Meta-loss of every arm after more and more steps of adaptation.

    Arguments:
        values: columns arm, seed, step, value.
    """
    lines = plot_arms(ax, values)
    _adaptation_axis(ax, values["step"])
    return lines


def plot_adaptation(
    ax: Axes,
    table: pd.DataFrame,
    task: str,
    *,
    setting: str,
    optimizer: str,
    metric: str = "train_loss",
    arms: Iterable[str] = (*STRONG_ARMS, "Z", "S"),
) -> dict[str, Line2D]:
    """A metric along adaptation to a task, a line for each arm; both axes are logarithmic.

    Arguments:
        table: of `fa_lib.run("fig6", ...)`.
        arms: to draw; those that the table lacks are left out.
    """
    rows = table[(table["panel"] == "adapt") & (table["metric"] == metric)]
    rows = rows[(rows["setting"] == setting) & (rows["optimizer"] == optimizer)]
    rows = rows[(rows["task"] == task) & rows["arm"].isin(list(arms))]
    lines = plot_arms(ax, rows)
    _adaptation_axis(ax, rows["step"])
    log_axis(ax, "y")
    return lines


def plot_task_effects(
    ax: Axes, effects: pd.DataFrame, *, smallest_effect: float
) -> dict[str, Line2D]:
    """D of FA with noise against other arms, a row for each part of a claim.

    Arguments:
        effects: columns part (in words), reference (the arm that FA with noise is compared with),
            n (seeds), effect (mean of D, %), low, high (its 95 % interval).
        smallest_effect: of D that counts, drawn dotted.

    Returns:
        A marker for each reference, labelled "against ...".
    """
    parts = list(dict.fromkeys(effects["part"]))
    references = arms_in(effects.rename(columns={"reference": "arm"}))
    lines = {}
    for place, arm in enumerate(references):
        rows = effects[effects["reference"] == arm]
        at = [parts.index(part) for part in rows["part"]]
        shift = (place - (len(references) - 1) / 2) * 0.7 / len(references)
        effect = rows["effect"].to_numpy()
        low, high = (rows[end].to_numpy() for end in ("low", "high"))
        fewest, most = rows["n"].min(), rows["n"].max()
        seeds = f"{most}" if fewest == most else f"{fewest} to {most}"
        drawn = ax.errorbar(
            effect,
            np.array(at) + shift,
            xerr=[effect - low, high - effect],
            fmt=ARMS[arm].marker,
            ms=5 if arm in STRONG_ARMS else 4,
            color=COLORS[arm],
            elinewidth=1.2,
            capsize=2,
        )
        lines[arm] = drawn.lines[0]
        lines[arm].set_label(f"against {ARMS[arm].title} (n = {seeds})")
    ax.axvline(0, color=COLORS["ink"], lw=0.8, ls=(0, (4, 2)))
    ax.axvline(smallest_effect, color=COLORS["ink"], lw=0.8, ls=":")
    ax.set_yticks(range(len(parts)), parts)
    ax.set_ylim(len(parts) - 0.5, -0.5)
    ax.set_xlabel("D (%)")
    return lines


def _from_states(table: pd.DataFrame, setting: str) -> pd.DataFrame:
    """Test losses after the judged number of steps, from every state of noise training."""
    rows = table[(table["panel"] == "checkpoints") & (table["setting"] == setting)]
    return rows[(rows["metric"] == "test_loss") & (rows["step"] == JUDGED_K)]


def _noise_steps_on_axis(ax: Axes, rows: pd.DataFrame) -> None:
    """Ticks at states of noise training, left out where they would touch."""
    steps = sorted(rows["noise_steps"].unique())
    shown = [steps[-1]]
    for step in reversed(steps[:-1]):
        if shown[-1] - step >= 0.15 * steps[-1]:
            shown.append(step)
    ax.set_xticks(shown, [f"{step:,}" for step in shown])
    ax.set_xlabel("noise steps")


def _adaptation_axis(ax: Axes, steps: pd.Series) -> None:
    """A logarithmic axis with room for step 0, linear up to the first record."""
    first, last = int(steps[steps > 0].min()), int(steps.max())
    ticks = [step for step in (0, 10, 30, 100, 300, 1000) if step <= last]
    if steps.min() > 0:
        ax.set_xscale("log")
        ax.set_xlim(first / 1.08, last * 1.08)
        ticks = ticks[1:]
    else:
        ax.set_xscale("symlog", linthresh=first, linscale=0.4)
        ax.set_xlim(0, last * 1.08)
    ax.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("adaptation step")
