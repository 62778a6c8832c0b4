"""A tiny run whose numbers are written down: when they change, stored results are stale.

Another CPU rounds float32 sums in another order, which adds up to 1e-6 of a value in these 120
steps (vector instructions off against on). The tolerance is 1e-4: a changed draw, rule or optimiser
moves the numbers by more than that.
"""

import pytest
import torch

from fa_lib import MLP, Noise, Split, effective_dimensionality, fit, pretrain
from fa_lib.results import NUMERICS

STORED_FOR = 1  # the NUMERICS that the numbers below belong to

RUNS = {
    "bp": ("bp", [20, 16, 5], Noise(), "adam", 1e-3),
    "fa": ("fa", [20, 16, 5], Noise(), "adam", 1e-3),
    "fa, deep, uniform noise": ("fa", [20, 12, 9, 5], Noise("uniform", 0.5, 0.5), "sgd", 0.05),
    "fa, Bernoulli, soft target": (
        "fa",
        [20, 16, 5],
        Noise("bernoulli", target="uniform"),
        "adam",
        1e-3,
    ),
}

# For seeds 0 and 1: loss before and after noise, after data; readout's angle after noise and after
# data, in degrees; first layer's effective dimensionality.
STORED = {
    "bp": [
        [1.796704, 2.053955],
        [1.798657, 1.585027],
        [1.675772, 1.584922],
        [91.359537, 91.905749],
        [90.980595, 90.314139],
        [8.5896, 8.083302],
    ],
    "fa": [
        [1.796704, 2.053955],
        [1.893574, 1.585107],
        [1.774745, 1.604421],
        [91.247278, 91.835124],
        [90.639139, 89.782703],
        [8.47052, 8.191404],
    ],
    "fa, deep, uniform noise": [
        [1.926181, 1.73207],
        [1.685931, 1.520399],
        [1.613152, 1.69786],
        [71.659653, 81.897383],
        [71.969244, 81.722276],
        [7.658787, 6.925926],
    ],
    "fa, Bernoulli, soft target": [
        [2.141313, 1.951212],
        [1.988496, 1.933848],
        [1.731663, 1.595501],
        [90.932547, 92.188394],
        [90.460936, 89.953417],
        [8.442005, 8.200904],
    ],
}


def run(name: str) -> list[list[float]]:
    rule, sizes, noise, optimizer, lr = RUNS[name]
    net = MLP(sizes, rule=rule, seeds=[0, 1], device="cpu")
    x = torch.arange(60 * 20).reshape(60, 20).mul(0.7).sin()
    data = Split(x, torch.arange(60) % 5)
    how = {"lr": lr, "optimizer": optimizer, "batch_size": 16}
    first = pretrain(net, steps=60, noise=noise, **how)
    second = fit(net, data, epochs=15, **how)
    angle = f"alignment_angle_w{len(sizes) - 1}"
    rows = [
        first["loss"].iloc[0],
        first["loss"].iloc[-1],
        second["loss"].iloc[-1],
        first[angle].iloc[-1],
        second[angle].iloc[-1],
    ]
    return [row.tolist() for row in rows] + [effective_dimensionality(net.weights[0]).tolist()]


@pytest.mark.parametrize("name", RUNS)
def test_numbers_are_those_that_stored_results_were_made_with(name: str) -> None:
    assert STORED_FOR == NUMERICS, "NUMERICS was raised: store this run's new numbers here too."
    found = run(name)
    assert [pytest.approx(row, rel=1e-4) for row in STORED[name]] == found, (
        "The numbers of a run have changed. If that is meant, raise NUMERICS in fa_lib/results.py, "
        f"set STORED_FOR to it, and store for {name!r}: {found}"
    )
