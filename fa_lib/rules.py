"""Learning rules: what carries the error back to a hidden layer, in the place of weight transport.

The last layer learns from the error at the logits whatever the rule. To a hidden layer the error
comes from the layer above, from the output, or not at all: then the targets stand in for it. What
carries it are the forward weights (BP), fixed random feedback weights, or feedback weights that
follow the forward weights by a rule of their own.

To add a rule, give it a line in RULES; your own goes to `rule=` as a Rule:

    Rule("half", matrix=lambda weight, feedback: (weight + feedback) / 2)

Index legend: N networks, out and in features of a layer, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from fa_lib import _checks

__all__ = ["RULES", "Rule", "rule_of"]

SOURCES = ("above", "output", "targets")
LEARNING = ("", "gradient", "mirror")

# What stands for a layer's forward weight on the way back, from it and its feedback weight: both
# [N, out, in] in a stack, [out, in] or [out, in / groups, height, width] in a module.
Matrix = Callable[[Tensor, Tensor], Tensor]


def by_weight(weight: Tensor, feedback: Tensor) -> Tensor:
    """The forward weight itself."""
    return weight


def by_feedback(weight: Tensor, feedback: Tensor) -> Tensor:
    """The feedback weight."""
    return feedback


def by_sign(weight: Tensor, feedback: Tensor) -> Tensor:
    """The forward weight's signs, all of the size sqrt(2 / fan_in)."""
    fan_in = weight.shape[-1] if weight.dim() < 4 else math.prod(weight.shape[1:])
    return torch.sign(weight) * math.sqrt(2 / fan_in)


def by_signed_magnitude(weight: Tensor, feedback: Tensor) -> Tensor:
    """The forward weight's signs, with the feedback weight's magnitudes."""
    return torch.sign(weight) * feedback.abs()


@dataclass(frozen=True)
class Rule:
    """How the error gets to hidden layers.

    Attributes:
        name: what it is called.
        source: "above", the error of the layer above through `matrix`; "output", the error at the
            logits through feedback weights [C, in]; "targets", minus the targets through the same.
        matrix: for source "above", a function of the forward and the feedback weight that gives
            what stands for the forward weight on the way back.
        learning: of the feedback weights: "" (fixed), "gradient" (by the gradient of the forward
            weights, which needs weight decay), or "mirror" (by noise sent through the layer).
        redrawn: whether the feedback weights are drawn anew for every batch.

    Raises:
        ValueError: a source or learning that is not known.
    """

    name: str
    source: str = "above"
    matrix: Matrix = by_feedback
    learning: str = ""
    redrawn: bool = False

    def __post_init__(self) -> None:
        """Refuse what nothing knows how to do."""
        _checks.choice(self.source, SOURCES, "source of a rule")
        _checks.choice(self.learning, LEARNING, "learning of a rule")
        if self.source != "above" and (self.learning or self.redrawn):
            raise ValueError(
                f"Rule {self.name!r}: feedback weights that learn or are redrawn need the source "
                f"'above', got {self.source!r}."
            )

    def __repr__(self) -> str:
        """Its name."""
        return f"Rule({self.name!r})"


RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        # Backpropagation (Rumelhart, Hinton, Williams 1986).
        Rule("bp", matrix=by_weight),
        # Feedback alignment (Lillicrap et al. 2016): fixed and random.
        Rule("fa"),
        # Direct feedback alignment (Nokland 2016).
        Rule("dfa", source="output"),
        # Sign-concordant feedback (Liao, Leibo, Poggio 2016): the signs of the forward weights, of
        # one size (usf), of sizes drawn anew for every batch (brsf), or of fixed ones (frsf). There
        # the sizes are 1 or uniform, and batch normalisation takes the scale out. Here they are
        # those of He-normal weights, sqrt(2 / fan_in) or |B|, as these networks do without.
        Rule("usf", matrix=by_sign),
        Rule("brsf", matrix=by_signed_magnitude, redrawn=True),
        Rule("frsf", matrix=by_signed_magnitude),
        # Kolen, Pollack 1994; in deep networks Akrout et al. 2019: forward and feedback weights get
        # the same updates, and weight decay lets their first difference fade.
        Rule("kp", learning="gradient"),
        # Weight mirrors (Akrout et al. 2019).
        Rule("wm", learning="mirror"),
        # Direct random target projection (Frenkel, Lefebvre, Bol 2021): of the error p - t, the
        # part that is known before the forward pass ends.
        Rule("drtp", source="targets"),
    )
}


def rule_of(rule: str | Rule) -> Rule:
    """The rule meant by a name or a Rule.

    Raises:
        ValueError: an unknown name.
        TypeError: neither a name nor a Rule.
    """
    if isinstance(rule, Rule):
        return rule
    if not isinstance(rule, str):
        raise TypeError(f"rule must be a name or a Rule, got {type(rule).__name__}.")
    return RULES[_checks.choice(rule, RULES, "rule")]
