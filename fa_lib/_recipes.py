"""Data sets that stored results rest on and that no one offers for download: how each is made.

A recipe makes its data set from official files. A file NAME.npz that lies in the data folder is
taken instead, if what comes of it is the same.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Mapping
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
        arrange: what is done to the arrays of `make` and of NAME.npz alike.
    """

    title: str
    source: str
    official: str
    fingerprint: str
    make: Callable[[Path], Arrays]
    arrange: Callable[[Arrays], Arrays] = dict

    def at_hand(self, root: Path) -> bool:
        """Whether what it is made from is in `root`."""
        return is_at_hand(self.official, root)


def in_order(images: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Which image comes where, whatever order they come in: indices [n].

    Arguments:
        images: uint8 [n, ...].
        order: for each place, the rank of its image among all by SHA-256, [n].
    """
    digests = _digests(images)
    return np.array(sorted(range(len(digests)), key=digests.__getitem__))[order]


def _digests(images: np.ndarray) -> list[bytes]:
    return [hashlib.sha256(image.tobytes()).digest() for image in images]


def _kmnist10k(root: Path) -> Arrays:
    _, (images, labels) = read_official("kmnist", root)
    order = np.load(Path(__file__).with_name("kmnist10k.npy"))
    x, y = images.numpy(), labels.numpy()
    if len(x) != len(order):
        raise ValueError(f"there are {len(x):,} test images of KMNIST, not {len(order):,}")
    rows = in_order(x, order)
    train, test = rows[:8000], rows[8000:]
    return {"x_train": x[train], "y_train": y[train], "x_test": x[test], "y_test": y[test]}


# Positions in the official order of the images that cifar10_lossless leaves out.
LEFT_OUT = {
    "train": """
        4298 5949 7066 7237 7248 7630 8006 8831 8968 9415 10336 10408 12762 12834 13546 21493 25728
        26098 26927 27621 28435 28728 29694 29747 30329 31066 31367 31462 31625 31663 32777 33641
        33661 34067 34276 34387 34825 35160 35646 36733 37329 37474 37567 38384 38925 39358 39385
        39613 39840 39888 39971 40805 41779 42004 42389 42611 43357 43883 44882 45168 45240 46175
        46435 46538 46624 47393 47597 48081 48124 48333 48821 48836 49321 49429 49631 49830 49857
    """,
    "test": """
        722 1259 1369 1422 2245 2737 2935 3695 3718 4085 4496 5791 5896 6286 7580 7707 7724 7832
        8117 8551 9254
    """,
}


def _cifar(official: str, root: Path) -> Arrays:
    """Images [n, 32, 32, 3], in the official order."""
    arrays: Arrays = {}
    for part, (x, y) in zip(("train", "test"), read_official(official, root), strict=True):
        arrays |= {f"x_{part}": x.permute(0, 2, 3, 1).numpy(), f"y_{part}": y.numpy()}
    return arrays


def by_digest(arrays: Arrays, left_out: Mapping[str, str] | None = None) -> Arrays:
    """Each split by SHA-256 of the image, then by label: the order it comes in has no part in it.

    Arguments:
        arrays: as in NAME.npz; a split whose images and labels do not pair stays as it is, for the
            reader of data to refuse.
        left_out: by split, positions of images that go first, in a string.
    """
    found = dict(arrays)
    for part in ("train", "test"):
        x, y = arrays[f"x_{part}"], arrays[f"y_{part}"]
        if y.ndim == 1 and x.shape[:1] == y.shape:
            out = {int(position) for position in (left_out or {}).get(part, "").split()}
            keys = list(zip(_digests(x), y.tolist(), strict=True))
            rows = sorted(set(range(len(y))) - out, key=keys.__getitem__)
            found |= {f"x_{part}": x[rows], f"y_{part}": y[rows]}
    return found


RECIPES = {
    "kmnist10k": Recipe(
        title="Kuzushiji-MNIST (10,000 test images)",
        source="Kuzushiji-MNIST's 10,000 official test images, split by class into 8,000 for "
        "training and 2,000 for testing",
        official="kmnist",
        fingerprint="84259aaf81d9566e",
        make=_kmnist10k,
    ),
    "cifar10_lossless": Recipe(
        title="CIFAR-10 (all but 98 images)",
        source="CIFAR-10, the official split, without the 98 of 60,000 images of which this "
        "project has no exact copy",
        official="cifar10",
        fingerprint="fe872c555a185c6c",
        make=functools.partial(_cifar, "cifar10"),
        arrange=functools.partial(by_digest, left_out=LEFT_OUT),
    ),
    "cifar100_lossless": Recipe(
        title="CIFAR-100",
        source="CIFAR-100, every image and the official split, fine labels, in an order that "
        "does not depend on that of the files",
        official="cifar100",
        fingerprint="954feff54ede1e3a",
        make=functools.partial(_cifar, "cifar100"),
        arrange=by_digest,
    ),
}
