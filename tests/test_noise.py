"""Noise: its distributions against scipy's; drawn a step at once, and several as on a GPU."""

import dataclasses
import functools
import math

import numpy as np
import pytest
import torch
from scipy import stats

from fa_lib import Noise
from fa_lib.noise import NoiseStream

CPU = torch.device("cpu")
SHAPE = (64, 101)
CLASSES = 7
LEAST_P = 1e-4  # of seeded draws: a test fails always or never


def stream(
    noise: Noise,
    seeds: list[int],
    shape: tuple[int, int] = SHAPE,
    dtype: torch.dtype = torch.float32,
    steps_at_once: int | None = None,
) -> NoiseStream:
    return NoiseStream(noise, seeds, shape, CLASSES, CPU, dtype, steps_at_once)


def reference(distribution: str, mean: float, std: float) -> object:
    """The scipy distribution meant, None for the two values of Bernoulli."""
    if distribution == "normal":
        return stats.norm(mean, std)
    if distribution == "uniform":
        return stats.uniform(mean - math.sqrt(3) * std, 2 * math.sqrt(3) * std)
    return None


@pytest.fixture(params=[None, 3])
def made(request: pytest.FixtureRequest) -> object:
    """Makes a NoiseStream that draws one step at once, or three."""
    return functools.partial(stream, steps_at_once=request.param)


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (-0.5, 0.25), (1.0, 2.0)])
@pytest.mark.parametrize("distribution", ["normal", "uniform", "bernoulli"])
def test_inputs_have_the_distribution_asked_for(
    made, distribution: str, mean: float, std: float
) -> None:
    x = made(Noise(distribution, mean, std), [0, 1, 2])(5)[0].double().flatten().numpy()
    n = x.size
    assert abs(x.mean() - mean) < 4 * std / math.sqrt(n)
    assert abs(x.std() / std - 1) < 4 / math.sqrt(n)  # sd of s.d. at most std / sqrt(2 n)
    if (expected := reference(distribution, mean, std)) is not None:
        assert stats.kstest(x, expected.cdf).pvalue > LEAST_P
    else:
        values, counts = np.unique(x, return_counts=True)
        np.testing.assert_allclose(values, [mean - std, mean + std], rtol=1e-6)
        assert stats.binomtest(int(counts[0]), n).pvalue > LEAST_P


def test_labels_are_uniform_and_say_nothing_about_the_inputs(made) -> None:
    draws = made(Noise(), [0, 1], (256, 10))
    xs, ys = zip(*(tuple(t.clone() for t in draws(step)) for step in range(40)), strict=True)
    x, y = torch.stack(xs).flatten(0, 2).double().numpy(), torch.stack(ys).flatten().numpy()
    assert y.dtype == np.int64
    counts = np.bincount(y, minlength=CLASSES)
    assert len(counts) == CLASSES
    assert stats.chisquare(counts).pvalue > LEAST_P
    for feature in (x[:, 0], x[:, -1], x.sum(axis=1), np.abs(x).sum(axis=1)):
        assert stats.f_oneway(*(feature[y == c] for c in range(CLASSES))).pvalue > LEAST_P
    # Nor does a label say anything about the next one, in the batch or at the next step.
    for first, second in ((y[:-1], y[1:]), (y[:-512], y[512:])):
        table = np.zeros((CLASSES, CLASSES))
        np.add.at(table, (first, second), 1)
        assert stats.chi2_contingency(table).pvalue > LEAST_P


def test_elements_steps_and_seeds_are_uncorrelated(made) -> None:
    draws = made(Noise(), [0, 1], (64, 100))
    a = draws(0)[0].double().clone()
    b = draws(1)[0].double().clone()
    flat = a[0].flatten()
    pairs = {
        "seed": (a[0], a[1]),
        "step": (a[0], b[0]),
        "seed and step": (a[1], b[0]),
        "neighbour": (flat[:-1], flat[1:]),
        "pair": (flat[0::2], flat[1::2]),
        "squares": (flat[0::2].square(), flat[1::2].square()),
    }
    for what, (u, v) in pairs.items():
        p = stats.pearsonr(u.flatten().numpy(), v.flatten().numpy()).pvalue
        assert p > LEAST_P, what


def test_a_batch_is_a_pure_function_of_seed_and_step(made) -> None:
    noise = Noise("uniform")
    one, other = made(noise, [4]), made(noise, [9, 4])
    kept = {step: [t.clone() for t in one(step)] for step in (3, 0, 7)}
    for step in (7, 3, 0):
        x, y = other(step)
        assert torch.equal(x[1], kept[step][0][0])
        assert torch.equal(y[1], kept[step][1][0])


def test_no_two_steps_are_equal(made) -> None:
    draws = made(Noise(), [0, 1], (2, 3))
    batches = [tuple(row.flatten().tolist()) for step in range(2_000) for row in draws(step)[0]]
    assert len(set(batches)) == len(batches) == 4_000


def test_float64_gets_the_same_numbers(made) -> None:
    single, double = (made(Noise(), [0, 3], (5, 9), d) for d in (torch.float32, torch.float64))
    (x, y), (xx, yy) = single(11), double(11)
    assert xx.dtype == torch.float64
    assert torch.equal(x.double(), xx)
    assert torch.equal(y, yy)


def test_global_random_state_is_neither_read_nor_changed(made) -> None:
    draws = made(Noise(), [0])
    torch.manual_seed(5)
    before = torch.get_rng_state()
    x = draws(2)[0].clone()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    assert torch.equal(draws(2)[0], x)


def test_soft_target_is_one_over_the_classes_and_leaves_the_inputs_alone(made) -> None:
    x, y = made(Noise(target="uniform"), [0, 1])(3)
    assert y.shape == (2, SHAPE[0], CLASSES)
    assert torch.equal(y, torch.full_like(y, 1 / CLASSES))
    assert torch.equal(x, made(Noise(), [0, 1])(3)[0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("target", ["labels", "uniform"])
def test_every_batch_comes_in_the_same_tensors(made, target: str, dtype: torch.dtype) -> None:
    """Which a recorded CUDA graph reads."""
    draws = made(Noise(target=target), [0, 1], dtype=dtype)
    places = {tuple(tensor.data_ptr() for tensor in draws(step)) for step in range(7)}
    assert len(places) == 1


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"distribution": "gaussian"}, ValueError, "noise distribution 'gaussian'"),
        ({"distribution": "Normal"}, ValueError, "Did you mean 'normal'?"),
        ({"target": "label"}, ValueError, "Did you mean 'labels'?"),
        ({"std": 0.0}, ValueError, "std of the noise must be above 0"),
        ({"std": -1}, ValueError, "std of the noise must be above 0"),
        ({"std": math.nan}, ValueError, "std of the noise must be finite"),
        ({"std": "1"}, TypeError, "std of the noise must be a number"),
        ({"mean": math.inf}, ValueError, "mean of the noise must be finite"),
        ({"mean": None}, TypeError, "mean of the noise must be a number"),
    ],
)
def test_bad_input(arguments: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        Noise(**arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_noise_cannot_be_changed_and_is_checked_when_replaced() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Noise().std = 2.0  # type: ignore[misc]
    with pytest.raises(ValueError, match="std of the noise"):
        dataclasses.replace(Noise(), std=0.0)
