"""The sixty settings: all statements' answers, and each one's specification curve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from fa_lib.answers import markdown_table
from fa_lib.chapters._display import Markdown, Picture, picture
from fa_lib.chapters._shown import Shown
from fa_lib.judges import Coded, over_settings
from fa_lib.judges._levels import levels_of
from fa_lib.settings import MULTIVERSE

LEVELS = {setting.name: levels_of(setting) for setting in MULTIVERSE}


def all_statements() -> Markdown:
    """Every statement of the paper with its answers, linked to its chapter."""
    return Markdown(markdown_table())


def specification(shown: Shown, id: str, number: str) -> Picture | Markdown:
    """The specification curve of a statement: its effect in every drawn setting.

    Arguments:
        shown: of the statement's figure.
        id: of the statement.
        number: of the figure.
    """
    from fa_lib import plotting

    found = shown.answers[id]
    if not found.coded:
        return Markdown("Not measured yet: `fa-lib run multiverse --profile paper`.")
    reading, over = found.reading, over_settings(found.coded, id)
    how: dict[str, Any] = {"title": id, "unit": reading.unit, "smallest": reading.smallest}
    plotting.use_style()
    rows = curve_rows(found.coded)
    wide, narrow = (plotting.specification_curve(rows, **how, narrow=n) for n in (False, True))
    words = (
        f"{id}. {found.statement.reported} Above, the effect in each of {over.applicable} settings "
        f"with its 95 % interval; below, the settings' levels. Yes in {over.counts['yes']}."
    )
    alt = f"Effects in ascending order with intervals over a matrix of marks. {words}"
    return picture(wide, narrow, alt=alt, caption=words, number=number)


def curve_rows(found: Sequence[Coded]) -> pd.DataFrame:
    """A row for each setting in which a statement is asked: effect, interval, code, levels."""
    rows = []
    for row in found:
        if row.code and row.tests:
            test = row.tests[row.part]
            low, high = test.interval()
            own = {"setting": row.setting, "effect": test.mean, "low": low, "high": high}
            rows.append(own | {"code": row.code} | LEVELS[row.setting])
    return pd.DataFrame(rows)
