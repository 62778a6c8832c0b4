"""What Figures 2 to 4 measure, each against a slow or another way to the same number."""

import math

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import nn

from fa_lib import MLP, Split, effective_dimensionality, evaluate, fit, gradient_alignment
from fa_lib.experiments import _measures
from fa_lib.experiments._curve import Curve, log_spaced
from fa_lib.experiments._paths import Snapshots, equally_spaced, in_the_plane, spectra

SEEDS = (2, 5)


def images(n: int = 300) -> Split:
    x = torch.rand(n, 20, generator=torch.Generator().manual_seed(0))
    return Split(x, x[:, :4].argmax(dim=1))


def network(rule: str = "fa") -> MLP:
    net = MLP([20, 16, 4], rule=rule, seeds=SEEDS, device="cpu")
    fit(net, images(), epochs=3, lr=1e-2, progress=False)
    return net


def values(found: object) -> dict[str, torch.Tensor]:
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("rule", ["fa", "bp"])
def test_gradient_angles_by_autograd(rule: str) -> None:
    net, data = network(rule), images()
    found = values(_measures.gradient_angles(data)(net))
    for i in range(len(net)):
        w1, b1, w2, b2 = (p[i].double().requires_grad_() for p in (
            net.weights[0], net.biases[0], net.weights[1], net.biases[1]))  # fmt: skip
        x = data.x.double()
        hidden = torch.relu(x @ w1.T + b1)
        nn.functional.cross_entropy(hidden @ w2.T + b2, data.y).backward()
        error = torch.softmax(hidden @ w2.T + b2, dim=1) - nn.functional.one_hot(data.y, 4)
        by_fa = (((error @ net.feedback[1][i].double()) * (hidden > 0)).T @ x / len(x)).detach()
        pairs = {"gradient_angle_w1": (by_fa, w1.grad)}
        pairs["gradient_angle_adam_w1"] = tuple(torch.sign(g) for g in (by_fa, w1.grad))
        for metric, (u, v) in pairs.items():
            cosine = float((u * v).sum() / u.norm() / v.norm())
            # The first step of Adam is the sign of the gradient, but for entries near epsilon.
            near = 0.05 if metric == "gradient_angle_w1" else 1.0
            assert float(found[metric][i]) == pytest.approx(
                math.degrees(math.acos(cosine)), abs=near
            )
    if rule == "fa":
        both = gradient_alignment(net, data.x, data.y)[0]
        torch.testing.assert_close(found["gradient_angle_w1"], both)


def test_own_training_data_is_evaluate_on_each_ones_own() -> None:
    net, data = network(), images()
    rows = torch.stack([torch.arange(150), torch.arange(150, 300)])
    found = values(_measures.own_training_data(data, rows, SEEDS)(net))
    for i in range(2):
        own = Split(data.x[rows[i]], data.y[rows[i]])
        loss, accuracy = evaluate(net[i : i + 1], own)
        torch.testing.assert_close(found["train_loss"][i], loss[0])
        torch.testing.assert_close(found["train_accuracy"][i], accuracy[0])


def test_structure_against_the_covariance_of_the_activity() -> None:
    net, data = network(), images()
    found = values(_measures.structure(data)(net))
    for i in range(2):
        hidden = torch.relu(data.x @ net.weights[0][i].T + net.biases[0][i]).double().numpy()
        eigenvalues = np.linalg.eigvalsh(np.cov(hidden.T))
        expected = eigenvalues.sum() ** 2 / (eigenvalues**2).sum()
        assert float(found["dimensionality_hidden"][i]) == pytest.approx(expected, rel=1e-5)
    torch.testing.assert_close(found["dimensionality_w1"], effective_dimensionality(net.weights[0]))


def test_readout_measures_by_hand() -> None:
    net, data = network(), images()
    measures = _measures.readout_and_dimensionality(data, classes=4)
    found = values(measures["on inputs"](net))  # type: ignore[operator]
    p = torch.softmax(net(data.x).double(), dim=2)
    kl = (0.25 * (0.25 / p).log()).sum(dim=2).mean(dim=1)
    torch.testing.assert_close(found["kl_images"], kl)
    torch.testing.assert_close(
        found["deviation_images"], (p - 0.25).abs().max(dim=2).values.mean(dim=1)
    )
    net.weights[-1].zero_()
    net.biases[-1].zero_()
    at_chance = values(measures["on inputs"](net))  # type: ignore[operator]
    for name in ("kl_noise", "kl_images", "deviation_noise", "deviation_images"):
        torch.testing.assert_close(at_chance[name], torch.zeros(2).double(), atol=1e-7, rtol=0)


def test_the_path_of_a_readout_that_goes_straight_then_turns() -> None:
    net = MLP([20, 16, 4], rule="fa", seeds=SEEDS, device="cpu")
    target = _measures.centered_readout(net.feedback[-1])
    across = torch.randn(4, 16)
    across -= across.mean(dim=0)
    direction = net.feedback[-1] - net.feedback[-1].mean(dim=1, keepdim=True)
    measure = _measures.path_of_readout()
    assert values(measure(net))["displacement_cosine"].isnan().all()
    net.weights[-1].add_(0.5 * direction)
    straight = values(measure(net))
    torch.testing.assert_close(straight["displacement_cosine"], torch.ones(2).double())
    torch.testing.assert_close(straight["path_length"], 0.5 * target.norm(dim=1), rtol=1e-5, atol=0)
    net.weights[-1].add_(across + 7.0)  # 7 to every class: centring takes it out
    turned = values(measure(net))
    length = 0.5 * target.norm(dim=1) + across.double().norm()
    torch.testing.assert_close(turned["path_length"], length, rtol=1e-5, atol=0)
    net_way = (0.5 * target + across.double().flatten()).norm(dim=1)
    torch.testing.assert_close(turned["net_displacement"], net_way, rtol=1e-5, atol=0)


def test_curves() -> None:
    epoch = Curve(n=5000, batch_size=64)
    assert epoch.steps_per_epoch == 79
    assert epoch.steps == 1580
    quarters = [0, 20, 40, 59, 79, 99, 118, 138]  # of an epoch, to the nearest step
    assert epoch.records == quarters + [79 * e for e in range(2, 21)]
    small = Curve(n=100, batch_size=64, min_steps=1500, dense=2)
    assert small.steps == 1500
    assert small.records == [0, 38, 75, 112, *range(150, 1501, 150)]
    assert Curve(n=100, batch_size=64, units=1).records == [0, 1, 2]
    assert log_spaced(1000, 4) == [1, 10, 100, 1000]
    assert log_spaced(0, 4) == [0]


def test_points_on_a_bent_path_are_equally_spaced() -> None:
    corner = np.array([[0.0, 0.0], [0.5, 0.0], [3.0, 0.0], [3.0, 1.0], [3.0, 1.0]])
    expected = [[0, 0], [1, 0], [2, 0], [3, 0], [3, 1]]
    np.testing.assert_allclose(equally_spaced(corner, 5), expected, atol=1e-12)


def test_the_plane_is_fitted_on_the_two_paths_and_shows_the_feedback() -> None:
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.standard_normal((6, 2)))[0].T
    paths = {}
    for arm, ends in {"FA": (0, 3), "FAN": (2, 4), "Z": (1, 1)}.items():
        paths[arm] = Snapshots()
        lengths = np.linspace(0, 1, 9)[:, None]
        paths[arm].points[7] = list(lengths * (np.array(ends) @ axes))
    off_plane = torch.from_numpy(np.array([5.0, 1.0]) @ axes)
    table = in_the_plane(paths, {7: off_plane})
    explained = table[table["metric"] == "explained_variance"]["value"]
    assert explained.sum() == pytest.approx(1)
    wide = table[table["arm"] != ""].pivot_table(
        index=["arm", "step"], columns="metric", values="value"
    )
    ends = {arm: wide.loc[arm].iloc[-1].to_numpy() for arm in ("FA", "FAN", "Z", "B")}
    start = wide.loc["FA"].iloc[0].to_numpy()
    lengths = {arm: np.linalg.norm(end - start) for arm, end in ends.items()}
    assert lengths == pytest.approx({"FA": 3, "FAN": 20**0.5, "Z": 2**0.5, "B": 26**0.5})
    pooled = np.concatenate([equally_spaced(np.stack(paths[a].points[7])) for a in ("FA", "FAN")])
    ratio = PCA(2).fit(pooled).explained_variance_ratio_
    np.testing.assert_allclose(explained, ratio)


def test_spectra_against_a_decomposition() -> None:
    net = network()
    table = spectra({"start": net})
    for i, seed in enumerate(SEEDS):
        rows = table[table["seed"] == seed].sort_values("step")
        expected = torch.linalg.svdvals(net.weights[0][i].double())
        np.testing.assert_allclose(rows["value"], expected, rtol=1e-6)
        assert rows["step"].tolist() == list(range(1, 17))
