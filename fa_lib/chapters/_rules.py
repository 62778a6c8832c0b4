"""The rules of the protocol as tables, for the page on how statements are judged."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields

from fa_lib.answers import in_markdown
from fa_lib.chapters._display import Markdown, folded
from fa_lib.judges._levels import levels_of
from fa_lib.paper import STATEMENTS
from fa_lib.protocol import APART, CELLS, READINGS, SPREAD, WRITTEN
from fa_lib.settings import BASES, FACTORS, MULTIVERSE, Setting

# Names in the protocol's table, in words.
NAMES = {
    "H": "the horizon",
    "APART": f"{APART:g}",
    "SPREAD": f"{SPREAD:.0%}",
    "CELLS": f"{CELLS:.0%}",
}


def measure_of(id: str) -> str:
    """What decides a statement, in words."""
    text = READINGS[id].measure
    for name, words in NAMES.items():
        text = re.sub(rf"\b{name}\b", words, text)
    return text


def rules() -> Markdown:
    """What decides each statement."""
    rows = []
    for id, reading in READINGS.items():
        smallest = f"{reading.smallest:g} {reading.unit}" if reading.smallest else "above zero"
        where = "bases and settings" if reading.settings else "bases"
        asked = ", ".join(filter(None, (measure_of(id), reading.applies)))
        controls = ", ".join(reading.controls) or "not asked"
        rows.append([id, asked, smallest, where, controls, reading.beside])
    head = ("", "decides", "counts from", "judged in", "controls", "beside, and never decides")
    written = f"Written {WRITTEN[1][:10]}; hash `{WRITTEN[0]}`."
    return Markdown(f"{in_markdown(head, rows)}\n\n{written}")


def reported() -> Markdown:
    """What the paper reports, by panel, with its own test."""
    rows = [
        [id, found.panel, found.reported, found.test or "none", found.n, found.p]
        for id, found in STATEMENTS.items()
    ]
    table = in_markdown(("", "panel", "reported", "test", "n", "P as printed"), rows)
    return folded("What the paper reports, panel by panel", table)


def bases() -> Markdown:
    """The three bases."""
    return Markdown(side_by_side(BASES))


def side_by_side(settings: Sequence[Setting]) -> str:
    """Settings in columns, in Markdown."""
    rows = [
        [field.name, *(str(getattr(setting, field.name)) for setting in settings)]
        for field in fields(Setting)
        if field.name != "name"
    ]
    return in_markdown(("", *(setting.name for setting in settings)), rows)


def factors() -> Markdown:
    """The factors of the sixty settings, and how many settings have each level."""
    drawn = [levels_of(setting) for setting in MULTIVERSE]
    rows = []
    for factor in FACTORS:
        levels = [levels[factor] for levels in drawn]
        counts = (f"{level} ({levels.count(level)})" for level in dict.fromkeys(sorted(levels)))
        rows.append([factor, ", ".join(counts)])
    return Markdown(in_markdown(("factor", "levels (settings)"), rows))
