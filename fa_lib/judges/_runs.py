"""What the networks of one setting measured, read from the table that `_parts` makes."""

from __future__ import annotations

from typing import Any

import pandas as pd

from fa_lib.metrics import area_under_curve
from fa_lib.schema import epoch_steps
from fa_lib.settings import CONVERGED, Setting

DENSE, EVERY = 5, 5  # epochs that are read: every one up to DENSE, then every EVERY-th


class Runs:
    """The networks of one setting; what is read of them is a Series by seed.

    A network that diverged is in none of them: `diverged` has the seeds by the part of the setting.

    Arguments:
        table: of `fa_lib.experiments._parts.COLUMNS`, of this setting alone.
        setting: theirs.
        task: the first task, on which everything but Figure 6 is judged.
        images: training images of the runs with more than two layers.
        horizon: epochs to read to; None for the setting's own.
    """

    def __init__(
        self,
        table: pd.DataFrame,
        setting: Setting,
        task: str,
        images: int,
        horizon: int | None = None,
    ) -> None:
        self.setting, self.task, self.images = setting, task, images
        self.horizon = setting.horizon if horizon is None else horizon
        keys = ["metric", "arm", "phase", "layers", "images", "task"]
        # Rows first and curves when they are asked for: most readings look at few of them.
        exact = table.astype({"value": "float64"})  # kept in single precision
        self._rows = dict(iter(exact.dropna(subset="arm").groupby(keys)))
        self._curves: dict[Any, pd.DataFrame] = {}
        self.tasks = list(dict.fromkeys([task, *(key[-1] for key in self._rows)]))
        lost = table[table["metric"] == "diverged"]
        self.diverged = {part: sorted(rows["seed"]) for part, rows in lost.groupby("task")}

    def curve(
        self,
        metric: str,
        arm: str,
        *,
        phase: str = "data",
        layers: int = 2,
        images: int | None = None,
        task: str | None = None,
    ) -> pd.DataFrame:
        """A row for each recorded step, a column for each seed.

        Arguments:
            metric, arm, phase, layers: as in the table.
            images: None for the setting's own, or with more than two layers for `images`.
            task: None for the first.

        Raises:
            KeyError: the table has no such curve.
        """
        if images is None:
            images = self.setting.images if layers == 2 else self.images
        key = (metric, arm, phase, layers, images, task or self.task)
        if key not in self._curves:
            rows = self._rows[key]
            self._curves[key] = rows.pivot_table(index="step", columns="seed", values="value")
        return self._curves[key]

    def has(self, metric: str, arm: str, *, layers: int = 2) -> bool:
        """Whether the data phase of the arm is in the table."""
        return (
            metric,
            arm,
            "data",
            layers,
            self._images({"layers": layers}),
            self.task,
        ) in self._rows

    def per_epoch(self, images: int | None = None) -> int:
        """Steps in an epoch."""
        return epoch_steps(images or self.setting.images, self.setting.batch_size)

    def at_horizon(self, metric: str, arm: str, **which: object) -> pd.Series:
        """At the horizon; `which` are `curve`'s other arguments."""
        curve = self.curve(metric, arm, **which)  # type: ignore[arg-type]
        return curve.loc[self.horizon * self.per_epoch(self._images(which))]

    def over_epochs(self, curve: pd.DataFrame, images: int | None = None) -> pd.DataFrame:
        """The curve's records at the epochs that are read, to the horizon."""
        epochs = {*range(min(DENSE, self.horizon) + 1), *range(0, self.horizon + 1, EVERY)}
        steps = sorted(epoch * self.per_epoch(images) for epoch in epochs | {self.horizon})
        return curve.loc[steps]

    def area(self, metric: str, arm: str, **which: object) -> pd.Series:
        """Mean over epochs 0 to the horizon, by the trapezoid rule."""
        curve = self.curve(metric, arm, **which)  # type: ignore[arg-type]
        return mean_height(self.over_epochs(curve, self._images(which)))

    def noise(self, metric: str, which: int, layers: int = 2) -> pd.Series:
        """In noise training before data: at its first record (which = 0) or its last (-1)."""
        return self.curve(metric, "FAN", phase="noise", layers=layers).iloc[which]

    def converged(
        self, metric: str, arm: str, layers: int = 2, images: int | None = None
    ) -> tuple[pd.Series, pd.Series]:
        """At each network's first record at every fifth epoch with a training loss below CONVERGED.

        Returns:
            The metric there, or at the last record of a network that does not come there; and
            whether the network is late in that sense.
        """
        values = self.curve(metric, arm, layers=layers, images=images)
        first, late = self.ends(arm, layers, images)
        return pd.Series({seed: values[seed].loc[step] for seed, step in first.items()}), late

    def at_best(
        self, metric: str, arm: str, layers: int = 2, images: int | None = None
    ) -> pd.Series:
        """Where the validation accuracy is highest, of the records until `converged` reads.

        A network trains on beside slower ones: what came after its own end does not count.
        """
        ends, _ = self.ends(arm, layers, images)
        followed = self.curve("validation_accuracy", arm, layers=layers, images=images)
        values = self.curve(metric, arm, layers=layers, images=images)
        seen = followed.where(
            followed.index.to_numpy()[:, None] <= ends[followed.columns].to_numpy()
        )
        return pd.Series({seed: values[seed].loc[at] for seed, at in seen.idxmax().items()})

    def at_loss(self, metric: str, arm: str, level: pd.Series, **which: Any) -> pd.Series:
        """At each network's first record with a training loss of no more than its level, in nats.

        NaN of a network that does not come there.
        """
        loss = self.curve("train_loss", arm, **which)
        values = self.curve(metric, arm, **which)
        below = loss.le(level[loss.columns], axis=1)
        first = below.idxmax().where(below.any())
        found = {seed: values.loc[at, seed] for seed, at in first.dropna().items()}
        return pd.Series(found, index=loss.columns, dtype=float)

    def ends(
        self, arm: str, layers: int = 2, images: int | None = None
    ) -> tuple[pd.Series, pd.Series]:
        """The step at which `converged` reads each network, and whether it is late."""
        loss = self.curve("train_loss", arm, layers=layers, images=images)
        every = EVERY * self.per_epoch(self._images({"layers": layers, "images": images}))
        loss = loss[(loss.index % every == 0) | (loss.index == loss.index[-1])]
        below = loss < CONVERGED
        late = ~below.any()
        # Networks train on beside slower ones: a record may be there for some of them only.
        last = loss.apply(lambda column: column.last_valid_index())
        return below.idxmax().where(~late, last), late

    def _images(self, which: dict[str, object]) -> int | None:
        images, layers = which.get("images"), which.get("layers", 2)
        if images is None:
            return self.setting.images if layers == 2 else self.images
        return int(str(images))


def mean_height(curve: pd.DataFrame) -> pd.Series:
    """Of each column, by the trapezoid rule."""
    return pd.Series(area_under_curve(curve.index, curve), index=curve.columns)
