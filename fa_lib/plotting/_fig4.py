"""The paper's Figure 4: simpler weights after noise training, and better generalisation."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from fa_lib.experiments.fig4 import DEPTH, IMAGES
from fa_lib.judges._differences import gap
from fa_lib.judges._runs import Runs
from fa_lib.plotting._fig3 import arm_key, arms_by_level
from fa_lib.plotting._style import (
    COLORS,
    TASK_LOOKS,
    legend_below,
    log_axis,
    mean_and_band,
    mean_marker,
    new_figure,
    panel_title,
    plot_arms,
    rows_of,
    runs_of,
    seeds_in,
)
from fa_lib.schema import title_of
from fa_lib.settings import Setting

__all__ = ["figure4"]

LEARN = ("FA", "FAN", "Z")
FAINT = "#D9D9D9"
DASHED: dict[str, Any] = {"color": COLORS["ink"], "lw": 0.9, "ls": (0, (4, 2)), "zorder": 1}
LEAST = 1e-4  # probabilities below it are counted in the histograms' first bin
GAP = "test less training loss\n(nats)"
GRAM = "effective rank of Gram\nmatrix (dimensions)"


def figure4(table: pd.DataFrame, setting: Setting, *, narrow: bool = False) -> Figure:
    """What noise training does to readout and weights, and data then to loss and features.

    Arguments:
        table: of the experiment "fig4".
        setting: the base that is drawn.
        narrow: for a phone.
    """
    runs = runs_of(table, setting)
    own = table[table["setting"] == setting.name]
    spectrum, data = own[own["phase"] == "spectrum"], own[own["phase"] == "data"]
    sizes = sorted(data.loc[data["layers"] == DEPTH, "images"].astype(int).unique())
    images = max((size for size in sizes if size <= IMAGES), default=sizes[0])
    depths = sorted(data.loc[data["images"] == images, "layers"].astype(int).unique())
    if narrow:
        heights = (2.3, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 0.55)
        fig, rows = new_figure(heights, narrow=True)
        a, b, c, d, e, f, g, h = (row.subplots() for row in rows[:-1])
    else:
        fig, rows = new_figure((2.35, 2.15, 2.15, 0.35), narrow=False)
        a, b = rows[0].subplots(1, 2, width_ratios=(1.45, 1))
        c, d, e = rows[1].subplots(1, 3)
        f, g, h = rows[2].subplots(1, 3, width_ratios=(1.25, 0.75, 1))
    _design(a, runs, images)
    probabilities = spectrum[spectrum["metric"] == "probability"]
    classes = round(1 / float(probabilities["value"].mean()))  # those of an input sum to one
    _probabilities(b, probabilities, classes)
    _singular_values(c, spectrum, classes)
    _ranks(d, runs)
    lines = [
        _gap_through_data(e, runs, images),
        *_over(f, sizes, lambda arm, size: gap(runs, arm, DEPTH, size)),
        _features(g, runs, images),
        *_over(h, depths, lambda arm, layers: _gram_rank(runs, arm, layers, images)),
    ]
    for ax, label, title in (
        (f, GAP, "gap over training sets"),
        (h, GRAM, "rank over depths"),
    ):
        ax.set_ylabel(label)
        panel_title(ax, "f" if ax is f else "h", title)
    f.set_xlabel(f"training images, {DEPTH} layers")
    h.set_xlabel(f"layers, {images:,} images")
    legend_below(rows[-1], *lines, ncols=2 if narrow else 3)
    return fig


# -- Design ----------------------------------------------------------------------------------------


def _design(ax: Axes, runs: Runs, images: int) -> None:
    """Panel a: the two phases, and where in the network each panel looks."""
    setting = runs.setting
    ax.set(xlim=(0, 10), ylim=(0.35, 6.5))
    ax.axis("off")
    data = f"{images:,} images, {setting.horizon} epochs:\n{title_of(runs.task)}"
    for x, width, words, color in (
        (0.1, 3.6, f"noise, random labels,\n{setting.noise_steps:,} steps", "FAN"),
        (4.5, 5.4, data, "null"),
    ):
        look: dict[str, Any] = {"fc": (COLORS[color], 0.16), "ec": COLORS[color], "lw": 1.1}
        ax.add_patch(Rectangle((x, 5.3), width, 1.15, **look))
        ax.text(x + width / 2, 5.87, words, ha="center", va="center", fontsize=7)
    arrow = {"arrowstyle": "-|>", "color": COLORS["ink"], "lw": 1.3}
    ax.annotate("", (4.5, 5.87), (3.7, 5.87), arrowprops={**arrow, "shrinkA": 1, "shrinkB": 1})
    columns = {0.9: 5, 3.8: 4, 6.4: 4, 9.0: 3}
    layers = [(x, np.linspace(2.0, 4.2, count)) for x, count in columns.items()]
    for place, ((x, ys), (next_x, next_ys)) in enumerate(itertools.pairwise(layers), 1):
        for y in ys:
            for next_y in next_ys:
                ax.plot([x, next_x], [y, next_y], color=FAINT, lw=0.7, zorder=1)
        middle = (x + next_x) / 2
        ax.text(middle, 4.42, f"$W_{place}$", ha="center", va="bottom", fontsize=8)
    for x, ys in layers:
        ax.plot(np.full(len(ys), x), ys, "o", ms=6, mfc="white", mec=COLORS["ink"], mew=1)
    for x, letters, words in (
        (2.35, "c, d", "singular values,\neffective rank"),
        (5.6, "g, h", "features'\nGram matrix"),
        (8.6, "b, e, f", "probabilities,\nlosses"),
    ):
        ax.text(x, 1.72, letters, ha="center", va="top", fontsize=7.5, weight="bold")
        ax.text(x, 1.22, words, ha="center", va="top", fontsize=7)
    panel_title(ax, "a", "noise, then data, and what is looked at")


# -- Noise training --------------------------------------------------------------------------------


def _probabilities(ax: Axes, rows: pd.DataFrame, classes: int) -> None:
    """Panel b: of every class on noise inputs, before and after noise training."""
    bins = np.geomspace(LEAST, 1, 33).tolist()
    each = 0
    for name, step, color in _ends(rows):
        shown = rows.loc[rows["step"] == step]
        values = shown["value"].to_numpy()
        each = len(values) // seeds_in(shown)
        share = np.full(len(values), 100 / len(values))
        style: dict[str, Any] = {
            "histtype": "stepfilled",
            "alpha": 0.65,
            "color": COLORS[color],
            "label": name,
        }
        ax.hist(values.clip(LEAST, 1), bins, weights=share, **style)
    ax.axvline(1 / classes, **DASHED, label=f"chance, 1/{classes}")
    log_axis(ax, "x")
    ax.set(xlabel="readout's probability of a class", ylabel="probabilities (%)", xlim=(LEAST, 1))
    count = f"n = {seeds_in(rows)} \N{MULTIPLICATION SIGN} {each:,}"
    ax.legend(title=count, title_fontsize=7, fontsize=7, loc="upper left", handlelength=1.2)
    panel_title(ax, "b", "readout on noise")


def _ends(rows: pd.DataFrame) -> list[tuple[str, int, str]]:
    """Name, step and colour of the two ends of noise training."""
    first, last = int(rows["step"].min()), int(rows["step"].max())
    return [("before noise", first, "null"), ("after noise", last, "FAN")]


def _singular_values(ax: Axes, spectrum: pd.DataFrame, classes: int) -> None:
    """Panel c: of the first layer's weights, from the largest, in their sum.

    Shaded, with their share in the legend: one fewer than there are classes, as it is judged.
    """
    rows = spectrum[spectrum["metric"] == "singular_value_w1"]
    total = rows.groupby(["seed", "step"])["value"].transform("sum")
    rows = rows.assign(share=100 * rows["value"] / total, place=rows["index"] + 1)
    most = classes - 1
    top = (
        rows[rows["place"] <= most].groupby(["step", "seed"])["share"].sum().groupby("step").mean()
    )
    for (name, step, color), dashes in zip(_ends(rows), ((0, (4, 1.5)), "-"), strict=True):
        line: dict[str, Any] = {"label": name, "color": COLORS[color], "ls": dashes, "lw": 1.8}
        mean_and_band(ax, rows[rows["step"] == step], x="place", y="share", **line)
    ax.set(xlabel="singular value of $W_1$, by size", ylabel="share of their sum (%)")
    ax.set(xlim=(1, rows["place"].max()))
    ax.axvspan(1, most, color=COLORS["null"], alpha=0.2, lw=0)
    shares = f"top {most}: {top.iloc[0]:.1f} \N{RIGHTWARDS ARROW} {top.iloc[-1]:.1f} %"
    ax.legend(title=shares, title_fontsize=7, fontsize=7, loc="upper right")
    panel_title(ax, "c", "spectrum of $W_1$")


def _ranks(ax: Axes, runs: Runs) -> None:
    """Panel d: effective rank of each layer's weights through noise training."""
    for layer, (dashes, _) in zip(range(1, DEPTH + 1), TASK_LOOKS, strict=False):
        curve = runs.curve(f"rank_w{layer}", "FAN", phase="spectrum", layers=DEPTH)
        rows = rows_of(100 * curve / curve.iloc[0], "FAN")
        line: dict[str, Any] = {"color": COLORS["FAN"], "ls": dashes, "lw": 1.8}
        mean_and_band(ax, rows, label=f"$W_{layer}$", **line)
    ax.axhline(100, **DASHED)
    ax.set(xlabel="noise step", ylabel="effective rank\n(% of start)")
    ax.set_xlim(0, runs.setting.noise_steps)
    ax.legend(fontsize=7, handlelength=2.6)
    panel_title(ax, "d", "rank of the weights")


# -- Data ------------------------------------------------------------------------------------------


def _gap_through_data(ax: Axes, runs: Runs, images: int) -> dict[str, Line2D]:
    """Panel e: test less training loss."""
    per = runs.per_epoch(images)
    rows = []
    for arm in LEARN:
        which: dict[str, Any] = {"layers": DEPTH, "images": images}
        test, train = (runs.curve(f"{part}_loss", arm, **which) for part in ("test", "train"))
        curve = (test - train).dropna(how="all")  # test loss has records at other steps, too
        rows.append(rows_of(curve, arm, last=runs.horizon * per, per=per))
    lines = plot_arms(ax, pd.concat(rows))
    ax.set(xlabel="epochs of data", ylabel=GAP, xlim=(0, runs.horizon))
    panel_title(ax, "e", "generalisation gap")
    return {arm: arm_key(arm, line) for arm, line in lines.items()}


def _over(
    ax: Axes, levels: Iterable[int], measure: Callable[[str, int], pd.Series]
) -> list[dict[str, Line2D]]:
    """Panels f and h: every arm at every level."""
    samples = {f"{level:,}": {arm: measure(arm, level) for arm in LEARN} for level in levels}
    return arms_by_level(ax, samples)


def _features(ax: Axes, runs: Runs, images: int) -> dict[str, Line2D]:
    """Panel g: effective rank of the Gram matrix of the last hidden layer, at the horizon."""
    lines = {}
    for place, arm in enumerate(LEARN):
        sample = _gram_rank(runs, arm, DEPTH, images)
        lines[arm] = arm_key(arm, mean_marker(ax, place, sample, arm, dots=True))
    ax.set_xticks(range(len(LEARN)), LEARN)
    ax.set(xlim=(-0.5, len(LEARN) - 0.5), ylabel=GRAM)
    panel_title(ax, "g", "rank of features")
    return lines


def _gram_rank(runs: Runs, arm: str, layers: int, images: int) -> pd.Series:
    return runs.at_horizon("gram_rank", arm, layers=layers, images=images)
