"""How each statement of the paper is judged, written before the runs that judge it.

The table is data. Its hash goes into the provenance of every result that it judges, so that a rule
changed afterwards shows; what must be added later is an addition beside the first answer.

Three answers to each statement, one network being one seed and one unit:

1. As printed: in three bases (`fa_lib.settings.BASES`), by the paper's test with its n (a
   two-sample t-test where it names none), without a correction, as the paper has none. Yes from
   BASES_NEEDED of the three on.
2. In how many settings: each of the sixty (`MULTIVERSE`) is coded by D, the difference of the
   measure between two arms, seed by seed, so turned that D > 0 is what the paper reports. "yes":
   p < LEVEL in a paired two-sided t-test and the mean of D at least `smallest`; "opposite": the
   same reversed; "none": the 95 % interval inside +-smallest; else "unclear". S and O are the
   shares of the applicable settings coded yes and opposite. Of a statement of several parts the
   code is the worst of theirs, in the order opposite, none, unclear, yes.
3. Does it take noise: in how many of the yes settings FAN is ahead of a control too, coded yes in
   the same measure with the control in FA's place (of 2b-BP: as of 2b-speed; of what is read when
   converged: at H, to which the controls run). The controls are FA from a zero readout (Z), and the
   same with its hidden layers frozen (ZF).

In words: "reproduced" is yes as printed and S >= MOST; "opposite" is O >= HALF and S < FEW; "not
reproduced" is any other S < FEW; "depends" is the rest. With fewer than FEWEST applicable settings
it is judged in the bases only, by how many of the three. A setting in which BP's test accuracy is
below LEARNED at the horizon is kept and counted; counts are given without it too. A network whose
loss is no longer finite is left out of its setting's pairs, and named.

Arms: FA; FAN (noise, then FA); BP; Z; ZF; DN (data by FA, then noise). The horizon H is the
setting's number of epochs; area is the mean of test accuracy over them by the trapezoid rule, read
at epochs 0 to 5 and at every fifth. "Converged" is the first of the records at every fifth epoch
whose training loss is below CONVERGED nats; a network that does not come there is read at the cap
(25,000 steps on data in the bases, 300 epochs in the sixty, 60 in Figure 3; no less than H), and
counted as late. Only FA, FAN and BP run on from H. In the bases H = 100 decides; 20 stands beside.
Subsets of test images are stratified and drawn once.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from fa_lib.settings import BASES, CONVERGED, MULTIVERSE

__all__ = ["READINGS", "Reading", "rules_date", "rules_hash"]

LEVEL = 0.05  # of significance
MOST, HALF, FEW = 0.8, 0.5, 0.2  # shares of the applicable settings
FEWEST = 30  # applicable settings that an answer over settings needs
LEARNED = 0.5  # test accuracy of BP at the horizon
BASES_NEEDED = 2  # of the three, for yes as printed
SPREAD = 0.8  # 1e: share of the networks in which both tests must come out as printed
CELLS = 0.8  # 1f: share of the input conditions
APART = 45.0  # 2d: degrees between the two directions


@dataclass(frozen=True)
class Reading:
    """What decides one statement.

    Attributes:
        id: of the statement (`fa_lib.paper.STATEMENTS`).
        experiment: whose results say it as printed.
        measure: D, in words.
        smallest: mean of D that counts, in `unit`.
        unit: of D.
        applies: where D is asked, in words; "" everywhere.
        settings: whether the sixty settings judge it too.
        controls: arms that take FA's place, to see whether it takes noise.
        beside: what is shown and never decides.
    """

    id: str
    experiment: str
    measure: str
    smallest: float
    unit: str
    applies: str = ""
    settings: bool = True
    controls: tuple[str, ...] = ()
    beside: str = ""


_PERCENT = "% of the untrained network's"

READINGS: dict[str, Reading] = {
    reading.id: reading
    for reading in (
        Reading(
            "1d",
            "fig1",
            "mean loss of the first 100 noise steps less that of the last 100",
            0.01,
            "nats",
            beside="excess of the loss over ln C",
        ),
        Reading(
            "1e",
            "fig1",
            "angle of a hidden neuron's forward and feedback weights in the last layer, mean over "
            "neurons, before less after noise training; as printed, yes where the untrained "
            "network's neurons are not significantly off 90 degrees and the trained ones are "
            "below them with P<.001, in SPREAD of the networks",
            2.0,
            "degrees",
            beside="the flattened and the centred angle",
        ),
        Reading(
            "1f",
            "fig1",
            "angle of the last layer's forward and feedback weights, flattened, before less after "
            "noise training, over the grid of input conditions: yes where CELLS of them are",
            2.0,
            "degrees",
            settings=False,
        ),
        Reading(
            "2b-speed",
            "fig2",
            "area under test accuracy to H, FAN less FA",
            1.0,
            "points",
            controls=("Z", "ZF"),
            beside="converged; without settings in which BP does not learn",
        ),
        Reading(
            "2b-BP",
            "fig2",
            "area under test accuracy to H, FAN less the mean of FA and BP: above zero, FAN "
            "closes more than half the gap",
            0.0,
            "points",
            applies="where the area of BP is a point or more above that of FA and BP learns",
            controls=("Z", "ZF"),
            beside="whether FAN lies within 1 point of BP",
        ),
        Reading(
            "2b-end",
            "fig2",
            "test accuracy when converged, FAN less FA",
            0.5,
            "points",
            controls=("Z", "ZF"),
            beside="at H; at equal training loss",
        ),
        Reading(
            "2c",
            "fig2",
            "mean angle of the neurons' forward and feedback weights in the last layer at H, FA "
            "less FAN",
            2.0,
            "degrees",
            controls=("Z",),
        ),
        Reading(
            "2d",
            "fig2",
            "displacements of the last layer's weights from the start, by noise alone and by data "
            "alone to H; three parts: their angle less APART (smallest 2 degrees), and the cosine "
            "of each with the feedback weights (above zero)",
            2.0,
            "degrees",
            beside="the plane of the principal components of both phases",
        ),
        Reading(
            "2e",
            "fig2",
            "Frobenius distance of the last layer's forward and feedback weights; three parts: "
            "untrained less FA at H, FA at H less FAN at H, untrained less FAN at H",
            2.0,
            _PERCENT,
            beside="cosine distance, norm, and the distance of a zero readout",
        ),
        Reading(
            "2g-stuck",
            "fig2",
            "Frobenius distance, DN less FA at H, by two one-sided tests: yes where its 90 % "
            "interval lies inside +-smallest, opposite where its 95 % interval lies outside, else "
            "unclear",
            2.0,
            _PERCENT,
            beside="angle, norm and accuracy on the way",
        ),
        Reading(
            "2g-order",
            "fig2",
            "Frobenius distance, DN less FAN at H",
            2.0,
            _PERCENT,
            beside="the paper's tests: noise against noise and then data, noise against DN",
        ),
        Reading(
            "3",
            "fig3",
            "test accuracy when converged, FAN less FA: in every cell of depth and data set, over "
            "the settings on MNIST at depth 2",
            0.5,
            "points",
            applies="where BP is above FA, and BP learns",
            controls=("Z", "ZF"),
            beside="share of the gap to BP closed; at the best validation epoch",
        ),
        Reading(
            "4b",
            "fig4",
            "rms distance of the probabilities from 1/C on fresh noise, half of that before less "
            "that after noise training, depth 3",
            0.0,
            "probability",
            beside="the paper's Wilcoxon test of 100 noise inputs x 10 classes in each network, "
            "and its other readings",
        ),
        Reading(
            "4c",
            "fig4",
            "share of the C - 1 largest in the sum of the first layer's singular values, after "
            "less before noise training, depth 3",
            1.0,
            _PERCENT,
            beside="every layer",
        ),
        Reading(
            "4d",
            "fig4",
            "effective rank of the first layer's weights, before less after noise training, depth "
            "3",
            1.0,
            _PERCENT,
            beside="every layer; the participation ratio",
        ),
        Reading(
            "4e",
            "fig4",
            "mean over epochs 0 to H, by the trapezoid rule, of test less training loss, FA less "
            "FAN, depth 3, 1,600 images",
            0.01,
            "nats",
            controls=("Z",),
            beside="the gap of accuracy; at equal training loss",
        ),
        Reading(
            "4f",
            "fig4",
            "the same at every size of 100, 400, 1,600 and 5,000 images",
            0.01,
            "nats",
            settings=False,
            controls=("Z",),
        ),
        Reading(
            "4g",
            "fig4",
            "effective rank of the Gram matrix of cosines between the last hidden layer's neurons "
            "over 1,000 fixed test images, without dead neurons, at H, FA less FAN, depth 3, "
            "1,600 images",
            5.0,
            "% of FA's",
            controls=("Z",),
            beside="the first layer, over images, and before data",
        ),
        Reading(
            "4h",
            "fig4",
            "the same at every depth from 2 to 5",
            5.0,
            "% of FA's",
            settings=False,
            controls=("Z",),
        ),
        Reading(
            "5b",
            "fig5",
            "mean accuracy over three families of 2,000 transformed test images at H, FAN less "
            "FA: shifts of 3 pixels to four sides; scales .7, .85, 1.15 and 1.3; rotations of "
            "+-15, 30 and 45 degrees",
            0.5,
            "points",
            controls=("Z", "ZF"),
            beside="at equal accuracy on the images as they are; earlier in training",
        ),
        Reading(
            "5c",
            "fig5",
            "accuracy on USPS, framed as MNIST, at H, FAN less FA",
            0.5,
            "points",
            controls=("Z", "ZF"),
            beside="as for 5b",
        ),
        Reading(
            "6a",
            "fig6",
            "meta-loss, the sum over the three tasks of the test loss after 100 steps on data, "
            "before less after noise training",
            2.0,
            _PERCENT,
            controls=("Z",),
            beside="losses summed in adaptation; 10, 30 and 300 steps",
        ),
        Reading(
            "6b",
            "fig6",
            "cosine of the last layer's displacement by noise alone with its feedback weights; "
            "two parts: depths 2 and 3",
            0.0,
            "cosine",
            beside="the plane of principal components",
        ),
        Reading(
            "6c",
            "fig6",
            "area under test accuracy to H, FAN less FA; three parts: the tasks",
            1.0,
            "points",
            controls=("Z", "ZF"),
            beside="steps to a common loss",
        ),
    )
}

# Whose results are judged by these rules.
EXPERIMENTS = ("fig1", "fig2", "fig3", "fig4", "fig6", "multiverse")

# The hash of all this, and the date of the commit that wrote it.
WRITTEN = ("3ce85cb0db19", "2026-11-30T22:38:17+00:00")


def rules_hash(experiment: str) -> str:
    """Short hash of the rules that judge an experiment; "" where no statement rests on it.

    Of the readings, the numbers they share, the bases and the drawn settings, whatever the
    experiment.
    """
    if experiment not in EXPERIMENTS:
        return ""
    shared = [
        LEVEL, MOST, HALF, FEW, FEWEST, LEARNED, CONVERGED, BASES_NEEDED, SPREAD, CELLS, APART,
    ]  # fmt: skip
    rows = [[asdict(row) for row in rows] for rows in (READINGS.values(), BASES, MULTIVERSE)]
    text = json.dumps([rows, shared, __doc__], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def rules_date(experiment: str) -> str:
    """When the rules that judge an experiment were written; "" where no statement rests on it.

    Raises:
        ValueError: rules that are not the ones in WRITTEN.
    """
    written, date = WRITTEN
    present = rules_hash(experiment)
    if not present:
        return ""
    if written != present:
        raise ValueError(
            f"The rules have changed: their hash is {present}, and WRITTEN in "
            f"fa_lib/protocol.py dates {written}."
        )
    return date
