"""Nothing is chosen by test images, nothing learned from validation images; choices are followed.

Each is tried on a small data set that is written twice, with other images in one part of it. That
the trial would notice is shown by planting the mistake.
"""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import torch

from fa_lib import load_dataset
from fa_lib.data import stratified_indices
from fa_lib.experiments import (
    _adaptation,
    _arms,
    _checkpoints,
    _learning,
    depth,
    fig5,
    fig6,
    learning,
    table1,
    tuning,
)
from fa_lib.experiments._arms import ARMS, Preparation, learn, material
from fa_lib.experiments._patience import Patience

CPU = torch.device("cpu")
CLASSES, SIDE, TRAIN, VALIDATION, TEST = 4, 6, 300, 50, 80  # the last sixth of the training images

Write = Callable[..., None]
CACHES = (
    *(_arms.material, _arms.test_images, _arms.trained_before),
    *(_adaptation.load_task, _adaptation._choice_table, _checkpoints._tried, fig5._tested),
)


def forget() -> None:
    for cache in CACHES:
        cache.cache_clear()


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes the data set "own", other images by other seeds, and forgets what was loaded."""
    monkeypatch.setenv("FA_DATA_ROOT", str(tmp_path))
    kinds = np.random.default_rng(0).random((CLASSES, SIDE, SIDE))

    def images(y: np.ndarray, seed: int) -> np.ndarray:
        return (kinds[y] + np.random.default_rng(seed).random((len(y), SIDE, SIDE))) / 2

    def written(*, train: int = 0, validation: int = 1, blank_tests: bool = False) -> None:
        y, y_test = (np.arange(n) % CLASSES for n in (TRAIN, TEST))
        x, x_test = images(y, train), images(y_test, 2)
        # The last of the order in which the file's images are loaded.
        apart = stratified_indices(torch.from_numpy(y), TRAIN, seed=0)[-VALIDATION:].numpy()
        x[apart] = images(y[apart], validation)
        if blank_tests:
            x_test[:] = 0
        arrays = {"x_train": x, "y_train": y, "x_test": x_test, "y_test": y_test}
        np.savez(tmp_path / "own.npz", **arrays)
        forget()

    yield written
    forget()


TUNING = dataclasses.replace(
    tuning.PROFILES["smoke"],
    dataset="own",
    validation=VALIDATION,
    noise_steps=10,
    headline=100,
    large=0,
    lrs=(1e-2,),
    epochs=2,
)
FIG6 = dataclasses.replace(
    fig6.PROFILES["smoke"],
    tasks=("own", "permuted own"),
    n=100,
    noise_steps=10,
    checkpoints=(0,),
    adam_lrs=(1e-2, 1e-3),
)
TABLE1 = dataclasses.replace(
    table1.PROFILES["smoke"], datasets=("own",), n=100, noise_steps=10, epochs=20, lr=3e-3
)
DEPTH = dataclasses.replace(
    depth.PROFILES["smoke"], dataset="own", n=100, noise_steps=10, layers=(3,)
)
LEARNING = dataclasses.replace(
    learning.PROFILES["smoke"],
    dataset="own",
    validation=VALIDATION,
    noise_steps=10,
    headline=100,
    sizes=(100,),
    lr=3e-3,
    units=4,
    patience=3,
    max_epochs=20,
)
FIG5 = dataclasses.replace(
    fig5.PROFILES["smoke"],
    dataset="own",
    validation=VALIDATION,
    others=(),
    noise_steps=10,
    sizes=(100,),
    test_images=TEST,
)


def run(module: ModuleType, config: object, name: str) -> pd.DataFrame:
    (piece,) = [piece for piece in module.pieces(config) if piece.name == name]
    return module.run_piece(config, piece, CPU, lambda steps: None)


# -- Choices and test images -----------------------------------------------------------------------


def same_but_for_what_is_tested(write: Write, *piece: object) -> None:
    """With other test images all is the same bit for bit, but for what is measured on them.

    In the table are what was chosen, every number that the choice was made by, what the networks
    learned, and the step at which they stopped.
    """
    tables = []
    for blank in (False, True):
        write(blank_tests=blank)
        tables.append(run(*piece))
    tested = [table["metric"].str.startswith("test_") for table in tables]
    for metric in tables[0].loc[tested[0], "metric"].unique():
        values = (table.loc[table["metric"] == metric, "value"] for table in tables)
        assert not np.array_equal(*values), metric
    rest = (table[~rows].reset_index(drop=True) for table, rows in zip(tables, tested, strict=True))
    pd.testing.assert_frame_equal(*rest, check_exact=True)


def tuning_leak(patch: pytest.MonkeyPatch) -> None:
    def leaky(name: str, validation: int | None) -> _arms.Material:
        return dataclasses.replace(material(name, validation), validation=load_dataset(name).test)

    patch.setattr(tuning, "material", leaky)


def fig6_leak(patch: pytest.MonkeyPatch) -> None:
    load_task = _adaptation.load_task

    def leaky(name: str) -> _arms.Material:
        return dataclasses.replace(load_task(name), validation=_adaptation.task_test_images(name))

    patch.setattr(_adaptation, "load_task", leaky)


def checkpoint_leak(patch: pytest.MonkeyPatch) -> None:
    def leaky(arm, prep, curve, lr, scale, validation) -> pd.DataFrame:
        return tuning.try_out(arm, prep, curve, lr, scale, load_dataset(prep.dataset).test)

    patch.setattr(_checkpoints, "try_out", leaky)


class LeakyPatience(Patience):
    def __call__(self, net, step, values) -> bool:
        return super().__call__(net, step, {"validation_accuracy": values["test_accuracy"]})


def stopping_leak(patch: pytest.MonkeyPatch) -> None:
    for module in (_checkpoints, _learning):
        patch.setattr(module, "Patience", LeakyPatience)


CHOICES = [
    pytest.param((tuning, TUNING, "100-FAN-0.01-1"), tuning_leak, id="tuning"),
    pytest.param((fig6, FIG6, "choice-adam-FA"), fig6_leak, id="fig6"),
    pytest.param((fig6, FIG6, "adapt-T-adam-FA"), None, id="fig6, as chosen"),
    pytest.param((fig6, FIG6, "checkpoints"), None, id="fig6, states"),
    pytest.param((table1, TABLE1, "own-T-FA"), checkpoint_leak, id="table1"),
    pytest.param((depth, DEPTH, "3-T-FAN"), checkpoint_leak, id="depth"),
    pytest.param((table1, TABLE1, "own-F-BP"), stopping_leak, id="table1, stopping"),
    pytest.param((learning, LEARNING, "data-F-100-BP"), stopping_leak, id="learning, stopping"),
]


@pytest.mark.parametrize(("piece", "leak"), CHOICES)
def test_test_images_choose_and_stop_nothing(
    piece: tuple, leak: Callable | None, write: Write
) -> None:
    same_but_for_what_is_tested(write, *piece)


@pytest.mark.parametrize(("piece", "leak"), [choice for choice in CHOICES if choice.values[1]])
def test_a_planted_leak_is_noticed(
    piece: tuple, leak: Callable, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    leak(monkeypatch)
    with pytest.raises(AssertionError, match="are different"):
        same_but_for_what_is_tested(write, *piece)


# -- Learning and validation images ----------------------------------------------------------------


@pytest.mark.parametrize("arm", ARMS)
def test_validation_images_are_never_trained_on(arm: str, write: Write) -> None:
    """Other ones leave all weights as they are, whatever the arm does; other training ones do not.

    How long to train is not for the arms to say, see "stopping" above.
    """
    sizes = (SIDE * SIDE, 12, CLASSES)
    prep = Preparation(sizes, (3, 8), "own", VALIDATION, 10, 16, 1e-2, CPU)
    nets = []
    for seeds in ({}, {"validation": 5}, {"train": 5}):
        write(**seeds)
        nets.append(learn(arm, prep, 100, 1e-2, steps=10)[0])
    first, same, other = ([p.numpy() for p in net.parameters()] for net in nets)
    for mine, expected, different in zip(first, same, other, strict=True):
        np.testing.assert_array_equal(mine, expected)
        assert not np.array_equal(mine, different)


def test_the_data_set_of_these_tests_changes_where_it_should(write: Write) -> None:
    found = []
    for how in ({}, {"validation": 5}, {"train": 5}, {"blank_tests": True}):
        write(**how)
        data, tests = material("own", VALIDATION), _arms.test_images("own")
        found.append([split.x.numpy() for split in (data.train, data.validation, tests)])
    same = [[np.array_equal(*pair) for pair in zip(found[0], one, strict=True)] for one in found]
    assert same == [[True] * 3, [True, False, True], [False, True, True], [True, True, False]]


# -- Choices are followed --------------------------------------------------------------------------

EVERY_FA = {name: (100, name, 1e-2, 1.0) for name in ARMS}


def scaled(config, scale: float):
    """The settings with one learning rate, and this one factor on FA's readout in setting T."""
    changes = {
        "readout_scales": (scale,),
        "lrs": (1e-2,),
        "adam_lrs": (1e-2,),
        "tuned": tuple({**EVERY_FA, "FA": (100, "FA", 1e-2, scale)}.values()),
    }
    fields = {field.name for field in dataclasses.fields(config)}
    return dataclasses.replace(config, **{k: v for k, v in changes.items() if k in fields})


@pytest.mark.parametrize(
    ("module", "config", "name"),
    [
        (tuning, TUNING, "100-{}-0.01-{:g}"),
        (fig6, FIG6, "choice-adam-{}"),
        (fig6, FIG6, "adapt-T-adam-{}"),
        (table1, TABLE1, "own-T-{}"),
        (depth, DEPTH, "3-T-{}"),
        (learning, LEARNING, "data-T-100-{}"),
        (fig5, FIG5, "T-100-{}"),
    ],
)
def test_fa_begins_with_the_chosen_readout(
    module: ModuleType, config: object, name: str, write: Write
) -> None:
    """A factor of 0 makes it arm Z; a factor of 1 does not."""
    write()
    zero, one, z = (
        run(module, scaled(config, scale), name.format(arm, scale if arm == "FA" else 1.0)).drop(
            columns=["arm", "readout_scale"], errors="ignore"
        )
        for arm, scale in (("FA", 0.0), ("FA", 1.0), ("Z", 1.0))
    )
    pd.testing.assert_frame_equal(zero, z, check_exact=True)
    with pytest.raises(AssertionError, match="are different"):
        pd.testing.assert_frame_equal(one, z)
