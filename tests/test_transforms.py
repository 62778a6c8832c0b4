"""Transforms against torch.roll, rot90, scipy.ndimage and torch's own grid_sample."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from fa_lib.transforms import frame_like_mnist, rotate, scale, translate

SHAPES = [(28, 28), (3, 32, 32), (5, 8)]


def batch(image_shape: tuple[int, ...], n: int = 4, dtype: torch.dtype = torch.float64):
    values = torch.rand(n, math.prod(image_shape), generator=torch.Generator().manual_seed(0))
    return values.to(dtype)


def by_scipy(x: torch.Tensor, image_shape, matrix, shift) -> np.ndarray:
    """`affine_transform` of each plane: output at p is input at c + M (p - c) + s, order 1."""
    planes = x.numpy().reshape(-1, *image_shape[-2:])
    center = (np.array(image_shape[-2:]) - 1) / 2
    offset = center - matrix @ center + shift
    # One pixel of padding gives scipy the same zero neighbours outside the frame.
    padded = np.pad(planes, ((0, 0), (1, 1), (1, 1)))
    offset = offset + 1 - matrix @ np.ones(2)
    out = [ndimage.affine_transform(plane, matrix, offset, order=1) for plane in padded]
    return np.stack(out)[:, 1:-1, 1:-1].reshape(x.shape)


@pytest.mark.parametrize("image_shape", SHAPES)
@pytest.mark.parametrize(("dx", "dy"), [(0, 0), (3, 0), (-2, 1), (0, -4), (7.0, 2.0), (40, 0)])
def test_whole_pixel_shift_is_exactly_roll_with_zeros(image_shape, dx, dy):
    x = batch(image_shape, dtype=torch.float32)
    rolled = x.reshape(-1, *image_shape).roll((int(dy), int(dx)), (-2, -1))
    height, width = image_shape[-2:]
    rows, columns = torch.arange(height)[:, None] - dy, torch.arange(width)[None, :] - dx
    from_inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    expected = (rolled * from_inside).reshape(x.shape)
    assert torch.equal(translate(x, dx, dy, image_shape=image_shape), expected)


@pytest.mark.parametrize("image_shape", SHAPES)
@pytest.mark.parametrize(("dx", "dy"), [(0.5, 0.0), (-1.25, 2.75), (0.1, -0.9)])
def test_fractional_shift_against_scipy(image_shape, dx, dy):
    x = batch(image_shape)
    planes = np.pad(x.numpy().reshape(-1, *image_shape[-2:]), ((0, 0), (4, 4), (4, 4)))
    expected = np.stack([ndimage.shift(plane, (dy, dx), order=1) for plane in planes])
    found = translate(x, dx, dy, image_shape=image_shape).numpy()
    np.testing.assert_allclose(found, expected[:, 4:-4, 4:-4].reshape(x.shape), atol=1e-12)


@pytest.mark.parametrize("image_shape", SHAPES)
@pytest.mark.parametrize("factor", [0.5, 0.8, 1.3, 1.5])
def test_scale_against_scipy(image_shape, factor):
    x = batch(image_shape)
    expected = by_scipy(x, image_shape, np.eye(2) / factor, np.zeros(2))
    found = scale(x, factor, image_shape=image_shape).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_scale_by_two_against_zoom():
    x = batch((9, 9), n=1)
    zoomed = ndimage.zoom(x.reshape(9, 9).numpy(), 17 / 9, order=1)  # corner to corner, step 1/2
    found = scale(x, 2, image_shape=(9, 9)).reshape(9, 9)
    np.testing.assert_allclose(found, zoomed[4:13, 4:13], atol=1e-12)


@pytest.mark.parametrize("degrees", [10, 30, 60, -45, 200])
def test_rotation_against_scipy(degrees):
    x = batch((28, 28))
    x.reshape(-1, 28, 28)[:, :, 0] = x.reshape(-1, 28, 28)[:, 0] = 0  # scipy has no soft edge
    x.reshape(-1, 28, 28)[:, :, -1] = x.reshape(-1, 28, 28)[:, -1] = 0
    planes = x.reshape(-1, 28, 28).numpy()
    expected = ndimage.rotate(planes, degrees, axes=(2, 1), reshape=False, order=1)
    found = rotate(x, degrees).reshape(-1, 28, 28).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-10)


@pytest.mark.parametrize("quarter", [-1, 1, 2, 3, 4])
def test_quarter_turns_are_counter_clockwise_rot90(quarter):
    x = batch((3, 32, 32))
    expected = torch.rot90(x.reshape(-1, 3, 32, 32), quarter, (-2, -1)).reshape(x.shape)
    found = rotate(x, 90 * quarter, image_shape=(3, 32, 32))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("image_shape", SHAPES)
def test_rotation_and_scale_against_grid_sample(image_shape):
    x = batch(image_shape)
    height, width = image_shape[-2:]
    planes = x.reshape(-1, 1, height, width)
    c, s = math.cos(0.7), math.sin(0.7)
    cases = [
        (rotate(x, math.degrees(0.7), image_shape=image_shape), (c, -s, s, c)),
        (scale(x, 1.3, image_shape=image_shape), (1 / 1.3, 0, 0, 1 / 1.3)),
    ]
    for found, (xx, xy, yx, yy) in cases:
        # x first, in units of half the width and half the height
        theta = torch.tensor([[xx, xy * height / width, 0], [yx * width / height, yy, 0]])
        grid = F.affine_grid(
            theta.double().expand(len(planes), 2, 3), list(planes.shape), align_corners=False
        )
        expected = F.grid_sample(planes, grid, align_corners=False).reshape(x.shape)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("leading", [(), (2,), (2, 3)])
def test_identity_is_exact_and_keeps_shape_and_kind(dtype, leading):
    x = torch.rand(*leading, 784, dtype=torch.float32).to(dtype)
    before = x.clone()
    for same in (translate(x, 0, 0), scale(x, 1), rotate(x, 0)):
        assert same.dtype == dtype
        assert torch.equal(same, x)
        same.zero_()
    assert torch.equal(x, before)  # results never share memory with the input


@given(dx=st.floats(-5, 5), dy=st.floats(-5, 5))
def test_a_shift_inside_the_frame_conserves_mass_and_moves_the_centre(dx, dy):
    inner = torch.rand(10, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    x = F.pad(inner, (9, 9, 9, 9)).reshape(1, 784)
    moved = translate(x, dx, dy)
    assert moved.sum().item() == pytest.approx(x.sum().item(), rel=1e-12)
    before, after = (ndimage.center_of_mass(v.reshape(28, 28).numpy()) for v in (x, moved))
    assert after == pytest.approx((before[0] + dy, before[1] + dx), abs=1e-9)


@given(dx=st.integers(-9, 9), dy=st.integers(-9, 9))
def test_whole_shifts_that_lose_nothing_can_be_undone(dx, dy):
    inner = torch.rand(10, 10, generator=torch.Generator().manual_seed(2))
    x = F.pad(inner, (9, 9, 9, 9)).reshape(1, 784)
    assert torch.equal(translate(translate(x, dx, dy), -dx, -dy), x)


@given(
    degrees=st.floats(-720, 720),
    factor=st.floats(0.2, 5),
    dx=st.floats(-40, 40),
    dy=st.floats(-40, 40),
)
def test_values_stay_within_those_of_the_image_and_zero(degrees, factor, dx, dy):
    x = torch.stack([torch.ones(784), batch((28, 28), 1, torch.float32)[0]])
    for out in (rotate(x, degrees), scale(x, factor), translate(x, dx, dy)):
        assert torch.isfinite(out).all()
        assert out.min() >= 0
        assert out.max() <= 1 + 1e-6


@given(degrees=st.floats(-180, 180))
def test_a_turn_and_its_reverse_leave_a_smooth_image_as_it_was(degrees):
    row = torch.arange(28, dtype=torch.float64) - 13.5
    bump = torch.exp(-(row[:, None] ** 2 + (row[None, :] - 3) ** 2) / 18).reshape(1, 784)
    back = rotate(rotate(bump, degrees), -degrees)
    assert (back - bump).abs().max() < 0.05


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: translate(x, math.nan, 0), ValueError, "dx must be finite, got nan"),
        (lambda x: translate(x, 0, "2"), TypeError, "dy must be a number, got '2'"),
        (lambda x: rotate(x, math.inf), ValueError, "degrees must be finite"),
        (lambda x: scale(x, 0), ValueError, "factor must be .*above 0, got 0"),
        (lambda x: scale(x, True), TypeError, "factor must be a number"),
        (lambda x: rotate(x, 5, image_shape=(3, 32, 32)), ValueError, "does not fit x of shape"),
        (lambda x: rotate(x, 5, image_shape=(784,)), ValueError, r"\(height, width\) or"),
        (lambda x: rotate(x.long(), 5), TypeError, "floating-point tensor, got torch.int64"),
        (lambda x: rotate(x.numpy(), 5), TypeError, "floating-point tensor, got float32"),
        (frame_like_mnist, ValueError, r"must be floating-point \[n, side, side\]"),
    ],
)
def test_bad_input_gets_one_line(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call(torch.zeros(2, 784))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("side", [8, 16])
def test_frame_puts_the_centre_of_mass_where_mnist_has_it(side):
    random = torch.Generator().manual_seed(side)
    images = torch.rand(50, side, side, generator=random) ** 4
    framed = frame_like_mnist(images)
    assert framed.shape == (50, 28, 28)
    assert framed.dtype == torch.float32
    for image in framed.numpy():
        assert all(13.5 <= c < 14.5 for c in ndimage.center_of_mass(image.astype(float)))
        occupied = [np.flatnonzero(image.any(axis)) for axis in (0, 1)]
        assert all(np.ptp(pixels) < 20 for pixels in occupied)


def resized_by_scipy(image: torch.Tensor) -> np.ndarray:
    # The middle of output pixel i lies at (i + 1/2) side / 20 - 1/2, kept inside the image.
    side = len(image)
    at = np.clip((np.arange(20) + 0.5) * side / 20 - 0.5, 0, side - 1)
    return ndimage.map_coordinates(image.numpy(), np.meshgrid(at, at, indexing="ij"), order=1)


@pytest.mark.parametrize("side", [8, 16, 20])
def test_frame_resizes_like_scipy_up_to_half_a_grey_level(side):
    image = torch.rand(1, side, side, generator=torch.Generator().manual_seed(side)).double()
    expected = resized_by_scipy(image[0])
    framed = frame_like_mnist(image)[0].double().numpy()
    windows = np.lib.stride_tricks.sliding_window_view(framed, (20, 20))
    assert np.abs(windows - expected).max((2, 3)).min() < 0.5 / 255 + 1e-5


@pytest.mark.parametrize("corner", [(0, 0), (0, -1), (-1, 0), (-1, -1)])
def test_frame_keeps_a_lopsided_image_whole(corner):
    images = torch.zeros(1, 16, 16, dtype=torch.float64)
    images[0][corner] = 1  # its centre of mass would drag the box out of the field
    framed = frame_like_mnist(images)
    expected = resized_by_scipy(images[0]).sum()
    assert framed.sum().item() == pytest.approx(expected, abs=0.01)
    lit = framed[0].nonzero()
    for end, first, last in zip(corner, lit[0], lit[-1], strict=True):
        assert (first == 8) if end == 0 else (last == 19)  # as near to the middle as it can be


def test_frame_leaves_a_blank_image_blank():
    assert torch.equal(frame_like_mnist(torch.zeros(2, 16, 16)), torch.zeros(2, 28, 28))


def test_framed_images_have_256_grey_levels_as_mnist_has():
    levels = 255 * frame_like_mnist(torch.rand(20, 16, 16)).double()
    assert (levels - levels.round()).abs().max() < 1e-4


def test_frame_settles_ties_upwards():
    # Resizing a constant image changes nothing, so 0.5 is half-way between levels 127 and 128.
    assert frame_like_mnist(torch.full((1, 16, 16), 0.5)).max().item() == np.float32(128 / 255)


@pytest.mark.gpu
def test_a_gpu_gives_the_same_images():
    x = batch((28, 28), dtype=torch.float32)
    for call in (lambda x: translate(x, 3, -1.5), lambda x: scale(x, 0.7), lambda x: rotate(x, 25)):
        torch.testing.assert_close(call(x.cuda()).cpu(), call(x), rtol=0, atol=1e-6)
    images = x.reshape(-1, 28, 28)[:, :16, :16]
    torch.testing.assert_close(frame_like_mnist(images.cuda()).cpu(), frame_like_mnist(images))
