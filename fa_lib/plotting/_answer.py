"""The answer in one figure: what noise training changes about learning, claim by claim."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from fa_lib.claims import Judgement, Verdict
from fa_lib.plotting._style import ARMS, COLORS

__all__ = ["about_data", "plot_effects"]

# What the claims about learning from data say, in a few words. The others (C1 to C3, C9, C10) are
# about noise training alone.
WORDS = {
    "C4": "alignment stays ahead",
    "C5": "learns faster",
    "C6": "ends higher",
    "C7": "updates nearer to BP's",
    "C8": "straighter path",
    "C11": "solutions of lower rank",
    "C12": "generalises better",
    "C13": "better on transformed images",
    "C14": "better on USPS",
    "C15": "meta-loss falls",
    "C16": "tasks learned faster",
    "C17": "ends higher, Table 1's sets",
    "C18": "ends higher when deeper",
}
SPECIFIC = {
    "yes": ", specific to noise",
    "no": ", not specific to noise",
    "in part": ", specific to noise in part",
}
REACH = (-4.0, 8.0)  # multiples of the smallest effect that counts; beyond, an arrow
HEAD, GAP = 1.9, 0.2  # in rows: from a claim's top to its first setting, and below its last


def about_data(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The verdicts on claims about learning from data, not on those about noise training alone."""
    return [verdict for verdict in verdicts if verdict.claim.id in WORDS]


def plot_effects(ax: Axes, verdicts: Sequence[Verdict]) -> None:
    """The effect of noise training on learning, for every claim in every setting, in one unit.

    A row is D's mean with its 95 % interval, divided by the smallest effect that counts (dotted,
    at 1). A green square counts (PASS, or IN PART), an orange disc is surely below zero, a hollow
    circle is neither. An arrow at the axis' end stands for a mean beyond it.

    Arguments:
        verdicts: those on noise training alone are left out, see `about_data`.

    Raises:
        ValueError: nothing to draw.
    """
    shown = about_data(verdicts)
    if not shown:
        raise ValueError("There is no verdict on a claim about learning from data to draw.")
    top = 0.0
    for place, verdict in enumerate(shown):
        first = top + HEAD
        bottom = first + len(verdict.settings) - 0.5
        if place % 2 == 0:
            ax.axhspan(top, bottom + GAP, color="#F2F2F2", lw=0, zorder=0)
        for value, dashes in ((0, (0, (4, 2))), (1, ":")):
            ends = [first - 0.5, bottom]
            ax.plot([value, value], ends, color=COLORS["ink"], lw=0.8, ls=dashes, zorder=1)
        _name(ax, first - 1, verdict)
        for row, judgement in enumerate(verdict.settings):
            _draw(ax, first + row, judgement, verdict.claim.smallest_effect)
        top = bottom + GAP
    ax.set(xlim=REACH, ylim=(top, 0), yticks=[])
    ax.spines["left"].set_visible(False)
    ax.set_xlabel("effect of noise training,\nin multiples of the smallest that counts")


def _name(ax: Axes, at: float, verdict: Verdict) -> None:
    """The claim in bold and its verdict, above its rows."""
    words = WORDS[verdict.claim.id].replace(" ", r"\ ").replace("'", "{'}")
    words = words.replace("-", "\N{HYPHEN}")  # else a minus
    text = rf"$\bf{{{verdict.claim.id}\ {words}}}$: {verdict.outcome}"
    text += SPECIFIC.get(verdict.specific, "")
    ax.annotate(text, (0.01, at), xycoords=ax.get_yaxis_transform(), va="center", fontsize=7.5)


def _draw(ax: Axes, at: float, judgement: Judgement, smallest: float) -> None:
    """A row: the interval, its mean, and the setting's name at the right."""
    if not math.isnan(judgement.effect):
        values = np.array([judgement.effect, judgement.low, judgement.high]) / smallest
        mean, *interval = np.clip(values, *REACH)
        look: dict[str, Any]
        if judgement.verdict in ("PASS", "IN PART"):
            look = {"color": COLORS["FAN"], "marker": ARMS["FAN"].marker}
        elif judgement.high < 0:
            look = {"color": COLORS["FA"], "marker": ARMS["FA"].marker}
        else:
            look = {"color": COLORS["ink"], "marker": "o", "mfc": "white"}
        if mean != values[0]:
            look["marker"] = "<" if mean == REACH[0] else ">"
        ax.plot(interval, [at, at], color=look["color"], lw=1.3, zorder=2, clip_on=False)
        ax.plot(mean, at, ls="", ms=4.5, mew=1.0, zorder=3, clip_on=False, **look)
    ax.annotate(
        judgement.setting.replace("_", " "),
        (1.02, at),
        xycoords=ax.get_yaxis_transform(),
        va="center",
        fontsize=6.5,
        annotation_clip=False,
    )
