"""Data sets that stored results rest on and that no one offers for download: how each is made.

A recipe makes its data set from official files. A file NAME.npz that lies in the data folder is
taken instead, if it is what the recipe makes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fa_lib._official import is_at_hand, read_official

__all__ = ["RECIPES", "Recipe"]

Arrays = dict[str, np.ndarray]  # x_train, y_train, x_test, y_test, as `load_npz` reads them


@dataclass(frozen=True)
class Recipe:
    """One data set.

    Attributes:
        title: what figures call it.
        source: what it is and how it was made, in a line.
        official: the name of the official data set that it is made from.
        fingerprint: of the data set that it gives (see `Dataset.fingerprint`).
        make: from the folder of data sets, downloading what is not there.
    """

    title: str
    source: str
    official: str
    fingerprint: str
    make: Callable[[Path], Arrays]

    def at_hand(self, root: Path) -> bool:
        """Whether what it is made from is in `root`."""
        return is_at_hand(self.official, root)


def in_order(images: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Which image comes where, whatever order they come in: indices [n].

    Arguments:
        images: uint8 [n, ...].
        order: for each place, the rank of its image among all by SHA-256, [n].
    """
    digests = [hashlib.sha256(image.tobytes()).digest() for image in images]
    return np.array(sorted(range(len(digests)), key=digests.__getitem__))[order]


def _kmnist10k(root: Path) -> Arrays:
    _, (images, labels) = read_official("kmnist", root)
    order = np.load(Path(__file__).with_name("kmnist10k.npy"))
    x, y = images.numpy(), labels.numpy()
    if len(x) != len(order):
        raise ValueError(f"there are {len(x):,} test images of KMNIST, not {len(order):,}")
    rows = in_order(x, order)
    train, test = rows[:8000], rows[8000:]
    return {"x_train": x[train], "y_train": y[train], "x_test": x[test], "y_test": y[test]}


RECIPES = {
    "kmnist10k": Recipe(
        title="Kuzushiji-MNIST (10,000 test images)",
        source="Kuzushiji-MNIST's 10,000 official test images, split by class into 8,000 for "
        "training and 2,000 for testing",
        official="kmnist",
        fingerprint="84259aaf81d9566e",
        make=_kmnist10k,
    ),
}
