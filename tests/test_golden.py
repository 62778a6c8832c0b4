"""The probe's numbers, written down: when they change, stored results are stale.

Another CPU rounds float32 sums in another order, which adds up to 1e-6 of a value in these 120
steps (vector instructions off against on). The tolerance is 1e-4: a changed draw, rule or optimiser
moves the numbers by more than that.
"""

import math

import pytest
import torch

from fa_lib import _probe
from fa_lib._probe import PROBE_TOLERANCE, RUNS, differing, run

PARTS = (
    "noise, loss",
    "data, loss",
    "noise, {angle}",
    "data, {angle}",
    "effective_dimensionality",
)

# Of seeds 0 and 1: loss on noise and on data at the end, the readout's angle likewise, in degrees;
# first layer's effective dimensionality.
STORED = {
    "bp": [
        [1.798657, 1.585027],
        [1.675772, 1.584922],
        [91.359537, 91.905749],
        [90.980595, 90.314139],
        [8.5896, 8.083302],
    ],
    "fa": [
        [1.893574, 1.585107],
        [1.774745, 1.604421],
        [91.247278, 91.835124],
        [90.639139, 89.782703],
        [8.47052, 8.191404],
    ],
    "fa, deep, uniform noise": [
        [1.685931, 1.520399],
        [1.613152, 1.69786],
        [71.659653, 81.897383],
        [71.969244, 81.722276],
        [7.658787, 6.925926],
    ],
    "fa, Bernoulli, soft target": [
        [1.988496, 1.933848],
        [1.731663, 1.595501],
        [90.932547, 92.188394],
        [90.460936, 89.953417],
        [8.442005, 8.200904],
    ],
}


@pytest.mark.parametrize("name", RUNS)
def test_numbers_are_those_that_stored_results_were_made_with(name: str) -> None:
    found, sizes = run(name), RUNS[name][1]
    parts = [part.format(angle=f"alignment_angle_w{len(sizes) - 1}") for part in PARTS]
    assert [pytest.approx(row, rel=1e-4) for row in STORED[name]] == [
        found[part] for part in parts
    ], "The numbers of a run have changed, and with them every stored result is stale."


def test_a_probe_is_made_once_for_each_version(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    runs = []
    made = _probe._run_all()
    monkeypatch.setattr(_probe, "_run_all", lambda: runs.append(1) or made)
    for code in ("a", "b", "a"):
        _probe.probe.cache_clear()
        assert _probe.probe(code) == made
    assert len(runs) == 2
    (kept,) = tmp_path.rglob("probe-a.json")
    for place, damaged in enumerate(("{cut off", "{}", "[]", '{"loss": [null]}'), start=3):
        kept.write_text(damaged)
        _probe.probe.cache_clear()
        assert _probe.probe("a") == made
        assert len(runs) == place
    _probe.probe.cache_clear()


def test_the_probe_leaves_threads_and_random_numbers_alone() -> None:
    threads = torch.get_num_threads()
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    _probe._run_all()
    assert torch.equal(torch.rand(2), expected)
    assert torch.get_num_threads() == threads


def test_numbers_differ_beyond_the_tolerance_alone() -> None:
    stored = {"loss": [1.0, math.nan], "angle": [90.0, 91.0]}
    close = {"loss": [1.0 + PROBE_TOLERANCE / 2, math.nan], "angle": [90.0, 91.0], "new": [2.0]}
    assert differing(stored, close) == []
    assert differing(stored, close | {"angle": [90.0, 91.02]}) == ["angle"]
    assert differing(stored, close | {"loss": [1.0, 2.0]}) == ["loss"]
    assert differing(stored, close | {"angle": [90.0]}) == ["angle"]
    assert differing(stored | {"gone": [1.0]}, close) == ["gone"]
    assert differing({}, close) == ["all of it"]
