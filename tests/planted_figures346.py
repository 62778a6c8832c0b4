"""Planted tables of the experiments "fig3", "fig4" and "fig6"; and reading what is drawn."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fa_lib.experiments._parts import COLUMNS, record_epochs
from fa_lib.settings import Setting

SETTING = Setting("B1", "adam", 1e-4, 1e-4, 400, 10, 8, 95, horizon=10)
SEEDS = (3, 4, 5, 6)
NOISE_RECORDS = (0, 16, 100, 400)
TASKS = ("mnist", "fashion_mnist", "digits")


def entry(arm, phase, metric, seed, step, value, **more):
    return {
        **{"setting": "B1", "layers": 2, "images": SETTING.images, "task": "mnist"},
        **{"arm": arm, "phase": phase, "seed": seed, "step": step},
        **{"metric": metric, "value": value, **more},
    }


def whole(rows, columns=COLUMNS):
    """Another base, which must not be drawn, and a network of this one that diverged."""
    table = pd.DataFrame(rows).reindex(columns=list(columns))
    other = table.assign(setting="B2", value=-table["value"])
    lost = pd.DataFrame([{"setting": "B1", "task": "x", "seed": 9, "metric": "diverged"}])
    return pd.concat([lost.assign(value=12.0), table, other], ignore_index=True)


FALL = {"FA": 20.0, "FAN": 4.0, "BP": 2.0, "Z": 6.0}  # epochs in which the loss falls to 1/e


def planted_fig3(seeds=SEEDS, tasks=TASKS, depths=(2, 4)):
    """All but FA converge before epoch 60; then accuracy goes down, which must not be read."""
    draw = np.random.default_rng(0).normal
    rows = []
    for (place, task), layers, arm, seed in itertools.product(
        enumerate(tasks), depths, FALL, seeds
    ):
        where = {"task": task, "layers": layers, "images": 95 + 100 * place}
        per = -(-where["images"] // 10)
        top = 0.95 - 0.1 * place - 0.01 * layers - (0.05 if arm == "FA" else 0) + draw(0, 0.01)
        for epoch in range(0, 61, 5):
            loss = 2.3 * np.exp(-epoch / FALL[arm])
            reached = top * (1 - np.exp(-epoch / 5)) - (0.3 if loss < 1e-3 else 0)
            for metric, value in (("train_loss", loss), ("test_accuracy", reached)):
                rows.append(entry(arm, "data", metric, seed, epoch * per, value, **where))
    return whole(rows)


def planted_fig4(seeds=SEEDS):
    draw = np.random.default_rng(1).normal
    rows = []
    for seed, step in itertools.product(seeds, NOISE_RECORDS):
        gone = step / NOISE_RECORDS[-1]
        where = {"layers": 3, "index": -1}
        for layer in (1, 2, 3):
            rank = (6 + seed) * (1 - 0.02 * layer * gone) + draw(0, 0.001)
            rows.append(entry("FAN", "spectrum", f"rank_w{layer}", seed, step, rank, **where))
        if step in (0, 400):
            scores = draw(0, 2 - 1.5 * gone, (5, 10))
            shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
            sigma = np.linspace(3 + gone, 0.1, 12) + 0.1 * seed
            for metric, values in (("probability", shares), ("singular_value_w1", sigma)):
                for index, value in enumerate(values.ravel()):
                    more = {"layers": 3, "index": index}
                    rows.append(entry("FAN", "spectrum", metric, seed, step, value, **more))
    cells = ((3, 25), (3, 95), (2, 95), (5, 95), (3, 5000))
    for (layers, images), arm, seed in itertools.product(cells, ("FA", "FAN", "Z"), seeds):
        where = {"layers": layers, "images": images, "index": -1}
        per = -(-images // 10)
        for epoch in record_epochs(10):
            risen = {"FA": 0.3, "FAN": 0.2, "Z": 0.25}[arm] * epoch / 10 + draw(0, 0.02)
            losses = {"train_loss": 2 - risen, "test_loss": 2 + 10 / images}
            if epoch in (0, 10):
                losses["gram_rank"] = 3 + layers + risen
            for metric, value in losses.items():
                rows.append(entry(arm, "data", metric, seed, epoch * per, value, **where))
        # Test loss is recorded at some other steps, too.
        rows.append(entry(arm, "data", "test_loss", seed, 1, 99.0, **where))
    return whole(rows, (*COLUMNS, "index"))


PATHS = {  # of each path: from, to
    ("FAN", "noise", ""): ((0, 0), (2, 1)),
    **{("FAN", "data", task): ((2, 1), (4, 1 + i)) for i, task in enumerate(TASKS)},
    **{("FA", "data", task): ((0, 0), (1, 1 + i)) for i, task in enumerate(TASKS)},
    ("B", "plane", ""): ((8, 5), (8, 5)),
}


def planted_fig6(seeds=SEEDS):
    draw = np.random.default_rng(2).normal
    rows = []
    for (place, task), seed in itertools.product(enumerate(TASKS), seeds):
        for arm, epoch in itertools.product(("FA", "FAN", "Z", "ZF"), record_epochs(10)):
            ahead = {"FA": 0.0, "FAN": 0.2, "Z": 0.15, "ZF": 0.05}[arm]
            value = 0.1 + (0.5 + ahead) * (1 - np.exp(-epoch / 3)) - 0.05 * place + draw(0, 0.01)
            rows.append(entry(arm, "data", "test_accuracy", seed, epoch * 10, value, task=task))
        for step in NOISE_RECORDS:
            loss = 1 + place - step / 800 + draw(0, 0.05)
            rows.append(entry("FAN", "meta", "test_loss", seed, step, loss, task=task))
    for (arm, phase, task), ends in PATHS.items():
        points = np.linspace(*ends, 1 if arm == "B" else 6)
        for step, axis in itertools.product(range(len(points)), (0, 1)):
            more = {"task": task}
            value = points[step, axis]
            rows.append(entry(arm, phase, f"pc{axis + 1}", seeds[0], step, value, **more))
    for i, share in ((1, 0.7), (2, 0.2)):
        more = {"task": ""}
        rows.append(entry("plane", "plane", "explained_variance", seeds[0], i, share, **more))
    return whole(rows)


# -- Reading what is drawn -------------------------------------------------------------------------


def panel(fig: Figure, title: str) -> Axes:
    (ax,) = [ax for ax in fig.axes if ax.get_title("left").endswith(title)]
    return ax


def means_drawn(ax: Axes) -> list[float]:
    """Of the markers with intervals, from left to right."""
    marked = [line for line in ax.lines if str(line.get_label()).endswith(")")]
    return [float(line.get_ydata()[0]) for line in sorted(marked, key=lambda m: m.get_xdata()[0])]


def values(table, metric, step, **which):
    """A value for each network of the drawn setting, in order of the seeds."""
    wanted = {"setting": "B1", "metric": metric, "step": step, **which}
    rows = table[np.logical_and.reduce([table[key] == value for key, value in wanted.items()])]
    return rows.sort_values("seed")["value"].to_numpy()


def gaps(table, arm, images):
    """Test less training loss [epochs, networks]."""
    per, which = -(-images // 10), {"arm": arm, "layers": 3, "images": images}
    losses = [
        [values(table, f"{part}_loss", e * per, **which) for e in record_epochs(10)]
        for part in ("test", "train")
    ]
    return np.subtract(*losses)


def line_in(ax: Axes, label: str):
    (line,) = [line for line in ax.lines if str(line.get_label()).startswith(label)]
    return line


def texts_of_legends(fig):
    legends = fig.findobj(lambda artist: type(artist).__name__ == "Legend")
    return [text.get_text() for legend in legends for text in legend.get_texts()]
