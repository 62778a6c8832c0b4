"""The bases: each statement as printed, read from the results of the figures' experiments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from fa_lib.experiments._registry import resolve
from fa_lib.experiments.fig1 import TASK
from fa_lib.experiments.fig4 import DEPTH, IMAGES
from fa_lib.judges._differences import Part, Parts, differences, gap, gram_percent
from fa_lib.judges._printed import Printed, printed, printed_neurons, printed_parts
from fa_lib.judges._runs import Runs
from fa_lib.judges._statistics import code, unpaired
from fa_lib.protocol import CELLS, LEVEL, READINGS
from fa_lib.settings import Setting

Tables = Mapping[str, tuple[pd.DataFrame, Any]]  # experiment -> its table and its Config
IN_THE_PLANE = ("pc1", "pc2", "explained_variance")
# Of these the networks of two depths are in the results of two experiments.
ALSO = {"6b": ("fig2", "fig4")}


def experiments_of(statement: str) -> tuple[str, ...]:
    """The experiments whose results say a statement as printed; Figures 2 and 5 share one."""
    return ALSO.get(statement, (resolve(READINGS[statement].experiment),))


def bases_of(tables: Tables, statement: str) -> tuple[str, ...]:
    """The bases in which it is measured: none, where a result is missing."""
    found = [tables[name][1].bases for name in experiments_of(statement) if name in tables]
    if len(found) < len(experiments_of(statement)):
        return ()
    return tuple(base for base in found[0] if all(base in bases for bases in found))


def as_printed(tables: Tables, statement: str, base: str) -> Printed:
    """What a base says of a statement.

    Arguments:
        tables: with those of `experiments_of`.
        base: one of `bases_of`.
    """
    if statement == "1e":
        return _neurons(tables, base)
    if statement in OWN_PARTS:
        parts = OWN_PARTS[statement](tables, base)
        if statement == "1f":
            return _most_cells(base, parts)
        return printed_parts(base, statement, parts)
    return printed(runs_of(tables, statement, base), statement)


def runs_of(tables: Tables, statement: str, base: str, horizon: int | None = None) -> Runs:
    """The runs of a base in the experiments that a statement is read from."""
    names = experiments_of(statement)
    config = tables[names[0]][1]
    own = [_of_base(tables[name][0], base) for name in names]
    task = {"fig1": TASK, "fig6": getattr(config, "tasks", ("",))[0]}.get(names[0], config.dataset)
    images = min(IMAGES, config.most_images)
    return Runs(pd.concat(own), config.base(base), str(task), images, horizon)


def _of_base(table: pd.DataFrame, base: str) -> pd.DataFrame:
    return table[(table["setting"] == base) & ~table["metric"].isin(IN_THE_PLANE)]


def _neurons(tables: Tables, base: str) -> Printed:
    table, config = tables["fig1"]
    rows = table[(table["setting"] == base) & (table["metric"] == "neuron_angle_of")]
    angles = rows.pivot_table(index=["step", "neuron"], columns="seed", values="value")
    return printed_neurons(base, angles.loc[0], angles.loc[config.base(base).noise_steps])


# -- Statements over cells that only the bases have ------------------------------------------------


def _input_conditions(tables: Tables, base: str) -> Parts:
    table, _ = tables["fig1"]
    rows = table[(table["setting"] == base) & (table["phase"] == "grid")]
    rows = rows[rows["metric"] == "alignment_angle_w2"]
    parts = {}
    for (distribution, mean, std), cell in rows.groupby(["distribution", "mean", "std"]):
        angle = cell.pivot_table(index="step", columns="seed", values="value")
        name = f"{distribution}, mean {mean:g}, s.d. {std:g}"
        parts[name] = Part(angle.iloc[0], angle.iloc[-1], READINGS["1f"].smallest)
    return parts


def _most_cells(base: str, parts: Parts) -> Printed:
    """1f: yes where CELLS of the cells are, by their own test and the smallest effect."""
    p = {name: unpaired(part.above, part.below) for name, part in parts.items()}
    effect = {name: float(part.difference.mean()) for name, part in parts.items()}
    counts = [p[name] < LEVEL and effect[name] >= parts[name].smallest for name in parts]
    return Printed(base, sum(counts) >= CELLS * len(parts), p, effect)


def cells(table: pd.DataFrame, base: Setting) -> dict[tuple[str, int], Runs]:
    """Figure 3's cells: runs of a data set and a depth, whose `images` are the cell's.

    Arguments:
        table: of the experiment fig3.
        base: whose runs they are.
    """
    found = {}
    own = table[(table["setting"] == base.name) & (table["phase"] == "data")]
    own = own.astype({"layers": int})  # floats where another part's networks diverged
    for (dataset, layers), cell in own.groupby(["task", "layers"], sort=False):
        images = int(cell["images"].iloc[0])
        runs = Runs(cell, replace(base, images=images), str(dataset), images)
        found[str(dataset), int(str(layers))] = runs
    return found


def _final(tables: Tables, base: str) -> Parts:
    """Of the cells in which BP is above FA."""
    table, config = tables["fig3"]
    parts = {}
    for (dataset, layers), runs in cells(table, config.base(base)).items():
        ends = {
            arm: 100 * runs.converged("test_accuracy", arm, layers=layers)[0]
            for arm in ("FA", "FAN", "BP")
        }
        if (ends["BP"] - ends["FA"]).mean() > 0:
            name = f"{dataset}, {layers} layers"
            parts[name] = Part(ends["FAN"], ends["FA"], READINGS["3"].smallest)
    return parts


def _sizes(tables: Tables, base: str, against: str = "FA") -> Parts:
    runs = runs_of(tables, "4f", base)
    sizes = dict.fromkeys(images for depth, images in tables["fig4"][1].cells() if depth == DEPTH)
    return {
        f"{images:,} images": Part(
            gap(runs, against, images=images),
            gap(runs, "FAN", images=images),
            READINGS["4f"].smallest,
        )
        for images in sizes
    }


def _depths(tables: Tables, base: str, against: str = "FA") -> Parts:
    runs = runs_of(tables, "4h", base)
    parts = {}
    for layers in tables["fig4"][1].depths:
        which = {"layers": layers, "images": runs.images}
        above, below = (gram_percent(runs, arm, **which) for arm in (against, "FAN"))
        parts[f"{layers} layers"] = Part(above, below, READINGS["4h"].smallest)
    return parts


OWN_PARTS: dict[str, Callable[[Tables, str], Parts]] = {
    "1f": _input_conditions,
    "3": _final,
    "4f": _sizes,
    "4h": _depths,
}


def ahead_of(tables: Tables, statement: str, base: str, control: str) -> bool:
    """Whether noise training is ahead of a control too, in every part of 4f or 4h."""
    parts = {"4f": _sizes, "4h": _depths}[statement](tables, base, control).values()
    return all(code(part.difference, part.smallest, LEVEL) == "yes" for part in parts)


def parts_of(tables: Tables, statement: str, base: str) -> Parts:
    """The samples behind an answer, by part: what its effect is computed from."""
    if statement in OWN_PARTS:
        return OWN_PARTS[statement](tables, base)
    return differences(runs_of(tables, statement, base), statement)
