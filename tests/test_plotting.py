"""Figures are checked for what they show: the data in lines, cells and labels, and the colours."""

import itertools
import math

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.collections import PolyCollection
from scipy import stats

from fa_lib import plotting
from fa_lib.noise import Noise, NoiseStream

CENTERED = "centered_alignment_angle_w2"
STEPS = (0, 10, 100)


pytestmark = pytest.mark.usefixtures("style")


def rows(panel, metric, values, *, rule="fa", width=32, lr=1e-3, noise=("normal", 0.0, 1.0)):
    """Long-format rows for values [seeds, steps], recorded at STEPS (the last ones if fewer)."""
    distribution, mean, std = noise
    values = np.asarray(values, dtype=float)
    steps = STEPS[-values.shape[1] :]
    return pd.DataFrame(
        {
            "panel": panel,
            "width": width,
            "rule": rule,
            "lr": lr,
            "distribution": distribution,
            "mean": mean,
            "std": std,
            "seed": np.repeat(np.arange(len(values)), len(steps)),
            "step": np.tile(steps, len(values)),
            "metric": metric,
            "value": values.ravel(),
        }
    )


@pytest.fixture
def table():
    """Four seeds; cells far below 90 degrees count, those near 90 do not."""
    draw = np.random.default_rng(0).normal
    parts = []
    for rule, last in (("fa", 70), ("bp", 90)):
        angles = np.stack([draw(90, 1, 4), draw(85, 1, 4), draw(last, 1, 4)], axis=1)
        parts += [
            rows("training", "kl_from_uniform", np.abs(draw(0.5, 0.1, (4, 3))), rule=rule),
            rows("training", CENTERED, angles, rule=rule),
            rows("training", "alignment_angle_w2", angles + 2, rule=rule),
        ]
    null = rows("training", "null_angle_w2", draw(90, 1, (4, 3)))
    parts.append(null)
    for lr in (1e-4, 1e-3):
        parts.append(rows("long", CENTERED, draw(80, 1, (4, 3)), lr=lr))
    for distribution in ("bernoulli", "normal"):
        for mean, angle in ((-1.0, 88), (0.0, 71), (1.0, 87)):
            for panel in ("grid", "equal_norm"):
                # Eight seeds: enough for p < .05 over the six cells.
                values = draw(angle, 0.2, (8, 1))
                parts.append(rows(panel, CENTERED, values, noise=(distribution, mean, 1.0)))
    return pd.concat(parts, ignore_index=True)


def pick(table, panel, metric, **where):
    chosen = table[(table["panel"] == panel) & (table["metric"] == metric)]
    for column, value in where.items():
        chosen = chosen[chosen[column] == value]
    return chosen


def line_of(ax, start):
    (line,) = [line for line in ax.lines if str(line.get_label()).startswith(start)]
    return line


# -- Mean and interval -----------------------------------------------------------------------------


def test_mean_and_band_are_the_mean_and_the_t_interval(ax):
    frame = rows("training", "loss", np.random.default_rng(1).normal(size=(5, 3)))
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
    line = plotting.mean_and_band(ax, rows("training", "loss", [[1, 2, 3]]), label="FA", color="k")
    assert line.get_label() == "FA (n = 1)"
    assert list(line.get_ydata()) == [1, 2, 3]
    assert not ax.collections


def test_nothing_to_draw_is_said(ax):
    with pytest.raises(ValueError, match="no rows to draw as 'FA'"):
        plotting.mean_and_band(ax, rows("training", "loss", [[1, 2]])[:0], label="FA", color="k")


def test_format_interval():
    low, high = stats.t.interval(0.95, 2, 2, stats.sem([1, 2, 3]))
    assert plotting.format_interval([1, 2, 3], 2) == f"2.00 [{low:.2f}, {high:.2f}]"
    assert plotting.format_interval([72.96]) == "73.0"


# -- Panels ----------------------------------------------------------------------------------------


def test_cross_entropy_is_the_excess_above_the_level_of_chance(ax, table):
    plotting.plot_cross_entropy(ax, table, classes=7)
    for rule, label in (
        ("fa", "FA on noise, width 32 (n = 4)"),
        ("bp", "BP on noise, width 32 (n"),
    ):
        means = (
            pick(table, "training", "kl_from_uniform", rule=rule).groupby("step")["value"].mean()
        )
        expected = means + math.log(7)
        np.testing.assert_allclose(line_of(ax, label).get_ydata(), expected)
    assert any(set(line.get_ydata()) == {math.log(7)} for line in ax.lines)
    assert "nats" in ax.get_ylabel()
    assert "step" in ax.get_xlabel()


def test_angles_show_every_seed_before_and_after(ax, table):
    plotting.plot_angles(ax, table)
    dots = [np.sort(line.get_ydata()) for line in ax.lines if line.get_marker() == "o"]
    wanted = [("fa", 0), ("fa", 100), ("bp", 100)]
    for shown, (rule, step) in zip(dots, wanted, strict=True):
        expected = pick(table, "training", CENTERED, rule=rule, step=step)["value"]
        np.testing.assert_allclose(shown, np.sort(expected))
    diamonds = [line.get_ydata()[0] for line in ax.lines if line.get_marker() == "D"]
    for rule, step in wanted:
        for metric in (CENTERED, "alignment_angle_w2"):
            mean = pick(table, "training", metric, rule=rule, step=step)["value"].mean()
            assert np.isclose(diamonds, mean).any()
    assert "degrees" in ax.get_ylabel()
    legend = ax.get_legend()
    assert "n = 4 seeds" in legend.get_title().get_text()
    assert [text.get_text() for text in legend.get_texts()] == [
        "mean, 95 % interval",
        "the same, raw angle",
    ]


def test_distribution_of_chance_spans_its_draws(ax, table):
    plotting.plot_angles(ax, table)
    (grey,) = [c for c in ax.collections if isinstance(c, PolyCollection)]
    angles = grey.get_paths()[0].vertices[:, 1]
    null = table.loc[table["metric"] == "null_angle_w2", "value"]
    np.testing.assert_allclose([angles.min(), angles.max()], [null.min(), null.max()])


def test_heat_maps_print_the_mean_angle_and_frame_the_cells_that_count(table):
    axes = plt.figure().subplots(1, 2)
    plotting.plot_input_conditions(axes, table)
    assert [ax.get_title("left") for ax in axes] == ["normal (n = 8)", "bernoulli (n = 8)"]
    for ax, distribution in zip(axes, ("normal", "bernoulli"), strict=True):
        grid = pick(table, "grid", CENTERED, distribution=distribution)
        for place, (_, cell) in enumerate(grid.groupby("mean")["value"]):
            (text,) = [text for text in ax.texts if text.get_position() == (place, 0)]
            assert text.get_text() == f"{cell.mean():.0f}"
        frames = [p for p in ax.patches if p.get_facecolor()[3] == 0]
        assert [round(frame.get_center()[0], 9) for frame in frames] == [1]  # the mean of zero
        assert [label.get_text() for label in ax.get_xticklabels()] == ["\u22121", "0", "1"]
    assert any("degrees" in ax.get_ylabel() for ax in axes[0].figure.axes)


def test_equal_norm_fills_the_markers_that_count(ax, table):
    plotting.plot_equal_norm(ax, table)
    filled = [line for line in ax.lines if line.get_markerfacecolor() == plotting.COLORS["FAN"]]
    assert len(filled) == 2  # distributions
    for line, distribution in zip(filled, ("normal", "bernoulli"), strict=True):
        cell = pick(table, "equal_norm", CENTERED, distribution=distribution, mean=0.0)["value"]
        np.testing.assert_allclose(line.get_ydata(), [cell.mean()])
    assert "degrees" in ax.get_ylabel()


def test_longer_training_has_a_line_for_each_rate_and_marks_the_last_step(ax, table):
    plotting.plot_longer_training(ax, table)
    for lr in (1e-4, 1e-3):
        means = pick(table, "long", CENTERED, lr=lr).groupby("step")["value"].mean()
        np.testing.assert_allclose(line_of(ax, f"{lr:g} (n = 4)").get_ydata(), means)
    assert any(list(line.get_xdata()) == [100, 100] for line in ax.lines)
    assert "degrees" in ax.get_ylabel()


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


@pytest.mark.parametrize("name", [*plotting.STRONG_ARMS, "Z", "S", "M", "ink"])
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
    parts = [rows("data", "loss", v).assign(arm=arm) for arm, v in values.items()]
    return pd.concat(parts, ignore_index=True)


def test_arms_are_drawn_in_order_main_ones_strong(ax):
    frame = arm_rows({"S": [[1, 2, 3], [2, 3, 5]], "BP": [[3, 2, 1]], "FA": [[0, 0, 4], [0, 0, 6]]})
    assert plotting.arms_in(frame) == ["FA", "BP", "S"]
    lines = plotting.plot_arms(ax, frame)
    assert list(lines) == ["FA", "BP", "S"]
    assert list(lines["FA"].get_ydata()) == [0, 0, 5]
    assert [line.get_label() for line in lines.values()] == [
        "FA (n = 2)",
        "BP (n = 1)",
        "S: swapped feedback (n = 2)",
    ]
    for arm, line in lines.items():
        assert line.get_color() == plotting.COLORS[arm]
    assert lines["S"].get_linewidth() < lines["FA"].get_linewidth() == lines["BP"].get_linewidth()
    assert lines["S"].get_zorder() < lines["FA"].get_zorder()


def test_an_undefined_first_value_leaves_a_gap_and_the_band(ax):
    frame = rows("data", CENTERED, [[np.nan, 80, 70], [np.nan, 82, 74]])
    line = plotting.mean_and_band(ax, frame, label="Z", color="k")
    np.testing.assert_array_equal(line.get_ydata(), [np.nan, 81, 72])
    assert len(ax.collections) == 1


def test_files_repeat_byte_for_byte_and_need_no_fonts(tmp_path, table):
    for name in ("one.svg", "two.svg"):
        fig, axes = plt.subplots(1, 2)
        plotting.draw_pathways(axes[0])
        plotting.plot_angles(axes[1], table)
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
