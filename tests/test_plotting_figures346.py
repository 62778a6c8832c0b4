"""The paper's Figures 3, 4 and 6 and Table 1: what is drawn is what a planted table says."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from figure_texts import assert_texts_fit
from matplotlib.figure import Figure
from planted_figures346 import (
    FALL,
    NOISE_RECORDS,
    PATHS,
    SEEDS,
    SETTING,
    TASKS,
    gaps,
    line_in,
    means_drawn,
    panel,
    planted_fig3,
    planted_fig4,
    planted_fig6,
    texts_of_legends,
    values,
)
from scipy import stats

from fa_lib.experiments._parts import record_epochs
from fa_lib.plotting import figure3, figure4, figure6, table1
from fa_lib.schema import title_of

pytestmark = pytest.mark.usefixtures("style")

FIGURES = {
    "figure3": (figure3, planted_fig3),
    "figure4": (figure4, planted_fig4),
    "figure6": (figure6, planted_fig6),
}


def draw(name: str, *, narrow: bool = False, table: pd.DataFrame | None = None) -> Figure:
    function, planted = FIGURES[name]
    return function(planted() if table is None else table, SETTING, narrow=narrow)


# -- All three -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FIGURES)
def test_panels_go_by_letter_and_their_axes_say_their_units(name):
    for fig in (draw(name), draw(name, narrow=True)):
        titles = " ".join(ax.get_title("left") for ax in fig.axes)
        letters = re.findall(r"\$\\bf\{(.)\}\$", titles)
        expected = {"figure3": "abc", "figure4": "abcdefgh", "figure6": "abc"}[name]
        assert "".join(sorted(letters)) == expected
        labels = [ax.get_ylabel() for ax in fig.axes if ax.axison and ax.get_ylabel()]
        known = ("(%)", "(nats)", "start)", "variance)", "(dimensions)")
        assert labels
        assert [label for label in labels if not label.endswith(known)] == []


@pytest.mark.parametrize("name", FIGURES)
def test_a_phone_gets_the_same_panels_in_another_shape(name):
    wide, narrow = draw(name), draw(name, narrow=True)
    assert wide.get_figwidth() == 7.2
    assert narrow.get_figwidth() == 3.7
    assert narrow.get_figheight() > narrow.get_figwidth()
    titles = [sorted(filter(None, (ax.get_title("left") for ax in f.axes))) for f in (wide, narrow)]
    assert titles[0] == titles[1]


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("narrow", [False, True])
def test_no_text_is_too_small_or_outside_or_upon_another(name, narrow, monkeypatch):
    assert_texts_fit(draw(name, narrow=narrow), monkeypatch)


@pytest.mark.parametrize("name", FIGURES)
def test_one_network_is_drawn_without_intervals(name):
    _, planted = FIGURES[name]
    texts = texts_of_legends(draw(name, table=planted(seeds=(3,))))
    assert "FA (n = 1)" in texts
    assert not any("(n = 4)" in text for text in texts)


@pytest.mark.parametrize("name", ["figure3", "figure6"])
def test_an_interval_of_few_networks_does_not_leave_the_percents(name):
    table = FIGURES[name][1](seeds=(3, 4))
    far = (table["metric"] == "test_accuracy") & (table["seed"] == 3)
    fig = draw(name, table=table.assign(value=table["value"].mask(far, 0.02)))
    shown = [ax.get_ylim() for ax in fig.axes if ax.get_ylabel().endswith("accuracy (%)")]
    assert shown
    assert all(low >= 0 and high <= 101 for low, high in shown)


@pytest.mark.parametrize("name", FIGURES)
def test_a_network_that_diverged_is_left_out_where_it_did(name):
    _, planted = FIGURES[name]
    table = planted()
    lost = (table["arm"] == "FA") & (table["seed"] == SEEDS[-1]) & (table["task"] == "mnist")
    lost &= (table["phase"] == "data") & ((name != "figure4") | (table["images"] == 25))
    texts = texts_of_legends(draw(name, table=table[~lost]))
    assert "FA (n = 3\N{EN DASH}4)" in texts
    assert "Z: zero readout (n = 4)" in texts


@pytest.mark.parametrize(("name", "arms"), [("figure3", 4), ("figure4", 3), ("figure6", 3)])
def test_one_legend_names_the_arms(name, arms):
    fig = draw(name)
    legends = fig.findobj(lambda artist: type(artist).__name__ == "Legend")
    (legend,) = [legend for legend in legends if legend.axes is None]
    assert len(legend.get_texts()) == arms
    assert legend.get_texts()[0].get_text() == "FA (n = 4)"


# -- Figure 3 and Table 1 --------------------------------------------------------------------------


def finals(table, task, layers, arm):
    """Accuracies in percent, found here on its own: FA is never below .01 nats."""
    place = TASKS.index(task)
    per = -(-(95 + 100 * place) // 10)
    below = [e for e in range(0, 61, 5) if 2.3 * np.exp(-e / FALL[arm]) < 0.01]
    which = {"task": task, "layers": layers, "arm": arm, "phase": "data"}
    return 100 * values(table, "test_accuracy", per * (below[0] if below else 60), **which)


def test_accuracy_is_that_when_converged_or_at_the_end():
    table, fig = planted_fig3(), draw("figure3")
    for task in TASKS:
        ax = panel(fig, f"  {title_of(task)}")
        expected = [
            finals(table, task, layers, arm)
            for layers in (2, 4)
            for arm in ("FA", "FAN", "BP", "Z")
        ]
        np.testing.assert_allclose(means_drawn(ax), [sample.mean() for sample in expected])
        bars = {c.get_segments()[0][0, 0]: c.get_segments()[0][:, 1] for c in ax.collections}
        for at, sample in zip(sorted(bars), expected, strict=True):
            interval = stats.t.interval(0.95, 3, sample.mean(), stats.sem(sample))
            np.testing.assert_allclose(bars[at], interval)
        dots = np.sort(
            [line.get_ydata() for line in ax.lines if len(line.get_xdata()) == 4], axis=None
        )
        np.testing.assert_allclose(dots, np.sort(expected, axis=None))
        assert [label.get_text() for label in ax.get_xticklabels()] == ["2", "4"]


def test_networks_that_had_not_converged_are_hollow():
    ax = panel(draw("figure3"), "Fashion-MNIST")
    marked = [line for line in ax.lines if str(line.get_label()).endswith(")")]
    hollow = {line.get_label() for line in marked if line.get_markerfacecolor() == "white"}
    assert hollow == {"FA (n = 4)"}


@pytest.mark.parametrize("tasks", [TASKS[:1], TASKS[:2], (*TASKS, "usps", "kmnist")])
def test_every_data_set_of_the_table_has_a_panel(tasks):
    for narrow in (False, True):
        fig = draw("figure3", narrow=narrow, table=planted_fig3(seeds=SEEDS[:2], tasks=tasks))
        assert len(fig.axes) == len(tasks)


def test_table_1_has_two_layers_and_says_what_is_missing():
    table = planted_fig3()
    words = table1(table, SETTING)
    assert list(words.index) == ["MNIST", "Fashion-MNIST", "optical digits", "STL-10"]
    assert set(words.loc["STL-10"]) == {"not measured"}
    expected = finals(table, "fashion_mnist", 2, "FAN")
    text = f"{expected.mean():.1f} \N{PLUS-MINUS SIGN} {expected.std(ddof=1):.1f}"
    assert words.loc["Fashion-MNIST", "FA with noise (%)"] == text
    assert set(words["not converged"][:-1]) == {"FA 4 of 4"}
    one = table1(planted_fig3(seeds=(3,)), SETTING)
    assert re.fullmatch(r"\d\d\.\d", one.loc["MNIST", "BP (%)"])
    deep = table1(planted_fig3(depths=(3,)), SETTING)
    assert set(deep.loc["MNIST"]) == {"not measured"}


# -- Figure 4 --------------------------------------------------------------------------------------


def test_probabilities_are_those_before_and_after_noise_with_chance():
    table, ax = planted_fig4(), panel(draw("figure4"), "readout on noise")
    bins = np.geomspace(1e-4, 1, 33)
    for patch, step in zip(ax.patches, (0, 400), strict=True):
        shares = values(table, "probability", step)
        counts = np.histogram(shares, bins)[0]
        heights = {round(y, 9) for _, y in patch.get_xy()}
        assert heights == {round(100 * count / len(shares), 9) for count in counts} | {0}
    assert set(line_in(ax, "chance, 1/10").get_xdata()) == {0.1}
    assert ax.get_legend().get_title().get_text() == "n = 4 \N{MULTIPLICATION SIGN} 50"


def test_singular_values_are_shares_of_their_networks_sum():
    ax = panel(draw("figure4"), "spectrum of $W_1$")
    top = []
    for label, gone in (("before noise", 0), ("after noise", 1)):
        sigma = np.stack([np.linspace(3 + gone, 0.1, 12) + 0.1 * seed for seed in SEEDS])
        expected = (100 * sigma / sigma.sum(axis=1, keepdims=True)).mean(axis=0)
        line = line_in(ax, f"{label} (n = 4)")
        np.testing.assert_allclose(line.get_xydata(), np.c_[range(1, 13), expected])
        top.append(expected[:9].sum())
    words = f"top 9: {top[0]:.1f} \N{RIGHTWARDS ARROW} {top[1]:.1f} %"
    assert ax.get_legend().get_title().get_text() == words


def test_ranks_are_percent_of_each_networks_start():
    table, ax = planted_fig4(), panel(draw("figure4"), "rank of the weights")
    for layer in (1, 2, 3):
        rank = np.stack([values(table, f"rank_w{layer}", at) for at in NOISE_RECORDS])
        line = line_in(ax, f"$W_{layer}$ (n = 4)")
        expected = (100 * rank / rank[0]).mean(axis=1)
        np.testing.assert_allclose(line.get_xydata(), np.c_[NOISE_RECORDS, expected])


def test_the_gap_is_that_of_the_losses_at_the_most_images_up_to_1600():
    table, fig = planted_fig4(), draw("figure4")
    ax = panel(fig, "generalisation gap")
    for arm, label in (("FA", "FA (n"), ("FAN", "FA with noise"), ("Z", "Z")):
        expected = gaps(table, arm, 95).mean(axis=1)
        np.testing.assert_allclose(
            line_in(ax, label).get_xydata(), np.c_[record_epochs(10), expected]
        )
    sizes = panel(fig, "gap over training sets")
    assert [label.get_text() for label in sizes.get_xticklabels()] == ["25", "95", "5,000"]
    means = [
        np.trapezoid(gaps(table, arm, n).mean(axis=1), record_epochs(10)) / 10
        for n in (25, 95, 5000)
        for arm in ("FA", "FAN", "Z")
    ]
    np.testing.assert_allclose(means_drawn(sizes), means)


def test_the_features_rank_is_that_at_the_horizon():
    table, fig = planted_fig4(), draw("figure4")

    def means(layers):
        which = {"layers": layers, "images": 95}
        arms = ("FA", "FAN", "Z")
        return [values(table, "gram_rank", 100, arm=arm, **which).mean() for arm in arms]

    np.testing.assert_allclose(means_drawn(panel(fig, "rank of features")), means(3))
    depths = panel(fig, "rank over depths")
    np.testing.assert_allclose(means_drawn(depths), [*means(2), *means(3), *means(5)])
    assert [label.get_text() for label in depths.get_xticklabels()] == ["2", "3", "5"]
    assert depths.get_xlabel() == "layers, 95 images"


# -- Figure 6 --------------------------------------------------------------------------------------


def test_the_meta_loss_is_the_sum_over_tasks():
    table, ax = planted_fig6(), panel(draw("figure6"), "loss after adaptation")
    sums = [
        sum(values(table, "test_loss", at, phase="meta", task=task) for task in TASKS)
        for at in NOISE_RECORDS
    ]
    expected = np.mean(sums, axis=1)
    np.testing.assert_allclose(line_in(ax, "FA").get_xydata(), np.c_[NOISE_RECORDS, expected])
    assert ax.get_legend().get_title().get_text() == "3 tasks"


def test_a_network_that_lacks_a_task_is_not_in_the_meta_loss():
    table = planted_fig6()
    lost = (table["phase"] == "meta") & (table["seed"] == 3) & (table["task"] == "digits")
    ax = panel(draw("figure6", table=table[~lost]), "loss after adaptation")
    assert line_in(ax, "FA").get_label() == "FA (n = 3)"


def test_paths_lie_in_the_plane_with_the_feedback():
    ax = panel(draw("figure6"), "paths of one network's $W_2$")
    paths = [line.get_xydata()[[0, -1]] for line in ax.lines if len(line.get_xdata()) == 6]
    planted = [ends for (arm, *_), ends in PATHS.items() if arm != "B"]
    assert sorted(path.tolist() for path in paths) == sorted(np.float64(planted).tolist())
    (star,) = [line for line in ax.lines if line.get_marker() == "*"]
    np.testing.assert_allclose(star.get_xydata()[0], (8, 5))
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == ["noise", "MNIST", "Fashion-MNIST", "optical digits"]
    assert ax.get_xlabel() == "component 1 (70 % of variance)"
    assert ax.get_aspect() == 1


@pytest.mark.parametrize("narrow", [False, True])
def test_each_task_has_its_curves_and_the_areas_under_them(narrow):
    table, fig = planted_fig6(), draw("figure6", narrow=narrow)
    epochs = record_epochs(10)
    curves = [ax for ax in fig.axes if ax.get_xlabel() == "epochs of data"]
    areas = [ax for ax in fig.axes if [t.get_text() for t in ax.get_xticklabels()][:1] == ["FA"]]
    for task, curve, area in zip(TASKS, curves, areas, strict=True):
        means = []
        for arm, label in (("FA", "FA (n"), ("FAN", "FA with noise"), ("Z", "Z")):
            which = {"arm": arm, "task": task}
            expected = [
                100 * values(table, "test_accuracy", 10 * e, **which).mean() for e in epochs
            ]
            np.testing.assert_allclose(line_in(curve, label).get_xydata(), np.c_[epochs, expected])
            means.append(np.trapezoid(expected, epochs) / 10)
        np.testing.assert_allclose(means_drawn(area), means)
