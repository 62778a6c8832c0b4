"""The parts of a chapter: answer box, figure, table of statements, settings, provenance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fa_lib.answers import in_markdown, in_words, interval
from fa_lib.chapters._captions import alt_text, caption, made_by
from fa_lib.chapters._display import Markdown, Picture, boxed, folded, picture
from fa_lib.chapters._rules import measure_of, side_by_side
from fa_lib.chapters._shown import Shown
from fa_lib.judges import paired
from fa_lib.paper import CITATION

# What the paper reports of each figure, and the statement whose effect says most.
REPORTED = {
    1: (
        "training on pure noise aligns the last layer's forward weights with the feedback weights",
        "1e",
        "the angle falls by",
    ),
    2: (
        "after noise training, data are learned faster by FA, about as fast as by BP, and better",
        "2b-speed",
        "noise training changes the area under the test accuracy by",
    ),
    3: (
        "noise training narrows the gap in final accuracy to BP, over depths and data sets",
        "3",
        "noise training changes the final accuracy by",
    ),
    4: (
        "noise training makes the weights simpler and the networks generalise better",
        "4e",
        "noise training narrows the gap between test and training loss by",
    ),
    5: (
        "noise training makes networks more accurate on images from elsewhere",
        "5b",
        "on moved images noise training changes the accuracy by",
    ),
    6: (
        "noise training prepares for any task",
        "6c",
        "noise training changes the area under the test accuracy by",
    ),
}


def answer(shown: Shown) -> Markdown:
    """What the paper reports, what came out, and how sure that is."""
    reported, id, effect = REPORTED[shown.figure]
    text = f"**The paper reports** that {reported}."
    if shown.result is None:
        run = f"`fa-lib run {shown.experiment} --profile {shown.profile}`"
        return boxed(f"{text}\n\n**Not measured yet:** {run} does it.")
    found = shown.answers[id]
    if found.parts:
        base, parts = next(iter(found.parts.items()))
        size = f"In base {base}, {effect} {in_words(parts, found.reading)}."
        text += f"\n\n**Here:** {size} {counted(shown)}"
    else:
        text += f"\n\n**Here:** {counted(shown)}"
    return boxed(f"{text}\n\n**How sure:** {how_sure(shown)}")


def counted(shown: Shown) -> str:
    """How the figure's statements come out."""
    groups: dict[str, list[str]] = {}
    for id, found in shown.answers.items():
        groups.setdefault(found.words, []).append(id)
    said = "; ".join(f"**{words}**: {', '.join(ids)}" for words, ids in groups.items())
    return f"The statements: {said}."


def how_sure(shown: Shown) -> str:
    """Networks, bases and settings behind the answers."""
    bases, networks = len(shown.config.bases), len(shown.config.seeds)
    said = f"{networks} networks in each of {bases} base{'s' if bases > 1 else ''}"
    if shown.profile != "paper":
        return f"not at all, as this is the {shown.profile} profile ({said})."
    if "multiverse" in shown.results:
        return f"{said}, and ten in each of [sixty drawn settings](multiverse.ipynb)."
    return f"{said}; the sixty drawn settings are not measured yet."


def figure(shown: Shown, base: str = "") -> Picture | Markdown:
    """The paper's figure, remeasured in a base; the first where none is named."""
    from fa_lib import plotting

    if shown.result is None:
        return Markdown("The figure is drawn once its experiment has been run.")
    draw: Callable[..., Any] = getattr(plotting, f"figure{shown.figure}")
    plotting.use_style()
    setting, table = shown.base(base), shown.result.table
    # Which data set the other is, Figure 5's table does not say.
    more = {"other": shown.config.other} if shown.figure == 5 else {}
    wide, narrow = (draw(table, setting, narrow=shape, **more) for shape in (False, True))
    words = caption(shown, setting.name)
    return picture(wide, narrow, alt=alt_text(shown), caption=words, number=f"{shown.figure}.1")


def statements(shown: Shown) -> Markdown:
    """The table of the figure's statements."""
    head = ("", "the paper reports", "its test", "as printed here", "in how many settings",
            "ahead of controls too", "in a word")  # fmt: skip
    rows = []
    for id, found in shown.answers.items():
        row, statement = found.row(), found.statement
        test = ", ".join(part for part in (statement.test, statement.n, statement.p) if part)
        cells = [row[key] for key in ("printed", "settings", "beyond_controls")]
        rows.append([id, statement.reported, test or "none", *cells, f"**{row['words']}**"])
    return Markdown(in_markdown(head, rows))


def effects(shown: Shown) -> Markdown:
    """What decides each statement, and its effect in every base."""
    rows = []
    for id, found in shown.answers.items():
        for base, parts in found.parts.items():
            for name, part in parts.items():
                test, unit = paired(part.difference), part.unit or found.reading.unit
                p = found.printed[base].p.get(name)
                said = "" if p is None else f"{p:.1g}"
                rows.append([id, base, name, interval(test), unit, str(test.n), said])
    head = ("", "base", "part", "mean and 95 % interval", "unit", "networks", "p, unpaired")
    measures = [f"- **{id}**: {measure_of(id)}." for id in shown.answers]
    table = in_markdown(head, rows)
    return folded("All measures", "\n".join(measures) + f"\n\n{table}")


def settings(shown: Shown) -> Markdown:
    """The bases, which are this project's choice."""
    if shown.result is None:
        return Markdown("")
    text = side_by_side([shown.base(name) for name in shown.config.bases])
    why = "The paper's main text names none of these; they are this project's choice."
    return folded("Settings", f"{why}\n\n{text}")


def provenance(shown: Shown) -> Markdown:
    """How the chapter's result was made, and how to make it again."""
    if shown.result is None:
        return Markdown("")
    facts = shown.result.provenance
    data = ", ".join(f"{name} {mark}" for name, mark in facts["data_fingerprints"].items())
    lines = [
        made_by(shown),
        f"Code {facts['code']}; {facts['seconds'] / 3600:.2f} hours.",
        f"Data: {data or 'none'}.",
        f"Rules: {facts['rules']}.",
        f"To make it again: `{facts['command']}`.",
        f"The paper: {CITATION}.",
    ]
    return folded("Provenance", "\n".join(f"- {line}" for line in lines))


def table1(shown: Shown, base: str = "") -> Markdown:
    """The paper's Table 1: two layers, mean and standard deviation over networks."""
    from fa_lib.plotting import table1 as numbers

    if shown.result is None:
        return Markdown("")
    frame = numbers(shown.result.table, shown.base(base))
    head = ["", *map(str, frame.columns)]
    rows = [
        [str(name), *map(str, row)] for name, row in zip(frame.index, frame.to_numpy(), strict=True)
    ]
    return Markdown(in_markdown(head, rows))
