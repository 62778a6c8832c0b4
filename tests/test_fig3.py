"""Figure 3 on a small STL-10 in the official files' format: its records, and who sees what."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from test_official import N_TEST, N_TRAIN, write_stl10

from fa_lib.data import Split, load_dataset
from fa_lib.experiments import _stacks, fig3
from fa_lib.experiments._parts import COLUMNS

CPU = torch.device("cpu")
CONFIG = fig3.Config(
    seeds=(0, 1),
    datasets=("stl10",),
    bases=("B1",),
    depths=(2,),
    cap=11,
    test_images=20,
    most_steps=20,
    most_images=64,
    most_width=8,
)
KEPT = N_TRAIN - N_TRAIN // 6  # training images that may be learned


@pytest.fixture(scope="module", autouse=True)
def _stl10(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """STL-10 as torchvision expects it, a few random images."""
    root: Path = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FA_DATA_ROOT", str(root))
        write_stl10(root, patch)
        _stacks.task.cache_clear()
        yield
    _stacks.task.cache_clear()


@pytest.fixture(scope="module")
def tables(_stl10: None) -> dict[str, pd.DataFrame]:
    return {
        piece.params["arm"]: fig3.run_piece(CONFIG, piece, CPU, lambda steps: None)
        for piece in fig3.pieces(CONFIG)
    }


def test_each_arm_has_its_curves_of_each_network_at_every_fifth_epoch(tables) -> None:
    assert tuple(tables) == fig3.ARMS
    for arm, table in tables.items():
        assert table.columns.tolist() == list(COLUMNS)
        labels = table[["setting", "layers", "images", "task", "arm", "phase"]].drop_duplicates()
        assert labels.to_numpy().tolist() == [["B1", 2, KEPT, "stl10", arm, "data"]]
        assert not table.duplicated(["step", "metric", "seed"]).any()
        curves = table.pivot_table("value", index="step", columns=["metric", "seed"])
        # One batch an epoch; the cap ends the last one.
        assert curves.index.tolist() == [0, 5, 10, 11]
        for metric in (
            *("train_loss", "train_accuracy", "test_loss", "test_accuracy"),
            "validation_accuracy",
        ):
            assert curves[metric].columns.tolist() == list(CONFIG.seeds)
            assert curves[metric].notna().all(axis=None), (arm, metric)
        assert curves["test_accuracy"].iloc[-1].between(0, 1).all()


def test_arms_start_as_they_should(tables) -> None:
    """FA and BP alike; Z at chance, which no other is; FAN elsewhere than FA."""

    def first(arm: str) -> list[float]:
        table = tables[arm]
        return table.query("step == 0 and metric == 'test_loss'")["value"].tolist()

    assert first("FA") == first("BP") != first("FAN")
    assert first("Z") == pytest.approx([torch.tensor(10.0).log().item()] * 2, rel=1e-6)


def test_training_stops_once_all_networks_have_converged(monkeypatch) -> None:
    monkeypatch.setattr("fa_lib.experiments._parts.CONVERGED", 100.0)
    piece = fig3.pieces(CONFIG)[0]
    table = fig3.run_piece(CONFIG, piece, CPU, lambda steps: None)
    assert table["step"].max() == 5  # where training would go on


def test_what_is_learned_what_is_for_choices_and_what_is_tested_never_mix(monkeypatch) -> None:
    seen: list[tuple[Split, dict[str, Any]]] = []
    fit = _stacks.fit

    def spy(net, data, **how):
        seen.append((data, how))
        return fit(net, data, **how)

    monkeypatch.setattr(_stacks, "fit", spy)
    for piece in fig3.pieces(CONFIG):
        fig3.run_piece(CONFIG, piece, CPU, lambda steps: None)
    data = load_dataset("stl10")
    own, held = data.train.x[:KEPT], data.train.x[KEPT:]

    def place(split: Split, images: torch.Tensor) -> list[int]:
        """Where each of the split's images is among these; -1 for none."""
        standard = (images - own.mean()) / own.std()
        near = torch.cdist(split.x.double(), standard.double()).min(dim=1)
        return [int(i) if d < 1e-3 else -1 for d, i in zip(*near, strict=True)]

    assert len(seen) == 2 * len(fig3.ARMS)  # to the horizon and on
    for learned, how in seen:
        assert place(learned, own) == list(range(KEPT))
        assert how["subset"].shape == (2, KEPT)
        assert [sorted(rows) for rows in how["subset"].tolist()] == [list(range(KEPT))] * 2
        assert place(how["test"], data.test.x) == list(range(N_TEST))
        assert set(place(how["test"], data.train.x)) == {-1}
    validation = _stacks.task("stl10", "standardised", CONFIG.test_images).validation
    assert sorted(place(validation, held)) == list(range(N_TRAIN // 6))
    assert set(place(validation, own)) == {-1}


def test_choices_are_by_the_images_for_choices_and_answers_by_test_images(monkeypatch) -> None:
    nets = []
    fit = _stacks.fit

    def spy(net, data, **how):
        nets.append(net)
        return fit(net, data, **how)

    monkeypatch.setattr(_stacks, "fit", spy)
    table = fig3.run_piece(CONFIG, fig3.pieces(CONFIG)[0], CPU, lambda steps: None)
    data = _stacks.task("stl10", "standardised", CONFIG.test_images)
    last = table[table["step"] == table["step"].max()]
    for metric, split in (("validation_accuracy", data.validation), ("test_accuracy", data.test)):
        found = last[last["metric"] == metric].sort_values("seed")["value"]
        right = (nets[-1](split.x).argmax(dim=-1) == split.y).double().mean(dim=-1)
        assert found.tolist() == pytest.approx(right.tolist())


def test_pieces_are_listed_without_data(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("FA_DATA_ROOT", str(tmp_path))
    config = fig3.PROFILES["paper"]
    cells = len(config.bases) * len(config.datasets) * len(config.depths)
    assert len(fig3.pieces(config)) == cells * len(fig3.ARMS)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"depths": ()}, "depths is empty"),
        ({"datasets": ()}, "datasets is empty"),
        ({"depths": (1, 2)}, "depths must be two or more"),
        ({"cap": 0}, "cap must be at least 1"),
    ],
)
def test_a_table_without_cells_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        fig3.Config(seeds=(0,), **change)
