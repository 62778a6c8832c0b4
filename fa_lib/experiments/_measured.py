"""What is measured on a setting's networks: functions of some of them that give several metrics.

N networks, B inputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from fa_lib import _streams
from fa_lib.data import Split
from fa_lib.history import Measure
from fa_lib.metrics import (
    effective_dimensionality,
    evaluate,
    neuron_angles,
    readout_deviation,
    weight_distance,
)
from fa_lib.networks import MLP
from fa_lib.noise import Noise, NoiseStream
from fa_lib.ranks import entropy_rank, gram_effective_rank

FRESH_INPUTS = 1000  # noise inputs, never trained on, on which the readout is measured


def of_alignment(net: MLP) -> dict[str, Tensor]:
    """How the last layer's forward and feedback weights stand to each other.

    Metrics: neuron_angle (degrees, mean over hidden neurons that have weights), distance and
    cosine_distance, weight_norm (Frobenius).
    """
    weight, feedback = net.weights[-1], net.feedback[-1]
    return {
        "neuron_angle": neuron_angles(weight, feedback).nanmean(dim=1),
        "distance": weight_distance(weight, feedback),
        "cosine_distance": weight_distance(weight, feedback, "cosine"),
        "weight_norm": torch.linalg.vector_norm(weight.double().flatten(1), dim=1),
    }


def of_readout(net: MLP) -> Measure:
    """Measures readout_deviation, on noise that is never trained on, the same for all networks."""
    key = _streams.stream_key(0, "fresh inputs")
    shape = (FRESH_INPUTS, net.sizes[0])
    inputs = NoiseStream(Noise(), [key], shape, net.classes, net.device)(0)[0][0].clone()
    return lambda part: {"readout_deviation": readout_deviation(part(inputs))}


def of_weights(net: MLP) -> dict[str, Tensor]:
    """Of each layer's singular values, l counting from 1.

    Metrics: rank_w<l> (the effective rank), participation_w<l> (the participation ratio of their
    squares), top_share_w<l> (of the C - 1 largest in their sum).
    """
    values = {}
    for layer, weight in enumerate(net.weights, 1):
        # Of weights that are not finite there is no decomposition; the loss says so in a moment.
        finite = weight.double().nan_to_num(0.0, 0.0, 0.0)
        sigma = torch.linalg.svdvals(finite)
        values[f"rank_w{layer}"] = entropy_rank(sigma)
        values[f"participation_w{layer}"] = effective_dimensionality(finite)
        values[f"top_share_w{layer}"] = sigma[:, : net.classes - 1].sum(1) / sigma.sum(1)
    return values


def of_training(data: Split, rows: Tensor, seeds: Sequence[int]) -> Measure:
    """Measures train_loss and train_accuracy on each network's own images.

    Arguments:
        data, rows: the images of these seeds' networks, as in `own_images`.
    """
    place = {seed: i for i, seed in enumerate(seeds)}

    def measure(net: MLP) -> dict[str, Tensor]:
        own = rows[[place[seed] for seed in net.seeds]]
        loss, accuracy = evaluate(net, data, subset=own)
        return {"train_loss": loss, "train_accuracy": accuracy}

    return measure


def of_features(inputs: Tensor) -> Measure:
    """Effective ranks of Gram matrices of cosines, over these inputs [B, features].

    Metrics: gram_rank, between the last hidden layer's neurons; gram_rank_first, between the first
    layer's; gram_rank_images, between the inputs, by the last hidden layer.
    """

    def measure(net: MLP) -> dict[str, Tensor]:
        *hidden, _ = net.activations(inputs)
        first, last = hidden[0], hidden[-1]
        return {
            "gram_rank": gram_effective_rank(last),
            "gram_rank_first": gram_effective_rank(first),
            "gram_rank_images": gram_effective_rank(last.mT),
        }

    return measure


def of_accuracy(tests: Mapping[str, Split]) -> Measure:
    """Measures <name>_accuracy on each of these images, of which no loss is wanted."""

    def measure(net: MLP) -> dict[str, Tensor]:
        return {f"{name}_accuracy": evaluate(net, split)[1] for name, split in tests.items()}

    return measure
