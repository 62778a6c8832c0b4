"""Figure 6's panels are checked for what they show: sums, marks beside the line, parts, paths."""

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from adaptation_tables import TASKS, adapt, checkpoints

from fa_lib import plotting
from fa_lib.claims import by_arm
from fa_lib.plotting._style import TASK_LOOKS, task_looks

COLORS = plotting.COLORS
STATES = {0: [6.0, 6.3], 1000: [5.5, 5.7], 5000: [5.0, 5.2]}

pytestmark = pytest.mark.usefixtures("style")


def words(ax):
    return " ".join(text.get_text() for text in ax.texts)


@pytest.fixture
def table():
    return pd.concat([adapt(seeds=range(4)), checkpoints(STATES)], ignore_index=True)


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("mnist", "MNIST"),
        ("kmnist10k", "Kuzushiji-MNIST (10,000 test images)"),
        ("permuted mnist5k", "permuted MNIST (5,000 images)"),
        ("my_images", "my_images"),
    ],
)
def test_tasks_are_named_for_what_they_are(task, name):
    assert plotting.task_name(task) == name


def test_tasks_differ_without_colour():
    looks = task_looks(["b", "a", "", "b", "c"])
    assert list(looks) == ["b", "a", "c"]
    for kind in zip(*TASK_LOOKS, strict=True):
        assert len(set(kind)) == len(TASK_LOOKS)


def test_the_drawing_names_what_is_measured():
    axes = plt.figure().subplots(1, 3)
    plotting.draw_meta_loss(axes)
    for ax, wanted in zip(axes, ("noise\ntraining", "meta-loss", "steps saved"), strict=True):
        assert wanted in words(ax)
    assert "nats" not in words(axes[1])  # a drawing has no numbers


def test_the_line_is_the_sum_and_the_other_arms_stand_beside_it(ax, table):
    values = by_arm("C15", table)
    values = values[values["measure"] == "meta-loss after 100 steps with Adam"]
    lines = plotting.plot_meta_loss_through_noise(ax, table, values, setting="F")
    np.testing.assert_allclose(lines["FAN"].get_xydata(), [[0, 6.15], [1000, 5.6], [5000, 5.1]])
    assert lines["FAN"].get_label() == "FA with noise (n = 2)"
    assert set(lines) == {"FA", "FAN", "BP", "Z", "S"}
    heights = values.groupby("arm")["value"].mean()
    for arm in ("FA", "BP", "Z", "S"):
        ((x, y),) = lines[arm].get_xydata()
        assert y == pytest.approx(heights[arm])
        assert x > 5000 if arm == "S" else x < 0  # S has had the noise
    left, right = ax.get_xlim()
    places = [lines[arm].get_xdata()[0] for arm in ("FA", "BP", "Z", "S")]
    assert len(set(places)) == 4
    assert left < min(places) < max(places) < right
    assert [label.get_text() for label in ax.get_xticklabels()] == ["5,000", "1,000", "0"]


def test_the_terms_have_a_line_for_each_task(ax, table):
    plotting.plot_tasks_through_noise(ax, table, setting="F")
    handles, labels = ax.get_legend_handles_labels()
    assert labels == [f"{plotting.task_name(task)} (n = 2)" for task in TASKS]
    heights = np.array([line.get_ydata() for line in handles])
    np.testing.assert_allclose(heights.sum(axis=0), [6.15, 5.6, 5.1])
    np.testing.assert_allclose(heights[2], np.array([6.15, 5.6, 5.1]) / 2)
    assert len({line.get_marker() for line in handles}) == 3


def test_meta_loss_by_steps_needs_no_step_zero(ax):
    rows = [("FA", s, k, 6 - k / 100 + s) for s in (0, 1) for k in (10, 30, 100)]
    values = pd.DataFrame(rows, columns=["arm", "seed", "step", "value"])
    lines = plotting.plot_meta_loss_by_steps(ax, values)
    np.testing.assert_allclose(lines["FA"].get_xydata(), [[10, 6.4], [30, 6.2], [100, 5.5]])
    assert ax.get_xscale() == "log"
    assert [label.get_text() for label in ax.get_xticklabels()] == ["10", "30", "100"]


def test_adaptation_shows_one_task_setting_and_optimiser(ax, table):
    faster = adapt({("FA", "tau", "sgd/digits"): 50.0}, setting="T", seeds=range(4))
    both = pd.concat([table, faster])
    how = {"setting": "T", "optimizer": "sgd", "arms": ("FA", "FAN", "M")}
    lines = plotting.plot_adaptation(ax, both, "digits", **how)
    assert list(lines) == ["FA", "FAN"]
    steps, losses = lines["FA"].get_data()
    np.testing.assert_allclose(losses, np.exp(-np.array(steps) / 50))
    assert (ax.get_xscale(), ax.get_yscale()) == ("symlog", "log")
    assert ax.get_xlim()[0] == 0


def test_parts_are_rows_with_a_marker_for_each_reference(ax):
    rows = [
        ("MNIST, Adam", "FA", 12, 30.0, 25.0, 36.0),
        ("MNIST, Adam", "Z", 12, 5.0, -1.0, 11.0),
        ("digits, SGD", "FA", 11, -4.0, np.nan, np.nan),
    ]
    columns = ["part", "reference", "n", "effect", "low", "high"]
    effects = pd.DataFrame(rows, columns=columns)
    lines = plotting.plot_task_effects(ax, effects, smallest_effect=10)
    assert [line.get_label() for line in lines.values()] == [
        "against FA (n = 11 to 12)",
        "against Z: zero readout (n = 12)",
    ]
    np.testing.assert_allclose(lines["FA"].get_xdata(), [30, -4])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["MNIST, Adam", "digits, SGD"]
    low, high = ax.get_ylim()
    assert low > high  # the first part is on top
    assert sorted(line.get_xdata()[0] for line in ax.lines if line.get_ls() in ("--", ":")) == [
        0,
        10,
    ]
    bars = [b for c in ax.collections for b in c.get_segments() if len(b) and np.isfinite(b).all()]
    assert sorted(tuple(bar[:, 0]) for bar in bars) == [(-1, 11), (25, 36)]


def test_paths_to_several_tasks_differ_in_dashes_and_end_markers(ax):
    rows = []
    for arm, task, end in (("FA", "a", 1), ("FA", "b", 2), ("FAN", "a", 3), ("FAN", "b", 4)):
        rows += [(arm, task, step, "pc1", end * step / 2) for step in range(3)]
        rows += [(arm, task, step, "pc2", -end * step / 2) for step in range(3)]
    rows += [("B", "", 0, "pc1", 9.0), ("B", "", 0, "pc2", 8.0)]
    rows += [("", "", 1, "explained_variance", 0.6), ("", "", 2, "explained_variance", 0.3)]
    table = pd.DataFrame(rows, columns=["arm", "task", "step", "metric", "value"])
    plotting.plot_paths([ax], table.assign(panel="path", seed=0), name=str.upper)
    handles, labels = ax.get_legend_handles_labels()
    assert labels == [
        *("FA, A", "FA, B", "FA with noise, A", "FA with noise, B"),
        "feedback $B$, projected",
    ]
    for line, end in zip(handles, (1, 2, 3, 4), strict=False):
        np.testing.assert_allclose(line.get_xydata(), [[0, 0], [end / 2, -end / 2], [end, -end]])
    assert handles[0].get_ls() != handles[1].get_ls()
    assert handles[0].get_color() == handles[1].get_color() == COLORS["FA"]
    filled = {
        line.get_marker(): line.get_xdata()[0]
        for line in ax.lines
        if line.get_markerfacecolor() == COLORS["FAN"] and len(line.get_xdata()) == 1
    }
    assert filled == {"o": 3, "s": 4}
    assert "60%" in ax.get_xlabel()
