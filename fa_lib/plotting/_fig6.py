"""The paper's Figure 6: one noise training, and several tasks after it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fa_lib.judges._differences import area_percent
from fa_lib.judges._runs import Runs
from fa_lib.plotting._fig3 import arm_key
from fa_lib.plotting._style import (
    COLORS,
    legend_below,
    mean_and_band,
    mean_marker,
    new_figure,
    panel_title,
    plot_arms,
    rows_of,
    runs_of,
    task_looks,
    within_percent,
)
from fa_lib.schema import Dashes, title_of
from fa_lib.settings import Setting

__all__ = ["figure6"]

LEARN = ("FA", "FAN", "Z")
ON_NOISE = (0, (1.2, 1))  # dashes of a path in noise training
Looks = Mapping[str, tuple[Dashes, str]]


def figure6(table: pd.DataFrame, setting: Setting, *, narrow: bool = False) -> Figure:
    """Meta-loss, paths to the feedback weights, and how fast each task is learned.

    Arguments:
        table: of the experiment "fig6".
        setting: the base that is drawn.
        narrow: for a phone.
    """
    runs = runs_of(table, setting)
    own = table[table["setting"] == setting.name]
    learned = own[(own["phase"] == "data") & (own["metric"] == "test_accuracy")]
    tasks = [str(task) for task in learned["task"].unique()]
    if narrow:
        fig, rows = new_figure((1.9, 3.1, *[1.85] * len(tasks), 0.55), narrow=True)
        a, b = (row.subplots() for row in rows[:2])
        pairs = [row.subplots(1, 2, width_ratios=(1.8, 1)) for row in rows[2:-1]]
    else:
        fig, rows = new_figure((2.5, 3.4, 0.35), narrow=False)
        a, b = rows[0].subplots(1, 2, width_ratios=(1, 1.4))
        grid = rows[1].subplots(2, len(tasks), squeeze=False, height_ratios=(1.5, 1))
        pairs = list(grid.T)
    _meta_loss(a, own[own["phase"] == "meta"])
    _paths(b, own, task_looks(tasks))
    lines = []
    for place, (task, (curve, area)) in enumerate(zip(tasks, pairs, strict=True)):
        lines += [_accuracy(curve, runs, task), _areas(area, runs, task)]
        within_percent(curve)
        within_percent(area)
        panel_title(curve, "" if place else "c", _name(task))
        if narrow or place == 0:
            curve.set_ylabel("test accuracy (%)")
            area.set_ylabel("area: mean\naccuracy (%)")
    legend_below(rows[-1], *lines, ncols=2 if narrow else 3)
    return fig


def _name(task: str) -> str:
    """Without what the title says of the images' number, for which a panel has no room."""
    return title_of(task).partition(" (")[0]


def _meta_loss(ax: Axes, rows: pd.DataFrame) -> None:
    """Panel a: the sum over tasks of the loss after adaptation, from states of noise training."""
    losses = rows.pivot_table(index=["seed", "step"], columns="task", values="value")
    whole = losses.dropna().sum(axis=1).rename("value").reset_index()
    mean_and_band(ax, whole, label="FA", color=COLORS["FAN"], marker="s", ms=4)
    ax.set(xlabel="noise steps before", ylabel="meta-loss: sum of\ntest losses (nats)")
    ax.set_xlim(left=0)
    ax.legend(title=f"{losses.shape[1]} tasks", title_fontsize=7, fontsize=7)
    panel_title(ax, "a", "loss after adaptation")


def _paths(ax: Axes, own: pd.DataFrame, looks: Looks) -> None:
    """Panel b: the last layer's weights in a plane of principal components, of one network."""
    rows = own[own["metric"].isin(("pc1", "pc2", "explained_variance"))]
    rows = rows[rows["seed"] == rows["seed"].min()]
    points = rows.pivot_table(
        index=["arm", "phase", "task", "step"], columns="metric", values="value"
    )
    noise = points.loc["FAN", "noise", ""][["pc1", "pc2"]].to_numpy()
    feedback = points.loc["B", "plane", ""][["pc1", "pc2"]].to_numpy()[0]
    ax.plot(*noise.T, color=COLORS["FAN"], ls=ON_NOISE, lw=1.8)
    for task, (dashes, marker) in looks.items():
        for arm in ("FA", "FAN"):
            path = points.loc[arm, "data", task][["pc1", "pc2"]].to_numpy()
            look: dict[str, Any] = {"color": COLORS[arm], "ls": dashes, "lw": 1.5}
            ax.plot(*path.T, marker=marker, markevery=[-1], ms=5, mec="white", mew=0.5, **look)
    ax.plot(*noise[0], "o", mfc="white", color=COLORS["ink"], ms=5)
    ax.plot(*feedback, "*", color=COLORS["ink"], ms=10)
    # Words on the sides that the paths do not take: these go from the start, mostly to B.
    for point, text, far in ((noise[0], "start", 15), (feedback, "$B$", 11)):
        away = noise[0] - feedback if text == "start" else feedback - noise[0]
        aside = tuple(far * away / (np.linalg.norm(away) or 1.0))
        style: dict[str, Any] = {
            "ha": "center",
            "va": "center",
            "fontsize": 8,
            "textcoords": "offset points",
        }
        ax.annotate(text, tuple(point), aside, **style)
    share = points.loc["plane", "plane", ""]["explained_variance"]
    names = [f"component {i} ({100 * share[i]:.0f} % of variance)" for i in (1, 2)]
    ax.set(xlabel=names[0], ylabel=names[1].replace(" (", "\n("))
    ax.set_aspect("equal", adjustable="datalim")
    ax.margins(0.16)
    keys = [Line2D([], [], color=COLORS["FAN"], ls=ON_NOISE, label="noise")]
    for task, (dashes, marker) in looks.items():
        key = Line2D([], [], color=COLORS["ink"], ls=dashes, lw=1.3, label=_name(task))
        key.set(marker=marker, ms=4)
        keys.append(key)
    ax.legend(handles=keys, fontsize=7, handlelength=2.6)
    panel_title(ax, "b", "paths of one network's $W_2$")


def _accuracy(ax: Axes, runs: Runs, task: str) -> dict[str, Line2D]:
    """Panel c: accuracy on a task's test images."""
    per = runs.per_epoch()
    rows = [
        rows_of(
            runs.over_epochs(runs.curve("test_accuracy", arm, task=task)),
            arm,
            per=per,
            times=100,
        )
        for arm in LEARN
    ]
    lines = plot_arms(ax, pd.concat(rows))
    ax.set(xlabel="epochs of data", xlim=(0, runs.horizon))
    return {arm: arm_key(arm, line) for arm, line in lines.items()}


def _areas(ax: Axes, runs: Runs, task: str) -> dict[str, Line2D]:
    """Panel c, below: the area under each network's curve."""
    lines = {}
    for place, arm in enumerate(LEARN):
        marker = mean_marker(ax, place, area_percent(runs, arm, task), arm, dots=True)
        lines[arm] = arm_key(arm, marker)
    ax.set_xticks(range(len(LEARN)), LEARN)
    ax.set_xlim(-0.5, len(LEARN) - 0.5)
    return lines
