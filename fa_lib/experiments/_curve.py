"""When learning is looked at: the same twenty units whatever the number of training images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fa_lib.schema import epoch_steps


@dataclass(frozen=True)
class Curve:
    """The records of a learning curve.

    Attributes:
        n: training images.
        batch_size: images a step.
        units: how many equal parts the curve has; a unit is an epoch, or longer where `units`
            epochs are fewer than `min_steps` steps.
        min_steps: of the whole curve.
        dense: records a unit in the first two; afterwards there is one record a unit, or, with
            fewer than four, one every second unit.
    """

    n: int
    batch_size: int
    units: int = 20
    min_steps: int = 0
    dense: int = 4

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which every image is seen once."""
        return epoch_steps(self.n, self.batch_size)

    @property
    def steps(self) -> int:
        """Of the whole curve."""
        return self.at(self.units)

    def at(self, unit: float) -> int:
        """The step at so many units."""
        longest = max(self.units * self.steps_per_epoch, self.min_steps)
        return round(unit * longest / self.units)

    @property
    def records(self) -> list[int]:
        """Steps to record at."""
        first = [i / self.dense for i in range(2 * self.dense)]
        later = range(2, self.units + 1, 1 if self.dense >= 4 else 2)
        return sorted({self.at(min(unit, self.units)) for unit in (*first, *later, self.units)})


def log_spaced(steps: int, records: int) -> list[int]:
    """About so many steps from 1 to the last, spaced evenly in their logarithm."""
    if steps == 0:
        return [0]
    return sorted({round(step) for step in np.geomspace(1, steps, records).tolist()})
