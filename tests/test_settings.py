"""The bases and the sixty settings: balanced, drawn as said, and what the levels say."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace

import pandas as pd
import pytest
from scipy.stats.contingency import association

from fa_lib.settings import (
    BASES,
    DRAWN,
    FACTORS,
    MULTIVERSE,
    Setting,
    drawn_settings,
    greatest_association,
)


def _levels(setting: Setting) -> dict[str, object]:
    """The level of every factor, read from the setting itself."""
    low = {"adam": 1e-4, "sgd": 0.01}[setting.optimizer]
    own = {name: getattr(setting, name) for name in FACTORS if name not in ("data", "noise")}
    return {
        "data": f"{setting.optimizer} {setting.data_lr:g}",
        "noise": "low" if setting.noise_lr == low else "high",
        **own,
    }


def test_the_drawn_settings_come_out_of_the_search_again() -> None:
    assert tuple(DRAWN.split()) == drawn_settings()


def test_no_two_factors_go_together_in_the_sixty() -> None:
    table = pd.DataFrame([_levels(setting) for setting in MULTIVERSE])
    assert len(table) == 60
    assert not table.duplicated().any()
    assert len({setting.name for setting in MULTIVERSE}) == 60
    found = {
        pair: association(pd.crosstab(table[pair[0]], table[pair[1]]).to_numpy())
        for pair in itertools.combinations(table.columns, 2)
    }
    assert max(found.values()) < 0.1
    assert max(found.values()) == pytest.approx(greatest_association(DRAWN.split()))
    for factor, levels in FACTORS.items():
        assert set(Counter(table[factor]).values()) == {60 // len(levels)}, factor


def test_factors_that_go_together_are_seen() -> None:
    draws = [draw[:1] + str(int(draw[0]) % 2) + draw[2:] for draw in DRAWN.split()]
    assert greatest_association(draws) > 0.9


def test_the_bases_are_those_of_the_protocol() -> None:
    assert [(b.optimizer, b.noise_lr, b.data_lr) for b in BASES] == [
        ("adam", 1e-4, 1e-4),
        ("sgd", 0.01, 0.1),
        ("adam", 1e-4, 1e-3),
    ]
    common = {(b.noise_steps, b.batch_size, b.width, b.images, b.horizon) for b in BASES}
    assert common == {(3750, 128, 100, 5000, 100)}
    assert {(b.inputs, b.weights, b.feedback) for b in BASES} == {("standardised", "he", "he")}


WRONG = {"optimizer": "rmsprop", "inputs": "raw", "weights": "xavier", "feedback": "zero"}
WRONG_NUMBERS = {"data_lr": 0.0, "noise_lr": -1.0, "noise_steps": 0, "width": 0, "horizon": -1}


@pytest.mark.parametrize(("field", "value"), [*WRONG.items(), *WRONG_NUMBERS.items()])
def test_what_cannot_be_run_is_refused(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field if field in WRONG_NUMBERS else str(value)):
        replace(BASES[0], **{field: value})
