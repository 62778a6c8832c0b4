"""What the machine could do: the parts of a training step that no program can leave out, timed.

On the CPU as many processes as fa_lib has threads time their parts at the same time, each on the
tensors of a network of its own and with one thread inside an operation, as the engine's threads
work. Two bounds come of it:

- `hot`: each part alone, over and over, with its tensors in the nearest cache that holds them;
- `streamed`: the parts of a step in their order, so that each finds in the caches what the others
  have left there.

On a GPU the parts work on the whole stack, and there is the first of them only. ReLU and its mask,
softmax and the gradients of biases are timed too, for an account of where time goes, but are in no
bound: they could be merged into their neighbours.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.peers import BATCH, LR
from benchmarks.timing import Part, each_alone, in_turn, repeated, repeated_on_gpu, together

Row = dict[str, object]

CPU = torch.device("cpu")

FORWARD, ERROR, GRADIENT = "forward", "error back", "weight gradient"
PRODUCTS = (FORWARD, ERROR, GRADIENT)
NOISE, IMAGES, ELEMENTWISE, ADAM = "noise", "images", "elementwise", "Adam"


@dataclass
class Tensors:
    """What a step works on, [networks, ...]; without the first axis when there is one network."""

    activations: list[Tensor]  # the inputs first
    errors: list[Tensor]
    weights: list[Tensor]
    feedback: list[Tensor]  # of all layers but the first
    gradients: list[Tensor]


def make_tensors(
    sizes: Sequence[int], networks: int, device: torch.device, dtype: torch.dtype = torch.float32
) -> Tensors:
    """Random tensors of the shapes of a step at batch 64."""

    def tensor(*shape: int, scale: float = 1.0) -> Tensor:
        made = torch.randn(networks, *shape, device=device).mul_(scale).to(dtype)
        return made[0] if networks == 1 else made

    shapes = list(itertools.pairwise(sizes))
    weights = [tensor(n_out, n_in, scale=n_in**-0.5) for n_in, n_out in shapes]
    return Tensors(
        activations=[tensor(BATCH, size) for size in sizes],
        errors=[tensor(BATCH, size, scale=1e-3) for size in sizes[1:]],
        weights=weights,
        feedback=[tensor(n_out, n_in, scale=n_in**-0.5) for n_in, n_out in shapes[1:]],
        gradients=[torch.zeros_like(weight) for weight in weights],
    )


def products(tensors: Tensors) -> dict[str, Part]:
    """The matrix products of a step."""
    multiply = torch.mm if tensors.weights[0].dim() == 2 else torch.bmm
    activations, errors = tensors.activations, tensors.errors

    def forward() -> None:
        for i, weight in enumerate(tensors.weights):
            multiply(activations[i], weight.mT, out=activations[i + 1])

    def error_back() -> None:
        for i in reversed(range(len(tensors.feedback))):
            multiply(errors[i + 1], tensors.feedback[i], out=errors[i])

    def weight_gradient() -> None:
        for i, gradient in enumerate(tensors.gradients):
            multiply(errors[i].mT, activations[i], out=gradient)

    return {FORWARD: forward, ERROR: error_back, GRADIENT: weight_gradient}


def parts_of_step(tensors: Tensors, images: int | None = None) -> dict[str, Part]:
    """The parts of a training step in their order.

    Arguments:
        images: from how many of them each network picks its batch; None draws noise.
    """
    inputs, classes = tensors.activations[0], tensors.activations[-1].shape[-1]
    source = _draw(inputs, classes) if images is None else _pick(inputs, images)
    return {
        NOISE if images is None else IMAGES: source,
        **products(tensors),
        ELEMENTWISE: _elementwise(tensors.activations[1:], tensors.errors),
        ADAM: _adam(tensors.weights, tensors.gradients),
    }


def _draw(x: Tensor, classes: int) -> Part:
    labels = torch.empty(x.shape[:-1], dtype=torch.int64, device=x.device)

    def draw() -> None:
        x.normal_()
        labels.random_(0, classes)

    return draw


def _pick(x: Tensor, images: int) -> Part:
    out = x.view(-1, x.shape[-1])
    source = torch.rand(images, x.shape[-1], device=x.device)
    rows = torch.randint(images, (64, len(out)), device=x.device)
    turn = itertools.cycle(rows)
    return lambda: torch.index_select(source, 0, next(turn), out=out)


def _elementwise(activations: list[Tensor], errors: list[Tensor]) -> Part:
    """Between the products: ReLU and its mask, the error, the gradients of the biases."""
    labels = torch.zeros_like(activations[-1][..., :1], dtype=torch.int64)
    one = -torch.ones_like(activations[-1][..., :1])
    slopes = [e.sum(-2) for e in errors]

    def elementwise() -> None:
        torch.softmax(activations[-1], -1, out=errors[-1])
        errors[-1].scatter_add_(-1, labels, one).div_(BATCH)
        for activation, error in zip(activations[:-1], errors, strict=False):
            activation.relu_()
            torch.ops.aten.threshold_backward.grad_input(error, activation, 0, grad_input=error)
        for error, slope in zip(errors, slopes, strict=True):
            torch.sum(error, -2, out=slope)

    return elementwise


def _adam(weights: list[Tensor], gradients: list[Tensor]) -> Part:
    """The kernel behind torch.optim.Adam(fused=True), on weights and biases."""
    biases = [w[..., 0].clone() for w in weights]
    parameters = [*weights, *biases]
    slopes = [*gradients, *(torch.zeros_like(b) for b in biases)]
    first = [torch.zeros_like(p) for p in parameters]
    second = [torch.zeros_like(p) for p in parameters]
    steps = [torch.ones((), device=p.device) for p in parameters]

    def adam() -> None:
        torch._fused_adam_(
            parameters,
            slopes,
            first,
            second,
            [],
            steps,
            lr=LR,
            beta1=0.9,
            beta2=0.999,
            weight_decay=0.0,
            eps=1e-8,
            amsgrad=False,
            maximize=False,
        )

    return adam


# -- Measuring -------------------------------------------------------------------------------------


def measure_parts(
    sizes: Sequence[int],
    networks: int,
    device: torch.device,
    seconds: float,
    images: int | None = None,
) -> Iterator[Row]:
    """Rows with the seconds of each part for one network and step, by both ways of timing.

    Arguments:
        networks: how many at once on a GPU; on the CPU every process has one.
        seconds: to spend on each part.
        images: as in `parts_of_step`.
    """
    if device.type == "cuda":
        parts = parts_of_step(make_tensors(sizes, networks, device), images)
        yield from _on_gpu(parts, networks, seconds)
    else:
        for way, clock in (("hot", each_alone), ("streamed", in_turn)):
            yield from _on_cpu(way, _time_parts, clock, sizes, images, seconds)


def measure_products(
    sizes: Sequence[int], networks: int, device: torch.device, seconds: float, dtype: torch.dtype
) -> Iterator[Row]:
    """Rows as those of `measure_parts`, of the matrix products alone, hot, in any precision."""
    if device.type == "cuda":
        parts = products(make_tensors(sizes, networks, device, dtype))
        yield from _on_gpu(parts, networks, seconds)
    else:
        yield from _on_cpu("hot", _time_products, sizes, dtype, seconds)


def _on_gpu(parts: dict[str, Part], networks: int, seconds: float) -> Iterator[Row]:
    found = {name: repeated_on_gpu(part, seconds) for name, part in parts.items()}
    yield from _rows("hot", found, networks)


def _on_cpu(way: str, job: Callable[..., dict[str, float]], *arguments: object) -> Iterator[Row]:
    processes = torch.get_num_threads()
    yield from _rows(way, together(processes, job, *arguments), processes)


Clock = Callable[[dict[str, Part], float], dict[str, float]]


def _time_parts(
    clock: Clock, sizes: Sequence[int], images: int | None, seconds: float
) -> dict[str, float]:
    return clock(parts_of_step(make_tensors(sizes, 1, CPU), images), seconds)


def _time_products(sizes: Sequence[int], dtype: torch.dtype, seconds: float) -> dict[str, float]:
    return each_alone(products(make_tensors(sizes, 1, CPU, dtype)), seconds)


def _time_random_numbers(count: int, seconds: float) -> dict[str, float]:
    return {"s": repeated(torch.empty(count).normal_, seconds)}


def _rows(way: str, seconds: dict[str, float], networks: int) -> Iterator[Row]:
    """Rows from the seconds in which each part was done for so many networks."""
    for part, value in seconds.items():
        yield {"method": way, "quantity": part, "unit": "s", "value": value / networks}


def measure_machine(device: torch.device, seconds: float) -> Iterator[Row]:
    """Rows with what the whole device does at its best, for context."""
    million = 1 << 20
    square = [torch.randn(2048, 2048, device=device) for _ in range(3)]
    long = [torch.zeros(64 * million, device=device) for _ in range(2)]
    numbers = 16 * million
    # name, part, how much of the unit a call does
    tasks: list[tuple[str, str, Part, float]] = [
        ("matrix product", "GFLOP/s", lambda: torch.mm(*square[:2], out=square[2]), 2 * 2.048**3),
        ("copy", "GB/s", lambda: long[0].copy_(long[1]), 2 * 4 * long[0].numel() / 1e9),
    ]
    time_of = repeated_on_gpu if device.type == "cuda" else repeated
    for name, unit, part, amount in tasks:
        yield {"quantity": name, "unit": unit, "value": amount / time_of(part, seconds)}
    if device.type == "cuda":
        took = repeated_on_gpu(torch.empty(numbers, device=device).normal_, seconds)
    else:
        processes = torch.get_num_threads()
        took = together(processes, _time_random_numbers, numbers // processes, seconds)["s"]
    yield {"quantity": "random numbers", "unit": "10^9/s", "value": numbers / took / 1e9}
