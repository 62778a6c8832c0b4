"""The built book in a real browser: `make test-book`, or `make test` after `make book`.

Each page is opened once, without a network, and looked at in both widths and both modes; the tests
then ask what was seen.
"""

import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag

import pytest
from built_book import HTML, ROOT, launched, pages, served, visit, why_not

REASON = why_not()
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))

PAGES = pages()
WIDE, NARROW = 1400, 360
PAPER = 700  # A4 between margins of a centimetre or more
HEAVY = 2_000_000  # bytes of a page and its own pictures

LINKS = "[...document.links].map(link => link.href)"
ANCHORS = "[...document.querySelectorAll('[id]')].map(element => element.id)"
BROKEN_IMAGES = """[...document.images].filter(image => !(image.complete && image.naturalWidth))
    .map(image => image.outerHTML.slice(0, 200))"""
SEARCH_FIELDS = """[...document.querySelectorAll(
    'input[type=search], input[name=q], .search-button, .search-button-field')]
    .filter(field => field.checkVisibility()).length"""
# What reaches over the edge of the page and is not inside something that scrolls by itself.
OVERFLOW = """(() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    return [...document.querySelectorAll('main *')]
        .filter(element => element.getBoundingClientRect().right > width + 1)
        .map(element => element.outerHTML.slice(0, 100)).concat(['(the page)']).slice(0, 4);
})()"""
# What reaches over the text's edge on paper, where nothing scrolls.
CUT_OFF = """[...document.querySelectorAll('.bd-article')].flatMap(article =>
    [...article.querySelectorAll('table, pre, img, .explorer-still')]
        .filter(box =>
            box.getBoundingClientRect().right > article.getBoundingClientRect().right + 1)
        .map(box => box.outerHTML.slice(0, 100)))"""

# No colour is on its way to another one.
AT_REST = "document.getAnimations().every(a => a.playState !== 'running')"


@dataclass
class Seen:
    """What a page showed; violations are axe's, "mode, width: rule (place)"."""

    faults: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)
    broken_images: list[str] = field(default_factory=list)
    overflow: dict[int, list[str]] = field(default_factory=dict)
    cut_off: list[str] = field(default_factory=list)
    search_fields: dict[int, int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    bytes: int = 0
    text: str = ""


See = Callable[[str], Seen]


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with served() as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def see(site: str, browser: Any) -> See:
    """What a page showed; looked at once, when first asked for."""
    return functools.cache(lambda path: look_at(browser, site, path))


def resize(page: Any, width: int) -> None:
    """Change the width, and give the theme's scripts the third of a second that they take."""
    if page.viewport_size["width"] != width:
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(600)


def look_at(browser: Any, site: str, path: str) -> Seen:
    from axe_playwright_python.sync_playwright import Axe  # only where it is installed

    seen = Seen()
    with visit(browser, site, path) as opened:
        page = opened.page
        seen.links, seen.anchors = page.evaluate(LINKS), set(page.evaluate(ANCHORS))
        seen.text = page.locator("main").inner_text() if page.locator("main").count() else ""
        own = [size for url, size in opened.received.items() if "/_static/" not in url]
        seen.bytes = sum(own)
        # Images below the window may load when they are first seen.
        page.evaluate("document.images.forEach?.(i => i.loading = 'eager')")
        seen.broken_images = page.evaluate(BROKEN_IMAGES)
        for width in (WIDE, NARROW):
            resize(page, width)
            seen.overflow[width] = page.evaluate(OVERFLOW)
            seen.search_fields[width] = page.evaluate(SEARCH_FIELDS)
        resize(page, PAPER)
        page.emulate_media(media="print")
        seen.cut_off = page.evaluate(CUT_OFF)
        page.emulate_media(media="screen")
        seen.faults = list(opened.faults)  # axe asks for style sheets by wrong addresses
        for width, mode in ((NARROW, "light"), (WIDE, "light"), (WIDE, "dark")):
            resize(page, width)
            page.emulate_media(color_scheme=mode)
            page.wait_for_function(f"document.documentElement.dataset.theme === '{mode}'")
            page.wait_for_function(AT_REST)  # buttons fade from one mode's colours to the other's
            seen.violations += [
                f"{mode}, {width} px: {rule['id']} ({node['target']}: {node['html'][:100]})"
                for rule in Axe().run(page).response["violations"]
                if rule["impact"] in ("serious", "critical")
                for node in rule["nodes"]
            ]
    return seen


@pytest.mark.parametrize("path", PAGES)
def test_page_loads_without_an_error_or_a_network(see: See, path: str):
    assert see(path).faults == []
    assert see(path).broken_images == []


@pytest.mark.parametrize("path", PAGES)
def test_links_lead_somewhere(see: See, site: str, path: str):
    for link in see(path).links:
        if link.startswith(site):
            address, anchor = urldefrag(link.removeprefix(site).partition("?")[0])
            target = unquote(address) or "index.html"
            assert (HTML / target).is_file(), link
            if anchor and target in PAGES:
                assert unquote(anchor) in see(target).anchors, link


@pytest.mark.parametrize("path", PAGES)
def test_nothing_overflows_and_one_search_field_is_shown(see: See, path: str):
    assert see(path).overflow == {WIDE: [], NARROW: []}
    # The search page has its own beside that of the header.
    wanted = {1, 2} if path == "search.html" else {1}
    assert set(see(path).search_fields.values()) <= wanted


@pytest.mark.parametrize("path", PAGES)
def test_nothing_is_cut_off_in_print(see: See, path: str):
    assert see(path).cut_off == []


@pytest.mark.parametrize("path", PAGES)
def test_page_is_accessible_in_both_modes(see: See, path: str):
    assert see(path).violations == []


@pytest.mark.parametrize("path", PAGES)
def test_page_is_light(see: See, path: str):
    assert 0 < see(path).bytes < HEAVY


@pytest.mark.parametrize("path", PAGES)
def test_nothing_on_a_page_was_left_unfilled(see: See, path: str):
    """Such as a number that no cell glued, or a widget that waits for a kernel."""
    for leftover in ("{glue", "{term}", "Loading widget", str(ROOT), "Traceback"):
        assert leftover not in see(path).text


def test_figures_and_tables_are_numbered_through_the_book():
    found = {"Fig.": [], "Table": []}
    for path in PAGES:
        text = (HTML / path).read_text(encoding="utf-8")
        for kind, number in re.findall(r'class="caption-number">(Fig\.|Table) (\d+) <', text):
            found[kind].append(int(number))
    for numbers in found.values():
        assert numbers
        assert sorted(numbers) == list(range(1, len(numbers) + 1))


def test_search_finds_the_alignment_angle(site: str, browser: Any):
    with visit(browser, site, "search.html?q=alignment+angle") as opened:
        results = opened.page.locator("#search-results li a")
        results.first.wait_for()
        found = results.evaluate_all("links => links.map(link => link.href)")
        assert any("fig1_noise_aligns.html" in link for link in found)
        assert any("glossary.html" in link for link in found)
        assert opened.faults == []


def test_a_dark_page_is_printed_light_and_stays_dark(site: str, browser: Any):
    with visit(browser, site, "book/index.html", color_scheme="dark") as opened:
        themes = []
        for event in ("beforeprint", "afterprint"):
            opened.page.evaluate(f"window.dispatchEvent(new Event('{event}'))")
            themes.append(opened.page.evaluate("document.documentElement.dataset.theme"))
        assert themes == ["light", "dark"]


def test_the_download_button_saves_the_notebook(site: str, browser: Any):
    name = "fig3_depths_and_data_sets.ipynb"
    with visit(browser, site, f"book/{Path(name).stem}.html") as opened:
        opened.page.locator(".dropdown-download-buttons button").first.click()
        with opened.page.expect_download() as download:
            opened.page.locator(".btn-download-source-button").click()
        assert download.value.suggested_filename == name
        saved = download.value.path().read_bytes()
    assert saved == (ROOT / "book" / name).read_bytes()


def test_the_mode_button_says_which_mode_is_on(site: str, browser: Any):
    with visit(browser, site, "book/index.html") as opened:
        button = opened.page.locator(".theme-switch-button:visible").first
        names = []
        for _ in range(3):
            names.append(button.get_attribute("aria-label"))
            button.click()
        assert sorted(names) == ["Colour mode: auto", "Colour mode: dark", "Colour mode: light"]
