"""What claims C4 to C12 rest on, against closed forms and against plain pandas and SciPy."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from learning_tables import (
    AT_STRUCTURE,
    JITTER,
    STRUCTURE,
    UNIT,
    UNITS,
    Changes,
    data,
    line,
    noise,
    sizes,
)
from scipy import stats

from fa_lib.claims import (
    at_checkpoint,
    by_arm,
    by_pair,
    details,
    judge,
    runs,
)
from fa_lib.claims._curves import by_step

ACCURACY, ANGLE = "test_accuracy", "centered_alignment_angle_w2"
GAIN = 5000 / UNIT / 20  # noise steps over steps of the curve


def mean_of(frame: pd.DataFrame, measure: str, **where: object) -> float:
    rows = frame[frame["measure"] == measure]
    for column, value in where.items():
        rows = rows[rows[column] == value]
    return float(rows["value" if "value" in rows else "effect"].mean())


def only(frame: pd.DataFrame, measure: str) -> pd.Series:
    (row,) = frame[frame["measure"] == measure].to_dict("records")
    return pd.Series(row)


def test_the_wide_table_is_that_of_pandas() -> None:
    rows = data()
    rows = rows[(rows["panel"] == "data") & (rows["metric"] == ACCURACY) & (rows["arm"] == "FA")]
    rows = rows[(rows["setting"] == rows["setting"].iloc[0]) & (rows["n"] == rows["n"].iloc[0])]
    rows = rows.sample(frac=0.9, random_state=0)  # in no order, and with holes
    wide = rows.pivot(index="step", columns="seed", values="value")  # noqa: PD010 - what is tested
    assert wide.isna().any(axis=None)
    pd.testing.assert_frame_equal(by_step(rows), wide, check_exact=True)
    with pytest.raises(ValueError, match="two values for one step and seed"):
        by_step(pd.concat([rows, rows.tail(1)]))


def test_area_and_steps_of_a_straight_line() -> None:
    values = by_arm("C5", data())
    assert mean_of(values, "area under the accuracy curve", arm="FA") == pytest.approx(75)
    assert mean_of(values, "area under the accuracy curve", arm="BP") == pytest.approx(87)
    # FA climbs from 60 to 90 % in 20 epochs: 80 % after two thirds of them.
    assert mean_of(values, "steps to 80%", arm="FA") == pytest.approx(20 * UNIT * 2 / 3)
    counted = mean_of(values, "steps to 80%, noise steps counted", arm="FAN")
    assert counted == pytest.approx(5000 + 20 * UNIT * 10 / 22, rel=1e-3)
    assert mean_of(values, "steps to 80%", arm="BP") == 0


def test_share_that_does_not_reach_a_threshold() -> None:
    late = data({("FA", ACCURACY): line(0.6, 0.89)}, arms=("FA", "FAN"))
    found = details("C5", late)
    shares = found[found["measure"] == "share not reaching 90%"].set_index("comparison")["effect"]
    assert shares.to_dict() == {"FA": 100.0, "FAN": 0.0}
    assert "steps to 90%" not in set(found["measure"])  # no pair in which both reach it


def test_area_with_noise_steps_counted() -> None:
    pair = by_pair("C5", data())
    row = pair[pair["measure"] == "area under the accuracy curve, noise steps counted"]
    # Over 5,000 + 1,600 steps: FA climbs at once and keeps its last value, FAN waits at its first.
    climbing, waiting = 1 / (1 + GAIN), GAIN / (1 + GAIN)
    assert row["reference"].mean() == pytest.approx(75 * climbing + 90 * waiting)
    assert row["arm"].mean() == pytest.approx(81 * climbing + 70 * waiting, rel=1e-3)


def test_share_of_the_gap_to_bp() -> None:
    row = only(details("C5", data()), "share of the gap to BP closed")
    assert row["effect"] == pytest.approx(0.5)
    assert row["low"] < 0.5 < row["high"]
    (judged,) = next(v for v in judge("learning", data()) if v.claim.id == "C5").settings
    assert "not surely close" in judged.note


def test_equal_loss_is_where_the_better_arm_passes_the_other_ones_last_loss() -> None:
    # FA: 2 exp(-u/10), FAN: exp(-u/10): FAN has FA's last loss after 20 - 10 ln 2 epochs.
    pair = by_pair("C8", data({("FAN", "path_length"): line(0, 2)}))
    row = pair[pair["measure"] == "path to the common training loss"]
    assert row["reference"].to_numpy() == pytest.approx(2.0)
    assert row["arm"].mean() == pytest.approx(2 - math.log(2), rel=1e-3)
    pair = by_pair("C4", data({("FAN", ANGLE): line(80, 60), ("FA", ANGLE): line(90, 70)}))
    row = pair[pair["measure"] == "centred angle at equal training loss"]
    assert row["arm"].mean() == pytest.approx(80 - (20 - 10 * math.log(2)), rel=1e-4)


def test_first_crossing_counts_where_a_loss_rises_again() -> None:
    def bumpy(unit: float) -> float:
        return {0: 4.0, 1: 1.0}.get(unit, 2.0)

    changes: Changes = {("FA", "train_loss"): bumpy, ("FAN", "train_loss"): bumpy}
    pair = by_pair("C8", data(changes))
    row = pair[pair["measure"] == "path to the common training loss"]
    assert row["reference"].to_numpy() == pytest.approx(0.1)  # of 2 in 20 epochs, after one


def test_angle_over_equal_total_steps() -> None:
    table = data({("FAN", ANGLE): line(60, 50)}, arms=("FA", "FAN"))
    row = by_pair("C4", table)
    assert row[row["measure"] == "centred angle at equal total steps"].empty  # FA: 1,600 steps
    longer = table[(table["arm"] == "FA") & (table["metric"] == ANGLE) & (table["step"] == 1600)]
    table = pd.concat([table, longer.assign(step=20_000)])
    row = by_pair("C4", table)
    row = row[row["measure"] == "centred angle at equal total steps"]
    assert row["reference"].to_numpy() == pytest.approx(70)
    # FAN's angle falls along the total step: its mean over the logarithm, by integration.
    total = np.geomspace(5080, 6600, 20_001)
    angle = 60 - 10 * (total - 5000) / 1600
    assert row["arm"].mean() == pytest.approx(np.mean(angle), abs=0.03)


def test_checkpoint_is_the_first_of_the_best_before_patience_ends() -> None:
    heights = {0: 0.1, 1: 0.5, 2: 0.9, 5: 0.9, 10: 0.8, 15: 0.95, 20: 0.99}
    changes: Changes = {
        ("FAN", "validation_accuracy"): lambda unit: heights.get(unit, 0.0),
        ("FAN", ACCURACY): lambda unit: unit / 100,
    }
    (run,) = runs(data(changes), [ACCURACY, "validation_accuracy"])
    # 0.9 at epoch 2, not risen at 5 and 10; at epoch 15 patience of 13 epochs has not ended before
    # the rise, that of 8 has ended at epoch 10. A rise counts at the record where patience ends.
    ends = {8: 0.02, 13: 0.20, 14: 0.20}
    for patience, expected in ends.items():
        found = at_checkpoint(run, "FAN", ACCURACY, patience)
        assert found.to_numpy() == pytest.approx(expected, abs=JITTER)


def test_records_undefined_in_one_arm_are_left_out_of_both() -> None:
    # Z has no gradient angle at step 0. FAN's is 60 degrees from there on, but 0 at step 0.
    changes: Changes = {
        ("FAN", "gradient_angle_w1"): lambda unit: 0.0 if unit == 0 else 60.0,
        ("Z", "gradient_angle_w1"): lambda unit: math.nan if unit == 0 else 65.0,
    }
    against = {
        reference: mean_of(details("C7", data(changes)), "gradient angle of W1, epochs 0 to 5",
                           comparison=f"FAN against {reference}")
        for reference in ("FA", "Z")
    }  # fmt: skip
    assert against["Z"] == pytest.approx(5.0, abs=1e-9)
    assert against["FA"] == pytest.approx(20 + 60 * 0.125 / 5)  # a triangle of a quarter epoch


def test_shrinking_alone_and_turning() -> None:
    # Norms 2 -> 1 at angles of 90 degrees: from sqrt(8) to sqrt(5); turned to 60 degrees, sqrt(3).
    changes: Changes = {("FA", ANGLE): 90.0, ("FAN", ANGLE): 60.0}
    found = details("C8", data(changes))
    alone = only(found, "distance to the feedback, fall by shrinking alone")["effect"]
    whole = only(found, "distance to the feedback, fall by noise training")["effect"]
    assert alone == pytest.approx(100 * (1 - math.sqrt(5 / 8)), rel=1e-3)
    assert whole == pytest.approx(100 * (1 - math.sqrt(3 / 8)), rel=1e-3)


def test_slope_and_mean_over_sizes() -> None:
    found = details("C12", sizes({100: 0.8, 1000: 0.85, 10_000: 0.9}, arms=("FA", "FAN")))
    name = "test loss at equal training loss"
    assert only(found, f"{name}, mean over sizes")["effect"] == pytest.approx(15)
    assert only(found, f"{name}, slope for a tenfold size")["effect"] == pytest.approx(-5)
    gap = found[found["measure"] == "test minus training loss at the end of the curve"]
    # FA: 1 - 2/e^2, FAN: 0.8 - 1/e^2 at n = 100.
    assert gap["effect"].iloc[0] == pytest.approx(0.2 - math.exp(-2))


def test_sizes_share_their_seeds() -> None:
    table = pd.concat([sizes({100: 0.8}, seeds=range(6)), sizes({5000: 0.9}, seeds=range(10))])
    (row,) = next(v for v in judge("learning", table) if v.claim.id == "C12").settings
    assert row.n == 6


def test_noise_training_in_details() -> None:
    kl = details("C9", noise())
    assert mean_of(kl, "KL on noise") == pytest.approx(90)
    assert mean_of(details("C10", noise()), "participation ratio of W1") == pytest.approx(15)


def random_table(seeds: int = 8) -> pd.DataFrame:
    draw = np.random.default_rng(11)
    rows = []
    for n, full in ((300, False), (5000, True)):
        for arm in ("FA", "FAN"):
            for metric in ("test_accuracy", "test_loss", "train_loss", ANGLE, *AT_STRUCTURE,
                           "gradient_angle_w1"):  # fmt: skip
                units = STRUCTURE if metric in AT_STRUCTURE else UNITS
                if metric in (*AT_STRUCTURE, "gradient_angle_w1") and not full:
                    continue
                for seed in range(seeds):
                    values = np.cumsum(draw.uniform(0.2, 1, len(units)))[::-1]
                    steps = [int(unit * UNIT) for unit in units]
                    where = {"arm": arm, "metric": metric, "n": n, "seed": seed}
                    rows.append(pd.DataFrame({**where, "step": steps, "value": values}))
    table = pd.concat(rows, ignore_index=True)
    return table.assign(panel="data", setting="F", width=512, lr=1e-4, noise_steps=0)


def test_numbers_agree_with_plain_pandas_and_scipy() -> None:
    table = random_table()
    found = {v.claim.id: v.settings[0] for v in judge("learning", table) if v.settings}

    def curve(arm: str, metric: str, seed: int, n: int = 5000) -> tuple[np.ndarray, np.ndarray]:
        rows = table.query("arm == @arm and metric == @metric and seed == @seed and n == @n")
        return rows["step"].to_numpy(), rows["value"].to_numpy()

    def height(arm: str, metric: str, seed: int, first: int, stop: int, log: bool) -> float:
        steps, values = curve(arm, metric, seed)
        kept = (steps >= first) & (steps <= stop)
        at = np.log(steps[kept]) if log else steps[kept]
        area = sum((at[1:] - at[:-1]) * (values[kept][1:] + values[kept][:-1]) / 2)
        return area / (at[-1] - at[0])

    def at_loss(metric: str, seed: int, n: int) -> tuple[float, float]:
        falls, values = {}, {}
        for arm in ("FA", "FAN"):
            steps, values[arm] = curve(arm, metric, seed, n)
            at, loss = curve(arm, "train_loss", seed, n)
            falls[arm] = np.log(loss[np.isin(at, steps)])
        common = max(fall[-1] for fall in falls.values())  # every planted loss falls
        return tuple(np.interp(-common, -falls[arm], values[arm]) for arm in ("FA", "FAN"))

    expected: dict[str, list[float]] = {"C4": [], "C5": [], "C7": [], "C11": [], "C12": []}
    for seed in range(8):
        angle = [height(arm, ANGLE, seed, UNIT, 1600, True) for arm in ("FA", "FAN")]
        expected["C4"].append(angle[0] - angle[1])
        area = [height(arm, ACCURACY, seed, 0, 1600, False) for arm in ("FA", "FAN")]
        expected["C5"].append(100 * (area[1] - area[0]))
        angle = [height(arm, "gradient_angle_w1", seed, 0, 400, False) for arm in ("FA", "FAN")]
        expected["C7"].append(angle[0] - angle[1])
        theirs, ours = at_loss("rank_w1", seed, 5000)
        expected["C11"].append(100 * (1 - ours / theirs))
        losses = [at_loss("test_loss", seed, n) for n in (300, 5000)]
        expected["C12"].append(np.mean([100 * (1 - ours / theirs) for theirs, ours in losses]))
    for claim, values in expected.items():
        row = found[claim]
        interval = stats.t.interval(0.95, 7, loc=np.mean(values), scale=stats.sem(values))
        assert (row.effect, row.low, row.high) == pytest.approx((np.mean(values), *interval))
    for claim in ("C4", "C5", "C7", "C12"):  # the others' p is the larger of two
        p = stats.wilcoxon(expected[claim], alternative="greater").pvalue
        assert found[claim].p == pytest.approx(p)


@pytest.mark.parametrize("claim", ["C4", "C5", "C6", "C7", "C8", "C11"])
def test_what_chapters_show_is_what_is_judged(claim: str) -> None:
    table = data()
    (row,) = next(v for v in judge("learning", table) if v.claim.id == claim).settings
    means = by_pair(claim, table).groupby("measure", sort=False)["difference"].mean()
    assert row.effect == pytest.approx(means.iloc[:3].min() if claim == "C8" else means.iloc[0])
    beside = details(claim, table)
    against_fa = beside[beside["comparison"] == "FAN against FA"].iloc[0]
    assert against_fa["effect"] == pytest.approx(means.iloc[0])


def test_a_claim_without_measures_is_refused() -> None:
    with pytest.raises(ValueError, match="Unknown claim 'C3'"):
        by_arm("C3", data())


def test_units_of_a_curve_and_what_goes_on_after_it() -> None:
    table = data()
    later = table[table["metric"].isin([ACCURACY, "validation_accuracy"]) & (table["step"] == 1600)]
    table = pd.concat([table, later.assign(step=1760), data(n=300, full=False)])
    small, full = runs(table, [ACCURACY])
    assert (small.n, small.unit, small.end, small.full) == (300, UNIT, 1600, False)
    assert (full.n, full.unit, full.end, full.full) == (5000, UNIT, 1600, True)
    assert full.whole("FA", ACCURACY).index[-1] == 1760
    assert full.curve("FA", ACCURACY).index[-1] == 1600
