"""Ranks against singular value decompositions, and cutting the weights themselves."""

import copy

import pytest
import torch
from small_networks import make, split

from fa_lib import evaluate, fit
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
    torch.testing.assert_close(entropy_rank(squared), (-(share * share.log()).sum(dim=1)).exp())


def test_ranks_of_orthogonal_and_of_rank_one_matrices() -> None:
    flat = squared_singular_values(torch.eye(6).unsqueeze(0))
    one = squared_singular_values(torch.ones(1, 6, 4))
    for rank in (entropy_rank, stable_rank):
        torch.testing.assert_close(rank(flat), torch.tensor([6.0]).double())
        torch.testing.assert_close(rank(one), torch.tensor([1.0]).double(), atol=1e-5, rtol=0)


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
