"""What is said of tables and figures alike, once: names of columns, of arms, of data sets."""

from __future__ import annotations

import math
from typing import NamedTuple

from fa_lib.data import dataset_info, list_datasets

__all__ = ["ARMS", "SERIES", "Dashes", "Look", "epoch_steps", "title_of"]

# What the tables of all experiments have in common: a value of a metric, at a step, of a network.
SERIES = ("seed", "step", "metric", "value")

Dashes = str | tuple[float, tuple[float, ...]]


class Look(NamedTuple):
    """How an arm of the experiments is named and drawn.

    Attributes:
        title: in a legend.
        color: everywhere in the book. Readers with any of the common colour-vision deficiencies
            can tell them apart (a test computes it); controls are lighter.
        dashes: of its line; with the marker they tell the controls apart without colour.
        marker: where an arm is a point.
    """

    title: str
    color: str
    dashes: Dashes
    marker: str


# In the order in which arms are listed and drawn in legends.
ARMS = {
    "FA": Look("FA", "#D55E00", "-", "o"),
    "FAN": Look("FA with noise", "#00785A", "-", "s"),
    "BP": Look("BP", "#2C3E9B", "-", "^"),
    "Z": Look("Z: zero readout", "#AA79E7", (0, (5, 1.5)), "v"),
    "ZF": Look("ZF: its readout alone", "#6FA8DC", (0, (6, 1.5, 1, 1.5)), "X"),
    "DN": Look("data, then noise", "#C28655", (0, (1, 1)), "P"),
}


def epoch_steps(images: int, batch_size: int) -> int:
    """Steps in which every training image is seen once; the last batch may be smaller."""
    return math.ceil(images / batch_size)


def title_of(dataset: str) -> str:
    """What figures call a data set; one that is not known here goes by its name."""
    return dataset_info(dataset).title if dataset in list_datasets() else dataset
