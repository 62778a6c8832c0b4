"""Figure 4's claims: C9 (chance), C10 (dimensionality), C11 (rank), C12 (generalisation)."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from fa_lib.claims._curves import LOSS, Run, by_step, judged, last, relative_fall, runs
from fa_lib.claims._judgement import (
    Judgement,
    Part,
    Parts,
    judge_parts,
    judgement,
    specific_to_noise,
    summarise,
)
from fa_lib.claims._measures import (
    Detail,
    Measure,
    Pair,
    at_checkpoints,
    comparisons,
    detail,
    equal_loss,
    needed,
    on_curve,
    parts,
)
from fa_lib.protocol import Claim

RANK, ACTIVITY = "rank_w1", "dimensionality_hidden"
# Of noise training: names of its metrics, those of the rules first.
KL = {"kl_noise": "KL on noise", "kl_images": "KL on images"}
DEVIATION = {"deviation_noise": "noise", "deviation_images": "images"}
DIMENSIONS = {
    "dimensionality_w1": "participation ratio of W1",
    ACTIVITY: "participation ratio of the hidden activity on images",
    "dimensionality_hidden_noise": "participation ratio of the hidden activity on noise",
    "dimensionality_w2": "participation ratio of the centred W2",
    "entropy_rank_w1": "entropy rank of W1",
    "stable_rank_w1": "stable rank of W1",
}


def _noise_training(claim: Claim, table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The rows of noise training at each width, the claim's settings first."""
    rows = table[table["panel"] == "noise"]
    names = {f"width {width}": width for width in rows["width"].unique()}
    order = [name for name in claim.settings if name in names]
    order += sorted(set(names) - set(order), key=lambda name: names[name])
    return [(name, rows[rows["width"] == names[name]]) for name in order]


def _ends(rows: pd.DataFrame, arm: str, metric: str) -> tuple[pd.Series, pd.Series]:
    """A metric by seed, before the first and after the last noise step."""
    kept = rows[(rows["arm"] == arm) & (rows["metric"] == metric)]
    wide = by_step(kept)
    if wide.empty:
        return pd.Series(dtype=float), pd.Series(dtype=float)
    return wide.iloc[0], wide.iloc[-1]


def _falls(rows: pd.DataFrame, names: dict[str, str], arm: str = "FAN") -> list[Part]:
    return summarise(
        {name: relative_fall(*_ends(rows, arm, metric)) for metric, name in names.items()}
    )


def _judge_c9(claim: Claim, table: pd.DataFrame) -> list[Judgement]:
    out = []
    for setting, rows in _noise_training(claim, table):
        ends = {name: _ends(rows, "FAN", metric)[1] for metric, name in DEVIATION.items()}
        far = ", ".join(f"{end.mean():.3f} on {name}" for name, end in ends.items() if len(end))
        note = f"largest deviation from 1/C at the end: {far}"
        out.append(judge_parts(setting, _falls(rows, KL), claim.smallest_effect, note))
    return out


def _details_c9(claim: Claim, table: pd.DataFrame) -> list[Detail]:
    out = []
    for setting, rows in _noise_training(claim, table):
        for arm in rows["arm"].unique():
            out += [detail(part, setting, arm, "%") for part in _falls(rows, KL, arm)]
            levels = {
                f"largest deviation from 1/C on {name}, {when}": end
                for metric, name in DEVIATION.items()
                for when, end in zip(("before", "after"), _ends(rows, arm, metric), strict=True)
            }
            out += [detail(part, setting, arm, "") for part in summarise(levels)]
    return out


def _judge_c10(claim: Claim, table: pd.DataFrame) -> list[Judgement]:
    out = []
    for setting, rows in _noise_training(claim, table):
        weights, activity, *others = _falls(rows, DIMENSIONS)
        falls = weights.mean >= claim.smallest_effect
        note = "; ".join(str(part) for part in (activity, *others) if part.n)
        if falls and activity.n and activity.mean > claim.limits["activity"]:
            row = judgement(
                setting, [weights, activity], "PASS", note, shown=weights, p_part=weights.p
            )
        else:
            verdict = "FAIL" if weights.high < claim.smallest_effect else "OPEN"
            row = judgement(setting, [weights], "IN PART" if falls else verdict, note)
        out.append(row)
    return out


def _details_c10(claim: Claim, table: pd.DataFrame) -> list[Detail]:
    return [
        detail(part, setting, arm, "%")
        for setting, rows in _noise_training(claim, table)
        for arm in rows["arm"].unique()
        for part in _falls(rows, DIMENSIONS, arm)
    ]


def _rank_measure(name: str, metric: str, *, decides: bool = False) -> tuple[Measure, Measure]:
    """At equal training loss, and at the end of the curve."""
    at_end = on_curve(metric, lambda _, curves: last(curves))
    return (
        Measure(
            f"{name} at equal training loss",
            "dimensions",
            (metric, LOSS),
            equal_loss(metric),
            better="lower",
            relative=True,
            decides=decides,
            paired=True,
        ),
        Measure(
            f"{name} after epoch 20", "dimensions", (metric,), at_end, better="lower", relative=True
        ),
    )


C11 = (
    *_rank_measure("rank of W1 that suffices", RANK, decides=True),
    *_rank_measure("participation ratio of the hidden activity", ACTIVITY, decides=True),
    *_rank_measure("participation ratio of W1", "dimensionality_w1"),
    *_rank_measure("participation ratio of the centred W2", "dimensionality_w2"),
)


def _judge_c11(claim: Claim, table: pd.DataFrame) -> list[Judgement]:
    out = []
    for run in judged(claim, runs(table, needed(C11))):
        rank, activity = summarise(parts(run, C11, "FA"))
        limit = claim.limits["activity"]
        earned = [
            part
            for part, counts in (
                (rank, rank.mean >= claim.smallest_effect),
                (activity, activity.mean > limit),
            )
            if counts
        ]
        if len(earned) == 2:
            p_part = min(rank.p, activity.p)
            row = judgement(run.name, earned, "PASS", str(activity), shown=rank, p_part=p_part)
        elif earned:
            row = judgement(run.name, earned, "IN PART", str(activity), shown=rank)
        else:
            both = rank.high < claim.smallest_effect and activity.high < limit
            verdict = "FAIL" if both else "OPEN"
            row = judgement(run.name, [rank, activity], verdict, str(activity), shown=rank)
        out.append(specific_to_noise(row, partial(parts, run, C11), 1))
    return out


def _gaps(run: Run, arm: str, reference: str) -> Pair:
    theirs, ours = (
        last(test) - last(train)
        for test, train in zip(
            run.pair(arm, reference, "test_loss"), run.pair(arm, reference, LOSS), strict=True
        )
    )
    return theirs, ours


C12 = (
    Measure(
        "test loss at equal training loss",
        "nats",
        ("test_loss", LOSS),
        equal_loss("test_loss"),
        better="lower",
        relative=True,
        decides=True,
        paired=True,
    ),
    Measure(
        "test minus training loss at the end of the curve",
        "nats",
        ("test_loss", LOSS),
        _gaps,
        better="lower",
    ),
    Measure(
        "test loss at the best validation checkpoint",
        "nats",
        ("test_loss", "validation_accuracy"),
        at_checkpoints("test_loss"),
        better="lower",
        relative=True,
    ),
)


def size_differences(found: list[Run], measure: Measure, reference: str) -> pd.DataFrame:
    """D of FAN against a reference: a row for each seed that all sizes have, a column a size."""
    by_size = {run.n: measure.difference(run, "FAN", reference) for run in found}
    measured = {n: values for n, values in sorted(by_size.items()) if len(values)}
    return pd.DataFrame(measured).dropna()


def slopes(differences: pd.DataFrame) -> pd.Series:
    """Each seed's slope of D over the logarithm of the size, for a tenfold size."""
    if differences.shape[1] < 2 or differences.empty:
        return pd.Series(dtype=float)
    fitted = np.polyfit(np.log10(differences.columns.to_numpy(float)), differences.T, 1)
    return pd.Series(fitted[0], index=differences.index)


def _over_sizes(found: list[Run], reference: str) -> Parts:
    return {"mean over sizes": size_differences(found, C12[0], reference).mean(axis=1)}


def _settings_c12(claim: Claim, table: pd.DataFrame) -> list[tuple[str, list[Run]]]:
    found = runs(table, needed(C12))
    return [
        (name, own)
        for name in claim.settings
        if (own := [run for run in found if run.setting == name])
    ]


def _judge_c12(claim: Claim, table: pd.DataFrame) -> list[Judgement]:
    out = []
    for setting, found in _settings_c12(claim, table):
        differences = size_differences(found, C12[0], "FA")
        mean, slope = summarise(
            {**_over_sizes(found, "FA"), "slope for a tenfold size": slopes(differences)}
        )
        sizes = "; ".join(f"n = {n:,}: {differences[n].mean():.3g}" for n in differences)
        if mean.mean >= claim.smallest_effect:
            verdict = "PASS" if slope.high < claim.limits["slope"] else "IN PART"
        else:
            verdict = "FAIL" if mean.high < claim.smallest_effect else "OPEN"
        row = judgement(setting, [mean], verdict, f"{slope}; D at {sizes}")
        out.append(specific_to_noise(row, partial(_over_sizes, found)))
    return out


def _details_c12(claim: Claim, table: pd.DataFrame) -> list[Detail]:
    out = []
    for setting, found in _settings_c12(claim, table):
        out += [row for run in found for row in comparisons(run, C12)]
        for measure in C12:
            differences = size_differences(found, measure, "FA")
            both = {
                f"{measure.name}, mean over sizes": differences.mean(axis=1),
                f"{measure.name}, slope for a tenfold size": slopes(differences),
            }
            unit = measure.unit_of_difference
            out += [
                detail(part, setting, "FAN against FA", unit) for part in summarise(both) if part.n
            ]
    return out


def _details_c11(claim: Claim, table: pd.DataFrame) -> list[Detail]:
    found = judged(claim, runs(table, needed(C11)))
    return [row for run in found for row in comparisons(run, C11)]


MEASURES = {"C11": C11, "C12": C12}
JUDGES = {"C9": _judge_c9, "C10": _judge_c10, "C11": _judge_c11, "C12": _judge_c12}
DETAILS = {"C9": _details_c9, "C10": _details_c10, "C11": _details_c11, "C12": _details_c12}
