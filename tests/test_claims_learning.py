"""Claims C4 to C12: the verdicts against planted effects, each rule on both sides of its border."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from learning_tables import PLANTED, Changes, data, decay, line, noise, sizes

from fa_lib.claims import Verdict, details, judge, verdict_table
from fa_lib.protocol import FAMILY

FALLING = {100: 0.8, 1000: 0.85, 5000: 0.9}  # FAN's test loss by size


def verdicts(table: pd.DataFrame) -> dict[str, Verdict]:
    return {verdict.claim.id: verdict for verdict in judge("learning", table)}


def test_planted_effects_hold_and_are_specific() -> None:
    parts = [sizes(FALLING, setting) for setting in "FT"]
    found = verdicts(pd.concat([*parts, *(noise(width=width) for width in (512, 100, 1000))]))
    assert {claim: verdict.outcome for claim, verdict in found.items()} == dict.fromkeys(
        [f"C{i}" for i in range(4, 13)], "holds"
    )
    asked = {claim: verdict.specific for claim, verdict in found.items()}
    assert asked == {**dict.fromkeys(found, "yes"), "C9": "", "C10": ""}


ANGLE, ACCURACY = "centered_alignment_angle_w2", "test_accuracy"


@pytest.mark.parametrize(
    ("claim", "changes", "expected"),
    [
        ("C4", {("FAN", ANGLE): 64.99}, "holds"),
        ("C4", {("FAN", ANGLE): 65.01}, "does not hold"),
        ("C4", {("FAN", ANGLE): lambda unit: 71.0 if unit == 20 else 50.0}, "does not hold"),
        ("C4", {("FAN", ANGLE): lambda unit: 70.0 if unit == 20 else 50.0}, "undecided"),
        ("C4", {("FAN", ANGLE): lambda unit: 0.0 if unit < 1 else 69.0}, "does not hold"),
        ("C5", {("FAN", ACCURACY): line(0.6101, 0.9101)}, "holds"),
        ("C5", {("FAN", ACCURACY): line(0.6099, 0.9099)}, "does not hold"),
        ("C6", {("FAN", ACCURACY): 0.9031}, "holds"),
        ("C6", {("FAN", ACCURACY): 0.9029}, "does not hold"),
        ("C7", {("FAN", "gradient_angle_w1"): 74.99}, "holds"),
        ("C7", {("FAN", "gradient_angle_w1"): 75.01}, "does not hold"),
        ("C7", {("FAN", "gradient_angle_w1"): lambda u: 60.0 if u > 5 else 80.0}, "does not hold"),
        ("C8", {("FAN", "displacement_cosine"): 0.441}, "holds"),
        ("C8", {("FAN", "displacement_cosine"): 0.439}, "does not hold"),
        ("C8", {("FA", "displacement_cosine"): -0.1, ("FAN", "displacement_cosine"): 0.0}, "holds"),
        ("C8", {("FAN", "net_displacement"): line(0, 1.12)}, "holds"),
        ("C8", {("FAN", "net_displacement"): line(0, 1.11)}, "does not hold"),
        ("C8", {("FAN", "train_loss"): decay(1.8)}, "does not hold"),  # 5 % shorter
        ("C8", {("FAN", "train_loss"): decay(1.6)}, "holds"),  # 11 % shorter
        ("C11", {("FAN", "rank_w1"): 35.9}, "holds"),
        ("C11", {("FAN", "rank_w1"): 36.1}, "in part"),
        ("C11", {("FAN", "dimensionality_hidden"): 20.1}, "in part"),
        (
            "C11",
            {("FAN", "rank_w1"): 40.0, ("FAN", "dimensionality_hidden"): 20.1},
            "does not hold",
        ),
    ],
)
def test_rules_at_their_borders(claim: str, changes: Changes, expected: str) -> None:
    assert verdicts(data(changes, arms=("FA", "FAN")))[claim].outcome == expected


@pytest.mark.parametrize(
    ("claim", "falls", "expected"),
    [
        ("C9", {"kl_images": 80.1}, "holds"),
        ("C9", {"kl_images": 79.9}, "does not hold"),
        ("C9", {"kl_noise": 79.9}, "does not hold"),
        ("C10", {"dimensionality_w1": 5.1}, "holds"),
        ("C10", {"dimensionality_w1": 4.9}, "does not hold"),
        ("C10", {"dimensionality_hidden": 0.1}, "holds"),
        ("C10", {"dimensionality_hidden": -3.0}, "in part"),
    ],
)
def test_rules_of_noise_training(claim: str, falls: dict[str, float], expected: str) -> None:
    assert verdicts(noise(falls))[claim].outcome == expected


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        (FALLING, "holds"),
        ({100: 0.9, 1000: 0.9, 5000: 0.9}, "in part"),  # not more for small sets
        ({100: 0.8, 1000: 0.9, 5000: 1.2}, "holds"),  # 3.3 % over all sizes
        ({100: 0.96, 1000: 0.98, 5000: 1.01}, "does not hold"),  # 1.7 %
        ({5000: 0.8}, "in part"),  # a single size has no slope
    ],
)
def test_c12(losses: dict[int, float], expected: str) -> None:
    assert verdicts(sizes(losses, arms=("FA", "FAN")))["C12"].outcome == expected


def test_no_effect_holds_nowhere() -> None:
    same: Changes = {("FAN", metric): arms["FA"] for metric, arms in PLANTED.items()}
    flat = dict.fromkeys(("kl_noise", "kl_images", "dimensionality_w1"), 0.0)
    found = verdicts(pd.concat([data(same), noise(flat)]))
    assert {v.outcome for v in found.values()} <= {"does not hold", "undecided"}
    assert {row.specific for v in found.values() for row in v.settings} <= {"", "no"}


def test_activity_that_does_not_surely_fall_leaves_c10_in_part() -> None:
    offsets = {"dimensionality_hidden": np.array([3.0, -2.5, 2, -1.5, 1, -0.5, 3, -2, 1.5, -1])}
    (row,) = verdicts(noise({"dimensionality_hidden": 0.0}, offsets=offsets))["C10"].settings
    assert row.p > 0.05
    assert row.verdict == "IN PART"


@pytest.mark.parametrize("control", ["S", "Z"])
def test_an_effect_that_a_control_has_too_is_not_specific(control: str) -> None:
    found = verdicts(data({(control, "gradient_angle_w1"): 60.0}))
    assert found["C7"].outcome == "holds"
    assert found["C7"].specific == "no"
    assert found["C5"].specific == "yes"


def test_specific_in_one_setting_only() -> None:
    table = pd.concat([data(), data({("Z", "gradient_angle_w1"): 55.0}, setting="T")])
    assert verdicts(table)["C7"].specific == "in part"


def test_a_claim_that_fails_is_not_asked_whether_it_is_specific() -> None:
    found = verdicts(data({("FAN", "gradient_angle_w1"): 79.0}))
    assert [row.specific for row in found["C7"].settings] == [""]


def test_a_control_that_was_not_run_leaves_the_question_open() -> None:
    found = verdicts(data(arms=("FA", "FAN", "BP", "Z")))
    assert found["C5"].outcome == "holds"
    assert found["C5"].specific == ""


@pytest.mark.parametrize("absent", ["FA", "FAN"])
def test_a_main_arm_that_was_not_run_leaves_all_open(absent: str) -> None:
    found = verdicts(data(arms=[arm for arm in ("FA", "FAN", "BP", "S", "Z") if arm != absent]))
    for claim in ("C4", "C5", "C6", "C7", "C8", "C11", "C12"):
        (row,) = found[claim].settings
        assert (row.verdict, row.n, row.note) == ("OPEN", 0, "not measured")
    assert details("C5", data(arms=("FAN", "BP")))["comparison"].ne("FAN against FA").all()


def test_a_missing_panel_leaves_its_claims_without_settings() -> None:
    without_noise, without_data = verdicts(data()), verdicts(noise())
    assert [len(without_noise[claim].settings) for claim in ("C5", "C9", "C10")] == [1, 0, 0]
    assert [len(without_data[claim].settings) for claim in ("C5", "C9", "C12")] == [0, 1, 0]
    assert without_data["C5"].outcome == "undecided"


@pytest.mark.parametrize("claim", [f"C{i}" for i in range(4, 13)])
def test_details_of_what_is_not_there_are_empty(claim: str) -> None:
    nothing = data().iloc[:0]
    assert details(claim, nothing).empty
    assert not verdicts(nothing)[claim].settings


@pytest.mark.parametrize("n", [1, 2])
def test_one_or_two_seeds_decide_nothing(n: int) -> None:
    worse: Changes = {("FAN", ANGLE): 75.0, ("FAN", ACCURACY): 0.1}
    for changes in ({}, worse):
        table = pd.concat([sizes(FALLING, seeds=range(n)), data(changes, n=50_000, seeds=range(n))])
        found = judge("learning", pd.concat([table, noise(seeds=range(n))]))
        assert {row.verdict for verdict in found for row in verdict.settings} == {"OPEN"}


def test_five_seeds_pass_nothing() -> None:
    found = verdicts(pd.concat([data(seeds=range(5)), noise(seeds=range(5))]))
    assert {row.verdict for verdict in found.values() for row in verdict.settings} == {"OPEN"}
    assert {verdict.specific for verdict in found.values()} == {""}


def test_settings_come_in_the_claims_order_and_differ() -> None:
    worse: Changes = {("FAN", "gradient_angle_w1"): 90.0}
    table = pd.concat(
        [
            data(setting="T", n=50_000),
            data(worse, setting="T"),
            data(n=50_000),
            data(),
            data(n=3000),
        ]
    )
    verdict = verdicts(table)["C7"]
    assert [(row.setting, row.verdict) for row in verdict.settings] == [
        ("F, n = 5,000", "PASS"),
        ("T, n = 5,000", "FAIL"),
        ("F, n = 50,000", "PASS"),
        ("T, n = 50,000", "PASS"),
        ("F, n = 3,000", "PASS"),
    ]
    assert verdict.outcome == "in part"


def test_sizes_that_are_not_measured_in_full_judge_no_curve() -> None:
    found = verdicts(sizes(FALLING))
    assert [row.setting for row in found["C5"].settings] == ["F, n = 5,000"]


def test_correction_runs_over_the_family_in_every_setting() -> None:
    (row,) = verdicts(data({("FAN", ACCURACY): 0.0}, seeds=range(9)))["C4"].settings
    assert row.p == pytest.approx(2**-9)
    assert row.p_holm == pytest.approx(FAMILY * 2**-9)


def test_arms_are_paired_by_seed_whatever_the_order_of_rows() -> None:
    table = data()
    shuffled = table.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(
        verdict_table(judge("learning", table)), verdict_table(judge("learning", shuffled))
    )


def test_only_seeds_that_both_arms_have_count() -> None:
    later = data(seeds=range(4, 14), arms=("FAN",))
    table = pd.concat([data(arms=("FA", "BP")), later])
    assert {verdicts(table)[claim].settings[0].n for claim in ("C4", "C6", "C8", "C11")} == {6}


@pytest.mark.parametrize("name", ["fig2", "fig3", "fig4"])
def test_figures_mean_the_one_experiment(name: str) -> None:
    table = data()
    assert judge(name, table) == judge("learning", table)


def test_an_unknown_experiment_is_named() -> None:
    with pytest.raises(ValueError, match="Unknown experiment 'lerning'"):
        judge("lerning", data())
