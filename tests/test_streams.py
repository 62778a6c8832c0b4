"""Random streams: reference values in plain Python, and independence of their arguments."""

import itertools

import numpy as np
import pytest
import torch
from scipy import stats

from fa_lib import _streams

MASK = 2**64 - 1


def splitmix64(state: int) -> int:
    """The generator's next output, as published, from a state."""
    z = (state + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def test_mix_gives_the_published_first_outputs_of_splitmix64() -> None:
    # Outputs of the reference C program started from seed 1234567.
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    states = [1234567 + i * _streams.GOLDEN for i in range(3)]
    assert [splitmix64(s) for s in states] == published
    assert [_streams.mix((s + _streams.GOLDEN) & MASK) for s in states] == published


def test_step_seed_is_murmurhash3s_finaliser() -> None:
    # sklearn's murmurhash of no bytes at all is its finaliser applied to the seed.
    from sklearn.utils import murmurhash3_32

    for key, step in [(0, 0), (5, 7), (2**63 + 11, 4999), (MASK, 1)]:
        expected = murmurhash3_32(b"", seed=(key + step) % 2**32, positive=True)
        assert _streams.step_seed(key, step) == expected


def test_no_two_steps_of_a_stream_share_a_seed() -> None:
    for key in (0, 2**32 - 3, 2**64 - 1):
        seeds = {_streams.step_seed(key, step) for step in range(20_000)}
        assert len(seeds) == 20_000
        assert max(seeds) < 2**32


def test_keys_differ_between_seeds_streams_and_indices() -> None:
    names = ("weights", "feedback", "noise", "order", "subset")
    keys = [
        _streams.stream_key(seed, name, *index)
        for seed, name, index in itertools.product(
            range(50), names, [(), (0,), (1,), (2,), (0, 1), (1, 0)]
        )
    ]
    assert len(set(keys)) == len(keys)
    # What torch's CPU generator keeps of them.
    assert len({key % 2**32 for key in keys}) == len(keys)


def test_keys_are_the_same_in_every_version() -> None:
    """Stored results rest on them: a change here makes them stale."""
    assert _streams.stream_key(0, "weights", 0) == 1060809562098973472
    assert _streams.stream_key(7, "noise") == 10805069826520798011


@pytest.mark.parametrize("other", [(1, "weights", 0), (0, "feedback", 0), (0, "weights", 1)])
def test_streams_are_uncorrelated(other: tuple[int, str, int]) -> None:
    first, second = (
        torch.randn(20_000, generator=_streams.generator(*which)).numpy()
        for which in ((0, "weights", 0), other)
    )
    assert stats.pearsonr(first, second).pvalue > 1e-3


def test_generators_are_pure_functions_of_their_arguments() -> None:
    draws = [torch.rand(8, generator=_streams.generator(3, "order", 4)) for _ in range(2)]
    assert torch.equal(*draws)
    torch.manual_seed(0)
    assert torch.equal(torch.rand(8, generator=_streams.generator(3, "order", 4)), draws[0])


def test_neighbouring_seeds_give_uniform_first_draws() -> None:
    first = [
        torch.rand(1, generator=_streams.generator(s, "order"), dtype=torch.float64).item()
        for s in range(2_000)
    ]
    assert stats.kstest(np.array(first), "uniform").pvalue > 1e-3
