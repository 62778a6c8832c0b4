"""Two hidden units and one image: what BP and FA advise, and how the advice comes to agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fa_lib.interactive._axes import ticks
from fa_lib.interactive._explorer import Explorer
from fa_lib.interactive._scene import Arrow, Control, Layer, Line, Panel, Points, Readout, Values
from fa_lib.plotting import COLORS

STARTS = (30, 60, 90, 120, 150)  # degrees between the readout and its feedback at the beginning
STEPS = 40
LR = 0.1
FEEDBACK = 1.5 * np.array([np.cos(np.pi / 6), np.sin(np.pi / 6)])
ACTIVITY = 0.3 * np.array([-np.sin(np.pi / 6), np.cos(np.pi / 6)])  # at right angles to it
ARROW = 0.75  # drawn length: only its direction counts

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Course:
    """One training of the toy, [steps + 1, ...]: before each step, and after the last.

    Fields:
        activity: of the two hidden units, [steps + 1, 2].
        readout: what tells the right class from the wrong one, a weight a unit, [steps + 1, 2].
        feedback: the same of the feedback weights, [2].
        angle: between readout and feedback, degrees; also that between the two rules' arrows.
        loss: cross-entropy, nats.
    """

    activity: Floats
    readout: Floats
    feedback: Floats
    angle: Floats
    loss: Floats


def train_toy(rule: str, start: float, *, steps: int = STEPS, lr: float = LR) -> Course:
    """Train the toy by gradient descent: 1-2-2, one image x = 1, linear hidden units, no biases.

    With two classes the errors are (-q, q), q being the probability of the wrong class, so all that
    matters of W2 is the difference of its rows, called the readout here; likewise of B.

    Arguments:
        rule: "bp" or "fa".
        start: degrees between readout and feedback before the first step.
    """
    turn = np.radians(start + 30)
    h, w = ACTIVITY.copy(), np.array([np.cos(turn), np.sin(turn)])
    records = []
    for _ in range(steps + 1):
        cosine = w @ FEEDBACK / (np.linalg.norm(w) * np.linalg.norm(FEEDBACK))
        records.append((h, w, np.degrees(np.arccos(cosine)), np.log1p(np.exp(-w @ h))))
        q = 1 / (1 + np.exp(w @ h))
        back = w if rule == "bp" else FEEDBACK
        # Two rows of W2 move, by q h and by -q h: their difference moves twice as far.
        h, w = h + lr * q * back, w + lr * 2 * q * h
    activity, readout, angle, loss = (np.array(column) for column in zip(*records, strict=True))
    return Course(activity, readout, FEEDBACK, angle, loss)


def explore_toy() -> Explorer:
    """Step through both rules from the same start and watch the two arrows.

    Returns:
        Four panels: the plane of hidden activity under FA and under BP, each with both rules'
        advice, the angle between the two, and the loss.
    """
    courses = {rule: [train_toy(rule, start) for start in STARTS] for rule in ("fa", "bp")}
    panels = [_plane(rule, runs) for rule, runs in courses.items()]
    panels.append(
        _curves(
            courses,
            "angle",
            "The angle between the arrows",
            "degrees",
            (0, 160),
            {0: "0", 45: "45", 90: "90", 135: "135"},
        )
    )
    highest = 1.05 * max(course.loss.max() for runs in courses.values() for course in runs)
    ends = (0.0, highest)
    panels.append(_curves(courses, "loss", "The loss", "cross-entropy (nats)", ends, ticks(ends)))
    readouts = [
        Readout(f"{what} under {rule.upper()}", _both(runs, what), unit, digits)
        for what, unit, digits in (("angle", "°", 1), ("loss", " nats", 3))
        for rule, runs in courses.items()
    ]
    return Explorer(
        name="toy",
        title="Explorer: two hidden units, two arrows",
        alt=(
            "Four panels after the last step, started at 90 degrees. Under FA the hidden activity "
            "has moved along FA's arrow and the arrow of BP has turned towards it; under BP the "
            "activity has moved along BP's arrow and the angle is as it was. Curves of the angle "
            "and of the loss over the steps for both rules."
        ),
        controls=(
            Control("step", "step", tuple(map(str, range(STEPS + 1))), still=STEPS, play=True),
            Control(
                "start",
                "angle at the start",
                tuple(f"{degrees}°" for degrees in STARTS),
                first=STARTS.index(90),
                still=STARTS.index(90),
                kind="choice",
            ),
        ),
        panels=tuple(panels),
        readouts=tuple(readouts),
    )


def _both(runs: list[Course], what: str) -> Values:
    return Values([getattr(course, what) for course in runs], ("start", "step"))


def _plane(rule: str, runs: list[Course]) -> Panel:
    """Hidden activity, what both rules advise there, and where the classes are told apart."""
    ours = rule.upper()
    here = np.array([course.activity for course in runs])  # [starts, steps + 1, 2]
    normal = np.array([course.readout for course in runs])
    unit = normal / np.linalg.norm(normal, axis=-1, keepdims=True)
    to_feedback = FEEDBACK / np.linalg.norm(FEEDBACK)
    tips = {"BP": here + ARROW * unit, "FA": here + ARROW * to_feedback}
    along = np.stack([-unit[..., 1], unit[..., 0]], axis=-1)
    far = np.array([-3.5, 3.5])
    boundary = far[:, None] * along[..., None, :]  # through the origin: w h = 0
    # The arc goes from the feedback's direction to the readout's, on the shorter side.
    share = np.linspace(0, 1, 7)
    angles = np.array([np.radians(course.angle) for course in runs])[..., None] * share + np.pi / 6
    arc = here[..., None, :] + 0.45 * ARROW * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    by = ("start", "step")
    trail = Values(here[..., 0], ("start",)), Values(here[..., 1], ("start",))
    arrows = [
        Arrow(Values(here, by), Values(tip, by), COLORS[name], name, 3.5 if name == ours else 1.8)
        for name, tip in tips.items()
    ]
    layers: tuple[Layer, ...] = (
        Line(
            Values(boundary[..., 0], by),
            Values(boundary[..., 1], by),
            COLORS["null"],
            "both classes equally likely",
            dashed=True,
        ),
        Line(trail[0], trail[1], COLORS[ours], "path of the activity", opacity=0.5, until="step"),
        Line(Values(arc[..., 0], by), Values(arc[..., 1], by), COLORS["ink"], width=1.2),
        *arrows,
        Points(Values(here[..., 0], by), Values(here[..., 1], by), COLORS["ink"]),
    )
    x_lim, y_lim = (-2.2, 2.4), (-0.9, 2.3)
    return Panel(
        title=f"Trained by {ours}",
        alt=(
            f"Plane of hidden activity under {ours}: the path so far, and from its end the "
            "directions that BP and FA advise."
        ),
        x_label="activity of hidden unit 1",
        y_label="activity of hidden unit 2",
        x_lim=x_lim,
        y_lim=y_lim,
        x_ticks=ticks(x_lim),
        y_ticks=ticks(y_lim, 4),
        layers=layers,
        equal=True,
    )


def _curves(
    courses: dict[str, list[Course]],
    what: str,
    title: str,
    unit: str,
    ends: tuple[float, float],
    places: dict[float, str],
) -> Panel:
    steps = Values(np.arange(STEPS + 1))
    layers: list[Line | Points] = []
    for rule, runs in courses.items():
        color = COLORS[rule.upper()]
        curve = Values([getattr(course, what) for course in runs], ("start",))
        layers.append(Line(steps, curve, color, rule.upper(), until="step"))
        layers.append(Points(Values(np.arange(STEPS + 1), ("step",)), _both(runs, what), color))
    if what == "angle":
        ninety = Line(Values([0, STEPS]), Values([90, 90]), COLORS["ink"], width=0.8, dashed=True)
        layers.insert(0, ninety)
    return Panel(
        title=title,
        alt=f"{title} over the steps so far, under FA and under BP.",
        x_label="step",
        y_label=unit,
        x_lim=(0, STEPS),
        y_lim=ends,
        x_ticks=ticks((0, STEPS)),
        y_ticks=places,
        layers=tuple(layers),
        pick_x="step",
    )
