"""Panels of Figure 5: images from elsewhere, and accuracy on them, at the end and along the way.

The data panels take the table of `fa_lib.run("fig5", ...)`, or a `Run` that `fa_lib.claims.runs_of`
finds in it, all arms in one setting at one size of the training set.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from fa_lib.claims import Run, mean_interval
from fa_lib.data import Dataset
from fa_lib.experiments._moved import IDENTITY, moved
from fa_lib.plotting._style import ARMS, COLORS, STRONG_ARMS, arm_look, plot_arms

__all__ = [
    "AMOUNT_LABELS",
    "draw_transfer",
    "plot_against_clean",
    "plot_examples",
    "plot_forest",
    "plot_over_amount",
]

AMOUNT_LABELS = {
    "shift": "shift (pixels)",
    "scale": "scale (factor)",
    "rotation": "rotation (degrees)",
}
MAIN = (*STRONG_ARMS, "Z", "S")


def draw_transfer(ax: Axes, trained_on: str = "MNIST", elsewhere: str = "USPS") -> None:
    """The set-up: noise or nothing, then one data set, then images that were never trained on.

    Arguments:
        trained_on, elsewhere: the data sets' names.
    """
    ax.set(xlim=(0, 17.4), ylim=(0, 6.3))
    ax.axis("off")
    boxes = [
        (0.2, 3.7, "noise,\nrandom labels", "FAN"),
        (0.2, 0.9, "nothing", "FA"),
        (5.6, 2.3, f"{trained_on},\ntraining images", "ink"),
    ]
    for left, bottom, text, color in boxes:
        _box(ax, left, bottom, text, COLORS[color])
    tests = {
        4.7: f"{trained_on}, test images",
        3.0: "the same, shifted, scaled, rotated",
        1.3: f"{elsewhere}, test images",
    }
    for bottom, text in tests.items():
        _box(ax, 11.2, bottom - 0.4, text, COLORS["ink"], width=6.0, height=1.2)
        _arrow(ax, (9.4, 3.2), (11.1, bottom + 0.2), COLORS["ink"], dashed=True)
    for bottom, arm in ((4.6, "FAN"), (1.8, "FA")):
        _arrow(ax, (4.0, bottom), (5.5, 3.2 + (0.4 if arm == "FAN" else -0.4)), COLORS[arm])
    for x, text in ((2.1, "before"), (7.5, "trained on"), (14.2, "tested on")):
        ax.text(x, 6.0, text, ha="center", va="center", fontweight="bold")


def _box(
    ax: Axes,
    left: float,
    bottom: float,
    text: str,
    color: str,
    width: float = 3.8,
    height: float = 1.8,
) -> None:
    style = "round,pad=0,rounding_size=0.15"
    ax.add_patch(
        FancyBboxPatch(
            (left, bottom), width, height, boxstyle=style, fc=(color, 0.12), ec=color, lw=1.4
        )
    )
    ax.text(left + width / 2, bottom + height / 2, text, ha="center", va="center", fontsize=8)


def _arrow(
    ax: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    color: str,
    *,
    dashed: bool = False,
) -> None:
    arrow = FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=11, color=color, lw=1.4)
    arrow.set_linestyle((0, (3, 2)) if dashed else "-")
    ax.add_patch(arrow)


def plot_examples(
    ax: Axes, data: Dataset, kind: str, amounts: Sequence[float], *, images: int = 3
) -> None:
    """The first test images under a transformation: an image a row, an amount a column.

    Arguments:
        data: whose test images.
        kind: "shift", "scale" or "rotation".
        amounts: in order.
    """
    height, width = data.image_shape[-2:]
    gap = 2
    for column, amount in enumerate(amounts):
        x = data.test.x if amount == IDENTITY[kind] else moved(data, kind, amount).x
        for row in range(images):
            left, top = column * (width + gap), row * (height + gap)
            pixels = x[row].view(*data.image_shape)
            pixels = pixels.mean(dim=0) if pixels.dim() == 3 else pixels
            box = (left, left + width, top + height, top)
            shown = pixels.cpu().numpy()
            ax.imshow(shown, cmap="gray", vmin=0, vmax=1, extent=box, interpolation="nearest")
    ax.set_xlim(0, len(amounts) * (width + gap) - gap)
    ax.set_ylim(images * (height + gap) - gap, 0)
    ax.set_xticks(
        [column * (width + gap) + width / 2 for column in range(len(amounts))],
        [f"{amount:g}" for amount in amounts],
    )
    ax.set_yticks([])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_xlabel(AMOUNT_LABELS[kind])


def plot_over_amount(
    ax: Axes, table: pd.DataFrame, kind: str, setting: str, n: int, *, arms: Iterable[str] = MAIN
) -> dict[str, Line2D]:
    """Accuracy at the end of training over the amount of a transformation, a line an arm.

    Arguments:
        table: of `fa_lib.run("fig5", ...)`.
        kind: "shift", "scale" or "rotation".
        setting, n: which runs.
        arms: to draw; those that the table lacks are left out.
    """
    rows = table[(table["setting"] == setting) & (table["n"] == n) & table["arm"].isin(set(arms))]
    rows = rows[rows["step"] == rows["step"].max()]
    clean = rows[rows["test_set"] == "clean"].assign(amount=IDENTITY[kind])
    rows = pd.concat([clean, rows[rows["test_set"] == kind]], ignore_index=True)
    lines = plot_arms(ax, rows.assign(value=100 * rows["value"]), x="amount")
    ax.axvline(IDENTITY[kind], color=COLORS["null"], lw=0.8, ls=":", zorder=1)
    ax.set_xlabel(AMOUNT_LABELS[kind])
    return lines


def plot_against_clean(
    ax: Axes, run: Run, metric: str, *, arms: Iterable[str] = MAIN
) -> dict[str, Line2D]:
    """Accuracy on moved or foreign images over that on images as they are, along training.

    A point is the mean over seeds at a record, of both. Arms whose lines coincide differ in how far
    they have come, not in how robust they are.

    Arguments:
        run: of `fa_lib.claims.runs_of`, for claim C13 or C14.
        metric: a transformation, or "elsewhere" for the other data set.
    """
    lines = {}
    present = {arm for arm, name in run.curves if name == metric}
    for arm in (arm for arm in ARMS if arm in present & set(arms)):
        clean, elsewhere = run.curve(arm, "clean"), run.curve(arm, metric)
        x, y = clean.mean(axis="columns"), elsewhere.mean(axis="columns")
        marker = ARMS[arm].marker
        size = 4 if arm in STRONG_ARMS else 3
        (lines[arm],) = ax.plot(x, y.reindex(x.index), marker=marker, ms=size, **arm_look(arm))
        lines[arm].set_label(f"{ARMS[arm].title} (n = {clean.shape[1]})")
    ax.set_xlabel("accuracy on images as they are (%)")
    return lines


def plot_forest(
    ax: Axes, values: pd.DataFrame, *, smallest: float, kinds: Sequence[tuple[str, str]]
) -> None:
    """Differences between two arms with their 95 % intervals, a row each, in several kinds.

    Arguments:
        values: columns row (what is compared, in words), kind, difference: a row a seed.
        smallest: the smallest effect that counts, drawn as a line.
        kinds: of comparison, with the marker of each; the first is drawn filled, on top.
    """
    rows = list(dict.fromkeys(values["row"]))
    for place, name in enumerate(rows):
        for offset, (kind, marker) in enumerate(kinds):
            sample = values[(values["row"] == name) & (values["kind"] == kind)]
            differences = sample["difference"].dropna().to_numpy()
            if not len(differences):
                continue
            mean, low, high = mean_interval(differences)
            at = place + (offset - (len(kinds) - 1) / 2) * 0.32
            face = COLORS["FAN"] if offset == 0 else "white"
            reach = [[mean - low], [high - mean]] if np.isfinite(low) else None
            ax.errorbar(
                mean,
                at,
                xerr=reach,
                fmt=marker,
                ms=5.5,
                color=COLORS["FAN"],
                mfc=face,
                elinewidth=1.4,
                capsize=2.5,
                label=f"{kind}" if place == 0 else None,
            )
    ax.axvline(0, color=COLORS["ink"], lw=0.8)
    ax.axvline(smallest, color=COLORS["ink"], lw=0.8, ls=(0, (4, 2)))
    ax.set_yticks(range(len(rows)), rows)
    ax.set_ylim(len(rows) - 0.5, -0.5)
