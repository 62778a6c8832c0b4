"""The sixty settings: all statements' answers, and each one's specification curve."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from fa_lib.answers import Answer, markdown_table
from fa_lib.chapters._display import Markdown, Picture, picture
from fa_lib.chapters._shown import Shown
from fa_lib.judges import Coded, over_settings
from fa_lib.judges._levels import levels_of
from fa_lib.settings import MULTIVERSE

# Of a statement whose parts have different units, the one that is drawn.
DRAWN_PART = {"2d": "apart"}
LEVELS = {setting.name: levels_of(setting) for setting in MULTIVERSE}


def all_statements() -> Markdown:
    """Every statement of the paper with its answers, linked to its chapter."""
    return Markdown(markdown_table())


def curves(shown: Mapping[int, Shown], chapter: int) -> Picture | Markdown:
    """The specification curves of all statements, each behind the statement's answer.

    Arguments:
        shown: of every figure.
        chapter: by which the figures are numbered.
    """
    found = [one for own in shown.values() for one in own.answers.values() if one.coded]
    if not found:
        return Markdown("Not measured yet: `fa-lib run multiverse --profile paper`.")
    parts = []
    for place, one in enumerate(found, 1):
        opened = " open" if place == 1 else ""
        title = f"<b>{one.statement.id}</b> {html.escape(one.row()['settings'])}: {one.words}"
        curve = specification(one, f"{chapter}.{place}").html
        parts.append(f"<details{opened}>\n<summary>{title}</summary>\n{curve}\n</details>")
    return Picture("\n".join(parts))


def specification(found: Answer, number: str) -> Picture:
    """The specification curve of a statement: its effect in every drawn setting.

    Arguments:
        found: what the settings say of it.
        number: of the figure.
    """
    from fa_lib import plotting

    id, reading = found.statement.id, found.reading
    over = over_settings(found.coded, id)
    how: dict[str, Any] = {"title": id, "unit": reading.unit, "smallest": reading.smallest}
    plotting.use_style()
    rows = curve_rows(found.coded, DRAWN_PART.get(id))
    wide, narrow = (plotting.specification_curve(rows, **how, narrow=n) for n in (False, True))
    words = (
        f"{id}. {found.statement.reported} Above, the effect in each of {over.applicable} settings "
        f"with its 95 % interval; below, the settings' levels. Yes in {over.counts['yes']}."
    )
    alt = f"Effects in ascending order with intervals over a matrix of marks. {words}"
    return picture(wide, narrow, alt=alt, caption=words, number=number, pixels=True)


def curve_rows(found: Sequence[Coded], part: str | None = None) -> pd.DataFrame:
    """A row for each setting in which a statement is asked: effect, interval, code, levels.

    Arguments:
        found: what each setting says.
        part: whose effect it is; None for the part that decided.
    """
    rows = []
    for row in found:
        if row.code:
            # None where every network diverged.
            test = row.tests.get(row.part if part is None else part)
            low, high = test.interval() if test else (math.nan, math.nan)
            own = {"setting": row.setting, "effect": test.mean if test else math.nan}
            rows.append(own | {"low": low, "high": high, "code": row.code} | LEVELS[row.setting])
    return pd.DataFrame(rows)
