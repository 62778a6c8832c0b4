"""Ranks against singular value decompositions, and cutting the weights themselves."""

import copy
import math

import numpy as np
import pytest
import torch
from scipy import stats as sps
from small_networks import make, split

from fa_lib import effective_rank, evaluate, fit, gram_effective_rank
from fa_lib.ranks import entropy_rank, smallest_rank, squared_singular_values, stable_rank

SHAPES = [(7, 12), (12, 7), (5, 5)]


def matrices(shape: tuple[int, int]) -> torch.Tensor:
    return torch.randn(3, *shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("shape", SHAPES)
def test_squared_singular_values_against_a_decomposition(shape: tuple[int, int]) -> None:
    expected = torch.linalg.svdvals(matrices(shape).double()).square()
    torch.testing.assert_close(squared_singular_values(matrices(shape)), expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_ranks_against_norms_and_logarithms(shape: tuple[int, int]) -> None:
    w = matrices(shape).double()
    squared = squared_singular_values(w)
    nuclear = torch.linalg.matrix_norm(w, "nuc")
    spectral, frobenius = (torch.linalg.matrix_norm(w, kind) for kind in (2, "fro"))
    torch.testing.assert_close(stable_rank(squared), (frobenius / spectral).square())
    share = torch.linalg.svdvals(w) / nuclear[:, None]
    expected = (-(share * share.log()).sum(dim=1)).exp()
    torch.testing.assert_close(entropy_rank(squared.sqrt()), expected)


def test_ranks_of_orthogonal_and_of_rank_one_matrices() -> None:
    flat = squared_singular_values(torch.eye(6).unsqueeze(0))
    one = squared_singular_values(torch.ones(1, 6, 4))
    torch.testing.assert_close(stable_rank(flat), torch.tensor([6.0]).double())
    torch.testing.assert_close(stable_rank(one), torch.tensor([1.0]).double(), atol=1e-5, rtol=0)


# effective_rank


@pytest.mark.parametrize("shape", [*SHAPES, (1, 9)])
def test_effective_rank_against_numpy_and_scipy(shape: tuple[int, int]) -> None:
    w = matrices(shape)
    singular = np.linalg.svd(w.double().numpy(), compute_uv=False)
    expected = [np.exp(sps.entropy(values)) for values in singular]
    found = effective_rank(w)
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)
    np.testing.assert_allclose(effective_rank(w[0]).numpy(), expected[:1], rtol=1e-12)


def test_effective_rank_closed_forms() -> None:
    def of(matrix: torch.Tensor) -> float:
        return effective_rank(matrix).item()

    rows = torch.linalg.qr(matrices((9, 4))[0].double())[0].T  # orthonormal
    assert of(rows) == pytest.approx(4, rel=1e-12)
    assert of(-5 * rows) == pytest.approx(4, rel=1e-12)
    rank_one = torch.outer(torch.arange(1.0, 31), torch.arange(1.0, 41))
    assert of(rank_one) == pytest.approx(1, abs=1e-10)  # by the Gram matrix 1e-6 too much
    # Shares 2/3 and 1/3; of squares it would be 4/5 and 1/5, which gives 1.65.
    assert of(torch.diag(torch.tensor([2.0, 1.0]))) == pytest.approx(3 / 2 ** (2 / 3), rel=1e-12)
    assert math.isnan(of(torch.zeros(2, 3)))


def test_effective_rank_of_one_network_does_not_ask_for_the_others() -> None:
    w = matrices((4, 6))
    w[1] = 0
    w[2, 0, 0] = math.inf
    found = effective_rank(w)
    torch.testing.assert_close(found[:1], effective_rank(w[0]))
    assert found.isnan().tolist() == [False, True, True]


# gram_effective_rank


def gram_rank_by_numpy(activations: np.ndarray) -> float:
    """Neuron by neuron: the dead ones out, cosines in a loop, eigenvalues, entropy."""
    alive = [column for column in activations.T if column.any()]
    gram = np.empty((len(alive), len(alive)))
    for i, j in np.ndindex(gram.shape):
        u, v = alive[i], alive[j]
        gram[i, j] = u @ v / np.sqrt((u @ u) * (v @ v))
    return float(np.exp(sps.entropy(np.linalg.eigvalsh(gram).clip(0))))


@pytest.mark.parametrize(("inputs", "units"), [(40, 8), (6, 11), (1, 5)])
@pytest.mark.parametrize("dead", [0, 3])
def test_gram_rank_against_cosines_and_eigenvalues(inputs: int, units: int, dead: int) -> None:
    a = matrices((inputs, units)).relu() + 0.01
    a[1, :, :dead] = 0  # in one network only
    found = gram_effective_rank(a)
    assert found.dtype == torch.float64
    expected = [gram_rank_by_numpy(one) for one in a.double().numpy()]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-10)
    np.testing.assert_allclose(gram_effective_rank(a[1]).numpy(), expected[1:2], rtol=1e-10)


def test_gram_rank_of_planted_neurons() -> None:
    def of(activations: torch.Tensor) -> float:
        return gram_effective_rank(activations).item()

    one = torch.arange(1.0, 21)[:, None]
    assert of(one) == 1
    # Alike but for their size: a single direction.
    assert of(one * torch.tensor([1.0, 2.0, 1e-3, 50.0])) == pytest.approx(1, abs=1e-10)
    # Each for inputs of its own, however large: all cosines are zero.
    own = torch.block_diag(*[size * torch.ones(4, 1) for size in (1.0, 30.0, 1e-4)])
    assert of(own) == pytest.approx(3, rel=1e-12)
    assert of(torch.cat([own, torch.zeros(12, 5)], dim=1)) == pytest.approx(3, rel=1e-12)
    # Two at 60 degrees: eigenvalues 3/2 and 1/2, shares 3/4 and 1/4.
    pair = torch.tensor([[1, 0.5], [0, math.sqrt(3) / 2]], dtype=torch.float64)
    assert of(pair) == pytest.approx(4 / 3**0.75, rel=1e-12)


def test_gram_rank_without_a_neuron_alive_or_with_values_that_are_not_finite() -> None:
    a = matrices((5, 4))
    a[1] = 0
    a[2, 3, 1] = math.nan
    assert gram_effective_rank(a).isnan().tolist() == [False, True, True]
    assert gram_effective_rank(torch.zeros(5, 4)).isnan().tolist() == [True]


@pytest.mark.parametrize("shape", [(4,), (2, 3, 4, 5)])
def test_ranks_refuse_other_shapes(shape: tuple[int, ...]) -> None:
    for rank, axes in ((effective_rank, "out, in"), (gram_effective_rank, "B, units")):
        with pytest.raises(ValueError, match=rf"must be \[N, {axes}\]"):
            rank(torch.ones(shape))


# smallest_rank


@pytest.mark.parametrize("bias", [True, False])
def test_smallest_rank_is_where_cut_weights_become_good_enough(bias: bool) -> None:
    data = split(300)
    net = make(sizes=[12, 9, 4], bias=bias)
    fit(net, data, epochs=20, lr=1e-2, progress=False)
    found = smallest_rank(net, data.x, data.y, tolerance=0.05).int().tolist()
    _, whole = evaluate(net, data)
    u, s, vh = torch.linalg.svd(net.weights[0].double(), full_matrices=False)
    accuracies = []
    for k in range(10):
        cut = copy.deepcopy(net)
        cut.weights[0].copy_(u[:, :, :k] * s[:, None, :k] @ vh[:, :k])
        accuracies.append(evaluate(cut, data)[1])
    for i, k in enumerate(found):
        assert 0 < k < 9
        assert accuracies[k][i] >= whole[i] - 0.05
        assert accuracies[k - 1][i] < whole[i] - 0.05


def test_a_deeper_network_is_cut_in_its_first_layer_only() -> None:
    data = split(200)
    net = make(seeds=[1])
    fit(net, data, epochs=20, lr=1e-2, progress=False)
    (k,) = smallest_rank(net, data.x, data.y, tolerance=0.0).int().tolist()
    u, s, vh = torch.linalg.svd(net.weights[0], full_matrices=False)
    whole = evaluate(net, data)[1]
    net.weights[0].copy_(u[:, :, :k] * s[:, None, :k] @ vh[:, :k])
    assert evaluate(net, data)[1] >= whole
