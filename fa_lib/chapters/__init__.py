"""What the chapters take from results: their answers in words, figures and tables.

A chapter's cell is one call of these; `load` comes first.
"""

from fa_lib.chapters._beside import by_moment, by_unit
from fa_lib.chapters._rules import bases, factors, reported, rules
from fa_lib.chapters._settings import all_statements, curves
from fa_lib.chapters._shown import Shown, load
from fa_lib.chapters._words import (
    answer,
    effects,
    figure,
    provenance,
    settings,
    statements,
    table1,
)

__all__ = [
    "Shown",
    "all_statements",
    "answer",
    "bases",
    "by_moment",
    "by_unit",
    "curves",
    "effects",
    "factors",
    "figure",
    "load",
    "provenance",
    "reported",
    "rules",
    "settings",
    "statements",
    "table1",
]
