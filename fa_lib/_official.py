"""The data sets that torchvision knows: fetched whole or not at all, read as plain tensors."""

from __future__ import annotations

import os
import tempfile
import textwrap
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fa_lib.transforms import frame_like_mnist

__all__ = ["OFFICIAL", "Official", "is_at_hand", "read_official"]


@dataclass(frozen=True)
class Official:
    """One data set: title, torchvision's class for it, the files which that reads, what they are.

    `prepare` turns the images as torchvision gives them into `[n, *image_shape]`, as uint8 grey
    levels or as float32 in [0, 1].
    """

    title: str
    loader: str
    files: tuple[str, ...]
    source: str
    image_shape: tuple[int, ...]
    classes: int = 10
    prepare: Callable[[Any], torch.Tensor] = torch.as_tensor


def _channel_first(images: np.ndarray) -> torch.Tensor:
    return torch.as_tensor(images).permute(0, 3, 1, 2)


def _framed(images: np.ndarray, by_mass: bool = True) -> torch.Tensor:
    return frame_like_mnist(torch.as_tensor(images).double() / 255, by_mass=by_mass)


def _padded(images: np.ndarray) -> torch.Tensor:
    return _framed(images, by_mass=False)


def _third_of_the_size(images: np.ndarray) -> torch.Tensor:
    blocks = images.reshape(-1, 3, 32, 3, 32, 3)
    return torch.from_numpy(blocks.sum((3, 5), dtype=np.uint16) / np.float32(9 * 255))


def _idx(loader: str, title: str) -> Official:
    kinds = ("images-idx3", "labels-idx1")
    files = tuple(f"{loader}/raw/{s}-{kind}-ubyte" for s in ("train", "t10k") for kind in kinds)
    return Official(title, loader, files, f"{title}, the official files", (28, 28))


def _in_folder(folder: str, *files: str) -> tuple[str, ...]:
    return tuple(f"{folder}/{file}" for file in files)


OFFICIAL = {
    "mnist": _idx("MNIST", "MNIST"),
    "fashion_mnist": _idx("FashionMNIST", "Fashion-MNIST"),
    "kmnist": _idx("KMNIST", "Kuzushiji-MNIST"),
    "usps": Official(
        "USPS",
        "USPS",
        ("usps.bz2", "usps.t.bz2"),
        "USPS, 16x16 images resized to 20x20, centre of mass in the middle of 28x28",
        (28, 28),
        prepare=_framed,
    ),
    "usps_padded": Official(
        "USPS, padded",
        "USPS",
        ("usps.bz2", "usps.t.bz2"),
        "USPS, 16x16 images resized to 20x20 and padded to 28x28, not centred by mass",
        (28, 28),
        prepare=_padded,
    ),
    "cifar10": Official(
        "CIFAR-10",
        "CIFAR10",
        _in_folder(
            "cifar-10-batches-py",
            *(f"data_batch_{i}" for i in range(1, 6)),
            "test_batch",
            "batches.meta",
        ),
        "CIFAR-10, the official files",
        (3, 32, 32),
        prepare=_channel_first,
    ),
    "cifar100": Official(
        "CIFAR-100",
        "CIFAR100",
        _in_folder("cifar-100-python", "train", "test", "meta"),
        "CIFAR-100, the official files, fine labels",
        (3, 32, 32),
        classes=100,
        prepare=_channel_first,
    ),
    "stl10": Official(
        "STL-10",
        "STL10",
        _in_folder(
            "stl10_binary",
            "train_X.bin",
            "train_y.bin",
            "test_X.bin",
            "test_y.bin",
            "unlabeled_X.bin",
        ),
        "STL-10, the labelled images, 96x96 resized to 32x32 by means of 3x3 pixels",
        (3, 32, 32),
        prepare=_third_of_the_size,
    ),
}


def is_at_hand(name: str, root: Path) -> bool:
    """Whether every file of an official data set is in `root`."""
    return all((root / file).is_file() for file in OFFICIAL[name].files)


def read_official(name: str, root: Path) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Images and labels of the training and the test split, in the official order.

    What is not in `root` is downloaded into it first.

    Raises:
        RuntimeError: the download failed, or the files in `root` are damaged.
    """
    # Outside the clauses below: a broken torchvision is neither a bad download nor a bad file.
    import torchvision.datasets  # noqa: F401

    official = OFFICIAL[name]
    if not is_at_hand(name, root):
        try:
            _fetch(official, root)
        except Exception as error:
            raise RuntimeError(
                f"Data set {name!r} is not in {root} and could not be downloaded"
                f" ({_one_line(error)}). Put {official.files[0]} and the rest of it there,"
                " or set FA_DATA_ROOT to a folder that has them or can be written to,"
                " or use 'mnist5k' or 'digits', which need no download."
            ) from error
    try:
        return [_read(official, root, train) for train in (True, False)]
    except Exception as error:
        raise RuntimeError(
            f"Data set {name!r} in {root} is damaged ({_one_line(error)}):"
            f" delete {', '.join(official.files)} and load it again."
        ) from error


def _fetch(official: Official, root: Path) -> None:
    """Download beside the final place, read once to see that all is well, then move the files.

    torchvision unpacks straight to the final names and later takes whatever is there for whole.
    """
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".download-", dir=root) as folder:
        for train in (True, False):
            _read(official, Path(folder), train, download=True)
        for file in official.files:
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            os.replace(Path(folder, file), root / file)


def _read(
    official: Official, root: Path, train: bool, download: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    import torchvision.datasets

    loader = getattr(torchvision.datasets, official.loader)
    part: dict[str, Any] = {"train": train}
    if official.loader == "STL10":
        part = {"split": "train" if train else "test"}
    with warnings.catch_warnings():
        # CIFAR's files were pickled by an old numpy, which numpy 2.4.0 to 2.4.4 warns about.
        warnings.simplefilter("ignore", np.exceptions.VisibleDeprecationWarning)
        loaded = loader(str(root), download=download, **part)
    labels = loaded.labels if official.loader == "STL10" else loaded.targets
    images = official.prepare(loaded.data)
    if len(images) != len(labels):
        raise ValueError(f"{len(images):,} images, {len(labels):,} labels")
    return images, torch.as_tensor(labels).long()


def _one_line(error: Exception) -> str:
    return textwrap.shorten(f"{type(error).__name__}: {error}", 300, placeholder=" ...")
