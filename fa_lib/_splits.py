"""Splits and data sets: checked tensors, and stratified subsets of them."""

from __future__ import annotations

import functools
import hashlib
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch.utils.data import IterableDataset, TensorDataset

from fa_lib._checks import non_negative_int, positive_int
from fa_lib._streams import generator

__all__ = ["Dataset", "Examples", "Split", "as_numbers", "stratified_indices", "validation_split"]


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """Inputs and their labels. `Split.of` makes one of a torch data set.

    Args:
        x: inputs `[n, ...]`, a tensor or array of finite numbers, images with their channels first.
            Kept as float32 `[n, features]`; uint8 is read as grey levels and divided by 255, which
            gives 0 to 1, other kinds are taken as they are.
        y: class labels `[n]`, whole numbers from 0, of an integer or floating type. Kept as int64
            on the device of `x`.

    Raises:
        TypeError: `x` or `y` does not hold numbers.
        ValueError: no data, wrong dimensions or lengths, NaN or infinite inputs, labels that are
            negative or not whole.
    """

    x: torch.Tensor
    y: torch.Tensor

    def __post_init__(self) -> None:
        x, y = as_numbers(self.x, "x"), as_numbers(self.y, "y")
        if y.dtype == torch.bool:
            raise TypeError("y must hold class labels 0, 1, 2, ..., got torch.bool.")
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
        if y.is_floating_point() and len(odd := y[~y.isfinite() | (y != y.round())]):
            raise ValueError(
                f"y holds the label {odd[0]:g}: number the classes 0, 1, 2, ..., for example by "
                "numpy.unique(y, return_inverse=True)[1]."
            )
        y = y.to(x.device, torch.int64)
        if y.min() < 0:
            raise ValueError(f"y holds the label {int(y.min())}: labels count from 0.")
        object.__setattr__(self, "x", x)
        object.__setattr__(self, "y", y)

    @classmethod
    def of(cls, data: Examples) -> Split:
        """The examples that `data` holds; a Split is returned as it is.

        Args:
            data: a pair (x, y) of what `Split` takes, a TensorDataset of two such tensors, or any
                torch data set with a length that gives pairs (image, label), as torchvision's and
                Subset do. The last is read item by item through its own transforms, each drawn
                once; pictures without a transform become what torchvision's ToTensor makes of them:
                channels first, 0 to 1. That takes about ten seconds for 60,000 images, and `fit`
                does it at every call: for several calls make one Split.

        Raises:
            TypeError: something else, or a data set that gives no pairs; what `Split` raises.
            ValueError: images of several sizes; what `Split` raises.
        """
        if isinstance(data, Split):
            return data
        pair = data.tensors if isinstance(data, TensorDataset) else data
        if isinstance(pair, torch.utils.data.Dataset) and not isinstance(pair, IterableDataset):
            pair = _read(pair)
        if isinstance(pair, (tuple, list)) and len(pair) == 2:
            return cls(*pair)
        raise TypeError(
            "Data must be a Split such as data.train, a pair (x, y), or a torch data set of such "
            f"pairs that has a length, got {type(data).__name__}."
        )

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


# What `Split.of` takes.
Examples = Split | tuple[Any, Any] | torch.utils.data.Dataset[Any]


def _read(data: torch.utils.data.Dataset[Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """Images and labels of a torch data set, item by item."""
    from PIL.Image import Image
    from torchvision.transforms.functional import pil_to_tensor

    images, labels = [], []
    for i in range(len(data)):  # type: ignore[arg-type]
        item = data[i]
        if not isinstance(item, (tuple, list)) or len(item) != 2:
            size = f" of {len(item)}" if isinstance(item, (tuple, list)) else ""
            raise TypeError(
                f"A data set must give pairs (image, label), but {type(data).__name__} gives "
                f"{type(item).__name__}{size}."
            )
        image, label = item
        images.append(pil_to_tensor(image) if isinstance(image, Image) else as_numbers(image, "x"))
        labels.append(as_numbers(label, "y"))
        if images[-1].shape != images[0].shape:
            raise ValueError(
                f"Images must have one size, but image 0 has shape {tuple(images[0].shape)} and "
                f"image {i} {tuple(images[-1].shape)}: give the data set a transform that resizes."
            )
    if not images:
        raise ValueError(f"{type(data).__name__} is empty.")
    return torch.stack(images), torch.stack(labels)


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
