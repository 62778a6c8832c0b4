"""Data of one's own: torch data sets, pairs and whole labels, against torch's own loader."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision.datasets as tv
from small_networks import copies, make, same
from test_official import write_cifar, write_idx
from torch.utils.data import DataLoader, IterableDataset, Subset, TensorDataset
from torchvision.transforms import Compose, Normalize, PILToTensor, Resize, ToTensor, v2

import fa_lib as fa
from fa_lib import Split
from fa_lib.data import Dataset


def loaded(dataset: torch.utils.data.Dataset) -> Split:
    """What torch's own loader gives of it, in one batch."""
    ((x, y),) = DataLoader(dataset, batch_size=len(dataset))
    return Split(x, y)


def assert_equal(found: Split, expected: Split) -> None:
    assert (found.x.dtype, found.y.dtype) == (torch.float32, torch.int64)
    assert torch.equal(found.x, expected.x)
    assert torch.equal(found.y, expected.y)


def grey(root: Path, **how: object) -> tv.MNIST:
    for part in ("train", "t10k"):
        write_idx(root / "MNIST" / "raw", part, 30)
    return tv.MNIST(root, **how)


@pytest.fixture
def coloured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tv.CIFAR10:
    write_cifar(tmp_path, monkeypatch, "cifar10", "cifar-10-batches-py", "labels", 10)
    monkeypatch.setattr(tv.CIFAR10, "_check_integrity", lambda self: True)
    return tv.CIFAR10(tmp_path, train=False)


TRANSFORMS = [
    ToTensor(),
    PILToTensor(),
    Compose([ToTensor(), Normalize([0.1307], [0.3081])]),
    Compose([Resize(14), ToTensor()]),
    v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]),
]


@pytest.mark.parametrize("transform", TRANSFORMS, ids=str)
def test_a_torchvision_set_is_read_through_its_transforms(tmp_path: Path, transform) -> None:
    dataset = grey(tmp_path, transform=transform, target_transform=lambda label: 9 - label)
    assert_equal(Split.of(dataset), loaded(dataset))


def test_pictures_without_a_transform_are_what_totensor_makes(tmp_path: Path, coloured) -> None:
    mnist = grey(tmp_path)
    pixels = mnist.data.numpy().reshape(30, 784).astype(np.float32) / np.float32(255)
    found = Split.of(mnist)
    assert np.array_equal(found.x, pixels)
    assert torch.equal(found.y, mnist.targets)
    found = Split.of(coloured)
    channels_first = np.moveaxis(coloured.data, 3, 1).reshape(len(coloured), -1)
    assert np.array_equal(found.x, channels_first.astype(np.float32) / np.float32(255))
    coloured.transform = ToTensor()
    assert_equal(found, loaded(coloured))


def test_tensors_pairs_and_parts_of_a_set(tmp_path: Path) -> None:
    levels = torch.randint(256, (8, 3, 4, 4), dtype=torch.uint8)
    labels = torch.arange(8) % 3
    whole = Split(levels, labels)
    assert Split.of(whole) is whole
    for data in (TensorDataset(levels, labels), (levels, labels), [levels.numpy(), labels.float()]):
        assert_equal(Split.of(data), whole)
    rows = [5, 0, 7]
    part = Subset(TensorDataset(levels, labels.double()), rows)
    assert_equal(Split.of(part), whole.subset(torch.tensor(rows)))
    dataset = Subset(grey(tmp_path, transform=ToTensor()), rows)
    assert_equal(Split.of(dataset), loaded(dataset))


class Stream(IterableDataset):
    def __iter__(self):
        return iter([(torch.zeros(2), 0)])


class Listed(torch.utils.data.Dataset):
    def __init__(self, *items: object) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, i: int) -> object:
        return self.items[i]


ROW = torch.zeros(4)
SPLIT = Split(torch.zeros(2, 4), [0, 1])
BAD = [
    (Stream(), TypeError, "a torch data set of such pairs that has a length, got Stream."),
    (DataLoader(Listed((ROW, 0))), TypeError, "or a torch data set .* got DataLoader."),
    (torch.zeros(2, 4), TypeError, "got Tensor."),
    (Dataset("a", SPLIT, SPLIT, 2, (4,), ""), TypeError, "such as data.train, .* got Dataset."),
    (TensorDataset(ROW[None]), TypeError, "got TensorDataset."),
    (Listed(), ValueError, "Listed is empty."),
    (Listed({"image": ROW}), TypeError, r"pairs \(image, label\), but Listed gives dict."),
    (Listed((ROW, 0, 1)), TypeError, r"pairs \(image, label\), but Listed gives tuple of 3."),
    (Listed((ROW, 0), (torch.zeros(5), 1)), ValueError, r"image 1 \(5,\): .* that resizes."),
    (Listed((ROW, "cat")), TypeError, "y must be a tensor or an array of numbers, got <U3."),
    (Listed((ROW, 0.5)), ValueError, "y holds the label 0.5: number the classes 0, 1, 2, "),
    (Listed((ROW, torch.zeros(3))), ValueError, r"x must be \[n, features\] and y \[n\], got"),
]


@pytest.mark.parametrize(("data", "error", "message"), BAD)
def test_what_holds_no_examples_gets_one_line(data, error, message) -> None:
    with pytest.raises(error, match=message) as caught:
        Split.of(data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("form", [tuple, lambda pair: TensorDataset(*pair)], ids=["pair", "torch"])
def test_fit_and_evaluate_take_what_split_takes(form) -> None:
    x, y = torch.rand(20, 12), torch.arange(20) % 4
    net, other = make(), make()
    data, test = form((x, y.float())), form((x[:8], y[:8]))
    found = fa.fit(net, data, epochs=2, test=test, record_every=1)
    expected = fa.fit(other, Split(x, y), epochs=2, test=Split(x[:8], y[:8]), record_every=1)
    assert same(copies(net), copies(other))
    assert found.to_frame().equals(expected.to_frame())
    assert torch.equal(fa.evaluate(net, test)[0], fa.evaluate(net, Split(x[:8], y[:8]))[0])
    named = fa.fit(net, data, steps=0, test={"near": test, "far": data})
    assert {"near_loss", "far_accuracy"} <= set(named.to_frame()["metric"])


def test_fit_of_a_module_takes_a_torchvision_set(tmp_path: Path) -> None:
    dataset = grey(tmp_path, transform=ToTensor())
    layers = [torch.nn.Flatten(), torch.nn.Linear(784, 10)]
    histories = []
    for data in (dataset, loaded(dataset)):
        torch.manual_seed(0)
        for layer in layers[1:]:
            layer.reset_parameters()
        module = torch.nn.Sequential(*layers)
        how = {"shape": (1, 28, 28), "record_every": 1}
        histories.append(fa.fit(module, data, steps=3, test=data, **how).to_frame())
    assert histories[0].equals(histories[1])
