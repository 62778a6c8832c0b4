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

C4 to C12 rest on one experiment, "learning", C13 and C14 on "fig5", C15 and C16 on "fig6", C17 on
"table1" and C18 on "depth". The arms are FA (feedback alignment alone), FAN (noise training first)
and controls, among them S (FAN's weights with fresh feedback for the data) and Z (FA from a zero
readout). What all these rows share:

- Settings: "F" has a fixed data learning rate, "T" one tuned for each arm on validation images. The
  last 10,000 of the 60,000 training images of MNIST are set aside for that and for choosing
  checkpoints, so n = 50,000 stands for the paper's 60,000. The smaller size is the headline's.
- Arms are paired by seed. A record at which a measure is undefined in one arm of a pair (a gradient
  angle to a zero BP gradient, say) is left out of both; a seed left without a value is left out.
- Epochs: the curve is 20 of them at the sizes of the settings, 20 longer units at smaller sizes.
  Means over a curve are by the trapezoid rule. "fig6" counts steps of adaptation, to three tasks.
- "At equal training loss": at the first record, linearly between records in the logarithm of the
  training loss, where an arm comes down to the pair's common loss. That is, for each seed, the
  larger of the two arms' smallest training losses over the records of the curve that have the
  measure.
- "At equal clean accuracy": likewise where an arm comes up to the pair's common accuracy on the
  test images as they are: for each seed, the smaller of the two arms' largest, linearly between
  records.
- A claim of several parts (intersection-union): p is the largest of the parts', D the part with the
  smallest mean; the setting FAILs as soon as one part does.
- A studentised bootstrap interval stands beside every 95 % t-interval, which decides.
- IN PART needs the corrected p below .05 too. Fewer than three seeds leave a setting OPEN.
- *Specific to noise?* is a second answer that leaves the verdict alone: "yes" where FAN also beats
  both S and Z, which take FA's place in the same D: a mean above 0 and p < .05 after Holm's
  correction over the two. Else "no"; it is not asked where the setting FAILs, where S or Z was not
  run, with fewer than six seeds, and of C9 and C10, which have no data phase.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from fa_lib import protocol2

__all__ = ["CHAPTERS", "CLAIMS", "Claim", "rules_date", "rules_hash"]


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
SIZES = ("F, n = 5,000", "T, n = 5,000", "F, n = 50,000", "T, n = 50,000")

ADAPTATION = ("F, n = 5,000", "T, n = 5,000")

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
        Claim(
            id="C4",
            experiment="learning",
            statement="After noise training, alignment stays ahead during the data training that "
            "follows, compared with data training alone.",
            endpoint="Centred alignment angle of FA minus that of FAN, averaged over the logarithm "
            "of the data step from epoch 1 to epoch 20.",
            unit="degrees",
            smallest_effect=5.0,
            settings=SIZES,
            rule="Besides, the mean difference at the end of epoch 20 is above `end` degrees; "
            "the setting FAILs too where that difference's interval lies below.",
            limits={"end": 0.0},
        ),
        Claim(
            id="C5",
            experiment="learning",
            statement="On MNIST, FA with noise training learns faster than FA without.",
            endpoint="Area under the test-accuracy curve over 20 epochs (its mean height), FAN "
            "minus FA.",
            unit="points",
            smallest_effect=1.0,
            settings=SIZES,
            rule="Nothing besides.",
        ),
        Claim(
            id="C6",
            experiment="learning",
            statement="FA with noise training ends at a higher test accuracy than FA without.",
            endpoint="Test accuracy at the best validation checkpoint, FAN minus FA. The "
            "checkpoint is the first record with the largest validation accuracy, up to the record "
            "at which that has not risen for `patience` epochs; a network recorded for longer is "
            "cut there.",
            unit="points",
            smallest_effect=0.3,
            settings=SIZES,
            rule="Nothing besides.",
            limits={"patience": 10},
        ),
        Claim(
            id="C7",
            experiment="learning",
            statement="With noise training, updates point closer to the BP gradient.",
            endpoint="Angle between the FA and the BP gradient of W1 on a fixed validation batch, "
            "FA minus FAN, averaged over epochs 0 to `epochs`.",
            unit="degrees",
            smallest_effect=5.0,
            settings=SIZES,
            rule="Nothing besides. The updates of W2 are the same by construction.",
            limits={"epochs": 5},
        ),
        Claim(
            id="C8",
            experiment="learning",
            statement="Noise training then data brings the weights closer to the feedback than "
            "data alone: a shorter, more direct path in data training.",
            endpoint="Relative improvement of FAN over FA, the smallest of three, in the space of "
            "the centred readout: cosine of the data-phase displacement with the centred feedback "
            "after epoch 20 (rise over the size of FA's); path length over net displacement after "
            "epoch 20 (fall over FA's); path length until the common training loss (fall over "
            "FA's).",
            unit="%",
            smallest_effect=10.0,
            settings=SIZES,
            rule="All three parts better by the smallest effect.",
        ),
        Claim(
            id="C9",
            experiment="learning",
            statement="After noise training each readout probability is near chance, 1/C.",
            endpoint="Relative fall of the mean KL(uniform || p) from the first to the last noise "
            "step, the smaller of that on fresh noise and that on images.",
            unit="%",
            smallest_effect=80.0,
            settings=WIDTHS,
            rule="Both parts fall by the smallest effect.",
        ),
        Claim(
            id="C10",
            experiment="learning",
            statement="The effective dimensionality of the weights falls during noise training.",
            endpoint="Relative fall of the participation ratio of W1's squared singular values "
            "from the first to the last noise step.",
            unit="%",
            smallest_effect=5.0,
            settings=WIDTHS,
            rule="Besides, the participation ratio of the hidden activity on images falls (mean "
            "above `activity` %, p the larger of the two). W1 alone: in part.",
            limits={"activity": 0.0},
        ),
        Claim(
            id="C11",
            experiment="learning",
            statement="After data training, networks with noise training hold solutions of lower "
            "rank.",
            endpoint="At equal training loss: the smallest k such that W1 cut to rank k keeps "
            "accuracy within a point; fall from FA to FAN over FA's.",
            unit="%",
            smallest_effect=10.0,
            settings=SIZES,
            rule="Besides, the participation ratio of the hidden activity is smaller at equal "
            "training loss (mean relative fall above `activity` %, p the larger of the two). One "
            "of the two alone, with its own p: in part. The setting FAILs where both do.",
            limits={"activity": 0.0},
        ),
        Claim(
            id="C12",
            experiment="learning",
            statement="The generalisation gap (test minus training loss) is smaller after noise "
            "training, most of all for small training sets.",
            endpoint="Test loss at equal training loss, fall from FA to FAN over FA's, averaged "
            "over the sizes of the training set (100, 300, 1,000, 5,000, 50,000), for the seeds "
            "that every size has.",
            unit="%",
            smallest_effect=2.0,
            settings=("F", "T"),
            rule="Besides, the slope of D over the logarithm of the size is negative, its 95 % "
            "interval below `slope`; without that: in part. The gap at equal epochs, as worded, "
            "and the test loss at the best validation checkpoint stand beside the verdict.",
            limits={"slope": 0.0},
        ),
        Claim(
            id="C13",
            experiment="fig5",
            statement="Trained on MNIST with noise training before, networks are more accurate on "
            "translated, scaled and rotated MNIST.",
            endpoint="Area under accuracy over the amount of a transformation (its mean height), "
            "FAN minus FA, the smallest of three, after epoch 20: images shifted by 0 to 8 pixels "
            "to one of four sides, scaled by 0.5 to 1.5, rotated by 0 to 60 degrees either way.",
            unit="points",
            smallest_effect=1.0,
            settings=SIZES,
            rule="Holds: all three by the smallest effect, after epoch 20 and at equal clean "
            "accuracy, six parts. In part: all three after epoch 20 alone. The setting FAILs as "
            "soon as one of the three after epoch 20 does.",
        ),
        Claim(
            id="C14",
            experiment="fig5",
            statement="Trained on MNIST with noise training before, networks are more accurate on "
            "USPS.",
            endpoint="Accuracy on the USPS test images, framed as MNIST's are, after epoch 20, FAN "
            "minus FA.",
            unit="points",
            smallest_effect=1.0,
            settings=SIZES,
            rule="Holds: by the smallest effect after epoch 20 and at equal clean accuracy, two "
            "parts. In part: after epoch 20 alone. USPS padded instead of centred by mass stands "
            "beside the verdict.",
        ),
        Claim(
            id="C15",
            experiment="fig6",
            statement="The meta-loss, summed over MNIST, Fashion-MNIST and Kuzushiji-MNIST, falls "
            "during noise training.",
            endpoint="Sum over the tasks of the test loss after 100 steps of adaptation with a "
            "fresh Adam, fall from FA to FAN over FA's.",
            unit="%",
            smallest_effect=5.0,
            settings=ADAPTATION,
            rule="Nothing besides. The meta-loss after 10, 30 and 300 steps, the accuracy, and "
            "Page's trend test over states of noise training stand beside the verdict. In T an "
            "arm's rate is the one with the smallest meta-loss on validation images, by other "
            "seeds; FA's readout factor likewise.",
        ),
        Claim(
            id="C16",
            experiment="fig6",
            statement="Each task is learned faster from the noise-trained weights; the weights' "
            "trajectories in adaptation are shorter.",
            endpoint="On each task, with Adam and with SGD: steps until the common training loss, "
            "and length of the path of all weights until there, every 10 steps; fall from FA to "
            "FAN over FA's, the smallest of twelve.",
            unit="%",
            smallest_effect=10.0,
            settings=ADAPTATION,
            rule="All twelve parts better by the smallest effect.",
        ),
        Claim(
            id="C17",
            experiment="table1",
            statement="On MNIST, Fashion-MNIST, CIFAR-10, CIFAR-100 and STL-10, two-layer networks "
            "end at a higher test accuracy with noise training than without, and come near BP.",
            endpoint="Test accuracy at the best validation checkpoint, FAN minus FA, on each data "
            "set; the smallest over the measured sets. The checkpoint is that of C6, within 20 "
            "epochs, or 5,000 steps where that is more. All training images are used, the last "
            "sixth of them for choices alone.",
            unit="points",
            smallest_effect=0.3,
            settings=("F", "T"),
            rule="A data set counts where the mean of D on it is at least the smallest effect and "
            "p < .05 after Holm's correction over the measured sets. Holds in a setting: all "
            "measured sets count, p being the largest of theirs; in part: some do, p being the "
            "smallest of those. The setting FAILs where every set's interval lies below the "
            "smallest effect. Whether it is specific to noise is asked on the sets that count, or "
            "on all of them where none does. Near BP is a second answer beside the verdict: the "
            "share of the gap between FA and BP that FAN closes. A copy of a data set that was "
            "compressed with loss counts as a data set of its own name.",
        ),
        Claim(
            id="C18",
            experiment="depth",
            statement="The same holds for deeper networks.",
            endpoint="Test accuracy at the best validation checkpoint, FAN minus FA, of networks "
            "with 2 to 5 layers of weights on 5,000 MNIST images. The checkpoint is that of C6, "
            "within 30 epochs.",
            unit="points",
            smallest_effect=0.3,
            settings=tuple(f"{setting}, {n} layers" for setting in "FT" for n in (2, 3, 4, 5)),
            rule="Nothing besides. Setting T's learning rates are chosen at every depth. Beside "
            "the verdict: the share of the gap to BP closed, and the alignment angle of every "
            "layer at the checkpoint.",
        ),
    )
}

# The chapter in book/ that puts a claim to the test. Not part of the rules, nor of their hash.
CHAPTERS: dict[str, str] = {
    **dict.fromkeys(("C1", "C2", "C3"), "fig1_noise_alignment"),
    "C4": "fig2_alignment_in_learning",
    **dict.fromkeys(("C5", "C6", "C7", "C8"), "fig3_fast_learning"),
    **dict.fromkeys(("C9", "C10", "C11", "C12"), "fig4_simpler_solutions"),
    **dict.fromkeys(("C13", "C14"), "fig5_robustness"),
    **dict.fromkeys(("C15", "C16"), "fig6_fast_adaptation"),
    "C17": "table1_datasets",
    "C18": "depth_deeper_networks",
}

# Numbers that the rules share.
FAMILY = 18  # claims of the paper, over which Holm's correction runs
LEVEL = 0.05  # of significance, after Holm's correction
CONTROLS = ("S", "Z")  # that decide whether an effect is specific to noise training
FEWEST = 3  # seeds that a verdict other than OPEN needs
FEWEST_ASKED = 6  # seeds from which on two controls can both have p < LEVEL after Holm's correction
CLOSE = 0.5  # share of the gap to BP: "close" where the interval of the share closed stays above

# Since when the rules of an experiment are what they are: their hash, and the date of the commit
# that wrote them. A changed rule needs a new line here, and makes results stale that were measured
# before it.
WRITTEN: dict[str, tuple[str, str]] = {
    "fig1": ("10444f8ec1d6", "2026-11-21T18:34:52+00:00"),
    "learning": ("8d014bf316fc", "2026-11-21T21:30:58+00:00"),
    "table1": ("bf62c90578a5", "2026-11-24T15:33:43+00:00"),
    "depth": ("9ade8c54bac3", "2026-11-24T15:33:43+00:00"),
    "fig5": ("ab9ce1d4d5ca", "2026-11-24T15:35:22+00:00"),
    "fig6": ("632052428e75", "2026-11-24T15:35:22+00:00"),
}


def rules_hash(experiment: str) -> str | None:
    """Short hash of the rules that judge this experiment; None where no claim rests on it.

    Of the claims' rows and of the numbers that all rules share; of an experiment that judges the
    paper's statements, the hash of `fa_lib.protocol2`.
    """
    if experiment in protocol2.EXPERIMENTS:
        return protocol2.rules_hash()
    rows = [asdict(claim) for claim in CLAIMS.values() if claim.experiment == experiment]
    if not rows:
        return None
    shared = [FAMILY, LEVEL, CONTROLS, FEWEST, FEWEST_ASKED, CLOSE]
    text = json.dumps([rows, shared], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def rules_date(experiment: str) -> str | None:
    """When the rules that judge this experiment were written; None where there are none.

    Raises:
        ValueError: rules that are not the ones in WRITTEN.
    """
    if experiment in protocol2.EXPERIMENTS:
        return protocol2.rules_date()
    present = rules_hash(experiment)
    if present is None:
        return None
    written, date = WRITTEN[experiment]
    if written != present:
        raise ValueError(
            f"The rules of {experiment} have changed: their hash is {present}, and WRITTEN in "
            f"fa_lib/protocol.py dates {written}."
        )
    return date
