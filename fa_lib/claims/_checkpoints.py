"""Arms at their best validation checkpoints, case by case: what C17 and C18 rest on.

A case is a data set of "table1", or a depth of "depth". Chapters draw what these functions return,
so that no figure can disagree with a verdict.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Iterator
from dataclasses import replace

import pandas as pd

from fa_lib.claims._curves import Run, at_checkpoint, by_step, checkpoints
from fa_lib.claims._judgement import Part, summarise
from fa_lib.claims._measures import PATIENCE, Detail, detail
from fa_lib.claims._statistics import bootstrap_interval, share_interval
from fa_lib.protocol import CLOSE, CONTROLS

ACCURACY, VALIDATION = "test_accuracy", "validation_accuracy"
NAME = "test accuracy at the best validation checkpoint"
SHOWN = ("BP", "FA", "FAN", "Z", "S")  # the columns of a table of accuracies
SHARE = "share of the gap (%)"


def checkpoint_values(
    table: pd.DataFrame, by: str, metrics: Collection[str] = (ACCURACY,)
) -> pd.DataFrame:
    """Metrics of every network at its best validation checkpoint, as claim C6 defines it.

    Arguments:
        table: of "table1" or "depth".
        by: the column that tells its cases apart, "dataset" or "layers".
        metrics: those that a network lacks are left out.

    Returns:
        Columns by, setting, n, arm, seed, metric, value (accuracy in per cent), epoch (of the
        checkpoint) and epochs_after (recorded after it; accuracy may still have been rising where
        these are fewer than the patience).
    """
    wanted = {VALIDATION, *metrics}
    rows = table[(table["panel"] == "data") & table["metric"].isin(wanted)]
    found = []
    for (case, setting, n), own in rows.groupby([by, "setting", "n"], sort=False):
        unit, end = float(own["epoch_steps"].iloc[0]), int(own["step"].max())
        curves = {
            (str(arm), str(metric)): by_step(part)
            for (arm, metric), part in own.groupby(["arm", "metric"], sort=False)
        }
        noise = dict.fromkeys(map(str, own["arm"].unique()), 0)
        run = Run(str(setting), int(n), unit, end, True, noise, curves)
        for arm, metric in curves:
            if metric not in metrics:
                continue
            best = checkpoints(run, arm, PATIENCE)
            followed = run.whole(arm, VALIDATION)
            last = pd.Series({seed: values.last_valid_index() for seed, values in followed.items()})
            factor = 100.0 if metric.endswith("accuracy") else 1.0
            part = pd.DataFrame(
                {
                    "value": factor * at_checkpoint(run, arm, metric, PATIENCE),
                    "epoch": best / unit,
                    "epochs_after": (last - best) / unit,
                }
            )
            part = part.rename_axis("seed").reset_index()
            said = {by: case, "setting": setting, "n": n, "arm": arm, "metric": metric}
            found.append(part.assign(**said))
    columns = [by, "setting", "n", "arm", "seed", "metric", "value", "epoch", "epochs_after"]
    return pd.concat(found, ignore_index=True)[columns] if found else pd.DataFrame(columns=columns)


def cases(values: pd.DataFrame, by: str, setting: str) -> Iterator[tuple[Hashable, pd.DataFrame]]:
    """In a setting, each case with its wide table: a row for each seed, a column for each arm.

    Arguments:
        values: of `checkpoint_values`, of one metric.
    """
    for case, rows in values[values["setting"] == setting].groupby(by, sort=False):
        yield case, rows.pivot(index="seed", columns="arm", values="value")  # noqa: PD010


def gain(wide: pd.DataFrame, arm: str, reference: str) -> pd.Series:
    """By how much an arm's value is above another's, by seed, over the seeds that both have."""
    if not {arm, reference} <= set(wide.columns):
        return pd.Series(dtype=float)
    return (wide[arm] - wide[reference]).dropna()


def gap_closed(wide: pd.DataFrame) -> Part:
    """Share of the gap between FA and BP that FAN closes, with Fieller's interval."""
    gains, gaps = gain(wide, "FAN", "FA"), gain(wide, "BP", "FA")
    seeds = gains.index.intersection(gaps.index)
    share = share_interval(gains[seeds], gaps[seeds])
    return Part("share of the gap to BP closed", len(seeds), *share, math.nan)


def levels(wide: pd.DataFrame) -> str:
    """The main arms' means, and how much of the gap to BP is closed."""
    arms = [arm for arm in ("FA", "FAN", "BP") if arm in wide]
    text = ", ".join(f"{arm} {wide[arm].mean():.4g}" for arm in arms)
    share = gap_closed(wide)
    if math.isnan(share.mean):
        return text
    return f"{text}; {share}, {'close' if share.low > CLOSE else 'not surely close'}"


def accuracy_rows(values: pd.DataFrame, by: str) -> pd.DataFrame:
    """Accuracies for display, a row for each case and setting.

    Arguments:
        values: of `checkpoint_values`, of test accuracy.
        by: the column of the cases.

    Returns:
        Columns by, n, setting, one for each of the main arms (mean ± standard deviation over seeds,
        per cent; "" where it was not run), share of the gap (%) (between FA and BP that FAN closes,
        with its 95 % interval; "–" where BP is not surely ahead) and seeds.
    """
    rows = []
    for (case, setting), own in values.groupby([by, "setting"], sort=False):
        wide = own.pivot(index="seed", columns="arm", values="value")  # noqa: PD010
        share = gap_closed(wide)
        closed = f"{100 * share.mean:.0f} [{100 * share.low:.0f}, {100 * share.high:.0f}]"
        row = {by: case, "n": own["n"].iloc[0], "setting": setting}
        row |= {arm: _mean_and_deviation(wide[arm]) if arm in wide else "" for arm in SHOWN}
        row |= {SHARE: "–" if math.isnan(share.low) else closed, "seeds": len(wide)}
        rows.append(row)
    return pd.DataFrame(rows, columns=[by, "n", "setting", *SHOWN, SHARE, "seeds"])


def _mean_and_deviation(sample: pd.Series) -> str:
    text = f"{sample.mean():.2f}"
    return text if sample.count() < 2 else f"{text} ± {sample.std():.2f}"


def compared(name: str, wide: pd.DataFrame, setting: str, unit: str, sign: int = 1) -> list[Detail]:
    """FAN against FA, with the bootstrap interval too, and against the controls that were run.

    Arguments:
        sign: -1 where a smaller value is better.
    """
    rows = []
    for reference in ("FA", *CONTROLS):
        values = sign * gain(wide, "FAN", reference)
        (part,) = summarise({name: values})
        if not part.n:
            continue
        rows.append(detail(part, setting, f"FAN against {reference}", unit))
        low, high = bootstrap_interval(values)
        if reference == "FA" and not math.isnan(low):
            again = replace(part, name=f"{name}, bootstrap interval", low=low, high=high)
            rows.append(detail(again, setting, "FAN against FA", unit))
    return rows
