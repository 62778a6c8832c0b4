"""The answer in one figure shows the verdicts' own numbers."""

import math
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex

from fa_lib import plotting
from fa_lib.claims import Judgement, Verdict
from fa_lib.protocol import CLAIMS

pytestmark = pytest.mark.usefixtures("style")


def row(setting: str, effect: float, half: float, verdict: str) -> Judgement:
    return Judgement(setting, 20, effect, effect - half, effect + half, 0.01, verdict, "")


def verdict(claim: str, *settings: Judgement, specific: str = "") -> Verdict:
    rows = tuple(replace(setting, specific=specific) for setting in settings)
    return Verdict(CLAIMS[claim], "in part", rows)


@pytest.fixture
def verdicts() -> list[Verdict]:
    """C6 counts from 0.3 points on, C11 from 10 %; C1 is about noise training alone."""
    return [
        verdict("C1", row("width 512", 0.6, 0.1, "PASS")),
        verdict(
            "C6",
            row("F, n = 5,000", 0.6, 0.06, "PASS"),
            row("T, n = 5,000", 0.12, 0.15, "FAIL"),
            row("F, n = 50,000", -0.3, 0.03, "FAIL"),
            specific="no",
        ),
        verdict("C11", row("F, n = 5,000", -247.0, 130.0, "FAIL")),
    ]


def dots(ax: plt.Axes) -> list[tuple[float, str, str]]:
    """Place, marker and fill of every mean, from top to bottom."""
    means = [line for line in ax.lines if line.get_marker() not in ("None", "", None)]
    means.sort(key=lambda line: line.get_ydata()[0])
    return [
        (line.get_xdata()[0], line.get_marker(), to_hex(line.get_markerfacecolor()).upper())
        for line in means
    ]


def test_effects_are_in_multiples_of_what_counts(ax, verdicts):
    plotting.plot_effects(ax, verdicts)
    places, markers, fills = zip(*dots(ax), strict=True)
    np.testing.assert_allclose(places, [2.0, 0.4, -1.0, ax.get_xlim()[0]])
    assert markers == ("s", "o", "o", "<")
    green, orange = plotting.COLORS["FAN"].upper(), plotting.COLORS["FA"].upper()
    assert fills == (green, "#FFFFFF", orange, orange)
    spans = [line.get_xdata() for line in ax.lines if len(line.get_xdata()) == 2]
    for low, high in ((1.8, 2.2), (-0.1, 0.9), (-1.1, -0.9)):
        assert any(np.allclose(span, (low, high)) for span in spans)


def test_every_row_says_its_setting_and_every_claim_its_verdict(ax, verdicts):
    plotting.plot_effects(ax, verdicts)
    words = [text.get_text() for text in ax.texts]
    for judgement in (*verdicts[1].settings, *verdicts[2].settings):
        assert judgement.setting in words
    (name,) = [text for text in words if "C6" in text]
    assert name.endswith(": in part, not specific to noise")
    assert not [text for text in words if "C1\\" in text]


def test_a_setting_that_was_not_measured_has_a_name_and_no_mark(ax):
    nothing = Judgement("T, n = 5,000", 0, *[math.nan] * 4, "OPEN", "not measured")
    plotting.plot_effects(ax, [verdict("C5", row("F, n = 5,000", 2.0, 0.1, "PASS"), nothing)])
    assert len(dots(ax)) == 1
    assert "T, n = 5,000" in [text.get_text() for text in ax.texts]


def test_claims_about_data_are_all_that_have_a_data_phase(verdicts):
    assert [v.claim.id for v in plotting.about_data(verdicts)] == ["C6", "C11"]
    every = [Verdict(claim, "undecided", ()) for claim in CLAIMS.values()]
    alone = set(CLAIMS) - {v.claim.id for v in plotting.about_data(every)}
    assert alone == {"C1", "C2", "C3", "C9", "C10"}


def test_nothing_to_draw_is_said(ax, verdicts):
    with pytest.raises(ValueError, match="no verdict on a claim about learning"):
        plotting.plot_effects(ax, verdicts[:1])
