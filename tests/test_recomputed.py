"""Five statements of the stored results again, by a few lines of NumPy on the tables alone."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from fa_lib.answers import answer, stored_tables
from fa_lib.experiments import stored_result

TABLES = stored_tables()
BASES = ("B1", "B2", "B3")
PER_EPOCH = 40  # 5,000 images, 128 at a time
EPOCHS = [0, 1, 2, 3, 4, 5, *range(10, 101, 5)]

pytestmark = pytest.mark.skipif(
    not {"fig2", "fig4"} <= set(TABLES), reason="the results are not stored"
)


def wide(experiment: str, **where: object) -> np.ndarray:
    """[steps, networks] of the rows with these labels, in order."""
    result = stored_result(experiment, "paper")
    assert result is not None
    table = result.table
    for column, label in where.items():
        table = table[table[column] == label]
    exact = table.astype({"value": "float64"})
    return exact.pivot_table(index="step", columns="seed", values="value")


def unpaired(a: np.ndarray, b: np.ndarray) -> float:
    """Student's t of two samples of one size, pooled."""
    pooled = (a.var(ddof=1) + b.var(ddof=1)) / len(a)
    return (a.mean() - b.mean()) / math.sqrt(pooled)


def p_of(t: float, n: int) -> float:
    """Two-sided, of 2 n - 2 degrees of freedom, by Simpson's rule on the density."""
    df = 2 * n - 2
    x = np.linspace(abs(t), abs(t) + 400, 2_000_001)
    y = (1 + x**2 / df) ** (-(df + 1) / 2)
    area = (x[1] - x[0]) / 3 * (y[0] + y[-1] + 4 * y[1:-1:2].sum() + 2 * y[2:-1:2].sum())
    scale = math.gamma((df + 1) / 2) / math.gamma(df / 2) / math.sqrt(df * math.pi)
    return 2 * area * scale


def area(base: str, arm: str) -> np.ndarray:
    curve = wide("fig2", setting=base, arm=arm, phase="data", metric="test_accuracy")
    heights = 100 * curve.loc[[PER_EPOCH * epoch for epoch in EPOCHS]].to_numpy()
    steps = np.diff(EPOCHS)[:, None]
    return (steps * (heights[1:] + heights[:-1]) / 2).sum(axis=0) / EPOCHS[-1]


def last_layer(base: str, arm: str, metric: str) -> np.ndarray:
    curve = wide("fig2", setting=base, arm=arm, phase="data", metric=metric)
    return curve.loc[100 * PER_EPOCH].to_numpy()


def spectrum_rank(base: str, step: int) -> np.ndarray:
    """From the stored singular values themselves."""
    result = stored_result("fig4", "paper")
    assert result is not None
    rows: pd.DataFrame = result.table[result.table["metric"] == "singular_value_w1"]
    rows = rows[(rows["setting"] == base) & (rows["step"] == step)]
    sigma = rows.pivot_table(index="index", columns="seed", values="value").to_numpy()
    share = sigma / sigma.sum(axis=0)
    return np.exp(-(share * np.log(share)).sum(axis=0))


def samples(id: str, base: str) -> tuple[np.ndarray, np.ndarray]:
    """What is reported to be above, and below."""
    if id == "2b-speed":
        return area(base, "FAN"), area(base, "FA")
    if id == "2c":
        return last_layer(base, "FA", "neuron_angle"), last_layer(base, "FAN", "neuron_angle")
    if id == "4d":
        before, after = spectrum_rank(base, 0), spectrum_rank(base, 3750)
        return 100 * before / before.mean(), 100 * after / before.mean()
    if id == "4g":
        ranks = [
            wide("fig4", setting=base, arm=arm, layers=3, images=1600, metric="gram_rank")
            .loc[1300]
            .to_numpy()
            for arm in ("FA", "FAN")
        ]
        return 100 * ranks[0] / ranks[0].mean(), 100 * ranks[1] / ranks[0].mean()
    families = ("shift", "scale", "rotation")
    means = [
        100 * sum(last_layer(base, arm, f"{family}_accuracy") for family in families) / 3
        for arm in ("FAN", "FA")
    ]
    return means[0], means[1]


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("id", ["2b-speed", "2c", "4d", "4g", "5b"])
def test_a_statement_comes_out_the_same_by_hand(id: str, base: str) -> None:
    above, below = samples(id, base)
    found = answer(id, {name: TABLES[name] for name in ("fig2", "fig4")}).printed[base]
    assert found.effect[""] == pytest.approx(above.mean() - below.mean(), rel=1e-4)
    t = unpaired(above, below)
    assert found.p[""] == pytest.approx(p_of(t, len(above)), rel=1e-3, abs=1e-12)
    assert found.yes == (t > 0 and p_of(t, len(above)) < 0.05)
