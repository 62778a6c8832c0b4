"""Figure 2's panels are checked for what they show: phases, curves by step, leads, total steps."""

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from fa_lib import plotting
from fa_lib.claims import Run
from fa_lib.experiments._arms import ARMS

CENTERED = "centered_alignment_angle_w2"
STEPS = [0, 20, 80, 160]
SEEDS = [3, 5]


pytestmark = pytest.mark.usefixtures("style")


def make_run(values, metric=CENTERED, steps=STEPS, noise_steps=None, end=160):
    """A Run of values [steps, seeds] by arm."""
    curves = {
        (arm, metric): pd.DataFrame(np.asarray(v, float), index=steps, columns=SEEDS)
        for arm, v in values.items()
    }
    noise_steps = dict.fromkeys(values, 0) | (noise_steps or {})
    return Run("F", 5000, 80.0, end, True, noise_steps, curves)


def noise_table(values, metric=CENTERED, steps=(0, 10, 100)):
    """Panel "noise" of values [seeds, steps] by (arm, width)."""
    parts = []
    for (arm, width), v in values.items():
        columns = {"seed": np.repeat(SEEDS, len(steps)), "step": np.tile(steps, len(SEEDS))}
        rows = pd.DataFrame({**columns, "value": np.asarray(v, float).ravel()})
        parts.append(rows.assign(panel="noise", arm=arm, width=width, metric=metric))
    return pd.concat(parts, ignore_index=True)


def words(ax):
    return [text.get_text() for text in ax.texts]


# -- The arms --------------------------------------------------------------------------------------


def test_every_arm_is_drawn_with_what_happens_to_it(ax):
    plotting.draw_arms(ax)
    shown = words(ax)
    assert set(ARMS) <= set(shown)
    assert shown.count("readout zero") == shown.count("readout rescaled") == 1
    assert shown.count("FA, fresh $B$") == 1
    assert shown.count("BP") == 3  # the arm, its rule on data, BPN's rule on data
    trained_before = [arm for arm in ARMS.values() if arm.before]
    assert sum(" on " in word for word in shown) == len(trained_before)


def test_the_phases_of_one_arm(ax):
    plotting.draw_arms(ax, ["BPN-FA"])
    assert words(ax)[3:] == ["BPN-FA", "He-normal", "BP on noise, random labels", "FA"]


# -- Courses ---------------------------------------------------------------------------------------


def test_noise_comes_before_data():
    table = noise_table(
        {
            ("FAN", 64): [[90, 85, 70], [90, 87, 72]],
            ("FAN", 16): [[90, 50, 50], [90, 50, 50]],
            ("BPN", 64): [[90, 90, 90], [90, 91, 92]],
        }
    )
    run = make_run({"FA": [[90, 91]] * 4, "FAN": [[70, 72], [68, 70], [60, 61], [50, 52]]})
    left, right = plt.figure().subplots(1, 2, sharey=True)
    lines = plotting.plot_alignment_course((left, right), table, run)
    assert list(lines) == ["FA", "FAN"]
    np.testing.assert_array_equal(lines["FAN"].get_xydata(), np.c_[STEPS, [71, 69, 60.5, 51]])
    by_label = {str(line.get_label()): line for line in left.lines}
    np.testing.assert_array_equal(by_label["FA with noise (n = 2)"].get_ydata(), [90, 86, 71])
    np.testing.assert_array_equal(
        by_label["BPN: BP with noise (n = 2)"].get_ydata(), [90, 90.5, 91]
    )
    assert "noise step" in left.get_xlabel()
    assert "data step" in right.get_xlabel()
    assert "degrees" in left.get_ylabel()
    for ax in (left, right):
        assert any(set(line.get_ydata()) == {90} for line in ax.lines)


def test_curves_end_with_the_curve_and_take_some_arms_at_another_scale(ax):
    values = {arm: np.linspace(0, 1, 8).reshape(4, 2) for arm in ("FA", "S", "U")}
    run = make_run(values, metric="test_accuracy", end=80)
    lines = plotting.plot_curves(ax, run, "test_accuracy", arms=["S", "FA", "BP"], scale=100)
    assert list(lines) == ["FA", "S"]
    expected = 100 * values["FA"].mean(axis=1)[:3]
    np.testing.assert_allclose(lines["FA"].get_xydata(), np.c_[STEPS[:3], expected])
    (triangle,) = [line for line in ax.lines if line.get_marker() == "^"]
    assert list(triangle.get_xdata()) == [80]


def test_lead_is_paired_by_seed_and_leaves_out_what_is_undefined(ax):
    nan = np.nan
    run = make_run(
        {
            "FA": [[90, 80], [85, 75], [80, 70], [70, 60]],
            "FAN": [[70, 72], [70, 60], [60, 60], [50, 58]],
            "Z": [[nan, nan], [80, nan], [60, 40], [40, 30]],
        }
    )
    lines = plotting.plot_lead(ax, run, CENTERED, smallest_effect=5)
    np.testing.assert_allclose(lines["FAN"].get_xydata(), np.c_[STEPS, [14, 15, 15, 11]])
    np.testing.assert_allclose(lines["Z"].get_xydata(), np.c_[STEPS[1:], [5, 25, 30]])
    assert "S" not in lines
    levels = [set(line.get_ydata()) for line in ax.lines]
    assert {0} in levels
    assert {5} in levels


def test_total_steps_count_the_noise_and_stop_with_the_first_seed(ax):
    fan = [[70, 72], [68, 70], [60, 61], [50, np.nan]]
    run = make_run(
        {"FA": [[90, 91], [90, 90], [80, 81], [70, 71]], "FAN": fan}, noise_steps={"FAN": 100}
    )
    table = noise_table({("FAN", 64): [[90, 85, 70], [90, 87, 72]]})
    lines = plotting.plot_total_steps(ax, table, run, CENTERED)
    np.testing.assert_allclose(lines["FA"].get_xydata(), np.c_[STEPS[1:], [90, 80.5, 70.5]])
    np.testing.assert_allclose(lines["FAN"].get_xydata(), np.c_[[100, 120, 180], [71, 69, 60.5]])
    (noise,) = [line for line in ax.lines if str(line.get_label()).startswith("FA on noise")]
    np.testing.assert_allclose(noise.get_xydata(), np.c_[[10, 100], [86, 71]])
    assert noise.get_linewidth() < lines["FAN"].get_linewidth()


def test_one_legend_says_how_many_seeds_there_are():
    fig, axes = plt.subplots(1, 2)
    one = plotting.plot_curves(axes[0], make_run({"FA": [[1, 2]] * 4, "M": [[1, 2]] * 4}), CENTERED)
    run = make_run({"FA": [[1, 2]] * 4})
    short = {key: wide[[3]] for key, wide in run.curves.items()}
    fewer = Run(run.setting, run.n, run.unit, run.end, True, run.noise_steps, short)
    plotting.legend_below(fig, one, plotting.plot_curves(axes[1], fewer, CENTERED))
    (legend,) = fig.legends
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts == ["FA (n = 1\N{EN DASH}2)", "M: matched readout (n = 2)"]
