"""Learning rules: what carries the error back from a layer to the one below.

A rule is a function of the upper layer's forward weight [N, out, in], the feedback weight that
stands in for it [N, out, in] and the error at that layer's output [N, B, out]; it writes the error
at the layer's input [N, B, in] into `out`. Everything else of a step is the same for every rule.
To add one, write the function and name it in RULES.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["RULES", "Rule"]

Rule = Callable[[Tensor, Tensor, Tensor, Tensor], None]


def backpropagation(weight: Tensor, feedback: Tensor, delta: Tensor, out: Tensor) -> None:
    """BP: the transpose of the forward weight (Rumelhart, Hinton, Williams 1986)."""
    torch.bmm(delta, weight, out=out)


def feedback_alignment(weight: Tensor, feedback: Tensor, delta: Tensor, out: Tensor) -> None:
    """FA: a fixed random matrix in its place (Lillicrap et al. 2016)."""
    torch.bmm(delta, feedback, out=out)


RULES: dict[str, Rule] = {"bp": backpropagation, "fa": feedback_alignment}
