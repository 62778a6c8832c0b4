"""The panels on speed show the measured numbers."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import speed_tables

from fa_lib import plotting, speed

pytestmark = pytest.mark.usefixtures("style")


@pytest.fixture
def table():
    return speed_tables.measured()


def case(rows, workload="noise", sizes="784-100-10"):
    return rows[(rows["workload"] == workload) & (rows["sizes"] == sizes)]


def test_throughput_lies_below_the_limit(ax, table):
    limit = speed.bounds(table)
    limit = case(limit[limit["bound"] == "streamed"])
    lines = plotting.plot_throughput(ax, case(speed.throughput(table)), limit)
    assert list(lines) == ["plain loop", "torch.func.vmap", "fa_lib", "limit of the machine"]
    ours = lines["fa_lib"]
    assert list(ours.get_xdata(orig=False)) == [1, 10, 100]
    np.testing.assert_allclose(ours.get_ydata(orig=False), 1600 / 1.1)
    # One network at a time: a level line over all numbers of networks.
    np.testing.assert_allclose(lines["plain loop"].get_xdata(orig=False), [1, 100])
    np.testing.assert_allclose(lines["plain loop"].get_ydata(orig=False), 400 / 1.1)
    np.testing.assert_allclose(
        lines["limit of the machine"].get_ydata(orig=False), 1 / (1.1 * 4e-4)
    )
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1", "10", "100"]


def test_the_limit_of_a_gpu_depends_on_the_stack(ax):
    counts = (1, 128, 1000)
    table = speed_tables.measured(counts=counts, at_once=counts)
    table.loc[(table["method"] == "hot") & (table["networks"] == 1000), "value"] /= 4
    limit = speed.bounds(table)
    limit = case(limit[limit["bound"] == "hot"])
    line = plotting.plot_throughput(ax, case(speed.throughput(table)), limit)[
        "limit of the machine"
    ]
    assert list(line.get_xdata(orig=False)) == [128, 1000]  # one network alone has no limit
    some, many = line.get_ydata(orig=False)
    assert many == pytest.approx(4 * some)
    # Where no stack was measured, neither is its limit drawn, least of all at one network.
    rates = case(speed.throughput(table[table["networks"] == 1]))
    line = plotting.plot_throughput(ax, rates, limit)["limit of the machine"]
    assert not len(line.get_xdata(orig=False))


def test_ratios_have_a_line_for_each_peer(ax, table):
    lines = plotting.plot_ratios(ax, case(speed.ratios(table)))
    assert list(lines) == ["plain loop", "torch.func.vmap"]
    np.testing.assert_allclose(lines["plain loop"].get_ydata(orig=False), 4)
    np.testing.assert_allclose(lines["torch.func.vmap"].get_ydata(orig=False), 2)
    assert ax.get_ylim()[0] == 0


def test_lines_can_be_told_apart_without_colour(table):
    plain = plotting.plot_throughput(plt.figure().add_subplot(), case(speed.throughput(table)))
    looks = {(line.get_marker(), line.get_linestyle()) for line in plain.values()}
    assert len(looks) == len(plain)


def test_bars_add_up_to_what_was_measured(ax, table):
    parts = speed.parts_of_step(table)
    patches = plotting.plot_limits(ax, case(parts), case(speed.throughput(table)))
    labels = [tick.get_text() for tick in ax.get_yticklabels()]
    assert labels == ["limit, hot", "limit, streamed", "1 network", "10 networks", "100 networks"]
    lengths = [sum(p.get_width() for p in ax.patches if p.get_y() == y - 0.35) for y in range(5)]
    np.testing.assert_allclose(lengths[:2], [0.55 * 0.4, 1.1 * 0.4])
    np.testing.assert_allclose(lengths[2:], 1e3 * 1.1 / 1600)  # ms
    assert [line.get_xdata()[0] for line in ax.lines] == pytest.approx(lengths[2:])
    assert "picking images" not in patches
    assert list(patches)[-2:] == ["ReLU, softmax, biases", "all else"]
    # What could be merged away is in no limit.
    merged = [
        p for p in ax.patches if p.get_facecolor() == patches["ReLU, softmax, biases"].get_fc()
    ]
    assert len(merged) == 3


def test_a_program_faster_than_its_parts_has_no_rest(ax, table):
    rates = case(speed.throughput(table))
    plotting.plot_limits(ax, case(speed.parts_of_step(table)), rates.assign(value=1e6))
    assert all(p.get_width() >= 0 for p in ax.patches)
    assert [line.get_xdata()[0] for line in ax.lines] == pytest.approx([1e-3] * 3)
    assert [text.get_text().strip() for text in ax.texts] == ["0.22", "0.44", *["0.00"] * 3]
