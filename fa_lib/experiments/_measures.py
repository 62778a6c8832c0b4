"""What Figures 2 to 6 measure on the networks as they train.

Each maker closes over the inputs to measure on and gives a `Measure`, a function of some of the
networks that returns several metrics at once, [N] each. N networks, B batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from fa_lib import _streams
from fa_lib.data import Split
from fa_lib.history import Measure
from fa_lib.metrics import (
    angle_between,
    effective_dimensionality,
    evaluate,
    kl_from_uniform,
    update_directions,
)
from fa_lib.networks import MLP
from fa_lib.noise import Noise, NoiseStream
from fa_lib.ranks import entropy_rank, smallest_rank, squared_singular_values, stable_rank

INPUTS = 2000  # on which readout and activity are measured
GRADIENT_BATCH = 1024
ADAM_EPSILON = 1e-8


def readout_and_dimensionality(images: Split, classes: int) -> dict[str, Measure]:
    """Of noise training: distance of the readout from chance, dimensionality of weights, activity.

    The noise they are measured on is never trained on, and the same for every network.
    """
    pictures = images.x[:INPUTS]
    key = _streams.stream_key(0, "fresh inputs")
    shape = (INPUTS, pictures.shape[1])
    noise = NoiseStream(Noise(), [key], shape, classes, pictures.device)(0)[0][0].clone()

    def on_inputs(net: MLP) -> dict[str, Tensor]:
        values = {}
        for name, x, suffix in (("noise", noise, "_noise"), ("images", pictures, "")):
            *_, hidden, logits = net.activations(x)
            apart = (torch.softmax(logits.double(), dim=2) - 1 / logits.shape[2]).abs()
            values[f"kl_{name}"] = kl_from_uniform(logits)
            values[f"deviation_{name}"] = apart.amax(dim=2).mean(dim=1)
            values[f"dimensionality_hidden{suffix}"] = _activity(hidden)
        return values

    def of_weights(net: MLP) -> dict[str, Tensor]:
        squared = squared_singular_values(net.weights[0])
        return {
            "dimensionality_w1": effective_dimensionality(net.weights[0]),
            "dimensionality_w2": effective_dimensionality(net.weights[-1], centered=True),
            "entropy_rank_w1": entropy_rank(squared.sqrt()),
            "stable_rank_w1": stable_rank(squared),
        }

    return {"on inputs": on_inputs, "of weights": of_weights}


def structure(images: Split) -> Measure:
    """Dimensionality of weights and activity, and the rank that suffices (claim C11)."""
    x, y = images.x[:INPUTS], images.y[:INPUTS]

    def measure(net: MLP) -> dict[str, Tensor]:
        return {
            "dimensionality_w1": effective_dimensionality(net.weights[0]),
            "dimensionality_w2": effective_dimensionality(net.weights[-1], centered=True),
            "dimensionality_hidden": _activity(net.activations(x)[-2]),
            "rank_w1": smallest_rank(net, x, y),
        }

    return measure


def gradient_angles(images: Split) -> Measure:
    """Angle between the FA and the BP gradient of W1 (claim C7), and between their Adam steps.

    Both of the full gradient of a fixed batch. For BP arms the "FA gradient" is what FA would do
    with their weights and feedback. Adam's step is the first of a fresh optimiser, the gradient
    divided by its own magnitude, entry by entry.
    """
    x, y = images.x[:GRADIENT_BATCH], images.y[:GRADIENT_BATCH]

    def measure(net: MLP) -> dict[str, Tensor]:
        by_fa, by_bp = (update_directions(net, rule, x, y)[0] for rule in ("fa", "bp"))
        steps = [g / (g.abs() + ADAM_EPSILON) for g in (by_fa, by_bp)]
        return {
            "gradient_angle_w1": angle_between(by_fa, by_bp),
            "gradient_angle_adam_w1": angle_between(*steps),
        }

    return measure


def gradient_angles_of_layers(images: Split) -> Measure:
    """Angle between the FA and the BP gradient of every layer's weights but the readout's.

    On the batch of `gradient_angles`. The readout gets the same update from both rules.
    """
    x, y = images.x[:GRADIENT_BATCH], images.y[:GRADIENT_BATCH]

    def measure(net: MLP) -> dict[str, Tensor]:
        by_fa, by_bp = (update_directions(net, rule, x, y)[:-1] for rule in ("fa", "bp"))
        pairs = enumerate(zip(by_fa, by_bp, strict=True), start=1)
        return {f"gradient_angle_w{layer}": angle_between(*pair) for layer, pair in pairs}

    return measure


def own_training_data(train: Split, rows: Tensor, seeds: Sequence[int]) -> Measure:
    """Loss and accuracy on the first INPUTS of each network's own training images."""
    own = {seed: part[:INPUTS] for seed, part in zip(seeds, rows, strict=True)}

    def measure(net: MLP) -> dict[str, Tensor]:
        subset = torch.stack([own[seed] for seed in net.seeds])
        loss, accuracy = evaluate(net, train, subset=subset, batch_size=500)  # [N, 500, features]
        return {"train_loss": loss, "train_accuracy": accuracy}

    return measure


def path_of_readout() -> Measure:
    """The way of the centred readout c(W2) since the first call (claim C8).

    The metrics: displacement_cosine, of the displacement with c(B), NaN before there is one;
    path_length, summed over the calls; net_displacement. The last two in units of the weights.
    """
    memory: dict[tuple[int, ...], tuple[Tensor, Tensor, Tensor]] = {}

    def measure(net: MLP) -> Mapping[str, Tensor]:
        now, target = centered_readout(net.weights[-1]), centered_readout(net.feedback[-1])
        first, last, length = memory.get(net.seeds, (now, now, torch.zeros_like(now[:, 0])))
        length = length + torch.linalg.vector_norm(now - last, dim=1)
        memory[net.seeds] = first, now, length
        away = now - first
        distance = torch.linalg.vector_norm(away, dim=1)
        cosine = (away * target).sum(dim=1) / distance / torch.linalg.vector_norm(target, dim=1)
        return {
            "displacement_cosine": cosine,
            "path_length": length,
            "net_displacement": distance,
        }

    return measure


def path_of_weights() -> Measure:
    """The length of the networks' way since the first call (claim C16), summed over the calls.

    The metrics: path_length, of all weights and biases together; path_length_w2, of the centred
    readout. Both in units of the weights.
    """
    memory: dict[tuple[int, ...], tuple[list[Tensor], Tensor, Tensor, Tensor]] = {}

    def measure(net: MLP) -> Mapping[str, Tensor]:
        readout = centered_readout(net.weights[-1])
        now = [parameter.flatten(1).clone() for parameter in net.parameters()]
        nothing = torch.zeros_like(readout[:, 0])
        before, last, length, length_w2 = memory.get(net.seeds, (now, readout, nothing, nothing))
        moves = [
            torch.linalg.vector_norm(a - b, dim=1, dtype=torch.float64)
            for a, b in zip(now, before, strict=True)
        ]
        length = length + torch.linalg.vector_norm(torch.stack(moves), dim=0)
        length_w2 = length_w2 + torch.linalg.vector_norm(readout - last, dim=1)
        memory[net.seeds] = now, readout, length, length_w2
        return {"path_length": length, "path_length_w2": length_w2}

    return measure


def centered_readout(weight: Tensor) -> Tensor:
    """Weights [N, out, in] less their mean over classes, flattened: float64 [N, out * in]."""
    w = weight.detach().double()
    return (w - w.mean(dim=1, keepdim=True)).flatten(1)


def _activity(hidden: Tensor) -> Tensor:
    """Participation ratio of the covariance of hidden activity [N, B, units]."""
    return effective_dimensionality(hidden, centered=True)
