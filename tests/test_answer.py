"""The answer on the first page says in words what the verdicts say in numbers."""

import importlib
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from fa_lib.claims import Judgement, Run, Verdict, runs
from fa_lib.experiments import stored_result
from fa_lib.protocol import CLAIMS

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def fa_answer(monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("sphinx")
    monkeypatch.syspath_prepend(str(ROOT / "book/_ext"))
    return importlib.import_module("fa_answer")


def verdict(claim: str, size: str = "n = 700", **settings: tuple[float, str]) -> Verdict:
    """Effects and verdicts by setting, with intervals of one unit to either side."""
    rows = [
        Judgement(f"{setting}, {size}", 9, effect, effect - 1, effect + 1, 0.0, outcome, "")
        for setting, (effect, outcome) in settings.items()
    ]
    return Verdict(CLAIMS[claim], "in part", tuple(rows))


def test_gains_and_counts_are_those_of_the_verdicts(fa_answer):
    curves = [Run(setting, 700, 10.0, 200, True, {}, {}) for setting in "FT"]
    verdicts = [
        verdict("C1", F=(1, "PASS"), T=(1, "PASS")),  # about noise alone: not counted
        verdict("C5", F=(6.25, "PASS"), T=(0.5, "FAIL")),
        verdict("C6", F=(2, "IN PART"), T=(-3, "OPEN")),
        verdict("C7", F=(0.1, "OPEN")),
        verdict("C18", "3 layers", F=(1.5, "PASS"), T=(0.5, "OPEN")),
    ]
    words = fa_answer.in_words(curves, verdicts)
    assert words.startswith(
        "On 700 images, noise training gains 6.2 [5.2, 7.2] points of area under the curve in F "
        "and 0.5 [-0.5, 1.5] in T, and 2 [1, 3] of accuracy at the end in F and -3 [-4, -2] in T. "
    )
    assert words.endswith("large enough to count: 3 of 4 in F, none of 3 in T.")


def test_nothing_is_cut_off_where_the_page_is_narrow(fa_answer, style: None) -> None:
    """With the stored results, whose words and numbers are what has to fit."""
    result = stored_result("learning", "paper")
    assert result is not None
    found = [run for run in runs(result.table, ["test_accuracy"]) if run.full]
    curves = [run for run in found if run.n == found[0].n]
    figure = fa_answer.draw(curves, importlib.import_module("fa_tables").judged(), narrow=True)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # which lays the figure out
    renderer = canvas.get_renderer()
    texts = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
    assert any("C17" in text.get_text() for text in texts)
    for text in texts:
        extent = text.get_window_extent(renderer)
        assert extent.x0 >= 0, text.get_text()
        assert extent.x1 <= figure.bbox.width, text.get_text()


def test_it_is_drawn_while_chapters_run_if_its_page_is_to_be_read(
    fa_answer, tmp_path: Path
) -> None:
    app = SimpleNamespace(env=SimpleNamespace(doctreedir=tmp_path))
    fa_answer.begin(app, ["book/primer"])
    assert fa_answer._drawing.cache_info().misses == 0
    fa_answer.begin(app, ["book/primer", "book/index"])
    drawing = fa_answer._drawing(*fa_answer.pictures(app.env))
    assert fa_answer._drawing.cache_info().misses == 1  # the page waits for what has begun
    _, curves = drawing.result()
    assert [run.setting for run in curves] == ["F", "T"]
    wide, narrow = (
        [float(side) for side in re.search(r'viewBox="0 0 (\S+) (\S+)"', text).groups()]
        for text in ((tmp_path / f"answer-{shape}.svg").read_text() for shape in ("wide", "narrow"))
    )
    assert wide[0] == 2 * narrow[0]
    assert wide[1] < narrow[1]
