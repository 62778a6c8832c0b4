"""The README, the index and the status page say what the stored results say."""

import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from fa_lib import results
from fa_lib.answers import CHAPTERS
from fa_lib.paper import STATEMENTS

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def tables():
    pytest.importorskip("sphinx")
    spec = importlib.util.spec_from_file_location("fa_tables", ROOT / "book/_ext/fa_tables.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_figure_has_a_chapter() -> None:
    assert set(CHAPTERS) == {statement.figure for statement in STATEMENTS.values()}
    for chapter in CHAPTERS.values():
        assert (ROOT / f"book/{chapter}.ipynb").is_file()


def test_the_readme_has_the_present_table(tables) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme == tables.with_statements(readme), "run `make statements`"


def test_every_statement_is_in_the_table(tables) -> None:
    page = [f"before\n\n{tables.STATEMENTS}\n"]
    tables.fill_in(None, "book/index", page)
    rows = page[0].splitlines()[4:]
    assert len(rows) == len(STATEMENTS)
    for row, statement in zip(rows, STATEMENTS.values(), strict=True):
        assert row.startswith(f"| [{statement.id}]({CHAPTERS[statement.figure]}.ipynb) |")
        assert statement.reported in row


def test_every_stored_result_is_on_the_status_page(tables) -> None:
    rows = tables.status().splitlines()
    assert len({row.count(" | ") for row in rows}) == 1
    for folder, name in results.stored():
        (row,) = [row for row in rows if row.startswith(f"| {folder.name}/{name} |")]
        facts = results.read(folder, name).provenance
        assert facts["command"] in row
        assert facts["date"][:10] in row


def test_the_status_page_adds_up_the_hours(tables, monkeypatch) -> None:
    def facts(device: str, seconds: float) -> SimpleNamespace:
        return SimpleNamespace(provenance={"device": device, "seconds": seconds})

    found = {
        "a": facts("cpu: X", 3600.0),
        "b": facts("cuda: H", 1800.0),
        "c": facts("cpu: Y and cpu: X", 5400.0),
    }

    def read(folder: Path, name: str) -> SimpleNamespace:
        if name == "bad":
            raise results.BadResult("stale", "for a test")
        return found[name]

    monkeypatch.setattr(results, "stored", lambda: [(Path("x"), name) for name in [*found, "bad"]])
    monkeypatch.setattr(results, "read", read)
    assert tables.hours() == "2.5 CPU hours and 0.5 GPU hours"
    monkeypatch.setattr(results, "stored", lambda: [])
    assert tables.hours() == "no computing yet"


def test_the_hours_are_those_of_every_stored_result(tables) -> None:
    total = sum(
        json.loads((folder / f"{name}.json").read_text())["seconds"]
        for folder, name in results.stored()
    )
    said = sum(float(part.split()[0]) for part in tables.hours().split(" and "))
    assert said == pytest.approx(total / 3600, abs=0.11)  # each kind is rounded


def test_a_readme_without_marks_is_refused(tables) -> None:
    with pytest.raises(ValueError, match=r"README\.md must hold"):
        tables.with_statements("# no marks")


def test_the_pages_hold_the_marks(tables) -> None:
    assert tables.STATEMENTS in (ROOT / "book/index.md").read_text(encoding="utf-8")
    status = (ROOT / "book/status.md").read_text(encoding="utf-8")
    assert tables.STATUS in status
    assert tables.MADE in status
    assert tables.HOURS in status


def test_the_status_page_says_what_made_the_pages(tables) -> None:
    rows = tables.made()
    assert results.package_fingerprint() in rows
    assert f"torch {torch.__version__}" in rows
    assert "| device | c" in rows  # cpu or cuda, with its model
