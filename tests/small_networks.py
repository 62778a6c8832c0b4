"""Small networks and data for the tests of training."""

import torch
from torch import Tensor

from fa_lib import MLP, Split

SIZES = [12, 9, 7, 4]
SEEDS = [4, 0, 9]


def make(rule: str = "fa", sizes=SIZES, seeds=SEEDS, **arguments) -> MLP:
    return MLP(sizes, rule=rule, seeds=seeds, device="cpu", **arguments)


def split(n: int = 50, seed: int = 0) -> Split:
    x = torch.randn(n, 12, generator=torch.Generator().manual_seed(seed))
    return Split(x, x[:, :4].argmax(dim=1))


def copies(net: MLP) -> list[Tensor]:
    return [p.clone() for p in net.parameters()]


def restore(net: MLP, values: list[Tensor]) -> None:
    for parameter, value in zip(net.parameters(), values, strict=True):
        parameter.copy_(value)


def same(first: list[Tensor], second: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
