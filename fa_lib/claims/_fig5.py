"""Figure 5's claims: C13 (shifted, scaled and rotated images), C14 (another data set)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import pandas as pd

from fa_lib.claims._curves import Run, by_step, judged, last, where_both_come_to
from fa_lib.claims._judgement import Judgement, judgement, specific_to_noise, summarise
from fa_lib.claims._measures import Detail, Measure, Pair, comparisons, needed, on_curve, parts
from fa_lib.experiments._moved import IDENTITY
from fa_lib.metrics import area_under_curve
from fa_lib.protocol import Claim

CLEAN = "clean"
# The images from elsewhere, and the same framed in another way: the table's other data sets, in
# its order, whatever they are called.
ELSEWHERE = ("elsewhere", "elsewhere, framed otherwise")
_UNITS = 20  # of the curve


def runs(table: pd.DataFrame, metrics: Iterable[str]) -> list[Run]:
    """The runs of "fig5" by setting and size, with some of their metrics, in points.

    Arguments:
        table: of "fig5".
        metrics: "clean", a transformation (then the area under accuracy over its amounts), or one
            of ELSEWHERE.
    """
    wanted = set(metrics)
    found = []
    for (setting, _), rows in table.groupby(["setting", "n"]):
        others = [name for name in rows["test_set"].unique() if name not in (CLEAN, *IDENTITY)]
        names = dict(zip(others, ELSEWHERE, strict=False)) | {CLEAN: CLEAN}
        curves = {}
        for arm, own in rows.groupby("arm"):
            accuracy = 100 * _wide(own)
            for name in accuracy.columns.unique("test_set"):
                metric = names.get(name, name)
                if metric not in wanted:
                    continue
                # An area for a transformation, the one column there is for a data set.
                wide = accuracy[name]
                if name in IDENTITY:
                    identity = accuracy[CLEAN, 0.0].rename(IDENTITY[name])
                    wide = wide.join(identity).sort_index(axis="columns")
                    height = area_under_curve(wide.columns, wide.to_numpy().T)
                    curves[str(arm), metric] = _by_step(pd.Series(height, wide.index))
                else:
                    curves[str(arm), metric] = _by_step(wide[0.0])
        before = rows.groupby("arm", sort=False)["noise_steps"].max()
        noise = {str(arm): int(steps) for arm, steps in before.items()}
        n, end = int(rows["n"].iloc[0]), int(rows["step"].max())
        found.append(Run(str(setting), n, end / _UNITS, end, True, noise, curves))
    return found


def _wide(rows: pd.DataFrame) -> pd.DataFrame:
    """A row for each step and seed, a column for each test set and amount."""
    columns = ["test_set", "amount"]
    return rows.pivot(index=["step", "seed"], columns=columns, values="value")  # noqa: PD010 - it refuses doubles


def _by_step(values: pd.Series) -> pd.DataFrame:
    return by_step(values.rename("value").reset_index())


def _at_equal_accuracy(metric: str) -> Callable[[Run, str, str], Pair]:
    """Values where both arms come up to their common accuracy on the images as they are."""

    def values(run: Run, arm: str, reference: str) -> Pair:
        theirs, ours = run.pair(arm, reference, CLEAN)
        return where_both_come_to((-theirs, -ours), run.pair(arm, reference, metric))

    return values


def _both_ways(names: dict[str, str], *, decides: bool = True) -> tuple[Measure, ...]:
    """Measures after epoch 20 for each metric, then as many at equal accuracy."""
    at_end = [
        Measure(
            f"{name}, after epoch 20",
            "points",
            (metric,),
            on_curve(metric, lambda _, curves: last(curves)),
            better="higher",
            decides=decides,
        )
        for metric, name in names.items()
    ]
    matched = [
        Measure(
            f"{name}, at equal clean accuracy",
            "points",
            (metric, CLEAN),
            _at_equal_accuracy(metric),
            better="higher",
            decides=decides,
            paired=True,
        )
        for metric, name in names.items()
    ]
    return (*at_end, *matched)


C13 = (
    *_both_ways({kind: f"accuracy over {kind}" for kind in IDENTITY}),
    Measure(
        "accuracy on the images as they are, after epoch 20",
        "points",
        (CLEAN,),
        on_curve(CLEAN, lambda _, curves: last(curves)),
        better="higher",
    ),
)
C14 = (
    *_both_ways({ELSEWHERE[0]: "accuracy on the other data set"}),
    *_both_ways({ELSEWHERE[1]: "accuracy on the other data set, padded"}, decides=False),
)


def _judge(measures: tuple[Measure, ...], claim: Claim, table: pd.DataFrame) -> list[Judgement]:
    rows = []
    for run in judged(claim, runs(table, needed(measures))):
        found = summarise(parts(run, measures, "FA"))
        half = len(found) // 2
        at_end, smallest = found[:half], claim.smallest_effect
        deciding = found
        if all(part.mean >= smallest for part in found):
            verdict = "PASS"
        else:
            deciding = at_end
            if all(part.mean >= smallest for part in at_end):
                verdict = "IN PART"
            else:
                verdict = "FAIL" if any(part.high < smallest for part in at_end) else "OPEN"
        row = judgement(
            run.name,
            deciding,
            verdict,
            "; ".join(map(str, found)),
            shown=min(at_end, key=lambda part: part.mean),
            p_part=max(part.p for part in at_end),
        )
        endpoint = partial(parts, run, measures)
        rows.append(specific_to_noise(row, endpoint, len(deciding)))
    return rows


def _details(measures: tuple[Measure, ...], claim: Claim, table: pd.DataFrame) -> list[Detail]:
    found = judged(claim, runs(table, needed(measures)))
    return [row for run in found for row in comparisons(run, measures)]


MEASURES = {"C13": C13, "C14": C14}
JUDGES = {claim: partial(_judge, measures) for claim, measures in MEASURES.items()}
DETAILS = {claim: partial(_details, measures) for claim, measures in MEASURES.items()}
