"""Tables of "table1" and "depth" whose verdicts are known, because the accuracies are planted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from learning_tables import spread

UNIT = 50  # steps in an epoch
EPOCHS = np.arange(21)
BEST = 8  # the epoch with the highest validation accuracy
# Test accuracy in per cent at the best validation checkpoint. S and Z are as good as FA.
PLANTED = {"FA": 90.0, "FAN": 91.0, "BP": 92.0, "Z": 90.0, "S": 90.0}
JITTER = 0.01  # of FAN's accuracy, in points, so that no two seeds have the same difference


def case(
    column: str,
    name: object,
    changes: Mapping[str, float | None] | None = None,
    *,
    setting: str = "F",
    seeds: Sequence[int] = range(10),
) -> pd.DataFrame:
    """One data set, or one depth, in one setting.

    Arguments:
        changes: accuracy by arm, in place of what is planted; None leaves the arm out.
    """
    rises = 0.5 - 0.01 * abs(EPOCHS - BEST)  # of validation accuracy, to the best epoch and down
    parts = []
    for arm, accuracy in {**PLANTED, **(changes or {})}.items():
        if accuracy is None:
            continue
        level = accuracy + JITTER * spread(seeds) * (arm == "FAN")
        # Test accuracy is right at the checkpoint alone: higher after it, lower before.
        test = level[:, None] + (EPOCHS - BEST)
        for metric, values in (
            ("validation_accuracy", np.broadcast_to(rises, test.shape)),
            ("test_accuracy", test / 100),
        ):
            rows = {
                "arm": arm,
                "metric": metric,
                "seed": np.repeat(seeds, len(EPOCHS)),
                "step": np.tile(EPOCHS * UNIT, len(seeds)),
                "value": values.ravel(),
            }
            parts.append(pd.DataFrame(rows))
    where = {column: name, "panel": "data", "setting": setting, "n": 5000, "epoch_steps": UNIT}
    return pd.concat(parts, ignore_index=True).assign(**where)


def sets(
    by_set: Mapping[str, Mapping[str, float | None]], setting: str = "F", **more: object
) -> pd.DataFrame:
    """Several data sets in one setting."""
    parts = [case("dataset", name, own, setting=setting, **more) for name, own in by_set.items()]
    return pd.concat(parts, ignore_index=True)
