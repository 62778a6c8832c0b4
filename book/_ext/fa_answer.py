"""The answer in one figure, `{answer}`: drawn from the stored results while chapters are executed.

It is drawn twice, for wide and for narrow screens; the style sheet shows the one that fits.
"""

import functools
import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import matplotlib as mpl
from docutils import nodes
from fa_tables import judged
from matplotlib.figure import Figure
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

from fa_lib import plotting
from fa_lib.claims import Judgement, Run, Verdict, runs
from fa_lib.experiments import stored_result
from fa_lib.results import Result

INDEX = "book/index"  # the page that shows it
ACCURACY = "test_accuracy"
ROW = 0.13  # inches, of a row of effects
ALT = (
    "Two plots of test accuracy over data steps and one of effects. With one learning rate for all "
    "arms and with a tuned one for each: feedback alignment, the same after noise training, and "
    "backpropagation, with 95 percent bands. Then, for every claim about learning from data, a row "
    "for each setting with the effect of noise training, its 95 percent interval, and lines at "
    "zero and at the smallest effect that counts. The table of verdicts has the numbers."
)
CAPTION = (
    "Does noise training make {{term}}`feedback alignment` learn fast and well? **a, b** Learning "
    "curves at the headline size, with one small learning rate for all {{term}}`arms <arm>` "
    "(setting F) and with the best of each arm, chosen on validation images (T; there plain FA "
    "also chose the size of its first {{term}}`readout`). Bands are 95 % intervals over seeds, a "
    "triangle marks the end of epoch 1, and *area* is what noise training adds to the mean height "
    "of the curve. **c** The effect on what each claim is judged by, with its 95 % interval. A "
    "green square counts by the claim's rule, an orange disc is surely below zero, a hollow circle "
    "is neither; an arrow stands for a mean beyond the axis. *Provenance:* {provenance}."
)
TITLES = {"F": "one learning rate (F)", "T": "tuned rates (T)"}


def draw(curves: Sequence[Run], verdicts: Sequence[Verdict], *, narrow: bool) -> Figure:
    """Learning curves in settings F and T, and below them the effect in every setting."""
    shown = plotting.about_data(verdicts)
    columns = [shown] if narrow else halves(shown)
    effects = ROW * max(map(height, columns)) + 0.6
    fig = Figure(figsize=(3.7 * len(columns), 2.6 + effects), layout="constrained")
    above, below = fig.subfigures(2, 1, height_ratios=[2.6, effects])
    gains = {row.setting: row for v in verdicts if v.claim.id == "C5" for row in v.settings}
    lines = []
    axes = above.subplots(1, len(curves), sharey=True)
    for ax, letter, run in zip(axes, "ab", curves, strict=True):
        lines.append(plotting.plot_curves(ax, run, ACCURACY, arms=plotting.STRONG_ARMS, scale=100))
        plotting.panel_title(ax, letter, TITLES[run.setting])
        ax.set(ylim=(0, 100), ylabel="test accuracy (%)")
        gain = gains[run.name]
        words = f"area {gain.effect:+.1f} points\n[{gain.low:.1f}, {gain.high:.1f}]"
        ax.text(0.98, 0.05, words, transform=ax.transAxes, ha="right", fontsize=7.5)
        ax.label_outer()
    plotting.legend_below(above, *lines)
    axes = below.subplots(1, len(columns), squeeze=False)[0]
    for ax, column in zip(axes, columns, strict=True):
        plotting.plot_effects(ax, column)
    lowest = max(ax.get_ylim()[0] for ax in axes)
    for ax in axes:
        ax.set_ylim(lowest, 0)
    plotting.panel_title(axes[0], "c", "every claim about learning from data")
    return fig


def height(verdicts: Sequence[Verdict]) -> int:
    """Rows that the effects take, about two of them for each claim's name."""
    return sum(len(verdict.settings) + 2 for verdict in verdicts)


def halves(verdicts: list[Verdict]) -> list[list[Verdict]]:
    """The verdicts in two columns of about the same height; in one if there is but one."""
    cuts = range(1, len(verdicts))
    if not cuts:
        return [verdicts]
    cut = min(cuts, key=lambda cut: max(height(verdicts[:cut]), height(verdicts[cut:])))
    return [verdicts[:cut], verdicts[cut:]]


def in_words(curves: Sequence[Run], verdicts: Sequence[Verdict]) -> str:
    """What was gained in speed and at the end, and how many effects count, in F and in T."""
    gains = []
    for claim, what in (
        ("C5", " points of area under the curve"),
        ("C6", " of accuracy at the end"),
    ):
        rows = {row.setting: row for v in verdicts if v.claim.id == claim for row in v.settings}
        found = [
            f"{_interval(rows[run.name])}{'' if place else what} in {run.setting}"
            for place, run in enumerate(curves)
        ]
        gains.append(" and ".join(found))
    judged_in: dict[str, list[bool]] = {}
    for verdict in plotting.about_data(verdicts):
        for row in verdict.settings:  # F or T, whatever else a setting names
            judged_in.setdefault(row.setting[0], []).append(row.verdict in ("PASS", "IN PART"))
    counts = [
        f"{sum(counted) or 'none'} of {len(counted)} in {setting}"
        for setting, counted in judged_in.items()
    ]
    return (
        f"On {curves[0].n:,} images, noise training gains {', and '.join(gains)}. Effects large "
        f"enough to count: {', '.join(counts)}."
    )


def _interval(row: Judgement) -> str:
    return f"{row.effect:.2g} [{row.low:.2g}, {row.high:.2g}]"


def draw_into(pictures: Sequence[Path]) -> tuple[Result, list[Run]]:
    """Draw the figure, wide and narrow, into two files.

    Returns:
        The result that it shows, and the runs whose curves it has.

    Raises:
        LookupError: the result is not stored, or is stale.
    """
    result, verdicts = stored_result("learning", "paper"), judged()
    if result is None:
        raise LookupError("The answer needs the stored result learning/paper, absent or stale.")
    found = [run for run in runs(result.table, [ACCURACY]) if run.full]
    curves = [run for run in found if run.n == found[0].n]
    with mpl.rc_context():
        plotting.use_style()
        for path, narrow in zip(pictures, (False, True), strict=True):
            draw(curves, verdicts, narrow=narrow).savefig(path, metadata={"Date": None})
    return result, curves


@functools.cache
def _drawing(*pictures: Path) -> Future[tuple[Result, list[Run]]]:
    return ThreadPoolExecutor(1).submit(draw_into, pictures)


def pictures(env: BuildEnvironment) -> list[Path]:
    """Where the figure is drawn: Sphinx keeps there what it makes on the way."""
    return [Path(env.doctreedir) / f"answer-{shape}.svg" for shape in ("wide", "narrow")]


def begin(app: Sphinx, pages: list[str]) -> None:
    """Judge and draw while the chapters are executed, if the page that needs it is to be read."""
    if INDEX in pages:
        _drawing(*pictures(app.env))


class Answer(SphinxDirective):
    """The figure, in both shapes, and what it shows in words."""

    def run(self) -> list[nodes.Node]:
        """Take the pictures, drawn by now or soon, into the page."""
        paths = pictures(self.env)
        try:
            result, curves = _drawing(*paths).result()
        except LookupError as absent:
            raise self.error(str(absent)) from absent
        figure = nodes.figure(classes=["answer"], names=["answer"])
        for path in paths:
            uri = "/" + os.path.relpath(path, self.env.srcdir)
            figure += nodes.image(uri=uri, alt=ALT, classes=[path.stem])
        facts = result.provenance
        provenance = (
            f"learning/{facts['name']}, {facts['config']['dataset']}, {facts['date'][:10]}, "
            f"{facts['device']}, torch {facts['torch']}, code {facts['code']}"
        )
        figure += nodes.caption("", "", *self.inline(CAPTION.format(provenance=provenance)))
        self.state.document.note_explicit_target(figure, figure)
        return [figure, nodes.paragraph("", "", *self.inline(in_words(curves, judged())))]

    def inline(self, text: str) -> list[nodes.Node]:
        """Markdown of one paragraph as nodes."""
        parsed, messages = self.state.inline_text(text, self.lineno)
        return [*parsed, *messages]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_directive("answer", Answer)
    app.connect("chapters-begin", begin)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
