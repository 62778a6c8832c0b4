"""Figure 5's test images: shifted, scaled and rotated, each in a direction of its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from fa_lib import _streams
from fa_lib.data import Dataset, Split
from fa_lib.transforms import rotate, scale, translate

# What each transformation leaves as it is.
IDENTITY = {"shift": 0.0, "scale": 1.0, "rotation": 0.0}
UNITS = {"shift": "pixels", "scale": "", "rotation": "degrees"}

_SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1))  # right, left, down, up


def moved(data: Dataset, kind: str, amount: float) -> Split:
    """The test images, transformed; the same for every network and every amount's direction.

    Arguments:
        kind: "shift", by `amount` pixels to one of four sides, drawn for each image; "rotation", by
            `amount` degrees one way or the other, drawn for each image; "scale", by a factor.
        amount: any number that `fa_lib.translate`, `rotate` or `scale` takes.
    """
    x, shape = data.test.x, data.image_shape
    if kind == "scale":
        return Split(scale(x, amount, image_shape=shape), data.test.y)
    result = torch.empty_like(x)
    for index, (right, down) in enumerate(_SIDES):
        drawn = _directions(len(x)) == index
        if kind == "shift":
            part = translate(x[drawn], amount * right, amount * down, image_shape=shape)
        else:
            part = rotate(x[drawn], amount * (right + down), image_shape=shape)
        result[drawn] = part
    return Split(result, data.test.y)


def evaluation_sets(
    data: Dataset, others: Sequence[Dataset], amounts: dict[str, Sequence[float]]
) -> dict[tuple[str, float], Split]:
    """What the networks are tested on, by (test set, amount).

    The test images as they are have the name "clean" and stand for no amount of any
    transformation; the other data sets have their own names. Both have the amount 0.
    """
    found = {("clean", 0.0): data.test}
    found |= {(other.name, 0.0): other.test for other in others}
    for kind, values in amounts.items():
        for amount in values:
            if amount != IDENTITY[kind]:
                found[kind, amount] = moved(data, kind, amount)
    return found


def _directions(n: int) -> torch.Tensor:
    """One of four for each image, int64 [n]."""
    return torch.randint(4, (n,), generator=_streams.generator(0, "direction of a test image"))
