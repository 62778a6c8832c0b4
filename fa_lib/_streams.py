"""Named random streams: every random draw is a pure function of (seed, stream, index).

So a network's draws (weights, feedback, noise, order of data) depend on its seed alone, bit for bit
on one CPU machine: whatever rule trains it, alone or among others, on any number of threads. What
training makes of them is rounded, and so depends on more (see `MLP`).
"""

from __future__ import annotations

import zlib

import torch

_MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15  # 2^64 over the golden ratio, the increment of SplitMix64


def mix(z: int) -> int:
    """Finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection that scatters 64-bit ints."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


def stream_key(seed: int, stream: str, *index: int) -> int:
    """A 64-bit key for one stream of one seed and, if given, one layer, step or epoch of it."""
    key = mix(zlib.crc32(stream.encode()) + GOLDEN)
    for part in (seed, *index):
        key = mix((key + (part + 1) * GOLDEN) & _MASK)
    return key


def generator(seed: int, stream: str, *index: int) -> torch.Generator:
    """A CPU generator at the start of that stream."""
    return torch.Generator().manual_seed(stream_key(seed, stream, *index))


def step_seed(key: int, step: int) -> int:
    """A 32-bit seed for one step of a stream: the finaliser of MurmurHash3 of (key + step).

    torch's CPU generator keeps 32 bits of a seed. A bijection of the step number never gives two
    steps of one stream the same draw, which a hash of (seed, step) cut to 32 bits would.
    """
    z = (key + step) & 0xFFFFFFFF
    z = ((z ^ (z >> 16)) * 0x85EBCA6B) & 0xFFFFFFFF
    z = ((z ^ (z >> 13)) * 0xC2B2AE35) & 0xFFFFFFFF
    return z ^ (z >> 16)
