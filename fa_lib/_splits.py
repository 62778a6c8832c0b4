"""Splits and data sets: checked tensors, and stratified subsets of them."""

from __future__ import annotations

import functools
import hashlib
import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from fa_lib._checks import non_negative_int, positive_int
from fa_lib._streams import generator

__all__ = ["Dataset", "Split", "as_numbers", "stratified_indices", "validation_split"]


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """Inputs and their labels.

    Args:
        x: inputs `[n, ...]`, a tensor or array of finite numbers. Kept as float32 `[n, features]`;
            uint8 is read as grey levels and divided by 255, other kinds are taken as they are.
        y: class labels `[n]`, integers from 0. Kept as int64 on the device of `x`.

    Raises:
        TypeError: `x` or `y` does not hold numbers, or `y` not integers.
        ValueError: no data, wrong dimensions or lengths, NaN or infinite inputs, negative labels.
    """

    x: torch.Tensor
    y: torch.Tensor

    def __post_init__(self) -> None:
        x, y = as_numbers(self.x, "x"), as_numbers(self.y, "y")
        if y.is_floating_point() or y.dtype == torch.bool:
            raise TypeError(f"y must hold integer class labels, got {y.dtype}.")
        if x.ndim < 2 or y.ndim != 1:
            shapes = f"{tuple(x.shape)} and {tuple(y.shape)}"
            raise ValueError(f"x must be [n, features] and y [n], got shapes {shapes}.")
        if len(x) != len(y):
            raise ValueError(f"x and y differ in length: {len(x):,} inputs, {len(y):,} labels.")
        if x.numel() == 0:
            raise ValueError(f"x is empty, of shape {tuple(x.shape)}.")
        grey_levels = x.dtype == torch.uint8
        x = x.flatten(1).to(torch.float32)
        if grey_levels:
            x /= 255
        if not (finite := torch.isfinite(x)).all():
            wrong = int(finite.logical_not().sum())
            raise ValueError(f"x holds {wrong:,} NaN or infinite values: all must be finite.")
        y = y.to(x.device, torch.int64)
        if y.min() < 0:
            raise ValueError(f"y holds the label {int(y.min())}: labels count from 0.")
        object.__setattr__(self, "x", x)
        object.__setattr__(self, "y", y)

    def __len__(self) -> int:
        return len(self.y)

    def __repr__(self) -> str:
        return f"Split({len(self):,} inputs of {self.x.shape[1]:,} features)"

    def subset(self, indices: torch.Tensor) -> Split:
        """The examples at `indices`, int64 `[m]`, in that order."""
        indices = indices.to(self.y.device)
        return Split(self.x[indices], self.y[indices])

    def to(self, device: torch.device | str) -> Split:
        """The same examples on `device`; these very ones where they are there already."""
        x = self.x.to(device)
        return self if x is self.x else Split(x, self.y)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A training and a test split of one task.

    Args:
        name: what it is called.
        train: the training split.
        test: the test split.
        classes: number of classes C; labels are 0 to C - 1.
        image_shape: `(height, width)`, `(channels, height, width)`, or `(features,)`: the shape
            that one row of `x` was flattened from.
        source: one line, what the data are and what was done to them.

    Raises:
        ValueError: the splits do not fit `image_shape` or `classes`.
    """

    name: str
    train: Split
    test: Split
    classes: int
    image_shape: tuple[int, ...]
    source: str

    def __post_init__(self) -> None:
        for part, split in (("training", self.train), ("test", self.test)):
            if split.x.shape[1] != math.prod(self.image_shape):
                raise ValueError(
                    f"{self.name}: the {part} inputs have {split.x.shape[1]:,} features, but"
                    f" image_shape {self.image_shape} has {math.prod(self.image_shape):,}."
                )
            if split.y.max() >= self.classes:
                raise ValueError(
                    f"{self.name}: the {part} labels hold {int(split.y.max())}, but the"
                    f" {self.classes} classes are 0 to {self.classes - 1}."
                )

    @functools.cached_property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that change with any value, shape or the class count."""
        digest = hashlib.sha256(f"{self.classes} {self.image_shape}".encode())
        for values in (self.train.x, self.train.y, self.test.x, self.test.y):
            digest.update(str(tuple(values.shape)).encode())
            digest.update(values.contiguous().cpu().numpy().data)
        return digest.hexdigest()[:16]


def stratified_indices(y: torch.Tensor, n: int, seed: int, *, what: str = "n") -> torch.Tensor:
    """Draw `n` of the labels `y`, each class by its share (largest remainder), in mixed order.

    Args:
        y: labels, integers `[examples]`.
        n: how many to draw, from the number of classes in `y` to `len(y)`.
        seed: decides which are drawn, and their order.
        what: what to call `n` in an error.

    Returns:
        Indices into `y`, int64 `[n]`, on the CPU.
    """
    y = y.cpu()
    labels, counts = y.unique(return_counts=True)
    n = positive_int(n, what)
    if not len(labels) <= n <= len(y):
        raise ValueError(
            f"{what} must be from {len(labels)}, the number of classes, to {len(y):,},"
            f" the number of examples, got {n:,}."
        )
    shares, remainders = counts * n // len(y), counts * n % len(y)
    shares[remainders.argsort(descending=True, stable=True)[: n - int(shares.sum())]] += 1
    random = generator(non_negative_int(seed, "seed"), "subset")
    drawn = torch.cat(
        [
            (y == label).nonzero().flatten()[torch.randperm(count, generator=random)[:share]]
            for label, count, share in zip(
                labels.tolist(), counts.tolist(), shares.tolist(), strict=True
            )
        ]
    )
    return drawn[torch.randperm(n, generator=random)]


def validation_split(data: Dataset, n: int = 10_000) -> Dataset:
    """`data` with its last `n` training examples as the test split, for choices made beforehand.

    Raises:
        ValueError: `n` leaves no training example.
    """
    kept = len(data.train) - positive_int(n, "n")
    if kept < 1:
        raise ValueError(f"n must be below {len(data.train):,}, the training examples, got {n:,}.")
    return replace(
        data,
        name=f"{data.name}-validation",
        train=data.train.subset(torch.arange(kept)),
        test=data.train.subset(torch.arange(kept, kept + n)),
        source=f"{data.source}; the last {n:,} training examples as the test split",
    )


def as_numbers(values: object, what: str) -> torch.Tensor:
    """A tensor of real numbers; arrays are copied, as their memory may be read-only."""
    if isinstance(values, torch.Tensor):
        if values.is_complex():
            raise TypeError(f"{what} must hold real numbers, got {values.dtype}.")
        return values.detach()
    array = np.asarray(values)
    kept: dict[str, type] = {"b": np.bool_, "f": np.float32, "i": np.int64, "u": np.int64}
    if array.dtype.kind not in kept:
        raise TypeError(f"{what} must be a tensor or an array of numbers, got {array.dtype}.")
    kind = np.uint8 if array.dtype == np.uint8 else kept[array.dtype.kind]
    with np.errstate(over="ignore"):  # becomes infinite, and is counted as such
        return torch.from_numpy(array.astype(kind))
