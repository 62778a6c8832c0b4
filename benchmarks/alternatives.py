"""What is said to make training faster, tried: torch.compile."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

import fa_lib as fa
from benchmarks.ceilings import Row
from benchmarks.peers import BATCH, LR
from benchmarks.timing import clocked, repeated, repeated_on_gpu


def functional_step(
    weights: list[Tensor],
    biases: list[Tensor],
    feedback: list[Tensor],
    first: list[Tensor],
    second: list[Tensor],
    step: Tensor,
    x: Tensor,
    y: Tensor,
) -> None:
    """One step of FA and Adam, in place: plain operations for a compiler to merge.

    Shapes as in `fa.MLP`; `first` and `second` are Adam's moments of weights, then biases.
    """
    layers = [x]
    for i, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        z = torch.baddbmm(bias.unsqueeze(1), layers[-1], weight.mT)
        layers.append(z.relu() if i < len(weights) - 1 else z)
    one_hot = torch.nn.functional.one_hot(y, biases[-1].shape[1])
    error = (layers[-1].softmax(-1) - one_hot) / x.shape[1]
    slopes: list[tuple[Tensor, Tensor]] = []
    for i in reversed(range(len(weights))):
        slopes.insert(0, (torch.bmm(error.mT, layers[i]), error.sum(1)))
        if i:
            error = torch.bmm(error, feedback[i]) * (layers[i] > 0)
    step.add_(1)
    parameters = [*weights, *biases]
    gradients = [*(w for w, _ in slopes), *(b for _, b in slopes)]
    for p, g, m, v in zip(parameters, gradients, first, second, strict=True):
        m.lerp_(g, 0.1)
        v.mul_(0.999).addcmul_(g, g, value=0.001)
        scale = (v / (1 - 0.999**step)).sqrt() + 1e-8
        p.sub_(LR / (1 - 0.9**step) * m / scale)


def measure_compile(
    sizes: Sequence[int],
    networks: int,
    device: torch.device,
    seconds: float,
    compiled: Callable[..., None] | None = None,
) -> Iterator[Row]:
    """Rows with the seconds of a step on given batches, compiled and not, and of the compiling.

    The step that is not compiled is fa_lib's: `compute_gradients` and fused Adam.

    Raises:
        Exception: whatever torch.compile raises where it cannot work, as without a C++ compiler.
    """
    net = fa.MLP(sizes, rule="fa", seeds=range(networks), device=device)
    x = torch.randn(networks, BATCH, sizes[0], device=device)
    y = torch.randint(sizes[-1], (networks, BATCH), device=device)
    net.compute_gradients(x, y)
    optimiser = torch.optim.Adam(net.parameters(), lr=LR, fused=True)

    def ours() -> None:
        net.compute_gradients(x, y)
        optimiser.step()

    moments = [[torch.zeros_like(p) for p in net.parameters()] for _ in range(2)]
    state = (net.weights, net.biases, net.feedback, *moments, torch.zeros((), device=device))
    with tempfile.TemporaryDirectory() as folder:
        # An empty cache, or the second run of the benchmark would say that compiling is free.
        before = os.environ.get("TORCHINDUCTOR_CACHE_DIR")
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder
        try:
            step = compiled or torch.compile(functional_step, fullgraph=True)
            warm_up = clocked(lambda: step(*state, x, y), device)
            times = {"compiled": _a_call(lambda: step(*state, x, y), seconds, device)}
        finally:
            os.environ.pop("TORCHINDUCTOR_CACHE_DIR")
            if before is not None:
                os.environ["TORCHINDUCTOR_CACHE_DIR"] = before
    times["not compiled"] = _a_call(ours, seconds, device)
    yield {"method": "compiled", "quantity": "warm-up", "unit": "s", "value": warm_up}
    for method, value in times.items():
        yield {"method": method, "quantity": "step", "unit": "s", "value": value}


def _a_call(call: Callable[[], None], seconds: float, device: torch.device) -> float:
    return (repeated_on_gpu if device.type == "cuda" else repeated)(call, seconds)
