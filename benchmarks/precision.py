"""Fewer digits in the matrix products: how much faster, and what they do to what is learned.

Precisions are float32, bfloat16 (`MLP(..., compute_dtype=torch.bfloat16)`) and TF32, which GPUs
have: on a CPU its effect alone is measured, with the factors of every product rounded as on a GPU.
In each of them

- speed: ten networks (on a GPU 128) of three sizes train on noise, and the matrix products of a
  step are made alone, the precisions in turns;
- effect: the same ten seeds of 784-512-10 train on noise, then on mnist5k with and without that
  noise, and what the paper is about is measured, so that every difference is one of a seed to
  itself.

The result is stored as results/speed/precision; from a processor without AVX-512, which has no
units for bfloat16, as precision-avx2 or so; from one with units for whole tiles of it as
precision-amx; from a GPU as precision-cuda. Run it on an idle machine, from the repository's root:

    python -m benchmarks.precision
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import math
import os
import shlex
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from unittest import mock

import pandas as pd
import torch

import fa_lib as fa
from benchmarks import ceilings
from benchmarks.workloads import NOISE_SIZES, Contender, train_fa_lib
from fa_lib import results
from fa_lib._device import resolve_device
from fa_lib.metrics import kl_from_uniform

PRECISIONS = ("float32", "tf32", "bfloat16")
SIZES = (784, 512, 10)
DATASET = "mnist5k"
NETWORKS = {"cpu": 10, "cuda": 128}  # of the speed; the effect has SEEDS
SEEDS = tuple(range(10))
REPEATS, SECONDS = 5, 1.0
NOISE_STEPS, EPOCHS, LR = 5000, 10, 1e-4


def precisions(device: torch.device) -> tuple[str, ...]:
    """Those that the device has a way of its own to compute in."""
    return PRECISIONS if device.type == "cuda" else ("float32", "bfloat16")


@contextlib.contextmanager
def tensor_float(allowed: bool) -> Iterator[None]:
    """Allow TF32 in matrix products on a GPU, or not."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = allowed
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def rounded_to_tf32(x: torch.Tensor) -> torch.Tensor:
    """The nearest numbers with ten bits after the point; of two as near, the one farther from zero.

    As a GPU rounds the factors of a product in TF32, whose sums are float32's.
    """
    return (x.contiguous().view(torch.int32) + 0x1000).bitwise_and(~0x1FFF).view(torch.float32)


@contextlib.contextmanager
def emulated_tensor_float() -> Iterator[None]:
    """Matrix products on a CPU with their factors rounded to TF32."""
    bmm, baddbmm = torch.bmm, torch.baddbmm

    def rounding_bmm(a: torch.Tensor, b: torch.Tensor, **out: torch.Tensor) -> torch.Tensor:
        return bmm(rounded_to_tf32(a), rounded_to_tf32(b), **out)

    def rounding_baddbmm(
        c: torch.Tensor, a: torch.Tensor, b: torch.Tensor, **out: torch.Tensor
    ) -> torch.Tensor:
        return baddbmm(c, rounded_to_tf32(a), rounded_to_tf32(b), **out)

    with (
        mock.patch.object(torch, "bmm", rounding_bmm),
        mock.patch.object(torch, "baddbmm", rounding_baddbmm),
    ):
        yield


def network(
    sizes: Sequence[int], precision: str, seeds: Iterable[int], device: torch.device
) -> fa.MLP:
    """Networks whose products are made in bfloat16, or not."""
    how = torch.bfloat16 if precision == "bfloat16" else None
    return fa.MLP(sizes, rule="fa", seeds=seeds, device=device, compute_dtype=how)


def measure_speed(
    device: torch.device, networks: int, repeats: int, seconds: float
) -> Iterator[dict[str, object]]:
    """Network-steps per second in noise training, and seconds of a network-step's products."""
    at_once = 1 if device.type == "cpu" else networks
    for sizes in NOISE_SIZES:
        found: dict[str, Contender] = {}
        for precision in precisions(device):
            net = network(sizes, precision, range(networks), device)
            most = torch.get_num_threads()
            with tensor_float(precision == "tf32"):
                found[precision] = Contender("fa_lib", networks, most, train_fa_lib(net, None))
                found[precision].size_up(seconds, device)
        for repeat in range(repeats):
            for precision, contender in found.items():
                dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
                with tensor_float(precision == "tf32"):
                    rate = contender.measure(device)["network-steps"]
                    parts = ceilings.measure_products(sizes, at_once, device, seconds / 8, dtype)
                    products = sum(float(str(part["value"])) for part in parts)
                where = {"sizes": "-".join(map(str, sizes)), "networks": networks}
                where |= {"precision": precision, "repeat": repeat}
                yield {**where, "quantity": "network-steps", "unit": "1/s", "value": rate}
                yield {**where, "quantity": "products", "unit": "s", "value": products}


def measure_effect(
    device: torch.device, noise_steps: int, epochs: int
) -> Iterator[dict[str, object]]:
    """What the paper is about, for every seed."""
    for precision in PRECISIONS:
        emulated = precision == "tf32" and device.type == "cpu"
        products = emulated_tensor_float() if emulated else tensor_float(precision == "tf32")
        with products:
            found = effect(precision, device, noise_steps, epochs)
        about = {"sizes": "-".join(map(str, SIZES)), "networks": len(SEEDS), "repeat": 0}
        for (quantity, unit), values in found.items():
            for seed, value in zip(SEEDS, values.tolist(), strict=True):
                where = {"precision": precision, "quantity": quantity, "unit": unit, "seed": seed}
                yield {**about, **where, "value": value}


def effect(
    precision: str, device: torch.device, noise_steps: int, epochs: int
) -> dict[tuple[str, str], torch.Tensor]:
    """Each quantity with its unit, and its values [seeds]."""
    data = fa.load_dataset(DATASET)
    generator = torch.Generator().manual_seed(0)
    fresh_noise = torch.randn(10_000, SIZES[0], generator=generator).to(device)
    images, labels = data.test.x.to(device), data.test.y.to(device)
    net = network(SIZES, precision, SEEDS, device)
    untrained = copy.deepcopy(net)
    fa.pretrain(net, steps=noise_steps, lr=LR, progress=False)
    found = {
        ("excess cross-entropy on noise", "nats"): kl_from_uniform(net(fresh_noise)),
        ("alignment angle of the readout", "degrees"): fa.alignment_angle(
            net.weights[-1], net.feedback[-1]
        ),
        ("gradient angle of the first layer on images", "degrees"): fa.gradient_alignment(
            net, images, labels
        )[0],
    }
    every_epoch = math.ceil(len(data.train) / 64)
    area, last = {}, {}
    for arm, start in (("FA", untrained), ("FAN", net)):
        history = fa.fit(
            start,
            data.train,
            epochs=epochs,
            lr=LR,
            test=data.test,
            record_every=every_epoch,
            progress=False,
        )
        accuracy = 100 * history["test_accuracy"]  # a row for each epoch, a column for each seed
        area[arm] = torch.from_numpy(fa.area_under_curve(accuracy.index, accuracy.to_numpy()))
        last[arm] = torch.tensor(accuracy.iloc[-1].to_list(), dtype=torch.float64)
    found["gain in the area under the accuracy curve", "points"] = area["FAN"] - area["FA"]
    after = f"gain in test accuracy after {epochs} epochs"
    found[after, "points"] = last["FAN"] - last["FA"]
    return {name: values.cpu().double() for name, values in found.items()}


def name_of(device: torch.device) -> str:
    """What the device's result is stored as."""
    if device.type != "cpu":
        return f"precision-{device.type}"
    instructions = torch.backends.cpu.get_cpu_capability().lower().replace(" ", "-")
    if not instructions.startswith("avx512"):
        return f"precision-{instructions}"
    ask = getattr(torch.cpu, "get_capabilities", dict)  # which older versions do not have
    return "precision-amx" if ask().get("amx_bf16") else "precision"


def main() -> None:
    """Measure, store and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.precision",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--device", default="cpu", help="cpu (the default) or cuda")
    device = resolve_device(parser.parse_args().device)
    load, began = os.getloadavg()[0], time.perf_counter()
    speed = pd.DataFrame(measure_speed(device, NETWORKS[device.type], REPEATS, SECONDS))
    cases = speed.groupby(["quantity", "sizes", "precision"], sort=False)
    print(cases["value"].agg(["median", "min", "max"]))
    table = pd.concat(
        [speed, pd.DataFrame(measure_effect(device, NOISE_STEPS, EPOCHS))], ignore_index=True
    )
    config = {
        "repeats": REPEATS,
        "seconds": SECONDS,
        "noise_steps": NOISE_STEPS,
        "epochs": EPOCHS,
        "lr": LR,
        "dataset": DATASET,
    }
    facts = {
        "experiment": "speed",
        "name": name_of(device),
        "profile": "paper",
        "config": config,
        "config_hash": results.config_hash(config),
        **results.circumstances(device),
        "data_fingerprints": {DATASET: fa.load_dataset(DATASET).fingerprint},
        "seeds": list(SEEDS),
        "threads": torch.get_num_threads(),
        "processors": os.cpu_count(),
        "load_before": load,
        "seconds": round(time.perf_counter() - began, 1),
        "date": results.now(),
        "command": shlex.join(["python", "-m", "benchmarks.precision", *sys.argv[1:]]),
    }
    stored = results.save(table, facts)
    means = table[table["seed"].notna()]
    print(means.groupby(["quantity", "precision"], sort=False)["value"].agg(["mean", "std"]))
    print(f"Stored in {stored.path}")


if __name__ == "__main__":
    main()
