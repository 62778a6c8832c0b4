"""The paper's statements, judged from tables by the rules of `fa_lib.protocol`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from fa_lib.experiments.multiverse import DEEPER_IMAGES
from fa_lib.judges._bases import (
    Tables,
    ahead_of,
    as_printed,
    bases_of,
    cells,
    experiments_of,
    parts_of,
    runs_of,
)
from fa_lib.judges._differences import MEASURES, Parts
from fa_lib.judges._printed import Printed
from fa_lib.judges._runs import Runs
from fa_lib.judges._settings import Coded, OverSettings, by_level, coded, over_settings, words
from fa_lib.judges._statistics import Paired, mean_interval, paired

__all__ = [
    "Coded",
    "OverSettings",
    "Paired",
    "Parts",
    "Printed",
    "Runs",
    "Tables",
    "ahead_of",
    "as_printed",
    "bases_of",
    "by_level",
    "cells",
    "codes_of_settings",
    "experiments_of",
    "mean_interval",
    "over_settings",
    "paired",
    "parts_of",
    "runs_of",
    "words",
]


def codes_of_settings(
    table: pd.DataFrame, config: Any, statements: Sequence[str] = tuple(MEASURES)
) -> dict[str, list[Coded]]:
    """What each setting says of each statement.

    Arguments:
        table: of the experiment "multiverse".
        config: its Config.
        statements: ids; of those that are judged over settings.
    """
    found: dict[str, list[Coded]] = {id: [] for id in statements}
    for name, own in table.groupby("setting", sort=False):
        setting = config.setting(str(name))
        runs = Runs(own, setting, config.dataset, min(DEEPER_IMAGES, setting.images))
        for id, rows in found.items():
            rows.append(coded(runs, id))
    return found
