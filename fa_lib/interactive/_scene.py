"""What an explorer is made of: controls, and panels whose layers follow them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

State = Mapping[str, int]


@dataclass(frozen=True)
class Control:
    """Something that the reader sets.

    Fields:
        name: what `Values.by` and `Panel.pick_x` call it.
        label: what the reader sees.
        texts: one for each position.
        at: where the positions lie on an axis of a panel; by default 0, 1, 2, ...
        first: position when the explorer opens.
        still: position in the static twin.
        kind: "slider" or "choice".
        play: a slider with buttons that step and play.
    """

    name: str
    label: str
    texts: tuple[str, ...]
    at: tuple[float, ...] = ()
    first: int = 0
    still: int = 0
    kind: str = "slider"
    play: bool = False

    def __post_init__(self) -> None:
        """Fill in `at`; refuse positions that are not there."""
        if not self.at:
            object.__setattr__(self, "at", tuple(range(len(self.texts))))
        if not 0 <= max(self.first, self.still) < len(self.texts) == len(self.at):
            raise ValueError(
                f"Control {self.name!r} has {len(self.texts)} texts and {len(self.at)} places, "
                f"and opens at {self.first} (still: {self.still})."
            )


class Values:
    """Numbers that depend on controls.

    Arguments:
        data: [positions of the first control in `by`, of the second, ..., the numbers themselves].
        by: names of controls; none for numbers that stay the same.
    """

    def __init__(self, data: ArrayLike, by: tuple[str, ...] = ()) -> None:
        self.data: NDArray[np.float64] = np.asarray(data, dtype=float)
        self.by = by

    def at(self, state: State) -> NDArray[np.float64]:
        """The numbers for these positions of the controls."""
        shown: NDArray[np.float64] = self.data[tuple(state[name] for name in self.by)]
        return shown

    def to_json(self) -> dict[str, Any]:
        """Rounded to a few thousandths of the largest, so finer than a screen; NaN becomes null."""
        largest = np.nanmax(np.abs(self.data), initial=0.0, where=np.isfinite(self.data))
        decimals = 3 - int(np.floor(np.log10(largest))) if largest > 0 else 0
        rounded = np.round(self.data, decimals).astype(object)
        rounded[~np.isfinite(self.data)] = None
        if decimals <= 0:
            whole = np.isfinite(self.data)
            rounded[whole] = self.data[whole].round(decimals).astype(int)
        return {"by": list(self.by), "data": rounded.tolist()}


@dataclass(frozen=True)
class Line:
    """A line through x, y; with `until`, only up to that control's position."""

    x: Values
    y: Values
    color: str
    label: str = ""
    width: float = 1.8
    dashed: bool = False
    opacity: float = 1.0
    until: str | None = None


@dataclass(frozen=True)
class Points:
    """Dots at x, y; `size` is the radius in points."""

    x: Values
    y: Values
    color: str
    label: str = ""
    size: float = 3.0
    opacity: float = 1.0


@dataclass(frozen=True)
class Arrow:
    """An arrow from `start` [2] to `tip` [2]."""

    start: Values
    tip: Values
    color: str
    label: str = ""
    width: float = 2.5


@dataclass(frozen=True)
class Cells:
    """A map of coloured cells [rows, columns], the first row at the bottom.

    Cell (row, column) is centred at x = column, y = row.

    Fields:
        colors: from `low` to `high`, evenly spaced.
        digits: of the number written in each cell, after the point; None writes nothing.
    """

    values: Values
    colors: tuple[str, ...]
    low: float
    high: float
    digits: int | None = None


Layer = Line | Points | Arrow | Cells


@dataclass(frozen=True)
class Panel:
    """One plot.

    Fields:
        alt: what it shows, for readers who cannot see it.
        x_lim, y_lim: ends of the axes.
        x_ticks, y_ticks: place -> text.
        pick_x: the control that a pointer on this panel sets, to its nearest position.
        equal: the same scale on both axes.
    """

    title: str
    alt: str
    x_label: str
    y_label: str
    x_lim: tuple[float, float]
    y_lim: tuple[float, float]
    x_ticks: dict[float, str]
    y_ticks: dict[float, str]
    layers: tuple[Layer, ...]
    pick_x: str | None = None
    equal: bool = False


@dataclass(frozen=True)
class Readout:
    """A number in words beside the controls, such as "angle under FA: 48.3°"."""

    label: str
    value: Values
    unit: str = ""
    digits: int = 1

    def say(self, state: State) -> str:
        """The label and the number; a dash for one that is not defined."""
        value = float(self.value.at(state))
        number = "–" if np.isnan(value) else f"{value:.{self.digits}f}{self.unit}"
        return f"{self.label}: {number}"


@dataclass(frozen=True)
class Scene:
    """Controls, panels, and all the numbers that they can show.

    Fields:
        name: part of the page's element ids, unique on a page.
        title: its name for a screen reader.
        alt: what the static twin shows.
    """

    name: str
    title: str
    alt: str
    controls: tuple[Control, ...]
    panels: tuple[Panel, ...]
    readouts: tuple[Readout, ...] = ()

    @property
    def first(self) -> dict[str, int]:
        """The controls' positions at the beginning."""
        return {control.name: control.first for control in self.controls}

    @property
    def still(self) -> dict[str, int]:
        """The controls' positions in the static twin."""
        return {control.name: control.still for control in self.controls}
