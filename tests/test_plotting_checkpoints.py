"""Panels of Table 1 and of depth are checked for what they show: gains over FA, layers' angles."""

import matplotlib as mpl

mpl.use("Agg")

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex, to_rgb
from scipy import stats

from fa_lib import plotting

COLORS = plotting.COLORS


pytestmark = pytest.mark.usefixtures("style")


def values(by_case):
    """Accuracies by (case, arm), as `checkpoint_values` gives them."""
    parts = [
        pd.DataFrame({"layers": case, "arm": arm, "seed": range(len(v)), "value": v})
        for (case, arm), v in by_case.items()
    ]
    return pd.concat(parts, ignore_index=True)


def test_gains_are_paired_differences_with_their_interval(ax):
    frame = values(
        {
            (2, "FA"): [80.0, 90.0, 85.0],
            (2, "FAN"): [81.0, 91.5, 85.5],
            (3, "FA"): [70.0, 71.0],
            (3, "Z"): [70.0, 69.0],
        }
    )
    names = {3: "three", 2: "two", 4: "four"}
    lines = plotting.plot_gains(ax, frame, by="layers", names=names, smallest_effect=0.3)
    assert [line.get_label() for line in lines.values()] == [
        "FA with noise (n = 3)",
        "Z: zero readout (n = 2)",
    ]
    assert lines["FAN"].get_xdata().tolist() == [1.0]
    assert lines["Z"].get_xdata().tolist() == [-1.0]
    # Cases from top to bottom, each arm within its own row.
    assert np.round(lines["FAN"].get_ydata()).tolist() == [1]
    assert np.round(lines["Z"].get_ydata()).tolist() == [0]
    bars = [bar for drawn in ax.collections for bar in drawn.get_segments()]
    low, high = stats.t.interval(0.95, 2, 1.0, stats.sem([1.0, 1.5, 0.5]))
    assert bars[0][:, 0] == pytest.approx([low, high])
    dots = [line for line in ax.lines if line.get_markersize() < 3]
    assert sorted(dots[0].get_xdata()) == [0.5, 1.0, 1.5]
    assert {line.get_xdata()[0] for line in ax.lines} >= {0, 0.3}
    assert [label.get_text() for label in ax.get_yticklabels()] == ["three", "two", "four"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]


def test_one_seed_has_a_gain_without_an_interval(ax):
    frame = values({(2, "FA"): [80.0], (2, "FAN"): [81.0]})
    lines = plotting.plot_gains(ax, frame, by="layers", names={2: "two"}, smallest_effect=0.3)
    assert lines["FAN"].get_xdata().tolist() == [1.0]
    assert all(not len(drawn.get_segments()) for drawn in ax.collections)


def test_layers_are_means_in_shades_up_to_where_all_networks_go_on(ax):
    rows = pd.DataFrame(
        [
            (seed, step, f"alignment_angle_w{layer}", 90.0 - layer * step - seed)
            for seed in (0, 2)
            for step in (0, 1, 10)
            for layer in (2, 3)
            if not (seed == 0 and step == 10)  # this network stopped earlier
        ],
        columns=["seed", "step", "metric", "value"],
    )
    metrics = {n: f"alignment_angle_w{n}" for n in (2, 3, 4)}
    second, third = plotting.plot_layers(ax, rows, metrics, arm="FAN")
    assert second.get_xydata().tolist() == [[0, 89], [1, 87]]
    assert third.get_xydata().tolist() == [[0, 89], [1, 86]]
    assert [line.get_label() for line in (second, third)] == ["W2 (n = 2)", "W3 (n = 2)"]
    light = [sum(to_rgb(line.get_color())) for line in (second, third)]
    assert light[0] > light[1] > sum(to_rgb(COLORS["FAN"]))
    assert second.get_linestyle() != third.get_linestyle()


def test_a_layer_looks_the_same_at_every_depth(ax):
    rows = pd.DataFrame({"seed": [0], "step": [0], "metric": ["a"], "value": [80.0]})
    (line,) = plotting.plot_layers(ax, rows, {2: "a"}, arm="FA")
    _, again = plotting.plot_layers(ax, rows, {1: "a", 2: "a"}, arm="FA")
    assert line.get_color() == again.get_color()
    assert line.get_linestyle() == again.get_linestyle()
    (fifth,) = plotting.plot_layers(ax, rows, {5: "a"}, arm="FA")
    assert to_hex(fifth.get_color()).upper() == COLORS["FA"]


def test_the_step_axis_is_linear_up_to_the_first_record(ax):
    rows = pd.DataFrame({"seed": 0, "step": [0, 40, 2000], "metric": "a", "value": 80.0})
    plotting.plot_layers(ax, rows, {2: "a"}, arm="FA")
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "100", "1,000"]
    place = ax.transData.transform([[0, 80], [20, 80], [40, 80]])[:, 0]
    assert place[1] - place[0] == pytest.approx(place[2] - place[1])
