"""What the maps of settings share: their axes, their controls, and the map itself."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fa_lib.interactive._scene import Cells, Control, Panel, Values
from fa_lib.plotting import COLORS

GRID = ["width", "lr", "noise_steps"]

Floats = NDArray[np.float64]
Axes = Mapping[str, Sequence[float]]


def grid_axes(table: pd.DataFrame) -> dict[str, list[float]]:
    """The settings that the table varies, in order.

    Raises:
        ValueError: a table with neither noise nor networks without any.
    """
    axes = {name: sorted(table[name].unique().tolist()) for name in GRID}
    noise = axes["noise_steps"]
    if not noise or noise[0] != 0 or len(noise) < 2:
        raise ValueError(f"The map needs noise_steps 0 and others, got {noise}.")
    return axes


def grid_array(rows: pd.DataFrame, axes: Axes, last: str) -> Floats:
    """Values [widths, rates, noise steps, `last`]; NaN where the table has none."""
    places = sorted(rows[last].unique())
    index = pd.MultiIndex.from_product([*axes.values(), places], names=[*axes, last])
    values = rows.set_index([*axes, last])["value"].reindex(index)
    return values.to_numpy(dtype=float).reshape(*map(len, axes.values()), len(places))


def grid_controls(axes: Axes, gain: Floats) -> tuple[Control, ...]:
    """Width, learning rate and noise steps (without 0), opened at the largest gain.

    Arguments:
        axes: of `grid_axes`.
        gain: [widths, rates, noise steps without 0].
    """
    best = np.unravel_index(np.nanargmax(gain), gain.shape)
    noise = axes["noise_steps"][1:]
    choices: list[tuple[str, str, list[str], Sequence[float], str]] = [
        ("width", "width", [f"{v:.0f}" for v in axes["width"]], axes["width"], "choice"),
        ("lr", "learning rate", [f"{v:g}" for v in axes["lr"]], axes["lr"], "slider"),
        ("noise", "noise steps", [f"{v:.0f}" for v in noise], noise, "slider"),
    ]
    return tuple(
        Control(name, label, tuple(texts), tuple(map(float, at)), int(i), int(i), kind)
        for (name, label, texts, at, kind), i in zip(choices, best, strict=True)
    )


def map_panel(
    gain: Floats,
    controls: Sequence[Control],
    *,
    title: str,
    alt: str,
    limit: float = math.inf,
) -> Panel:
    """The gain over noise steps and learning rate, for the chosen width; a cell can be picked.

    Green where noise training gains and orange where it loses, as everywhere in the book.

    Arguments:
        gain: [widths, rates, noise steps].
        controls: of `grid_controls`.
        title, alt: of the panel.
        limit: the gain or loss at which the colours end.
    """
    largest = float(np.clip(np.nanmax(np.abs(gain)), 1.0, limit))
    reach = 1.4 * largest  # the darkest colours would hide the numbers
    colors = (COLORS["FA"], "#FFFFFF", COLORS["FAN"])
    _, rates, noise = (control.texts for control in controls)
    return Panel(
        title=title,
        alt=alt,
        x_label="noise steps",
        y_label="learning rate",
        x_lim=(-0.5, len(noise) - 0.5),
        y_lim=(-0.5, len(rates) - 0.5),
        x_ticks=dict(enumerate(noise)),
        y_ticks=dict(enumerate(rates)),
        layers=(Cells(Values(gain, ("width",)), colors, -reach, reach, 1, signed=True),),
        pick_x="noise",
        pick_y="lr",
    )
