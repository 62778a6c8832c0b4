"""The paper's Figure 2: learning from data after noise, without it, and before it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from fa_lib.judges._differences import area_percent, distance_percent
from fa_lib.judges._runs import Runs
from fa_lib.plotting._style import (
    ARMS,
    COLORS,
    arm_look,
    legend_below,
    mark_ninety,
    mean_marker,
    new_figure,
    panel_title,
    plot_arms,
    rows_of,
    runs_of,
    within_percent,
)
from fa_lib.schema import title_of
from fa_lib.settings import Setting

__all__ = ["figure2"]

LEARN = ("FA", "FAN", "BP", "Z")
ON_NOISE = (0, (1.2, 1))  # dashes of a path in noise training
ANGLE, DISTANCE = "angle of $W_2$ to $B$ (degrees)", "distance of $W_2$ to $B$\n(% of untrained)"

# State of panels e and g: its name there, the arm whose colour it takes, whether it has seen data.
STATES = {
    "untrained": ("start", "FA", False),
    "noise": ("noise", "FAN", False),
    "data": ("data", "FA", True),
    "noise then data": ("noise,\ndata", "FAN", True),
    "data then noise": ("data,\nnoise", "DN", True),
}
PLANE = ("pc1", "pc2", "explained_variance")
# Paths of panel d: arm, phase, dashes, name.
PATHS = (
    ("FAN", "noise", ON_NOISE, "noise"),
    ("FAN", "data", "-", "then data"),
    ("FA", "data", "-", "data"),
    ("DN", "after", ON_NOISE, "then noise"),
)


def figure2(table: pd.DataFrame, setting: Setting, *, narrow: bool = False) -> Figure:
    """Accuracy, alignment, paths and distances of the last layer, and the order of the phases.

    Arguments:
        table: of the experiment "fig2".
        setting: the base that is drawn.
        narrow: for a phone.
    """
    runs = runs_of(table, setting)
    plane = table[(table["setting"] == setting.name) & table["metric"].isin(PLANE)]
    if narrow:
        heights = (1.5, 2.1, 1.7, 2.1, 2.9, 1.9, 0.95, 1.8, 1.8, 0.6)
        fig, rows = new_figure(heights, narrow=True)
        a, b, area = (row.subplots() for row in rows[:3])
        noise, data = rows[3].subplots(1, 2, sharey=True, width_ratios=(1, 1.6))
        d, e, f, g, angle = (row.subplots() for row in rows[4:9])
    else:
        fig, rows = new_figure((1.4, 2.2, 2.4, 2.2, 0.4), narrow=False)
        a = rows[0].subplots()
        b, area = rows[1].subplots(1, 2, width_ratios=(2.2, 1))
        left, right = rows[2].subfigures(1, 2, width_ratios=(1.4, 1), squeeze=False)[0]
        noise, data = left.subplots(1, 2, sharey=True, width_ratios=(1, 1.6))
        d = right.subplots()
        e, f, g, angle = rows[3].subplots(1, 4, width_ratios=(1.1, 0.7, 1.4, 1.4))
    _design(a, runs, narrow)
    lines = _accuracy(b, runs)
    _areas(area, runs)
    lines |= _alignment(noise, data, runs)
    _paths(d, plane)
    _distances(e, runs)
    _orders(f)
    lines |= _after_order(g, angle, runs)
    legend_below(rows[-1], _keys(lines), ncols=2 if narrow else 3)
    return fig


def _keys(lines: dict[str, Line2D]) -> dict[str, Line2D]:
    """Each arm's line and marker in one, with the label it has."""
    return {
        arm: Line2D([], [], marker=ARMS[arm].marker, label=str(line.get_label()), **arm_look(arm))
        for arm, line in lines.items()
    }


def _design(ax: Axes, runs: Runs, narrow: bool) -> None:
    """Panel a: what each arm goes through."""
    setting = runs.setting
    wrap = "\n" if narrow else " "
    noise = f"noise,{wrap}{setting.noise_steps:,} steps"
    data = f"{setting.images:,} images of {title_of(runs.task)},{wrap}{setting.horizon} epochs"
    fa, bp = ("FA", "BP") if narrow else ("feedback alignment", "backpropagation")
    phases = {"FA": ("", fa), "FAN": (fa, fa), "BP": ("", bp), "Z": ("$W_2$ set to 0", fa)}
    ax.set(xlim=(0, 10), ylim=(len(phases), -0.9 if narrow else -0.6))
    for x, text in ((2.6, noise), (7.1, data)):
        ax.text(x, -0.05, text, ha="center", va="bottom", fontsize=7.5)
    for row, (arm, texts) in enumerate(phases.items()):
        ax.text(1.0, row + 0.45, arm, ha="right", va="center", color=COLORS[arm], weight="bold")
        for x, width, text in zip((1.2, 4.3), (2.8, 5.6), texts, strict=True):
            if text:
                _box(ax, x, row, width, text, COLORS[arm])
            else:
                ax.plot([x, x + width], [row + 0.45] * 2, color=COLORS["null"], lw=1, ls=":")
    ax.axis("off")
    panel_title(ax, "a", "the arms")


def _box(ax: Axes, x: float, row: float, width: float, text: str, color: str) -> None:
    ax.add_patch(Rectangle((x, row + 0.08), width, 0.76, fc=(color, 0.14), ec=color, lw=1.1))
    ax.text(x + width / 2, row + 0.46, text, ha="center", va="center", fontsize=7.5)


def _accuracy(ax: Axes, runs: Runs) -> dict[str, Line2D]:
    """Panel b: accuracy on test images."""
    lines = _over_epochs(ax, runs, "test_accuracy", LEARN, times=100)
    ax.set_ylabel("test accuracy (%)")
    within_percent(ax)
    panel_title(ax, "b", f"learning {title_of(runs.task)}")
    return lines


def _over_epochs(
    ax: Axes, runs: Runs, metric: str, arms: Sequence[str], times: float = 1
) -> dict[str, Line2D]:
    """Curves to the horizon."""
    per = runs.per_epoch()
    rows = [
        rows_of(runs.curve(metric, arm), arm, last=runs.horizon * per, per=per, times=times)
        for arm in arms
    ]
    ax.set(xlabel="epochs of data", xlim=(0, runs.horizon))
    return plot_arms(ax, pd.concat(rows))


def _areas(ax: Axes, runs: Runs) -> None:
    """Panel b, inset: the area under each network's curve."""
    for place, arm in enumerate(LEARN):
        mean_marker(ax, place, area_percent(runs, arm), arm, dots=True)
    ax.set_xticks(range(len(LEARN)), LEARN)
    ax.set(xlim=(-0.5, len(LEARN) - 0.5), ylabel="area: mean accuracy (%)")
    within_percent(ax)
    panel_title(ax, "", "area under the curve")


def _alignment(noise: Axes, data: Axes, runs: Runs) -> dict[str, Line2D]:
    """Panel c: the mean angle of hidden neurons, in noise training and then on data."""
    plot_arms(noise, rows_of(runs.curve("neuron_angle", "FAN", phase="noise"), "FAN"))
    lines = _over_epochs(data, runs, "neuron_angle", ("FA", "FAN", "Z"))
    for ax in (noise, data):
        mark_ninety(ax)
    noise.set(xlabel="noise step", ylabel=ANGLE, xlim=(0, runs.setting.noise_steps))
    panel_title(noise, "c", "noise ...")
    panel_title(data, "", "... then data")
    return lines


def _paths(ax: Axes, plane: pd.DataFrame) -> None:
    """Panel d: the last layer's weights in a plane of principal components, of one network."""
    own = plane[plane["seed"] == plane["seed"].min()]
    points = own.pivot_table(index=["arm", "phase", "step"], columns="metric", values="value")
    for arm, phase, dashes, name in PATHS:
        path = points.loc[arm, phase][["pc1", "pc2"]].to_numpy()
        ax.plot(*path.T, color=COLORS[arm], ls=dashes, lw=1.8, label=name)
        ax.plot(*path[-1], ARMS[arm].marker, color=COLORS[arm], ms=5, mec="white", mew=0.5)
    start = points.loc["FAN", "noise"][["pc1", "pc2"]].to_numpy()[0]
    feedback = points.loc["B", "plane"][["pc1", "pc2"]].to_numpy()[0]
    ax.plot(*start, "o", mfc="white", color=COLORS["ink"], ms=5)
    ax.plot(*feedback, "*", color=COLORS["ink"], ms=9)
    # The start's name on the side that the paths leave it from, that of B on their side of it.
    middle = points.drop(index="B")[["pc1", "pc2"]].mean().to_numpy()
    for point, text, away in ((start, "start", 15), (feedback, "$B$", -13)):
        aside = away * (point - middle) / np.linalg.norm(point - middle)
        ax.annotate(
            text, tuple(point), tuple(aside), textcoords="offset points", ha="center", va="center",
            fontsize=8,
        )  # fmt: skip
    share = points.loc["plane", "plane"]["explained_variance"]
    names = [f"component {i} ({100 * share[i]:.0f} % of variance)" for i in (1, 2)]
    ax.set(xlabel=names[0], ylabel=names[1])
    ax.set_aspect("equal", adjustable="datalim")
    ax.margins(0.15)
    ax.legend(fontsize=7, handlelength=2)
    panel_title(ax, "d", "paths of one network's $W_2$")


def _states(ax: Axes, values: dict[str, pd.Series]) -> dict[str, Line2D]:
    """A place for each state, in order."""
    lines = {}
    for place, (state, sample) in enumerate(values.items()):
        _, arm, seen = STATES[state]
        lines[arm] = mean_marker(ax, place, sample, arm, hollow=not seen, dots=True)
    ax.set_xticks(range(len(values)), [STATES[state][0] for state in values], fontsize=7)
    ax.set_xlim(-0.5, len(values) - 0.5)
    return lines


def _distances(ax: Axes, runs: Runs) -> None:
    """Panel e: distance to the feedback weights, with a zero readout's as a line."""
    states = ("untrained", "data", "noise then data")
    _states(ax, {state: distance_percent(runs, state) for state in states})
    zero = 100 * runs.at_horizon("distance", "Z") / runs.noise("distance", 0).mean()
    ax.axhline(zero.mean(), color=COLORS["Z"], lw=1.2, ls=ARMS["Z"].dashes, zorder=1)
    ax.annotate(
        "Z, data", (1, zero.mean()), (0, 2), xycoords=("axes fraction", "data"),
        textcoords="offset points", ha="right", fontsize=7,
    )  # fmt: skip
    ax.set_ylabel(DISTANCE)
    panel_title(ax, "e", "nearer to $B$")


def _orders(ax: Axes) -> None:
    """Panel f: the two orders."""
    ax.set(xlim=(-0.02, 2.12), ylim=(2.6, -0.7))
    for row, (arm, order) in enumerate((("FAN", ("noise", "data")), ("DN", ("data", "noise")))):
        for place, phase in enumerate(order):
            _box(ax, 1.1 * place, row, 1.0, phase, COLORS[arm])
    ax.axis("off")
    panel_title(ax, "f", "two orders")


def _after_order(distance: Axes, angle: Axes, runs: Runs) -> dict[str, Line2D]:
    """Panel g: distance and angle to the feedback weights after noise, data, and both."""
    lines = _states(distance, {state: distance_percent(runs, state) for state in STATES})
    turned = {
        "untrained": runs.noise("neuron_angle", 0),
        "noise": runs.noise("neuron_angle", -1),
        "data": runs.at_horizon("neuron_angle", "FA"),
        "noise then data": runs.at_horizon("neuron_angle", "FAN"),
        "data then noise": runs.curve("neuron_angle", "DN", phase="after").iloc[-1],
    }
    _states(angle, turned)
    mark_ninety(angle)
    distance.set_ylabel(DISTANCE)
    angle.set_ylabel(ANGLE)
    panel_title(distance, "g", "distance")
    panel_title(angle, "", "angle")
    return {arm: lines[arm] for arm in lines if arm == "DN"}
