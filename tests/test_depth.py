"""The experiment over depth: what a piece trains, and the angles of every layer."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from fa_lib import MLP, alignment_angle, load_dataset, pretrain
from fa_lib.experiments import depth
from fa_lib.experiments._arms import MAIN_ARMS
from fa_lib.experiments._measures import GRADIENT_BATCH, gradient_angles_of_layers

CPU = torch.device("cpu")
CONFIG = dataclasses.replace(depth.PROFILES["smoke"], seeds=(4, 6), layers=(2, 4))


def piece(name: str, config: depth.Config = CONFIG) -> pd.DataFrame:
    (found,) = [p for p in depth.pieces(config) if p.name == name]
    return depth.run_piece(config, found, CPU, lambda steps: None)


def values(table: pd.DataFrame, metric: str, step: int) -> np.ndarray:
    """By seed, in order."""
    rows = table[(table["metric"] == metric) & (table["step"] == step)]
    return rows.sort_values("seed")["value"].to_numpy()


def angle(u: torch.Tensor, v: torch.Tensor) -> float:
    cosine = torch.nn.functional.cosine_similarity(u.double().flatten(), v.double().flatten(), 0)
    return float(torch.rad2deg(torch.arccos(cosine)))


def test_there_is_a_piece_for_every_depth_setting_and_arm() -> None:
    names = [p.name for p in depth.pieces(depth.PROFILES["paper"])]
    assert len(names) == len(set(names)) == 4 * (1 + 2 * len(MAIN_ARMS))
    config = depth.PROFILES["paper"]
    assert not set(config.seeds) & set(config.choice_seeds)


def test_angles_of_updates_are_those_of_autograd_and_of_feedback_by_hand() -> None:
    """Four layers in float64: BP by autograd, FA by the rule written out."""
    x = torch.rand(30, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y = torch.arange(30) % 5
    net = MLP([12, 9, 8, 7, 5], rule="fa", seeds=[3], device="cpu", dtype=torch.float64)
    weights = [w[0].clone().requires_grad_() for w in net.weights]
    activity = [x]
    for layer, w in enumerate(weights):
        sums = activity[-1] @ w.T + net.biases[layer][0]
        activity.append(sums.relu() if layer < 3 else sums)
    torch.nn.functional.cross_entropy(activity[-1], y).backward()
    error = (activity[-1].softmax(1) - torch.nn.functional.one_hot(y, 5)) / 30
    by_fa = {}
    for layer in (3, 2, 1, 0):
        by_fa[layer] = error.T @ activity[layer]
        error = (error @ net.feedback[layer][0]) * (activity[layer] > 0)

    class Images:
        pass

    images = Images()
    images.x, images.y = x, y
    found = gradient_angles_of_layers(images)(net)
    assert list(found) == ["gradient_angle_w1", "gradient_angle_w2", "gradient_angle_w3"]
    for layer in range(3):
        expected = angle(by_fa[layer].detach(), weights[layer].grad)
        assert float(found[f"gradient_angle_w{layer + 1}"]) == pytest.approx(expected, abs=1e-6)


def test_noise_training_is_that_of_the_public_call() -> None:
    table = piece("4-noise")
    net = MLP([784, 16, 16, 16, 10], rule="fa", seeds=CONFIG.seeds, device="cpu")
    pretrain(net, steps=50, lr=1e-3, progress=False)
    for layer in (1, 2, 3):
        expected = alignment_angle(net.weights[layer], net.feedback[layer])
        found = values(table, f"alignment_angle_w{layer + 1}", 50)
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    whole = load_dataset("mnist5k").train
    images = whole.subset(torch.arange(3334, 4000))
    assert len(images) < GRADIENT_BATCH
    at_end = gradient_angles_of_layers(images)(net)
    for metric, expected in at_end.items():
        np.testing.assert_allclose(values(table, metric, 50), expected, rtol=1e-5)
    assert set(table["panel"]) == {"noise"}


def test_the_data_phase_of_fan_begins_where_noise_training_ended() -> None:
    noise, data = piece("4-noise"), piece("4-F-FAN")
    metrics = [f"alignment_angle_w{layer}" for layer in (2, 3, 4)]
    metrics += [f"gradient_angle_w{layer}" for layer in (1, 2, 3)]
    for metric in (*metrics, "centered_alignment_angle_w4"):
        np.testing.assert_array_equal(values(data, metric, 0), values(noise, metric, 50))
    assert set(data["noise_steps"]) == {50}


def test_every_piece_has_the_same_columns() -> None:
    for name in ("2-noise", "4-T-S", "2-F-BP"):
        table = piece(name)
        assert table.columns.tolist() == list(depth.COLUMNS)
        assert not table.drop(columns="value").isna().any().any()
        assert set(table["layers"]) == {int(name[0])}


def test_the_choice_is_made_at_every_depth() -> None:
    for layers in (2, 4):
        tried = piece(f"{layers}-T-BP").query("panel == 'choice'")
        assert set(tried["lr"]) == {1e-3, 3e-3}
        assert set(tried["seed"]) == {0}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"layers": (1, 2)}, r"layers must be 2 or more and differ, got \(1, 2\)"),
        ({"layers": (2, 2)}, "layers must be 2 or more and differ"),
        ({"layers": ()}, "layers is empty"),
        ({"n": 0}, "n must be at least 1"),
        ({"lr": -1.0}, "Each learning rate must be above 0"),
    ],
)
def test_settings_that_make_no_comparison(change: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        dataclasses.replace(CONFIG, **change)
