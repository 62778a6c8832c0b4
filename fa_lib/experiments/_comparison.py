"""A piece of a stored result against the same piece computed again.

On a machine like the one that made a result a network comes out to the last bit, and then every one
of its values has to. Elsewhere float32 sums are rounded in another order: early records must agree
within a tolerance, later ones lie where the stored seeds say that a network's value may lie.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special  # scipy.stats takes a second to import

from fa_lib.schema import SERIES

__all__ = ["STATES", "Comparison", "compare"]

# Up to step EARLY a record must agree within TOLERANCE: of a value, or of a tenth of the metric's
# largest where that is more. Measured with ten networks at a learning rate of 0.001, between one
# thread and two, one network and a stack, and old and new vector instructions: at most 0.003 of the
# loss after 300 steps, and 0.024 after 1,000. At 0.01 and on another make of processor the loss
# was 0.09 away after 1,000, so from there on the seeds' spread decides.
EARLY, TOLERANCE = 300, 0.05
TO_THE_BIT = 0.9  # share of a network's values equal to the last bit from which on all must be
LEVEL = 0.999  # of the interval for later records

STATES = ("to the last bit", "within tolerance", "plausible", "DIFFERS")


@dataclass(frozen=True)
class Comparison:
    """What became of a piece: `state` is one of STATES, `words` say more, with an example."""

    state: str
    words: str


def compare(stored: pd.DataFrame, again: pd.DataFrame) -> Comparison:
    """A piece's rows as they are stored, among those of other pieces, and as they come out now.

    Arguments:
        stored: the table of the whole result.
        again: the table of the piece.
    """
    lacking = {name: 0 for name in SERIES if name not in again.columns}
    stored, again = stored.assign(**lacking), again.assign(**lacking)
    keys = [column for column in again.columns if column != "value"]
    groups = [column for column in keys if column not in SERIES]
    own = stored.merge(again[groups].drop_duplicates(), on=groups) if groups else stored
    sides = [rows.assign(_nth=rows.groupby(keys, dropna=False).cumcount()) for rows in (own, again)]
    both = sides[0].merge(
        sides[1], on=[*keys, "_nth"], how="outer", suffixes=("", "_now"), indicator=True
    )
    lone = both[both["_merge"] != "both"]
    rows = both[both["_merge"] == "both"].reset_index(drop=True)
    if rows.empty:
        return Comparison("DIFFERS", "none of its rows is stored")
    wrong, later = _judged(rows, groups, own)
    network = [*groups, "seed"]
    if len(lone) and not _stopped_elsewhere(lone, rows, network, wrong):
        where = "not stored" if (lone["_merge"] == "right_only").any() else "stored, but not found"
        return Comparison("DIFFERS", f"{len(lone):,} rows are {where}: {_row(lone.iloc[0])}")
    count = f"{len(rows):,} values"
    if wrong.any():
        first = rows[wrong].iloc[0]
        values = f"stored {first['value']:.6g}, now {first['value_now']:.6g}"
        return Comparison("DIFFERS", f"{int(wrong.sum()):,} of {count}: {_row(first)} {values}")
    if _equal(rows).all():
        return Comparison("to the last bit", count)
    if later.any() or len(lone):
        return Comparison(
            "plausible", f"{count}, {int(later.sum()):,} of them by the seeds' spread"
        )
    return Comparison("within tolerance", count)


def _equal(rows: pd.DataFrame) -> pd.Series:
    return (rows["value"] == rows["value_now"]) | (rows["value"].isna() & rows["value_now"].isna())


def _judged(
    rows: pd.DataFrame, groups: list[str], own: pd.DataFrame
) -> tuple[pd.Series, pd.Series]:
    """Which rows differ by more than they may, and which pass by the seeds' spread alone."""
    equal = _equal(rows)
    apart = (rows["value"] - rows["value_now"]).abs()
    metric = [rows[column] for column in (*groups, "metric")]
    largest = rows["value"].abs().groupby(metric, dropna=False).transform("max")
    size = np.maximum(rows["value"].abs(), 0.1 * largest)
    whole = (own["value"] % 1 == 0).groupby([own[c] for c in (*groups, "metric")]).all()
    counts = pd.MultiIndex.from_arrays(metric) if len(metric) > 1 else pd.Index(metric[0])
    by_one = whole.reindex(counts).fillna(False).to_numpy(dtype=bool)  # a rank may move by one
    close = equal | (apart <= TOLERANCE * size) | (by_one & (apart <= 1))
    late = rows["step"] > EARLY
    spread = late & ~close & (apart <= _half_width(rows, groups))
    # A network that is there to the last bit must be so all along. Its first record always is.
    trained = equal.where(rows["step"] > 0)
    network = [rows[column] for column in (*groups, "seed")]
    exact = trained.groupby(network, dropna=False).transform("mean") > TO_THE_BIT
    wrong = (exact & ~equal) | ~(close | spread)
    return wrong, spread & ~wrong


def _half_width(rows: pd.DataFrame, groups: list[str]) -> pd.Series:
    """Of the interval that the stored seeds give for a network's value at a step of a metric."""
    same = rows["value"].groupby([rows[c] for c in (*groups, "metric", "step")], dropna=False)
    count, deviation = same.transform("count"), same.transform("std")
    quantile = special.stdtrit((count - 1).clip(lower=1), (1 + LEVEL) / 2)
    return (quantile * deviation * np.sqrt(1 + 1 / count.clip(lower=1))).fillna(0.0)


def _stopped_elsewhere(
    lone: pd.DataFrame, rows: pd.DataFrame, network: list[str], wrong: pd.Series
) -> bool:
    """Whether a network was merely trained on for longer in one of the two, after EARLY steps.

    Training that ends when accuracy no longer rises may end elsewhere where rounding differs; not
    where a network is there to the last bit.
    """
    if wrong.any() or _equal(rows).mean() > TO_THE_BIT:
        return False
    last = rows.groupby(network, dropna=False)["step"].max().rename("_last").reset_index()
    after = lone.merge(last, on=network, how="left")
    return bool(((after["step"] > after["_last"]) & (after["step"] > EARLY)).all())


def _row(row: pd.Series) -> str:
    """Which value that is, in words."""
    where = [
        f"{name} {value}"
        for name, value in row.items()
        if not str(name).startswith("_") and name not in ("value", "value_now") and value != ""
    ]
    return ", ".join(where)
