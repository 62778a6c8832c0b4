"""Claims C17 and C18: the verdicts against planted accuracies, on both sides of every border."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from checkpoint_tables import BEST, PLANTED, UNIT, case, sets
from planted_results import store
from scipy import stats

from fa_lib import results
from fa_lib.claims import (
    Verdict,
    _table1,
    accuracy_rows,
    checkpoint_values,
    details,
    judge,
    judge_stored,
    table1_rows,
)
from fa_lib.experiments import stored_result, table1
from fa_lib.experiments._config import settings
from fa_lib.protocol import CLAIMS, FAMILY
from fa_lib.results import config_hash

GOOD: Mapping[str, float | None] = {}
WORSE = {"FAN": 89.0}
NONE = {"FAN": 90.2}  # a difference below the smallest that counts
NEEDED = CLAIMS["C17"].smallest_effect


def c17(table: pd.DataFrame) -> Verdict:
    (verdict,) = judge("table1", table)
    return verdict


def c18(table: pd.DataFrame) -> Verdict:
    (verdict,) = judge("depth", table)
    return verdict


def depths(by_depth: Mapping[int, Mapping[str, float | None]], setting: str = "F", **more: object):
    parts = [case("layers", n, own, setting=setting, **more) for n, own in by_depth.items()]
    return pd.concat(parts, ignore_index=True)


def test_the_checkpoint_is_the_record_with_the_best_validation_accuracy() -> None:
    values = checkpoint_values(sets({"mnist": GOOD}), "dataset")
    means = values.groupby("arm")["value"].mean()
    assert means.to_dict() == pytest.approx(PLANTED)
    assert set(values["epoch"]) == {float(BEST)}
    assert set(values["epochs_after"]) == {20.0 - BEST}
    by_epochs_of_two = sets({"mnist": GOOD}).assign(epoch_steps=2 * UNIT)
    assert set(checkpoint_values(by_epochs_of_two, "dataset")["epoch"]) == {BEST / 2}


def test_a_network_is_cut_where_its_patience_ends() -> None:
    """What rises again after 10 epochs without a rise comes too late, as in C6."""
    table = sets({"mnist": GOOD})
    late = (table["metric"] == "validation_accuracy") & (table["step"] == 20 * UNIT)
    table.loc[late & (table["arm"] == "FA"), "value"] = 0.99
    values = checkpoint_values(table, "dataset")
    assert set(values["epoch"]) == {float(BEST)}


def test_planted_gains_hold_on_all_sets_and_are_specific() -> None:
    table = pd.concat([sets({"mnist": GOOD, "stl10": GOOD}, setting) for setting in "FT"])
    verdict = c17(table)
    assert [(row.setting, row.verdict) for row in verdict.settings] == [
        ("F", "PASS"),
        ("T", "PASS"),
    ]
    assert (verdict.outcome, verdict.specific) == ("holds", "yes")
    row = verdict.settings[0]
    assert "MNIST: 1 [" in row.note
    assert "STL-10: 1 [" in row.note
    assert row.p == pytest.approx(2**-10)
    assert row.p_holm == pytest.approx(FAMILY * 2**-10)


@pytest.mark.parametrize(
    ("gains", "expected"),
    [
        ((NEEDED + 0.001,), "PASS"),
        ((NEEDED - 0.001,), "OPEN"),  # below, but not surely: the interval ends above
        ((NEEDED - 0.05,), "FAIL"),
        ((1.0, NEEDED - 0.05), "IN PART"),
        ((NEEDED - 0.05, NEEDED - 0.05), "FAIL"),
        ((NEEDED - 0.05, NEEDED - 0.001), "OPEN"),
        ((-1.0, 1.0), "IN PART"),
    ],
)
def test_c17_at_its_borders(gains: tuple[float, ...], expected: str) -> None:
    names = ("mnist", "stl10")[: len(gains)]
    table = sets({name: {"FAN": 90 + gain} for name, gain in zip(names, gains, strict=True)})
    (row,) = c17(table).settings
    assert row.verdict == expected
    assert row.effect == pytest.approx(min(gains))


def test_the_interval_shown_is_that_of_the_weakest_set() -> None:
    table = sets({"mnist": GOOD, "stl10": {"FAN": 90.5}})
    (row,) = c17(table).settings
    wide = checkpoint_values(table[table["dataset"] == "stl10"], "dataset").pivot_table(
        index="seed", columns="arm", values="value"
    )
    gain = wide["FAN"] - wide["FA"]
    low, high = stats.t.interval(0.95, 9, gain.mean(), stats.sem(gain))
    assert (row.low, row.high) == pytest.approx((low, high))


def test_sets_are_corrected_among_themselves() -> None:
    """Six seeds give p = 1/64: times three sets that is below .05, times four above."""
    names = list(table1.TABLE)
    for count, expected in ((3, "PASS"), (4, "OPEN")):
        table = sets(dict.fromkeys(names[:count], GOOD), seeds=range(6))
        (row,) = _table1.JUDGES["C17"](CLAIMS["C17"], table)  # before Holm over the claims
        assert (row.verdict, row.p) == (expected, 1 / 64)
    assert c17(sets(dict.fromkeys(names, GOOD))).settings[0].verdict == "PASS"


def test_one_unsure_set_leaves_a_sure_one_its_part() -> None:
    """Over the claims, the p of the set with seven seeds is too large, that with ten is not."""
    both = [sets({"mnist": GOOD}), sets({"stl10": GOOD}, seeds=range(7))]
    (row,) = c17(pd.concat(both)).settings
    assert row.p == pytest.approx(2**-7)
    assert row.verdict == "IN PART"
    both = [sets({"mnist": GOOD, "digits": WORSE}), sets({"stl10": GOOD}, seeds=range(7))]
    (row,) = c17(pd.concat(both)).settings
    assert (row.verdict, row.p) == ("IN PART", 2**-10)


def test_a_set_without_a_pair_is_left_out_and_sets_that_are_absent_too() -> None:
    table = sets({"mnist": GOOD, "stl10": {"FAN": None}})
    (row,) = c17(table).settings
    assert row.verdict == "PASS"
    assert "STL-10" not in row.note
    (alone,) = c17(sets({"stl10": {"FAN": None}})).settings
    assert (alone.verdict, alone.n, alone.note) == ("OPEN", 0, "not measured")
    assert c17(sets({"mnist": GOOD}).iloc[:0]).settings == ()


@pytest.mark.parametrize("control", ["S", "Z"])
def test_a_gain_that_a_control_has_too_on_one_set_is_not_specific(control: str) -> None:
    table = sets({"mnist": GOOD, "stl10": {control: 91.0}})
    assert c17(table).outcome == "holds"
    assert c17(table).specific == "no"


def test_specific_is_asked_on_the_sets_that_count() -> None:
    table = sets({"mnist": GOOD, "stl10": WORSE})
    (row,) = c17(table).settings
    assert (row.verdict, row.specific) == ("IN PART", "yes")
    assert c17(sets({"mnist": GOOD, "stl10": {"Z": None}})).specific == ""


@pytest.mark.parametrize("n", [1, 2, 5])
def test_few_seeds_decide_nothing(n: int) -> None:
    found = c17(sets({"mnist": GOOD}, seeds=range(n)))
    assert (found.outcome, found.specific) == ("undecided", "")
    found = c18(depths({2: GOOD, 3: GOOD}, seeds=range(n)))
    assert (found.outcome, found.specific) == ("undecided", "")


def test_the_share_of_the_gap_stands_beside() -> None:
    rows = details("C17", sets({"mnist": GOOD}))
    share = rows[rows["measure"] == "share of the gap to BP closed"]
    assert share["effect"].to_list() == pytest.approx([0.5])
    compared = rows[rows["comparison"].str.startswith("FAN against")]
    assert compared["effect"].to_list() == pytest.approx([1.0] * 4)  # FA twice: the bootstrap's
    no_bp = details("C17", sets({"mnist": {"BP": None}}))
    assert no_bp.loc[no_bp["comparison"] == "FAN", "effect"].isna().all()


# -- Depth -----------------------------------------------------------------------------------------


def test_c18_is_judged_at_every_depth() -> None:
    parts = [depths({4: GOOD, 2: GOOD, 3: WORSE, 5: NONE, 6: GOOD}, setting) for setting in "TF"]
    verdict = c18(pd.concat(parts))
    assert verdict.outcome == "in part"
    found = [(row.setting, row.verdict) for row in verdict.settings]
    expected = {2: "PASS", 3: "FAIL", 4: "PASS", 5: "FAIL"}
    named = [(f"{s}, {n} layers", expected[n]) for s in "FT" for n in (2, 3, 4, 5)]
    assert found == [*named, ("F, 6 layers", "PASS"), ("T, 6 layers", "PASS")]


def test_c18_holds_where_every_depth_passes_and_asks_the_controls() -> None:
    everywhere = dict.fromkeys((2, 3, 4, 5), GOOD)
    table = pd.concat([depths(everywhere, setting) for setting in "FT"])
    assert (c18(table).outcome, c18(table).specific) == ("holds", "yes")
    matched = depths({**everywhere, 5: {"Z": 91.0}})
    assert c18(matched).specific == "in part"
    assert c18(depths(dict.fromkeys(everywhere, WORSE))).outcome == "does not hold"


def test_the_angle_of_every_layer_is_that_at_the_checkpoint() -> None:
    table = depths({3: GOOD})
    parts = [table]
    for layer, metric in ((2, "alignment_angle_w2"), (3, "centered_alignment_angle_w3")):
        rows = table[table["metric"] == "test_accuracy"].copy()
        at = np.where(rows["arm"] == "FAN", 60.0, 80.0) + layer + (rows["step"] / UNIT - BEST)
        parts.append(rows.assign(metric=metric, value=at + rows["seed"] / 100))
    rows = details("C18", pd.concat(parts))
    angles = rows[rows["measure"].str.startswith("alignment angle")]
    angles = angles[angles["comparison"] == "FAN against FA"]
    assert angles["effect"].to_list() == pytest.approx([20.0] * len(angles))
    named = {f"alignment angle of W{n} at the best validation checkpoint" for n in (2, 3)}
    assert named <= set(angles["measure"])


# -- Tables for display ----------------------------------------------------------------------------


def test_rows_hold_mean_deviation_and_share_of_the_gap() -> None:
    table = pd.concat([sets({"mnist": {"S": None}, "stl10": {"BP": 90.0}}, s) for s in "FT"])
    values = checkpoint_values(table, "dataset")
    rows = accuracy_rows(values, "dataset")
    assert rows[["dataset", "setting"]].to_numpy().tolist() == [
        ["mnist", "F"],
        ["stl10", "F"],
        ["mnist", "T"],
        ["stl10", "T"],
    ]
    first = rows.iloc[0]
    deviation = np.std(np.linspace(-0.01, 0.01, 10), ddof=1)
    assert first["FAN"] == f"91.00 ± {deviation:.2f}"
    assert (first["FA"], first["S"], first["seeds"]) == ("90.00 ± 0.00", "", 10)
    assert first["share of the gap (%)"].startswith("50 [")
    assert rows["share of the gap (%)"].to_list()[1] == "–"
    one = accuracy_rows(checkpoint_values(sets({"mnist": GOOD}, seeds=[3]), "dataset"), "dataset")
    assert one["FAN"].to_list() == ["91.00"]


# -- What is stored --------------------------------------------------------------------------------


@pytest.mark.usefixtures("results_root")
def test_data_sets_that_were_run_by_themselves_are_judged_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    monkeypatch.setattr(results, "_shipped_root", lambda: tmp_path / "nothing shipped")
    config = table1.PROFILES["paper"]
    both = [sets({"mnist": GOOD}, setting) for setting in "FT"]
    store(pd.concat(both), "table1", table1, config)
    (before,), missing = judge_stored(["C17"])
    assert (before.outcome, missing) == ("holds", [])
    alone = replace(config, datasets=("stl10",))
    name = f"paper-{config_hash(settings(alone))}"
    parts = [sets({"stl10": WORSE}, setting) for setting in "FT"]
    store(pd.concat(parts), "table1", table1, alone, name)
    (after,), _ = judge_stored(["C17"])
    assert after.outcome == "in part"
    assert "STL-10" in after.settings[0].note
    main = stored_result("table1", "paper")
    assert main is not None
    rows = table1_rows(main)
    assert rows.loc[rows["command"] == "", "data set"].to_list() == ["MNIST"] * 2 + ["STL-10"] * 2
    missing = rows[rows["command"] != ""]
    assert missing["data set"].to_list() == [
        "Fashion-MNIST",
        "CIFAR-10",
        "CIFAR-100",
    ]
    assert missing["command"].to_list()[-1] == (
        """fa-lib run table1 --profile paper --set 'datasets=["cifar100"]'"""
    )
    assert (missing[["FA", "FAN", "BP", "n", "seeds"]] == "").all(axis=None)
