"""A chapter's parts, from results of the smoke profile and without any."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from scipy import stats

from fa_lib import chapters
from fa_lib.chapters import _shown
from fa_lib.chapters._settings import curve_rows
from fa_lib.judges import Coded, Paired
from fa_lib.paper import STATEMENTS
from fa_lib.protocol import READINGS
from fa_lib.settings import FACTORS, MULTIVERSE


@pytest.fixture(scope="module", autouse=True)
def _own_results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """No results but those made here."""
    root = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FA_RESULTS_ROOT", str(root))
        patch.setattr("fa_lib.results.roots", lambda: [root])
        yield root


@pytest.fixture(scope="module")
def shown(_own_results: Path) -> chapters.Shown:
    return chapters.load(1, "smoke")


def rows(table: object) -> list[list[str]]:
    """Cells of a Markdown table below its head."""
    lines = [line for line in repr(table).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_papers_profile_is_not_computed_by_opening_a_page(monkeypatch) -> None:
    def computed(*args: object, **more: object) -> None:
        raise AssertionError("hours of work began")

    monkeypatch.setattr(_shown, "run", computed)
    found = chapters.load(3)
    assert found.result is None
    assert "fa-lib run fig3 --profile paper" in repr(chapters.answer(found))
    for part in (chapters.figure, chapters.settings, chapters.provenance, chapters.table1):
        assert "paper reports" not in repr(part(found))
    assert [row[3] for row in rows(chapters.statements(found))] == ["not measured"]


@pytest.mark.parametrize("asked", [{"recompute": True}, {"seeds": 2}, {"most_steps": 9}])
def test_it_is_computed_where_it_is_asked_for(monkeypatch, asked) -> None:
    calls = []

    def run(name: str, profile: str, device: str, seeds: int | None, again: bool, **more: object):
        calls.append((name, profile, seeds, again, more))
        raise KeyboardInterrupt

    monkeypatch.setattr(_shown, "run", run)
    with pytest.raises(KeyboardInterrupt):
        chapters.load(5, **asked)
    own = {name: value for name, value in asked.items() if name == "most_steps"}
    assert calls == [("fig2", "paper", asked.get("seeds"), asked.get("recompute", False), own)]


def test_settings_left_at_nothing_are_the_profiles_own(shown: chapters.Shown) -> None:
    same = chapters.load(1, "smoke", most_steps=0, dataset="")
    assert same.result is not None
    assert shown.result is not None
    assert same.result.provenance["config"] == shown.result.provenance["config"]


def test_a_row_for_every_statement_of_the_figure(shown: chapters.Shown) -> None:
    assert [row[0] for row in rows(chapters.statements(shown))] == ["1d", "1e", "1f"]
    assert {row[2] for row in rows(chapters.statements(shown))} >= {"none"}
    measured = {row[1] for row in rows(chapters.effects(shown))}
    assert measured == {"B1", "B2"}


def test_the_box_warns_of_a_small_profile(shown: chapters.Shown) -> None:
    text = repr(chapters.answer(shown))
    assert "not at all, as this is the smoke profile (2 networks in each of 2 bases)" in text
    effect = shown.answers["1e"].parts["B1"][""].difference.mean()
    assert f"the angle falls by {effect:+.1f}" in text


def test_the_figure_has_two_shapes_a_text_and_a_number(shown: chapters.Shown) -> None:
    page = chapters.figure(shown, "B2").html  # type: ignore[union-attr]
    sources = re.findall(r'(?:src|srcset)="(data:image/svg\+xml;base64,[^"]+)"', page)
    assert len(set(sources)) == 2
    assert re.search(r'<source media="\(max-width: \d+px\)"', page)
    assert re.search(r'alt="[^"]{50,}"', page)
    assert "<b>Figure 1.1</b>" in page
    assert "Base B2: gradient descent, 0.01 on noise" in page


def test_neurons_and_networks_are_counted_apart(shown: chapters.Shown) -> None:
    found = rows(chapters.by_unit(shown))
    assert [row[0] for row in found] == ["B1", "B2"]
    assert all(row[1].endswith("of 2") for row in found)


def test_provenance_says_how_to_make_it_again(shown: chapters.Shown) -> None:
    text = repr(chapters.provenance(shown))
    assert "`fa-lib run fig1 --profile smoke`" in text
    assert "arXiv:2405.16731" in text


def test_folded_parts_have_blank_lines_inside(shown: chapters.Shown) -> None:
    """Without them their Markdown is not read as such."""
    for part in (chapters.settings, chapters.provenance, chapters.effects):
        assert re.search(r"</summary>\n\n.*\n\n</details>", repr(part(shown)), re.DOTALL)


def _coded(setting: str, code: str, effect: float | None) -> Coded:
    tests = {} if effect is None else {"": Paired(10, effect, 0.5, 0.01)}
    return Coded(setting, code, "", tests, True, {"Z": False, "ZF": True})


def test_a_curve_has_a_row_for_every_setting_in_which_it_is_asked() -> None:
    found = [_coded("M01", "yes", 3.0), _coded("M02", "", -1.0), _coded("M03", "unclear", None)]
    table = curve_rows(found).set_index("setting")
    assert table["effect"].fillna(0).to_dict() == {"M01": 3.0, "M03": 0.0}
    half = stats.t.ppf(0.975, 9) * 0.5
    assert table.loc["M01", ["low", "high"]].tolist() == pytest.approx([3 - half, 3 + half])
    assert table.loc["M01", "data"] == "Adam 3e-4"  # of the first draw, 1000010100
    assert set(FACTORS) <= set(table.columns)


def test_curves_stand_behind_their_answers(shown: chapters.Shown) -> None:
    assert "multiverse" in repr(chapters.curves({1: shown}, 7))  # how to measure them
    coded = [_coded(setting.name, "yes", place / 10) for place, setting in enumerate(MULTIVERSE)]
    answers = {id: replace(found, coded=coded) for id, found in shown.answers.items() if id != "1f"}
    page = chapters.curves({1: replace(shown, answers=answers)}, 7).html  # type: ignore[union-attr]
    assert re.findall(r"<b>(1\w)</b> 60 of 60", page) == ["1d", "1e"]
    assert re.findall(r"<b>Figure (7\.\d)</b>", page) == ["7.1", "7.2"]
    assert page.count("<details open>") == 1
    assert page.count("data:image/png") == 4


def test_rules_are_said_in_words() -> None:
    found = {row[0]: row for row in rows(chapters.rules())}
    assert list(found) == list(READINGS) == list(STATEMENTS)
    assert "80% of the networks" in found["1e"][1]
    assert not re.search(r"\b(H|APART|SPREAD|CELLS)\b", repr([row[1] for row in found.values()]))
    assert len(rows(chapters.reported())) == len(STATEMENTS)


def test_levels_of_the_factors_are_counted() -> None:
    found = dict(row[:2] for row in rows(chapters.factors()))
    assert list(found) == list(FACTORS)
    for text in found.values():
        assert sum(map(int, re.findall(r"\((\d+)\)", text))) == len(MULTIVERSE)
