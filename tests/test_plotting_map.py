"""The panels of the map chapter are checked for what they show: gains, costs, who gets there."""

import matplotlib as mpl

mpl.use("Agg")

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from scipy import stats

from fa_lib import plotting

COLORS = plotting.COLORS


pytestmark = pytest.mark.usefixtures("style")


def bars(ax):
    segments = [bar for drawn in ax.collections for bar in drawn.get_segments() if len(bar)]
    return np.concatenate(segments)


def test_the_drawing_names_what_is_saved(ax):
    plotting.draw_break_even(ax)
    words = " ".join(text.get_text() for text in ax.texts)
    assert "net steps saved" in words
    assert "noise" in words


def test_curves_begin_where_the_noise_ends_and_work_is_on_top(ax):
    parts = []
    for arm, noise_steps, height in (("FA", 0, 0.5), ("FAN", 100, 0.7), ("FAN", 30, 0.6)):
        for seed in (0, 1, 2):
            steps = [0, 10, 20]
            values = pd.DataFrame({"step": steps, "value": [0.1, height, height + 0.01 * seed]})
            parts.append(values.assign(arm=arm, noise_steps=noise_steps, seed=seed))
    rows = pd.concat(parts).assign(metric="test_accuracy")
    other = rows.assign(metric="test_loss", value=9.0)
    lines = plotting.plot_spent(ax, pd.concat([rows, other]), per_step=2_000_000)
    assert list(lines) == ["FA", "FA with 30 noise steps", "FA with 100 noise steps"]
    np.testing.assert_allclose(lines["FA"].get_xydata(), [[10, 50], [20, 51]])  # log: no step 0
    late = lines["FA with 100 noise steps"]
    np.testing.assert_allclose(late.get_xydata(), [[100, 10], [110, 70], [120, 71]])
    assert to_hex(late.get_color()).upper() == COLORS["FAN"]
    assert lines["FA with 30 noise steps"].get_linestyle() != late.get_linestyle()
    assert ax.get_legend_handles_labels()[1][0] == "FA (n = 3)"
    (top,) = ax.child_axes
    ax.figure.canvas.draw()
    np.testing.assert_allclose(top.get_xlim(), np.array(ax.get_xlim()) * 2e6 / 1e9)


def test_gains_by_rate_are_means_with_intervals(ax):
    sample = [1.0, 2.0, 6.0]
    rows = [
        ("FAN", 1e-4, 500, sample),
        ("FAN", 1e-3, 500, [0.1, 0.2, 0.3]),
        ("FAN", 1e-4, 50, [0.5, 0.5, 0.8]),
        ("Z", 1e-3, 0, [4.0, np.nan, 5.0]),
    ]
    effects = pd.concat(
        pd.DataFrame({"arm": a, "lr": lr, "noise_steps": n, "seed": range(3), "value": v})
        for a, lr, n, v in rows
    )
    lines = plotting.plot_by_rate(ax, effects)
    labels = [line.get_label() for line in lines.values()]
    assert labels[:2] == ["FA with 50 noise steps (n = 3)", "FA with 500 noise steps (n = 3)"]
    assert labels[2] == "Z: zero readout (n = 2)"
    points = np.concatenate([line.get_xydata() for line in ax.lines if line.get_marker() in "sv"])
    for x, y in ((0, 3.0), (1, 0.2), (0, 0.6), (1, 4.5)):
        near = points[np.isclose(points[:, 1], y)]
        assert len(near) == 1
        assert abs(near[0, 0] - x) < 0.4
    low, high = stats.t.interval(0.95, 2, 3, stats.sem(sample))
    assert np.isclose(bars(ax)[:, 1], low).any()
    assert np.isclose(bars(ax)[:, 1], high).any()
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0.0001", "0.001"]


def test_cells_say_who_gets_there(ax):
    nan = np.nan
    cells = {
        (1e-4, 500): ([900, 950], [700, 720]),
        (1e-4, 5000): ([nan, nan], [800, 810]),
        (1e-3, 500): ([100, 110], [nan, nan]),
        (1e-3, 5000): ([nan, nan], [nan, nan]),
        (3e-3, 500): ([90, 95], [nan, 600]),
        (3e-3, 5000): ([90, nan], [nan, 600]),
    }
    parts = [
        pd.DataFrame({"lr": lr, "noise_steps": n, "seed": [0, 1], "reference": without, "arm": w})
        for (lr, n), (without, w) in cells.items()
    ]
    effects = pd.concat(parts)
    effects["value"] = effects["reference"] - effects["arm"]
    plotting.plot_net_steps(ax, effects, span=1000)
    words = {text.get_position(): text.get_text().replace("\n", " ") for text in ax.texts}
    assert words == {
        (0, 0): "215",
        (1, 0): "only with",
        (0, 1): "only without",
        (1, 1): "neither",
        (0, 2): "1 of 2",
        (1, 2): "no pair",
    }
    assert len([patch for patch in ax.patches if patch.get_linewidth() == 0]) == 1


def test_slices_have_a_row_for_each_setting(ax):
    sample = [1.0, 2.0, 6.0]
    fan = pd.DataFrame({"arm": "FAN", "seed": range(3), "value": sample})
    zero = pd.DataFrame({"arm": "Z", "seed": range(3), "value": [5.0, 5.5, 6.0]})
    lines = plotting.plot_slices(
        ax, {"batch 16": pd.concat([fan, zero]), "SGD": fan.assign(value=np.nan)}
    )
    assert list(lines) == ["FAN", "Z"]
    assert lines["FAN"].get_xdata() == pytest.approx([3])
    assert lines["Z"].get_ydata()[0] > lines["FAN"].get_ydata()[0]
    assert lines["FAN"].get_label() == "FA with noise (n = 3)"
    low, _ = stats.t.interval(0.95, 2, 3, stats.sem(sample))
    assert np.isclose(bars(ax)[:, 0], low).any()
    assert [label.get_text() for label in ax.get_yticklabels()] == ["batch 16", "SGD"]
    assert ax.yaxis_inverted()


def test_an_effect_map_leaves_a_cell_without_values_empty(ax):
    frame = pd.DataFrame(
        {
            "lr": [1e-4] * 4,
            "noise_steps": [500, 500, 5000, 5000],
            "seed": [0, 1, 0, 1],
            "value": [1.0, 2.0, np.nan, 3.0],
        }
    )
    plotting.plot_effect_map(ax, frame, span=2, digits=1)
    assert [text.get_text() for text in ax.texts] == ["1.5"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["500", "5,000"]
