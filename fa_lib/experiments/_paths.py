"""Paths of the readout in a plane (Figures 3, 6), singular spectra (Figure 4): a few networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from fa_lib.experiments._measures import centered_readout
from fa_lib.networks import MLP
from fa_lib.ranks import squared_singular_values

POINTS = 41  # of a path in the plane, equally spaced along it


class Snapshots:
    """The centred readout of every network at every record, by seed: `take` is a callback."""

    def __init__(self) -> None:
        self.points: dict[int, list[NDArray[np.float64]]] = {}

    def take(self, net: MLP, step: int, values: Mapping[str, Tensor]) -> None:
        """Keep the readouts as they are now."""
        for seed, point in zip(net.seeds, centered_readout(net.weights[-1]), strict=True):
            self.points.setdefault(seed, []).append(point.cpu().numpy().copy())


def in_the_plane(
    paths: Mapping[str, Snapshots],
    feedback: Mapping[int, Tensor],
    fitted_on: Sequence[str] = ("FA", "FAN"),
) -> pd.DataFrame:
    """Every seed's paths in a PCA plane of its own.

    The feedback is projected on the plane, not fitted.

    Arguments:
        paths: of each arm.
        feedback: of each seed, c(B) flattened.
        fitted_on: the arms whose paths, pooled, the plane is fitted on.

    Returns:
        Columns arm, seed, step, metric, value: pc1 and pc2 in units of the weights at POINTS points
        (`step`) of each arm, and for arm "B" at step 0; for arm "" explained_variance of component
        1 and 2 (`step`), as a share of 1.
    """
    from sklearn.decomposition import PCA  # which takes as long to import as pandas, for this alone

    rows = []
    for seed, target in feedback.items():
        spaced = {arm: equally_spaced(np.stack(s.points[seed])) for arm, s in paths.items()}
        plane = PCA(n_components=2, svd_solver="full")
        plane.fit(np.concatenate([spaced[arm] for arm in fitted_on]))
        spaced["B"] = target.cpu().numpy()[None]
        for arm, path in spaced.items():
            for axis, values in zip(("pc1", "pc2"), plane.transform(path).T, strict=True):
                rows += [(arm, seed, step, axis, value) for step, value in enumerate(values)]
        for component, share in enumerate(plane.explained_variance_ratio_, start=1):
            rows.append(("", seed, component, "explained_variance", float(share)))
    return pd.DataFrame(rows, columns=["arm", "seed", "step", "metric", "value"])


def equally_spaced(path: NDArray[np.float64], points: int = POINTS) -> NDArray[np.float64]:
    """Points [points, D] at equal distances along the path [T, D], both ends among them."""
    lengths = np.linalg.norm(np.diff(path, axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(lengths)])
    wanted = np.linspace(0.0, along[-1], points)
    right = np.clip(np.searchsorted(along, wanted), 1, len(path) - 1)
    width = along[right] - along[right - 1]
    share = (wanted - along[right - 1]) / np.where(width > 0, width, 1.0)
    return path[right - 1] + share[:, None] * (path[right] - path[right - 1])


def spectra(states: Mapping[str, MLP]) -> pd.DataFrame:
    """Singular values of the first layer's weights.

    Arguments:
        states: networks by what has become of them, the `arm` of the table.

    Returns:
        Columns arm, seed, step, metric, value; metric singular_value_w1, `step` its rank from 1.
    """
    parts = []
    for arm, net in states.items():
        values = squared_singular_values(net.weights[0]).sqrt()
        count = values.shape[1]
        columns = {
            "arm": arm,
            "seed": np.repeat(net.seeds, count),
            "step": np.tile(np.arange(1, count + 1), len(net)),
            "metric": "singular_value_w1",
            "value": values.flatten().cpu().numpy(),
        }
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def readout_targets(net: MLP) -> dict[int, Tensor]:
    """c(B) of each seed, flattened."""
    return dict(zip(net.seeds, centered_readout(net.feedback[-1]), strict=True))
