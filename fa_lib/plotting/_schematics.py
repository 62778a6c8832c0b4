"""Drawn panels of Figure 1: the two pathways, a biological reading, and what noise looks like."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch, PathPatch
from matplotlib.path import Path

from fa_lib.noise import Noise, NoiseStream
from fa_lib.plotting._style import COLORS

__all__ = ["draw_biology", "draw_noise_batch", "draw_pathways"]

FAINT, IRIS = "#D9D9D9", "#6FA8DC"


def draw_pathways(ax: Axes) -> None:
    """Panel a: how backpropagation and feedback alignment carry activity forth and errors back."""
    _canvas(ax, 10.4, 6.2)
    rules = [
        (
            0.3,
            "BP",
            "backpropagation",
            r"$W_2^{\,\top}$",
            "must equal the forward\nweights, transposed",
        ),
        (5.7, "FA", "feedback alignment", "$B$", "random weights\nthat never change"),
    ]
    for left, color, name, back, what in rules:
        columns = [left + 0.3, left + 2.1, left + 3.9]
        layers = [np.linspace(2.6, 4.7, count) for count in (4, 4, 3)]
        for (x, ys), (next_x, next_ys) in zip(
            zip(columns, layers, strict=True),
            zip(columns[1:], layers[1:], strict=True),
            strict=False,
        ):
            for y in ys:
                for next_y in next_ys:
                    ax.plot([x, next_x], [y, next_y], color=FAINT, lw=0.7, zorder=1)
        for x, ys in zip(columns, layers, strict=True):
            ax.plot(np.full(len(ys), x), ys, "o", ms=6.5, mfc="white", mec=COLORS["ink"], mew=1)
        for index in (0, 1):
            start, end = columns[index] + 0.25, columns[index + 1] - 0.25
            _arrow(ax, (start, 5.15), (end, 5.15), COLORS["ink"])
            ax.text((start + end) / 2, 5.25, f"$W_{index + 1}$", ha="center", va="bottom")
        _arrow(ax, (columns[2], 2.3), (columns[1], 2.3), COLORS[color], curve=-0.35, width=2.2)
        middle = (columns[1] + columns[2]) / 2
        ax.text(middle, 1.62, back, ha="center", va="top", color=COLORS[color], fontsize=11)
        ax.text(middle, 0.9, what, ha="center", va="top", color=COLORS[color], fontsize=7.5)
        ax.text(columns[2] + 0.22, 2.2, "error", va="top", fontsize=7.5, color=COLORS[color])
        ax.text(columns[1], 6.2, name, ha="center", va="top", fontweight="bold")


def draw_biology(ax: Axes) -> None:
    """Panel b: noise training read as spontaneous activity before the senses work.

    A reading of the method, not a result of it.
    """
    _canvas(ax, 10.4, 6.2)
    stages = [
        (1.5, "at first", 90.0, "unrelated"),
        (5.2, "spontaneous activity", 62.0, "turning towards $B$"),
        (8.9, "sensory input", 42.0, "and on, with data"),
    ]
    for x, name, angle, what in stages:
        ax.text(x, 6.2, name, ha="center", va="top", fontweight="bold", fontsize=8)
        _dial(ax, x - 0.75, 0.75, angle)
        ax.text(x, 0.45, what, ha="center", va="top", fontsize=7.5)
    _eye(ax, 1.5, 4.3, "closed")
    _eye(ax, 5.2, 4.3, "noise")
    _eye(ax, 8.9, 4.3, "open")
    for left, right in ((2.85, 3.85), (6.55, 7.55)):
        _arrow(ax, (left, 4.3), (right, 4.3), "#777777")
    ax.plot([7.05, 7.05], [0.3, 5.4], color="#999999", lw=0.8, ls=(0, (2, 2)))
    ax.text(6.97, 1.7, "before birth", ha="right", fontsize=7, color="#666666", rotation=90)
    ax.text(7.13, 1.7, "after birth", ha="left", fontsize=7, color="#666666", rotation=90)


def draw_noise_batch(
    ax: Axes, *, noise: Noise | None = None, images: int = 9, classes: int = 10, seed: int = 0
) -> None:
    """Panel c: the first inputs and labels that a network draws, at two steps of noise training.

    The images are what `pretrain` shows on the CPU to the network with this seed.

    Arguments:
        noise: by default standard normal.
        images: how many of each batch to show.
    """
    noise = noise or Noise()
    side, batch = 28, 64  # the batch that `pretrain` draws, of which the first few are shown
    stream = NoiseStream(noise, [seed], (batch, side * side), classes, torch.device("cpu"))
    for row, step in enumerate((0, 1)):
        x, y = stream(step)
        top = -1.5 * row
        for column in range(images):
            pixels = x[0, column].view(side, side).numpy()
            low, high = noise.mean - 2.5 * noise.std, noise.mean + 2.5 * noise.std
            box = (column, column + 0.9, top, top + 0.9)
            ax.imshow(pixels, cmap="gray", vmin=low, vmax=high, extent=box, interpolation="nearest")
            label = str(int(y[0, column]))
            ax.text(column + 0.45, top - 0.06, label, ha="center", va="top", color=COLORS["FA"])
        ax.text(-0.15, top + 0.45, f"step {step + 1}", ha="right", va="center")
        ax.text(-0.15, top - 0.06, "label", ha="right", va="top", color=COLORS["FA"])
        ax.text(images + 0.1, top + 0.4, "...", ha="left", va="center")
    ax.set(xlim=(-0.8, images + 0.5), ylim=(-2.0, 1.0), aspect="equal")
    ax.axis("off")


def _canvas(ax: Axes, width: float, height: float) -> None:
    ax.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    ax.axis("off")


def _arrow(
    ax: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    color: str,
    curve: float = 0.0,
    width: float = 1.3,
) -> None:
    style = f"arc3,rad={curve}"
    ax.add_patch(
        FancyArrowPatch(
            start,
            end,
            connectionstyle=style,
            arrowstyle="-|>",
            mutation_scale=10,
            color=color,
            lw=width,
            shrinkA=0,
            shrinkB=0,
        )
    )


def _eye(ax: Axes, x: float, y: float, state: str) -> None:
    """An eye, 2.2 wide: "closed", closed over "noise", or "open"."""
    left, right = (x - 1.1, y), (x + 1.1, y)
    lids = [left, (x, y + 1.5), right, (x, y - 1.5), left]
    codes = [Path.MOVETO, Path.CURVE3, Path.CURVE3, Path.CURVE3, Path.CURVE3]
    almond = PathPatch(Path(lids, codes), fc="#F2F2F2", ec=COLORS["ink"], lw=1.2)
    if state == "open":
        almond.set_facecolor("white")
    ax.add_patch(almond)
    if state == "closed":
        lid = Path([left, (x, y - 0.5), right], codes[:3])
        ax.add_patch(PathPatch(lid, fc="none", ec=COLORS["ink"], lw=1.2))
    elif state == "noise":
        pixels = np.random.default_rng(0).normal(size=(14, 22))
        box = (x - 1.1, x + 1.1, y - 0.8, y + 0.8)
        shown = ax.imshow(pixels, cmap="gray", extent=box, aspect="equal", zorder=2)
        shown.set_clip_path(almond)
        ax.add_patch(PathPatch(Path(lids, codes), fc="none", ec=COLORS["ink"], lw=1.2, zorder=3))
    else:
        ax.add_patch(Circle((x, y), 0.58, fc=IRIS, ec=COLORS["ink"], lw=1))
        ax.add_patch(Circle((x, y), 0.27, fc=COLORS["ink"], lw=0))


def _dial(ax: Axes, x: float, y: float, degrees: float) -> None:
    """Two arrows from one point: the feedback B, and the forward weights W at an angle to it."""
    length, angle = 1.6, np.deg2rad(degrees)
    _arrow(ax, (x, y), (x + length, y), COLORS["FA"], width=1.8)
    tip = (x + length * float(np.cos(angle)), y + length * float(np.sin(angle)))
    _arrow(ax, (x, y), tip, COLORS["ink"], width=1.8)
    arc = np.linspace(0, angle, 30)
    ax.plot(x + 0.5 * np.cos(arc), y + 0.5 * np.sin(arc), color="#777777", lw=0.9)
    ax.text(x + length + 0.08, y, "$B$", va="center", color=COLORS["FA"])
    ax.text(tip[0] + 0.08, tip[1] + 0.05, "$W_2$", va="bottom", ha="center")
