"""A map of settings from a stored sweep: pick a point, see the curves that run through it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fa_lib.interactive._axes import limits, log_ticks, ticks
from fa_lib.interactive._explorer import Explorer
from fa_lib.interactive._grid import Floats, grid_array, grid_axes, grid_controls, map_panel
from fa_lib.interactive._scene import Line, Panel, Points, Readout, Values
from fa_lib.plotting import COLORS

LIMIT = 10.0  # points of accuracy at which the map's colours end


def explore_sweep(table: pd.DataFrame) -> Explorer:
    """The sweep's map, and for the picked point what its learning rate and width do over all noise.

    Arguments:
        table: of the experiment "sweep".

    Returns:
        Panels: the gain in test accuracy by noise, and against noise steps, each network's test
        error, test loss and centred angle at the end.

    Raises:
        ValueError: a table with neither noise nor networks without any.
    """
    steps = int(table["step"].max())
    end = table[table["step"] == steps]
    axes = grid_axes(end)
    noise = np.array(axes["noise_steps"])

    def values(metric: str) -> Floats:
        return grid_array(end[end["metric"] == metric], axes, "seed")

    accuracy = 100 * values("test_accuracy")
    gain = (accuracy - accuracy[:, :, :1]).mean(axis=-1)[:, :, 1:]
    curves = [
        ("Wrong answers on test images", "percent, log scale", 100 - accuracy, True),
        ("Test loss", "nats, log scale", values("test_loss"), True),
        ("Centred angle at the end", "degrees", values("centered_alignment_angle_w2"), False),
    ]
    seeds = accuracy.shape[-1]
    controls = grid_controls(axes, gain)
    picked = ("width", "lr", "noise")
    return Explorer(
        name="sweep",
        title="Explorer: a map of settings",
        alt=(
            "A map of the gain in test accuracy by noise training over learning rate and noise "
            "steps, its largest value framed; beside it, for that learning rate, test error, "
            "test loss and centred angle at the end against noise steps, for each of "
            f"{seeds} networks and their mean."
        ),
        controls=controls,
        panels=(
            map_panel(
                gain,
                controls,
                limit=LIMIT,
                title=f"Gain by noise, points ({steps:,} steps in all)",
                alt="Map of the gain in test accuracy over noise steps and learning rate; pick a "
                "cell.",
            ),
            *(_against_noise(noise, *curve) for curve in curves),
        ),
        readouts=(
            Readout("without noise", Values(accuracy[:, :, 0].mean(axis=-1), picked[:2]), " %"),
            Readout("with noise", Values(accuracy[:, :, 1:].mean(axis=-1), picked), " %"),
            Readout("gain", Values(gain, picked), " points"),
        ),
    )


def _against_noise(noise: Floats, title: str, unit: str, values: Floats, log: bool) -> Panel:
    """A curve for each network and their mean; a logarithmic axis shows all rates at once."""
    mean, by = values.mean(axis=-1), ("width", "lr")
    if log:
        values, mean = np.log10(values), np.log10(mean)
    x_lim, y_lim = limits(noise), limits(values)
    curve = Values(mean, by)
    here = (Values(noise[1:], ("noise",)), Values(mean[:, :, 1:], (*by, "noise")))
    ends = np.array(x_lim)
    without = Values(np.repeat(mean[:, :, :1], 2, axis=-1), by)
    networks = [
        Line(
            Values(noise),
            Values(values[..., seed], by),
            COLORS["FAN"],
            "" if seed else "one network each",
            width=0.9,
            opacity=0.4,
        )
        for seed in range(values.shape[-1])
    ]
    return Panel(
        title=title,
        alt=f"{title} against noise steps, at the picked width and learning rate.",
        x_label="noise steps",
        y_label=unit,
        x_lim=x_lim,
        y_lim=y_lim,
        x_ticks=ticks(x_lim),
        y_ticks=log_ticks(y_lim) if log else ticks(y_lim),
        layers=(
            *networks,
            Line(Values(ends), without, COLORS["FA"], "no noise", 1.2, dashed=True),
            Line(Values(noise), curve, COLORS["FAN"], "mean"),
            Points(*here, COLORS["ink"], "picked", 4.5),
        ),
        pick_x="noise",
    )
