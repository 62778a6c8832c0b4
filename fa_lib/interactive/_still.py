"""The static twin of an explorer, in matplotlib."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from PIL import Image

from fa_lib.interactive._scene import Arrow, Cells, Layer, Line, Panel, Points, Scene, State
from fa_lib.plotting import COLORS

COLUMNS = 2
DPI = 110
COLORS_IN_PNG = 64  # a third of the bytes, and no difference to be seen
STYLE = str(Path(__file__).parents[1] / "paper.mplstyle")


def draw(scene: Scene, state: State) -> Figure:
    """The panels, two in a row, at these positions of the controls."""
    with style.context(STYLE):
        rows = -(-len(scene.panels) // COLUMNS)
        figure = Figure(figsize=(7.2, 2.9 * rows), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
        for ax, panel in zip(axes, scene.panels, strict=False):
            _draw_panel(ax, panel, state)
        for ax in axes[len(scene.panels) :]:
            ax.set_axis_off()
        chosen = (f"{c.label}: {c.texts[state[c.name]]}" for c in scene.controls)
        figure.suptitle("; ".join(chosen), x=0.01, ha="left")
    return figure


def to_png(scene: Scene, state: State) -> str:
    """The picture for these positions of the controls, PNG in base64."""
    file = io.BytesIO()
    with style.context(STYLE):
        draw(scene, state).savefig(file, format="png", dpi=DPI)
    small = io.BytesIO()
    Image.open(file).convert("RGB").quantize(COLORS_IN_PNG).save(small, "png", optimize=True)
    return base64.b64encode(small.getvalue()).decode()


def _draw_panel(ax: Axes, panel: Panel, state: State) -> None:
    ax.set(title=panel.title, xlabel=panel.x_label, ylabel=panel.y_label)
    ax.set_xticks(list(panel.x_ticks), list(panel.x_ticks.values()))
    ax.set_yticks(list(panel.y_ticks), list(panel.y_ticks.values()))
    for layer in panel.layers:
        _DRAW[type(layer)](ax, layer, state)
    if panel.equal:
        ax.set_aspect("equal")
    ax.set(xlim=panel.x_lim, ylim=panel.y_lim)
    if any(getattr(layer, "label", "") for layer in panel.layers):
        ax.legend(fontsize=7)


def _draw_line(ax: Axes, line: Line, state: State) -> None:
    stop = None if line.until is None else state[line.until] + 1
    look: dict[str, Any] = {"color": line.color, "lw": line.width, "alpha": line.opacity}
    look |= {"ls": "--" if line.dashed else "-", "label": line.label or None}
    ax.plot(line.x.at(state)[:stop], line.y.at(state)[:stop], **look)


def _draw_points(ax: Axes, dots: Points, state: State) -> None:
    look: dict[str, Any] = {"color": dots.color, "alpha": dots.opacity, "mew": 0}
    look |= {"ms": 2 * dots.size, "label": dots.label or None}
    ax.plot(np.ravel(dots.x.at(state)), np.ravel(dots.y.at(state)), "o", **look)


def _draw_arrow(ax: Axes, arrow: Arrow, state: State) -> None:
    start, tip = arrow.start.at(state), arrow.tip.at(state)
    look = {
        "arrowstyle": "-|>",
        "color": arrow.color,
        "lw": arrow.width,
        "shrinkA": 0,
        "shrinkB": 0,
    }
    ax.annotate("", (tip[0], tip[1]), (start[0], start[1]), arrowprops=look)
    x, y = tip + 0.16 * (tip - start)
    ax.text(x, y, arrow.label, color=arrow.color, ha="center", va="center", weight="bold")


def _draw_cells(ax: Axes, cells: Cells, state: State) -> None:
    values = cells.values.at(state)
    colours = LinearSegmentedColormap.from_list("cells", cells.colors)
    ax.imshow(values, cmap=colours, vmin=cells.low, vmax=cells.high, origin="lower", aspect="auto")
    if cells.digits is not None:
        for (row, column), value in np.ndenumerate(values):
            if np.isfinite(value):
                shade = text_color(cells, value)
                text = f"{value:.{cells.digits}f}"
                ax.text(column, row, text, ha="center", va="center", fontsize=6.5, color=shade)


def text_color(cells: Cells, value: float) -> str:
    """White on the dark colours of a map, ink on the light ones."""
    share = np.clip((value - cells.low) / (cells.high - cells.low), 0, 1)
    red, green, blue, _ = LinearSegmentedColormap.from_list("cells", cells.colors)(share)
    dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
    return "#FFFFFF" if dark else COLORS["ink"]


_DRAW: dict[type[Layer], Any] = {
    Line: _draw_line,
    Points: _draw_points,
    Arrow: _draw_arrow,
    Cells: _draw_cells,
}
