"""How many dimensions weights use, beside the participation ratio in `metrics`.

Index legend: N networks, B batch.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fa_lib.networks import MLP

__all__ = ["entropy_rank", "smallest_rank", "squared_singular_values", "stable_rank"]


def squared_singular_values(weight: Tensor) -> Tensor:
    """Squared singular values of weights [N, out, in], largest first: float64 [N, min(out, in)].

    They are the eigenvalues of the Gram matrix of the shorter side.
    """
    w = weight.double()
    gram = torch.bmm(w, w.mT) if w.shape[1] <= w.shape[2] else torch.bmm(w.mT, w)
    return torch.linalg.eigvalsh(gram).clamp_min(0).flip(1)


def entropy_rank(squared: Tensor) -> Tensor:
    """Exponential of the entropy of the normalised singular values (Roy and Vetterli 2007).

    Arguments:
        squared: squared singular values [N, K], not all zero.

    Returns:
        float64 [N], from 1 (a single one) to K (all equal).
    """
    p = squared.sqrt()
    p = p / p.sum(dim=1, keepdim=True)
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
