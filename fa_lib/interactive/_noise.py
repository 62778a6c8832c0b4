"""Noise training, frame by frame: weights, angle, spectrum and readout of one small network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.colors import to_hex
from numpy.typing import NDArray
from torch import Tensor

from fa_lib.interactive._axes import limits, ticks
from fa_lib.interactive._explorer import Explorer
from fa_lib.interactive._scene import Cells, Control, Line, Panel, Points, Readout, Values
from fa_lib.metrics import alignment_angle, effective_dimensionality, kl_from_uniform
from fa_lib.networks import MLP
from fa_lib.plotting import COLORS
from fa_lib.training import pretrain

FRAMES = 31
SHOWN = 6  # inputs whose readout is drawn
FRESH = 500  # inputs for the mean KL from uniform, the shown ones among them

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Frames:
    """One network at T steps of noise training.

    Fields:
        steps: [T].
        readout, feedback: W2 [T, classes, hidden] and B [classes, hidden], centred over classes.
        angle: between the two, degrees [T].
        spectrum: singular values of W1, largest first [T, min(inputs, hidden)].
        dimensionality: participation ratio of W1 [T].
        probabilities: for a few inputs that are never trained on [T, inputs, classes].
        kl: mean KL from uniform over such inputs, nats [T].
    """

    steps: NDArray[np.int64]
    readout: Floats
    feedback: Floats
    angle: Floats
    spectrum: Floats
    dimensionality: Floats
    probabilities: Floats
    kl: Floats


def film(sizes: tuple[int, int, int], *, steps: int, lr: float, seed: int = 0) -> Frames:
    """Train one network by FA on noise and keep what it is on the way, on the CPU.

    Arguments:
        sizes: inputs, hidden units, classes.
        steps, lr: as in `pretrain`.
    """
    net = MLP(list(sizes), rule="fa", seeds=[seed], device="cpu")
    x = torch.randn(FRESH, sizes[0], generator=torch.Generator().manual_seed(seed))
    taken: list[tuple[Tensor, Tensor, Tensor]] = []

    def take(part: MLP) -> Tensor:
        """Keep a frame; what is returned goes to the history, which is not used."""
        with torch.no_grad():
            taken.append((part.weights[0][0].clone(), part.weights[1][0].clone(), part(x)[0]))
        return torch.zeros(1)

    # Denser at the beginning, where most happens.
    at = np.unique(np.round(steps * np.linspace(0, 1, FRAMES) ** 1.5).astype(int))
    pretrain(net, steps=steps, lr=lr, record_every=at, measure={"frame": take}, progress=False)
    w1, w2, logits = (torch.stack(part).double() for part in zip(*taken, strict=True))
    feedback = net.feedback[1][0].double()
    return Frames(
        steps=at,
        readout=(w2 - w2.mean(dim=1, keepdim=True)).numpy(),
        feedback=(feedback - feedback.mean(dim=0)).numpy(),
        angle=alignment_angle(w2, feedback.expand_as(w2), centered=True).numpy(),
        spectrum=torch.linalg.svdvals(w1).numpy(),
        dimensionality=effective_dimensionality(w1).numpy(),
        probabilities=logits[:, :SHOWN].softmax(dim=2).numpy(),
        kl=kl_from_uniform(logits).numpy(),
    )


def explore_noise(frames: Frames) -> Explorer:
    """Four views of one network, and a slider over the steps of its noise training.

    Returns:
        Panels: every weight of W2 against its feedback weight, the angle, the singular values of
        W1, and the probabilities for a few inputs.
    """
    texts = tuple(f"{step:,}" for step in frames.steps)
    at = tuple(map(float, frames.steps))
    control = Control("step", "noise step", texts, at, still=len(texts) - 1, play=True)
    by = ("step",)
    return Explorer(
        name="noise",
        title="Explorer: noise training, frame by frame",
        alt=(
            f"Four panels after {texts[-1]} steps of noise training of one small network: each "
            "weight of the readout against its feedback weight; the centred angle between the two "
            "over the steps; the singular values of W1 beside those before noise training; and the "
            "probabilities of the classes for a few inputs."
        ),
        controls=(control,),
        panels=(_weights(frames), _angle(frames), _spectrum(frames), _probabilities(frames)),
        readouts=(
            Readout("centred angle", Values(frames.angle, by), "°"),
            Readout("KL from uniform", Values(frames.kl, by), " nats", 3),
            Readout("participation ratio of W₁", Values(frames.dimensionality, by)),
        ),
    )


def _weights(frames: Frames) -> Panel:
    count = len(frames.steps)
    x_lim, y_lim = limits(frames.feedback), limits(frames.readout)
    # Least squares through the origin: its slope is cos(angle) times the ratio of the norms.
    slope = (frames.readout * frames.feedback).sum(axis=(1, 2)) / (frames.feedback**2).sum()
    ends = np.array(x_lim)
    dots = Values(frames.readout.reshape(count, -1), ("step",))
    fit = Values(slope[:, None] * ends, ("step",))
    return Panel(
        title="Weights: readout against feedback",
        alt="A dot for each weight of W2, centred, against the feedback weight in the same place.",
        x_label="feedback weight, centred",
        y_label="forward weight, centred",
        x_lim=x_lim,
        y_lim=y_lim,
        x_ticks=ticks(x_lim),
        y_ticks=ticks(y_lim),
        layers=(
            Points(Values(frames.feedback.ravel()), dots, COLORS["FAN"], "a weight", 2.0, 0.55),
            Line(Values(ends), fit, COLORS["ink"], "best line through 0", 1.2),
        ),
    )


def _angle(frames: Frames) -> Panel:
    steps, color = frames.steps.astype(float), COLORS["FAN"]
    ends = (0.0, float(steps[-1]))
    y_lim = limits(frames.angle, [90.0])
    return Panel(
        title="Angle between the two",
        alt="The centred angle between readout and feedback over the steps so far.",
        x_label="noise step",
        y_label="degrees",
        x_lim=ends,
        y_lim=y_lim,
        x_ticks=ticks(ends),
        y_ticks=ticks(y_lim),
        layers=(
            Line(Values(ends), Values([90, 90]), COLORS["ink"], "chance", 0.8, dashed=True),
            Line(Values(steps), Values(frames.angle), color, "centred angle", until="step"),
            Points(Values(steps, ("step",)), Values(frames.angle, ("step",)), color, size=4.5),
        ),
        pick_x="step",
    )


def _spectrum(frames: Frames) -> Panel:
    rank = np.arange(1, frames.spectrum.shape[1] + 1)
    x_lim = limits(rank)
    y_lim = (0.0, 1.05 * float(frames.spectrum.max()))
    now = Values(frames.spectrum, ("step",))
    return Panel(
        title="Spectrum of W₁",
        alt="Singular values of W1 by rank, now and before noise training.",
        x_label="rank",
        y_label="singular value",
        x_lim=x_lim,
        y_lim=y_lim,
        x_ticks=ticks(x_lim),
        y_ticks=ticks(y_lim),
        layers=(
            Line(Values(rank), Values(frames.spectrum[0]), COLORS["null"], "at the start"),
            Line(Values(rank), now, COLORS["FAN"], width=1.0),
            Points(Values(rank), now, COLORS["FAN"], "now"),
        ),
    )


def _probabilities(frames: Frames) -> Panel:
    _, inputs, classes = frames.probabilities.shape
    return Panel(
        title="Readout: what a few inputs are taken for",
        alt="Probability of each class for a few inputs that are never trained on.",
        x_label="class",
        y_label="input",
        x_lim=(-0.5, classes - 0.5),
        y_lim=(-0.5, inputs - 0.5),
        x_ticks={float(c): str(c) for c in range(classes)},
        y_ticks={float(i): str(i + 1) for i in range(inputs)},
        layers=(
            Cells(
                Values(frames.probabilities, ("step",)),
                tuple(to_hex(color) for color in colormaps["Greens"](np.linspace(0, 0.9, 9))),
                low=0.0,
                high=1.0,
                digits=2,
            ),
        ),
    )
