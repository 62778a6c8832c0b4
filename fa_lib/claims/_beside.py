"""What stands beside a verdict: the values of every arm and pair, and all measures of a claim."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pandas as pd

from fa_lib._checks import choice
from fa_lib.claims import _depth, _fig2, _fig3, _fig4, _fig5, _fig6, _table1
from fa_lib.claims._curves import Run, runs
from fa_lib.claims._measures import (
    DETAIL_COLUMNS,
    Detail,
    Measure,
    arm_values,
    needed,
    pair_values,
)
from fa_lib.protocol import CLAIMS, Claim

_DETAILS: dict[str, Callable[[Claim, pd.DataFrame], list[Detail]]] = {
    **_fig2.DETAILS,
    **_fig3.DETAILS,
    **_fig4.DETAILS,
    **_fig5.DETAILS,
    **_fig6.DETAILS,
    **_table1.DETAILS,
    **_depth.DETAILS,
}
_MEASURES = {
    claim: measures
    for figure in (_fig2, _fig3, _fig4, _fig5, _fig6)
    for claim, measures in figure.MEASURES.items()
}
# Those that depend on what the table holds: C16's on its tasks.
_MEASURES_OF_TABLE: dict[str, Callable[[pd.DataFrame], tuple[Measure, ...]]] = {"C16": _fig6.c16}
# How the runs that a claim looks at are found in its experiment's table.
_RUNS: dict[str, Callable[[pd.DataFrame, Iterable[str]], list[Run]]] = {
    **dict.fromkeys(_fig5.MEASURES, _fig5.runs),
    **dict.fromkeys(_fig6.JUDGES, _fig6.runs),
}


def details(claim: str, table: pd.DataFrame) -> pd.DataFrame:
    """What stands beside the verdict: all measures of a claim, and their bootstrap intervals.

    Arguments:
        claim: C4 to C18.
        table: of the experiment that the claim rests on.

    Returns:
        Columns measure, setting, comparison (two arms, or one whose value is given), n (seeds),
        effect (mean), low, high (95 % interval), unit. What the table does not have is left out.

    Raises:
        ValueError: a claim without details.
    """
    rows = _DETAILS[choice(claim, _DETAILS, "claim")](CLAIMS[claim], table)
    return pd.DataFrame(rows, columns=DETAIL_COLUMNS)


def by_arm(claim: str, table: pd.DataFrame) -> pd.DataFrame:
    """A claim's measures for every arm and seed, those left out that depend on a pair of arms.

    Arguments:
        claim: C4 to C8 or C11 to C16; all of C16's measures depend on a pair.
        table: of the experiment that the claim rests on.

    Returns:
        Columns setting, n, measure, unit, arm, seed, value.

    Raises:
        ValueError: a claim without such measures.
    """
    measures = _measures_of(claim, table)
    return arm_values(runs_of(claim, table), measures)


def by_pair(
    claim: str, table: pd.DataFrame, *, arm: str = "FAN", reference: str = "FA"
) -> pd.DataFrame:
    """A claim's measures for two arms, seed by seed, with the difference D that judges the claim.

    Arguments:
        claim, table: as in `by_arm`.
        arm: that is said to be better.
        reference: than this one.

    Returns:
        Columns setting, n, measure, seed, reference, arm (their values, in `unit`), difference (D,
        in `difference_unit`; positive where the arm is better), unit, difference_unit.

    Raises:
        ValueError: a claim without such measures.
    """
    measures = _measures_of(claim, table)
    return pair_values(runs_of(claim, table), measures, arm, reference)


def _measures_of(claim: str, table: pd.DataFrame) -> tuple[Measure, ...]:
    choice(claim, [*_MEASURES, *_MEASURES_OF_TABLE], "claim")
    return _MEASURES[claim] if claim in _MEASURES else _MEASURES_OF_TABLE[claim](table)


def runs_of(claim: str, table: pd.DataFrame) -> list[Run]:
    """The runs that a claim looks at, by setting and size, with the metrics of its measures.

    Arguments:
        claim: C4 to C8 or C11 to C16.
        table: of the experiment that the claim rests on.

    Raises:
        ValueError: a claim without such measures.
    """
    return _RUNS.get(claim, runs)(table, needed(_measures_of(claim, table)))
