"""A run of a moment through all that numbers rest on: code that gives other numbers shows in it.

Two networks under each rule are trained on noise and on data, and measured in every way that the
package has. Stored results keep what came out when they were made; whoever uses them compares.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fa_lib.data import Dataset, Split, stratified_indices, validation_split
from fa_lib.history import History
from fa_lib.metrics import (
    effective_dimensionality,
    evaluate,
    gradient_alignment,
    kl_from_uniform,
    readout_deviation,
    update_directions,
)
from fa_lib.networks import MLP
from fa_lib.noise import Noise
from fa_lib.ranks import entropy_rank, smallest_rank, squared_singular_values, stable_rank
from fa_lib.training import fit, pretrain
from fa_lib.transforms import frame_like_mnist, rotate, scale, translate

__all__ = ["PROBE_TOLERANCE", "differing", "probe"]

# Another processor rounds float32 sums in another order, which adds up to 1e-6 of a value in these
# 120 steps. Another draw, rule, optimiser or measure moves the numbers by far more than this.
PROBE_TOLERANCE = 1e-4

RUNS = {
    "bp": ("bp", [20, 16, 5], Noise(), "adam", 1e-3),
    "fa": ("fa", [20, 16, 5], Noise(), "adam", 1e-3),
    "fa, deep, uniform noise": ("fa", [20, 12, 9, 5], Noise("uniform", 0.5, 0.5), "sgd", 0.05),
    "fa, Bernoulli, soft target": (
        "fa",
        [20, 16, 5],
        Noise("bernoulli", target="uniform"),
        "adam",
        1e-3,
    ),
}

Numbers = dict[str, list[float]]


@functools.cache
def probe(code: str) -> Numbers:
    """What comes out of each part, two or more numbers by its name; not to be changed.

    Kept in the user's cache folder, for each version of the code.

    Arguments:
        code: what tells this code, and what it runs on, from others.
    """
    import platformdirs

    kept = platformdirs.user_cache_path("fa_lib", appauthor=False) / f"probe-{code}.json"
    with contextlib.suppress(OSError, ValueError):
        if _are_numbers(found := json.loads(kept.read_text())):
            return dict(found)
    found = _run_all()
    with contextlib.suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        whole = kept.with_name(f".{kept.name}.{os.getpid()}")
        whole.write_text(json.dumps(found))
        whole.replace(kept)
    return found


def _are_numbers(found: Any) -> bool:
    """Whether that is what a probe gives: numbers of all RUNS and more."""
    return (
        isinstance(found, dict)
        and all(isinstance(x, float) for numbers in found.values() for x in numbers)
        and all(any(name.startswith(f"{run}: ") for name in found) for run in RUNS)
    )


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """More would only wait for each other here."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _run_all() -> Numbers:
    found: Numbers = {}
    with _one_thread():
        for name in RUNS:
            found |= {f"{name}: {part}": numbers for part, numbers in run(name).items()}
    pictures, shape = data().x[:3, :16].abs(), (4, 4)
    moved = {
        "translate": translate(pictures, 1.5, -0.5, image_shape=shape),
        "rotate": rotate(pictures, 20.0, image_shape=shape),
        "scale": scale(pictures, 0.8, image_shape=shape),
        "frame_like_mnist": frame_like_mnist(pictures.reshape(-1, *shape)),
    }
    found |= {name: moments(images) for name, images in moved.items()}
    uneven = data().y[:51].clamp(max=3)  # classes of several sizes
    for name, labels, n in (("", data().y, 15), (", uneven", uneven, 17)):
        drawn = stratified_indices(labels, n, seed=3)
        found[f"stratified_indices{name}"] = drawn.double().tolist()
    whole = Dataset("probe", data(), data(), 5, (20,), "")
    found["validation_split"] = moments(validation_split(whole, 13).test.x)
    return found


def data() -> Split:
    """Sixty inputs of twenty features, in five classes."""
    return Split(torch.arange(60 * 20).reshape(60, 20).mul(0.7).sin(), torch.arange(60) % 5)


def run(name: str) -> Numbers:
    """Of one entry of RUNS: the last record of noise and of data training, and other measures."""
    rule, sizes, noise, optimizer, lr = RUNS[name]
    net, split = MLP(sizes, rule=rule, seeds=[0, 1], device="cpu"), data()
    how: dict[str, Any] = {"lr": lr, "optimizer": optimizer, "batch_size": 16}
    how |= {"record_every": 60, "progress": False}
    before = pretrain(net, steps=60, noise=noise, **how)
    after = fit(net, split, epochs=15, test=split, **how)
    first, logits = net.weights[0], net(split.x)
    squared = squared_singular_values(first)
    return {
        **_last("noise", before),
        **_last("data", after),
        "evaluate": torch.cat(evaluate(net, split)).tolist(),
        "effective_dimensionality": effective_dimensionality(first).tolist(),
        "entropy_rank": entropy_rank(squared.sqrt()).tolist(),
        "stable_rank": stable_rank(squared).tolist(),
        "smallest_rank": smallest_rank(net, split.x, split.y).double().tolist(),
        "gradient_alignment": gradient_alignment(net, split.x, split.y).flatten().tolist(),
        "update_directions": moments(*update_directions(net, rule, split.x, split.y)),
        "kl_from_uniform": kl_from_uniform(logits).tolist(),
        "readout_deviation": readout_deviation(logits).tolist(),
    }


def _last(phase: str, history: History) -> Numbers:
    """What was recorded last, by metric."""
    frame = history.frame
    rows = frame[frame["step"] == frame["step"].max()].groupby("metric")["value"]
    return {f"{phase}, {metric}": values.tolist() for metric, values in rows}


def moments(*tensors: Tensor) -> list[float]:
    """Root mean square of the entries, and of the entries times their place."""
    flat = torch.cat([tensor.double().flatten() for tensor in tensors])
    place = torch.linspace(-1, 1, len(flat), dtype=torch.float64)
    return [float(part.square().mean().sqrt()) for part in (flat, flat * place)]


def differing(stored: Mapping[str, list[float]], now: Mapping[str, list[float]]) -> list[str]:
    """The parts of two probes whose numbers differ by more than PROBE_TOLERANCE.

    A part that is new says nothing, as a version may look at more than another; one that is gone
    differs.
    """
    missing = [name for name in stored if name not in now] if stored else ["all of it"]
    return missing + [n for n in now if n in stored and not _close(stored[n], now[n])]


def _close(before: list[float], after: list[float]) -> bool:
    return len(before) == len(after) and np.allclose(
        before, after, rtol=PROBE_TOLERANCE, atol=1e-6, equal_nan=True
    )
