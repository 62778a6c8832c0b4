"""Figure 5's panels are checked for what they show: lines, examples, differences."""

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from test_fig5 import ALL, made_up

import fa_lib as fa
from fa_lib import plotting
from fa_lib.claims import runs_of

pytestmark = pytest.mark.usefixtures("style")


def words(ax):
    return " ".join(text.get_text() for text in ax.texts)


def test_the_set_up_names_its_data_sets(ax):
    plotting.draw_transfer(ax, "A", "B")
    for wanted in ("noise,\nrandom labels", "A,\ntraining images", "A, test images", "B, test"):
        assert wanted in words(ax)


def test_examples_are_the_moved_images(ax):
    data = fa.load_dataset("digits")
    plotting.plot_examples(ax, data, "scale", (0.5, 1.0), images=2)
    shown = [np.asarray(image.get_array()) for image in ax.images]
    assert len(shown) == 4
    half = fa.scale(data.test.x, 0.5).view(-1, 28, 28).numpy()
    whole = data.test.x.view(-1, 28, 28).numpy()
    for image, expected in zip(shown, (half[0], half[1], whole[0], whole[1]), strict=True):
        np.testing.assert_array_equal(image, expected)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0.5", "1"]
    assert ax.get_xlabel() == "scale (factor)"


def test_accuracy_over_the_amount_goes_through_the_clean_one(ax):
    table = made_up(ALL, seeds=range(3))
    lines = plotting.plot_over_amount(ax, table, "scale", "F", 5000)
    assert list(lines) == ["FA", "FAN", "Z", "S"]
    np.testing.assert_allclose(lines["FA"].get_xdata(), [0.5, 1.0, 1.5])
    np.testing.assert_allclose(lines["FA"].get_ydata(), [60, 80, 60])
    np.testing.assert_allclose(lines["FAN"].get_ydata(), [65, 85, 65])


def test_lines_of_a_faster_arm_coincide_over_clean_accuracy(ax):
    (run,) = runs_of("C14", made_up(ALL, seeds=range(3)))
    lines = plotting.plot_against_clean(ax, run, "elsewhere", arms=("FA", "FAN"))
    for line in lines.values():
        np.testing.assert_allclose(line.get_ydata(), np.asarray(line.get_xdata()) - 15)
    assert max(lines["FAN"].get_xdata()) == pytest.approx(85)
    assert lines["FA"].get_label() == "FA (n = 3)"


def test_the_forest_has_means_with_intervals_and_the_smallest_effect(ax):
    sample = [1.0, 2.0, 4.0]
    rows = [("shift", "end", value) for value in sample] + [("shift", "equal", 0.5)]
    values = pd.DataFrame(rows, columns=["row", "kind", "difference"])
    kinds = [("end", "s"), ("equal", "o"), ("absent", "v")]
    plotting.plot_forest(ax, values, smallest=1.0, kinds=kinds)
    points = {line.get_marker(): line for line in ax.lines if line.get_marker() in "so"}
    assert points["s"].get_xdata()[0] == pytest.approx(np.mean(sample))
    assert points["o"].get_xdata()[0] == 0.5
    low, high = stats.t.interval(0.95, 2, np.mean(sample), stats.sem(sample))
    bars = [bar for drawn in ax.collections for bar in drawn.get_segments()]
    assert any(np.allclose(sorted(bar[:, 0]), (low, high)) for bar in bars)
    assert any(set(line.get_xdata()) == {1.0} for line in ax.lines if line not in points.values())
    assert [label.get_text() for label in ax.get_yticklabels()] == ["shift"]
    plt.close("all")
