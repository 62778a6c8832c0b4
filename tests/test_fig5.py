"""Figure 5: how test images are moved, what is recorded, and the verdicts on C13 and C14."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest
import torch

import fa_lib as fa
from fa_lib.claims import Verdict, by_pair, judge
from fa_lib.claims._fig5 import runs
from fa_lib.data import Dataset, validation_split
from fa_lib.experiments import fig5
from fa_lib.experiments._arms import own_examples
from fa_lib.experiments._moved import evaluation_sets, moved
from fa_lib.schema import epoch_steps

KINDS = ("shift", "scale", "rotation")
SIDE = 12


@pytest.fixture
def digits() -> Dataset:
    """Images of noise, so that no two shifts of one look alike."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(400, SIDE * SIDE, generator=generator)
    split = fa.Split(x, torch.arange(400) % 10)
    return Dataset("noise", split, split, 10, (SIDE, SIDE), "made up")


def test_every_image_goes_its_own_way_by_whole_pixels(digits: Dataset):
    images = digits.test.x.view(-1, SIDE, SIDE).numpy()
    result = moved(digits, "shift", 3.0).x.view(-1, SIDE, SIDE).numpy()
    padded = np.pad(images, ((0, 0), (3, 3), (3, 3)))
    windows = {  # what comes in view where the image goes right, left, down or up
        "right": padded[:, 3:-3, : -2 * 3],
        "left": padded[:, 3:-3, 2 * 3 :],
        "down": padded[:, : -2 * 3, 3:-3],
        "up": padded[:, 2 * 3 :, 3:-3],
    }
    fits = np.stack([(w == result).all(axis=(1, 2)) for w in windows.values()])
    assert (fits.sum(axis=0) == 1).all()
    assert (fits.sum(axis=1) > 60).all()  # of 400; 100 are expected to each side


def test_the_way_does_not_depend_on_the_amount(digits: Dataset):
    once = moved(digits, "shift", 2.0)
    twice = moved(Dataset("again", once, once, 10, (SIDE, SIDE), ""), "shift", 2.0).x
    assert torch.equal(twice, moved(digits, "shift", 4.0).x)


def test_rotations_go_both_ways(digits: Dataset):
    x = digits.test.x
    result = moved(digits, "rotation", 40.0).x
    one, other = (
        (result == fa.rotate(x, angle, image_shape=(SIDE, SIDE))).all(dim=1) for angle in (40, -40)
    )
    assert (one ^ other).all()
    assert 150 < int(one.sum()) < 250


def test_nothing_is_tested_twice(digits: Dataset):
    amounts = {"shift": (0.0, 1.0), "scale": (0.5, 1.0), "rotation": (0.0, 30.0)}
    found = evaluation_sets(digits, [], amounts)
    assert list(found) == [("clean", 0.0), ("shift", 1.0), ("scale", 0.5), ("rotation", 30.0)]
    assert found["clean", 0.0] is digits.test
    enlarged = fa.scale(digits.test.x, 0.5, image_shape=(SIDE, SIDE))
    assert torch.equal(found["scale", 0.5].x, enlarged)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shifts": (1.0, 2.0)}, "shifts must hold 0, which changes nothing, and another"),
        ({"scales": (1.0,)}, "scales must hold 1, which changes nothing, and another"),
        ({"sizes": ()}, "sizes is empty"),
        ({"side_seeds": 0}, "side_seeds must be at least 1"),
    ],
)
def test_bad_settings_are_refused(changes: dict[str, object], message: str):
    with pytest.raises(ValueError, match=message):
        fa.run("fig5", profile="smoke", **changes)


def test_recorded_accuracies_are_those_of_networks_trained_by_hand(results_root):
    changes = {"rotations": (0.0, 30.0), "shifts": (0.0, 2.0), "scales": (1.0, 1.25)}
    table = fa.run("fig5", profile="smoke", **changes).table
    config = fig5.PROFILES["smoke"]
    net = fa.MLP([784, config.width, 10], rule="fa", seeds=config.seeds, device="cpu")
    fa.pretrain(net, steps=config.noise_steps, lr=config.noise_lr, record_every=config.noise_steps)
    train = validation_split(fa.load_dataset("mnist5k"), config.validation).train
    rows = own_examples(train, 300, config.seeds)
    fa.fit(net, train, subset=rows, epochs=20, lr=config.lr)
    data = fa.load_dataset("mnist5k", n_test=config.test_images)
    others = {
        "clean": data.test,
        "digits": fa.load_dataset("digits").test,
        "scale": fa.Split(fa.scale(data.test.x, 1.25), data.test.y),
    }
    end = table[(table["arm"] == "FAN") & (table["setting"] == "F")]
    end = end[end["step"] == end["step"].max()]
    units = {run.unit for run in runs(table, ["clean"])}
    assert units == {config.curve(300).at(1)} == {epoch_steps(300, config.batch_size)}
    for name, split in others.items():
        recorded = end[end["test_set"] == name].sort_values("seed")["value"].to_numpy()
        right = net(split.x).argmax(dim=2) == split.y
        assert recorded == pytest.approx(right.double().mean(dim=1).numpy(), abs=1e-12)


# -- verdicts --------------------------------------------------------------------------------------

RECORDS = (80, 160, 320, 560, 800, 1040, 1280, 1600)
Level = Callable[[float], float]  # accuracy in points, given the share of training that is over


def clean_of(arm: str) -> Level:
    """FAN is ahead of the others by five points on images as they are."""
    ahead = 5.0 if arm == "FAN" else 0.0
    return lambda share: 60.0 + 20 * share + ahead


def made_up(
    carry: dict[str, float],
    gain: dict[str, float] | None = None,
    *,
    seeds: Sequence[int] = range(10),
    arms: Sequence[str] = ("FA", "FAN", "S", "Z"),
) -> pd.DataFrame:
    """A table in which accuracy on moved images is that on clean ones, less a constant.

    Arguments:
        carry: points taken off for each test set.
        gain: of FAN on each test set beyond what its clean accuracy gives, in points.
    """
    rows = []
    for arm in arms:
        for seed in seeds:
            for step in RECORDS:
                clean = clean_of(arm)(step / 1600) + 0.01 * (seed - np.mean(seeds)) * (arm == "FAN")
                rows.append((arm, seed, step, "clean", 0.0, clean))
                for name, less in carry.items():
                    value = clean - less + (gain or {}).get(name, 0.0) * (arm == "FAN")
                    if name in ("shift", "rotation"):
                        rows += [(arm, seed, step, name, amount, value) for amount in (1.0, 2.0)]
                    elif name == "scale":
                        rows += [(arm, seed, step, name, amount, value) for amount in (0.5, 1.5)]
                    else:
                        rows.append((arm, seed, step, name, 0.0, value))
    table = pd.DataFrame(rows, columns=["arm", "seed", "step", "test_set", "amount", "value"])
    noise_steps = np.where(table["arm"].isin(["FAN", "S"]), 5000, 0)
    return table.assign(
        value=table["value"] / 100, setting="F", n=5000, metric="accuracy", noise_steps=noise_steps
    )


ALL = {"shift": 30.0, "scale": 20.0, "rotation": 25.0, "usps": 15.0}


def verdicts(table: pd.DataFrame) -> dict[str, Verdict]:
    return {verdict.claim.id: verdict for verdict in judge("fig5", table)}


def test_being_ahead_alone_earns_in_part_and_being_robust_too_earns_all():
    faster = verdicts(made_up(ALL))
    assert {c: v.outcome for c, v in faster.items()} == {"C13": "in part", "C14": "in part"}
    # The same is taken off in both arms, so that only the lead on clean images is left.
    assert faster["C13"].settings[0].effect == pytest.approx(5.0)
    assert faster["C14"].settings[0].effect == pytest.approx(5.0)
    robust = verdicts(made_up(ALL, dict.fromkeys(ALL, 4.0)))
    assert {c: v.outcome for c, v in robust.items()} == {"C13": "holds", "C14": "holds"}
    assert {v.specific for v in robust.values()} == {"yes"}


def test_one_transformation_without_a_gain_fails_the_claim():
    table = made_up(ALL, {"rotation": -6.0})
    found = verdicts(table)["C13"]
    # Over amounts 0, 1, 2 the clean accuracy has a quarter of the area.
    assert found.settings[0].effect == pytest.approx(5.0 - 0.75 * 6.0)
    assert found.outcome == "does not hold"
    assert verdicts(table)["C14"].outcome == "in part"


def test_at_equal_clean_accuracy_leaves_what_is_robust():
    pairs = by_pair("C14", made_up(ALL, {"usps": 2.5}))
    measures = pairs.groupby("measure")["difference"].mean()
    name = "accuracy on the other data set"
    assert measures[f"{name}, after epoch 20"] == pytest.approx(7.5)
    assert measures[f"{name}, at equal clean accuracy"] == pytest.approx(2.5)


def test_a_second_data_set_stands_beside_the_first():
    table = made_up({**ALL, "usps_padded": 40.0}, {"usps_padded": -9.0})
    found = verdicts(table)["C14"]
    assert found.outcome == "in part"
    pairs = by_pair("C14", table)
    padded = pairs[pairs["measure"] == "accuracy on the other data set, padded, after epoch 20"]
    assert padded["difference"].mean() == pytest.approx(-4.0)


def test_few_seeds_and_a_single_one_leave_the_claims_open():
    for count in (1, 2):
        found = verdicts(made_up(ALL, seeds=range(count), arms=("FA", "FAN")))
        assert {verdict.outcome for verdict in found.values()} == {"undecided"}
