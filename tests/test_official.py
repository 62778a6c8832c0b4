"""Loading through torchvision, on small files in the formats of the official ones."""

from __future__ import annotations

import bz2
import functools
import gzip
import hashlib
import io
import pickle
import socket
import struct
import threading
import urllib.request
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision.datasets as tv

from fa_lib.data import dataset_info, load_dataset
from fa_lib.transforms import frame_like_mnist

IDX = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "kmnist": "KMNIST"}
N_TRAIN, N_TEST = 40, 20
rng = np.random.default_rng(0)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in the place of the user's data sets, and no network."""

    def unreachable(*args, **kwargs):
        raise OSError("the network is unreachable")

    monkeypatch.setenv("FA_DATA_ROOT", str(tmp_path))
    monkeypatch.setattr(socket, "getaddrinfo", unreachable)
    return tmp_path


def images(n: int, *shape: int) -> np.ndarray:
    return rng.integers(0, 256, (n, *shape), dtype=np.uint8)


def labels(n: int, classes: int = 10) -> np.ndarray:
    return rng.permutation(np.arange(n) % classes).astype(np.uint8)


def idx(values: np.ndarray) -> bytes:
    return struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.tobytes()


def write_idx(folder: Path, part: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    x, y = images(n, 28, 28), labels(n)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{part}-images-idx3-ubyte").write_bytes(idx(x))
    (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(y))
    return x, y


class OldPickler(pickle.Pickler):
    """Writes arrays as an old numpy did, whose dtypes numpy 2.4.0 to 2.4.4 warns about."""

    def reducer_override(self, value):
        if isinstance(value, np.dtype):
            return np.dtype, (value.str[1:], 0, 1), (3, "|", None, None, None, -1, -1, 0)
        return NotImplemented


def write_batch(path: Path, key: str, n: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    x, y = images(n, 3072), labels(n, classes)
    stream = io.BytesIO()
    OldPickler(stream, 2).dump({"data": x, key: y.tolist()})
    path.write_bytes(stream.getvalue())
    return x, y


def assert_holds(split, x: np.ndarray, y: np.ndarray) -> None:
    """Every value, in the official order."""
    assert np.array_equal(split.y, y)
    assert np.array_equal(split.x, x.reshape(len(x), -1).astype(np.float32) / np.float32(255))


@pytest.mark.parametrize("name", IDX)
def test_idx_files(root, name):
    train = write_idx(root / IDX[name] / "raw", "train", N_TRAIN)
    assert not dataset_info(name).at_hand
    test = write_idx(root / IDX[name] / "raw", "t10k", N_TEST)
    assert dataset_info(name).at_hand
    data = load_dataset(name)
    assert_holds(data.train, *train)
    assert_holds(data.test, *test)
    assert (data.image_shape, data.classes) == ((28, 28), 10)


def write_cifar(
    root: Path, monkeypatch: pytest.MonkeyPatch, name: str, folder: str, key: str, classes: int
) -> dict[str, list[np.ndarray]]:
    """Two images of each class a file; torchvision is told to ask for no checksums."""
    loader = {"cifar10": tv.CIFAR10, "cifar100": tv.CIFAR100}[name]
    (root / folder).mkdir()
    parts = {}
    for part in ("train_list", "test_list"):
        files = [file for file, _ in getattr(loader, part)]
        written = [write_batch(root / folder / file, key, 2 * classes, classes) for file in files]
        parts[part] = [np.concatenate(arrays) for arrays in zip(*written, strict=True)]
        monkeypatch.setattr(loader, part, [[file, None] for file in files])
    names = pickle.dumps({loader.meta["key"]: [str(k) for k in range(classes)]})
    (root / folder / loader.meta["filename"]).write_bytes(names)
    monkeypatch.setattr(loader, "meta", loader.meta | {"md5": None})
    return parts


CIFAR10 = ("cifar10", "cifar-10-batches-py", "labels", 10)
CIFAR100 = ("cifar100", "cifar-100-python", "fine_labels", 100)


@pytest.mark.parametrize(("name", "folder", "key", "classes"), [CIFAR10, CIFAR100])
def test_cifar_batches(root, monkeypatch, name, folder, key, classes):
    parts = write_cifar(root, monkeypatch, name, folder, key, classes)
    data = load_dataset(name)
    assert_holds(data.train, *parts["train_list"])
    assert_holds(data.test, *parts["test_list"])
    assert (data.image_shape, data.classes) == ((3, 32, 32), classes)


def write_stl10(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """A few labelled images of 96x96, and none without labels."""
    folder = root / "stl10_binary"
    folder.mkdir()
    made = {}
    for part, n in (("train", N_TRAIN), ("test", N_TEST)):
        x, y = images(n, 3, 96, 96), labels(n)
        (folder / f"{part}_X.bin").write_bytes(x.transpose(0, 1, 3, 2).tobytes())
        (folder / f"{part}_y.bin").write_bytes((y + 1).tobytes())
        made[part] = x, y
    (folder / "unlabeled_X.bin").write_bytes(b"")
    for part in ("train_list", "test_list"):
        monkeypatch.setattr(tv.STL10, part, [[file, None] for file, _ in getattr(tv.STL10, part)])
    return made


def test_stl10_is_read_by_columns_and_shrunk_by_area(root, monkeypatch):
    made = write_stl10(root, monkeypatch)
    data = load_dataset("stl10")
    for split, (x, y) in ((data.train, made["train"]), (data.test, made["test"])):
        expected = F.interpolate(torch.from_numpy(x).double() / 255, size=(32, 32), mode="area")
        torch.testing.assert_close(split.x.double(), expected.flatten(1), rtol=0, atol=1e-6)
        assert np.array_equal(split.y, y)
    assert data.image_shape == (3, 32, 32)


def write_usps(path: Path, x: np.ndarray, y: np.ndarray) -> None:
    lines = [
        f"{label + 1} " + " ".join(f"{i}:{v:.6f}" for i, v in enumerate(row / 127.5 - 1, 1))
        for row, label in zip(x.reshape(len(x), -1), y, strict=True)
    ]
    path.write_bytes(bz2.compress("\n".join(lines).encode()))


def test_usps_is_framed_like_mnist(root):
    made = {"usps.bz2": (images(N_TRAIN, 16, 16), labels(N_TRAIN))}
    made["usps.t.bz2"] = images(N_TEST, 16, 16), labels(N_TEST)
    for file, (x, y) in made.items():
        write_usps(root / file, x, y)
    data = load_dataset("usps")
    for split, (x, y) in zip((data.train, data.test), made.values(), strict=True):
        expected = frame_like_mnist(torch.from_numpy(x) / 255).flatten(1)
        # torchvision cuts grey levels off below, where the text is rounded
        torch.testing.assert_close(split.x, expected, rtol=0, atol=2.5 / 255)
        assert np.array_equal(split.y, y)


def test_usps_is_padded_without_regard_to_its_mass(root):
    """A bright corner stays in the corner of the box in the middle, four pixels in."""
    x = np.zeros((N_TEST, 16, 16), dtype=np.uint8)
    x[:, 0, 0] = 255
    for file in ("usps.bz2", "usps.t.bz2"):
        write_usps(root / file, x, labels(N_TEST))
    padded = load_dataset("usps_padded").test.x.view(-1, 28, 28)
    framed = load_dataset("usps").test.x.view(-1, 28, 28)
    assert (padded[:, 4, 4] > 0.5).all()
    assert (padded[:, :4].sum() + padded[:, :, :4].sum()) == 0
    assert (framed[:, 4, 4] == 0).all()
    levels = (image.flatten().sort().values for image in (framed, padded))
    assert torch.equal(*levels)


@pytest.mark.parametrize("name", ["kmnist", "usps"])
def test_a_set_cut_short_is_never_taken_for_whole(root, name):
    if name == "usps":
        write_usps(root / "usps.t.bz2", images(N_TEST, 16, 16), labels(N_TEST))
        write_usps(root / "usps.bz2", images(N_TRAIN, 16, 16), labels(N_TRAIN))
        file = root / "usps.bz2"
    else:
        write_idx(root / "KMNIST" / "raw", "train", N_TRAIN)
        write_idx(root / "KMNIST" / "raw", "t10k", N_TEST)
        file = root / "KMNIST" / "raw" / "train-images-idx3-ubyte"
    whole = file.read_bytes()
    for kept in (0, 3, 10, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:kept])
        with pytest.raises(
            RuntimeError, match=f"{name}.* is damaged .*: delete .*{file.name}"
        ) as e:
            load_dataset(name)
        assert "\n" not in str(e.value)


def test_images_and_labels_of_different_lengths_are_damage(root):
    write_idx(root / "MNIST" / "raw", "train", N_TRAIN)
    write_idx(root / "MNIST" / "raw", "t10k", N_TEST)
    (root / "MNIST" / "raw" / "t10k-labels-idx1-ubyte").write_bytes(idx(labels(N_TEST - 1)))
    with pytest.raises(RuntimeError, match=r"damaged .*20 images, 19 labels"):
        load_dataset("mnist")


@pytest.mark.parametrize("name", [*IDX, "usps", "cifar10", "cifar100", "stl10"])
def test_a_failed_download_says_where_it_looked_and_what_needs_none(root, name):
    with pytest.raises(RuntimeError) as caught:
        load_dataset(name)
    message = str(caught.value)
    assert message.startswith(f"Data set '{name}' is not in {root} and could not be downloaded")
    assert "the network is unreachable" in message
    assert "'mnist5k' or 'digits'" in message
    assert "\n" not in message
    assert list(root.iterdir()) == []


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path_factory, monkeypatch):
    """A KMNIST mirror on this machine, with small files and their checksums."""
    folder = tmp_path_factory.mktemp("mirror")
    made = [write_idx(folder, part, n) for part, n in (("train", N_TRAIN), ("t10k", N_TEST))]
    resources = []
    for file in [Path(name) for name, _ in tv.KMNIST.resources]:
        packed = gzip.compress((folder / file.stem).read_bytes())
        (folder / file).write_bytes(packed)
        resources.append((file.name, hashlib.md5(packed).hexdigest()))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(urllib.request, "_opener", None)
    with ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(_Quiet, directory=folder)
    ) as server:
        threading.Thread(target=server.serve_forever).start()
        monkeypatch.setattr(tv.KMNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
        monkeypatch.setattr(tv.KMNIST, "resources", resources)
        yield folder, made
        server.shutdown()


def test_a_download_leaves_the_files_and_nothing_else(mirror, tmp_path, monkeypatch):
    _, (train, test) = mirror
    root = tmp_path / "not" / "there" / "yet"
    monkeypatch.setenv("FA_DATA_ROOT", str(root))
    for _ in range(2):
        data = load_dataset("kmnist")
        assert_holds(data.train, *train)
        assert_holds(data.test, *test)
        left = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
        assert left == sorted(f"KMNIST/raw/{name[:-3]}" for name, _ in tv.KMNIST.resources)
        monkeypatch.setattr(tv.KMNIST, "mirrors", [])  # the second time nothing is fetched


def test_a_download_that_breaks_off_leaves_nothing(mirror, tmp_path, monkeypatch):
    folder, _ = mirror
    last = folder / tv.KMNIST.resources[-1][0]
    last.write_bytes(last.read_bytes()[:-5])
    monkeypatch.setenv("FA_DATA_ROOT", str(tmp_path))
    with pytest.raises(RuntimeError, match=r"could not be downloaded .*corrupted"):
        load_dataset("kmnist")
    assert list(tmp_path.iterdir()) == []
