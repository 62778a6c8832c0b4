"""Data sets that are made: from official files in any order, checked by their fingerprints."""

import hashlib
import os
import pickle
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision.datasets as tv

from fa_lib import _recipes, cli, results
from fa_lib._official import OFFICIAL
from fa_lib._recipes import LEFT_OUT, RECIPES, in_order
from fa_lib.data import _EMBEDDED, Split, _read_npz, dataset_info, load_dataset, load_npz
from fa_lib.experiments._stacks import own_images

AT_HAND = Path(os.environ.get("FA_DATA_ROOT", "/nowhere"))
REAL = AT_HAND / "kmnist10k.npz"
CIFAR = ("cifar10_lossless", "cifar100_lossless")
Arrays = dict[str, np.ndarray]


def idx(values: np.ndarray) -> bytes:
    return struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.tobytes()


def write_kmnist(root: Path, x: np.ndarray, y: np.ndarray) -> None:
    """Official files whose test images are these; the training images do not matter."""
    folder = root / "KMNIST" / "raw"
    folder.mkdir(parents=True)
    for part, images, labels in (("train", x[:20], y[:20]), ("t10k", x, y)):
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))


def write_cifar(root: Path, monkeypatch: pytest.MonkeyPatch, name: str, arrays: Arrays) -> None:
    """Official files of images [n, 32, 32, 3]; torchvision is told to ask for no checksums."""
    loader = getattr(tv, OFFICIAL[name].loader)
    folder = root / loader.base_folder
    folder.mkdir()
    for part in ("train", "test"):
        files = [file for file, _ in getattr(loader, f"{part}_list")]
        x = arrays[f"x_{part}"].transpose(0, 3, 1, 2).reshape(-1, 3072)
        for file, rows in zip(files, np.array_split(np.arange(len(x)), len(files)), strict=True):
            labels = arrays[f"y_{part}"][rows].tolist()
            key = "labels" if name == "cifar10" else "fine_labels"
            (folder / file).write_bytes(pickle.dumps({"data": x[rows], key: labels}))
        monkeypatch.setattr(loader, f"{part}_list", [[file, None] for file in files])
    (folder / loader.meta["filename"]).write_bytes(pickle.dumps({loader.meta["key"]: []}))
    monkeypatch.setattr(loader, "meta", loader.meta | {"md5": None})


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FA_DATA_ROOT", str(tmp_path))
    return tmp_path


def made_up(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (n, 28, 28), dtype=np.uint8), (np.arange(n) % 10).astype(np.uint8)


def planted(classes: int) -> Arrays:
    """Three training images a class and one for testing; two are twins, labelled apart."""
    rng = np.random.default_rng(classes)
    arrays = {}
    for part, n in (("train", 3 * classes), ("test", classes)):
        x = rng.integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)
        x[4] = x[7]
        arrays |= {f"x_{part}": x, f"y_{part}": np.arange(n) % classes}
    return arrays


def of_rows(arrays: Arrays, choose: Callable[[np.ndarray, np.ndarray], list[int]]) -> Arrays:
    """The rows of each split that `choose` picks by images and labels."""
    found = {}
    for part in ("train", "test"):
        x, y = arrays[f"x_{part}"], arrays[f"y_{part}"]
        rows = choose(x, y)
        found |= {f"x_{part}": x[rows], f"y_{part}": y[rows]}
    return found


def by_hand(x: np.ndarray, y: np.ndarray) -> list[int]:
    pairs = [
        (hashlib.sha256(image.tobytes()).hexdigest(), label)
        for image, label in zip(x, y, strict=True)
    ]
    return sorted(range(len(pairs)), key=lambda i: pairs[i])


# -- Results ---------------------------------------------------------------------------------------


def test_no_stored_result_rests_on_data_that_this_repository_cannot_get() -> None:
    for folder, name in results.stored():
        facts = results.read(folder, name).provenance
        for data, fingerprint in facts["data_fingerprints"].items():
            assert data in {*_EMBEDDED, *OFFICIAL, *RECIPES}, f"{facts['command']}: {data}"
            if data in RECIPES:
                assert fingerprint == RECIPES[data].fingerprint


# -- Making ----------------------------------------------------------------------------------------


def test_the_order_is_that_of_the_images_whatever_order_they_come_in() -> None:
    images, _ = made_up(50)
    order = np.random.default_rng(1).permutation(50)
    wanted = images[in_order(images, order)]
    for seed in range(3):
        mixed = np.random.default_rng(seed).permutation(images)
        assert np.array_equal(mixed[in_order(mixed, order)], wanted)


@pytest.mark.skipif(not REAL.is_file(), reason="FA_DATA_ROOT has no kmnist10k.npz")
def test_kmnist10k_comes_out_of_the_official_images_in_any_order(root: Path) -> None:
    with np.load(REAL) as real:
        x = np.concatenate([real["x_train"], real["x_test"]])
        y = np.concatenate([real["y_train"], real["y_test"]])
    mixed = np.random.default_rng(5).permutation(len(x))
    write_kmnist(root, x[mixed], y[mixed])
    made, stored = load_dataset("kmnist10k"), load_npz(REAL)
    assert made.fingerprint == stored.fingerprint == RECIPES["kmnist10k"].fingerprint
    assert torch.equal(made.test.x, stored.test.x)
    assert (len(made.train), len(made.test)) == (8000, 2000)
    assert made.test.y.bincount().tolist() == [200] * 10


def expect(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, arrays: Arrays
) -> torch.Tensor:
    """Make these arrays what the recipe must give; its training images as the library has them."""
    np.savez(folder / "expected.npz", **arrays)
    data = load_npz(folder / "expected.npz")
    monkeypatch.setitem(RECIPES, name, replace(RECIPES[name], fingerprint=data.fingerprint))
    return data.train.x


def test_cifar100_is_the_same_from_official_files_and_from_any_other_order(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = planted(100)
    train = expect(root, monkeypatch, "cifar100_lossless", of_rows(arrays, by_hand))
    write_cifar(root, monkeypatch, "cifar100", arrays)
    made = load_dataset("cifar100_lossless")
    assert torch.equal(made.train.x, train)
    assert (made.image_shape, made.classes) == ((3, 32, 32), 100)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation
        mixed = of_rows(arrays, lambda x, y, order=order: order(len(y)).tolist())
        np.savez(root / "cifar100_lossless.npz", **mixed)
        assert dataset_info("cifar100_lossless").where == str(root / "cifar100_lossless.npz")
        again = load_dataset("cifar100_lossless")
        assert torch.equal(again.train.x, train)
        assert torch.equal(again.train.y, made.train.y)


def test_cifar10_is_the_same_whatever_the_images_are_that_it_leaves_out(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LEFT_OUT, "train", " 3\n 4 29 ")
    monkeypatch.setitem(LEFT_OUT, "test", "0")
    arrays = planted(10)
    out = {"train": [3, 4, 29], "test": [0]}
    kept = {key: np.delete(values, out[key[2:]], 0) for key, values in arrays.items()}
    train = expect(root, monkeypatch, "cifar10_lossless", of_rows(kept, by_hand))
    write_cifar(root, monkeypatch, "cifar10", arrays)
    made = load_dataset("cifar10_lossless")
    assert torch.equal(made.train.x, train)
    assert (len(made.train), len(made.test)) == (27, 9)
    others = {key: v.copy() for key, v in arrays.items()}
    others["x_train"][out["train"]] = 0
    others["x_test"][out["test"]] = 255
    np.savez(root / "cifar10_lossless.npz", **others)
    assert torch.equal(load_dataset("cifar10_lossless").train.x, train)
    others["x_train"][5, 0, 0, 0] ^= 1
    np.savez(root / "cifar10_lossless.npz", **others)
    with pytest.raises(RuntimeError, match=r"cifar10_lossless\.npz, is not the data set"):
        load_dataset("cifar10_lossless")


@pytest.mark.parametrize("name", CIFAR)
def test_real_cifar_is_the_same_from_its_file_and_from_official_files(
    name: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = AT_HAND / f"{name}.npz"
    if not real.is_file():
        pytest.skip(f"FA_DATA_ROOT has no {name}.npz")
    with np.load(real) as file:
        arrays = dict(file)
    for part in ("train", "test"):
        if name == "cifar10_lossless":  # other pixels where the file's are not exact
            out = [int(position) for position in LEFT_OUT[part].split()]
            assert out == arrays[f"lossy_{part}"].tolist()
            arrays[f"x_{part}"][out] = 7
        elif part == "test":  # the official order is not known
            arrays |= {f"{kind}_test": arrays[f"{kind}_test"][::-1] for kind in "xy"}
    write_cifar(root, monkeypatch, RECIPES[name].official, arrays)
    assert not (root / f"{name}.npz").exists()
    data, recipe = load_dataset(name), RECIPES[name]
    assert data.fingerprint == recipe.fingerprint
    made = recipe.arrange(recipe.make(root))
    for key, values in recipe.arrange(_read_npz(real)).items():
        assert np.array_equal(values, made[key]), key
    left_out = {"cifar10_lossless": (77, 21), "cifar100_lossless": (0, 0)}[name]
    assert (50_000 - len(data.train), 10_000 - len(data.test)) == left_out
    # Classes of which some images are missing are drawn by their shares, as others are.
    y = data.train.y[: len(data.train) - len(data.train) // 6]
    labels, images = Split(y[:, None], y), torch.arange(len(y))
    assert torch.equal(own_images(labels, len(y), (0,))[0].sort().values, images)
    drawn = y[own_images(labels, 5000, (2,))[0]].bincount()
    assert ((drawn - y.bincount() * 5000 / len(y)).abs() < 1).all()


@pytest.mark.parametrize("name", CIFAR)
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"y_train": np.arange(3)}, "x and y differ in length"),
        ({"x_test": np.array(1)}, "got shapes"),
        ({"y_test": np.zeros((10, 1))}, "got shapes"),
        ({}, "is not the data set that stored results rest on"),
    ],
)
def test_a_file_that_holds_no_cifar_gets_one_line(
    root: Path, name: str, change: Arrays, says: str
) -> None:
    np.savez(root / f"{name}.npz", **(planted(10) | change))
    with pytest.raises((RuntimeError, ValueError), match=says) as caught:
        load_dataset(name)
    assert f"{name}.npz" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_official_images_that_are_others_are_refused(root: Path) -> None:
    write_kmnist(root, *made_up(10_000))
    assert dataset_info("kmnist10k").at_hand
    with pytest.raises(RuntimeError, match="is not the data set that stored results rest on"):
        load_dataset("kmnist10k")


def test_too_few_official_images_are_refused(root: Path) -> None:
    write_kmnist(root, *made_up(40))
    with pytest.raises(RuntimeError, match="there are 40 test images of KMNIST, not 10,000"):
        load_dataset("kmnist10k")


def test_a_file_of_that_name_must_hold_the_same(root: Path) -> None:
    x, y = made_up(40)
    np.savez(root / "kmnist10k.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    with pytest.raises(RuntimeError, match=r"kmnist10k\.npz, is not the data set.*another name"):
        load_dataset("kmnist10k")
    (root / "kmnist10k.npz").rename(root / "mine.npz")
    assert len(load_dataset("mine").train) == 40


@pytest.mark.parametrize(
    ("name", "official", "file", "title", "note"),
    [
        (
            "kmnist10k",
            "kmnist",
            "KMNIST/raw/train-images-idx3-ubyte",
            "Kuzushiji-MNIST (10,000 test images)",
            "10,000 official test images",
        ),
        (
            "cifar10_lossless",
            "cifar10",
            "cifar-10-batches-py/data_batch_1",
            "CIFAR-10 (all but 98 images)",
            "without the 98 of 60,000 images",
        ),
        (
            "cifar100_lossless",
            "cifar100",
            "cifar-100-python/train",
            "CIFAR-100",
            "every image and the official split",
        ),
    ],
)
def test_what_it_is_and_how_to_get_it_is_told(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    official: str,
    file: str,
    title: str,
    note: str,
) -> None:
    def no_download(official: object, folder: Path) -> None:
        raise OSError("no network")

    monkeypatch.setattr("fa_lib._official._fetch", no_download)
    with pytest.raises(RuntimeError) as caught:
        load_dataset(name)
    error = str(caught.value)
    assert f"{name} is made from the official files of {official} (" in error
    assert f"or read from {name}.npz: " in error
    assert f"Put {file} and the rest of it there" in error
    assert "no network" in error
    assert "\n" not in error
    monkeypatch.setattr("sys.argv", ["fa-lib", "data", "info", name])
    with pytest.raises(SystemExit):
        cli.main()
    said = capsys.readouterr().out
    assert said.startswith(f"{name}: {title}; ")
    assert note in said
    assert RECIPES[name].fingerprint in said
    assert f"not at hand: fa-lib data fetch {name}" in said


def test_the_order_travels_with_the_package() -> None:
    order = np.load(Path(_recipes.__file__).with_name("kmnist10k.npy"))
    assert np.array_equal(np.sort(order), np.arange(10_000))
