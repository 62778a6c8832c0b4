"""Comparisons at equal cost: noise steps are counted as steps on data are."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fa_lib.claims._curves import Run, mean_height
from fa_lib.claims._measures import Pair

ACCURACY = "test_accuracy"
ANGLE = "centered_alignment_angle_w2"


def accuracy_by_total_steps(run: Run, arm: str, reference: str) -> Pair:
    """Mean accuracy in percent over the same number of total steps, noise steps counted.

    That number is the later arm's noise steps and its curve. Through noise training an arm keeps
    the accuracy with which it meets the data; one that was not trained for so long keeps its last.
    """
    names = (reference, arm)
    stop = max(run.noise_steps.get(name, 0) for name in names) + run.end
    heights = []
    for name in names:
        wide = run.whole(name, ACCURACY)
        found = {}
        for seed, values in wide.items():
            known = values.dropna()
            at = known.index.to_numpy(dtype=float) + run.noise_steps[name]
            grid = np.unique(np.concatenate([[0.0, stop], at[at < stop]]))
            curve = pd.DataFrame({seed: np.interp(grid, at, known)}, index=grid)
            found[seed] = 100 * float(mean_height(curve).iloc[0])
        heights.append(pd.Series(found, dtype=float))
    return heights[0], heights[1]


def angle_at_equal_total_steps(run: Run, arm: str, reference: str) -> Pair:
    """Mean angle over the logarithm of the total step, noise steps counted, where both were run.

    From an epoch into the data of the arm that starts on data later, to the end of the arm that
    stops first.
    """
    theirs, ours = run.whole(reference, ANGLE), run.whole(arm, ANGLE)
    means: tuple[dict[object, float], dict[object, float]] = ({}, {})
    for seed in theirs.columns.intersection(ours.columns):
        curves = []
        for name, wide in ((reference, theirs), (arm, ours)):
            values = wide.loc[wide.index > 0, seed].dropna()
            values.index = values.index + run.noise_steps[name]
            curves.append(values)
        if any(values.empty for values in curves):
            continue
        first = max(run.noise_steps[name] for name in (reference, arm)) + run.unit
        stop = min(values.index[-1] for values in curves)
        if stop <= first:
            continue
        records = np.concatenate([values.index.to_numpy(dtype=float) for values in curves])
        grid = np.unique(np.concatenate([records, [first, stop]]))
        grid = grid[(grid >= first) & (grid <= stop)]
        for place, values in enumerate(curves):
            height = np.interp(np.log(grid), np.log(values.index.to_numpy(float)), values)
            on_grid = pd.DataFrame({seed: height}, index=grid)
            means[place][seed] = float(mean_height(on_grid, log_steps=True).iloc[0])
    return pd.Series(means[0], dtype=float), pd.Series(means[1], dtype=float)
