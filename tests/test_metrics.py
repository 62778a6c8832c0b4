"""Measures of weights and readouts, against closed forms and a second way of computing each."""

import math
import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as sps
from scipy.spatial import distance
from sklearn.decomposition import PCA
from torch import Tensor, nn

from fa_lib import (
    alignment_angle,
    effective_dimensionality,
    kl_from_uniform,
    neuron_angles,
    readout_deviation,
    weight_distance,
)

few = settings(max_examples=30, deadline=None, derandomize=True)


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


# alignment_angle


@pytest.mark.parametrize("shape", [(10, 512), (3, 5), (1, 1)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_angle_against_the_arc_cosine(shape: tuple[int, int], dtype: torch.dtype) -> None:
    w, b = normal(6, *shape, dtype=dtype), normal(6, *shape, seed=1, dtype=dtype)
    u, v = w.double().flatten(1).numpy(), b.double().flatten(1).numpy()
    cosine = (u * v).sum(1) / np.linalg.norm(u, axis=1) / np.linalg.norm(v, axis=1)
    expected = np.degrees(np.arccos(cosine.clip(-1, 1)))
    angle = alignment_angle(w, b)
    assert angle.dtype == torch.float64
    np.testing.assert_allclose(angle.numpy(), expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(alignment_angle(w[0], b[0]).numpy(), expected[:1], rtol=0, atol=1e-5)


def test_angle_of_random_matrices_is_near_a_right_angle() -> None:
    angle = alignment_angle(normal(500, 10, 100), normal(500, 10, 100, seed=1)).numpy()
    # The cosine of random directions in d dimensions: mean 0, s.d. 1 / sqrt(d); (d + 1) / 2 shape.
    beta = sps.beta(999 / 2, 999 / 2, loc=-1, scale=2)
    assert sps.kstest(np.cos(np.radians(angle)), beta.cdf).pvalue > 1e-4


def test_right_angles_and_multiples() -> None:
    w = normal(4, 3, 5)
    for factor, degrees in [(1, 0), (1e-6, 0), (3e4, 0), (-1, 180), (-7.5, 180)]:
        torch.testing.assert_close(
            alignment_angle(w, factor * w), torch.full((4,), float(degrees), dtype=torch.float64)
        )
    left, right = torch.tensor([[1.0, 0.0], [0, 0]]), torch.tensor([[0.0, 3.0], [2, 0]])
    assert alignment_angle(left, right).item() == pytest.approx(90, abs=1e-13)


@pytest.mark.parametrize("theta", [1e-9, 1e-7, 1e-3, 1.0, math.pi / 2, 3.0, math.pi - 1e-9])
def test_planted_angle_in_many_dimensions(theta: float) -> None:
    """To 1e-12 rad everywhere; an arc cosine would miss 1e-9 rad altogether."""
    w = normal(2, 10, 512)
    across = normal(2, 10, 512, seed=1)
    norm = w.flatten(1).norm(dim=1)[:, None, None]
    across -= w * (w * across).sum(dim=(1, 2), keepdim=True) / norm**2
    across *= norm / across.flatten(1).norm(dim=1)[:, None, None]
    planted = math.cos(theta) * w + math.sin(theta) * across
    found = torch.deg2rad(alignment_angle(w, planted))
    assert (found - theta).abs().max() < 1e-12


def test_centered_angle_ignores_the_mean_over_classes() -> None:
    w, b = normal(3, 4, 6), normal(3, 4, 6, seed=1)
    by_hand = alignment_angle(w - w.mean(dim=1, keepdim=True), b - b.mean(dim=1, keepdim=True))
    shift = 5 * normal(3, 1, 6, seed=2)
    for shifted in (w, w + shift):
        torch.testing.assert_close(alignment_angle(shifted, b, centered=True), by_hand)
    assert not torch.allclose(alignment_angle(w + shift, b), alignment_angle(w, b))


def test_undefined_angle_is_nan_with_exactly_one_warning() -> None:
    w, b = normal(4, 3, 5), normal(4, 3, 5, seed=1)
    w[1] = 0
    b[3] = 0
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        angle = alignment_angle(w, b)
    assert angle.isnan().tolist() == [False, True, False, True]
    assert len(caught) == 1
    assert "2 of 4 network(s) is undefined" in str(caught[0].message)
    assert caught[0].filename == __file__


def test_angle_below_the_smallest_norm_is_undefined() -> None:
    w, b = normal(2, 3, 5), normal(2, 3, 5, seed=1)
    w[0] *= 0.9 / w[0].norm()
    w[1] *= 1.1 / w[1].norm()
    with pytest.warns(UserWarning, match=r"1 of 2 network\(s\)"):
        angle = alignment_angle(w, b, min_norm=1.0)
    assert angle.isnan().tolist() == [True, False]


@few
@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(2, 6),
    columns=st.integers(1, 6),
    scale=st.floats(1e-6, 1e6),
    centered=st.booleans(),
)
def test_angle_is_symmetric_and_blind_to_scale(
    seed: int, rows: int, columns: int, scale: float, centered: bool
) -> None:
    w, b = normal(1, rows, columns, seed=seed), normal(1, rows, columns, seed=seed + 1)
    angle = alignment_angle(w, b, centered=centered)
    assert 0 <= angle.item() <= 180
    for u, v, expected in [
        (b, w, angle),
        (scale * w, b, angle),
        (w, scale * b, angle),
        (-w, b, 180 - angle),
        (w.flip(2), b.flip(2), angle),
    ]:
        torch.testing.assert_close(
            alignment_angle(u, v, centered=centered), expected, rtol=0, atol=1e-9
        )


# neuron_angles


def test_neuron_angles_against_a_loop_over_neurons() -> None:
    w, b = normal(3, 10, 7, dtype=torch.float32), normal(3, 10, 7, seed=1, dtype=torch.float32)
    expected = np.empty((3, 7))
    for n, i in np.ndindex(3, 7):
        u, v = w[n, :, i].double().numpy(), b[n, :, i].double().numpy()
        expected[n, i] = np.degrees(np.arccos(u @ v / np.sqrt(u @ u) / np.sqrt(v @ v)))
    found = neuron_angles(w, b)
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(neuron_angles(w[0], b[0]).numpy(), expected[:1], rtol=0, atol=1e-5)


def test_planted_neuron_angles_are_found_to_the_last_digits() -> None:
    """Each neuron's pair lies in a plane of its own axes, at an angle of its own."""
    angles = [0, 1e-9, 1e-4, 1, math.pi / 2, 3, math.pi - 1e-9, math.pi]
    planted = torch.tensor(angles, dtype=torch.float64)
    w, b = torch.zeros(1, 6, 8).double(), torch.zeros(1, 6, 8).double()
    for i, theta in enumerate(planted):
        w[0, i % 5, i] = 2.0 + i
        b[0, i % 5, i] = 0.1 * theta.cos()
        b[0, i % 5 + 1, i] = 0.1 * theta.sin()
    found = torch.deg2rad(neuron_angles(w, b))
    assert (found - planted).abs().max() < 1e-12


def test_neuron_angle_is_nan_where_weights_are_zero_and_only_there() -> None:
    w, b = normal(2, 4, 5), normal(2, 4, 5, seed=1)
    w[0, :, 2] = 0
    b[1, :, 4] = 0
    undefined = neuron_angles(w, b).isnan()
    assert undefined.nonzero().tolist() == [[0, 2], [1, 4]]


# weight_distance


def test_distances_against_numpy_and_a_loop() -> None:
    w, b = normal(4, 10, 20, dtype=torch.float32), normal(4, 10, 20, seed=1, dtype=torch.float32)
    frobenius, cosine = [], []
    for u, v in zip(w.double().numpy(), b.double().numpy(), strict=True):
        frobenius.append(np.linalg.norm(u - v, ord="fro"))
        cosine.append(distance.cosine(u.ravel(), v.ravel()))
    for kind, expected in (("frobenius", frobenius), ("cosine", cosine)):
        found = weight_distance(w, b, kind)
        assert found.dtype == torch.float64
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)
        np.testing.assert_allclose(weight_distance(w[1], b[1], kind=kind).numpy(), expected[1])
    torch.testing.assert_close(weight_distance(w, b), weight_distance(w, b, "frobenius"))


def test_planted_distances() -> None:
    w = normal(2, 3, 5)
    norm = w.flatten(1).norm(dim=1)
    for factor, cosine in [(1, 0), (3, 0), (-1, 2)]:
        apart = abs(1 - factor) * norm
        torch.testing.assert_close(weight_distance(w, factor * w), apart)
        found = weight_distance(w, factor * w, "cosine")
        torch.testing.assert_close(found, torch.full((2,), cosine).double(), rtol=0, atol=1e-15)
    # 1 - cos 1e-6 = 5e-13, of which an ordinary difference would keep three digits.
    left, right = torch.tensor([[1.0, 0]]), torch.tensor([[1.0, 1e-6]]).double()
    assert weight_distance(left, right, "cosine").item() == pytest.approx(5e-13, rel=1e-9)


def test_distance_from_weights_of_zero() -> None:
    w, b = torch.zeros(1, 3, 4), normal(1, 3, 4)
    assert weight_distance(w, b).item() == pytest.approx(b.norm().item())
    assert weight_distance(w, b, "cosine").isnan().all()


def test_distance_of_an_unknown_kind() -> None:
    with pytest.raises(ValueError, match="Did you mean 'cosine'"):
        weight_distance(normal(2, 2), normal(2, 2), "cosin")


@pytest.mark.parametrize("measure", [alignment_angle, neuron_angles, weight_distance])
@pytest.mark.parametrize("shapes", [([2, 3, 4], [2, 4, 3]), ([3, 4], [1, 3, 4]), ([4], [4])])
def test_a_pair_of_other_shapes_is_refused(
    measure: Callable[[Tensor, Tensor], Tensor], shapes: tuple[list[int], list[int]]
) -> None:
    first, second = shapes
    with pytest.raises(ValueError, match=r"one shape, \[N, out, in\]") as refused:
        measure(normal(*first), normal(*second))
    assert f"{first} and {second}" in str(refused.value)


# effective_dimensionality


@pytest.mark.parametrize("shape", [(10, 512), (512, 10), (7, 7), (9, 1)])
@pytest.mark.parametrize("centered", [False, True])
def test_dimensionality_against_a_singular_value_decomposition(
    shape: tuple[int, int], centered: bool
) -> None:
    w = normal(3, *shape, dtype=torch.float32)
    expected = []
    for matrix in w.double().numpy():
        centred = matrix - matrix.mean(axis=0) if centered else matrix
        squares = np.linalg.svd(centred, compute_uv=False) ** 2
        expected.append(squares.sum() ** 2 / (squares**2).sum())
    found = effective_dimensionality(w, centered=centered)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-11)
    alone = effective_dimensionality(w[0], centered=centered)
    np.testing.assert_allclose(alone.numpy(), expected[:1], rtol=1e-11)


def test_dimensionality_closed_forms() -> None:
    def of(matrix: Tensor) -> float:
        return effective_dimensionality(matrix).item()

    assert of(torch.eye(8)) == 8
    assert of(torch.eye(8)[:3]) == 3
    assert of(torch.outer(torch.arange(1.0, 5), torch.arange(1.0, 8))) == pytest.approx(1)
    assert of(torch.diag(torch.tensor([2.0, 1.0]))) == pytest.approx(25 / 17)
    # Many times wider than high, a random matrix is nearly isotropic: n m / (n + m + 1).
    assert of(normal(20, 40_000)) == pytest.approx(20 * 40_000 / (20 + 40_000 + 1), rel=1e-3)
    assert math.isnan(of(torch.zeros(2, 3)))


def test_centered_dimensionality_is_that_of_the_covariance() -> None:
    activity = normal(200, 6) @ normal(6, 6, seed=1) + 10 * normal(6, seed=2)
    variance = PCA().fit(activity.numpy()).explained_variance_
    expected = variance.sum() ** 2 / (variance**2).sum()
    found = effective_dimensionality(activity, centered=True).item()
    assert found == pytest.approx(expected, rel=1e-10)


@few
@given(seed=st.integers(0, 10_000), rows=st.integers(1, 7), columns=st.integers(1, 7))
def test_dimensionality_properties(seed: int, rows: int, columns: int) -> None:
    w = normal(rows, columns, seed=seed)
    found = effective_dimensionality(w).item()
    assert 1 - 1e-12 <= found <= min(rows, columns) + 1e-12
    rotation = torch.linalg.qr(normal(rows, rows, seed=seed + 1))[0]
    for same in (w.T, -3e5 * w, rotation @ w):
        assert effective_dimensionality(same).item() == pytest.approx(found, rel=1e-10)


# Readout


def test_readout_deviation_closed_forms() -> None:
    assert readout_deviation(torch.zeros(2, 5, 10)).tolist() == [0, 0]
    certain = torch.zeros(1, 5, 10)
    certain[..., 3] = 1000
    assert readout_deviation(certain).item() == pytest.approx(math.sqrt(9) / 10)


def test_readout_measures_against_scipy() -> None:
    logits = normal(3, 20, 6, dtype=torch.float32)
    p = np.exp(logits.double().numpy())
    p /= p.sum(axis=2, keepdims=True)
    kl = [[sps.entropy(np.full(6, 1 / 6), row) for row in rows] for rows in p]
    np.testing.assert_allclose(kl_from_uniform(logits).numpy(), np.mean(kl, axis=1), rtol=1e-12)
    rms = np.sqrt(((p - 1 / 6) ** 2).mean(axis=(1, 2)))
    np.testing.assert_allclose(readout_deviation(logits).numpy(), rms, rtol=1e-12)


def test_kl_is_the_expected_cross_entropy_of_random_labels_above_chance() -> None:
    logits = normal(1, 30, 4)
    every_label = [
        nn.functional.cross_entropy(logits[0], torch.full((30,), label)).item()
        for label in range(4)
    ]
    expected = np.mean(every_label) - math.log(4)
    assert kl_from_uniform(logits).item() == pytest.approx(expected, rel=1e-12)
    assert kl_from_uniform(torch.zeros(1, 3, 10)).item() == pytest.approx(0, abs=1e-15)
