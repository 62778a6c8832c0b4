"""Splits, data sets and stratified subsets."""

from __future__ import annotations

import warnings
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fa_lib.data import Dataset, Split, stratified_indices


@pytest.mark.parametrize("kind", [np.int8, np.uint16, ">i4", np.int64, torch.int32, torch.uint8])
def test_split_takes_integer_labels_of_every_kind(kind):
    values = [0, 2, 1]
    y = (
        torch.tensor(values, dtype=kind)
        if isinstance(kind, torch.dtype)
        else np.array(values, kind)
    )
    split = Split(np.ones((3, 2, 2)), y)
    assert (split.x.dtype, split.y.dtype) == (torch.float32, torch.int64)
    assert split.x.shape == (3, 4)
    assert split.y.tolist() == values
    assert len(split) == 3


@pytest.mark.parametrize("kind", [np.float16, np.float64, torch.float32, torch.bfloat16])
def test_split_takes_whole_labels_of_a_floating_type(kind):
    values = [0.0, 2.0, 1.0]
    y = (
        torch.tensor(values, dtype=kind)
        if isinstance(kind, torch.dtype)
        else np.array(values, kind)
    )
    split = Split(np.ones((3, 2)), y)
    assert split.y.dtype == torch.int64
    assert split.y.tolist() == [0, 2, 1]


def test_split_keeps_floats_and_reads_uint8_as_grey_levels():
    levels = np.arange(256, dtype=np.uint8).reshape(2, 128)
    assert np.array_equal(Split(levels, [0, 1]).x, levels.astype(np.float32) / np.float32(255))
    values = torch.tensor([[-3.5, 1e6]])
    assert torch.equal(Split(values, torch.tensor([0])).x, values)


def test_split_copies_read_only_and_reversed_arrays():
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    x.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        split = Split(x[::-1], np.array([0, 1, 2])[::-1])
    assert split.y.tolist() == [2, 1, 0]
    assert split.x.tolist() == [[4, 5], [2, 3], [0, 1]]


BAD_SPLITS = [
    (np.zeros((0, 4)), np.zeros(0, int), ValueError, r"x is empty, of shape \(0, 4\)"),
    (np.zeros((2, 0)), [0, 1], ValueError, "x is empty"),
    ([[1, np.nan], [np.inf, -np.inf]], [0, 1], ValueError, "x holds 3 NaN or infinite values"),
    ([[1e300, 1.0]], [0], ValueError, "x holds 1 NaN or infinite"),  # beyond float32
    (np.zeros(4), np.zeros(4, int), ValueError, r"x must be \[n, features\] and y \[n\], got"),
    (np.zeros((4, 2)), np.zeros((4, 1), int), ValueError, r"shapes \(4, 2\) and \(4, 1\)"),
    (np.zeros((4, 2)), [0, 1, 0], ValueError, "differ in length: 4 inputs, 3 labels"),
    (np.zeros((2, 2)), [0, -3], ValueError, "y holds the label -3: labels count from 0"),
    (np.zeros((2, 2)), [0.0, 1.5], ValueError, r"y holds the label 1.5: number the classes 0, 1"),
    (np.zeros((2, 2)), [0.0, np.nan], ValueError, r"label nan: .* numpy.unique\(y, return_inv"),
    (np.zeros((2, 2)), [np.inf, 1.0], ValueError, "y holds the label inf: number the classes"),
    (np.zeros((2, 2)), [0.0, -1.0], ValueError, "y holds the label -1: labels count from 0"),
    (np.zeros((2, 2)), [True, False], TypeError, "class labels 0, 1, 2, ..., got torch.bool"),
    (np.zeros((2, 2)), ["a", "b"], TypeError, "y must be a tensor or an array of numbers, got <U1"),
    (None, [0], TypeError, "x must be a tensor or an array of numbers, got object"),
    (np.zeros((2, 2), complex), [0, 1], TypeError, "array of numbers, got complex128"),
    (torch.zeros(2, 2, dtype=torch.cfloat), [0, 1], TypeError, "real numbers, got torch.complex64"),
]


@pytest.mark.parametrize(("x", "y", "error", "message"), BAD_SPLITS)
def test_a_bad_split_gets_one_line(x, y, error, message):
    with pytest.raises(error, match=message) as caught:
        Split(x, y)
    assert "\n" not in str(caught.value)


def test_a_dataset_refuses_splits_that_do_not_fit():
    split = Split(np.zeros((3, 4)), [0, 1, 2])
    with pytest.raises(ValueError, match="training labels hold 2, but the 2 classes are 0 to 1"):
        Dataset("mine", split, split, 2, (4,), "made up")
    with pytest.raises(ValueError, match=r"inputs have 4 features, but image_shape \(3, 3\) has 9"):
        Dataset("mine", split, split, 3, (3, 3), "made up")


def test_fingerprint_changes_with_every_value_and_nothing_else():
    def made(x=0.0, y=0, classes=3, shape=(4,), name="a"):
        inputs = torch.zeros(5, 4)
        inputs[4, 3] = x
        labels = torch.tensor([0, 1, 2, 0, y])
        split = Split(torch.zeros(2, 4), torch.tensor([0, 1]))
        return Dataset(name, split, Split(inputs, labels), classes, shape, "made up").fingerprint

    assert made() == made(name="b")
    assert len({made(), made(x=1e-30), made(y=1), made(classes=4), made(shape=(2, 2))}) == 5


@given(data=st.data(), counts=st.lists(st.integers(1, 30), min_size=1, max_size=6))
def test_stratified_indices_keep_the_proportions(data, counts):
    y = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    n = data.draw(st.integers(len(counts), len(y)))
    drawn = stratified_indices(y, n, seed=data.draw(st.integers(0, 5)))
    assert drawn.dtype == torch.int64
    assert len(set(drawn.tolist())) == len(drawn) == n
    # The largest-remainder rule in exact arithmetic: all floors, then one more by remainder.
    quotas = [Fraction(n * count, len(y)) for count in counts]
    wanted = [int(quota) for quota in quotas]
    by_remainder = sorted(range(len(counts)), key=lambda k: wanted[k] - quotas[k])
    for k in by_remainder[: n - sum(wanted)]:
        wanted[k] += 1
    assert torch.bincount(y[drawn], minlength=len(counts)).tolist() == wanted


def test_stratified_indices_depend_on_the_seed_alone():
    y = torch.arange(10).repeat_interleave(100)
    drawn = stratified_indices(y, 200, seed=3)
    torch.manual_seed(123)
    assert torch.equal(drawn, stratified_indices(y, 200, seed=3))
    assert not torch.equal(drawn, stratified_indices(y, 200, seed=4))
    assert len(y[drawn[:50]].unique()) == 10  # not class after class, as they were found


def test_stratified_indices_of_everything_are_a_permutation():
    y = torch.arange(7).repeat_interleave(9)
    assert stratified_indices(y, 63, seed=0).sort().values.tolist() == list(range(63))


def test_a_split_that_is_on_the_device_already_is_not_made_again():
    split = Split(torch.rand(3, 2), torch.arange(3))
    assert split.to("cpu") is split
    assert split.to(torch.device("cpu")) is split
