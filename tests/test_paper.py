"""The statements and their readings: one for each, in the paper's order, and dated."""

from __future__ import annotations

import re
from datetime import datetime

import pytest

from fa_lib import protocol
from fa_lib.experiments import resolve
from fa_lib.experiments._registry import REGISTRY
from fa_lib.paper import STATEMENTS
from fa_lib.protocol import READINGS


def test_every_statement_has_its_reading_in_the_papers_order() -> None:
    assert list(READINGS) == list(STATEMENTS)
    figures = [statement.figure for statement in STATEMENTS.values()]
    assert figures == sorted(figures)
    assert set(figures) == {1, 2, 3, 4, 5, 6}
    for id, statement in STATEMENTS.items():
        assert statement.id == READINGS[id].id == id
        panel = re.fullmatch(r"Figure (\d)([a-h]?)( and g|, inset| and Table 1)?", statement.panel)
        assert panel, statement.panel
        assert id.startswith(panel[1])
        # A P value is printed with its test and its n.
        assert not statement.p or (statement.test and statement.n)


def test_controls_are_asked_of_what_the_protocol_names() -> None:
    asked = {id for id, reading in READINGS.items() if reading.controls}
    figure5, figure6 = {"5b", "5c"}, {"6a", "6c"}
    assert asked == (
        {"2b-speed", "2b-BP", "2b-end", "2c", "3", "4e", "4f", "4g", "4h"} | figure5 | figure6
    )
    frozen = {id for id in asked if "ZF" in READINGS[id].controls}
    assert frozen == {"2b-speed", "2b-BP", "2b-end", "3", "5b", "5c", "6c"}
    assert {id for id, reading in READINGS.items() if not reading.settings} == {"1f", "4f", "4h"}


def test_the_rules_are_those_that_were_dated() -> None:
    judged = {resolve(reading.experiment) for reading in READINGS.values()} | {"multiverse"}
    assert judged == set(protocol.EXPERIMENTS) == set(REGISTRY)
    for name in protocol.EXPERIMENTS:
        assert protocol.WRITTEN[0] == protocol.rules_hash(name)
        assert datetime.fromisoformat(protocol.rules_date(name)).tzinfo is not None


def test_what_judges_nothing_has_no_rules() -> None:
    assert protocol.rules_hash("tiny") == protocol.rules_date("tiny") == ""


@pytest.mark.parametrize("name", ["LEVEL", "MOST", "HALF", "FEW", "LEARNED", "APART", "SPREAD"])
def test_a_changed_number_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, name, getattr(protocol, name) / 2)
    with pytest.raises(ValueError, match="The rules have changed"):
        protocol.rules_date("fig1")


def test_a_changed_reading_or_setting_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MULTIVERSE", protocol.MULTIVERSE[:-1])
    with pytest.raises(ValueError, match="The rules have changed"):
        protocol.rules_date("fig1")
    monkeypatch.undo()
    fewer = {id: reading for id, reading in READINGS.items() if id != "2c"}
    monkeypatch.setattr(protocol, "READINGS", fewer)
    with pytest.raises(ValueError, match="The rules have changed"):
        protocol.rules_date("fig1")
