"""The answers to the statements, from planted tables: D of each by hand, codes, words, spread."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.integrate import trapezoid

from fa_lib.judges._differences import MEASURES, applies, differences
from fa_lib.judges._runs import Runs
from fa_lib.judges._settings import Coded, by_level, coded, over_settings, words
from fa_lib.judges._statistics import (
    Paired,
    code,
    equivalence_code,
    mean_interval,
    paired,
    spread,
    worst,
)
from fa_lib.paper import STATEMENTS
from fa_lib.protocol import READINGS
from fa_lib.settings import MULTIVERSE, Setting

SETTING = Setting("planted", "sgd", 0.1, 0.01, noise_steps=500, batch_size=100, horizon=10)
PER_EPOCH = 50
EPOCHS = (0, 1, 2, 3, 4, 5, 10)
SEEDS = range(7, 13)
TASKS = ("mnist", "fashion_mnist", "kmnist10k")
DEEP_EPOCH = 16  # steps: 1,600 images, 100 at a time


def _curve(
    rng: np.random.Generator, steps: tuple[int, ...], metrics: tuple[str, ...], **labels: object
) -> pd.DataFrame:
    rows = [(metric, step, seed) for metric in metrics for step in steps for seed in SEEDS]
    table = pd.DataFrame(rows, columns=["metric", "step", "seed"])
    defaults = {"setting": "planted", "layers": 2, "images": 5000, "task": "mnist"}
    return table.assign(value=rng.random(len(rows)), **{**defaults, **labels})


def planted(seed: int = 0) -> pd.DataFrame:
    """Every curve that a statement reads, of random numbers between 0 and 1."""
    rng = np.random.default_rng(seed)
    data = tuple(epoch * PER_EPOCH for epoch in EPOCHS)
    late = (*data, 15 * PER_EPOCH, 20 * PER_EPOCH)
    read = ("test_accuracy", "train_loss", "test_loss", "validation_accuracy")
    at_horizon = (*(f"{kind}_accuracy" for kind in ("shift", "scale", "rotation", "other")),)
    tables = []
    for arm in ("FA", "FAN", "BP", "Z", "ZF"):
        whose = {"arm": arm, "phase": "data"}
        tables += [
            _curve(rng, late if arm in ("FA", "FAN", "BP") else data, read, **whose),
            _curve(rng, (0, 500), ("distance", "neuron_angle"), **whose),
            _curve(rng, (500,), at_horizon, **whose),
        ]
    for arm in ("FA", "FAN", "Z"):
        deep = {"layers": 3, "images": 1600, "arm": arm, "phase": "data"}
        steps = tuple(epoch * DEEP_EPOCH for epoch in EPOCHS)
        tables.append(_curve(rng, steps, ("train_loss", "test_loss", "gram_rank"), **deep))
    for task in TASKS:
        for arm in ("FA", "FAN", "Z", "ZF"):
            whose = {"arm": arm, "phase": "data", "task": task}
            if task != "mnist":
                tables.append(_curve(rng, data, ("test_accuracy",), **whose))
            # Of MNIST step 100 is an epoch's too, and read above.
            adapted = (30,) if task == "mnist" else (30, 100)
            tables.append(_curve(rng, adapted, ("test_loss",), **whose))
    noise = {"arm": "FAN", "phase": "noise"}
    weights = ("rank_w1", "top_share_w1", "readout_deviation")
    tables += [
        _curve(rng, (0, 500), ("mean_loss", "neuron_angle", "distance"), **noise),
        _curve(rng, (-1,), ("displacement_cosine", "displacements_apart"), **noise),
        _curve(rng, (-1,), ("displacement_cosine",), arm="FA", phase="data"),
        _curve(rng, (0, 500), ("distance",), arm="DN", phase="after"),
        _curve(rng, (0, 500), weights, layers=3, images=1600, **noise),
        _curve(rng, (-1,), ("displacement_cosine",), layers=3, images=1600, **noise),
    ]
    return pd.concat(tables, ignore_index=True)


def runs_of(table: pd.DataFrame, setting: Setting = SETTING) -> Runs:
    return Runs(table, setting, "mnist", 1600)


TABLE = planted()


def v(metric: str, step: int, arm: str, phase: str = "data", **more: object) -> np.ndarray:
    """Values by seed, by plain selection."""
    which = {"layers": 2, "task": "mnist", **more}
    rows = TABLE[(TABLE["metric"] == metric) & (TABLE["step"] == step)]
    for column, value in {"arm": arm, "phase": phase, **which}.items():
        rows = rows[rows[column] == value]
    assert len(rows) == len(SEEDS)
    return rows.sort_values("seed")["value"].to_numpy()


def area(metric: str, arm: str, per_epoch: int = PER_EPOCH, **more: object) -> np.ndarray:
    heights = [v(metric, epoch * per_epoch, arm, **more) for epoch in EPOCHS]
    return trapezoid(heights, EPOCHS, axis=0) / 10


def ends(arm: str) -> np.ndarray:
    """Test accuracy at the first loss below .01, at epochs 0, 5, 10, 15, 20, else at the last."""
    found = v("test_accuracy", 20 * PER_EPOCH, arm)
    for epoch in (20, 15, 10, 5, 0):
        below = v("train_loss", epoch * PER_EPOCH, arm) < 0.01
        found = np.where(below, v("test_accuracy", epoch * PER_EPOCH, arm), found)
    return found


def n(metric: str, step: int, layers: int = 2) -> np.ndarray:
    return v(metric, step, "FAN", "noise", layers=layers)


def meta(arm: str) -> np.ndarray:
    return sum(v("test_loss", 100, arm, task=task) for task in TASKS)  # type: ignore[return-value]


def gap(arm: str) -> np.ndarray:
    test, train = (area(f"{p}_loss", arm, DEEP_EPOCH, layers=3) for p in ("test", "train"))
    return test - train


def moved(arm: str) -> np.ndarray:
    return sum(v(f"{f}_accuracy", 500, arm) for f in ("shift", "scale", "rotation")) / 3


def by_hand(id: str, other: str) -> dict[str, np.ndarray]:
    """D of a statement, written from the protocol's words once more."""
    start = n("distance", 0)
    gram = {arm: v("gram_rank", 160, arm, layers=3) for arm in ("FA", "FAN", "Z")}
    after = v("distance", 500, "DN", "after")
    at_data = v("distance", 500, "FA")
    both = v("distance", 500, "FAN")
    if id == "2b-BP":
        own = area("test_accuracy", "FAN")
        return {"": 100 * (own - (area("test_accuracy", "FA") + area("test_accuracy", "BP")) / 2)}
    simple = {
        "1d": lambda: n("mean_loss", 0) - n("mean_loss", 500),
        "1e": lambda: n("neuron_angle", 0) - n("neuron_angle", 500),
        "2b-speed": lambda: 100 * (area("test_accuracy", "FAN") - area("test_accuracy", other)),
        "2c": lambda: v("neuron_angle", 500, other) - v("neuron_angle", 500, "FAN"),
        "2g-stuck": lambda: 100 * (after - at_data) / start.mean(),
        "2g-order": lambda: 100 * (after - both) / start.mean(),
        "4b": lambda: n("readout_deviation", 0, 3) / 2 - n("readout_deviation", 500, 3),
        "4c": lambda: (
            100
            * (n("top_share_w1", 500, 3) - n("top_share_w1", 0, 3))
            / n("top_share_w1", 0, 3).mean()
        ),
        "4d": lambda: 100 * (n("rank_w1", 0, 3) - n("rank_w1", 500, 3)) / n("rank_w1", 0, 3).mean(),
        "4e": lambda: gap(other) - gap("FAN"),
        "4g": lambda: 100 * (gram[other] - gram["FAN"]) / gram["FA"].mean(),
        "5b": lambda: 100 * (moved("FAN") - moved(other)),
        "5c": lambda: 100 * (v("other_accuracy", 500, "FAN") - v("other_accuracy", 500, other)),
        "6a": lambda: 100 * (meta(other) - meta("FAN")) / meta("FA").mean(),
    }
    if id in simple:
        return {"": simple[id]()}
    if id in ("2b-end", "3"):
        if other == "FA":
            return {"": 100 * (ends("FAN") - ends("FA"))}
        return {"": 100 * (v("test_accuracy", 500, "FAN") - v("test_accuracy", 500, other))}
    if id == "2d":
        return {
            "apart": n("displacements_apart", -1) - 45,
            "noise towards feedback": n("displacement_cosine", -1),
            "data towards feedback": v("displacement_cosine", -1, "FA"),
        }
    if id == "2e":
        return {
            "untrained above data": 100 * (start - at_data) / start.mean(),
            "data above both": 100 * (at_data - both) / start.mean(),
            "untrained above both": 100 * (start - both) / start.mean(),
        }
    if id == "6b":
        return {f"{layers} layers": n("displacement_cosine", -1, layers) for layers in (2, 3)}
    assert id == "6c"
    return {
        task: 100
        * (area("test_accuracy", "FAN", task=task) - area("test_accuracy", other, task=task))
        for task in TASKS
    }


ASKED = [
    (id, other)
    for id, reading in READINGS.items()
    if reading.settings
    for other in ("FA", *reading.controls)
    if not (id == "2b-BP" and other != "FA")
]


@pytest.mark.parametrize(("id", "other"), ASKED)
def test_d_of_each_statement_is_what_the_protocol_says(id: str, other: str) -> None:
    found = differences(runs_of(TABLE), id, other)
    wanted = by_hand(id, other)
    assert list(found) == list(wanted)
    for part, values in wanted.items():
        assert found[part].difference.sort_index().to_numpy() == pytest.approx(values)
    if list(found) == [""]:
        assert found[""].smallest == READINGS[id].smallest


def test_every_statement_judged_over_settings_has_a_measure() -> None:
    assert set(MEASURES) == {id for id in STATEMENTS if READINGS[id].settings}


def test_against_a_control_near_bp_is_asked_as_speed_is() -> None:
    runs = runs_of(TABLE)
    found, speed = differences(runs, "2b-BP", "Z"), differences(runs, "2b-speed", "Z")
    assert found[""].difference.equals(speed[""].difference)
    assert found[""].smallest == 1.0


def test_a_network_that_diverged_is_in_no_pair() -> None:
    table = TABLE[TABLE["seed"] != 9]
    row = {"seed": 9, "metric": "diverged", "value": 40.0, "task": "learning"}
    runs = runs_of(pd.concat([table, pd.DataFrame([row])], ignore_index=True))
    assert runs.diverged == {"learning": [9]}
    assert 9 not in differences(runs, "2b-speed")[""].difference.index
    assert coded(runs, "2b-speed").tests[""].n == len(SEEDS) - 1


def test_a_part_without_any_network_left_is_unclear() -> None:
    lost = [{"seed": s, "metric": "diverged", "value": 40.0, "task": "learning"} for s in SEEDS]
    table = pd.concat([TABLE[TABLE["layers"] == 3], pd.DataFrame(lost)], ignore_index=True)
    assert coded(runs_of(table), "2b-speed").code == "unclear"
    with pytest.raises(KeyError):  # without a reason, something is amiss
        coded(runs_of(TABLE[TABLE["layers"] == 3]), "2b-speed")


def _with(arm: str, metric: str, value: float) -> pd.DataFrame:
    table = TABLE.copy()
    table.loc[(table["arm"] == arm) & (table["metric"] == metric), "value"] = value
    return table


@pytest.mark.parametrize(
    ("bp", "fa", "near", "end"),
    [
        (0.9, 0.8, True, True),
        (0.9, 0.895, False, True),
        (0.9, 0.95, False, False),
        (0.49, 0.2, False, False),
    ],
)
def test_where_a_statement_applies(bp: float, fa: float, near: bool, end: bool) -> None:
    table = _with("BP", "test_accuracy", bp)
    table.loc[(table["arm"] == "FA") & (table["metric"] == "test_accuracy"), "value"] = fa
    runs = runs_of(table)
    assert applies(runs, "2b-BP") is near
    assert applies(runs, "3") is end
    assert applies(runs, "2b-speed")


def test_networks_that_do_not_converge_are_late() -> None:
    table = _with("FA", "train_loss", 0.5)
    at = table["metric"].eq("train_loss") & table["arm"].eq("FA") & table["seed"].eq(8)
    table.loc[at & (table["step"] == PER_EPOCH), "value"] = 0.001  # no fifth epoch: not read
    table.loc[at & (table["step"] == 15 * PER_EPOCH), "value"] = 0.001
    values, late = runs_of(table).converged("test_accuracy", "FA")
    assert late.to_dict() == {seed: seed != 8 for seed in SEEDS}
    assert values[8] == v("test_accuracy", 15 * PER_EPOCH, "FA")[1]
    assert values[7] == v("test_accuracy", 20 * PER_EPOCH, "FA")[0]


def test_a_network_of_a_group_that_stopped_early_is_read_where_it_stopped() -> None:
    table = _with("FA", "train_loss", 0.5)
    at = table["arm"].eq("FA") & table["seed"].eq(8) & table["phase"].eq("data")
    table.loc[at & table["metric"].eq("train_loss") & (table["step"] == 500), "value"] = 0.001
    table = table[~(at & (table["step"] > 500))]
    values, late = runs_of(table).converged("test_accuracy", "FA")
    assert not late[8]
    assert values[8] == v("test_accuracy", 500, "FA")[1]


# -- Statistics ------------------------------------------------------------------------------------


def test_the_interval_is_scipys() -> None:
    sample = np.random.default_rng(0).normal(3, 2, 17)
    expected = stats.t.interval(0.95, 16, loc=sample.mean(), scale=stats.sem(sample))
    assert mean_interval(sample) == pytest.approx((sample.mean(), *expected), rel=1e-12)


def test_the_interval_of_one_value_is_undefined() -> None:
    mean, low, high = mean_interval([2.5])
    assert mean == 2.5
    assert math.isnan(low)
    assert math.isnan(high)


def test_the_paired_test_is_scipys() -> None:
    sample = np.random.default_rng(0).normal(0.3, 1, 12)
    found, wanted = paired([*sample, math.nan]), stats.ttest_1samp(sample, 0)
    assert (found.n, found.p) == (12, pytest.approx(wanted.pvalue))
    for level in (0.9, 0.95):
        assert found.interval(level) == pytest.approx(tuple(wanted.confidence_interval(level)))
    assert paired([1.0, 1.0]).p == 0
    assert paired([0.0, 0.0]).p == 1
    assert math.isnan(paired([1.0]).p)


@pytest.mark.parametrize(
    ("mean", "spread_", "wanted"),
    [
        (2.0, 0.1, "yes"),
        (-2.0, 0.1, "opposite"),
        (0.2, 0.1, "none"),
        (0.5, 4.0, "unclear"),
        (0.8, 0.1, "none"),  # significant, and too small to count
        (1.5, 9.0, "unclear"),  # of the size that counts, and not significant
    ],
)
def test_codes(mean: float, spread_: float, wanted: str) -> None:
    sample = mean + spread_ * np.array([-1.0, 1.0] * 5)
    assert code(sample, 1.0, 0.05) == wanted


def test_a_smallest_effect_of_zero_asks_for_significance_alone() -> None:
    assert code([0.1, 0.11, 0.12], 0.0, 0.05) == "yes"
    assert code([0.1, -0.11, 0.12], 0.0, 0.05) == "unclear"


@pytest.mark.parametrize(
    ("mean", "spread_", "wanted"),
    [
        (0.0, 0.5, "yes"),
        (1.9, 0.5, "unclear"),
        (3.0, 0.5, "opposite"),
        (-3.0, 0.5, "opposite"),
        (0.0, 9.0, "unclear"),
    ],
)
def test_equivalence(mean: float, spread_: float, wanted: str) -> None:
    sample = mean + spread_ * np.array([-1.0, 1.0] * 5)
    assert equivalence_code(sample, 2.0) == wanted
    if wanted == "yes":  # two one-sided tests, by scipy
        sides = [stats.ttest_1samp(sample, at, alternative=way).pvalue
                 for at, way in ((-2, "greater"), (2, "less"))]  # fmt: skip
        assert max(sides) < 0.05


def test_equivalence_is_decided_by_the_90_percent_interval() -> None:
    sample = np.array([-1.0, 1.0] * 5)
    error = sample.std(ddof=1) / math.sqrt(10)
    reach = [stats.t.ppf(q, 9) * error for q in (0.95, 0.975)]
    between = 2 - (reach[0] + reach[1]) / 2  # the 90 % interval fits, the 95 % one does not
    assert equivalence_code(sample + between, 2.0) == "yes"


def test_the_worst_part_decides() -> None:
    assert worst(["yes", "unclear", "none", "opposite"]) == "opposite"
    assert worst(["yes", "unclear", "none"]) == "none"
    assert worst(["yes", "unclear"]) == "unclear"
    assert worst(["yes", "yes"]) == "yes"


def test_spread_over_settings_is_metafors_on_the_bcg_trials() -> None:
    # Colditz et al. 1994, as R's metafor documents them; its REML fit gives tau^2 = .3132 and
    # -.7145 [-1.0669, -.3622] (Viechtbauer 2010).
    trials = np.array([
        [4, 119, 11, 128], [6, 300, 29, 274], [3, 228, 11, 209], [62, 13536, 248, 12619],
        [33, 5036, 47, 5761], [180, 1361, 372, 1079], [8, 2537, 10, 619],
        [505, 87886, 499, 87892], [29, 7470, 45, 7232], [17, 1699, 65, 1600],
        [186, 50448, 141, 27197], [5, 2493, 3, 2338], [27, 16886, 29, 17825],
    ])  # fmt: skip
    a, b, c, d = trials.T
    effects = np.log((a / (a + b)) / (c / (c + d)))
    errors = np.sqrt(1 / a - 1 / (a + b) + 1 / c - 1 / (c + d))
    found = spread(effects, errors)
    assert found.between**2 == pytest.approx(0.3132, abs=1e-4)
    assert found.mean == pytest.approx(-0.7145, abs=1e-4)
    assert (found.low, found.high) == pytest.approx((-1.0669, -0.3622), abs=1e-4)
    half = stats.t.ppf(0.975, 11) * math.sqrt(0.3132 + ((1.0669 - 0.3622) / 2 / 1.95996) ** 2)
    assert found.predicted_high - found.mean == pytest.approx(half, rel=1e-3)


def test_settings_that_agree_have_no_spread() -> None:
    found = spread([1.0, 1.0, 1.0, 1.0], [0.1, 0.2, 0.1, 0.3])
    assert found.between == 0
    assert found.mean == pytest.approx(1)
    assert found.high - found.mean == pytest.approx(
        1.95996 / math.sqrt(2 / 0.01 + 1 / 0.04 + 1 / 0.09), rel=1e-4
    )


# -- Over settings ---------------------------------------------------------------------------------


def _row(code: str, effect: float = 2.0, learned: bool = True, **beyond: bool) -> Coded:
    return Coded("M01", code, "", {"": Paired(10, effect, 0.5, 0.01)}, learned, beyond)


def test_counts_shares_and_controls() -> None:
    found = [
        *[_row("yes", Z=i < 9, ZF=i < 3) for i in range(40)],
        *[_row("opposite", -2.0) for _ in range(8)],
        *[_row("", learned=False) for _ in range(10)],
        *[_row("unclear", learned=False) for _ in range(2)],
    ]
    over = over_settings(found, "2b-speed")
    assert over.counts == {"yes": 40, "opposite": 8, "none": 0, "unclear": 2, "": 10}
    assert over.counts_learned == {"yes": 40, "opposite": 8, "none": 0, "unclear": 0, "": 0}
    assert over.applicable == 50
    assert over.share("yes") == 0.8
    assert over.beyond == {"Z": 9, "ZF": 3}
    assert over.spreads[""].mean == pytest.approx((40 * 2 - 8 * 2 + 2 * 2) / 50)


@pytest.mark.parametrize(
    ("bases", "codes", "wanted"),
    [
        (2, {"yes": 48, "none": 12}, "reproduced"),
        (1, {"yes": 48, "none": 12}, "depends"),
        (3, {"yes": 47, "none": 13}, "depends"),
        (3, {"yes": 12, "none": 48}, "depends"),
        (3, {"yes": 11, "none": 49}, "not reproduced"),
        (0, {"yes": 11, "opposite": 30, "none": 19}, "opposite"),
        (0, {"yes": 11, "opposite": 29, "none": 20}, "not reproduced"),
        (0, {"yes": 12, "opposite": 48}, "depends"),
        (2, {"yes": 0, "none": 29, "": 31}, "reproduced in the bases"),
        (1, {"yes": 29, "": 31}, "not reproduced in the bases"),
    ],
)
def test_the_answer_in_a_word(bases: int, codes: dict[str, int], wanted: str) -> None:
    found = [_row(code) for code, count in codes.items() for _ in range(count)]
    assert words(bases, over_settings(found, "1d")) == wanted


def test_shares_by_level() -> None:
    levels = {s.name: {"width": s.width, "inputs": s.inputs} for s in MULTIVERSE}
    found = [replace(_row("yes" if s.width == 256 else "none"), setting=s.name) for s in MULTIVERSE]
    found[0] = replace(found[0], code="")
    table = by_level(found, levels).set_index(["factor", "level"])
    assert table.loc[("width", 256), "yes"] == 1
    assert table.loc[("width", 100), "yes"] == 0
    assert table["settings"].groupby(level=0).sum().tolist() == [59, 59]


def test_a_statement_of_parts_is_decided_by_the_worst() -> None:
    table = TABLE.copy()
    flat = {"displacements_apart": 80.0, "displacement_cosine": 0.5}
    for metric, value in flat.items():
        noise = table["metric"].eq(metric)
        table.loc[noise, "value"] = value + 0.01 * table.loc[noise, "seed"]
    assert coded(runs_of(table), "2d").code == "yes"
    towards = table["metric"].eq("displacement_cosine") & table["arm"].eq("FA")
    table.loc[towards, "value"] *= -1
    found = coded(runs_of(table), "2d")
    assert (found.code, found.part) == ("opposite", "data towards feedback")
