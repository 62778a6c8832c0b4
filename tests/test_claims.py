"""Claims: the statistics against slow definitions, the verdicts against planted effects."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fa_lib import protocol
from fa_lib.claims import (
    bootstrap_interval,
    cells,
    holm,
    judge,
    mean_interval,
    one_sided_p,
    share_interval,
    verdict_table,
)
from fa_lib.protocol import CLAIMS, FAMILY, rules_hash

SEEDS = range(20)
C3 = CLAIMS["C3"]


def test_interval_equals_scipys_t_interval() -> None:
    sample = np.random.default_rng(0).normal(3, 2, 17)
    expected = stats.t.interval(0.95, 16, loc=sample.mean(), scale=stats.sem(sample))
    assert mean_interval(sample) == pytest.approx((sample.mean(), *expected), rel=1e-12)


def test_interval_of_one_value_is_undefined() -> None:
    mean, low, high = mean_interval([2.5])
    assert mean == 2.5
    assert math.isnan(low)
    assert math.isnan(high)


@pytest.mark.parametrize(
    "values",
    [
        [0.3, -0.1, 0.7, 1.2, -0.4, 0.9, 0.2],
        [0.3, -0.3, 0.3, 0.5, -0.1, 0.5, 0.5],
        [0.2, 0.2, 0.2, 0.2],
        [-1.0, -2.0, 3.0],
    ],
)
def test_p_equals_counting_all_sign_flips(values: list[float]) -> None:
    differences = np.array(values)
    ranks = stats.rankdata(abs(differences))
    observed = ranks[differences > 0].sum()
    flips = itertools.product([0, 1], repeat=len(differences))
    larger = [np.dot(flip, ranks) >= observed for flip in flips]
    assert one_sided_p(differences) == pytest.approx(np.mean(larger), rel=1e-12)


def test_p_equals_scipys_exact_one() -> None:
    differences = np.random.default_rng(2).normal(0.3, 1, 45)
    expected = stats.wilcoxon(differences, alternative="greater", method="exact").pvalue
    assert one_sided_p(differences) == pytest.approx(expected, rel=1e-9)


def test_differences_of_zero_say_nothing() -> None:
    assert one_sided_p([0.0, 1.0, 0.0, 2.0, 3.0]) == one_sided_p([1.0, 2.0, 3.0]) == 0.125


def test_p_of_no_difference_is_one() -> None:
    assert one_sided_p([0.0, 0.0, 0.0]) == 1.0
    assert math.isnan(one_sided_p([1.0, math.nan]))


@pytest.mark.parametrize(("noisy", "expected"), [(0.3, 0.4), (0.05, 0.4)])
def test_share_interval_holds_the_ratios_that_a_t_test_does_not_reject(
    noisy: float, expected: float
) -> None:
    draw = np.random.default_rng(3)
    whole = 1 + noisy * draw.normal(size=12)
    part = expected * whole + noisy * draw.normal(size=12)
    share, low, high = share_interval(part, whole)
    assert low < share < high
    for border in (low, high):
        assert stats.ttest_1samp(part - border * whole, 0).pvalue == pytest.approx(0.05)


def test_share_of_no_gap_is_undefined() -> None:
    assert all(map(math.isnan, share_interval([1.0, 2.0, 3.0], [-1.0, 0.1, 1.0])))


def test_bootstrap_of_a_normal_sample_is_near_the_t_interval() -> None:
    sample = np.random.default_rng(5).normal(4, 2, 40)
    expected = stats.t.interval(0.95, 39, loc=sample.mean(), scale=stats.sem(sample))
    low, high = bootstrap_interval(sample)
    assert (low, high) == pytest.approx(expected, abs=0.15 * (expected[1] - expected[0]))
    assert bootstrap_interval(10 * sample + 3) == pytest.approx((10 * low + 3, 10 * high + 3))


def test_bootstrap_reaches_further_on_the_long_side() -> None:
    sample = np.random.default_rng(6).exponential(size=30)
    low, high = bootstrap_interval(sample)
    assert high - sample.mean() > 1.2 * (sample.mean() - low)
    assert all(map(math.isnan, bootstrap_interval([1.0, 2.0])))


def rejected(p: list[float], level: float) -> list[bool]:
    """Holm's procedure as he states it: go up the ordered p values until one is too large."""
    out = [False] * len(p)
    for rank, index in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        if p[index] > level / (len(p) - rank):
            break
        out[index] = True
    return out


@settings(max_examples=50, derandomize=True, deadline=None)
@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=8), st.floats(0.001, 0.5))
def test_adjusted_p_agrees_with_holms_procedure(p: list[float], level: float) -> None:
    adjusted = holm(p)
    decided = abs(adjusted - level) > 1e-9  # on the border rounding decides
    assert (np.array(rejected(p, level)) == (adjusted <= level))[decided].all()


def test_missing_tests_of_the_family_count_as_one() -> None:
    p = [0.001, math.nan, 0.02]
    full = holm([0.001, 1.0, 0.02, *[1.0] * 15])
    adjusted = holm(p, family=18)
    assert adjusted[[0, 2]] == pytest.approx(full[[0, 2]], rel=1e-12)
    assert math.isnan(adjusted[1])


def rows(seeds: range, metric: str, values: object, step: int, **columns: object) -> pd.DataFrame:
    noise = {"distribution": "normal", "mean": 0.0, "std": 1.0}
    frame = pd.DataFrame({"seed": list(seeds), "step": step, "metric": metric, "value": values})
    return frame.assign(**{**noise, **columns})


def spread(mean: float, n: int, size: float = 0.01) -> np.ndarray:
    """N distinct values around a mean, symmetric, so that their mean is exact."""
    return mean + size * np.linspace(-1, 1, n)


def training(
    excess: tuple[float, float] = (0.8, 0.02),
    angle: float = 70.0,
    null: float = 90.0,
    by_bp: float = 90.0,
    n: int = len(SEEDS),
    width: int = 512,
) -> pd.DataFrame:
    seeds = range(n)
    columns = {"panel": "training", "width": width, "rule": "fa"}
    name = "centered_alignment_angle_w2"
    parts = [
        rows(seeds, "kl_from_uniform", spread(excess[0], n), 0, **columns),
        rows(seeds, "kl_from_uniform", spread(excess[1], n), 5000, **columns),
        rows(seeds, name, spread(90.0, n), 0, **columns),
        rows(seeds, name, spread(angle, n), 5000, **columns),
        rows(seeds, name, spread(by_bp, n), 5000, **{**columns, "rule": "bp"}),
    ]
    draws = np.random.default_rng(1).normal(null, 1.0, 200)
    for draw, value in enumerate(draws):
        parts.append(rows(seeds, "null_angle_w2", value, draw, **columns))
    return pd.concat(parts, ignore_index=True)


def grid(effects: list[float], n: int = 20, panel: str = "grid") -> pd.DataFrame:
    name = "centered_alignment_angle_w2"
    parts = []
    for index, effect in enumerate(effects):
        columns = {"panel": panel, "width": 512, "rule": "fa", "distribution": "normal"}
        columns |= {"mean": float(index), "std": 1.0}
        parts.append(rows(range(n), name, spread(90.0, n), 0, **columns))
        parts.append(rows(range(n), name, spread(90 - effect, n), 5000, **columns))
    return pd.concat(parts, ignore_index=True)


def outcome(table: pd.DataFrame, claim: str) -> str:
    return next(v.outcome for v in judge("fig1", table) if v.claim.id == claim)


@pytest.mark.parametrize(
    ("excess", "expected"),
    [
        ((0.8, 0.02), "holds"),
        ((0.8, 0.12), "in part"),  # 85 % down, above the floor
        ((0.8, 0.50), "does not hold"),
        ((0.20, 0.041), "undecided"),  # below the floor, but only 79.5 % down, give or take
        ((0.02, 0.8), "does not hold"),
    ],
)
def test_c1(excess: tuple[float, float], expected: str) -> None:
    assert outcome(training(excess=excess), "C1") == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, "holds"),
        ({"angle": 84.0}, "does not hold"),  # D is 6 degrees, surely less than 10
        ({"angle": 79.999}, "holds"),
        ({"null": 71.0}, "undecided"),  # a null of that size would show it too
        ({"by_bp": 70.0}, "undecided"),  # so would BP noise training
    ],
)
def test_c2(change: dict[str, float], expected: str) -> None:
    assert outcome(training(**change), "C2") == expected


@pytest.mark.parametrize(
    ("effects", "expected"),
    [
        ([15.0] * 8 + [2.0] * 2, "holds"),
        ([15.0] * 5 + [2.0] * 5, "in part"),
        ([15.0] * 1 + [2.0] * 9, "does not hold"),
    ],
)
def test_c3(effects: list[float], expected: str) -> None:
    assert outcome(pd.concat([training(), grid(effects)]), "C3") == expected


def test_settings_that_differ_make_a_claim_hold_in_part() -> None:
    table = pd.concat([training(), training(angle=88.0, width=100)])
    verdict = judge("fig1", table)[1]
    assert [(row.setting, row.verdict) for row in verdict.settings] == [
        ("width 512", "PASS"),
        ("width 100", "FAIL"),
    ]
    assert verdict.outcome == "in part"


def test_few_seeds_pass_nothing() -> None:
    table = pd.concat([training(n=3), grid([15.0] * 10, n=3)])
    assert [verdict.outcome for verdict in judge("fig1", table)] == ["undecided"] * 3


def test_one_seed_is_judged_without_an_interval() -> None:
    table = pd.concat([training(n=1), grid([15.0] * 10, n=1)])
    verdicts = judge("fig1", table)
    assert [verdict.outcome for verdict in verdicts] == ["undecided"] * 3
    assert verdict_table(verdicts)["low"].isna().all()


def test_correction_runs_over_the_whole_family() -> None:
    verdict = judge("fig1", training(n=10))[1]
    (row,) = verdict.settings
    assert row.p == pytest.approx(2**-10)
    assert row.p_holm == pytest.approx(FAMILY * 2**-10)


def test_cells_need_the_effect_and_the_p() -> None:
    frame = cells(C3, grid([15.0, 9.9]), "grid")
    assert frame["counts"].to_list() == [True, False]
    assert frame["p_holm"].to_list() == pytest.approx([2 * 2**-20] * 2)


def test_verdicts_follow_the_numbers() -> None:
    before = judge("fig1", training())
    after = judge("fig1", training(excess=(0.8, 0.9)))
    assert before[0].outcome != after[0].outcome


def test_a_changed_rule_changes_the_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    before = rules_hash("fig1")
    looser = dataclasses.replace(CLAIMS["C1"], limits={**CLAIMS["C1"].limits, "floor": 0.2})
    monkeypatch.setitem(protocol.CLAIMS, "C1", looser)
    assert rules_hash("fig1") != before
    assert rules_hash("no such experiment") is None
