"""What training records: which steps, which measures, in which form."""

import itertools
import math

import numpy as np
import pytest
import torch
from small_networks import SEEDS, copies, make, same, split

from fa_lib import evaluate, fit, pretrain


def test_history_is_tidy() -> None:
    history = pretrain(make(), steps=10, record_every=4)
    frame = history.to_frame()
    assert list(frame.columns) == ["seed", "step", "metric", "value"]
    metrics = [
        "alignment_angle_w2",
        "alignment_angle_w3",
        "centered_alignment_angle_w3",
        "centered_norm_w3",
        "loss",
    ]
    rows = list(itertools.product(SEEDS, metrics, [0, 4, 8, 10]))
    assert list(zip(frame["seed"], frame["metric"], frame["step"], strict=True)) == rows
    assert frame["value"].dtype == np.float64
    frame["value"] = 0.0  # a copy
    assert (history.to_frame()["value"] != 0).all()
    wide = history["loss"]
    assert list(wide.columns) == SEEDS
    assert list(wide.index) == [0, 4, 8, 10]
    tidy = history.to_frame().set_index(["metric", "seed", "step"])["value"]
    assert all(wide.loc[t, s] == tidy["loss", s, t] for s in SEEDS for t in (0, 4, 8, 10))


def test_recorded_measures_are_those_of_the_networks_then() -> None:
    net = make(dtype=torch.float64)
    kept = []
    history = pretrain(
        net,
        steps=3,
        record_every=1,
        measure={
            "copy": lambda n: (
                kept.append(
                    (
                        [w.clone().numpy() for w in n.weights],
                        [b.clone().numpy() for b in n.feedback],
                    )
                )
                or torch.zeros(len(n))
            )
        },
    )
    for step, (weights, feedback) in enumerate(kept):
        for i, seed in enumerate(SEEDS):
            for layer in (1, 2):
                w, b = weights[layer][i], feedback[layer][i]
                cosine = (w * b).sum() / np.linalg.norm(w) / np.linalg.norm(b)
                angle = history[f"alignment_angle_w{layer + 1}"].loc[step, seed]
                assert angle == pytest.approx(np.degrees(np.arccos(cosine)), abs=1e-9)
            w, b = (m - m.mean(axis=0) for m in (w, b))
            cosine = (w * b).sum() / np.linalg.norm(w) / np.linalg.norm(b)
            angle = history["centered_alignment_angle_w3"].loc[step, seed]
            assert angle == pytest.approx(np.degrees(np.arccos(cosine)), abs=1e-9)
            assert history["centered_norm_w3"].loc[step, seed] == pytest.approx(np.linalg.norm(w))


@pytest.mark.parametrize(
    ("record_every", "steps", "recorded"),
    [
        (None, 10, list(range(11))),
        (3, 7, [0, 3, 6, 7]),
        (100, 7, [0, 7]),
        ([5, 2, 5], 7, [0, 2, 5, 7]),
        ([], 7, [0, 7]),
        ([7], 7, [0, 7]),
        (range(1, 3), 7, [0, 1, 2, 7]),
        (np.unique(np.geomspace(1, 7, 3).astype(int)), 7, [0, 1, 2, 7]),
        (None, 0, [0]),
        (1, 0, [0]),
        ([0], 0, [0]),
    ],
)
def test_recorded_steps(record_every: object, steps: int, recorded: list[int]) -> None:
    for train in (
        lambda: pretrain(make(), steps=steps, record_every=record_every),
        lambda: fit(make(), split(), steps=steps, batch_size=50, record_every=record_every),
    ):
        assert list(train()["loss"].index) == recorded


def test_noise_training_records_about_fifty_times() -> None:
    assert list(pretrain(make(), steps=110)["loss"].index) == list(range(0, 111, 2))


def test_fit_records_once_an_epoch_and_its_test_data_by_name() -> None:
    data, one, other = split(50), split(20, 1), split(30, 2)
    net = make()
    history = fit(net, data, epochs=3, batch_size=16, test={"validation": one, "far": other})
    assert list(history["loss"].index) == [0, 4, 8, 12]
    for name, part in (("validation", one), ("far", other)):
        loss, accuracy = evaluate(net, part)
        np.testing.assert_array_equal(history[f"{name}_loss"].iloc[-1].to_numpy(), loss.numpy())
        np.testing.assert_array_equal(
            history[f"{name}_accuracy"].iloc[-1].to_numpy(), accuracy.numpy()
        )


def test_nothing_is_trained_in_no_epochs() -> None:
    net = make()
    start = copies(net)
    history = fit(net, split(), epochs=0, test=split(20, 1))
    assert same(copies(net), start)
    assert list(history["test_loss"].index) == [0]
    pretrain(net, steps=0)
    assert same(copies(net), start)
    assert net.noise_steps == 0


def test_a_data_set_smaller_than_a_batch() -> None:
    history = fit(make(), split(5), epochs=3, batch_size=64)
    assert list(history["loss"].index) == [0, 1, 2, 3]


def test_a_readout_alone_has_no_angles() -> None:
    history = fit(make(sizes=[12, 4]), split(), epochs=1)
    assert set(history.to_frame()["metric"]) == {"loss"}


def test_measures_are_copied_when_recorded(small_chunks: None) -> None:
    """A measure may give a view on weights that training goes on to change."""
    net = make()
    history = fit(
        net,
        split(),
        steps=3,
        record_every=1,
        measure={"weight": lambda n: n.weights[0][:, 0, 0], "seed": lambda n: list(n.seeds)},
    )
    assert (history["weight"].nunique() == 4).all()
    np.testing.assert_allclose(
        history["weight"].iloc[-1].to_numpy(), net.weights[0][:, 0, 0].numpy()
    )
    assert (history["seed"] == SEEDS).all(axis=None)


@pytest.mark.parametrize("value", [torch.zeros(2), torch.zeros(3, 1), 1.0])
def test_a_measure_of_the_wrong_shape(value: object) -> None:
    message = r"measure 'mine' must give one value for each of 3 networks, got shape \["
    with pytest.raises(ValueError, match=message):
        pretrain(make(), steps=5, measure={"mine": lambda _: value})


def test_an_unknown_metric_gets_the_closest_match() -> None:
    history = pretrain(make(), steps=1)
    with pytest.raises(ValueError, match="Did you mean 'loss'"):
        history["lost"]


def test_an_undefined_angle_warns_once_and_is_kept_as_nan(small_chunks: None) -> None:
    net = make(readout_scale=0)
    with pytest.warns(UserWarning, match="undefined") as caught:
        history = fit(net, split(), epochs=2)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    angles = history["centered_alignment_angle_w3"]
    assert angles.iloc[0].isna().all()
    assert list(angles.columns) == SEEDS


def test_a_centered_angle_is_undefined_below_one_percent_of_a_he_normal_norm() -> None:
    net = make()  # seven hidden units, four classes: He variance 2 / 7, three degrees of freedom
    he_norm = math.sqrt(2 / 7 * 7 * 3)
    readout = net.weights[-1]
    readout -= readout.mean(dim=1, keepdim=True)
    for i, share in enumerate((0.0099, 0.0101, 1.0)):
        readout[i] *= share * he_norm / readout[i].norm()
    readout += 5.0  # a common mean, as large as may be, does not count
    with pytest.warns(UserWarning, match=r"undefined.* for seed\(s\) 4:"):
        history = pretrain(net, steps=0)
    assert history["centered_alignment_angle_w3"].loc[0].isna().tolist() == [True, False, False]
    assert history["alignment_angle_w3"].notna().all(axis=None)
