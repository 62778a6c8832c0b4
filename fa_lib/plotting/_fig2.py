"""Panels of Figure 2: the arms, and alignment through noise training and the data that follows.

The data panels take a `Run` of `fa_lib.claims.runs`, all arms in one setting at one size of the
training set, and draw on the axes they are given. Panels of one figure share their lines, so the
legend is left to the caller: each function returns its lines by arm, for `legend_below`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch

from fa_lib.claims import Run
from fa_lib.experiments._arms import ARMS, Arm
from fa_lib.plotting._fig1 import noise_step_axis
from fa_lib.plotting._style import COLORS, STRONG_ARMS, mean_and_band, plot_arms

__all__ = [
    "draw_arms",
    "plot_alignment_course",
    "plot_curves",
    "plot_lead",
    "plot_total_steps",
]

CENTERED = "centered_alignment_angle_w2"


def draw_arms(ax: Axes, arms: Iterable[str] = tuple(ARMS)) -> None:
    """The arms as a diagram of phases: a row each, from the first weights to the last.

    Arguments:
        arms: names, keys of the experiment's arms.
    """
    names = list(arms)
    columns = [("first weights", 1.3, 3.5), ("before the data", 5.0, 7.5), ("the data", 12.7, 4.3)]
    ax.set(xlim=(0, 17.2), ylim=(len(names) + 0.05, -0.95))
    ax.axis("off")
    for title, left, width in columns:
        ax.text(left + width / 2, -0.55, title, ha="center", va="center", fontweight="bold")
    for row, name in enumerate(names):
        strong = name in STRONG_ARMS
        weight = "bold" if strong else "normal"
        ax.text(1.05, row + 0.45, name, ha="right", va="center", fontweight=weight)
        for (_, left, width), (text, changed) in zip(columns, _phases(ARMS[name]), strict=True):
            if text:
                _box(ax, left, row, width, text, name, filled=changed, strong=strong)
            else:
                edge = left + width + 0.1
                ax.plot([left - 0.1, edge], [row + 0.45] * 2, color=COLORS["null"], lw=1, ls=":")


def _phases(arm: Arm) -> list[tuple[str, bool]]:
    """What happens in each phase, and whether that sets the arm apart from plain FA."""
    readout = {"": "He-normal", "zero": "readout zero", "matched": "readout rescaled"}
    before = {
        "": "",
        "labels": "noise, random labels",
        "uniform": "noise, soft target $1/C$",
        "images": "images, permuted labels",
    }
    rule = f"{arm.before_rule.upper()} on " if arm.before else ""
    feedback = ", fresh $B$" if arm.fresh_feedback else ""
    return [
        (readout[arm.readout], bool(arm.readout)),
        (rule + before[arm.before], True),
        (arm.rule.upper() + feedback, arm.rule != "fa" or arm.fresh_feedback),
    ]


def _box(
    ax: Axes,
    left: float,
    top: float,
    width: float,
    text: str,
    arm: str,
    *,
    filled: bool,
    strong: bool,
) -> None:
    color = COLORS[arm]
    ax.add_patch(
        FancyBboxPatch(
            (left, top + 0.09),
            width,
            0.72,
            boxstyle="round,pad=0,rounding_size=0.12",
            fc=(color, 0.25) if filled else "white",
            ec=color,
            lw=1.8 if strong else 1.0,
        )
    )
    ax.text(left + width / 2, top + 0.47, text, ha="center", va="center", fontsize=7.5)


def curve_rows(run: Run, metric: str, *, whole: bool = False) -> pd.DataFrame:
    """A metric of all arms that have it, as columns arm, seed, step, value.

    Arguments:
        whole: with what was recorded after the curve's end.
    """
    parts = [pd.DataFrame(columns=["arm", "seed", "step", "value"])]
    for arm in (arm for arm, name in run.curves if name == metric):
        wide = run.whole(arm, metric) if whole else run.curve(arm, metric)
        rows = wide.rename_axis("step").reset_index().melt("step", var_name="seed")
        parts.append(rows.assign(arm=arm))
    return pd.concat(parts[1:] or parts, ignore_index=True)


def plot_alignment_course(
    axes: tuple[Axes, Axes], table: pd.DataFrame, run: Run
) -> dict[str, Line2D]:
    """The centred angle through noise training, and on through the data.

    Arguments:
        axes: left for the noise, right for the data; they share their y axis.
        table: of `fa_lib.run("fig2", ...)`, for the noise.
    """
    noise = table[(table["panel"] == "noise") & (table["metric"] == CENTERED)]
    noise = noise[noise["width"] == noise["width"].iloc[0]]
    plot_arms(axes[0], noise)
    noise_step_axis(axes[0], noise["step"].max())
    lines = plot_curves(axes[1], run, CENTERED)
    for ax in axes:
        ax.axhline(90, color=COLORS["ink"], lw=0.8, ls=(0, (4, 2)))
    axes[0].set_ylabel("centred angle (degrees)")
    return lines


def plot_curves(
    ax: Axes, run: Run, metric: str, *, arms: Iterable[str] = tuple(ARMS), scale: float = 1.0
) -> dict[str, Line2D]:
    """A metric against the data step to the end of the curve; epoch 1 is marked below the axis.

    Arguments:
        arms: to draw; those that do not have the metric are left out.
        scale: factor on the values, 100 for per cent.
    """
    rows = curve_rows(run, metric)
    rows = rows[rows["arm"].isin(list(arms))]
    lines = plot_arms(ax, rows.assign(value=scale * rows["value"]))
    data_step_axis(ax, run, rows["step"])
    return lines


def lead_over(run: Run, metric: str, reference: str, arms: Iterable[str]) -> pd.DataFrame:
    """The reference arm's value minus each arm's, seed by seed and step by step, where defined.

    Returns:
        Columns arm, seed, step, value.
    """
    rows = curve_rows(run, metric)
    key = ["seed", "step"]
    base = rows[rows["arm"] == reference].set_index(key)["value"].rename("reference")
    others = rows[rows["arm"].isin(list(arms))].join(base, on=key)
    difference = others["reference"] - others["value"]
    return others.assign(value=difference).drop(columns="reference").dropna(subset="value")


def plot_lead(
    ax: Axes,
    run: Run,
    metric: str,
    *,
    arms: Iterable[str] = ("FAN", "Z", "S"),
    smallest_effect: float,
) -> dict[str, Line2D]:
    """FA's value of a metric minus other arms', paired by seed, over the data step.

    Arguments:
        metric: better where it is smaller.
        arms: to compare with FA; those that do not have the metric are left out.
        smallest_effect: of the claim, drawn dotted.
    """
    rows = lead_over(run, metric, "FA", arms)
    lines = plot_arms(ax, rows)
    ax.axhline(0, color=COLORS["ink"], lw=0.8, ls=(0, (4, 2)))
    ax.axhline(smallest_effect, color=COLORS["ink"], lw=0.8, ls=":")
    data_step_axis(ax, run, rows["step"])
    return lines


def plot_total_steps(
    ax: Axes,
    table: pd.DataFrame,
    run: Run,
    metric: str,
    *,
    arms: Iterable[str] = (*STRONG_ARMS, "Z", "S"),
    scale: float = 1.0,
) -> dict[str, Line2D]:
    """A metric against all steps, those of noise training counted, up to the last record.

    Noise training itself is drawn thin, where the metric is recorded in it.

    Arguments:
        table: of `fa_lib.run("fig2", ...)`, for the noise.
        arms, scale: as in `plot_curves`.
    """
    rows = curve_rows(run, metric, whole=True)
    rows = rows[rows["arm"].isin(list(arms))]
    total = rows["step"] + rows["arm"].map(run.noise_steps)
    rows = _while_all_go_on(rows.assign(value=scale * rows["value"], total=total).dropna())
    lines = plot_arms(ax, rows[rows["total"] > 0], x="total")
    noise = table[(table["panel"] == "noise") & (table["metric"] == metric)]
    noise = noise[(noise["arm"] == "FAN") & (noise["step"] > 0)]
    if not noise.empty:
        noise = noise[noise["width"] == noise["width"].iloc[0]]
        noise = noise.assign(value=scale * noise["value"])
        mean_and_band(ax, noise, label="FA on noise", color=COLORS["FAN"], lw=0.9)
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.set_xlabel("steps, those on noise counted")
    return lines


def _while_all_go_on(rows: pd.DataFrame) -> pd.DataFrame:
    """Without the records that some of an arm's seeds no longer have, having stopped early."""
    counts = rows.groupby(["arm", "step"])["seed"].transform("nunique")
    return rows[counts == rows.groupby("arm")["seed"].transform("nunique")]


def data_step_axis(ax: Axes, run: Run, steps: pd.Series) -> None:
    """A logarithmic axis that has room for step 0, linear up to the first record.

    A small triangle marks the end of epoch 1, and the last unit ends the axis.
    """
    first, last = int(steps[steps > 0].min()), int(steps.max())
    ax.set_xscale("symlog", linthresh=first, linscale=0.4)
    ticks = [0, *(10**p for p in range(math.ceil(math.log10(first)), 9) if 10**p <= last)]
    ax.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    ax.set_xlim(0, last * 1.08)
    ax.plot(
        run.unit,
        0,
        marker="^",
        ms=5,
        color=COLORS["ink"],
        transform=ax.get_xaxis_transform(),
        clip_on=False,
    )
    ax.set_xlabel("data step")
