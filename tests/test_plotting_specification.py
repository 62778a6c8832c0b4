"""The specification curve: effects in order, and under each the levels of its setting."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from figure_texts import assert_texts_fit
from matplotlib.colors import to_hex

from fa_lib.judges._levels import LEVELS, levels_of
from fa_lib.plotting import COLORS, specification_curve
from fa_lib.settings import BASES, FACTORS, MULTIVERSE, Setting

pytestmark = pytest.mark.usefixtures("style")

CODES = ("yes", "opposite", "none", "unclear")
HOW = {"title": "2b-speed", "unit": "points", "smallest": 1.0}


def planted(settings=MULTIVERSE, seed=0):
    rng = np.random.default_rng(seed)
    rows = []
    for setting in settings:
        effect, half = rng.normal(2, 4), rng.uniform(0.5, 2)
        own = {"setting": setting.name, "effect": effect, "low": effect - half}
        own |= {"high": effect + half, "code": str(rng.choice(CODES))}
        rows.append(own | levels_of(setting))
    return pd.DataFrame(rows)


def parts(fig):
    curve, matrix = fig.axes
    return curve, matrix


def places(matrix) -> dict[float, str]:
    """Height of each level's line -> the level."""
    labels = [label.get_text() for label in matrix.get_yticklabels()]
    return dict(zip(matrix.get_yticks(), labels, strict=True))


def marks(matrix) -> dict[tuple[int, float], str]:
    """Place in order, height -> the mark's colour."""
    found = {}
    for strokes in matrix.collections:
        for segment in strokes.get_segments():
            assert len({x for x, _ in segment}) == 1
            at = (round(segment[0, 0]), round(float(segment[:, 1].mean()), 9))
            assert at not in found
            found[at] = to_hex(strokes.get_color()[0])
    for discs in matrix.lines:
        color = to_hex(discs.get_color())
        found |= {(round(x), round(float(y), 9)): color for x, y in discs.get_xydata()}
    return found


# -- Levels ----------------------------------------------------------------------------------------


def test_a_level_is_said_for_every_factor_in_order():
    assert list(levels_of(MULTIVERSE[0])) == list(FACTORS)
    assert {name: len(levels) for name, levels in LEVELS.items()} == {
        name: len(levels) for name, levels in FACTORS.items()
    }
    assert LEVELS["data"] == ("Adam 1e-4", "Adam 3e-4", "Adam 1e-3", "SGD 0.01", "SGD 0.1")
    assert LEVELS["noise_steps"] == ("1,000", "3,750", "10,000")
    assert LEVELS["noise"] == ("low", "high")
    assert levels_of(BASES[1])["noise"] == "low"


def test_a_rate_on_noise_that_is_none_of_the_two_is_said():
    assert levels_of(Setting("own", "adam", 1e-3, 2.5e-3))["noise"] == "2.5e-3"


# -- The curve -------------------------------------------------------------------------------------


def test_effects_ascend_with_their_intervals_in_the_colour_of_their_code():
    rows = planted()
    curve, _ = parts(specification_curve(rows, **HOW))
    shown = {line.get_label(): line for line in curve.lines if line.get_label() in CODES}
    points = np.concatenate([line.get_xydata() for line in shown.values()])
    points = points[points[:, 0].argsort()]
    np.testing.assert_allclose(points, np.c_[range(60), np.sort(rows["effect"])])
    for code, line in shown.items():
        own = np.sort(rows.loc[rows["code"] == code, "effect"])
        np.testing.assert_allclose(line.get_ydata(), own)
    assert to_hex(shown["yes"].get_color()).upper() == COLORS["FAN"]
    assert to_hex(shown["opposite"].get_markerfacecolor()).upper() == COLORS["FA"]
    assert len({line.get_marker() for line in shown.values()}) == 4  # without colour, too
    bars = [segment for bar in curve.collections for segment in bar.get_segments()]
    bars = sorted((x, low, high) for (x, low), (_, high) in bars)
    expected = rows.sort_values("effect")[["low", "high"]]
    np.testing.assert_allclose(bars, np.c_[range(60), expected])


@pytest.mark.parametrize(("smallest", "levels"), [(1.0, {-1.0, 0.0, 1.0}), (0.0, {0.0})])
def test_lines_at_zero_and_at_the_smallest_effect(smallest, levels):
    fig = specification_curve(planted(), **HOW | {"smallest": smallest})
    curve, _ = parts(fig)
    across = [line for line in curve.lines if list(line.get_xdata()) == [0, 1]]
    assert {line.get_ydata()[0] for line in across} == levels
    keys = [text.get_text() for text in fig.legends[0].get_texts()]
    assert any("least that counts" in key for key in keys) == bool(smallest)


@pytest.mark.parametrize("narrow", [False, True])
def test_marks_are_at_the_levels_of_each_setting(narrow):
    rows = planted()
    _, matrix = parts(specification_curve(rows, **HOW, narrow=narrow))
    heights = list(places(matrix))
    levels = [(factor, level) for factor in FACTORS for level in LEVELS[factor]]
    at = dict(zip(levels, heights, strict=True))
    assert list(places(matrix).values()) == [level for _, level in levels]
    found = marks(matrix)
    ordered = rows.sort_values("effect").to_dict("records")
    expected = {
        (place, round(at[factor, row[factor]], 9))
        for place, row in enumerate(ordered)
        for factor in FACTORS
    }
    assert set(found) == expected
    for (place, _), color in found.items():
        assert (color.upper() == COLORS["FAN"]) == (ordered[place]["code"] == "yes")
        assert (color.upper() == COLORS["FA"]) == (ordered[place]["code"] == "opposite")
    assert matrix.yaxis_inverted()


def test_each_level_has_its_share_of_yes():
    rows = planted()
    _, matrix = parts(specification_curve(rows, **HOW))
    shares = [text.get_text() for text in matrix.texts if "/" in text.get_text()]
    expected = []
    for factor in FACTORS:
        for level in LEVELS[factor]:
            own = rows[rows[factor] == level]
            expected.append(f"{(own['code'] == 'yes').sum()}/{len(own)}")
    assert shares == expected


def test_the_axis_says_the_unit_and_the_legend_counts_the_codes():
    rows = planted()
    fig = specification_curve(rows, **HOW)
    curve, matrix = parts(fig)
    assert curve.get_ylabel() == "effect (points)"
    assert curve.get_title("left") == "2b-speed"
    assert matrix.get_xlabel().startswith("60 settings")
    keys = [text.get_text() for text in fig.legends[0].get_texts()]
    assert keys[:4] == [f"{code} (n = {(rows['code'] == code).sum()})" for code in CODES]


def test_settings_without_an_effect_are_counted_and_not_drawn():
    rows = planted(MULTIVERSE[:12])
    rows.loc[2, ["effect", "low", "high"]] = np.nan
    rows.loc[2, "code"] = "unclear"
    rows.loc[3, ["low", "high"]] = np.nan  # of one network there is no interval
    curve, matrix = parts(specification_curve(rows, **HOW))
    assert matrix.get_xlabel().startswith("11 settings")
    shares = [text.get_text() for text in matrix.texts if "/" in text.get_text()]
    horizon = len(set(rows["horizon"]))
    assert sum(int(share.partition("/")[2]) for share in shares[-horizon:]) == 12
    assert np.isfinite(curve.get_ylim()).all()


def test_one_setting_is_drawn_with_its_levels_alone():
    _, matrix = parts(specification_curve(planted(MULTIVERSE[:1]), **HOW))
    assert list(places(matrix).values()) == list(levels_of(MULTIVERSE[0]).values())
    assert len(marks(matrix)) == len(FACTORS)


def test_an_interval_far_wider_than_the_effects_does_not_flatten_them():
    rows = planted()
    rows.loc[5, ["low", "high"]] = -1e6, 1e6
    curve, _ = parts(specification_curve(rows, **HOW))
    low, high = curve.get_ylim()
    assert high - low < 3 * np.ptp(rows["effect"])
    assert low < rows["effect"].min()
    assert high > rows["effect"].max()


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("unit", ["points", "% of the untrained network's"])
def test_no_text_is_too_small_or_outside_or_upon_another(narrow, unit, monkeypatch):
    fig = specification_curve(planted(), **HOW | {"unit": unit}, narrow=narrow)
    assert fig.get_figwidth() == (3.7 if narrow else 7.2)
    assert_texts_fit(fig, monkeypatch)
