"""The experiments, a file each; figures that look at the same runs share one (`resolve`).

To add one, write a module that defines what `Experiment` says (TITLE, Config, PROFILES, data_sets,
pieces, run_piece) and give it a line in the registry.
"""

from fa_lib.experiments._check import Status, check, experiment_of
from fa_lib.experiments._identity import other_code
from fa_lib.experiments._registry import (
    Experiment,
    Piece,
    get_experiment,
    list_experiments,
    resolve,
)
from fa_lib.experiments._runner import run, stored_result

__all__ = [
    "Experiment",
    "Piece",
    "Status",
    "check",
    "experiment_of",
    "get_experiment",
    "list_experiments",
    "other_code",
    "resolve",
    "run",
    "stored_result",
]
