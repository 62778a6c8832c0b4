"""The paper's statements with their three answers, from results at hand."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from fa_lib._checks import choice
from fa_lib.experiments import get_experiment, list_experiments, resolve, stored_result
from fa_lib.experiments._config import from_settings
from fa_lib.judges import (
    Coded,
    OverSettings,
    Paired,
    Parts,
    Printed,
    Tables,
    ahead_of,
    as_printed,
    bases_of,
    codes_of_settings,
    over_settings,
    paired,
    parts_of,
    words,
)
from fa_lib.paper import STATEMENTS, Statement
from fa_lib.protocol import BASES_NEEDED, READINGS, Reading

__all__ = ["Answer", "answer", "markdown_table", "statements", "stored_tables"]

NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Answer:
    """What was found of one statement.

    Attributes:
        statement: of the paper.
        printed: of each base in which it is measured, whether it comes out as printed.
        parts: of each base the two samples behind it, by part.
        coded: of each of the sixty settings what it says; empty where none is measured, or where
            the statement is judged in the bases only.
        beyond: where it is, of each control in how many of the yes bases FAN is ahead of it too.
    """

    statement: Statement
    printed: Mapping[str, Printed]
    parts: Mapping[str, Parts]
    coded: Sequence[Coded] = ()
    beyond: Mapping[str, int] = field(default_factory=dict)

    @property
    def reading(self) -> Reading:
        """What decides it."""
        return READINGS[self.statement.id]

    @property
    def yes(self) -> int:
        """In how many bases it comes out as printed."""
        return sum(found.yes for found in self.printed.values())

    @property
    def over(self) -> OverSettings | None:
        """The answer over settings; None where there is none."""
        return over_settings(self.coded, self.statement.id) if self.coded else None

    @property
    def words(self) -> str:
        """The answer in a word or two, by the protocol."""
        if not self.printed:
            return NOT_MEASURED
        if self.over is not None:
            return words(self.yes, self.over)
        if self.reading.settings:
            said = "" if self.yes >= BASES_NEEDED else "not "
            return f"{said}as printed in the bases; settings {NOT_MEASURED}"
        return words(self.yes, OverSettings({}, {}, {}, {}))

    def row(self) -> dict[str, Any]:
        """The statement and its answers in words, for a table."""
        return {
            "id": self.statement.id,
            "panel": self.statement.panel,
            "statement": self.statement.reported,
            "printed": f"{self.yes} of {len(self.printed)}" if self.printed else NOT_MEASURED,
            "settings": self._settings(),
            "beyond_controls": self._beyond(),
            "words": self.words,
            "effect": {base: in_words(parts, self.reading) for base, parts in self.parts.items()},
        }

    def _settings(self) -> str:
        if not self.reading.settings:
            return "bases only"
        if self.over is None:
            return NOT_MEASURED
        yes, opposite = (self.over.counts[code] for code in ("yes", "opposite"))
        text = f"{yes} of {self.over.applicable}"
        return f"{text}, opposite in {opposite}" if opposite else text

    def _beyond(self) -> str:
        if not self.reading.controls:
            return "not asked"
        if self.over is not None:
            yes, beyond = self.over.counts["yes"], self.over.beyond
        elif self.printed and not self.reading.settings:
            yes, beyond = self.yes, self.beyond
        else:
            return NOT_MEASURED
        counts = (f"{control} {count}" for control, count in beyond.items())
        return f"{', '.join(counts)} of {yes}"


def in_words(parts: Parts, reading: Reading) -> str:
    """The mean difference of a base with its paired 95 % interval; of parts, the least one's."""
    if not parts:
        return "does not apply"
    tests = {name: paired(part.difference) for name, part in parts.items()}
    name = min(parts, key=lambda name: tests[name].mean / (parts[name].smallest or 1.0))
    text = f"{interval(tests[name])} {parts[name].unit or reading.unit}"
    return text if len(parts) == 1 else f"{text} ({name}, the least of {len(parts)})"


def interval(test: Paired) -> str:
    """Mean and 95 % interval, with two figures of the interval's half width."""
    low, high = test.interval()
    half = (high - low) / 2
    digits = min(4, max(0, 1 - math.floor(math.log10(half)))) if half > 0 else 2
    if math.isnan(low):
        return f"{test.mean:+.2f}"
    return f"{test.mean:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"


def answer(statement: str, tables: Tables) -> Answer:
    """One statement's answers.

    Arguments:
        statement: its id.
        tables: results at hand, by experiment.

    Raises:
        ValueError: an unknown id.
    """
    found = STATEMENTS[choice(statement, STATEMENTS, "statement")]
    bases = bases_of(tables, statement)
    printed = {base: as_printed(tables, statement, base) for base in bases}
    parts = {base: parts_of(tables, statement, base) for base in bases}
    reading = READINGS[statement]
    if not reading.settings:
        yes = [base for base in bases if printed[base].yes]
        beyond = {
            control: sum(ahead_of(tables, statement, base, control) for base in yes)
            for control in reading.controls
        }
        return Answer(found, printed, parts, beyond=beyond)
    if "multiverse" not in tables:
        return Answer(found, printed, parts)
    coded = codes_of_settings(*tables["multiverse"], [statement])[statement]
    return Answer(found, printed, parts, coded)


def stored_tables(profile: str = "paper") -> Tables:
    """The results of a profile that are stored and fit for use, by experiment."""
    found = {}
    for name in dict.fromkeys(map(resolve, list_experiments())):
        result = stored_result(name, profile)
        if result is not None:
            config = from_settings(get_experiment(name), result.provenance["config"])
            found[name] = result.table, config
    return found


@functools.cache
def _answers(profile: str) -> dict[str, Answer]:
    tables = dict(stored_tables(profile))
    settings = tables.pop("multiverse", None)
    found = {id: answer(id, tables) for id in STATEMENTS}
    if settings:  # all statements from one reading of each setting
        for id, coded in codes_of_settings(*settings).items():
            found[id] = replace(found[id], coded=coded)
    return found


def statements(profile: str = "paper") -> pd.DataFrame:
    """The paper's statements and what was found, from the stored results.

    Returns:
        A row for each, with columns id, panel, statement, printed (in how many of the bases it
        comes out as printed), settings (in how many of the drawn settings), beyond_controls (in how
        many of these noise training is ahead of a control too), words (the answer in a word), and
        effect (base -> mean difference in the statement's unit with its 95 % interval).
    """
    return pd.DataFrame([found.row() for found in _answers(profile).values()])


def markdown_table(links: str = "") -> str:
    """The table of all statements in Markdown, from the stored results.

    Arguments:
        links: what stands before the chapters' file names.
    """
    head = ("", "the paper reports", "as printed", "in how many settings", "ahead of controls too",
            "in a word")  # fmt: skip
    rows = []
    for found in _answers("paper").values():
        row = found.row()
        cells = [row[key] for key in ("statement", "printed", "settings", "beyond_controls")]
        link = f"[{row['id']}]({links}{CHAPTERS[found.statement.figure]}.ipynb)"
        rows.append([link, *cells, f"**{row['words']}**"])
    return in_markdown(head, rows)


def in_markdown(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    cells = ([str(cell).replace("|", r"\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


# Where each of the paper's figures is remeasured.
CHAPTERS = {
    1: "fig1_noise_aligns",
    2: "fig2_then_data",
    3: "fig3_depths_and_data_sets",
    4: "fig4_simpler_solutions",
    5: "fig5_out_of_distribution",
    6: "fig6_any_task",
}
