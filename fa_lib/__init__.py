"""Random-noise pretraining and feedback alignment, many networks side by side.

The parts: networks (`MLP`), training (`pretrain`, `fit`), data (`load_dataset`, `Split`), measures
(`alignment_angle` and its kin) and experiments (`run`). The README shows them in five lines.
"""

import importlib
import importlib.util
from typing import TYPE_CHECKING

__all__ = [
    "MLP",
    "Dataset",
    "DivergenceError",
    "History",
    "Noise",
    "Rule",
    "Split",
    "alignment_angle",
    "area_under_curve",
    "effective_dimensionality",
    "effective_rank",
    "evaluate",
    "fit",
    "generalization_gap",
    "gradient_alignment",
    "gram_effective_rank",
    "kl_from_uniform",
    "list_datasets",
    "list_experiments",
    "load",
    "load_dataset",
    "load_npz",
    "meta_loss",
    "neuron_angles",
    "pretrain",
    "readout_deviation",
    "rotate",
    "run",
    "save",
    "scale",
    "statements",
    "steps_to_accuracy",
    "translate",
    "weight_distance",
]

# A name's module is imported when the name is first asked for (PEP 562): torch takes seconds, which
# `fa-lib --help` need not wait for. A type checker reads the imports, and knows of no __getattr__:
# with one, it would take every misspelt name for an object.
if TYPE_CHECKING:
    from fa_lib import nn as nn
    from fa_lib.answers import statements
    from fa_lib.data import Dataset, Split, list_datasets, load_dataset, load_npz
    from fa_lib.experiments import list_experiments, run
    from fa_lib.history import DivergenceError, History
    from fa_lib.metrics import (
        alignment_angle,
        area_under_curve,
        effective_dimensionality,
        evaluate,
        generalization_gap,
        gradient_alignment,
        kl_from_uniform,
        neuron_angles,
        readout_deviation,
        steps_to_accuracy,
        weight_distance,
    )
    from fa_lib.networks import MLP
    from fa_lib.noise import Noise
    from fa_lib.ranks import effective_rank, gram_effective_rank
    from fa_lib.rules import Rule
    from fa_lib.saving import load, save
    from fa_lib.training import fit, meta_loss, pretrain
    from fa_lib.transforms import rotate, scale, translate
else:
    _MODULES = {
        "MLP": "networks",
        "Dataset": "data",
        "DivergenceError": "history",
        "History": "history",
        "Noise": "noise",
        "Rule": "rules",
        "Split": "data",
        "alignment_angle": "metrics",
        "area_under_curve": "metrics",
        "effective_dimensionality": "metrics",
        "effective_rank": "ranks",
        "evaluate": "metrics",
        "fit": "training",
        "generalization_gap": "metrics",
        "gradient_alignment": "metrics",
        "gram_effective_rank": "ranks",
        "kl_from_uniform": "metrics",
        "list_datasets": "data",
        "list_experiments": "experiments",
        "load": "saving",
        "load_dataset": "data",
        "load_npz": "data",
        "meta_loss": "training",
        "neuron_angles": "metrics",
        "pretrain": "training",
        "readout_deviation": "metrics",
        "rotate": "transforms",
        "run": "experiments",
        "save": "saving",
        "scale": "transforms",
        "statements": "answers",
        "steps_to_accuracy": "metrics",
        "translate": "transforms",
        "weight_distance": "metrics",
    }

    def __getattr__(name: str) -> object:
        """A public name from its module, or a module of the package, such as `fa_lib.nn`."""
        if name in _MODULES:
            value = getattr(importlib.import_module(f"fa_lib.{_MODULES[name]}"), name)
            globals()[name] = value  # found there from now on
            return value
        if name.isidentifier() and importlib.util.find_spec(f"fa_lib.{name}"):
            return importlib.import_module(f"fa_lib.{name}")
        instead = "; fa_lib.statements() takes its place" if name == "judge" else ""
        raise AttributeError(f"module 'fa_lib' has no attribute {name!r}{instead}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
