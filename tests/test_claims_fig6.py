"""Claims C15 and C16: the verdicts against planted effects, and the trend test."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from adaptation_tables import TASKS, Changes, adapt, checkpoints
from scipy import stats

from fa_lib.claims import Verdict, by_arm, by_pair, details, judge
from fa_lib.claims._fig6 import trend

JUDGED = "meta-loss after 100 steps with Adam"


def verdicts(table: pd.DataFrame) -> dict[str, Verdict]:
    return {verdict.claim.id: verdict for verdict in judge("fig6", table)}


def test_planted_effects_hold_and_are_specific() -> None:
    found = verdicts(pd.concat([adapt(), adapt(setting="T")]))
    assert {claim: verdict.outcome for claim, verdict in found.items()} == {
        "C15": "holds",
        "C16": "holds",
    }
    assert {verdict.specific for verdict in found.values()} == {"yes"}
    c15, c16 = (found[claim].settings[0] for claim in ("C15", "C16"))
    assert c15.effect == pytest.approx(15, abs=0.01)  # 1.7 nats of 2 on each task
    assert c16.effect == pytest.approx(30, abs=0.05)  # tau 70 of 100
    assert c16.note.count(": ") == 12


@pytest.mark.parametrize(
    ("claim", "changes", "expected"),
    [
        ("C15", {("FAN", "test_loss"): 1.899}, "holds"),
        ("C15", {("FAN", "test_loss"): 1.901}, "does not hold"),
        # It is the sum that counts, and Adam.
        ("C15", {("FAN", "test_loss", f"adam/{TASKS[0]}"): 2.25}, "holds"),
        ("C15", {("FAN", "test_loss", f"adam/{TASKS[0]}"): 2.35}, "does not hold"),
        ("C15", {("FAN", "test_loss", f"sgd/{TASKS[0]}"): 5.0}, "holds"),
        ("C16", {("FAN", "tau"): 89.9}, "holds"),
        ("C16", {("FAN", "tau"): 90.1}, "does not hold"),
        ("C16", {("FAN", "tau", f"sgd/{TASKS[1]}"): 90.1}, "does not hold"),
        ("C16", {("FAN", "tau", f"adam/{TASKS[2]}"): 90.1}, "does not hold"),
        # 70 % of the steps, each of 1.28 or 1.29 times the length.
        ("C16", {("FAN", "speed"): 0.0128}, "holds"),
        ("C16", {("FAN", "speed"): 0.0129}, "does not hold"),
        ("C16", {("FAN", "speed", f"adam/{TASKS[0]}"): 0.0129}, "does not hold"),
        ("C16", {("FAN", "test_loss"): 9.0}, "holds"),
    ],
)
def test_rules_at_their_borders(claim: str, changes: Changes, expected: str) -> None:
    assert verdicts(adapt(changes, arms=("FA", "FAN")))[claim].outcome == expected


@pytest.mark.parametrize("control", ["S", "Z"])
def test_an_effect_that_a_control_has_too_is_not_specific(control: str) -> None:
    found = verdicts(adapt({(control, "test_loss"): 1.7, (control, "tau", "sgd/digits"): 70.0}))
    assert {verdict.outcome for verdict in found.values()} == {"holds"}
    assert {verdict.specific for verdict in found.values()} == {"no"}


def test_in_one_setting_only_is_in_part() -> None:
    table = pd.concat([adapt({("FAN", "test_loss"): 2.0}, setting="T"), adapt()])
    verdict = verdicts(table)["C15"]
    assert [(row.setting, row.verdict) for row in verdict.settings] == [
        ("F, n = 5,000", "PASS"),
        ("T, n = 5,000", "FAIL"),
    ]
    assert verdict.outcome == "in part"


def test_a_slower_arm_does_worse_than_nothing() -> None:
    found = verdicts(adapt({("FAN", "tau"): 200.0}, arms=("FA", "FAN")))
    (row,) = found["C16"].settings
    assert row.verdict == "FAIL"
    # FA is at FAN's last loss, exp(-1.5), after 150 steps of 300.
    assert row.effect == pytest.approx(-100, abs=0.1)


def test_a_control_or_main_arm_that_was_not_run() -> None:
    found = verdicts(adapt(arms=("FA", "FAN", "Z")))
    assert {(v.outcome, v.specific) for v in found.values()} == {("holds", "")}
    for absent in ("FA", "FAN"):
        left = verdicts(adapt(arms=[arm for arm in ("FA", "FAN", "BP") if arm != absent]))
        for verdict in left.values():
            (row,) = verdict.settings
            assert (row.verdict, row.n, row.note) == ("OPEN", 0, "not measured")


def test_a_reference_that_needs_no_step_has_no_relative_difference() -> None:
    """FA never learns, so the common loss is that of step 0, and D a part of nothing."""
    table = adapt({("FA", "tau"): math.inf}, arms=("FA", "FAN"))
    (row,) = verdicts(table)["C16"].settings
    assert (row.verdict, row.n) == ("OPEN", 0)
    assert by_pair("C16", table)["difference"].isna().all()


@pytest.mark.parametrize("n", [1, 2])
def test_one_or_two_seeds_decide_nothing(n: int) -> None:
    table = pd.concat([adapt(seeds=range(n)), checkpoints({0: [6] * n, 9: [5] * n, 99: [4] * n})])
    found = verdicts(table)
    assert {row.verdict for v in found.values() for row in v.settings} == {"OPEN"}
    assert {v.specific for v in found.values()} == {""}
    assert ("Page" in found["C15"].settings[0].note) == (n == 2)


def test_nothing_is_judged_without_adaptation() -> None:
    nothing = adapt().iloc[:0]
    assert [v.settings for v in judge("fig6", nothing)] == [(), ()]
    for claim in ("C15", "C16"):
        assert details(claim, nothing).empty


# -- What stands beside the verdicts ---------------------------------------------------------------


def test_the_meta_loss_is_the_sum_over_tasks_and_the_accuracy_their_mean() -> None:
    changes = {("BP", "test_loss", f"adam/{task}"): 0.5 * i for i, task in enumerate(TASKS)}
    changes |= {("BP", "test_accuracy", f"adam/{task}"): 0.3 * i for i, task in enumerate(TASKS)}
    values = by_arm("C15", adapt(changes))
    of_bp = values[values["arm"] == "BP"].groupby("measure", sort=False)["value"].unique()
    assert set(values["unit"]) == {"nats", "points"}
    for k in (10, 30, 100, 300):
        np.testing.assert_allclose(of_bp[f"meta-loss after {k} steps with Adam"], 1.5)
        np.testing.assert_allclose(of_bp[f"mean test accuracy after {k} steps with Adam"], 30)
    np.testing.assert_allclose(of_bp["meta-loss after 100 steps with SGD"], 3)


def test_steps_to_the_common_loss_by_pair() -> None:
    table = adapt()
    pairs = by_pair("C16", table)
    steps = pairs[pairs["measure"] == "steps to the common training loss, digits, SGD"]
    np.testing.assert_allclose(steps["reference"], 300)
    np.testing.assert_allclose(steps["arm"], 210, rtol=1e-3)
    told = details("C16", table)
    told = told[told["comparison"] == "FAN against FA"].set_index("measure")["effect"]
    for measure, differences in pairs.groupby("measure")["difference"]:
        assert told[measure] == pytest.approx(differences.mean())
    assert by_arm("C16", table).empty  # a common loss needs two


# -- The trend over noise training -----------------------------------------------------------------

STATES = {0: [6.0, 6.2, 5.9, 6.1], 500: [5.8, 5.7, 5.5, 6.3], 2000: [5.1, 5.9, 5.2, 5.0]}


def test_trend_is_pages_test_with_the_noise_steps_in_order() -> None:
    table = pd.concat([checkpoints(STATES), checkpoints({k: [1] * 4 for k in STATES}, setting="T")])
    by_seed = np.array([STATES[k] for k in (2000, 500, 0)]).T  # the test is for a rise
    assert trend(table, "F") == pytest.approx(stats.page_trend_test(by_seed).pvalue)
    shuffled = table.sample(frac=1, random_state=0)
    assert trend(shuffled, "F") == trend(table, "F")


def test_trend_counts_the_orders_that_are_as_extreme() -> None:
    """Exactly: under no trend every order of each seed's three states is as likely."""
    ranks = np.array([stats.rankdata(losses) for losses in zip(*STATES.values(), strict=True)])
    weights = np.array([3, 2, 1])  # large where a late state has a low loss
    observed = (ranks @ weights).sum()
    sums = [np.dot(order, weights) for order in itertools.permutations((1, 2, 3))]
    totals = [sum(each) for each in itertools.product(sums, repeat=len(ranks))]
    expected = np.mean(np.array(totals) >= observed)
    assert trend(checkpoints(STATES), "F") == pytest.approx(expected)


def test_a_rise_is_no_fall() -> None:
    rising = {k: list(reversed(range(i, i + 4))) for i, k in enumerate((0, 10, 20, 30))}
    falling = {30 - k: losses for k, losses in rising.items()}
    assert trend(checkpoints(rising), "F") == pytest.approx(1, abs=0.01)
    assert trend(checkpoints(falling), "F") < 0.001


@pytest.mark.parametrize(
    "losses", [{0: [6.0, 5.0], 9: [5.0, 4.0]}, {0: [6.0], 9: [5.0], 99: [4.0]}, {}]
)
def test_too_few_states_or_seeds_have_no_trend(losses: dict) -> None:
    table = checkpoints(losses) if losses else adapt()
    assert math.isnan(trend(table, "F"))


def test_the_verdicts_note_has_the_trend() -> None:
    with_states = pd.concat([adapt(), checkpoints(STATES)])
    (row,) = verdicts(with_states)["C15"].settings
    p = trend(with_states, "F")
    assert row.note.endswith(f"Page's trend over noise steps, p = {p:.1g}")
    assert "FA 6," in row.note
    (without,) = verdicts(adapt())["C15"].settings
    assert "Page" not in without.note
