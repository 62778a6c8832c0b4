"""The paper's claims as statistical tests: from a result's table to a verdict.

The rules are the rows of `fa_lib.protocol.CLAIMS`; here is how they are applied. Whatever a chapter
or the README says of a claim comes from `judge`, so a changed result changes the verdict.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from fa_lib.protocol import CLAIMS, FAMILY, Claim

__all__ = ["Judgement", "Verdict", "holm", "judge", "mean_interval", "one_sided_p", "verdict_table"]

LEVEL = 0.05


@dataclass(frozen=True)
class Judgement:
    """A claim in one setting.

    Attributes:
        setting: its name, one of the claim's settings.
        n: seeds.
        effect, low, high: mean of the claim's endpoint and its 95 % interval, in the claim's unit;
            for C3 the share of cells that count, without an interval.
        p: one-sided, before Holm's correction; NaN where the rule has a correction of its own.
        p_holm: after Holm's correction over all claims in that setting.
        verdict: "PASS", "IN PART", "FAIL" or "OPEN".
        note: what else the rule looked at, in words with numbers.
    """

    setting: str
    n: int
    effect: float
    low: float
    high: float
    p: float
    verdict: str
    note: str
    p_holm: float = math.nan


@dataclass(frozen=True)
class Verdict:
    """A claim over all settings: it "holds", holds "in part", "does not hold" or is "undecided"."""

    claim: Claim
    outcome: str
    settings: tuple[Judgement, ...]


def mean_interval(values: ArrayLike) -> tuple[float, float, float]:
    """Mean and 95 % t-interval; the interval is NaN for fewer than two values."""
    sample = np.asarray(values, dtype=float)
    mean = float(sample.mean())
    if len(sample) < 2:
        return mean, math.nan, math.nan
    half = float(stats.sem(sample) * stats.t.ppf(0.975, len(sample) - 1))
    return mean, mean - half, mean + half


def one_sided_p(differences: ArrayLike) -> float:
    """The p value of Wilcoxon's signed-rank test for a positive difference, exact to n = 50."""
    sample = np.asarray(differences, dtype=float)
    if np.isnan(sample).any():
        return math.nan
    if not sample.any():
        return 1.0
    return float(stats.wilcoxon(sample, alternative="greater").pvalue)


def holm(p: Sequence[float], family: int | None = None) -> NDArray[np.float64]:
    """Holm's step-down adjusted p values (Holm 1979).

    Arguments:
        p: NaN counts as 1 and stays NaN.
        family: number of tests the correction runs over, at least len(p): those that are missing
            count as 1.
    """
    raw = np.asarray(p, dtype=float)
    filled = np.where(np.isnan(raw), 1.0, raw)
    order = np.argsort(filled, kind="stable")
    factors = (family or len(raw)) - np.arange(len(raw))
    adjusted = np.empty(len(raw))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(factors * filled[order]))
    return np.where(np.isnan(raw), np.nan, adjusted)


def judge(experiment: str, table: pd.DataFrame) -> list[Verdict]:
    """The verdict on every claim that rests on this experiment.

    Arguments:
        experiment: for example "fig1".
        table: of its Result.

    Returns:
        In the order of the claims; empty where no claim rests on the experiment. A setting that
        the table does not have (the quick profile has fewer widths) is left out.
    """
    claims = [claim for claim in CLAIMS.values() if claim.experiment == experiment]
    judged = [_JUDGES[claim.id](claim, table) for claim in claims]
    corrected = []
    for slot in range(max(map(len, judged), default=0)):
        column = [rows[slot].p if slot < len(rows) else math.nan for rows in judged]
        corrected.append(holm(column, family=FAMILY))
    verdicts = []
    for place, (claim, rows) in enumerate(zip(claims, judged, strict=True)):
        final = tuple(
            _with_correction(row, float(corrected[slot][place])) for slot, row in enumerate(rows)
        )
        verdicts.append(Verdict(claim, _outcome([row.verdict for row in final]), final))
    return verdicts


def verdict_table(verdicts: Sequence[Verdict]) -> pd.DataFrame:
    """The verdicts for display, a row for each claim and setting."""
    return pd.DataFrame(
        {
            "claim": verdict.claim.id,
            "setting": row.setting,
            "n": row.n,
            "effect": row.effect,
            "low": row.low,
            "high": row.high,
            "unit": "share of cells" if verdict.claim.id == "C3" else verdict.claim.unit,
            "p (Holm)": row.p_holm,
            "in this setting": row.verdict,
            "verdict": verdict.outcome,
            "note": row.note,
        }
        for verdict in verdicts
        for row in verdict.settings
    )


def _with_correction(row: Judgement, p_holm: float) -> Judgement:
    """A PASS stands only with a p below the level after the correction, where the rule has a p."""
    passed_by_chance = row.verdict == "PASS" and not math.isnan(row.p) and p_holm >= LEVEL
    return replace(row, p_holm=p_holm, verdict="OPEN" if passed_by_chance else row.verdict)


def _outcome(verdicts: Sequence[str]) -> str:
    if verdicts and all(verdict == "PASS" for verdict in verdicts):
        return "holds"
    if any(verdict in ("PASS", "IN PART") for verdict in verdicts):
        return "in part"
    if verdicts and all(verdict == "FAIL" for verdict in verdicts):
        return "does not hold"
    return "undecided"


# -- Figure 1 --------------------------------------------------------------------------------------


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


_JUDGES: dict[str, Callable[[Claim, pd.DataFrame], list[Judgement]]] = {
    "C1": _judge_c1,
    "C2": _judge_c2,
    "C3": _judge_c3,
}
