"""The second and third answer: in how many settings, and whether it takes noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from fa_lib.judges._differences import applies, differences, learns
from fa_lib.judges._runs import Runs
from fa_lib.judges._statistics import (
    Paired,
    Spread,
    code,
    equivalence_code,
    paired,
    spread,
    worst,
)
from fa_lib.protocol import BASES_NEEDED, FEW, FEWEST, HALF, LEVEL, MOST, READINGS


@dataclass(frozen=True)
class Coded:
    """What one setting says of one statement.

    Attributes:
        setting: its name.
        code: yes, opposite, none or unclear; "" where the statement does not apply.
        part: the part that decided; "" of a statement of one.
        tests: the paired test of each part.
        learned: whether BP learns in the setting.
        beyond: of each control, whether FAN is ahead of it too; of yes settings alone.
    """

    setting: str
    code: str
    part: str
    tests: Mapping[str, Paired]
    learned: bool
    beyond: Mapping[str, bool]


def coded(runs: Runs, statement: str) -> Coded:
    """Code a setting's runs.

    Where every network of a part diverged there is no test, and the code is "unclear".
    """
    name = runs.setting.name
    try:
        found, part, tests = _code(runs, statement, "FA")
        asked, learned = applies(runs, statement), learns(runs)
    except KeyError:
        if not runs.diverged:
            raise
        return Coded(name, "unclear", "", {}, False, {})
    found = found if asked else ""
    controls = READINGS[statement].controls if found == "yes" else ()
    beyond = {control: _code(runs, statement, control)[0] == "yes" for control in controls}
    return Coded(name, found, part, tests, learned, beyond)


def _code(runs: Runs, statement: str, against: str) -> tuple[str, str, dict[str, Paired]]:
    """Code, part that decided, and the parts' tests."""
    parts = differences(runs, statement, against)
    tests = {name: paired(part.difference) for name, part in parts.items()}
    if statement == "2g-stuck":
        codes = {n: equivalence_code(p.difference, p.smallest) for n, p in parts.items()}
    else:
        codes = {n: code(p.difference, p.smallest, LEVEL) for n, p in parts.items()}
    decides = worst(list(codes.values()))
    # Of the parts with that code the one whose effect is least, in units of what counts.
    decided = [name for name in parts if codes[name] == decides]
    part = min(decided, key=lambda name: tests[name].mean / (parts[name].smallest or 1.0))
    return decides, part, tests


@dataclass(frozen=True)
class OverSettings:
    """A statement's answer over the settings.

    Attributes:
        counts: settings by code; "" counts those where it does not apply.
        counts_learned: the same of those in which BP learns.
        beyond: of each control, in how many of the yes settings FAN is ahead of it too.
        spreads: of the applicable settings' effects, by part; none of fewer than three settings.
    """

    counts: Mapping[str, int]
    counts_learned: Mapping[str, int]
    beyond: Mapping[str, int]
    spreads: Mapping[str, Spread]

    @property
    def applicable(self) -> int:
        """Settings in which it is asked."""
        return sum(count for code, count in self.counts.items() if code)

    def share(self, code: str) -> float:
        """Of the applicable settings that say so."""
        return self.counts.get(code, 0) / self.applicable if self.applicable else 0.0


def over_settings(found: Sequence[Coded], statement: str) -> OverSettings:
    """The answer over settings, from what each says."""
    asked = [row for row in found if row.code]
    beyond = {
        control: sum(row.beyond[control] for row in asked if row.code == "yes")
        for control in READINGS[statement].controls
    }
    spreads = {}
    for part in dict.fromkeys(part for row in asked for part in row.tests):
        tests = [row.tests[part] for row in asked if part in row.tests]
        tests = [test for test in tests if test.error > 0]
        if len(tests) > 2:
            spreads[part] = spread([t.mean for t in tests], [t.error for t in tests])
    learned = _counts([row for row in found if row.learned])
    return OverSettings(_counts(found), learned, beyond, spreads)


def _counts(found: Sequence[Coded]) -> dict[str, int]:
    codes = [row.code for row in found]
    return {code: codes.count(code) for code in ("yes", "opposite", "none", "unclear", "")}


def words(bases: int, over: OverSettings) -> str:
    """The answer in a word, by the rules of the protocol.

    Arguments:
        bases: in how many of the three it comes out as printed.
        over: the settings.
    """
    if over.applicable < FEWEST:
        return "reproduced in the bases" if bases >= BASES_NEEDED else "not reproduced in the bases"
    if bases >= BASES_NEEDED and over.share("yes") >= MOST:
        return "reproduced"
    if over.share("yes") < FEW:
        return "opposite" if over.share("opposite") >= HALF else "not reproduced"
    return "depends"


def by_level(found: Sequence[Coded], levels: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Share of the applicable settings coded yes at each level of each factor.

    Arguments:
        found: of one statement.
        levels: of each setting, by its name: factor -> level.

    Returns:
        Columns factor, level, settings, yes (a share).
    """
    rows = [
        {"factor": factor, "level": level, "yes": row.code == "yes"}
        for row in found
        if row.code
        for factor, level in levels[row.setting].items()
    ]
    grouped = pd.DataFrame(rows, columns=["factor", "level", "yes"]).groupby(
        ["factor", "level"], sort=False
    )["yes"]
    return grouped.agg(settings="count", yes="mean").reset_index()
