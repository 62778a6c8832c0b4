"""Paths in the plane of principal components, against scikit-learn and geometry."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fa_lib import MLP
from fa_lib.experiments._plane import POINTS, Trace, equally_spaced, in_the_plane


def test_points_at_equal_distances_from_start_to_end() -> None:
    corner = np.array([[0.0, 0.0], [0.0, 0.0], [3.0, 0.0], [3.0, 1.0]])
    found = equally_spaced(corner, points=5)
    assert found == pytest.approx(np.array([[0, 0], [1, 0], [2, 0], [3, 0], [3, 1]]))


def test_paths_are_seen_in_a_plane_of_each_networks_own() -> None:
    net = MLP([4, 3, 2], rule="fa", seeds=(1, 2), device="cpu")
    first = [weight.clone() for weight in net.weights]
    step = torch.randn(2, 2, 3, generator=torch.Generator().manual_seed(0))
    straight, bent = Trace(), Trace()
    for t in range(4):
        for trace, way in ((straight, step), (bent, step.flip(-1) * t)):
            net.weights[-1].copy_(first[-1] + t * way)
            trace.take(net, t, {})
    table = in_the_plane({("FA", "data", ""): straight, ("FAN", "data", ""): bent}, net)
    for i, seed in enumerate(net.seeds):
        own = table[(table["seed"] == seed) & table["metric"].isin(["pc1", "pc2"])]
        points = own.pivot_table(index=["arm", "step"], columns="metric", values="value")
        fa = points.loc["FA"].to_numpy()
        assert len(fa) == POINTS
        # The paths span a plane, so that lengths and angles in it are those of the weights.
        assert np.linalg.norm(fa[-1] - fa[0]) == pytest.approx(3 * float(step[i].norm()), rel=1e-5)
        ways = [
            points.loc[arm].to_numpy()[-1] - points.loc[arm].to_numpy()[0] for arm in ("FA", "FAN")
        ]
        cosine = ways[0] @ ways[1] / np.linalg.norm(ways[0]) / np.linalg.norm(ways[1])
        wanted = torch.cosine_similarity(step[i].flatten(), step[i].flip(-1).flatten(), dim=0)
        assert cosine == pytest.approx(float(wanted), abs=1e-5)
        # The feedback weights are projected: what is left of their way from the start is as long.
        start = fa[0]
        assert points.loc["FAN"].to_numpy()[0] == pytest.approx(start, abs=1e-5)
        away = (net.feedback[-1][i] - first[-1][i]).flatten().double().numpy()
        basis, _ = np.linalg.qr(np.stack([step[i].flatten(), step[i].flip(-1).flatten()], 1))
        seen = points.loc["B"].to_numpy()[0] - start
        assert np.linalg.norm(seen) == pytest.approx(np.linalg.norm(basis.T @ away), rel=1e-4)
    shares = table[table["metric"] == "explained_variance"].groupby("seed")["value"].sum()
    assert shares.to_numpy() == pytest.approx(np.ones(2), abs=1e-6)
