"""A third opinion on a layer's gradients: the sums in their definition, in NumPy, float64.

Linear layers, as convolutions of images of one pixel, and convolutions with stride, padding,
dilation and groups, under the rules that fa_lib and biotorch both have. Slow, and obviously right.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

Array = NDArray[np.float64]


def numbers(tensor: Tensor) -> Array:
    """The same in NumPy, float64."""
    return tensor.detach().numpy().astype(np.float64)


def _meetings(layer: Any, x: Array) -> Iterator[tuple[int, int, int, int, int, int]]:
    """Row and column of an output, row and column in the kernel, and of the pixel that meet there.

    A linear layer is a convolution of images of one pixel.
    """
    how = layer if isinstance(layer, nn.Conv2d) else nn.Conv2d(1, 1, 1)
    size, dilation = how.kernel_size, how.dilation
    reach = [dilation[k] * (size[k] - 1) for k in (0, 1)]
    around = [reach[k] // 2 if how.padding == "same" else int(how.padding[k]) for k in (0, 1)]
    ends = [x.shape[2 + k] + 2 * around[k] - reach[k] for k in (0, 1)]
    places = [range(0, ends[k], how.stride[k]) for k in (0, 1)]
    for (r, top), (c, left) in itertools.product(*map(enumerate, places)):
        for i, j in itertools.product(*map(range, size)):
            row = top + i * dilation[0] - around[0]
            column = left + j * dilation[1] - around[1]
            if how.padding_mode == "circular":
                row, column = row % x.shape[2], column % x.shape[3]
            if 0 <= row < x.shape[2] and 0 <= column < x.shape[3]:
                yield r, c, i, j, row, column


def _groups(layer: Any, weight: Array) -> Iterator[tuple[slice, slice]]:
    """Output and input channels that belong together."""
    groups = getattr(layer, "groups", 1)
    outputs, inputs = weight.shape[0] // groups, weight.shape[1]
    for g in range(groups):
        yield slice(g * outputs, (g + 1) * outputs), slice(g * inputs, (g + 1) * inputs)


def as_images(array: Array) -> Array:
    """Inputs, errors or weights of a linear layer with a height and width of one."""
    return array if array.ndim == 4 else array[:, :, None, None]


def forward(layer: Any, x: Array) -> Array:
    """Outputs [B, out, height, width] of a layer for x [B, in, height, width]."""
    weight = as_images(numbers(layer.weight))
    met = list(_meetings(layer, x))
    out = np.zeros((len(x), len(weight), 1 + max(m[0] for m in met), 1 + max(m[1] for m in met)))
    for r, c, i, j, row, column in met:
        for outs, ins in _groups(layer, weight):
            out[:, outs, r, c] += x[:, ins, row, column] @ weight[outs, :, i, j].T
    return out if layer.bias is None else out + numbers(layer.bias)[:, None, None]


def backward(layer: Any, x: Array, carrier: Array, error: Array) -> dict[str, Array]:
    """Gradients at input, weight and bias of a layer whose error goes back through `carrier`.

    Arguments:
        x: [B, in, height, width], or [B, in] for a linear layer.
        carrier: of the weight's shape.
        error: of the outputs' shape.
    """
    shape, x, error, back = x.shape, as_images(x), as_images(error), as_images(carrier)
    at_input, at_weight = np.zeros(x.shape), np.zeros(back.shape)
    for r, c, i, j, row, column in _meetings(layer, x):
        for outs, ins in _groups(layer, back):
            at_input[:, ins, row, column] += error[:, outs, r, c] @ back[outs, :, i, j]
            at_weight[outs, :, i, j] += error[:, outs, r, c].T @ x[:, ins, row, column]
    found = {"input": at_input.reshape(shape), "weight": at_weight.reshape(carrier.shape)}
    return found if layer.bias is None else {**found, "bias": error.sum((0, 2, 3))}


def carrier(rule: str, layer: Any, drawn: Tensor) -> Array:
    """The matrix or kernels through which a layer's error goes back, from the rule's paper.

    Arguments:
        drawn: what brSF takes the magnitudes of.
    """
    weight, feedback = numbers(layer.weight), numbers(layer.feedback)
    if rule == "fa":
        return feedback
    size = math.sqrt(2 / math.prod(weight.shape[1:]))
    sizes = {"usf": np.full(weight.shape, size), "brsf": np.abs(numbers(drawn))}
    return np.sign(weight) * sizes.get(rule, np.abs(feedback))


def dfa(net: Any, x: Array, y: Array) -> dict[str, Array]:
    """Gradients in a chain under direct feedback alignment (Nokland 2016), ReLU between its layers.

    Of the mean cross-entropy, at every weight and bias, and at the input of each layer but the
    first: as "weight 2", with the layers' names.

    Arguments:
        net: a converted chain.
        x, y: inputs, and labels [B].
    """
    layers = [net.get_submodule(name) for name in net.converted]
    inputs, outputs = [], [x]
    for layer in layers:
        h = np.maximum(outputs[-1], 0) if inputs else x
        inputs.append(h.reshape(len(h), -1) if isinstance(layer, nn.Linear) else h)
        outputs.append(forward(layer, as_images(inputs[-1])))
    logits = outputs[-1][:, :, 0, 0]
    p = np.exp(logits - logits.max(1, keepdims=True))
    error = output = (p / p.sum(1, keepdims=True) - np.eye(logits.shape[1])[y]) / len(y)
    found: dict[str, Array] = {}
    for k in reversed(range(len(layers))):
        name = net.converted[k]
        learned = backward(layers[k], inputs[k], numbers(layers[k].weight), error)
        found |= {f"{kind} {name}": learned[kind] for kind in learned if kind != "input"}
        if k:
            sent = output @ numbers(getattr(net, f"feedback_{name}"))
            found[f"input {name}"] = sent.reshape(inputs[k].shape)
            error = sent.reshape(outputs[k].shape) * (outputs[k] > 0)
    return found
