"""Figure 1's claims: C1 (chance), C2 (alignment), C3 (input conditions)."""

from __future__ import annotations

import math
from collections.abc import Callable

import pandas as pd

from fa_lib.claims._judgement import Judgement
from fa_lib.claims._statistics import holm, mean_interval, one_sided_p
from fa_lib.protocol import LEVEL, Claim


def _ends(table: pd.DataFrame, metric: str, **where: object) -> tuple[pd.Series, pd.Series]:
    """A metric at each seed's first and last recorded step."""
    rows = table[table["metric"] == metric]
    for column, value in where.items():
        rows = rows[rows[column] == value]
    by_seed = rows.sort_values("step").groupby("seed")["value"]
    return by_seed.first(), by_seed.last()


def _widths(claim: Claim, table: pd.DataFrame) -> list[tuple[str, int]]:
    """The claim's settings that the table has: ("width 512", 512)."""
    at_hand = set(table.loc[table["panel"] == "training", "width"])
    settings = [(name, int(name.removeprefix("width "))) for name in claim.settings]
    present = [(name, width) for name, width in settings if width in at_hand]
    other = sorted(at_hand - {width for _, width in settings})
    return present + [(f"width {width}", width) for width in other]


def _judge_c1(claim: Claim, table: pd.DataFrame) -> list[Judgement]:
    floor, share, fall = (claim.limits[name] for name in ("floor", "share", "fall"))
    rows = []
    for setting, width in _widths(claim, table):
        where = {"panel": "training", "rule": "fa", "width": width}
        start, end = _ends(table, "kl_from_uniform", **where)
        left, left_low, left_high = mean_interval(end)
        fallen, _, fallen_high = mean_interval(1 - end / start)
        if left_high < floor and left <= share * start.mean():
            verdict = "PASS"
        elif fallen >= fall and left_low >= floor:
            verdict = "IN PART"
        else:
            verdict = "FAIL" if fallen_high < fall else "OPEN"
        note = (
            f"excess {start.mean():.3f} nats at the start, {left:.3f} "
            f"[{left_low:.3f}, {left_high:.3f}] at the end: down by {fallen:.0%}"
        )
        effect = mean_interval(start - end)
        rows.append(Judgement(setting, len(end), *effect, one_sided_p(start - end), verdict, note))
    return rows


def _judge_c2(claim: Claim, table: pd.DataFrame) -> list[Judgement]:
    rows = []
    for setting, width in _widths(claim, table):
        where = {"panel": "training", "width": width}
        _, angle = _ends(table, "centered_alignment_angle_w2", rule="fa", **where)
        _, by_bp = _ends(table, "centered_alignment_angle_w2", rule="bp", **where)
        null = table[(table["metric"] == "null_angle_w2") & (table["width"] == width)]
        tail = null.groupby("seed")["value"].quantile(claim.limits["tail"])
        outside = (angle < tail) & (angle < by_bp.min())
        mean, low, high = mean_interval(90 - angle)
        if mean >= claim.smallest_effect and outside.all():
            verdict = "PASS"
        else:
            verdict = "FAIL" if high < claim.smallest_effect else "OPEN"
        note = (
            f"{int(outside.sum())} of {len(angle)} seeds lie outside both nulls: fresh feedback "
            f"({claim.limits['tail']:.1%} point {tail.mean():.1f} degrees) and BP noise training "
            f"(smallest angle {by_bp.min():.1f} degrees)"
        )
        p = one_sided_p(90 - angle)
        rows.append(Judgement(setting, len(angle), mean, low, high, p, verdict, note))
    return rows


def cells(claim: Claim, table: pd.DataFrame, panel: str) -> pd.DataFrame:
    """C3's grid: for each cell mean D with its interval, Holm's p over cells, whether it counts.

    Columns distribution, mean, std, n, effect, low, high, p_holm, counts; D in degrees.
    """
    rows = []
    grid = table[(table["panel"] == panel) & (table["metric"] == "centered_alignment_angle_w2")]
    for (distribution, mean, std), cell in grid.groupby(["distribution", "mean", "std"]):
        last = cell[cell["step"] == cell["step"].max()]
        difference = 90 - last["value"].to_numpy()
        effect, low, high = mean_interval(difference)
        p = one_sided_p(difference)
        rows.append((distribution, mean, std, len(difference), effect, low, high, p))
    columns = ["distribution", "mean", "std", "n", "effect", "low", "high", "p"]
    frame = pd.DataFrame(rows, columns=columns)
    frame["p_holm"] = holm(frame.pop("p").to_list())
    frame["counts"] = (frame["effect"] >= claim.smallest_effect) & (frame["p_holm"] < LEVEL)
    return frame


def _judge_c3(claim: Claim, table: pd.DataFrame) -> list[Judgement]:
    most, some = claim.limits["most"], claim.limits["some"]
    rows = []
    for setting in claim.settings:
        grid = cells(claim, table, setting)
        if grid.empty:
            continue
        share = float(grid["counts"].mean())
        verdict = "PASS" if share >= most else "IN PART" if share >= some else "FAIL"
        n = int(grid["n"].min())
        if 0.5**n * len(grid) >= LEVEL:  # the smallest p that so few seeds could give
            verdict = "OPEN"
        note = (
            f"{int(grid['counts'].sum())} of {len(grid)} cells count; D from "
            f"{grid['effect'].min():.1f} to {grid['effect'].max():.1f} degrees"
        )
        rows.append(Judgement(setting, n, share, math.nan, math.nan, math.nan, verdict, note))
    return rows


JUDGES: dict[str, Callable[[Claim, pd.DataFrame], list[Judgement]]] = {
    "C1": _judge_c1,
    "C2": _judge_c2,
    "C3": _judge_c3,
}
