"""The second and third answer: in how many settings, and whether it takes noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from fa_lib.judges._differences import applies, differences, learns
from fa_lib.judges._runs import Runs
from fa_lib.judges._statistics import Spread, code, equivalence_code, paired, spread, worst
from fa_lib.protocol2 import BASES_NEEDED, FEW, FEWEST, HALF, LEVEL, MOST, READINGS


@dataclass(frozen=True)
class Coded:
    """What one setting says of one statement.

    Attributes:
        setting: its name.
        code: yes, opposite, none or unclear; "" where the statement does not apply.
        effect, error: mean of D and its standard error, of the part that decided.
        part: that part; "" of a statement of one.
        learned: whether BP learns in the setting.
        diverged: networks that were left out.
        beyond: of each control, whether FAN is ahead of it too; of yes settings alone.
    """

    setting: str
    code: str
    effect: float
    error: float
    part: str
    learned: bool
    diverged: int
    beyond: Mapping[str, bool]


def coded(runs: Runs, statement: str) -> Coded:
    """Code a setting's runs."""
    found, part, effect, error = _code(runs, statement, "FA")
    if not applies(runs, statement):
        found = ""
    controls = READINGS[statement].controls if found == "yes" else ()
    beyond = {control: _code(runs, statement, control)[0] == "yes" for control in controls}
    return Coded(
        runs.setting.name, found, effect, error, part, learns(runs), len(runs.diverged), beyond
    )


def _code(runs: Runs, statement: str, against: str) -> tuple[str, str, float, float]:
    """Code, part that decided, and its mean and standard error."""
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
    return decides, part, tests[part].mean, tests[part].error


@dataclass(frozen=True)
class OverSettings:
    """A statement's answer over the settings.

    Attributes:
        counts: settings by code; "" counts those where it does not apply.
        counts_learned: the same of those in which BP learns.
        beyond: of each control, in how many of the yes settings FAN is ahead of it too.
        spread: of the effects; None for a statement of several parts, or too few settings.
    """

    counts: Mapping[str, int]
    counts_learned: Mapping[str, int]
    beyond: Mapping[str, int]
    spread: Spread | None

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
    counts = _counts(found)
    learned = _counts([row for row in found if row.learned])
    beyond = {
        control: sum(row.beyond[control] for row in asked if row.code == "yes")
        for control in READINGS[statement].controls
    }
    known = [row for row in asked if row.error > 0]
    one_part = all(row.part == "" for row in found)
    effects = (
        spread([r.effect for r in known], [r.error for r in known]) if len(known) > 2 else None
    )
    return OverSettings(counts, learned, beyond, effects if one_part else None)


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
    grouped = pd.DataFrame(rows).groupby(["factor", "level"], sort=False)["yes"]
    return grouped.agg(settings="count", yes="mean").reset_index()
