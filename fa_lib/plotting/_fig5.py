"""The paper's Figure 5: learned from one data set, tested on images from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fa_lib.data import load_dataset
from fa_lib.experiments._parts import ROTATIONS, SCALES, SHIFT
from fa_lib.judges._runs import Runs
from fa_lib.plotting._style import (
    legend_below,
    mean_marker,
    new_figure,
    panel_title,
    runs_of,
    within_percent,
)
from fa_lib.schema import title_of
from fa_lib.settings import Setting
from fa_lib.transforms import rotate, scale, translate

__all__ = ["figure5"]

LEARN = ("FA", "FAN", "BP", "Z")
EXAMPLES = "mnist5k"  # in the package, so that they can be drawn anywhere
FAMILIES = {
    "shift": f"shifted by {SHIFT:g} px",
    "scale": f"scaled, {SCALES[0]:g} to {SCALES[-1]:g}",
    "rotation": f"rotated by up to {ROTATIONS[-1]:g}\N{DEGREE SIGN}",
}


def figure5(
    table: pd.DataFrame, setting: Setting, *, other: str = "usps", narrow: bool = False
) -> Figure:
    """Accuracy on shifted, scaled and rotated test images, and on another data set's.

    Arguments:
        table: of the experiment "fig2".
        setting: the base that is drawn.
        other: the experiment's other data set.
        narrow: for a phone.
    """
    runs = runs_of(table, setting)
    if narrow:
        fig, rows = new_figure((1.9, 4.0, 0.5), narrow=True)
        examples = rows[0].subplots(2, 4).ravel()
        panels = rows[1].subplots(2, 2).ravel()
    else:
        fig, rows = new_figure((1.25, 2.3, 0.35), narrow=False)
        examples = rows[0].subplots(1, 8)
        panels = rows[1].subplots(1, 4)
    _examples(examples)
    metrics = [f"{family}_accuracy" for family in (*FAMILIES, "other")]
    titles = (*FAMILIES.values(), title_of(other))
    lines = {}
    for place, (ax, metric, title) in enumerate(zip(panels, metrics, titles, strict=True)):
        lines = _accuracy(ax, runs, metric)
        panel_title(ax, {0: "b", 3: "c"}.get(place, ""), title)
        if (narrow and place % 2 == 0) or place in (0, 3):
            ax.set_ylabel("accuracy (%)")
    legend_below(rows[-1], lines, ncols=2 if narrow else 4)
    return fig


def _examples(axes: Sequence[Axes]) -> None:
    """Panel a: a digit as it is learned, and moved as it is tested."""
    data = load_dataset(EXAMPLES)
    shape = {"image_shape": data.image_shape}
    x = data.test.x[:1]
    moved: dict[str, torch.Tensor] = {
        "not moved": x,
        f"{SHIFT:g} px left": translate(x, -SHIFT, 0.0, **shape),
        f"{SHIFT:g} px down": translate(x, 0.0, SHIFT, **shape),
        f"\N{MULTIPLICATION SIGN} {SCALES[0]:g}": scale(x, SCALES[0], **shape),
        f"\N{MULTIPLICATION SIGN} {SCALES[-1]:g}": scale(x, SCALES[-1], **shape),
        **{
            f"{angle:+g}\N{DEGREE SIGN}".replace("-", "\N{MINUS SIGN}"): rotate(x, angle, **shape)
            for angle in (ROTATIONS[0], ROTATIONS[len(ROTATIONS) // 2], ROTATIONS[-1])
        },
    }
    for ax, (name, image) in zip(axes, moved.items(), strict=True):
        ax.imshow(image.view(data.image_shape[-2:]).numpy(), cmap="gray_r", vmin=0, vmax=1)
        ax.set_xticks([])
        ax.set_yticks([])
        ax.spines[:].set(visible=True, color="#999999")
        ax.set_xlabel(name, fontsize=7.5)
    panel_title(axes[0], "a", "learned")
    axes[1].set_title("tested").set_in_layout(False)


def _accuracy(ax: Axes, runs: Runs, metric: str) -> dict[str, Line2D]:
    """Panels b and c: accuracy at the horizon."""
    lines = {}
    for place, arm in enumerate(LEARN):
        sample: pd.Series = 100 * runs.at_horizon(metric, arm)
        lines[arm] = mean_marker(ax, place, sample, arm, dots=True)
    ax.set_xticks(range(len(LEARN)), LEARN)
    ax.set_xlim(-0.5, len(LEARN) - 0.5)
    within_percent(ax)
    return lines
