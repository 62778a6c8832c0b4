"""Batches of data for many networks at once, each in its own order."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fa_lib import _streams
from fa_lib.data import Split
from fa_lib.schema import epoch_steps

__all__ = ["DataBatches"]


class DataBatches:
    """The batch of each step for N networks; the order is a function of (seed, epoch).

    Arguments:
        seeds: of the networks.
        dtype: of the inputs.
        split: where the examples are.
        rows: each network's training examples, indices into the split [N, n].
    """

    def __init__(
        self,
        seeds: Sequence[int],
        dtype: torch.dtype,
        split: Split,
        rows: Tensor,
        batch_size: int,
    ) -> None:
        self._seeds = seeds
        self._x = split.x.to(dtype)
        self._y = split.y
        self._rows = rows
        self._batch = batch_size
        self._per_epoch = epoch_steps(rows.shape[1], batch_size)
        self._epoch = -1
        self._order = torch.empty(0)
        self._batches: dict[int, tuple[Tensor, Tensor]] = {}

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """Inputs [N, B, features] and targets of that step.

        The tensors are the same ones at every call for a batch of that size, written over.
        """
        epoch, batch = divmod(step, self._per_epoch)
        if epoch != self._epoch:
            self._epoch = epoch
            orders = [
                torch.randperm(
                    self._rows.shape[1], generator=_streams.generator(seed, "order", epoch)
                )
                for seed in self._seeds
            ]
            self._order = self._rows.gather(1, torch.stack(orders).to(self._y.device))
        rows = self._order[:, batch * self._batch : (batch + 1) * self._batch]
        size = rows.shape[1]
        if size not in self._batches:
            shape = (len(self._seeds), size)
            self._batches[size] = (
                self._x.new_empty(*shape, self._x.shape[1]),
                self._y.new_empty(shape),
            )
        x, y = self._batches[size]
        rows = rows.reshape(-1)
        torch.index_select(self._x, 0, rows, out=x.view(-1, x.shape[2]))
        torch.index_select(self._y, 0, rows, out=y.view(-1))
        return x, y
