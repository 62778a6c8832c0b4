"""Figure 3's panels are checked for what they show: means, medians of steps, paths, the map."""

import statistics

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from scipy import stats

from fa_lib import plotting

COLORS = plotting.COLORS


pytestmark = pytest.mark.usefixtures("style")


def by_arm(values):
    parts = [pd.DataFrame({"arm": a, "seed": range(len(v)), "value": v}) for a, v in values.items()]
    return pd.concat(parts, ignore_index=True)


def markers(ax, marker):
    return [line for line in ax.lines if line.get_marker() == marker]


def words(ax):
    return " ".join(text.get_text() for text in ax.texts)


def test_the_drawing_names_what_is_measured():
    axes = plt.figure().subplots(1, 3)
    plotting.draw_measures(axes)
    for ax, wanted in zip(axes, ("area", "gradient\nangle", "displacement"), strict=True):
        assert wanted in words(ax)


def test_arm_values_are_seeds_with_mean_and_interval(ax):
    sample = [80.0, 82.0, 87.0]
    plotting.plot_arm_values(ax, by_arm({"Z": [np.nan, 90.0], "FA": sample}))
    labels = [label.get_text() for label in ax.get_xticklabels()]
    assert labels == ["FA\n(3)", "Z\n(1)"]
    dots = [line for line in ax.lines if line.get_markersize() < 3]
    assert sorted(dots[0].get_ydata()) == sample
    (mean,) = [line for line in markers(ax, "o") if line.get_markersize() > 3]
    assert mean.get_ydata()[0] == pytest.approx(83)
    low, high = stats.t.interval(0.95, 2, 83, stats.sem(sample))
    bars = [bar for drawn in ax.collections for bar in drawn.get_segments() if len(bar)]
    ends = np.concatenate(bars)[:, 1]
    assert np.isclose(ends, low).any()
    assert np.isclose(ends, high).any()
    (dashed,) = [line for line in ax.lines if set(line.get_ydata()) == {83.0} and line != mean]
    assert to_hex(dashed.get_color()).upper() == COLORS["FA"]


def test_quartiles_count_those_that_do_not_get_there_as_slowest():
    steps = pd.Series([10.0, 20.0, 30.0, 40.0, np.nan])
    assert plotting.quartiles(steps) == (20, 30, 40)
    few = pd.Series([10.0, np.nan, np.nan, np.nan])
    assert plotting.quartiles(few) == (np.inf, np.inf, np.inf)
    assert plotting.quartiles(pd.Series([10.0, 20.0, np.nan, np.nan, np.nan]))[0] == 20
    assert plotting.quartiles(pd.Series([np.nan, np.nan])) == (np.inf, np.inf, np.inf)
    # An even number: the middle lies between two, the second of which may not have got there.
    assert plotting.quartiles(pd.Series([10.0, 40.0, np.nan, np.nan])) == (32.5, np.inf, np.inf)
    assert plotting.quartiles(pd.Series([40.0, 10.0, 20.0, np.nan])) == (17.5, 30, np.inf)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 9, 10])
def test_quartiles_are_the_usual_ones_where_all_get_there(n):
    sample = np.random.default_rng(n).permutation(np.geomspace(10, 5000, n))
    low, median, high = plotting.quartiles(pd.Series(sample))
    assert median == pytest.approx(statistics.median(sample))
    if n > 1:
        expected = statistics.quantiles(sample, n=4, method="inclusive")
        assert [low, median, high] == pytest.approx(expected)


def test_steps_are_medians_and_the_missing_are_counted(ax):
    values = {
        "80 %": by_arm({"FA": [100, 300, 200], "FAN": [10, 20, 40]}),
        "90 %": by_arm({"FA": [np.nan, np.nan, 900], "FAN": [30, np.nan, 50]}),
    }
    lines = plotting.plot_steps_to(ax, values)
    assert [line.get_label() for line in lines.values()] == ["FA (n = 3)", "FA with noise (n = 3)"]
    medians = {m: [line.get_ydata()[0] for line in markers(ax, m)] for m in "os"}
    np.testing.assert_array_equal(medians["o"], [200, np.nan])
    np.testing.assert_array_equal(medians["s"], [20, 50])
    assert words(ax) == "2/3 1/3"
    assert [label.get_text() for label in ax.get_xticklabels()] == ["80 %", "90 %"]


def test_paths_start_hollow_end_filled_and_have_the_feedback_as_target(ax):
    rows = []
    for arm, xs in {"FA": [0, 1, 2], "FAN": [0, -1, -2], "B": [5]}.items():
        for step, x in enumerate(xs):
            rows += [(arm, step, "pc1", x), (arm, step, "pc2", x / 2)]
    rows += [("", 1, "explained_variance", 0.7), ("", 2, "explained_variance", 0.2)]
    table = pd.DataFrame(rows, columns=["arm", "step", "metric", "value"])
    plotting.plot_paths([ax], table.assign(panel="path", seed=4))
    (star,) = markers(ax, "*")
    np.testing.assert_allclose(star.get_xydata(), [[5, 2.5]])
    paths = {line.get_color(): line for line in markers(ax, ".")}
    np.testing.assert_allclose(paths[COLORS["FA"]].get_xydata(), [[0, 0], [1, 0.5], [2, 1]])
    hollow, filled = markers(ax, "s")
    assert (hollow.get_markerfacecolor(), hollow.get_xdata()[0]) == ("white", 0)
    assert (filled.get_markerfacecolor(), filled.get_xdata()[0]) == (COLORS["FAN"], -2)
    assert "70%" in ax.get_xlabel()
    assert "20%" in ax.get_ylabel()


@pytest.fixture
def map_table():
    """Accuracy grows by the square of the step, 0 to 4; FA with noise has 0.1 more."""
    parts = []
    for arm, noise_steps, gain in (("FA", 0, 0.0), ("FAN", 1, 0.1), ("FAN", 9, 0.2)):
        for seed in (0, 1):
            for metric, values in (
                ("test_accuracy", np.arange(5) ** 2 / 100 + gain + 0.01 * seed),
                ("centered_alignment_angle_w2", 80 - 50 * gain - np.arange(5)),
            ):
                rows = pd.DataFrame({"step": range(5), "value": values})
                where = {"arm": arm, "noise_steps": noise_steps, "seed": seed, "metric": metric}
                parts.append(rows.assign(**where))
    return pd.concat(parts, ignore_index=True).assign(panel="map", width=16, lr=1e-3)


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [("area", {1: 10, 9: 20}), ("end", {1: 10, 9: 20}), ("angle", {1: 5, 9: 10})],
)
def test_map_differences_are_paired_and_positive_where_noise_helps(map_table, quantity, expected):
    found = plotting.map_differences(map_table, quantity)
    for noise_steps, difference in expected.items():
        values = found.loc[found["noise_steps"] == noise_steps, "value"]
        np.testing.assert_allclose(values, [difference] * 2)


def test_at_equal_total_steps_noise_takes_its_share_of_the_budget(map_table):
    found = plotting.map_differences(map_table, "equal_steps")
    # After 1 step of noise 3 are left of 4: 3^2 against 4^2 points, and the gain of 10; the noise
    # of 9 steps alone takes longer than all of FA's training.
    assert set(found["noise_steps"]) == {1}
    np.testing.assert_allclose(found["value"], [10 + 9 - 16] * 2)


def test_a_map_without_a_pair_is_empty(map_table):
    alone = map_table[map_table["arm"] == "FA"]
    assert plotting.map_differences(alone, "area").empty
