"""The stopping rule of training up to the best validation checkpoint (claims C6, C17, C18)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from fa_lib.networks import MLP


class Patience:
    """Stops networks whose validation accuracy has not risen for so many steps.

    Those that train together stop together, with the last of them. For `fit`'s `stop_when`, with
    data named "validation" among its `test`.

    Arguments:
        steps: without a rise.
        not_before: the first step at which training may end.
    """

    def __init__(self, steps: int, *, not_before: int = 0) -> None:
        self.steps = steps
        self.not_before = not_before
        self.best: dict[tuple[int, ...], tuple[Tensor, Tensor]] = {}

    def __call__(self, net: MLP, step: int, values: Mapping[str, Tensor]) -> bool:
        """Whether to stop these networks at this step, given what was recorded of them."""
        accuracy = values["validation_accuracy"]
        first = (torch.zeros_like(accuracy), torch.zeros_like(accuracy))
        best, when = self.best.get(net.seeds, first)
        risen = accuracy > best
        best, when = torch.where(risen, accuracy, best), torch.where(risen, step, when)
        self.best[net.seeds] = best, when
        return step >= self.not_before and bool((step - when >= self.steps).all())
