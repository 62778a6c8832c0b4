"""Figures are checked for what they show: the data in lines, cells and labels, and the colours."""

import itertools

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from fa_lib import plotting
from fa_lib.noise import Noise, NoiseStream

STEPS = (0, 10, 100)


pytestmark = pytest.mark.usefixtures("style")


def rows(values):
    """Rows for values [seeds, steps], recorded at STEPS (the last ones if fewer)."""
    values = np.asarray(values, dtype=float)
    steps = STEPS[-values.shape[1] :]
    return pd.DataFrame(
        {
            "seed": np.repeat(np.arange(len(values)), len(steps)),
            "step": np.tile(steps, len(values)),
            "value": values.ravel(),
        }
    )


# -- Mean and interval -----------------------------------------------------------------------------


def test_mean_and_band_are_the_mean_and_the_t_interval(ax):
    frame = rows(np.random.default_rng(1).normal(size=(5, 3)))
    line = plotting.mean_and_band(ax, frame, label="FA", color="k")
    wide = frame["value"].to_numpy().reshape(5, 3).T  # [steps, seeds]
    np.testing.assert_allclose(line.get_xydata(), np.c_[STEPS, wide.mean(axis=1)])
    assert line.get_label() == "FA (n = 5)"
    (band,) = ax.collections
    corners = {tuple(np.round(corner, 9)) for corner in band.get_paths()[0].vertices}
    low, high = stats.t.interval(0.95, 4, wide.mean(axis=1), stats.sem(wide, axis=1))
    for step, *edges in zip(STEPS, low, high, strict=True):
        assert {(step, round(edge, 9)) for edge in edges} <= corners


def test_one_seed_has_a_line_and_no_band(ax):
    line = plotting.mean_and_band(ax, rows([[1, 2, 3]]), label="FA", color="k")
    assert line.get_label() == "FA (n = 1)"
    assert list(line.get_ydata()) == [1, 2, 3]
    assert not ax.collections


def test_nothing_to_draw_is_said(ax):
    with pytest.raises(ValueError, match="no rows to draw as 'FA'"):
        plotting.mean_and_band(ax, rows([[1, 2]])[:0], label="FA", color="k")


def test_format_interval():
    low, high = stats.t.interval(0.95, 2, 2, stats.sem([1, 2, 3]))
    assert plotting.format_interval([1, 2, 3], 2) == f"2.00 [{low:.2f}, {high:.2f}]"
    assert plotting.format_interval([72.96]) == "73.0"


def test_a_marker_is_the_mean_with_its_interval_and_a_dot_for_each_network(ax):
    sample = np.array([1.0, 2.0, 4.0, np.nan])
    drawn = plotting.mean_marker(ax, 3, sample, "BP", dots=True)
    np.testing.assert_allclose(drawn.get_xydata(), [[3, 7 / 3]])
    assert drawn.get_label() == "BP (n = 3)"
    (dots,) = [line for line in ax.lines if len(line.get_xdata()) == 3]
    assert sorted(dots.get_ydata()) == [1, 2, 4]
    assert max(dots.get_xdata()) < 3
    ((low, high),) = [segment[:, 1] for segment in ax.collections[0].get_segments()]
    expected = stats.t.interval(0.95, 2, 7 / 3, stats.sem([1, 2, 4]))
    np.testing.assert_allclose((low, high), expected)


def test_a_marker_of_one_network_is_hollow_where_asked(ax):
    drawn = plotting.mean_marker(ax, 0, [5.0], "FA", hollow=True)
    assert list(drawn.get_ydata()) == [5]
    assert mpl.colors.same_color(drawn.get_markerfacecolor(), "white")
    assert drawn.get_markeredgecolor() == plotting.COLORS["FA"]


# -- Schematics ------------------------------------------------------------------------------------


def test_noise_batch_shows_what_pretraining_draws(ax):
    noise = Noise("uniform", mean=0.5)
    plotting.draw_noise_batch(ax, noise=noise, images=3, seed=4)
    stream = NoiseStream(noise, [4], (64, 784), 10, torch.device("cpu"))
    labels = [text.get_text() for text in ax.texts if text.get_text().isdigit()]
    for step in (0, 1):
        x, y = stream(step)
        for place in range(3):
            image = ax.images[3 * step + place].get_array()
            np.testing.assert_array_equal(image.ravel(), x[0, place].numpy())
            assert labels[3 * step + place] == str(int(y[0, place]))


# -- Colours and files -----------------------------------------------------------------------------

# Machado, Oliveira, Fernandes 2009, severity 1: on linear RGB.
VISION = {
    "full": np.eye(3),
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
}  # fmt: skip
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(color):
    rgb = np.array(mpl.colors.to_rgb(color))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    xyz = TO_XYZ @ np.clip(rgb, 0, 1) / TO_XYZ.sum(axis=1)
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("vision", VISION)
def test_colours_can_be_told_apart(vision):
    """The colour distance is CIE 1976, where 2 is just visible; controls have dashes besides."""
    seen = {name: lab(np.array(VISION[vision]) @ linear(c)) for name, c in plotting.COLORS.items()}
    strong = {*plotting.STRONG_ARMS, "ink"}
    for one, other in itertools.combinations(seen, 2):
        enough = 20 if {one, other} & strong else 10
        assert np.linalg.norm(seen[one] - seen[other]) > enough, (one, other)


def test_controls_differ_in_more_than_colour():
    controls = [arm for name, arm in plotting.ARMS.items() if name not in plotting.STRONG_ARMS]
    for looks in ({c.dashes for c in controls}, {c.marker for c in controls}):
        assert len(looks) == len(controls)
        assert "-" not in looks
    markers = {arm.marker for arm in plotting.ARMS.values()}
    assert len(markers) == len(plotting.ARMS)


def contrast(name):
    ground = linear(mpl.rcParams["axes.facecolor"]) @ TO_XYZ[1]
    return (ground + 0.05) / (linear(plotting.COLORS[name]) @ TO_XYZ[1] + 0.05)


@pytest.mark.parametrize("name", [*plotting.STRONG_ARMS, "Z", "DN", "ink"])
def test_lines_stand_out_from_the_ground(name):
    """The contrast that WCAG 2.1 asks of graphics (1.4.11); the others stand back by design."""
    assert contrast(name) >= 3


def test_controls_are_lighter_than_every_main_arm():
    controls = [contrast(name) for name in plotting.ARMS if name not in plotting.STRONG_ARMS]
    assert min(controls) > 2
    assert max(controls) < min(contrast(name) for name in plotting.STRONG_ARMS)


# -- Arms ------------------------------------------------------------------------------------------


def arm_rows(values):
    """Rows of three arms, not in order; values: arm -> [seeds, steps]."""
    parts = [rows(v).assign(arm=arm) for arm, v in values.items()]
    return pd.concat(parts, ignore_index=True)


def test_arms_are_drawn_in_order_main_ones_strong(ax):
    frame = arm_rows({"Z": [[1, 2, 3], [2, 3, 5]], "BP": [[3, 2, 1]], "FA": [[0, 0, 4], [0, 0, 6]]})
    assert plotting.arms_in(frame) == ["FA", "BP", "Z"]
    lines = plotting.plot_arms(ax, frame)
    assert list(lines) == ["FA", "BP", "Z"]
    assert list(lines["FA"].get_ydata()) == [0, 0, 5]
    assert [line.get_label() for line in lines.values()] == [
        "FA (n = 2)",
        "BP (n = 1)",
        "Z: zero readout (n = 2)",
    ]
    for arm, line in lines.items():
        assert line.get_color() == plotting.COLORS[arm]
    assert lines["Z"].get_linewidth() < lines["FA"].get_linewidth() == lines["BP"].get_linewidth()
    assert lines["Z"].get_zorder() < lines["FA"].get_zorder()


def test_an_undefined_first_value_leaves_a_gap_and_the_band(ax):
    frame = rows([[np.nan, 80, 70], [np.nan, 82, 74]])
    line = plotting.mean_and_band(ax, frame, label="Z", color="k")
    np.testing.assert_array_equal(line.get_ydata(), [np.nan, 81, 72])
    assert len(ax.collections) == 1


def test_one_legend_names_each_arm_once_with_its_networks():
    fig, axes = plt.subplots(1, 2)
    one = plotting.plot_arms(axes[0], arm_rows({"FA": [[1, 2]] * 4, "Z": [[1, 2]] * 4}))
    other = plotting.plot_arms(axes[1], arm_rows({"FA": [[1, 2]] * 3, "BP": [[1, 2]] * 4}))
    plotting.legend_below(fig, one, other)
    (legend,) = fig.legends
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts == ["FA (n = 3\u20134)", "BP (n = 4)", "Z: zero readout (n = 4)"]


def test_files_repeat_byte_for_byte_and_need_no_fonts(tmp_path):
    for name in ("one.svg", "two.svg"):
        fig, axes = plt.subplots(1, 2)
        plotting.draw_pathways(axes[0])
        plotting.plot_arms(axes[1], arm_rows({"FA": [[1, 2], [2, 4]]}))
        fig.savefig(tmp_path / name, metadata={"Date": None})
    text = (tmp_path / "one.svg").read_text()
    assert text == (tmp_path / "two.svg").read_text()
    assert "<text" not in text


def test_schematics_say_what_they_are(ax):
    plotting.draw_biology(ax)
    words = " ".join(text.get_text() for text in ax.texts)
    assert "before birth" in words
    assert "spontaneous activity" in words
    other = plt.figure().add_subplot()
    plotting.draw_pathways(other)
    words = " ".join(text.get_text() for text in other.texts)
    assert "backpropagation" in words
    assert "feedback alignment" in words
