"""Results of planted tables, stored as those of a run are."""

from types import ModuleType
from typing import Any

import pandas as pd

from fa_lib import results
from fa_lib.experiments._config import settings
from fa_lib.experiments._identity import identity_now, pieces_identity
from fa_lib.results import Result, config_hash


def store(
    table: pd.DataFrame, name: str, experiment: ModuleType, config: Any, stored_as: str = "paper"
) -> Result:
    """Store a table as the result of an experiment, named as in the registry, with that config."""
    values = settings(config)
    facts = {"experiment": name, "name": stored_as, "profile": "paper", "config": values}
    facts |= {"config_hash": config_hash(values), **identity_now(name, [])}
    facts["data_fingerprints"] = dict.fromkeys(experiment.data_sets(config), "planted")
    return results.save(table, facts | {"pieces": pieces_identity(experiment.pieces(config))})
