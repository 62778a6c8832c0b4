"""Statements as printed over cells, what stands beside, and the table, from planted tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fa_lib.answers import Answer, answer, in_words
from fa_lib.experiments import fig1, fig3, fig4
from fa_lib.judges import as_printed, bases_of, parts_of
from fa_lib.judges._beside import late, moments, wilcoxon_readings
from fa_lib.judges._differences import Part
from fa_lib.judges._runs import Runs
from fa_lib.paper import STATEMENTS
from fa_lib.protocol import READINGS
from fa_lib.settings import Setting

SEEDS = (3, 5, 8, 13)


def rows(values: dict[int, float], **labels: Any) -> pd.DataFrame:
    """A value for each seed."""
    frame = pd.DataFrame({"seed": list(values), "value": list(values.values())})
    where = {"setting": "B1", "layers": 2, "images": 100, "task": "t"}
    return frame.assign(**{**where, "arm": "FA", "phase": "data", "step": 0, **labels})


def drawn(mean: float, rng: np.random.Generator, spread: float = 0.1) -> dict[int, float]:
    return dict(zip(SEEDS, mean + spread * rng.standard_normal(len(SEEDS)), strict=True))


# -- 1f: input conditions --------------------------------------------------------------------------


def grid(falls: list[float]) -> tuple[pd.DataFrame, Any]:
    rng = np.random.default_rng(0)
    config = replace(fig1.PROFILES["smoke"], bases=("B1",))
    parts = []
    for place, fall in enumerate(falls):
        cell = {"phase": "grid", "metric": "alignment_angle_w2", "distribution": "normal",
                "mean": float(place), "std": 1.0}  # fmt: skip
        parts += [rows(drawn(90, rng), **cell), rows(drawn(90 - fall, rng), **cell | {"step": 9})]
    return pd.concat(parts), config


@pytest.mark.parametrize(
    ("falls", "yes"),
    [([9, 9, 9, 9, -9], True), ([9, 9, 9, -9, -9], False), ([9, 9, 9, 9, 1.5], True),
     ([9, 9, 9, 1.5, 1.5], False)],
)  # fmt: skip
def test_input_conditions_need_four_fifths_of_the_cells(falls: list[float], yes: bool) -> None:
    """A fall of 1.5 degrees is certain here, and smaller than what counts."""
    found = as_printed({"fig1": grid(falls)}, "1f", "B1")
    assert found.yes == yes
    assert sorted(found.effect.values()) == pytest.approx(sorted(falls), abs=0.3)


# -- 3: depths and data sets -----------------------------------------------------------------------


def final(gains: dict[tuple[str, int], float], bp: float = 0.3) -> tuple[pd.DataFrame, Any]:
    """FA at .5, FAN and BP so much above it, converged at step 40; then all falls apart."""
    rng = np.random.default_rng(1)
    config = replace(fig3.PROFILES["smoke"], bases=("B1",))
    parts = []
    for (task, layers), gain in gains.items():
        for arm, lead in (("FA", 0.0), ("FAN", gain), ("BP", bp)):
            cell = {"task": task, "layers": layers, "arm": arm}
            for step, loss, accuracy in ((0, 2.3, 0.1), (40, 0.005, 0.5 + lead), (80, 0.001, 0.0)):
                parts += [
                    rows(drawn(accuracy, rng, 0.001), metric="test_accuracy", step=step, **cell),
                    rows(drawn(loss, rng, 0.0), metric="train_loss", step=step, **cell),
                ]
    return pd.concat(parts), config


def test_every_cell_must_gain_and_is_read_when_it_has_converged() -> None:
    gains = {("mnist5k", 2): 0.1, ("digits", 3): 0.05}
    # 100 images, 128 a step: an epoch is one step, and every fifth is looked at.
    found = parts_of({"fig3": final(gains)}, "3", "B1")
    effect = {name: part.difference.mean() for name, part in found.items()}
    assert effect == pytest.approx({"mnist5k, 2 layers": 10.0, "digits, 3 layers": 5.0}, abs=0.2)
    assert as_printed({"fig3": final(gains)}, "3", "B1").yes
    gains["digits", 5] = -0.05
    assert not as_printed({"fig3": final(gains)}, "3", "B1").yes


def test_cells_in_which_bp_is_not_ahead_are_not_asked() -> None:
    table = {"fig3": final({("mnist5k", 2): 0.1}, bp=-0.1)}
    assert parts_of(table, "3", "B1") == {}
    assert not as_printed(table, "3", "B1").yes
    assert in_words({}, READINGS["3"]) == "does not apply"


# -- 4: sizes, depths, and the paper's own test ----------------------------------------------------


def simpler(gap: dict[int, float], rank: dict[int, float]) -> tuple[pd.DataFrame, Any]:
    """FAN's gap so much smaller at each size, its Gram rank so many percent lower at each depth."""
    rng = np.random.default_rng(2)
    config = replace(
        fig4.PROFILES["smoke"], bases=("B1",), sizes=tuple(gap), depths=tuple(rank), most_epochs=1,
        most_images=256,
    )  # fmt: skip
    parts = []
    cells = [(fig4.DEPTH, n) for n in gap] + [(depth, 256) for depth in rank]
    for layers, images in dict.fromkeys(cells):
        last = -(-images // 128)
        for arm in ("FA", "FAN"):
            cell = {"layers": layers, "images": images, "arm": arm, "task": "mnist5k"}
            noisy = arm == "FAN"
            test = 1.0 - gap.get(images, 0.0) * noisy
            gram = 10 * (1 - rank.get(layers, 0.0) / 100 * noisy)
            parts += [rows(drawn(gram, rng, 0.01), metric="gram_rank", step=last, **cell)]
            for step in (0, last):
                parts += [
                    rows(drawn(test, rng, 0.01), metric="test_loss", step=step, **cell),
                    rows(drawn(0.2, rng, 0.01), metric="train_loss", step=step, **cell),
                ]
    return pd.concat(parts).assign(index=-1), config


def test_gaps_at_every_size_and_ranks_at_every_depth() -> None:
    table = {"fig4": simpler({100: 0.2, 200: 0.1}, {2: 30.0, 4: 20.0})}
    sizes, depths = (parts_of(table, id, "B1") for id in ("4f", "4h"))
    means = {name: part.difference.mean() for name, part in (sizes | depths).items()}
    wanted = {"100 images": 0.2, "200 images": 0.1, "2 layers": 30.0, "4 layers": 20.0}
    assert means == pytest.approx(wanted, rel=0.2)
    assert as_printed(table, "4f", "B1").yes
    assert as_printed(table, "4h", "B1").yes
    worse = {"fig4": simpler({100: 0.2, 200: -0.1}, {2: 30.0, 4: -20.0})}
    assert not as_printed(worse, "4f", "B1").yes
    assert not as_printed(worse, "4h", "B1").yes


def test_controls_of_what_the_bases_alone_judge_are_counted_in_them() -> None:
    table, config = simpler({100: 0.2, 200: 0.2}, {2: 30.0})
    for gain, wanted in ((0.0, "Z 1 of 1"), (-0.3, "Z 0 of 1")):
        own = table[table["arm"] == "FA"].assign(arm="Z")
        loss = own["metric"] == "test_loss"
        own.loc[loss, "value"] = own.loc[loss, "value"] + gain
        found = answer("4f", {"fig4": (pd.concat([table, own]), config)})
        assert found.row()["beyond_controls"] == wanted
    assert answer("4f", {}).row()["beyond_controls"] == "not measured"


def test_which_probabilities_are_tested_decides_the_papers_wilcoxon_test() -> None:
    rng = np.random.default_rng(3)
    parts, classes = [], 4
    wide = {0: rng.dirichlet(0.3 * np.ones(classes), (len(SEEDS), 50)),
            7: rng.dirichlet(900 * np.ones(classes), (len(SEEDS), 50))}  # fmt: skip
    for step, p in wide.items():
        for seed, own in zip(SEEDS, p, strict=True):
            frame = pd.DataFrame({"value": own.ravel(), "index": range(own.size)})
            parts.append(frame.assign(setting="B1", seed=seed, step=step, metric="probability"))
    found = wilcoxon_readings(pd.concat(parts), "B1", classes).set_index("reading")
    network = [stats.wilcoxon(own.ravel() - 0.25).pvalue for own in wide[0]]
    assert found.loc["all probabilities of a network", "tests"] == len(SEEDS)
    assert found.loc["all probabilities of a network", "untrained"] == sum(
        p < 1e-3 for p in network
    )
    best = "the largest of every input, a network"  # which is above 1/C, however near
    assert tuple(found.loc[best, ["untrained", "trained"]]) == (len(SEEDS), 0)


# -- Beside ----------------------------------------------------------------------------------------


def curve(arm: str, losses: list[float], accuracies: list[float]) -> pd.DataFrame:
    parts = []
    for epoch, (loss, accuracy) in enumerate(zip(losses, accuracies, strict=True)):
        for metric, value in (("train_loss", loss), ("test_accuracy", accuracy),
                              ("validation_accuracy", -abs(epoch - 5))):  # fmt: skip
            parts.append(rows(dict.fromkeys(SEEDS, value), metric=metric, step=epoch, arm=arm))
    return pd.concat(parts)


def test_readings_by_when_one_looks() -> None:
    """An epoch is a step here, and converged is looked for at every fifth."""
    fa = curve("FA", [2, 1.5, 1, 0.6, 0.4, 0.3, 0.2, 0.1, 0.05, 0.02, 0.02],
               [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.7, 0.7, 0.7, 0.8])  # fmt: skip
    fan = curve("FAN", [1, 0.6, 0.3, 0.1, 0.05, 0.002, 0.001, 0.001, 0.001, 0.001, 0.001],
                [0.1, 0.5, 0.6, 0.7, 0.75, 0.85, 0.9, 0.9, 0.9, 0.9, 0.9])  # fmt: skip
    setting = Setting("B1", "adam", 1e-3, 1e-3, images=100, horizon=10)
    runs = Runs(pd.concat([fa, fan]), setting, "t", 100)
    found = {name: test.mean for name, test in moments(runs).items()}
    assert found == pytest.approx(
        {
            "at epoch 10": 10.0,
            "converged": 5.0,  # FAN at epoch 5, FA late at its last record
            "at the best validation epoch": 25.0,  # epoch 5 of both
            "at equal training loss": 15.0,  # FA's smallest is .02, at epoch 9; FAN is below at 5
            "at 0.5 nats": 10.0,  # FAN at epoch 2, FA at 4
        }
    )
    came = late(runs, ("FA", "FAN")).set_index("arm")
    assert came["converged"].to_dict() == {"FA": 0, "FAN": len(SEEDS)}
    assert came.loc["FAN", "median epochs"] == 5


# -- The table -------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", STATEMENTS)
def test_without_results_nothing_is_measured(id: str) -> None:
    found = answer(id, {})
    assert bases_of({}, id) == ()
    row = found.row()
    assert row["words"] == row["printed"] == "not measured"
    assert row["effect"] == {}
    assert row["settings"] == ("not measured" if READINGS[id].settings else "bases only")


def test_without_the_settings_the_bases_speak() -> None:
    gains = {("mnist5k", 2): 0.1}
    row = answer("3", {"fig3": final(gains)}).row()
    assert row["printed"] == "1 of 1"
    assert row["words"] == "not as printed in the bases; settings not measured"  # two are needed
    assert row["effect"]["B1"].startswith("+10.0")


def test_the_effect_in_words_is_of_the_least_part() -> None:
    seeds = pd.Index(SEEDS)
    large, small = (pd.Series([m - 1, m, m, m + 1.0], index=seeds) for m in (8.0, 3.0))
    parts = {"one": Part(large, 0.0, 2.0), "two": Part(small, 0.0, 2.0)}
    low, high = stats.t.interval(0.95, 3, small.mean(), stats.sem(small))
    text = in_words(parts, READINGS["2c"])
    assert text == f"+3.0 [{low:+.1f}, {high:+.1f}] degrees (two, the least of 2)"


def test_an_unknown_statement_is_named() -> None:
    with pytest.raises(ValueError, match="2b-spead"):
        answer("2b-spead", {})


def test_an_answer_of_a_figure_has_its_statement() -> None:
    found = answer("4c", {})
    assert isinstance(found, Answer)
    assert found.statement.figure == 4
