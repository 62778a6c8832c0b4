"""The trainings that are timed, and how: `benchmarks/speed.py` runs them in turns."""

from __future__ import annotations

import itertools
import math
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

import fa_lib as fa
from benchmarks import peers, yardstick
from benchmarks.peers import Train
from benchmarks.timing import clocked

NOISE_SIZES = ((784, 100, 10), (784, 512, 10), (784, 512, 512, 10))
EPOCH_SIZES = NOISE_SIZES[:2]
ONE_BY_ONE = (
    "loop",
    "nn",
    "biotorch",
)  # train one network at a time, so more of them change nothing
STACKED = ("vmap", "fa_lib")


@dataclass
class Contender:
    """A method at a size of the stack.

    threads: that torch may use.
    train: takes a number of steps.
    unit: runs are of so many steps, or of a multiple.
    steps: how many to take in a short and in a long run; chosen by `size_up`.
    """

    method: str
    networks: int
    threads: int
    train: Train
    unit: int = 1
    steps: tuple[int, int] = (0, 0)

    def size_up(self, seconds: float, device: torch.device) -> None:
        """Warm up, and choose runs whose difference takes about so many seconds."""
        torch.set_num_threads(self.threads)
        self.train(1)
        units, took = 1, self._seconds(self.unit, device)
        while took < seconds / 8:
            units *= 4
            took = self._seconds(units * self.unit, device)
        more = max(3 if self.unit == 1 else 1, round(units * seconds / took))
        few = max(1, more // 20)
        self.steps = (few * self.unit, (few + more) * self.unit)

    def measure(self, device: torch.device) -> dict[str, float]:
        """Network-steps per second, from the difference of a short and a long run.

        What a run costs once (an optimiser, its memory, the first and the last record) is in both,
        and so drops out; it is given beside, in seconds.

        Raises:
            RuntimeError: the short run took longer than the long one, again and again.
        """
        torch.set_num_threads(self.threads)
        few, many = self.steps
        for _ in range(5):
            short, long = self._seconds(few, device), self._seconds(many, device)
            if long > short:
                a_step = (long - short) / (many - few)
                return {"network-steps": self.networks / a_step, "once": short - few * a_step}
        raise RuntimeError(
            f"{few} steps of {self.method} take longer than {many}: the machine is too busy."
        )

    def _seconds(self, steps: int, device: torch.device) -> float:
        return clocked(lambda: self.train(steps), device)


def train_fa_lib(net: fa.MLP, split: fa.Split | None) -> Train:
    """Training by this package: on noise, or on data when there are any."""

    def train(steps: int) -> None:
        how = {"steps": steps, "lr": peers.LR, "record_every": steps, "progress": False}
        if split is None:
            fa.pretrain(net, **how)
        else:
            fa.fit(net, split, **how)

    return train


def train_peer(method: str, net: fa.MLP, split: fa.Split | None) -> Train:
    """Training by a peer, from the weights of `net`; "vmap" trains them in place."""
    features, classes = net.sizes[0], net.classes
    if method == "vmap":
        shape = (len(net), features, classes, net.device)
        noise = peers.stacked_noise(*shape) if split is None else None
        return peers.vmap(net, noise or peers.stacked_data(len(net), split, net.device))
    make = {
        "loop": peers.loop_network,
        "nn": peers.nn_network,
        "biotorch": peers.biotorch_network,
    }[method]
    batches = peers.host_noise(features, classes) if split is None else peers.host_data(split)
    return peers.loop(make(net), batches)


def contenders(
    sizes: Sequence[int],
    counts: Sequence[int],
    split: fa.Split | None,
    device: torch.device,
    skip: Callable[[str, str], None],
) -> Iterator[Contender]:
    """Everything that is timed for networks of those sizes, those that cannot be left out.

    Arguments:
        counts: numbers of networks for the methods that stack them.
        skip: is told what is left out, and why.
    """
    most = torch.get_num_threads()
    few_or_all = dict.fromkeys((1, most) if device.type == "cpu" else (most,))
    # What an epoch begins with, the order of its images, is a fair part of it on a GPU alone; on a
    # CPU, where it is next to nothing, whole epochs of a hundred networks would take too long.
    in_epochs = split is not None and device.type == "cuda"
    unit = math.ceil(len(split) / peers.BATCH) if in_epochs else 1
    for method in ONE_BY_ONE:
        net = fa.MLP(sizes, rule="fa", seeds=[0], device=device)
        try:
            train = train_peer(method, net, split)
        except ModuleNotFoundError as error:
            skip(method, f"{error}; make bench installs it")
            continue
        for threads in few_or_all:
            yield Contender(method, 1, threads, train, unit)
    for count in counts:
        needed, free = bytes_needed(sizes, count), free_bytes(device)
        if needed > 0.9 * free:
            words = f"needs about {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free"
            skip(f"{count} networks {'-'.join(map(str, sizes))}", words)
            continue
        net = fa.MLP(sizes, rule="fa", seeds=range(count), device=device)
        train = train_peer("vmap", net, split)
        for threads in few_or_all if count <= 10 else (most,):
            yield Contender("vmap", count, threads, train, unit)
        yield Contender("fa_lib", count, most, train_fa_lib(net, split), unit)


def lenets(device: torch.device, skip: Callable[[str, str], None]) -> Iterator[Contender]:
    """LeNet by feedback alignment, in fa_lib's layers and in biotorch's, on images of noise."""
    most = torch.get_num_threads()
    for method in ("nn", "biotorch"):
        network = yardstick.lenet(0)
        try:
            made = (
                fa.nn.convert(network)
                if method == "nn"
                else yardstick.by_biotorch(network, "fa", seed=0)
            )
        except ModuleNotFoundError as error:
            skip(method, f"{error}; make bench installs it")
            continue
        noise = peers.host_noise(math.prod(yardstick.SHAPE), classes=10)
        batches = ((x.view(-1, *yardstick.SHAPE), y) for x, y in noise)
        train = peers.loop(made.to(device), batches)
        for threads in dict.fromkeys((1, most) if device.type == "cpu" else (most,)):
            yield Contender(method, 1, threads, train)


# -- Memory ----------------------------------------------------------------------------------------


def bytes_needed(sizes: Sequence[int], networks: int) -> int:
    """An upper estimate of what training so many networks takes, by the most greedy method."""
    parameters = sum((a + 1) * b for a, b in itertools.pairwise(sizes))
    # Weights, feedback, gradients (old and new), two moments; a handful of activations a layer.
    return 4 * networks * (6 * parameters + 4 * peers.BATCH * sum(sizes))


def free_bytes(device: torch.device) -> int:
    """Memory that is free on the device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        return torch.cuda.mem_get_info(device)[0]
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        (line,) = [x for x in meminfo.read_text().splitlines() if x.startswith("MemAvailable")]
        return 1024 * int(line.split()[1])
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def measure_memory(
    method: str, sizes: Sequence[int], device: torch.device, few: int = 100, many: int = 300
) -> float:
    """Bytes that one network more takes at the peak of noise training, in a process of its own."""
    words = [method, ",".join(map(str, sizes)), device, few, many]
    program = [sys.executable, "-m", "benchmarks.workloads", *map(str, words)]
    root = Path(__file__).resolve().parents[1]
    ran = subprocess.run(program, cwd=root, check=True, capture_output=True, text=True)
    return float(ran.stdout)


def peak_difference(
    method: str, sizes: Sequence[int], device: torch.device, few: int, many: int
) -> float:
    """What the process of `measure_memory` does: the peak at two sizes, apart by so many."""
    peaks = []
    for count in (few, many):
        net = fa.MLP(sizes, rule="fa", seeds=range(count), device=device)
        train = train_fa_lib(net, None) if method == "fa_lib" else train_peer(method, net, None)
        train(3)
        peaks.append(_peak(device))
        del net, train
    return (peaks[1] - peaks[0]) / (many - few)


def _peak(device: torch.device) -> int:
    """The most memory held so far, in bytes; on the CPU since the process began."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status")
    if status.is_file():  # what getrusage says here counts the process that started this one
        (line,) = [x for x in status.read_text().splitlines() if x.startswith("VmHWM")]
        return 1024 * int(line.split()[1])
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    method, sizes, device, few, many = sys.argv[1:]
    layers = [int(size) for size in sizes.split(",")]
    print(peak_difference(method, layers, torch.device(device), int(few), int(many)))
