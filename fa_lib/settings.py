"""What the paper's main text leaves open: the ten factors, three bases, and sixty drawn settings.

A setting says how a network starts and how it is trained, on noise and on data. The bases are this
project's choice of plausible ones. The sixty are drawn so that no two factors go together: then the
effect of each can be read off (`fa_lib.protocol` says what is judged in them).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fa_lib._checks import choice, positive_float, positive_int

__all__ = ["BASES", "FACTORS", "MULTIVERSE", "Setting", "drawn_settings", "greatest_association"]

CONVERGED = 0.01  # nats of training loss, below which training has converged
INPUTS = ("unit", "standardised")
WEIGHTS = ("he", "torch")


@dataclass(frozen=True)
class Setting:
    """How networks start and are trained.

    Attributes:
        name: tells it from other settings.
        optimizer: "adam" or "sgd" (without momentum), of noise and of data alike.
        data_lr, noise_lr: learning rates.
        noise_steps: of noise training.
        batch_size: of both.
        width: of every hidden layer.
        images: training images, each network's own.
        inputs: "unit", pixels in [0, 1], or "standardised", less their mean and over their standard
            deviation, both over all training images. Noise is N(0, 1) in either case.
        weights: first forward weights: "he", normal with variance 2 / fan_in and biases of zero, or
            "torch", uniform within 1 / sqrt(fan_in), the biases too (torch's default).
        feedback: feedback weights, likewise.
        horizon: epochs over which learning is looked at, H.
    """

    name: str
    optimizer: str
    data_lr: float
    noise_lr: float
    noise_steps: int = 3750
    batch_size: int = 128
    width: int = 100
    images: int = 5000
    inputs: str = "standardised"
    weights: str = "he"
    feedback: str = "he"
    horizon: int = 100

    def __post_init__(self) -> None:
        """Refuse what cannot be run."""
        choice(self.optimizer, ("adam", "sgd"), "optimizer")
        choice(self.inputs, INPUTS, "inputs")
        choice(self.weights, WEIGHTS, "weights")
        choice(self.feedback, WEIGHTS, "feedback")
        for field in ("data_lr", "noise_lr"):
            positive_float(getattr(self, field), field)
        for field in ("noise_steps", "batch_size", "width", "images", "horizon"):
            positive_int(getattr(self, field), field)


BASES = (
    Setting("B1", "adam", data_lr=1e-4, noise_lr=1e-4),
    # The paper's section 2.1 prints plain gradient descent.
    Setting("B2", "sgd", data_lr=0.1, noise_lr=0.01),
    Setting("B3", "adam", data_lr=1e-3, noise_lr=1e-4),
)

# The levels of each factor; the noise's rate is one of its optimiser's two.
FACTORS: dict[str, tuple[Any, ...]] = {
    "data": (("adam", 1e-4), ("adam", 3e-4), ("adam", 1e-3), ("sgd", 0.01), ("sgd", 0.1)),
    "noise": ("low", "high"),
    "noise_steps": (1000, 3750, 10_000),
    "batch_size": (64, 128),
    "width": (100, 256),
    "images": (1600, 5000),
    "inputs": INPUTS,
    "weights": WEIGHTS,
    "feedback": WEIGHTS,
    "horizon": (20, 100),
}
NOISE_RATES = {"adam": {"low": 1e-4, "high": 3e-4}, "sgd": {"low": 0.01, "high": 0.03}}

SETTINGS, DRAW_SEED, SWAPS = 60, 0, 60_000


def drawn_settings(
    rows: int = SETTINGS, seed: int = DRAW_SEED, swaps: int = SWAPS
) -> tuple[str, ...]:
    """Draw settings in which no two factors go together, by a swap search.

    Every level of a factor comes equally often. Two settings then exchange their level of one
    factor, at random, and keep it so where the largest and the total of the pairwise chi-square
    statistics do not grow and no two settings become the same.

    Returns:
        A string for each setting, a digit for each factor: the place of its level in FACTORS.
    """
    levels = [len(values) for values in FACTORS.values()]
    rng = np.random.default_rng(seed)
    table = np.stack([rng.permutation(np.arange(rows) % k) for k in levels], axis=1)
    pairs = list(itertools.combinations(range(len(levels)), 2))
    chi = {pair: _chi_square(table, levels, *pair) for pair in pairs}
    for _ in range(swaps):
        column = int(rng.integers(len(levels)))
        a, b = rng.integers(rows, size=2)
        if table[a, column] == table[b, column]:
            continue
        table[[a, b], column] = table[[b, a], column]
        new = {pair: _chi_square(table, levels, *pair) for pair in pairs if column in pair}
        grown = sum(new.values()) - sum(chi[pair] for pair in new)
        twice = any((table == table[row]).all(axis=1).sum() > 1 for row in (a, b))
        if grown > 0 or twice:
            table[[a, b], column] = table[[b, a], column]
        else:
            chi |= new
    return tuple("".join(map(str, row)) for row in table)


def _chi_square(table: np.ndarray, levels: Sequence[int], i: int, j: int) -> float:
    """Of the counts in which the levels of factors i and j come together."""
    counts = np.bincount(table[:, i] * levels[j] + table[:, j], minlength=levels[i] * levels[j])
    expected = np.outer(np.bincount(table[:, i]), np.bincount(table[:, j])).ravel() / len(table)
    return float(((counts - expected) ** 2 / expected).sum())


def greatest_association(draws: Sequence[str]) -> float:
    """The largest Cramer's V of two factors in these draws: 0 where none go together, at most 1."""
    table = np.array([[int(digit) for digit in draw] for draw in draws])
    levels = [len(values) for values in FACTORS.values()]
    return max(
        math.sqrt(_chi_square(table, levels, i, j) / len(table) / (min(levels[i], levels[j]) - 1))
        for i, j in itertools.combinations(range(len(levels)), 2)
    )


def _setting(number: int, draw: str) -> Setting:
    chosen: dict[str, Any] = {
        name: levels[int(digit)]
        for (name, levels), digit in zip(FACTORS.items(), draw, strict=True)
    }
    optimizer, data_lr = chosen.pop("data")
    noise_lr = NOISE_RATES[optimizer][chosen.pop("noise")]
    return Setting(f"M{number:02}", optimizer, data_lr, noise_lr, **chosen)


# What `drawn_settings()` gives, a digit for each factor: a test draws them again.
DRAWN = """
    1000010100 2120100010 3001111111 3111000001 2000101101 2001001100
    1011100001 4020111001 2021100110 2110011001 0010010111 2121011011
    4111100110 3120011011 4100000001 3000100001 2010010101 0101100001
    0121010001 3101010000 1121001100 3120100111 4121111101 0111111100
    1101110110 1021001000 1110001010 4110101000 3120101100 1100110011
    0021111011 3111001111 2001101011 1101011101 2111111000 1110100101
    0000111100 1010110010 2101110110 3020110100 4100111010 3010111010
    2110010111 0120010100 1021111011 3001010000 4011011000 2020000000
    0011100010 0010101101 4001000011 0000001010 4100001110 4021100101
    4011010111 0100001111 1020001111 3011001110 0121000010 4020010110
"""

MULTIVERSE = tuple(_setting(number, draw) for number, draw in enumerate(DRAWN.split(), 1))
