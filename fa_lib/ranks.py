"""How many dimensions weights use, beside the participation ratio in `metrics`.

Index legend: N networks, B batch.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fa_lib.networks import MLP

__all__ = [
    "effective_rank",
    "entropy_rank",
    "gram_effective_rank",
    "smallest_rank",
    "squared_singular_values",
    "stable_rank",
]


def effective_rank(weight: Tensor) -> Tensor:
    """Exponential of the entropy of sigma / sum sigma, the singular values (paper, Fig. 4d).

    Roy and Vetterli 2007; the singular values are not squared. They come from a decomposition of
    the weights, because those that are zero come out of the Gram matrix as large as 1e-8.

    Arguments:
        weight: [N, out, in], or [out, in] for a single matrix.

    Returns:
        float64 [N], from 1 (rank one) to min(out, in) (all singular values equal); NaN for a matrix
        of zeros, or with a value that is not finite.

    Raises:
        ValueError: another number of dimensions.
    """
    return entropy_rank(torch.linalg.svdvals(_finite_stack(weight, "Weights", "out, in")))


def gram_effective_rank(activations: Tensor) -> Tensor:
    """Effective rank of the neurons' Gram matrix of cosine similarities (paper, Fig. 4g).

    That of neurons i and j is the cosine between their activations over the inputs; the eigenvalues
    of that matrix are its singular values. Neurons that are zero for every input are dropped.

    Arguments:
        activations: of a layer, [N, B, units], or [B, units] for a single network.

    Returns:
        float64 [N], from 1 (all neurons alike, up to sign) to the smaller of B and the number of
        neurons that are not dropped; NaN without any, or with a value that is not finite.

    Raises:
        ValueError: another number of dimensions.
    """
    a = _finite_stack(activations, "Activations", "B, units")
    norm = torch.linalg.vector_norm(a, dim=1, keepdim=True)
    # A dropped neuron stays as zeros: an eigenvalue of zero adds nothing to the entropy.
    unit = torch.where(norm > 0, a / norm, 0.0)
    # The eigenvalues of unit^T unit are the squared singular values of `unit`.
    return entropy_rank(squared_singular_values(unit))


def _finite_stack(matrices: Tensor, what: str, axes: str) -> Tensor:
    """As float64 [N, ., .]; one that has a value that is not finite is zero, so its rank is NaN."""
    if matrices.dim() not in (2, 3):
        raise ValueError(f"{what} must be [N, {axes}] or [{axes}], got {list(matrices.shape)}.")
    stack = matrices.double() if matrices.dim() == 3 else matrices.double().unsqueeze(0)
    finite = stack.isfinite().flatten(1).all(dim=1)
    return torch.where(finite[:, None, None], stack, 0.0)


def squared_singular_values(weight: Tensor) -> Tensor:
    """Squared singular values of weights [N, out, in], largest first: float64 [N, min(out, in)].

    They are the eigenvalues of the Gram matrix of the shorter side.
    """
    w = weight.double()
    gram = torch.bmm(w, w.mT) if w.shape[1] <= w.shape[2] else torch.bmm(w.mT, w)
    return torch.linalg.eigvalsh(gram).clamp_min(0).flip(1)


def entropy_rank(values: Tensor) -> Tensor:
    """`effective_rank` of matrices whose singular values are known.

    Arguments:
        values: the singular values [N, K], not squared.

    Returns:
        float64 [N], from 1 (a single one) to K (all equal); NaN where all are zero.
    """
    p = values / values.sum(dim=1, keepdim=True)
    return torch.special.entr(p).sum(dim=1).exp()


def stable_rank(squared: Tensor) -> Tensor:
    """Sum of the squared singular values over the largest (Rudelson and Vershynin 2007).

    Arguments:
        squared: squared singular values [N, K], largest first and above zero.

    Returns:
        float64 [N], from 1 to K.
    """
    return squared.sum(dim=1) / squared[:, 0]


def smallest_rank(net: MLP, x: Tensor, y: Tensor, tolerance: float = 0.01) -> Tensor:
    """Smallest rank to which the first layer's weights can be cut at little loss (claim C11).

    The weights are cut to their k largest singular values. The smallest sufficient k is found by
    bisection, which takes accuracy to grow with k.

    Arguments:
        net: networks of at least two layers.
        x: inputs [B, features].
        y: labels, int64 [B].
        tolerance: how far accuracy may fall below that of the whole weights, as a share of 1.

    Returns:
        float64 [N], from 0 to min(out, in).
    """
    weight = net.weights[0]
    # Cutting W1 from the left: W1 cut to rank k is U_k U_k^T W1, so that x W1^T, the large
    # product, is made once.
    _, vectors = torch.linalg.eigh(torch.bmm(weight, weight.mT))
    vectors = vectors.flip(2)
    below = torch.matmul(x.to(weight), weight.mT)
    below = torch.bmm(below, vectors)
    most = min(weight.shape[1:])
    ranks = []
    for i in range(len(net)):
        one = net[i : i + 1]

        def accuracy(k: int, i: int = i, one: MLP = one) -> float:
            hidden = below[i, :, :k] @ vectors[i, :, :k].T
            if one.biases:
                hidden = hidden + one.biases[0]
            logits = _after_first(one, hidden.relu().unsqueeze(0))
            return float((logits[0].argmax(dim=1) == y.to(logits.device)).double().mean())

        enough = accuracy(most) - tolerance
        low, high = -1, most  # low does not suffice, high does
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if accuracy(middle) >= enough else (middle, high)
        ranks.append(high)
    return torch.tensor(ranks, dtype=torch.float64)


def _after_first(net: MLP, hidden: Tensor) -> Tensor:
    """Logits of the layers above the first, for its rectified outputs [N, B, width]."""
    for layer in range(1, len(net.weights)):
        hidden = torch.bmm(hidden, net.weights[layer].mT)
        if net.biases:
            hidden = hidden + net.biases[layer].unsqueeze(1)
        if layer < len(net.weights) - 1:
            hidden = hidden.relu()
    return hidden
