"""Figure 4's panels are checked for what they show: data in lines and cells, labels, units."""

import matplotlib as mpl

mpl.use("Agg")

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from scipy import stats

from fa_lib import plotting

COLORS = plotting.COLORS
STEPS = [0, 10, 1000]


pytestmark = pytest.mark.usefixtures("style")


def rows(panel, arm, metric, values, steps=STEPS, *, width=64, setting="", n=0):
    """Long-format rows for values [seeds, steps]."""
    values = np.asarray(values, dtype=float)
    columns = {
        "panel": panel,
        "arm": arm,
        "setting": setting,
        "n": n,
        "width": width,
        "lr": 1e-3,
        "noise_steps": 0,
        "seed": np.repeat(np.arange(len(values)), len(steps)),
        "step": np.tile(steps, len(values)),
        "metric": metric,
        "value": values.ravel(),
    }
    return pd.DataFrame(columns)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).uniform(1, 2, shape)


def line_of(ax, start):
    (line,) = [line for line in ax.lines if str(line.get_label()).startswith(start)]
    return line


# -- Noise training --------------------------------------------------------------------------------


@pytest.fixture
def noise():
    """FA on noise at two widths, the first 64, and both controls; three seeds."""
    runs = [("FAN", 64), ("FAN", 16), ("BPN", 64), ("U", 64)]
    return {run: draw(3, 3, seed=i) for i, run in enumerate(runs)}


def noise_table(noise, *metrics):
    return pd.concat(
        rows("noise", arm, metric, values + place, width=width)
        for place, metric in enumerate(metrics)
        for (arm, width), values in noise.items()
    )


LABELS = {
    ("FAN", 64): "FA on noise, width 64 (n = 3)",
    ("FAN", 16): "FA on noise, width 16 (n = 3)",
    ("BPN", 64): "BP on noise, width 64 (n = 3)",
    ("U", 64): "FA on noise, target 1/C, width 64 (n = 3)",
}


def test_through_noise_has_a_line_for_each_width_and_control(ax, noise):
    plotting.plot_through_noise(ax, noise_table(noise, "kl_images", "kl_noise"), "kl_images")
    for run, values in noise.items():
        line = line_of(ax, LABELS[run])
        np.testing.assert_allclose(line.get_xydata(), np.c_[STEPS, values.mean(axis=0)])
        assert to_hex(line.get_color(), keep_alpha=False).upper() == COLORS[run[0]]
    assert len(ax.lines) == len(noise)
    assert len(ax.collections) == len(noise)  # bands
    assert line_of(ax, LABELS["FAN", 64]).get_linewidth() > line_of(ax, LABELS["U", 64]).get_lw()
    assert "noise step" in ax.get_xlabel()


def test_relative_values_are_percent_of_each_networks_own_start(ax, noise):
    plotting.plot_through_noise(
        ax, noise_table(noise, "dimensionality_w1"), "dimensionality_w1", relative=True
    )
    for run, values in noise.items():
        expected = (100 * values / values[:, :1]).mean(axis=0)
        np.testing.assert_allclose(line_of(ax, LABELS[run]).get_ydata(), expected)
    assert any(set(line.get_ydata()) == {100} for line in ax.lines)


def test_controls_may_be_absent(ax, noise):
    fan = {run: values for run, values in noise.items() if run[0] == "FAN"}
    plotting.plot_through_noise(ax, noise_table(fan, "kl_images"), "kl_images")
    assert len(ax.lines) == 2


def test_measures_of_rank_are_those_of_the_first_width(ax, noise):
    metrics = ("dimensionality_w1", "entropy_rank_w1", "stable_rank_w1")
    plotting.plot_measures_of_rank(ax, noise_table(noise, *metrics))
    for place, name in enumerate(("participation ratio", "entropy rank", "stable rank")):
        values = noise["FAN", 64] + place
        line = line_of(ax, f"{name}, {values[:, 0].mean():.0f} at the start (n = 3)")
        np.testing.assert_allclose(line.get_ydata(), (100 * values / values[:, :1]).mean(axis=0))


# -- Spectra ---------------------------------------------------------------------------------------


@pytest.fixture
def spectra():
    return {name: np.sort(draw(2, 6, seed=i))[:, ::-1] for i, name in enumerate(("start", "FAN"))}


def spectrum_table(spectra):
    ranks = list(range(1, 7))
    metric = "singular_value_w1"
    return pd.concat(rows("spectrum", name, metric, s, ranks) for name, s in spectra.items())


def test_spectra_are_means_over_seeds_at_each_rank(ax, spectra):
    plotting.plot_spectra(ax, spectrum_table(spectra), ["start", "FAN", "BP"], classes=4)
    for label, name in (("start", "start"), ("FA with noise, after data", "FAN")):
        line = line_of(ax, f"{label} (n = 2)")
        np.testing.assert_allclose(
            line.get_xydata(), np.c_[range(1, 7), spectra[name].mean(axis=0)]
        )
    assert len(ax.lines) == 3  # BP is not there; the dotted line is
    assert any(list(line.get_xdata()) == [3.5, 3.5] for line in ax.lines)


def test_relative_spectra_compare_a_networks_values_of_equal_rank(ax, spectra):
    plotting.plot_spectra(ax, spectrum_table(spectra), ["FAN"], relative=True)
    expected = (100 * spectra["FAN"] / spectra["start"]).mean(axis=0)
    np.testing.assert_allclose(line_of(ax, "FA with noise").get_ydata(), expected)


# -- Against the training loss ---------------------------------------------------------------------


def loss_table(losses, metric="rank_w1"):
    """A metric that is 3 + 2 ln(loss) whatever the step, and the losses [seeds, steps] by arm."""
    where = {"setting": "F", "n": 50}
    parts = []
    for arm, loss in losses.items():
        loss = np.asarray(loss, dtype=float)
        steps = list(range(loss.shape[1]))
        parts.append(rows("data", arm, "train_loss", loss, steps, **where))
        parts.append(rows("data", arm, metric, 3 + 2 * np.log(loss), steps, **where))
    return pd.concat(parts)


def test_equal_loss_removes_speed(ax):
    losses = {
        "FA": [[2.0, 1.6, 1.0, 0.5], [2.2, 1.1, 0.9, 0.4]],
        "FAN": [[2.1, 0.8, 0.2, 0.1], [2.4, 0.5, 0.3, 0.2]],
    }
    lines = plotting.plot_against_loss(ax, loss_table(losses), "rank_w1", setting="F", n=50)
    assert list(lines) == ["FA", "FAN"]
    for arm, ends in (("FA", (2.0, 0.5)), ("FAN", (2.1, 0.2))):
        loss, value = lines[arm].get_data()
        np.testing.assert_allclose(value, 3 + 2 * np.log(loss))
        np.testing.assert_allclose((loss.max(), loss.min()), ends)  # what both seeds passed
    left, right = ax.get_xlim()
    assert left > right
    assert "nats" in ax.get_xlabel()


def test_loss_axis_has_plain_numbers(ax):
    table = loss_table({"FA": [[2.0, 1.0, 0.5], [2.0, 1.0, 0.4]]})
    plotting.plot_against_loss(ax, table, "rank_w1", setting="F", n=50)
    ax.figure.draw_without_rendering()
    low, high = sorted(ax.get_xlim())
    shown = [
        label.get_text() for label in ax.get_xticklabels() if low <= label.get_position()[0] <= high
    ]
    assert shown == ["0.5", "1", "2"]


def test_a_loss_that_rises_for_a_while_is_read_where_it_is_first_reached(ax):
    table = loss_table({"FA": [[2.0, 1.0, 1.5, 0.5], [2.0, 1.0, 1.5, 0.5]]}, metric="other")
    metric = rows(
        "data", "FA", "rank_w1", [[8, 6, 7, 4], [8, 6, 7, 4]], list(range(4)), setting="F", n=50
    )
    lines = plotting.plot_against_loss(ax, pd.concat([table, metric]), "rank_w1", setting="F", n=50)
    loss, value = lines["FA"].get_data()
    above = loss > 1.001
    np.testing.assert_allclose(value[above], 6 + 2 * np.log(loss[above]) / np.log(2), atol=1e-9)
    assert value.min() == 4


def test_seeds_that_share_no_loss_are_not_drawn(ax):
    losses = {"FA": [[2.0, 1.5], [1.0, 0.5]], "FAN": [[2.0, 1.0], [2.0, 1.0]]}
    lines = plotting.plot_against_loss(ax, loss_table(losses), "rank_w1", setting="F", n=50)
    assert list(lines) == ["FAN"]
    del losses["FAN"]
    assert not plotting.plot_against_loss(ax, loss_table(losses), "rank_w1", setting="F", n=50)


# -- Against the number of training images ---------------------------------------------------------


def test_by_size_shows_means_and_intervals(ax):
    values = {("FA", 100): draw(4, seed=1), ("FA", 1000): draw(2, seed=2), ("BP", 100): draw(4)}
    frame = pd.concat(
        pd.DataFrame({"arm": arm, "n": n, "seed": range(len(v)), "value": v})
        for (arm, n), v in values.items()
    )
    plotting.plot_by_size(ax, frame)
    handles, labels = ax.get_legend_handles_labels()
    assert labels == ["FA (n = 2 to 4)", "BP (n = 4)"]
    (line, _, (bars,)) = handles[0]
    means = [values["FA", n].mean() for n in (100, 1000)]
    np.testing.assert_allclose(line.get_ydata(), means)
    np.testing.assert_allclose(line.get_xdata(), [100, 1000], rtol=0.1)
    edges = [segment[:, 1] for segment in bars.get_segments()]
    for edge, n in zip(edges, (100, 1000), strict=True):
        v = values["FA", n]
        expected = stats.t.interval(0.95, len(v) - 1, v.mean(), stats.sem(v))
        np.testing.assert_allclose(edge, expected)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["100", "1,000"]


def test_size_differences_have_the_slope_of_the_seeds_that_all_sizes_have(ax):
    """Seed 2 is missing at the largest size."""
    frame = pd.DataFrame(
        {
            "reference": "FA",
            "n": [100] * 3 + [1000] * 3 + [5000] * 2,
            "seed": [0, 1, 2, 0, 1, 2, 0, 1],
            "value": [5.0, 6.0, 90.0, 3.0, 4.5, 80.0, 1.0, 2.0],
        }
    )
    plotting.plot_size_differences(ax, frame, smallest_effect=2)
    for level in (0, 2):
        assert any(set(line.get_ydata()) == {level} for line in ax.lines)
    (fitted,) = [
        line for line in ax.lines if line.get_linewidth() == 0.8 and len(line.get_xdata()) == 3
    ]
    both = frame[frame["seed"] < 2]
    fit = stats.linregress(np.log(both["n"]), both["value"])
    sizes = np.array([100, 1000, 5000])
    np.testing.assert_allclose(fitted.get_ydata(), fit.intercept + fit.slope * np.log(sizes))
    assert ax.get_legend_handles_labels()[1] == ["against FA (n = 2 to 3)"]


# -- The map ---------------------------------------------------------------------------------------


def test_map_prints_the_mean_and_frames_what_excludes_zero(ax):
    cells = {
        (1e-4, 500): [2.0, 2.2, 2.1],
        (1e-4, 5000): [-2.0, -2.2, -2.1],
        (1e-3, 500): [-9.0, 1.0, 7.7],
        (1e-3, 5000): [-0.003, -0.004, -0.0035],
    }
    frame = pd.concat(
        pd.DataFrame({"lr": lr, "noise_steps": steps, "seed": range(3), "value": values})
        for (lr, steps), values in cells.items()
    )
    plotting.plot_effect_map(ax, frame, span=2.1, digits=1)
    words = {text.get_position(): text.get_text() for text in ax.texts}
    assert words == {
        (0, 0): "2.1",
        (1, 0): "\N{MINUS SIGN}2.1",
        (0, 1): "\N{MINUS SIGN}0.1",
        (1, 1): "0.0",
    }
    filled = {
        tuple(np.round(patch.get_center(), 9)): patch.get_facecolor()
        for patch in ax.patches
        if patch.get_linewidth() == 0
    }
    assert to_hex(filled[0, 0]).upper() == COLORS["FAN"]
    assert to_hex(filled[1, 0]).upper() == COLORS["FA"]
    assert filled[0, 1][3] < 0.1 < filled[0, 0][3]
    frames = {tuple(np.round(p.get_center(), 9)) for p in ax.patches if p.get_linewidth() > 0}
    assert frames == {(0, 0), (1, 0), (1, 1)}
    assert [label.get_text() for label in ax.get_xticklabels()] == ["500", "5,000"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["0.0001", "0.001"]
