"""The map of when noise training pays: its points, what they train, and what is made of them."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from fa_lib import MLP, evaluate, fit, load_dataset, pretrain
from fa_lib.claims import MAP_MEASURES, map_effects, map_points, multiply_adds
from fa_lib.data import stratified_indices
from fa_lib.experiments import noise_map

CPU = torch.device("cpu")
CONFIG = dataclasses.replace(noise_map.PROFILES["smoke"], seeds=(4, 1), n=200, epochs=2)


def piece(name: str) -> pd.DataFrame:
    (found,) = [p for p in noise_map.pieces(CONFIG) if p.name == name]
    return noise_map.run_piece(CONFIG, found, CPU, lambda steps: None)


def runs(config: noise_map.Config) -> list[noise_map.Run]:
    return [p.params["run"] for p in noise_map.pieces(config)]


# -- The experiment --------------------------------------------------------------------------------


def test_every_point_of_the_map_has_its_arms() -> None:
    config = noise_map.PROFILES["paper"]
    names = [p.name for p in noise_map.pieces(config)]
    assert len(names) == len(set(names))
    for width in config.widths:
        for lr in config.lrs:
            here = [
                (run.arm, run.noise_lr, run.noise_steps)
                for run in runs(config)
                if (run.width, run.lr, run.batch_size, run.optimizer) == (width, lr, 64, "adam")
            ]
            slow = [("FAN", config.noise_lr, 1500), ("FAN", config.noise_lr, 5000)]
            fast = [("FAN", lr, steps) for lr in (1e-3, 3e-3) for steps in (100, 300, 1000)]
            plain = [(arm, 0.0, 0) for arm in ("FA", "Z", "BP")]
            assert sorted(here) == sorted([*plain, *slow, *fast])


def test_slices_change_one_thing_and_plain_fa_takes_the_steps_of_the_noise() -> None:
    config = noise_map.PROFILES["paper"]
    base = (config.batch_size, "adam")
    for run in runs(config):
        here = (run.batch_size, run.optimizer)
        changed = sum(a != b for a, b in zip(here, base, strict=True))
        assert changed <= 1
        if changed:
            assert run.width == config.slice_width
        longest = max(config.slice_noise_steps if changed else config.noise_steps)
        assert run.beyond == (longest if run.arm == "FA" else 0)


@pytest.mark.parametrize(
    ("name", "batch_size", "how", "noise", "beyond"),
    [
        ("16-64-adam-0.003-FAN-30-0.001", 64, {"lr": 3e-3}, (30, 1e-3), 0),
        ("16-64-adam-0.003-FAN-10-0.003", 64, {"lr": 3e-3}, (10, 3e-3), 0),
        ("16-32-adam-0.003-FAN-30-0.001", 32, {"lr": 3e-3}, (30, 1e-3), 0),
        ("16-64-sgd-0.1-FAN-30-0.001", 64, {"lr": 0.1, "optimizer": "sgd"}, (30, 1e-3), 0),
        ("16-64-adam-0.003-FA", 64, {"lr": 3e-3}, (0, 1.0), 30),
        ("16-64-adam-0.003-BP", 64, {"lr": 3e-3}, (0, 1.0), 0),
    ],
)
def test_a_piece_is_plain_training_of_each_seed_alone(
    name: str, batch_size: int, how: dict, noise: tuple[int, float], beyond: int
) -> None:
    """By the public functions, on each seed's own images: the same losses at the end."""
    table = piece(name)
    data = load_dataset("mnist5k")
    train = data.train.subset(torch.arange(3000))
    steps = 2 * int(np.ceil(200 / batch_size)) + beyond
    assert table["step"].max() == steps
    for seed in CONFIG.seeds:
        rule = "bp" if name.endswith("BP") else "fa"
        net = MLP([784, 16, 10], rule="fa", seeds=[seed], device="cpu")
        pretrain(net, steps=noise[0], lr=noise[1], batch_size=batch_size, progress=False)
        net = net.with_rule(rule)
        own = train.subset(stratified_indices(train.y, 200, seed))
        fit(net, own, steps=steps, batch_size=batch_size, progress=False, **how)
        last = table[(table["seed"] == seed) & (table["step"] == steps)]
        last = last.set_index("metric")["value"]
        loss, accuracy = evaluate(net, data.test)
        assert last["test_loss"] == pytest.approx(loss.item(), rel=1e-3)
        assert last["test_accuracy"] == pytest.approx(accuracy.item(), abs=2e-3)
        assert last["train_loss"] == pytest.approx(evaluate(net, own)[0].item(), rel=1e-3)


def test_what_is_measured_and_when() -> None:
    table = piece("16-64-adam-0.003-Z")
    assert table.columns.tolist() == [*noise_map.COLUMNS, "value"]
    start = table[table["step"] == 0].groupby("metric")["value"].first()
    assert start["kl_images"] == pytest.approx(0, abs=1e-12)  # a readout of zero is at chance
    epoch = 4  # batches
    at = {m: set(rows["step"]) for m, rows in table.groupby("metric")}
    assert at["dimensionality_w1"] == {0}
    assert at["gradient_angle_w1"] == {0, epoch, 2 * epoch}
    assert at["test_accuracy"] >= {0, epoch, 2 * epoch}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"widths": ()}, "widths is empty"),
        ({"noise_steps": (500,)}, "noise_steps must be 0, the comparison, and others"),
        ({"slice_noise_steps": (0,)}, "slice_noise_steps must be 0"),
        ({"epochs": 21}, "epochs must be at most 20"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"slice_width": 17}, "slice_width must be among widths, got 17"),
        ({"slice_lrs": (1.0,)}, "slice_lrs must be among lrs"),
        ({"batch_sizes": (64,)}, "must differ from the map's own"),
        ({"fast_noise_lrs": (1e-3,)}, "must differ from the map's own"),
    ],
)
def test_settings_that_make_no_map(change: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        dataclasses.replace(CONFIG, **change)


# -- What is made of it ----------------------------------------------------------------------------

EPOCH, END, NOISE = 10, 40, 20  # steps


def planted() -> pd.DataFrame:
    """Accuracy grows by 1 % (FA), 2 % (FAN, Z) a step; FA is trained on through FAN's noise."""
    parts = []
    for arm, pace, start, noise_steps, last in (
        ("FA", 0.01, 0.1, 0, END + NOISE),
        ("FAN", 0.02, 0.15, NOISE, END),
        ("Z", 0.02, 0.1, 0, END),
        ("BP", 0.021, 0.1, 0, END),
    ):
        steps = np.arange(0, last + 1, 5)
        curves = {
            "test_accuracy": start + pace * steps,
            "train_loss": np.exp(-pace * steps),
            "test_loss": (2.0 if arm == "FA" else 1.5) * np.ones(len(steps)),
            "centered_alignment_angle_w2": (80.0 if arm == "FA" else 60.0) - steps / 10,
        }
        for metric, values in curves.items():
            parts.append(
                pd.DataFrame({"step": steps, "metric": metric, "value": values, "arm": arm})
            )
        epochs = np.arange(0, END + 1, EPOCH)
        angle = pd.DataFrame({"step": epochs, "value": 90 - 100 * pace, "arm": arm})
        parts.append(angle.assign(metric="gradient_angle_w1"))
        for metric, value in (("kl_images", 0.2), ("dimensionality_w1", 50.0)):
            value = value / 4 if arm == "FAN" else value
            first = pd.DataFrame({"step": [0], "metric": metric, "value": value, "arm": arm})
            parts.append(first)
        for part in parts:
            if "noise_steps" not in part:
                part["noise_steps"], part["noise_lr"] = noise_steps, 1e-4 * bool(noise_steps)
    table = pd.concat(parts, ignore_index=True)
    seeds = [table.assign(seed=seed) for seed in (0, 1)]
    where = {"width": 8, "batch_size": 4, "optimizer": "adam", "lr": 1e-3}
    return pd.concat(seeds, ignore_index=True).assign(**where)


def test_points_are_noise_trainings_and_none() -> None:
    none, noisy = map_points(planted())
    assert none.where["noise_steps"] == 0
    assert set(none.run.arms) == {"FA", "Z", "BP"}
    assert noisy.where["noise_steps"] == NOISE
    assert set(noisy.run.arms) == {"FA", "FAN", "Z", "BP"}
    assert (noisy.run.unit, noisy.run.end) == (EPOCH, END)


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        ("angle_before", 20),
        ("angle", 20),
        ("area", 5 + 1 * 40 / 2),  # the start, and half of what the pace adds by the end
        ("end", 5 + 40),
        ("end_total", 95 - 70),  # FAN after 40 steps on data against FA after 60
        ("end_within", 15 + 2 * 20 - (10 + 40)),  # 20 of the 40 steps are left for data
        ("gradient", 1),
        ("kl", 75),
        ("dimensionality", 75),
        ("loss", 25),
        # FAN is at 15 % through its 20 steps on noise, then rises to 95 %; FA goes on to 70 %.
        ("area_total", (20 * 15 + 40 * 55 - 60 * 40) / 60),
        ("steps_80", np.nan),
    ],
)
def test_effects_of_a_planted_table(measure: str, expected: float) -> None:
    found = map_effects(map_points(planted()), [measure])
    assert found["seed"].tolist() == [0, 1]
    np.testing.assert_allclose(found["value"], expected, atol=1e-9)
    assert set(found["noise_steps"]) == {NOISE}


def test_steps_are_counted_with_those_on_noise_and_over_all_of_fas_training() -> None:
    table = planted()
    table.loc[table["metric"] == "test_accuracy", "value"] += 0.15
    found = map_effects(map_points(table), ["steps_80", "steps_85"])
    by = found.set_index(["measure", "seed"])
    assert by.loc[("steps_80", 0), ["reference", "arm", "value"]].tolist() == pytest.approx(
        [55, 20 + 25, 55 - 45]
    )
    assert by.loc[("steps_85", 1), "reference"] == pytest.approx(60)  # its very last step


def test_a_control_is_compared_once_and_fa_within_the_others_steps() -> None:
    found = map_effects(map_points(planted()), ["area", "end_total"], arm="Z")
    assert set(found["noise_steps"]) == {0}
    by = found.groupby("measure")["value"].mean()
    assert by["area"] == pytest.approx(20)
    assert by["end_total"] == pytest.approx(40)
    both = map_effects(map_points(planted()), ["end_total", "end_within"], reference="Z")
    by = both.groupby("measure")["value"].mean()
    assert np.isnan(by["end_total"])  # Z was not trained for so long
    assert by["end_within"] == pytest.approx(15 + 40 - 90)


def test_an_arm_that_was_not_run_gives_no_rows() -> None:
    without = planted().query("arm != 'Z'")
    assert map_effects(map_points(without), list(MAP_MEASURES), arm="Z").empty


def test_an_unknown_measure_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"Unknown measure of the map 'aera'\. Did you mean 'area'"
    ):
        map_effects(map_points(planted()), ["aera"])


def test_multiply_adds_are_those_of_the_matrix_products() -> None:
    """Counted by torch on the very products of a step; a multiply-add is two operations there."""
    from torch.utils.flop_counter import FlopCounterMode

    for sizes in ([12, 7, 4], [12, 9, 7, 4]):
        net = MLP(sizes, rule="fa", seeds=[0], device="cpu")
        x, y = torch.randn(6, 12), torch.randint(4, (6,))
        with FlopCounterMode(display=False) as counter:
            net.backward(x, y)
        assert counter.get_total_flops() == 2 * multiply_adds(sizes, 6)
