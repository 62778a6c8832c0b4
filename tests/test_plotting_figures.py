"""The paper's Figures 1, 2 and 5: what is drawn is what a planted table says."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from figure_tables import (
    ENDS,
    LAST,
    MOVED,
    NOISE_RECORDS,
    PER_EPOCH,
    SEEDS,
    SETTING,
    planted_fig1,
    planted_fig2,
)
from figure_texts import assert_texts_fit
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import integrate, stats

from fa_lib import plotting
from fa_lib.experiments._parts import record_epochs
from fa_lib.judges._runs import Runs

pytestmark = pytest.mark.usefixtures("style")

FIGURES = {
    "figure1": (plotting.figure1, planted_fig1),
    "figure2": (plotting.figure2, planted_fig2),
    "figure5": (plotting.figure5, planted_fig2),
}


def draw(name: str, *, narrow: bool = False, table: pd.DataFrame | None = None) -> Figure:
    function, planted = FIGURES[name]
    return function(planted() if table is None else table, SETTING, narrow=narrow)


def panel(fig: Figure, title: str) -> Axes:
    """The panel whose title ends so."""
    (ax,) = [ax for ax in fig.axes if ax.get_title("left").endswith(title)]
    return ax


def means_drawn(ax: Axes) -> list[float]:
    """Of the markers with intervals, from left to right."""
    marked = [line for line in ax.lines if str(line.get_label()).endswith(")")]
    return [float(line.get_ydata()[0]) for line in sorted(marked, key=lambda m: m.get_xdata()[0])]


def values(table, metric, arm, phase, step):
    """A value for each network of the drawn setting, in order of the seeds."""
    rows = table[(table["setting"] == "B1") & (table["metric"] == metric)]
    rows = rows[(rows["arm"] == arm) & (rows["phase"] == phase) & (rows["step"] == step)]
    return rows.sort_values("seed")["value"].to_numpy()


def line_in(ax: Axes, label: str):
    (line,) = [line for line in ax.lines if str(line.get_label()).startswith(label)]
    return line


# -- All three -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FIGURES)
def test_panels_go_by_letter_and_their_axes_say_their_units(name):
    for fig in (draw(name), draw(name, narrow=True)):
        titles = " ".join(ax.get_title("left") for ax in fig.axes)
        letters = re.findall(r"\$\\bf\{(.)\}\$", titles)
        expected = {"figure1": "abcdef", "figure2": "abcdefg", "figure5": "abc"}[name]
        assert "".join(sorted(letters)) == expected
        labels = [ax.get_ylabel() for ax in fig.axes if ax.axison and ax.get_ylabel()]
        known = ("(%)", "(degrees)", "(nats)", "untrained)", "variance)", "s.d.")
        assert labels
        assert [label for label in labels if not label.endswith(known)] == []


@pytest.mark.parametrize("name", FIGURES)
def test_a_phone_gets_the_same_panels_in_another_shape(name):
    wide, narrow = draw(name), draw(name, narrow=True)
    assert wide.get_figwidth() == 7.2
    assert narrow.get_figwidth() == 3.7
    assert narrow.get_figheight() > narrow.get_figwidth()

    def titles(fig):
        return [ax.get_title("left") for ax in fig.axes]

    assert titles(wide) == titles(narrow)


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("narrow", [False, True])
def test_no_text_is_too_small_or_outside_or_upon_another(name, narrow, monkeypatch):
    assert_texts_fit(draw(name, narrow=narrow), monkeypatch)


@pytest.mark.parametrize("name", FIGURES)
def test_one_network_is_drawn_without_intervals(name):
    _, planted = FIGURES[name]
    fig = draw(name, table=planted(seeds=(3,)))
    texts = [text.get_text() for legend in legends(fig) for text in legend.get_texts()]
    assert any("(n = 1)" in text for text in texts)
    assert not any("(n = 4)" in text for text in texts)


def legends(fig):
    return fig.findobj(lambda artist: type(artist).__name__ == "Legend")


@pytest.mark.parametrize(("name", "arm"), [("figure2", "FAN"), ("figure5", "Z")])
def test_a_network_that_diverged_in_one_arm_is_left_out_there(name, arm):
    table = planted_fig2()
    lost = (table["arm"] == arm) & (table["seed"] == SEEDS[-1]) & (table["phase"] != "noise")
    fig = draw(name, table=table.assign(value=table["value"].mask(lost)))
    texts = [text.get_text() for legend in legends(fig) for text in legend.get_texts()]
    assert f"{plotting.ARMS[arm].title} (n = 3)" in texts
    assert "BP (n = 4)" in texts


# -- Figure 1 --------------------------------------------------------------------------------------


def test_loss_and_angle_are_the_means_over_networks():
    table, fig = planted_fig1(), draw("figure1")
    for ax, metric, label in (
        (panel(fig, "loss on noise"), "loss", "a batch of noise (n = 4)"),
        (panel(fig, "turn to the feedback"), "neuron_angle", "mean of neurons (n = 4)"),
    ):
        expected = [values(table, metric, "FAN", "noise", at).mean() for at in NOISE_RECORDS]
        line = line_in(ax, label)
        np.testing.assert_allclose(line.get_xydata(), np.c_[NOISE_RECORDS, expected])
    loss = panel(fig, "loss on noise")
    assert set(line_in(loss, "chance").get_ydata()) == {np.log(10)}
    ends = [line.get_xydata()[0] for line in loss.lines if line.get_marker() == "D"]
    means = [values(table, "mean_loss", "FAN", "noise", at).mean() for at in (0, 400)]
    np.testing.assert_allclose(ends, [[50, means[0]], [350, means[1]]])  # mid of 100 steps


def test_every_neuron_is_in_the_distributions():
    table, fig = planted_fig1(), draw("figure1")
    (ax,) = [ax for ax in fig.axes if ax.get_ylabel() == "neurons (%)"]
    means = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "^"]
    expected = [values(table, "neuron_angle_of", "FAN", "noise", at) for at in (0, 400)]
    np.testing.assert_allclose(means, [sample.mean() for sample in expected])
    for patch, sample in zip(ax.patches, expected, strict=True):
        heights = {round(y, 9) for _, y in patch.get_xy()}
        counts = np.histogram(sample, np.arange(0, 181, 5))[0]
        assert heights == {round(100 * count / len(sample), 9) for count in counts} | {0}
    assert ax.get_legend().get_title().get_text() == "n = 4 \N{MULTIPLICATION SIGN} 8"


def test_the_grid_shows_the_mean_angle_of_each_condition():
    table, fig = planted_fig1(), draw("figure1")
    grid = table[(table["setting"] == "B1") & (table["phase"] == "grid") & (table["step"] == 400)]
    for name in ("normal", "bernoulli"):
        ax = panel(fig, f"{name} noise (n = 2)")
        (cells,) = ax.collections
        own = grid[grid["distribution"] == name]
        expected = [
            own.loc[(own["std"] == std) & (own["mean"] == mean), "value"].mean()
            for std in (0.5, 2.0)
            for mean in (-1.0, 0.0, 1.0)
        ]
        np.testing.assert_allclose(cells.get_array().ravel(), expected)
        assert [text.get_text() for text in ax.texts] == [f"{angle:.0f}" for angle in expected]
        assert ax.get_ylim() == (0, 2)  # the smaller s.d. is below
    assert fig.axes[-1].get_ylabel() == "angle after noise (degrees)"


def test_a_condition_under_which_all_diverged_is_empty():
    table = planted_fig1()
    gone = (table["distribution"] == "normal") & (table["mean"] == 1) & (table["std"] == 2)
    ax = panel(draw("figure1", table=table[~gone]), "normal noise (n = 2)")
    assert ax.texts[-1].get_text() == "\N{EN DASH}"


# -- Figure 2 --------------------------------------------------------------------------------------


def test_accuracy_runs_to_the_horizon_and_areas_are_under_it():
    table, fig = planted_fig2(), draw("figure2")
    ax, areas = panel(fig, "learning MNIST (5,000 images)"), panel(fig, "area under the curve")
    runs = Runs(table[table["setting"] == "B1"], SETTING, "mnist5k", SETTING.images)
    arms = ("FA", "FAN", "BP", "Z")
    for place, arm in enumerate(arms):
        line = line_in(ax, f"{plotting.ARMS[arm].title} (n = 4)")
        expected = [
            100 * values(table, "test_accuracy", arm, "data", PER_EPOCH * epoch).mean()
            for epoch in record_epochs(10)
        ]
        np.testing.assert_allclose(line.get_xydata(), np.c_[record_epochs(10), expected])
        area = integrate.trapezoid(expected, record_epochs(10)) / 10
        assert np.isclose(means_drawn(areas)[place], area)
        dots = [d for d in areas.lines if d.get_label().startswith("_") and len(d.get_xdata()) == 4]
        each = 100 * runs.area("test_accuracy", arm)
        np.testing.assert_allclose(dots[place].get_ydata(), each)
    assert [label.get_text() for label in areas.get_xticklabels()] == list(arms)


def test_alignment_goes_through_noise_and_then_data():
    table, fig = planted_fig2(), draw("figure2")
    (line,) = [line for line in panel(fig, "noise ...").lines if len(line.get_xdata()) == 4]
    expected = [values(table, "neuron_angle", "FAN", "noise", at).mean() for at in NOISE_RECORDS]
    np.testing.assert_allclose(line.get_ydata(), expected)
    data = panel(fig, "... then data")
    for arm, first in (("FA", 0), ("FAN", 0), ("Z", 1)):  # a zero readout has no angle at first
        line = line_in(data, f"{plotting.ARMS[arm].title} (n = 4)")
        assert line.get_xdata()[0] == first
        last = values(table, "neuron_angle", arm, "data", LAST).mean()
        assert np.isclose(line.get_ydata()[-1], last)


def test_paths_lie_in_the_plane_with_the_feedback():
    ax = panel(draw("figure2"), "paths of one network's $W_2$")
    for label, which in (("noise", ("FAN", "noise")), ("data", ("FA", "data"))):
        (line,) = [line for line in ax.lines if line.get_label() == label]
        np.testing.assert_allclose(line.get_xydata()[[0, -1]], ENDS[which])
    (star,) = [line for line in ax.lines if line.get_marker() == "*"]
    np.testing.assert_allclose(star.get_xydata()[0], ENDS["B", "plane"][0])
    assert ax.get_xlabel() == "component 1 (70 % of variance)"
    assert ax.get_aspect() == 1


def test_distances_and_angles_of_every_state_are_means_of_networks():
    table, fig = planted_fig2(), draw("figure2")
    states = (
        *(("FAN", "noise", 0), ("FAN", "noise", 400), ("FA", "data", LAST)),
        *(("FAN", "data", LAST), ("DN", "after", 400)),
    )
    first = values(table, "distance", "FAN", "noise", 0).mean()
    distances = [(100 * values(table, "distance", *s) / first).mean() for s in states]
    np.testing.assert_allclose(means_drawn(panel(fig, "  distance")), distances)
    three = [distances[0], distances[2], distances[3]]
    np.testing.assert_allclose(means_drawn(panel(fig, "nearer to $B$")), three)
    angles = [values(table, "neuron_angle", *s).mean() for s in states]
    np.testing.assert_allclose(means_drawn(panel(fig, "angle")), angles)
    zero = (100 * values(table, "distance", "Z", "data", LAST) / first).mean()
    levels = [set(line.get_ydata()) for line in panel(fig, "nearer to $B$").lines]
    assert any(len(level) == 1 and np.isclose(*level, zero) for level in levels)


def test_one_legend_names_every_arm():
    (legend,) = [legend for legend in legends(draw("figure2")) if legend.axes is None]
    assert [text.get_text() for text in legend.get_texts()] == [
        *("FA (n = 4)", "FA with noise (n = 4)", "BP (n = 4)", "Z: zero readout (n = 4)"),
        "data, then noise (n = 4)",
    ]


# -- Figure 5 --------------------------------------------------------------------------------------


def test_accuracy_elsewhere_is_that_at_the_horizon_with_its_interval():
    table, fig = planted_fig2(), draw("figure5")
    panels = [ax for ax in fig.axes if ax.get_xticklabels() and ax.lines]
    assert [ax.get_title("left")[-5:] for ax in panels] == [
        *(" 3 px", "o 1.3", "o 45\N{DEGREE SIGN}", " USPS"),
    ]
    for ax, metric in zip(panels, MOVED, strict=True):
        samples = [100 * values(table, metric, a, "data", LAST) for a in ("FA", "FAN", "BP", "Z")]
        np.testing.assert_allclose(means_drawn(ax), [sample.mean() for sample in samples])
        bars = [segments[0][:, 1] for c in ax.collections if (segments := c.get_segments())]
        for bar, sample in zip(bars, samples, strict=True):
            expected = stats.t.interval(0.95, 3, sample.mean(), stats.sem(sample))
            np.testing.assert_allclose(bar, expected)


def test_the_other_data_set_goes_by_its_title():
    assert panel(plotting.figure5(planted_fig2(), SETTING, other="digits"), "optical digits")


def test_examples_are_the_same_digit_moved():
    images = [np.asarray(ax.images[0].get_array()) for ax in draw("figure5").axes if ax.images]
    assert len(images) == 8
    still, left, down = images[:3]
    np.testing.assert_array_equal(left[:, :-3], still[:, 3:])
    np.testing.assert_array_equal(down[3:], still[:-3])
