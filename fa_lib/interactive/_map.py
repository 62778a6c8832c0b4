"""A map of settings from a stored sweep: pick a point, see the curves that run through it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.colors import to_hex
from numpy.typing import NDArray

from fa_lib.interactive._axes import limits, log_ticks, ticks
from fa_lib.interactive._explorer import Explorer
from fa_lib.interactive._scene import Cells, Control, Line, Panel, Points, Readout, Values
from fa_lib.plotting import COLORS

GRID = ["width", "lr", "noise_steps"]
LIMIT = 10.0  # points of accuracy at which the map's colours end

Floats = NDArray[np.float64]


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
    axes = {name: sorted(end[name].unique()) for name in GRID}
    noise = np.array(axes["noise_steps"], dtype=float)
    if noise[0] != 0 or len(noise) < 2:
        raise ValueError(f"The map needs noise_steps 0 and others, got {noise.tolist()}.")
    accuracy = 100 * _array(end, "test_accuracy", axes)
    gain = (accuracy - accuracy[:, :, :1]).mean(axis=-1)[:, :, 1:]
    angle = _array(end, "centered_alignment_angle_w2", axes)
    curves = [
        ("Wrong answers on test images", "percent, log scale", 100 - accuracy, True),
        ("Test loss", "nats, log scale", _array(end, "test_loss", axes), True),
        ("Centred angle at the end", "degrees", angle, False),
    ]
    seeds = accuracy.shape[-1]
    best = np.unravel_index(np.nanargmax(gain), gain.shape)
    choices: list[tuple[str, str, list[str], Sequence[float], str]] = [
        ("width", "width", [f"{v:.0f}" for v in axes["width"]], axes["width"], "choice"),
        ("lr", "learning rate", [f"{v:g}" for v in axes["lr"]], axes["lr"], "slider"),
        (
            "noise",
            "noise steps",
            [f"{v:.0f}" for v in noise[1:]],
            axes["noise_steps"][1:],
            "slider",
        ),
    ]
    controls = tuple(
        Control(name, label, tuple(texts), tuple(map(float, at)), int(i), int(i), kind)
        for (name, label, texts, at, kind), i in zip(choices, best, strict=True)
    )
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
            _map(gain, controls[1].texts, controls[2].texts, steps),
            *(_against_noise(noise, *curve) for curve in curves),
        ),
        readouts=(
            Readout("without noise", Values(accuracy[:, :, 0].mean(axis=-1), picked[:2]), " %"),
            Readout("with noise", Values(accuracy[:, :, 1:].mean(axis=-1), picked), " %"),
            Readout("gain", Values(gain, picked), " points"),
        ),
    )


def _array(end: pd.DataFrame, metric: str, axes: dict[str, list[float]]) -> Floats:
    """Values [widths, rates, noise steps, seeds]; NaN where the table has none."""
    rows = end[end["metric"] == metric]
    seeds = sorted(end["seed"].unique())
    index = pd.MultiIndex.from_product([*axes.values(), seeds], names=[*GRID, "seed"])
    values = rows.set_index([*GRID, "seed"])["value"].reindex(index)
    return values.to_numpy(dtype=float).reshape(*map(len, axes.values()), len(seeds))


def _map(gain: Floats, rates: tuple[str, ...], noise: tuple[str, ...], steps: int) -> Panel:
    reach = float(np.clip(np.nanmax(np.abs(gain)), 1.0, LIMIT))
    colors = tuple(to_hex(color) for color in colormaps["PuOr_r"](np.linspace(0, 1, 11)))
    return Panel(
        title=f"Gain by noise, points ({steps:,} steps in all)",
        alt="Map of the gain in test accuracy over noise steps and learning rate; pick a cell.",
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
