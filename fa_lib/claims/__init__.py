"""The paper's claims as statistical tests: from a result's table to a verdict.

The rules are the rows of `fa_lib.protocol.CLAIMS`; here is how they are applied, one file a figure.
Whatever a chapter or the README says of a claim comes from `judge`, so a changed result changes the
verdict. `by_arm`, `by_pair` and `details` give the numbers that the verdicts rest on, and those
that the protocol wants beside them.
"""

from __future__ import annotations

from fa_lib.claims._beside import by_arm, by_pair, details, runs_of
from fa_lib.claims._checkpoints import accuracy_rows, checkpoint_values
from fa_lib.claims._curves import Run, at_checkpoint, at_equal_loss, mean_height, runs
from fa_lib.claims._fig1 import cells
from fa_lib.claims._judgement import Judgement
from fa_lib.claims._noise_map import (
    MAP_MEASURES,
    MapPoint,
    map_effects,
    map_points,
    multiply_adds,
)
from fa_lib.claims._statistics import (
    bootstrap_interval,
    holm,
    mean_interval,
    one_sided_p,
    share_interval,
)
from fa_lib.claims._summary import summary
from fa_lib.claims._table1 import table1_rows
from fa_lib.claims._verdicts import Verdict, judge, judge_stored, verdict_table

__all__ = [
    "MAP_MEASURES",
    "Judgement",
    "MapPoint",
    "Run",
    "Verdict",
    "accuracy_rows",
    "at_checkpoint",
    "at_equal_loss",
    "bootstrap_interval",
    "by_arm",
    "by_pair",
    "cells",
    "checkpoint_values",
    "details",
    "holm",
    "judge",
    "judge_stored",
    "map_effects",
    "map_points",
    "mean_height",
    "mean_interval",
    "multiply_adds",
    "one_sided_p",
    "runs",
    "runs_of",
    "share_interval",
    "summary",
    "table1_rows",
    "verdict_table",
]
