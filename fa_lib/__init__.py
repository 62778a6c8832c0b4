"""Random-noise pretraining and feedback alignment, many networks side by side.

The parts: networks (`MLP`), training (`pretrain`, `fit`), data (`load_dataset`, `Split`), measures
(`alignment_angle` and its kin) and experiments (`run`). The README shows them in five lines.
"""

from fa_lib.claims import judge
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
    readout_deviation,
    steps_to_accuracy,
)
from fa_lib.networks import MLP
from fa_lib.noise import Noise
from fa_lib.training import fit, meta_loss, pretrain
from fa_lib.transforms import rotate, scale, translate

__all__ = [
    "MLP",
    "Dataset",
    "DivergenceError",
    "History",
    "Noise",
    "Split",
    "alignment_angle",
    "area_under_curve",
    "effective_dimensionality",
    "evaluate",
    "fit",
    "generalization_gap",
    "gradient_alignment",
    "judge",
    "kl_from_uniform",
    "list_datasets",
    "list_experiments",
    "load_dataset",
    "load_npz",
    "meta_loss",
    "pretrain",
    "readout_deviation",
    "rotate",
    "run",
    "scale",
    "steps_to_accuracy",
    "translate",
]
