"""What the machine could do: the parts of a training step that no program can leave out, timed.

On the CPU as many threads as fa_lib uses time their parts at the same time, each on the tensors of
a network of its own and with one thread inside an operation, since that is how the engine works.
Two bounds come of it:

- `hot`: each part alone, over and over, with its tensors in the nearest cache that holds them;
- `streamed`: the parts of a step in their order, so that each finds in the caches what the others
  have left there.

On a GPU the parts work on the whole stack, and there is the first of them only. ReLU and its mask,
softmax and the gradients of biases are timed too, for an account of where time goes, but are in no
bound: they could be merged into their neighbours.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from benchmarks.peers import BATCH, LR

Part = Callable[[], object]
Row = dict[str, object]

FORWARD, ERROR, GRADIENT = "forward", "error back", "weight gradient"
PRODUCTS = (FORWARD, ERROR, GRADIENT)
NOISE, IMAGES, ELEMENTWISE, ADAM = "noise", "images", "elementwise", "Adam"


def parts_of_step(
    sizes: Sequence[int],
    networks: int,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    images: Tensor | None = None,
) -> dict[str, Part]:
    """The parts of a training step of so many networks at once, each on the same tensors.

    Arguments:
        dtype: of the matrix products; other than float32 leaves out all else.
        images: [n, features]; with them there is a part that picks each network's batch.
    """

    def tensor(*shape: int, scale: float = 1.0) -> Tensor:
        made = torch.randn(networks, *shape, device=device).mul_(scale).to(dtype)
        return made[0] if networks == 1 else made

    multiply = torch.mm if networks == 1 else torch.bmm
    shapes = list(itertools.pairwise(sizes))
    x = tensor(BATCH, sizes[0])
    activations = [x, *(tensor(BATCH, n_out) for _, n_out in shapes)]
    errors = [tensor(BATCH, n_out, scale=1e-3) for _, n_out in shapes]
    weights = [tensor(n_out, n_in, scale=n_in**-0.5) for n_in, n_out in shapes]
    feedback = [tensor(n_out, n_in, scale=n_in**-0.5) for n_in, n_out in shapes[1:]]
    gradients = [torch.zeros_like(w) for w in weights]

    def forward() -> None:
        for i, weight in enumerate(weights):
            multiply(activations[i], weight.mT, out=activations[i + 1])

    def error_back() -> None:
        for i in reversed(range(len(feedback))):
            multiply(errors[i + 1], feedback[i], out=errors[i])

    def weight_gradient() -> None:
        for i, gradient in enumerate(gradients):
            multiply(errors[i].mT, activations[i], out=gradient)

    products: dict[str, Part] = {FORWARD: forward, ERROR: error_back, GRADIENT: weight_gradient}
    if dtype != torch.float32:
        return products
    parts = {NOISE: _draw(x, networks, sizes[-1])}
    if images is not None:
        parts[IMAGES] = _pick(x, networks, images)
    small = _elementwise(activations[1:], errors)
    return {**parts, **products, ELEMENTWISE: small, ADAM: _adam(weights, gradients)}


def _draw(x: Tensor, networks: int, classes: int) -> Part:
    labels = torch.empty(networks * BATCH, dtype=torch.int64, device=x.device)
    # Threads that share a generator wait for each other.
    generator = torch.Generator(x.device)

    def draw() -> None:
        x.normal_(generator=generator)
        labels.random_(0, classes, generator=generator)

    return draw


def _pick(x: Tensor, networks: int, images: Tensor) -> Part:
    out = x.view(networks * BATCH, -1)
    rows = torch.randint(len(images), (64, len(out)), device=x.device)
    turn = itertools.cycle(rows)
    return lambda: torch.index_select(images, 0, next(turn), out=out)


def _elementwise(activations: list[Tensor], errors: list[Tensor]) -> Part:
    """Between the products: ReLU and its mask, the error, the gradients of the biases."""
    on = [torch.empty_like(a, dtype=torch.bool) for a in activations[:-1]]
    labels = torch.zeros_like(activations[-1][..., :1], dtype=torch.int64)
    one = -torch.ones_like(activations[-1][..., :1])
    slopes = [e.sum(-2) for e in errors]

    def elementwise() -> None:
        torch.softmax(activations[-1], -1, out=errors[-1])
        errors[-1].scatter_add_(-1, labels, one).div_(BATCH)
        for activation, error, mask in zip(activations[:-1], errors, on, strict=False):
            activation.relu_()
            torch.gt(activation, 0, out=mask)
            error.mul_(mask)
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


# -- Timing ----------------------------------------------------------------------------------------


def repeated(part: Part, seconds: float) -> float:
    """Seconds a call of one part, over and over."""
    part()
    calls, began = 0, time.perf_counter()
    while (took := time.perf_counter() - began) < seconds:
        part()
        calls += 1
    return took / calls


def in_turn(parts: dict[str, Part], seconds: float) -> dict[str, float]:
    """Seconds a call of each part, all of them called one after the other."""
    took = dict.fromkeys(parts, 0.0)
    rounds, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds or rounds < 2:
        for name, part in parts.items():
            start = time.perf_counter()
            part()
            if rounds:  # the first one warms up
                took[name] += time.perf_counter() - start
        rounds += 1
    return {name: total / (rounds - 1) for name, total in took.items()}


def repeated_on_gpu(part: Part, seconds: float) -> float:
    """Seconds a call of one part on a GPU, with many calls in flight."""

    def run(calls: int) -> float:
        torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(calls):
            part()
        torch.cuda.synchronize()
        return time.perf_counter() - began

    run(3)
    calls = max(3, round(seconds / (run(10) / 10)))
    return run(calls) / calls


def together(threads: int, job: Callable[[], dict[str, float]]) -> dict[str, float]:
    """Run a job in every thread at the same time, one thread inside operations; the means."""
    before = torch.get_num_threads()
    start = threading.Barrier(threads)

    def in_thread() -> dict[str, float]:
        torch.set_num_threads(1)
        start.wait()
        return job()

    try:
        with ThreadPoolExecutor(threads) as pool:
            done = [pool.submit(in_thread) for _ in range(threads)]
            found = [each.result() for each in done]
    finally:
        torch.set_num_threads(before)  # a thread sets the number for threads to come
    return {name: sum(each[name] for each in found) / threads for name in found[0]}


def measure_parts(
    sizes: Sequence[int],
    networks: int,
    device: torch.device,
    seconds: float,
    images: Tensor | None = None,
    dtype: torch.dtype = torch.float32,
) -> Iterator[Row]:
    """Rows with the seconds of each part for one network and step, by both ways of timing.

    Arguments:
        networks: how many at once on a GPU; on the CPU every thread has one.
        seconds: to spend on each part.
    """
    if device.type == "cuda":
        parts = parts_of_step(sizes, networks, device, dtype, images)
        found = {name: repeated_on_gpu(part, seconds) for name, part in parts.items()}
        yield from _rows("hot", found, networks)
        return
    threads = torch.get_num_threads()

    def hot() -> dict[str, float]:
        parts = parts_of_step(sizes, 1, device, dtype, images)
        return {name: repeated(part, seconds) for name, part in parts.items()}

    def streamed(left_out: str) -> dict[str, float]:
        parts = parts_of_step(sizes, 1, device, dtype, images)
        parts = {name: part for name, part in parts.items() if name != left_out}
        return in_turn(parts, seconds * len(parts))

    yield from _rows("hot", together(threads, hot), threads)
    if dtype == torch.float32:
        yield from _rows("streamed", together(threads, lambda: streamed(IMAGES)), threads)


def _rows(way: str, seconds: dict[str, float], networks: int) -> Iterator[Row]:
    for part, value in seconds.items():
        yield {"method": way, "quantity": part, "unit": "s", "value": value / networks}


def measure_machine(device: torch.device, seconds: float) -> Iterator[Row]:
    """Rows with what the whole device does at its best, for context."""
    million = 1 << 20
    square = [torch.randn(2048, 2048, device=device) for _ in range(3)]
    long = [torch.zeros(64 * million, device=device) for _ in range(2)]
    numbers = torch.empty(16 * million, device=device)
    # name, part, how much of the unit a call does
    tasks: list[tuple[str, str, Part, float]] = [
        ("matrix product", "GFLOP/s", lambda: torch.mm(*square[:2], out=square[2]), 2 * 2.048**3),
        ("copy", "GB/s", lambda: long[0].copy_(long[1]), 2 * 4 * long[0].numel() / 1e9),
    ]
    time_of = repeated_on_gpu if device.type == "cuda" else repeated
    for name, unit, part, amount in tasks:
        yield {"quantity": name, "unit": unit, "value": amount / time_of(part, seconds)}
    threads = 1 if device.type == "cuda" else torch.get_num_threads()

    def random() -> dict[str, float]:
        part = numbers.chunk(threads)[0].clone()
        generator = torch.Generator(device)
        return {"s": time_of(lambda: part.normal_(generator=generator), seconds)}

    took = (random() if device.type == "cuda" else together(threads, random))["s"]
    yield {"quantity": "random numbers", "unit": "10^9/s", "value": len(numbers) / took / 1e9}
