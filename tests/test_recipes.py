"""Data sets that are made: from official files in any order, checked by their fingerprints."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from fa_lib import _recipes, cli, results
from fa_lib._official import OFFICIAL
from fa_lib._recipes import RECIPES, in_order
from fa_lib.data import _EMBEDDED, dataset_info, load_dataset, load_npz

REAL = Path(os.environ.get("FA_DATA_ROOT", "/nowhere")) / "kmnist10k.npz"


def idx(values: np.ndarray) -> bytes:
    return struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.tobytes()


def write_kmnist(root: Path, x: np.ndarray, y: np.ndarray) -> None:
    """Official files whose test images are these; the training images do not matter."""
    folder = root / "KMNIST" / "raw"
    folder.mkdir(parents=True)
    for part, images, labels in (("train", x[:20], y[:20]), ("t10k", x, y)):
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FA_DATA_ROOT", str(tmp_path))
    return tmp_path


def made_up(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (n, 28, 28), dtype=np.uint8), (np.arange(n) % 10).astype(np.uint8)


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


def test_what_it_is_and_how_to_get_it_is_told(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_download(official: object, folder: Path) -> None:
        raise OSError("no network")

    monkeypatch.setattr("fa_lib._official._fetch", no_download)
    with pytest.raises(RuntimeError, match="made from the official files of kmnist") as caught:
        load_dataset("kmnist10k")
    assert "\n" not in str(caught.value)
    assert "no network" in str(caught.value)
    monkeypatch.setattr("sys.argv", ["fa-lib", "data", "info", "kmnist10k"])
    with pytest.raises(SystemExit):
        cli.main()
    said = capsys.readouterr().out
    assert "10,000 official test images" in said
    assert RECIPES["kmnist10k"].fingerprint in said
    assert "not at hand: fa-lib data fetch kmnist10k" in said


def test_the_order_travels_with_the_package() -> None:
    order = np.load(Path(_recipes.__file__).with_name("kmnist10k.npy"))
    assert np.array_equal(np.sort(order), np.arange(10_000))
