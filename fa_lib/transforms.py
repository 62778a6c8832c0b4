"""Shift, scale and rotate batches of flattened images, and frame small digits as MNIST's are."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F

from fa_lib._checks import finite_float, positive_float

__all__ = ["frame_like_mnist", "rotate", "scale", "translate"]

_MNIST_SHAPE = (28, 28)
_BOX, _FIELD = 20, 28  # MNIST: the digit fills a 20x20 box inside a field of 28x28


def translate(
    x: torch.Tensor, dx: float, dy: float, *, image_shape: Sequence[int] = _MNIST_SHAPE
) -> torch.Tensor:
    """Shift images by `dx` pixels to the right and `dy` pixels down; zeros come in at the edges.

    Whole-pixel shifts are exact, others bilinear.

    Args:
        x: images `[..., features]`, floating point, any device; features are the flattened
            `image_shape`, channel first.
        dx: pixels to the right, negative to the left.
        dy: pixels down, negative up.
        image_shape: `(height, width)` or `(channels, height, width)`.

    Returns:
        The shifted images, of the shape, kind and device of `x`.

    Raises:
        TypeError: `x` is not a floating-point tensor, or a shift is no number.
        ValueError: `image_shape` does not fit `x`, or a shift is not finite.
    """
    shift = (-finite_float(dy, "dy"), -finite_float(dx, "dx"))
    return _resample(x, ((1.0, 0.0), (0.0, 1.0)), shift, image_shape)


def scale(
    x: torch.Tensor, factor: float, *, image_shape: Sequence[int] = _MNIST_SHAPE
) -> torch.Tensor:
    """Magnify images about their centre by `factor`; below 1 they shrink and zeros come in.

    Bilinear, without smoothing first: fine from about 0.5 upwards. Arguments, result and errors
    as in `translate`, and ValueError for a `factor` that is not above 0.
    """
    step = 1 / positive_float(factor, "factor")
    return _resample(x, ((step, 0.0), (0.0, step)), (0.0, 0.0), image_shape)


def rotate(
    x: torch.Tensor, degrees: float, *, image_shape: Sequence[int] = _MNIST_SHAPE
) -> torch.Tensor:
    """Turn images counter-clockwise, as seen, about their centre; zeros come in at the corners.

    Bilinear. Arguments, result and errors as in `translate`.
    """
    angle = math.radians(finite_float(degrees, "degrees"))
    sine, cosine = math.sin(angle), math.cos(angle)
    return _resample(x, ((cosine, sine), (-sine, cosine)), (0.0, 0.0), image_shape)


def frame_like_mnist(images: torch.Tensor, *, by_mass: bool = True) -> torch.Tensor:
    """Frame digits as MNIST's are: resized to 20x20, the centre of mass in the middle of 28x28.

    MNIST moves each digit by whole pixels, so that its centre of mass lies between 13.5 and 14.5,
    counted in pixels from 0, and has 256 grey levels. The same is done here, except that no part
    of the 20x20 box ever leaves the field.

    Args:
        images: square images `[n, side, side]` in [0, 1], floating point.
        by_mass: False leaves the 20x20 box in the middle of the field, wherever its mass is.

    Returns:
        `[n, 28, 28]`, float32, multiples of 1/255.

    Raises:
        ValueError: the images are not floating-point `[n, side, side]`.
    """
    if images.ndim != 3 or images.shape[1] != images.shape[2] or not images.is_floating_point():
        raise ValueError(
            "images must be floating-point [n, side, side],"
            f" got {images.dtype} of shape {tuple(images.shape)}."
        )
    resized = F.interpolate(
        images.double().unsqueeze(1), size=(_BOX, _BOX), mode="bilinear", antialias=True
    ).squeeze(1)
    # Ties between two grey levels are common, and float rounding would settle them differently
    # from machine to machine: a nudge far above float64's error lifts them all.
    levels = (255 * resized + 1e-6).round()

    device = images.device
    pixel = torch.arange(_BOX, device=device)
    mass = levels.sum((1, 2)).clamp(min=1)  # a blank image stays blank wherever it is put

    def box_start(profile: torch.Tensor) -> torch.Tensor:
        if not by_mass:
            return torch.full((len(images),), (_FIELD - _BOX) // 2, device=device)
        center = (profile * pixel).sum(1) / mass
        return (13.5 - center).ceil().clamp(0, _FIELD - _BOX).long()

    rows = box_start(levels.sum(2))[:, None] + pixel
    columns = box_start(levels.sum(1))[:, None] + pixel
    field = torch.zeros(len(images), _FIELD, _FIELD, dtype=torch.float32, device=device)
    image = torch.arange(len(images), device=device)
    field[image[:, None, None], rows[:, :, None], columns[:, None, :]] = levels.float()
    return field / 255


def _resample(
    x: torch.Tensor,
    matrix: tuple[tuple[float, float], tuple[float, float]],
    shift: tuple[float, float],
    image_shape: Sequence[int],
) -> torch.Tensor:
    """Bilinear sampling: the pixel at p (row, column from the centre) shows the input at M p + s.

    Written out instead of torch's grid_sample, whose coordinates are rounded to the precision of
    the image: here they are float64, so that whole-pixel shifts and the identity are exact.
    """
    if not isinstance(x, torch.Tensor) or not x.is_floating_point():
        raise TypeError(
            f"x must be a floating-point tensor, got {getattr(x, 'dtype', type(x).__name__)}."
        )
    shape = tuple(image_shape)
    if len(shape) not in (2, 3) or x.ndim == 0 or x.shape[-1] != math.prod(shape):
        raise ValueError(
            f"image_shape {shape} does not fit x of shape {tuple(x.shape)}: it must be"
            " (height, width) or (channels, height, width), and multiply to the last axis of x."
        )
    height, width = shape[-2:]
    row = torch.arange(height, dtype=torch.float64).sub((height - 1) / 2)[:, None]
    column = torch.arange(width, dtype=torch.float64).sub((width - 1) / 2)[None, :]
    rows = matrix[0][0] * row + matrix[0][1] * column + shift[0] + (height - 1) / 2
    columns = matrix[1][0] * row + matrix[1][1] * column + shift[1] + (width - 1) / 2

    images = x.reshape(-1, height * width)
    result = torch.zeros_like(images)
    for corner_row in (rows.floor(), rows.floor() + 1):
        for corner_column in (columns.floor(), columns.floor() + 1):
            inside = (corner_row >= 0) & (corner_row < height)
            inside &= (corner_column >= 0) & (corner_column < width)
            weight = (1 - (rows - corner_row).abs()) * (1 - (columns - corner_column).abs())
            index = corner_row.clamp(0, height - 1) * width + corner_column.clamp(0, width - 1)
            result += images[:, index.long().flatten().to(x.device)] * (
                (weight * inside).flatten().to(x.device, x.dtype)
            )
    return result.reshape(x.shape)
