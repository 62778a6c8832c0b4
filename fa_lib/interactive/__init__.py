"""Explorers: small scenes that a reader moves, each with a static twin.

An `Explorer` holds controls, panels and all the numbers that they can show. In a live kernel it
becomes ipywidgets, on the book's pages a piece of HTML that needs neither kernel nor network, and
in print a picture. All three are drawn from the same description.
"""

from fa_lib.interactive._explorer import Explorer
from fa_lib.interactive._noise import Frames, explore_noise, film
from fa_lib.interactive._scene import (
    Arrow,
    Cells,
    Control,
    Line,
    Panel,
    Points,
    Readout,
    Values,
)
from fa_lib.interactive._toy import Course, explore_toy, train_toy

__all__ = [
    "Arrow",
    "Cells",
    "Control",
    "Course",
    "Explorer",
    "Frames",
    "Line",
    "Panel",
    "Points",
    "Readout",
    "Values",
    "explore_noise",
    "explore_toy",
    "film",
    "train_toy",
]
