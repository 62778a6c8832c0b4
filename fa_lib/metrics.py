"""Measures of alignment, dimensionality and generalisation; one value for each network.

Index legend: N networks, B batch, C classes, T recorded steps.
"""

from __future__ import annotations

import math
import warnings

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from fa_lib import _checks
from fa_lib.data import Examples, Split
from fa_lib.networks import MLP, cross_entropy
from fa_lib.rules import Rule

__all__ = [
    "alignment_angle",
    "area_under_curve",
    "effective_dimensionality",
    "evaluate",
    "generalization_gap",
    "gradient_alignment",
    "kl_from_uniform",
    "neuron_angles",
    "readout_deviation",
    "steps_to_accuracy",
    "update_directions",
    "weight_distance",
]


def alignment_angle(
    weight: Tensor, feedback: Tensor, *, centered: bool = False, min_norm: float = 0.0
) -> Tensor:
    """Angle between forward and feedback weights, each flattened.

    The paper's Fig. 1e has one for each neuron instead: `neuron_angles`.

    Computed in float64 as `2 atan2(|u - v|, |u + v|)` of the unit vectors u and v (Kahan 2006),
    which keeps its digits near 0 and 180 degrees, where an arc cosine loses half of them.

    Arguments:
        weight, feedback: [N, out, in], or [out, in] for a single pair.
        centered: take the mean over classes (the `out` axis) out of both first. In a readout that
            mean never trains, because the error of a softmax sums to zero over classes.
        min_norm: below this norm of the (centred) weight the angle counts as undefined.

    Returns:
        Degrees in [0, 180], float64 [N]. NaN where undefined, with one warning.

    Raises:
        ValueError: shapes that differ.
    """
    angle = angle_between(weight, feedback, centered=centered, min_norm=min_norm)
    if angle.isnan().any():
        warnings.warn(
            f"The alignment angle of {int(angle.isnan().sum())} of {len(angle)} network(s) is "
            "undefined (NaN): the weights' norm is zero or below min_norm.",
            stacklevel=2,
        )
    return angle


def angle_between(
    weight: Tensor, feedback: Tensor, *, centered: bool = False, min_norm: float = 0.0
) -> Tensor:
    """`alignment_angle` without its warning, for use at every recorded step."""
    _check_pair(weight, feedback)
    w, b = (_flat(m, centered) for m in (weight, feedback))
    return torch.where(_norm(w)[:, 0] < min_norm, math.nan, _degrees(w, b))


def neuron_angles(weight: Tensor, feedback: Tensor) -> Tensor:
    """Angle between each neuron's outgoing forward and feedback weights (paper, Fig. 1e).

    The neurons are those of the layer below, whose outgoing weights are the columns.

    Arguments:
        weight, feedback: [N, out, in], or [out, in] for a single pair.

    Returns:
        Degrees in [0, 180], float64 [N, in], as precise as `alignment_angle`'s; NaN where a
        neuron's forward or feedback weights are all zero.

    Raises:
        ValueError: shapes that differ.
    """
    _check_pair(weight, feedback)
    return _degrees(_stack(weight).mT, _stack(feedback).mT)


def weight_distance(weight: Tensor, feedback: Tensor, kind: str = "frobenius") -> Tensor:
    """Distance between forward and feedback weights (paper, Fig. 2e).

    Arguments:
        weight, feedback: [N, out, in], or [out, in] for a single pair.
        kind: "frobenius", the norm of the difference, in the weights' unit; or "cosine", 1 less the
            cosine of the flattened matrices: 0 to 2, blind to their norms.

    Returns:
        float64 [N]; the cosine distance of a matrix of zeros is NaN.

    Raises:
        ValueError: shapes that differ, an unknown kind.
    """
    _checks.choice(kind, ("frobenius", "cosine"), "kind of distance")
    _check_pair(weight, feedback)
    w, b = (_flat(m, centered=False) for m in (weight, feedback))
    if kind == "frobenius":
        return torch.linalg.vector_norm(w - b, dim=1)
    # |u - v|^2 / 2 of unit vectors is 1 - cos, without the loss of digits where cos is near 1.
    return (w / _norm(w) - b / _norm(b)).square().sum(dim=1) / 2


def _check_pair(weight: Tensor, feedback: Tensor) -> None:
    if weight.shape != feedback.shape or weight.dim() not in (2, 3):
        raise ValueError(
            "Forward and feedback weights must have one shape, [N, out, in] or [out, in]; "
            f"got {list(weight.shape)} and {list(feedback.shape)}."
        )


def _norm(vectors: Tensor) -> Tensor:
    return torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)


def _degrees(w: Tensor, b: Tensor) -> Tensor:
    """Angle between vectors along the last dimension, by Kahan's formula: see `alignment_angle`."""
    u, v = w / _norm(w), b / _norm(b)
    apart = torch.linalg.vector_norm(u - v, dim=-1)
    together = torch.linalg.vector_norm(u + v, dim=-1)
    return torch.rad2deg(2 * torch.atan2(apart, together))


def centered_norm(weight: Tensor) -> Tensor:
    """Frobenius norm of weights [N, out, in] less their mean over classes: float64 [N]."""
    return torch.linalg.vector_norm(_flat(weight, centered=True), dim=1)


def _center(weight: Tensor) -> Tensor:
    return weight - weight.mean(dim=-2, keepdim=True)


def _stack(weight: Tensor) -> Tensor:
    return weight.double() if weight.dim() == 3 else weight.double().unsqueeze(0)


def _flat(weight: Tensor, centered: bool) -> Tensor:
    stack = _stack(weight)
    return (_center(stack) if centered else stack).flatten(1)


def gradient_alignment(net: MLP, x: Tensor, y: Tensor) -> Tensor:
    """Angle between the rule's update and the BP gradient of each layer's weights (claim C7).

    Arguments:
        net: N networks of L layers; unchanged, with their `.grad`.
        x, y: as in `MLP.backward`.

    Returns:
        Degrees, float64 [L, N]. The last layer's is zero: both get the same update.
    """
    by_rule = update_directions(net, net.rule, x, y)
    by_bp = update_directions(net, "bp", x, y)
    return torch.stack([angle_between(w, v) for w, v in zip(by_rule, by_bp, strict=True)])


def update_directions(net: MLP, rule: str | Rule, x: Tensor, y: Tensor) -> list[Tensor]:
    """What a rule makes of a batch: the direction for each layer's weights [N, out, in].

    Arguments:
        net: unchanged, its `.grad`s too.
        rule: may be another than the networks' own.
        x, y: as in `MLP.backward`.
    """
    other = net.with_rule(rule)
    other.backward(x, y)
    return [torch.as_tensor(weight.grad) for weight in other.weights]


def effective_dimensionality(weight: Tensor, *, centered: bool = False) -> Tensor:
    """Participation ratio of the squared singular values s: (sum s^2)^2 / sum s^4 (paper, Fig. 4).

    It is 1 for rank one and min(out, in) when all singular values are equal. Computed from the
    Gram matrix G of the shorter side as `(tr G)^2 / |G|^2`, without a decomposition.

    Arguments:
        weight: [N, out, in], or [out, in] for a single matrix; also activity [N, B, units].
        centered: take the mean over the `out` axis out first (for a readout: over classes; for
            activity: over the batch, which makes it the participation ratio of the covariance).

    Returns:
        float64 [N]; NaN for a matrix of zeros.
    """
    if weight.dim() not in (2, 3):
        raise ValueError(f"Weights must be [N, out, in] or [out, in], got {list(weight.shape)}.")
    w = _center(_stack(weight)) if centered else _stack(weight)
    gram = torch.bmm(w, w.mT) if w.shape[1] <= w.shape[2] else torch.bmm(w.mT, w)
    trace = gram.diagonal(dim1=1, dim2=2).sum(dim=1)
    return trace**2 / gram.square().sum(dim=(1, 2))


def readout_deviation(logits: Tensor) -> Tensor:
    """Root mean square distance of readout probabilities from chance, 1/C (claim C9).

    Arguments:
        logits: [N, B, C].

    Returns:
        float64 [N]; 0 at chance, sqrt(C - 1) / C when every input gets one class for certain.
    """
    p = torch.softmax(logits.double(), dim=2)
    return (p - 1 / logits.shape[2]).square().mean(dim=(1, 2)).sqrt()


def kl_from_uniform(logits: Tensor) -> Tensor:
    """Mean KL(uniform || p) of the readout probabilities p, in nats (claims C1 and C9).

    That is the expected cross-entropy under random labels minus its chance level, ln C.

    Arguments:
        logits: [N, B, C].

    Returns:
        float64 [N], at least 0.
    """
    log_p = torch.log_softmax(logits.double(), dim=2)
    return (-log_p.mean(dim=2) - math.log(logits.shape[2])).mean(dim=1)


def evaluate(
    net: MLP, split: Examples, *, subset: Tensor | None = None, batch_size: int = 2000
) -> tuple[Tensor, Tensor]:
    """Mean cross-entropy in nats [N] and accuracy in 0 to 1 [N] of each network on a data set.

    Arguments:
        split: the data, in any form that `Split.of` takes.
        subset: each network's own examples, indices into `split`, int64 [N, n]; None takes all.
        batch_size: inputs at a time, for each network.

    Raises:
        ValueError: labels outside the network's classes, inputs of another width.
    """
    _checks.positive_int(batch_size, "batch_size")
    split = Split.of(split)
    if int(split.y.max()) >= net.classes:
        raise ValueError(
            f"Labels go up to {int(split.y.max())}, but the networks have {net.classes} classes."
        )
    loss = torch.zeros(len(net), dtype=torch.float64, device=net.device)
    correct = torch.zeros_like(loss)
    count = len(split) if subset is None else subset.shape[1]
    for first in range(0, count, batch_size):
        part = slice(first, first + batch_size)
        rows = part if subset is None else subset[:, part]
        logits, labels = net(split.x[rows]), split.y[rows].to(net.device)
        labels = labels.expand(len(net), -1)
        loss += cross_entropy(logits, labels).double() * labels.shape[1]
        correct += (logits.argmax(dim=2) == labels).sum(dim=1)
    return loss / count, correct / count


def generalization_gap(net: MLP, train: Examples, test: Examples) -> Tensor:
    """Test minus training cross-entropy of each network, in nats, float64 [N] (claim C12)."""
    return evaluate(net, test)[0] - evaluate(net, train)[0]


def area_under_curve(steps: ArrayLike, values: ArrayLike) -> NDArray[np.float64]:
    """Mean height of a curve over its steps, by the trapezoid rule (claim C5: of test accuracy).

    Arguments:
        steps: [T], strictly increasing.
        values: [T] or [T, N].

    Returns:
        In the unit of `values`, [N] ([] for a single curve).
    """
    s, v = _curve(steps, values)
    widths = np.diff(s).reshape(-1, *[1] * (v.ndim - 1))
    return ((v[1:] + v[:-1]) / 2 * widths).sum(axis=0) / (s[-1] - s[0])


def steps_to_accuracy(
    steps: ArrayLike, accuracy: ArrayLike, threshold: float
) -> NDArray[np.float64]:
    """Step at which accuracy first reaches a threshold (claim C5), linear between records.

    Arguments:
        steps: [T], strictly increasing.
        accuracy: [T] or [T, N], in the unit of `threshold`.

    Returns:
        [N] ([] for a single curve); NaN where the threshold is not reached.
    """
    s, a = _curve(steps, accuracy)
    reached = a >= threshold
    first = np.argmax(reached, axis=0)
    before = np.maximum(first - 1, 0)
    low = np.take_along_axis(a, before[None], axis=0)[0]
    high = np.take_along_axis(a, first[None], axis=0)[0]
    rise = np.where(first > 0, high - low, 1.0)
    share = np.where(first > 0, (threshold - low) / rise, 0.0)
    return np.where(reached.any(axis=0), s[before] + share * (s[first] - s[before]), np.nan)


def _curve(steps: ArrayLike, values: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    s, v = np.asarray(steps, dtype=float), np.asarray(values, dtype=float)
    if s.ndim != 1 or len(s) < 2 or v.shape[:1] != s.shape or not (np.diff(s) > 0).all():
        raise ValueError(
            "A curve needs two or more strictly increasing steps and a value for each; got "
            f"{s.size} steps and values {list(v.shape)}."
        )
    return s, v
