"""The paper's statements, judged from tables by the rules of `fa_lib.protocol`."""

from __future__ import annotations

from typing import Any

import pandas as pd

from fa_lib.experiments.multiverse import DEEPER_IMAGES
from fa_lib.judges._differences import MEASURES
from fa_lib.judges._runs import Runs
from fa_lib.judges._settings import Coded, OverSettings, by_level, coded, over_settings, words

__all__ = ["Coded", "OverSettings", "by_level", "codes_of_settings", "over_settings", "words"]


def codes_of_settings(table: pd.DataFrame, config: Any) -> dict[str, list[Coded]]:
    """What each setting says of each statement that is judged over settings.

    Arguments:
        table: of the experiment "multiverse".
        config: its Config.
    """
    found: dict[str, list[Coded]] = {id: [] for id in MEASURES}
    for name, own in table.groupby("setting", sort=False):
        setting = config.setting(str(name))
        runs = Runs(own, setting, config.dataset, min(DEEPER_IMAGES, setting.images))
        for id, rows in found.items():
            rows.append(coded(runs, id))
    return found
