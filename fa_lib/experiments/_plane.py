"""Paths of the last layer's forward weights in a plane of principal components (Figures 2d, 6b)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from fa_lib.networks import MLP

POINTS = 41  # of a path in the plane, equally spaced along it
COLUMNS = ("arm", "phase", "task", "seed", "step", "metric", "value")
Which = tuple[str, str, str]  # arm, phase, task of a path


class Trace:
    """The last layer's forward weights at every record, by seed: `take` is a callback."""

    def __init__(self) -> None:
        self.points: dict[int, list[NDArray[np.float64]]] = {}

    def take(self, net: MLP, step: int, values: Mapping[str, Tensor]) -> None:
        """Keep the weights as they are now."""
        for seed, weight in zip(net.seeds, net.weights[-1], strict=True):
            self.points.setdefault(seed, []).append(weight.double().flatten().cpu().numpy())


def in_the_plane(paths: Mapping[Which, Trace], net: MLP) -> pd.DataFrame:
    """Every network's paths in a plane of its own, fitted on all of them.

    Arguments:
        paths: of these networks.
        net: the networks, for their feedback weights, which are projected and not fitted.

    Returns:
        Columns COLUMNS: pc1 and pc2, in units of the weights, at POINTS points (`step`) of each
        path; the feedback weights as arm "B" at step 0; and of arm "plane" explained_variance, the
        components' (`step` 1 and 2) shares of the variance. The last two are of phase "plane".
    """
    from sklearn.decomposition import PCA  # which takes as long to import as pandas, for this alone

    rows: list[tuple[object, ...]] = []
    for seed, feedback in zip(net.seeds, net.feedback[-1], strict=True):
        spaced = {which: equally_spaced(np.stack(t.points[seed])) for which, t in paths.items()}
        plane = PCA(n_components=2, svd_solver="full")
        plane.fit(np.concatenate(list(spaced.values())))
        spaced["B", "plane", ""] = feedback.double().flatten().cpu().numpy()[None]
        for which, path in spaced.items():
            for axis, values in zip(("pc1", "pc2"), plane.transform(path).T, strict=True):
                rows += [(*which, seed, step, axis, v) for step, v in enumerate(values.tolist())]
        for component, share in enumerate(plane.explained_variance_ratio_.tolist(), start=1):
            rows.append(("plane", "plane", "", seed, component, "explained_variance", share))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def equally_spaced(path: NDArray[np.float64], points: int = POINTS) -> NDArray[np.float64]:
    """Points [points, D] at equal distances along the path [T, D], both ends among them."""
    lengths = np.linalg.norm(np.diff(path, axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(lengths)])
    wanted = np.linspace(0.0, along[-1], points)
    right = np.clip(np.searchsorted(along, wanted), 1, len(path) - 1)
    width = along[right] - along[right - 1]
    share = (wanted - along[right - 1]) / np.where(width > 0, width, 1.0)
    return path[right - 1] + share[:, None] * (path[right] - path[right - 1])
