"""Panels of Figure 3: speed, accuracy, paths of the readout, and where the effect lives.

Curves are drawn by `plot_curves` and `plot_total_steps`, as in Figure 2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from fa_lib.metrics import area_under_curve
from fa_lib.plotting._style import (
    ARMS,
    COLORS,
    STRONG_ARMS,
    arm_look,
    arms_in,
    mean_marker,
    task_looks,
)

__all__ = [
    "MAP_QUANTITIES",
    "draw_measures",
    "map_differences",
    "plot_arm_values",
    "plot_paths",
    "plot_steps_to",
    "quartiles",
]

MAP_QUANTITIES = {
    "area": "area under curve\n(points)",
    "end": "accuracy at the end\n(points)",
    "equal_steps": "accuracy at equal\ntotal steps (points)",
    "angle": "centred angle\n(degrees)",
}


def draw_measures(axes: Sequence[Axes]) -> None:
    """What Figure 3 measures, drawn: of a learning curve, of an update, of a path.

    Arguments:
        axes: three.
    """
    curve, update, path = axes
    x = np.linspace(0, 1, 100)
    y = 0.93 * (1 - np.exp(-4 * x**1.3))
    curve.plot(x, y, color=COLORS["FAN"], lw=2)
    curve.fill_between(x, y, color=COLORS["FAN"], alpha=0.15, lw=0)
    curve.text(0.6, 0.3, "area", ha="center", color=COLORS["FAN"])
    level = 0.7
    first = float(x[np.argmax(y >= level)])
    curve.plot([0, first, first], [level, level, 0], color=COLORS["ink"], lw=0.9, ls=":")
    curve.text(first + 0.03, 0.06, "steps to a level", fontsize=7.5)
    curve.plot(0.8, y[79], "o", color=COLORS["ink"], ms=5)
    curve.text(0.8, y[79] - 0.06, "best validation\ncheckpoint", ha="center", va="top", fontsize=7)
    curve.set(xlim=(0, 1), ylim=(0, 1.02), xticks=[], yticks=[])
    curve.set(xlabel="data step", ylabel="test accuracy")

    for tip, words, color, up in (
        ((1.0, 0.12), "BP gradient", COLORS["BP"], -0.13),
        ((0.72, 0.74), "FA update", COLORS["FA"], 0.03),
    ):
        _arrow(update, tip, color)
        update.text(tip[0], tip[1] + up, words, color=color, ha="center")
    arc = np.linspace(np.arctan2(0.12, 1), np.arctan2(0.74, 0.72), 30)
    update.plot(0.45 * np.cos(arc), 0.45 * np.sin(arc), color=COLORS["ink"], lw=1)
    update.text(0.47, 0.24, "gradient\nangle", fontsize=7.5)
    update.set(xlim=(-0.1, 1.25), ylim=(-0.15, 1.0), aspect="equal")

    t = np.linspace(0, 1, 60)
    points = np.stack([t, 0.55 * t + 0.16 * np.sin(7 * t)])
    path.plot(*points, color=COLORS["FA"], lw=2)
    path.text(0.78, 0.24, "path", color=COLORS["FA"])
    _arrow(path, (points[0, -1], points[1, -1]), COLORS["ink"])
    path.text(0.6, 0.52, "displacement", fontsize=7.5, ha="right")
    path.plot(1.25, 0.25, "*", ms=13, color=COLORS["ink"])
    path.text(1.25, 0.14, "feedback $B$", ha="center", va="top", fontsize=7.5)
    path.set(xlim=(-0.15, 1.5), ylim=(-0.25, 1.15), aspect="equal")
    for ax in (update, path):
        ax.axis("off")


def _arrow(ax: Axes, tip: tuple[float, float], color: str) -> None:
    ax.annotate("", tip, (0, 0), arrowprops={"arrowstyle": "-|>", "color": color, "lw": 1.8})


def plot_arm_values(ax: Axes, values: pd.DataFrame) -> None:
    """One number for each network: dots by seed, and the mean with its 95 % interval.

    A dashed line continues FA's mean, which the others are to be compared with.

    Arguments:
        values: columns arm, seed, value.
    """
    arms = arms_in(values)
    ticks = []
    for place, arm in enumerate(arms):
        sample = values.loc[values["arm"] == arm, "value"].dropna().to_numpy()
        ticks.append(f"{arm}\n({len(sample)})")
        if not len(sample):
            continue
        spread = np.linspace(-0.25, 0.25, len(sample)) if len(sample) > 1 else np.zeros(1)
        ax.plot(place + spread, sample, "o", ms=2.8, color=COLORS[arm], alpha=0.5, mew=0)
        mean_marker(ax, place, sample, arm)
        if arm == "FA":
            ax.axhline(sample.mean(), color=COLORS["FA"], lw=0.8, ls=(0, (4, 2)), zorder=1)
    ax.set_xticks(range(len(arms)), ticks, fontsize=6.5 if len(arms) > 6 else 8)
    ax.set_xlim(-0.6, len(arms) - 0.4)
    ax.set_xlabel("arm (n)")


def quartiles(steps: pd.Series) -> tuple[float, float, float]:
    """Quartiles of steps to a threshold, interpolated between neighbours as usual.

    Those that do not reach it (NaN) count as slower than all others: a quartile is infinite where
    it needs one of them.
    """
    shares = (0.25, 0.5, 0.75)
    found = np.quantile(steps.fillna(steps.max()), shares)
    slower = np.quantile(steps.fillna(np.inf), shares, method="higher")  # of the two neighbours
    low, median, high = np.where(np.isinf(slower), np.inf, found)
    return float(low), float(median), float(high)


def plot_steps_to(
    ax: Axes, values: Mapping[str, pd.DataFrame], *, arms: Iterable[str] = (*STRONG_ARMS, "Z", "S")
) -> dict[str, Line2D]:
    """Median steps to each threshold of test accuracy, for each arm, with the middle half of seeds.

    A network that does not get there counts as slower than all others: there is a median where
    more than half do. On top, in the arm's colour: how many do not, of how many.

    Arguments:
        values: by threshold, in words: columns arm, seed, value (NaN: not reached).
        arms: to draw; those that the values lack are left out.

    Returns:
        A marker for each arm, for `legend_below`.
    """
    lines = {}
    for row, found in enumerate(values.values()):
        shown = [arm for arm in arms_in(found) if arm in set(arms)]
        for place, arm in enumerate(shown):
            steps = found.loc[found["arm"] == arm, "value"]
            at = row + (place - (len(shown) - 1) / 2) * 0.8 / len(shown)
            low, median, high = quartiles(steps)
            missed = int(steps.isna().sum())
            if missed:
                ax.annotate(
                    f"{missed}/{len(steps)}",
                    (at, 1),
                    xycoords=("data", "axes fraction"),
                    rotation=90,
                    ha="center",
                    va="bottom",
                    fontsize=6.5,
                    color=COLORS[arm],
                )
            if np.isfinite(low):
                top = high if np.isfinite(high) else steps.max()
                ax.plot([at, at], [low, top], color=COLORS[arm], lw=1.4)
            (lines[arm],) = ax.plot(
                at,
                median if np.isfinite(median) else np.nan,
                ARMS[arm].marker,
                ms=6 if arm in STRONG_ARMS else 4.5,
                color=COLORS[arm],
                label=f"{ARMS[arm].title} (n = {len(steps)})",
            )
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter("{x:,.0f}")
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_xticks(range(len(values)), list(values))
    ax.set_xlim(-0.5, len(values) - 0.5)
    ax.set_xlabel("test accuracy to reach")
    return lines


def plot_paths(
    axes: Sequence[Axes], table: pd.DataFrame, *, name: Callable[[str], str] = str
) -> None:
    """Paths of the centred readout through data training in their principal plane, a seed a panel.

    Hollow where a path starts, filled where it ends; the star is the feedback, projected. Where the
    table has tasks, each arm has a path to each, with the task's dashes and marker.

    Arguments:
        axes: at least as many as the table has planes.
        table: of `fa_lib.run("fig3", ...)` or `fa_lib.run("fig6", ...)`.
        name: what a task is called.
    """
    rows = table[table["panel"] == "path"]
    rows = rows if "task" in rows else rows.assign(task="")
    tasks = task_looks(rows["task"])
    variance = rows[rows["metric"] == "explained_variance"]
    points = rows[rows["metric"].isin(["pc1", "pc2"])].pivot_table(
        index=["seed", "arm", "task", "step"], columns="metric", values="value"
    )
    for ax, (seed, plane) in zip(axes, points.groupby(level="seed"), strict=False):
        for arm in arms_in(plane.reset_index()):
            for task in tasks or [""]:
                path = plane.xs((seed, arm, task), level=("seed", "arm", "task")).sort_index()
                x, y = path["pc1"].to_numpy(), path["pc2"].to_numpy()
                look, marker, label = arm_look(arm), ARMS[arm].marker, ARMS[arm].title
                if task:
                    look["ls"], marker = tasks[task]
                    label = f"{label}, {name(task)}"
                ax.plot(x, y, marker="" if task else ".", ms=3, label=label, **look)
                for end, face in ((0, "white"), (-1, COLORS[arm])):
                    ax.plot(x[end], y[end], marker, ms=6, mfc=face, mec=COLORS[arm], zorder=4)
        target = plane.xs((seed, "B"), level=("seed", "arm"))
        ax.plot(
            target["pc1"],
            target["pc2"],
            "*",
            ms=13,
            color=COLORS["ink"],
            label="feedback $B$, projected",
            zorder=5,
        )
        shares = variance[variance["seed"] == seed].set_index("step")["value"]
        ax.set_xlabel(f"PC 1 ({shares[1]:.0%} of variance)")
        ax.set_ylabel(f"PC 2 ({shares[2]:.0%})")
        ax.set_title(f"seed {seed}")
        ax.set_aspect("equal", adjustable="datalim")


def map_differences(table: pd.DataFrame, quantity: str) -> pd.DataFrame:
    """What noise training changes at each width, learning rate and number of noise steps.

    Arguments:
        table: of `fa_lib.run("fig3", ...)`.
        quantity: a key of MAP_QUANTITIES. "equal_steps" gives both arms as many steps as FA's
            curve has, noise counted; where the noise alone takes longer there is no value.

    Returns:
        Columns width, lr, noise_steps, seed, value: the paired difference between FA with and
        without noise, positive where noise training helps.
    """
    metric = "centered_alignment_angle_w2" if quantity == "angle" else "test_accuracy"
    rows = table[(table["panel"] == "map") & (table["metric"] == metric)]
    cells = {}
    for (width, lr, noise_steps), part in rows.groupby(["width", "lr", "noise_steps"]):
        wide = part.pivot_table(index="step", columns="seed", values="value")
        cells[width, lr, noise_steps] = _map_value(wide, quantity, noise_steps)
    parts = [pd.DataFrame(columns=["width", "lr", "noise_steps", "seed", "value"])]
    for (width, lr, noise_steps), values in cells.items():
        if noise_steps and (width, lr, 0) in cells:
            gain = (values - cells[width, lr, 0]).dropna()
            gain = -gain if quantity == "angle" else 100 * gain
            found = gain.rename("value").rename_axis("seed").reset_index()
            parts.append(found.assign(width=width, lr=lr, noise_steps=noise_steps))
    filled = [part for part in parts if len(part)]
    return pd.concat(filled or parts, ignore_index=True)


def _map_value(wide: pd.DataFrame, quantity: str, noise_steps: int) -> pd.Series:
    """One number for each seed from its curve [steps, seeds]."""
    if quantity == "area":
        return pd.Series(area_under_curve(wide.index, wide.to_numpy()), wide.columns)
    if quantity == "equal_steps":
        left = wide.index[-1] - noise_steps
        at = {s: np.interp(left, wide.index, v) if left >= 0 else np.nan for s, v in wide.items()}
        return pd.Series(at, dtype=float)
    return wide.iloc[-1]
