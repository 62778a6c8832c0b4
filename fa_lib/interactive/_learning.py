"""The map of Figure 3: pick a point, see its networks learn with noise training and without."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fa_lib.interactive._axes import limits, ticks
from fa_lib.interactive._explorer import Explorer
from fa_lib.interactive._grid import Floats, grid_array, grid_axes, grid_controls, map_panel
from fa_lib.interactive._scene import Line, Panel, Readout, Values
from fa_lib.metrics import area_under_curve
from fa_lib.plotting import ARMS, COLORS

ANGLE = "centered_alignment_angle_w2"


def explore_learning(table: pd.DataFrame) -> Explorer:
    """The map over learning rate, noise steps and width, and the curves behind the picked point.

    Arguments:
        table: of the experiment "learning" (Figures 2 to 4).

    Returns:
        Panels: what noise training adds to the area under the curve of test accuracy; then, for FA
        with it and without, every network and their mean: test accuracy and centred angle against
        the data step, and test accuracy with noise steps counted.

    Raises:
        ValueError: a table without the map's networks, with noise training and without.
    """
    rows = table[table["panel"] == "map"]
    axes = grid_axes(rows)
    seeds = sorted(rows["seed"].unique())
    steps = np.array(sorted(rows["step"].unique()), dtype=float)

    def curves(metric: str) -> Floats:
        """[widths, rates, noise steps, seeds, data steps]."""
        kept = rows[rows["metric"] == metric]
        parts = [grid_array(kept[kept["seed"] == seed], axes, "step") for seed in seeds]
        return np.stack(parts, axis=3)

    accuracy, angle = 100 * curves("test_accuracy"), curves(ANGLE)
    by_step = accuracy.reshape(-1, len(steps)).T
    area = area_under_curve(steps, by_step).reshape(accuracy.shape[:-1])
    gain = (area - area[:, :, :1]).mean(axis=-1)[:, :, 1:]
    controls = grid_controls(axes, gain)
    picked = ("width", "lr", "noise")
    end = accuracy[..., -1].mean(axis=-1)
    total = steps + np.array(axes["noise_steps"][1:])[:, None]  # [noise steps, data steps]
    return Explorer(
        name="learning",
        title="Explorer: where noise training helps",
        alt=(
            "A map of what noise training adds to the area under the curve of test accuracy, over "
            "learning rate and noise steps, its largest value framed; beside it, for that point, "
            f"learning curves of {len(seeds)} networks with noise training and {len(seeds)} "
            "without: test accuracy and centred angle against data steps, and test accuracy "
            "against all steps."
        ),
        controls=controls,
        panels=(
            map_panel(
                gain,
                controls,
                title="Gain in area by noise training, points",
                alt="Map of the gain in area over noise steps and learning rate; pick a cell.",
            ),
            _curves("Test accuracy", "percent", "data step", accuracy, steps, Values(steps)),
            _curves("Centred angle", "degrees", "data step", angle, steps, Values(steps)),
            _curves(
                "Test accuracy, noise steps counted",
                "percent",
                "steps, those on noise counted",
                accuracy,
                steps,
                Values(total, ("noise",)),
            ),
        ),
        readouts=(
            Readout("gain in area", Values(gain, picked), " points"),
            Readout("at the end without noise", Values(end[:, :, 0], picked[:2]), " %"),
            Readout("with noise", Values(end[:, :, 1:], picked), " %"),
        ),
    )


def _curves(
    title: str, unit: str, x_label: str, values: Floats, steps: Floats, with_noise: Values
) -> Panel:
    """FA and FA with noise at the picked point, thin for each network, thick for their mean.

    Arguments:
        values: [widths, rates, noise steps, seeds, data steps].
        steps: of the networks without noise.
        with_noise: steps of the others.
    """
    count = values.shape[3]
    lines, means = [], []
    for arm, x, curves, by in (
        ("FA", Values(steps), values[:, :, 0], ("width", "lr")),
        ("FAN", with_noise, values[:, :, 1:], ("width", "lr", "noise")),
    ):
        color = COLORS[arm]
        for seed in range(count):
            one = Values(curves[..., seed, :], by)
            lines.append(Line(x, one, color, width=0.9, opacity=0.4))
        name = f"{ARMS[arm].title} (n = {count})"
        means.append(Line(x, Values(curves.mean(axis=-2), by), color, name))
    x_lim = limits([0.0], with_noise.data, margin=0.02)
    y_lim = limits(values)
    return Panel(
        title=title,
        alt=f"{title} against the {x_label}, for FA with and without noise, at the picked point.",
        x_label=x_label,
        y_label=unit,
        x_lim=x_lim,
        y_lim=y_lim,
        x_ticks=ticks(x_lim),
        y_ticks=ticks(y_lim),
        layers=(*lines, *means),
    )
