"""The explorers move in a real browser, and say what the package says: see test_browser.py."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from built_book import launched, served, visit, why_not

from fa_lib.interactive import Explorer, explore_toy

REASON = why_not()
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))

CHAPTERS = ("primer", "fig1_noise_aligns")


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with served() as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as chromium:
        yield chromium


@pytest.fixture
def open_explorer(site: str, browser: Any) -> Iterator[Any]:
    """Opens a chapter's explorer: (page, explorer)."""
    with ExitStack() as stack:

        def open_it(chapter: str, **how: Any) -> tuple[Any, Any]:
            page = stack.enter_context(visit(browser, site, f"book/{chapter}.html", **how)).page
            root = page.locator(".explorer")
            root.scroll_into_view_if_needed()
            return page, root

        yield open_it


def said(root: Any) -> str:
    return root.locator(".explorer-said").inner_text()


def told(explorer: Explorer, **state: int) -> str:
    """What the package says that the page should say."""
    return " · ".join(readout.say(explorer.first | state) for readout in explorer.readouts)


def test_the_toys_numbers_follow_keys_and_buttons(open_explorer: Any):
    page, root = open_explorer("primer")
    explorer = explore_toy()
    assert said(root) == told(explorer)
    slider = root.get_by_role("slider", name="step", exact=True)
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert said(root) == told(explorer, step=3)
    assert slider.get_attribute("aria-valuetext") == "3"
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # the button "Step"
    assert said(root) == told(explorer, step=4)
    root.get_by_role("button", name="Back").click()
    assert said(root) == told(explorer, step=3)
    root.get_by_role("combobox", name="angle at the start").select_option("150°")
    assert said(root) == told(explorer, step=3, start=4)
    slider.focus()
    page.keyboard.press("End")
    assert said(root) == told(explorer, step=40, start=4)


def test_the_toys_arrows_turn(open_explorer: Any):
    page, root = open_explorer("primer")
    arrow = root.locator("svg").first.locator("line").first
    before = arrow.bounding_box()
    root.get_by_role("slider", name="step", exact=True).focus()
    page.keyboard.press("End")
    assert arrow.bounding_box() != before


def test_playing_steps_by_itself_and_pauses(open_explorer: Any):
    page, root = open_explorer("fig1_noise_aligns")
    begin = said(root)
    root.get_by_role("button", name="Play").click()
    follow = "before => document.querySelector('.explorer-said').textContent !== before"
    page.wait_for_function(follow, arg=begin)
    root.get_by_role("button", name="Pause").click()
    paused = said(root)
    page.wait_for_timeout(500)
    assert said(root) == paused
    assert paused != begin


@pytest.mark.parametrize("width", [1400, 360])
def test_a_pointer_on_a_curve_sets_the_step(open_explorer: Any, width: int):
    page, root = open_explorer("fig1_noise_aligns", width=width)
    curve = root.locator("svg").nth(1)
    curve.scroll_into_view_if_needed()
    box = curve.bounding_box()
    shown = root.locator(".explorer-bar output")
    steps = []
    for share in (0.3, 0.95):
        page.mouse.click(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
        steps.append(int(shown.inner_text().replace(",", "")))
    assert 0 < steps[0] < steps[1]
    page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + box["height"] / 2, steps=5)
    page.mouse.up()
    assert steps[0] < int(shown.inner_text().replace(",", "")) < steps[1]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_without_a_script_and_in_print_an_explorer_is_a_picture(
    site: str, browser: Any, chapter: str
):
    path = f"book/{chapter}.html"
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(site + path)
    still = page.locator(".explorer-still")
    assert still.is_visible()
    assert page.locator(".explorer input").count() == 0
    context.close()
    with visit(browser, site, path) as opened:
        still = opened.page.locator(".explorer-still")
        assert not still.is_visible()
        opened.page.emulate_media(media="print")
        assert still.is_visible()
        assert not opened.page.locator(".explorer-bar").is_visible()
        assert len(still.get_attribute("alt")) > 80
