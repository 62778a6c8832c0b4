"""The paper's claims and the rules by which they are judged, written before the runs they judge.

The table is data: a hash of the rows that concern an experiment goes into the provenance of its
results (`rules_hash`), so that a rule changed afterwards shows. `fa_lib.claims` applies the rules.

The claims are those of Cheon, Lee, Paik, "Pretraining with Random Noise for Fast and Robust
Learning without Weight Transport" (NeurIPS 2024, arXiv:2405.16731). The endpoints, the smallest
effects that count and the limits are this project's.

D is the difference of an endpoint, seed by seed, in the direction the paper claims. In a setting a
claim PASSes where p < .05 after Holm's correction over all claims and the mean of D is at least the
smallest effect that counts; it FAILs where the upper end of D's 95 % interval is below that effect;
else it stays OPEN. It *holds* with PASS in every setting, holds *in part* with PASS in some, does
*not hold* with FAIL in all, and is *undecided* otherwise. The rows say what is added to that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

__all__ = ["CLAIMS", "Claim", "rules_hash"]


@dataclass(frozen=True)
class Claim:
    """One claim and its rule.

    Attributes:
        id: C1 to C18.
        experiment: whose results judge it.
        statement: what the paper claims.
        endpoint: D, the number computed for each seed.
        unit: of D.
        smallest_effect: of D's mean, that counts (m in the protocol).
        settings: in which the claim is judged.
        rule: what the verdict needs besides, in words.
        limits: the numbers in `rule`.
    """

    id: str
    experiment: str
    statement: str
    endpoint: str
    unit: str
    smallest_effect: float
    settings: tuple[str, ...]
    rule: str
    limits: Mapping[str, float] = field(default_factory=dict)


WIDTHS = ("width 512", "width 100", "width 1000")

CLAIMS: dict[str, Claim] = {
    claim.id: claim
    for claim in (
        Claim(
            id="C1",
            experiment="fig1",
            statement="In noise training the cross-entropy falls to the chance level, ln C.",
            endpoint="Fall of the excess cross-entropy, KL(uniform || p) on fresh inputs, from the "
            "first to the last noise step.",
            unit="nats",
            smallest_effect=0.0,
            settings=WIDTHS,
            rule="Holds: the 95 % interval of the excess at the end lies below `floor` nats, and "
            "its mean is at most `share` of the excess at the start. In part: it falls by `fall` "
            "or more, to a level above the floor.",
            limits={"floor": 0.05, "share": 0.10, "fall": 0.80},
        ),
        Claim(
            id="C2",
            experiment="fig1",
            statement="The angle between the last layer's forward and feedback weights falls well "
            "below 90 degrees, far outside what random matrices of that size show.",
            endpoint="90 degrees minus the centred alignment angle at the last noise step.",
            unit="degrees",
            smallest_effect=10.0,
            settings=WIDTHS,
            rule="Besides, every seed's angle lies below the `tail` quantile of the same weights' "
            "angles to fresh feedback, and below every angle after BP noise training.",
            limits={"tail": 0.001},
        ),
        Claim(
            id="C3",
            experiment="fig1",
            statement="That happens over a range of input conditions: mean, spread and shape of "
            "the noise distribution.",
            endpoint="90 degrees minus the centred alignment angle at the last noise step, in each "
            "cell of the grid mean x std x distribution.",
            unit="degrees",
            smallest_effect=10.0,
            settings=("grid", "equal_norm"),
            rule="A cell counts where the mean of D is at least the smallest effect and p < .05 "
            "after Holm's correction over the cells. Holds in a setting: `most` of the cells "
            "count; in part: at least `some`; else it does not hold.",
            limits={"most": 0.80, "some": 0.20},
        ),
    )
}

FAMILY = 18  # claims of the paper, over which Holm's correction runs


def rules_hash(experiment: str) -> str | None:
    """Short hash of the rules that judge this experiment; None where no claim rests on it."""
    rows = [asdict(claim) for claim in CLAIMS.values() if claim.experiment == experiment]
    if not rows:
        return None
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()[:12]
