"""As printed: the paper's own tests, against scipy on the samples themselves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from test_judges import TABLE, area, n, runs_of, v

from fa_lib.judges._printed import printed, printed_neurons
from fa_lib.judges._runs import Runs


def _moved(*moves: tuple[float, dict[str, str]]) -> Runs:
    """The planted table with so much added where the columns say so."""
    table = TABLE.copy()
    for amount, which in moves:
        rows = np.ones(len(table), dtype=bool)
        for column, value in which.items():
            rows &= (table[column] == value).to_numpy()
        table.loc[rows, "value"] += amount
    return runs_of(table)


def test_two_samples_are_compared_unpaired() -> None:
    found = printed(runs_of(TABLE), "2b-speed")
    wanted = stats.ttest_ind(area("test_accuracy", "FAN"), area("test_accuracy", "FA"))
    assert found.p[""] == pytest.approx(wanted.pvalue)
    assert not found.yes
    accuracy = {"metric": "test_accuracy", "arm": "FAN"}
    assert printed(_moved((2.0, accuracy)), "2b-speed").yes
    assert not printed(_moved((-2.0, accuracy)), "2b-speed").yes


def test_against_a_fixed_number_one_sample_is_tested() -> None:
    found = printed(runs_of(TABLE), "6b")
    for layers in (2, 3):
        wanted = stats.ttest_1samp(n("displacement_cosine", -1, layers), 0.0).pvalue
        assert found.p[f"{layers} layers"] == pytest.approx(wanted)
    assert found.yes == all(p < 0.05 for p in found.p.values())


def test_nothing_moved_is_said_where_the_test_finds_nothing() -> None:
    start = n("distance", 0).mean()
    later, data = v("distance", 500, "DN", "after"), v("distance", 500, "FA")
    found = printed(runs_of(TABLE), "2g-stuck")
    wanted = stats.ttest_ind(100 * later / start, 100 * data / start).pvalue
    assert found.p[""] == pytest.approx(wanted)
    assert found.yes == (wanted >= 0.05)
    far = (100.0, {"metric": "distance"})
    assert not printed(_moved(far, (50.0, {"metric": "distance", "arm": "DN"})), "2g-stuck").yes


def test_the_order_is_tested_by_the_pair_that_the_paper_tests() -> None:
    start = n("distance", 0).mean()
    noise, both = 100 * n("distance", 500) / start, 100 * v("distance", 500, "FAN") / start
    found = printed(runs_of(TABLE), "2g-order")
    assert found.p[""] == pytest.approx(stats.ttest_ind(noise, both).pvalue)
    assert found.effect[""] == pytest.approx((noise - both).mean())


def test_a_statement_of_parts_needs_them_all() -> None:
    apart = (200.0, {"metric": "displacements_apart"})
    towards = (2.0, {"metric": "displacement_cosine"})
    assert printed(_moved(apart, towards), "2d").yes
    away = (-9.0, {"metric": "displacement_cosine", "arm": "FA"})
    assert not printed(_moved(apart, towards, away), "2d").yes
    assert not printed(_moved(towards), "2d").yes


@pytest.mark.parametrize(
    ("networks", "start", "end", "yes"),
    [
        (10, 90.0, 76.0, True),
        (10, 90.0, 90.0, False),
        (10, 97.0, 76.0, False),  # off 90 degrees already
        (10, 90.0, 104.0, False),  # larger, not smaller
    ],
)
def test_neurons_of_each_network(networks: int, start: float, end: float, yes: bool) -> None:
    # Symmetric about their mean, so that an untrained network at 90 is never off it by chance.
    spread = np.linspace(-15, 15, 100)[:, None] * np.ones(networks)
    assert printed_neurons("B1", start + spread, end + spread).yes is yes


def test_eight_networks_of_ten_suffice_and_seven_do_not() -> None:
    spread = np.linspace(-15, 15, 100)[:, None] * np.ones(10)
    before = 90 + spread
    for good, yes in ((8, True), (7, False)):
        after = before.copy()
        after[:, :good] -= 14
        assert printed_neurons("B1", before, after).yes is yes


def test_neurons_of_several_networks_are_not_one_sample() -> None:
    """A fall that a thousand neurons would show, and the hundred of a network do not."""
    rng = np.random.default_rng(1)
    before = rng.normal(0, 20, (100, 10))
    before += 90 - before.mean(axis=0)
    after = rng.normal(0, 20, (100, 10))
    after += 86 - after.mean(axis=0)
    assert stats.ttest_ind(before.ravel(), after.ravel()).pvalue < 0.001
    assert not printed_neurons("B1", before, after).yes
