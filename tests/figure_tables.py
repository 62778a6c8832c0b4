"""Planted tables of the experiments "fig1" and "fig2", whose figures are known."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

from fa_lib.experiments import fig1, fig2
from fa_lib.experiments._parts import LEARNING_ARMS, record_epochs
from fa_lib.settings import Setting

SETTING = Setting("B1", "adam", 1e-4, 1e-4, 400, 10, 8, 95, horizon=10)
PER_EPOCH, LAST = 10, 100  # steps: 95 images in batches of 10, to the horizon
SEEDS = (3, 4, 5, 6)
NOISE_RECORDS = (0, 16, 100, 400)
MOVED = ("shift_accuracy", "scale_accuracy", "rotation_accuracy", "other_accuracy")
BEFORE_DATA, TO_BP = {"FAN": -15.0}, {"FA": 0.0, "FAN": 0.1, "Z": 0.08, "ZF": 0.02, "BP": 0.15}


def entry(arm, phase, metric, seed, step, value, **more):
    return {
        **{"setting": "B1", "layers": 2, "images": SETTING.images, "task": "mnist5k"},
        **{"arm": arm, "phase": phase, "seed": seed, "step": step},
        **{"metric": metric, "value": value, **more},
    }


def planted_fig1(seeds=SEEDS):
    """Angles fall by 20 degrees in noise training; in the grid the less, the larger the mean."""
    draw = np.random.default_rng(0).normal
    rows = []
    for seed, step in itertools.product(seeds, NOISE_RECORDS):
        gone = step / NOISE_RECORDS[-1]
        values = {"loss": 2.9 - 0.5 * gone, "neuron_angle": 90 - 20 * gone}
        rows += [
            entry("FAN", "noise", metric, seed, step, value + draw(0, 0.05))
            for metric, value in values.items()
        ]
        if step in (0, NOISE_RECORDS[-1]):
            mean = 2.9 - 0.5 * gone + draw(0, 0.01)
            rows.append(entry("FAN", "noise", "mean_loss", seed, step, mean))
            angles = draw(90 - 20 * gone, 15 - 5 * gone, SETTING.width)
            rows += [
                entry("FAN", "noise", "neuron_angle_of", seed, step, angle, neuron=neuron)
                for neuron, angle in enumerate(angles)
            ]
    grid = itertools.product(("normal", "bernoulli"), (-1.0, 0.0, 1.0), (0.5, 2.0), seeds[:2])
    for name, mean, std, seed in grid:
        condition = {"distribution": name, "mean": mean, "std": std}
        for step, angle in ((0, 90), (400, 70 + 10 * abs(mean) + draw())):
            rows.append(entry("FAN", "grid", "alignment_angle_w2", seed, step, angle, **condition))
    table = pd.DataFrame(rows).reindex(columns=list(fig1.COLUMNS))
    return with_other_settings(table.fillna({"distribution": "", "neuron": -1}))


def planted_fig2(seeds=SEEDS):
    """FAN ahead of FA and behind BP; the distance falls by noise and by data."""
    draw = np.random.default_rng(0).normal
    rows = []

    def add(arm, phase, step, seed, **values):
        rows.extend(entry(arm, phase, m, seed, step, v) for m, v in values.items())

    for seed in seeds:
        shift = draw(0, 0.01)
        for step in NOISE_RECORDS:
            gone = step / 400
            measured = {"neuron_angle": 90 - 15 * gone + draw(), "distance": 6 - gone + shift}
            add("FAN", "noise", step, seed, **measured)
            measured = {"neuron_angle": 70 + 5 * gone + draw(), "distance": 5 + 0.1 * gone + shift}
            add("DN", "after", step, seed, **measured)
        for arm, epoch in itertools.product(LEARNING_ARMS, (*record_epochs(10), 15)):
            risen = 1 - np.exp(-epoch / 3)
            accuracy = 0.1 + (0.6 + TO_BP[arm]) * risen + 3 * shift
            measured = {"test_accuracy": accuracy + draw(0, 0.01)}
            if epoch <= 10 and arm != "BP":
                start = 75 if arm == "FAN" else 90
                undefined = arm in ("Z", "ZF") and epoch == 0
                measured["neuron_angle"] = np.nan if undefined else start - 15 * risen + draw()
                first = {"FAN": 5.0, "FA": 6.0}.get(arm, 4.2)
                measured["distance"] = first - 0.8 * risen + shift
            if epoch in (1, 5, 10):
                measured |= {metric: accuracy - 0.1 + draw(0, 0.02) for metric in MOVED}
            add(arm, "data", epoch * PER_EPOCH, seed, **measured)
    rows += plane_rows(seeds[0])
    return with_other_settings(pd.DataFrame(rows).reindex(columns=list(fig2.COLUMNS)))


ENDS = {  # of each path: from, to
    ("FAN", "noise"): ((0, 0), (2, 1)),
    ("FAN", "data"): ((2, 1), (4, 3)),
    ("FA", "data"): ((0, 0), (1, 3)),
    ("DN", "after"): ((1, 3), (0.8, 2.6)),
    ("B", "plane"): ((8, 5), (8, 5)),
}


def plane_rows(seed):
    rows = []
    for (arm, phase), ends in ENDS.items():
        points = np.linspace(*ends, 1 if arm == "B" else 6)
        for step, axis in itertools.product(range(len(points)), (0, 1)):
            rows.append(entry(arm, phase, f"pc{axis + 1}", seed, step, points[step, axis]))
    shares = ((1, 0.7), (2, 0.2))
    return rows + [
        entry("plane", "plane", "explained_variance", seed, i, share) for i, share in shares
    ]


def with_other_settings(table):
    """Another base, which must not be drawn, and a network of this one that diverged."""
    other = table.assign(setting="B2", value=-table["value"])
    lost = pd.DataFrame([{"setting": "B1", "task": "x", "seed": 9, "metric": "diverged"}])
    return pd.concat([lost.assign(value=12.0), table, other], ignore_index=True)
