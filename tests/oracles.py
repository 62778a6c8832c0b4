"""What each learning rule does to a hidden layer, written from its paper in plain NumPy float64."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def carrier(rule: str, weight: Array, feedback: Array) -> Array:
    """The matrix [out, in] through which the error of the layer above goes back."""
    if rule == "bp":
        return weight
    if rule in ("fa", "kp", "wm"):
        return feedback
    signs = np.where(weight > 0, 1.0, np.where(weight < 0, -1.0, 0.0))
    if rule == "usf":
        return signs * math.sqrt(2 / weight.shape[1])
    return signs * np.abs(feedback)  # brsf and frsf, given their magnitudes


def softmax(z: Array) -> Array:
    shifted = np.exp(z - z.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def gradients(
    rule: str,
    weights: Sequence[Array],
    biases: Sequence[Array],
    feedback: Sequence[Array],
    x: Array,
    targets: Array,
) -> tuple[float, list[Array], list[Array]]:
    """Mean cross-entropy of a ReLU network, and the rule's directions for weights and biases.

    Arguments:
        weights, biases: of each layer, [out, in] and [out]; biases may be empty.
        feedback: of each layer, [out, in], or [C, in] for dfa and drtp; the first is not looked at.
        x, targets: [B, in], and probabilities [B, C].
    """
    layers = [x]
    for i, weight in enumerate(weights):
        z = layers[-1] @ weight.T + (biases[i] if len(biases) else 0.0)
        layers.append(np.maximum(z, 0.0) if i < len(weights) - 1 else z)
    p, n = softmax(layers[-1]), len(x)
    loss = -float((targets * np.log(p)).sum()) / n
    output = (p - targets) / n
    deltas = [output]
    for upper in range(len(weights) - 1, 0, -1):
        if rule == "dfa":
            back = output @ feedback[upper]
        elif rule == "drtp":
            back = (-targets / n) @ feedback[upper]
        else:
            back = deltas[0] @ carrier(rule, weights[upper], feedback[upper])
        deltas.insert(0, back * (layers[upper] > 0))
    of_weights = [delta.T @ below for delta, below in zip(deltas, layers[:-1], strict=True)]
    return loss, of_weights, [delta.sum(axis=0) for delta in deltas] if len(biases) else []
