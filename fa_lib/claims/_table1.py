"""Table 1's claim: C17 (test accuracy on several data sets)."""

from __future__ import annotations

import math
from functools import partial

import pandas as pd

from fa_lib.claims._checkpoints import (
    NAME,
    accuracy_rows,
    cases,
    checkpoint_values,
    compared,
    gain,
    gap_closed,
    levels,
)
from fa_lib.claims._judgement import (
    Judgement,
    Parts,
    judgement,
    specific_to_noise,
    summarise,
)
from fa_lib.claims._measures import Detail, detail
from fa_lib.claims._statistics import holm
from fa_lib.experiments.table1 import TABLE, command, together
from fa_lib.protocol import LEVEL, Claim
from fa_lib.results import Result
from fa_lib.schema import title_of


def table1_rows(result: Result) -> pd.DataFrame:
    """Table 1 for display: its measured rows, and those that are not measured yet.

    Arguments:
        result: of "table1"; what is stored of further data sets joins it.

    Returns:
        Columns data set (its title) and those of `accuracy_rows`, and command: "" for a measured
        row; of the others, the command that measures the data set, all else being empty.
    """
    table = pd.concat([part.table for part in together(result)], ignore_index=True)
    rows = accuracy_rows(checkpoint_values(table, "dataset"), "dataset")
    measured = list(dict.fromkeys(rows["dataset"]))
    order = [*(name for name in measured if name not in TABLE), *TABLE]
    missing = pd.DataFrame({"dataset": [name for name in TABLE if name not in measured]})
    missing["command"] = [command(name, result) for name in missing["dataset"]]
    both = pd.concat([rows.astype(object), missing]).fillna("")
    both = both.sort_values("dataset", key=lambda names: names.map(order.index), kind="stable")
    both.insert(0, "data set", [title_of(name) for name in both["dataset"]])
    return both.drop(columns="dataset").reset_index(drop=True)


def _by_title(values: pd.DataFrame, setting: str) -> dict[str, pd.DataFrame]:
    return {title_of(str(name)): wide for name, wide in cases(values, "dataset", setting)}


def _gains(by_title: dict[str, pd.DataFrame], reference: str) -> Parts:
    return {title: gain(wide, "FAN", reference) for title, wide in by_title.items()}


def _judge_c17(claim: Claim, table: pd.DataFrame) -> list[Judgement]:
    values = checkpoint_values(table, "dataset")
    out = []
    for setting in claim.settings:
        by_title = _by_title(values, setting)
        if not by_title:
            continue
        parts = summarise(_gains(by_title, "FA"))
        measured = [part for part in parts if part.n]
        corrected = holm([part.p for part in measured])
        counting = [
            part
            for part, p in zip(measured, corrected, strict=True)
            if part.mean >= claim.smallest_effect and p < LEVEL
        ]
        if measured and len(counting) == len(measured):
            verdict = "PASS"
        elif counting:
            verdict = "IN PART"
        else:
            below = all(part.high < claim.smallest_effect for part in measured)
            verdict = "FAIL" if below else "OPEN"
        note = "; ".join(f"{part} ({levels(by_title[part.name])})" for part in measured)
        least = min(measured, key=lambda part: part.mean, default=None)
        surest = min(counting, key=lambda part: part.p, default=None)
        deciding = [surest] if surest and verdict == "IN PART" else measured or parts
        p_part = surest.p if surest else math.nan
        row = judgement(setting, deciding, verdict, note, shown=least, p_part=p_part)
        asked = {part.name: by_title[part.name] for part in counting or measured}
        out.append(specific_to_noise(row, partial(_gains, asked)))
    return out


def _details_c17(claim: Claim, table: pd.DataFrame) -> list[Detail]:
    values = checkpoint_values(table, "dataset")
    out = []
    for setting in claim.settings:
        for title, wide in _by_title(values, setting).items():
            where = f"{setting}, {title}"
            out += compared(NAME, wide, where, claim.unit)
            out.append(detail(gap_closed(wide), where, "FAN", ""))
    return out


JUDGES = {"C17": _judge_c17}
DETAILS = {"C17": _details_c17}
