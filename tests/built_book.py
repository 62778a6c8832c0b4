"""The built book on a local address, and a browser without a network that walks through it."""

import functools
import importlib.util
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
HTML = ROOT / "_build" / "html"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_browser() -> str | None:
    """The distribution's Chromium or Chrome, or the one named by FA_BROWSER."""
    return os.environ.get("FA_BROWSER") or next(filter(None, map(shutil.which, BROWSERS)), None)


def why_not() -> str | None:
    """Why the book cannot be tested in a browser here, if so."""
    for module in ("playwright", "axe_playwright_python", "sphinx"):
        if importlib.util.find_spec(module) is None:
            return f"{module} is not installed"
    if find_browser() is None:
        return f"no browser: none of {', '.join(BROWSERS)} is on the path"
    stamp = HTML / ".fingerprint"
    if not stamp.exists():
        return "the book is not built: make test-book builds and tests it"
    if stamp.read_text(encoding="utf-8") != load_fa_book().source_fingerprint(ROOT):
        return "the built book is not that of the present sources: make test-book builds it"
    return None


def load_fa_book() -> Any:
    """The book's Sphinx extension."""
    spec = importlib.util.spec_from_file_location("fa_book", ROOT / "book/_ext/fa_book.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["fa_book"] = module
    spec.loader.exec_module(module)
    return module


def pages() -> list[str]:
    """Addresses of all pages, relative to the site's root."""
    found = [path.relative_to(HTML) for path in HTML.rglob("*.html")]
    return sorted(path.as_posix() for path in found if not path.parts[0].startswith("_"))


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        """Print nothing."""


@contextmanager
def served() -> Iterator[str]:
    """The site's address while it is served."""
    handler = functools.partial(_Quiet, directory=str(HTML))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


@contextmanager
def launched() -> Iterator[Any]:
    """A browser, playwright's."""
    from playwright.sync_api import sync_playwright  # only where it is installed

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_browser())
        yield chromium
        chromium.close()


@dataclass
class Visit:
    """A page in a browser that reaches nothing but the site.

    Fields:
        page: playwright's.
        faults: errors on the console, uncaught exceptions, requests that failed, were refused or
            would have left the site.
        received: bytes of each answer, by address.
    """

    page: Any
    faults: list[str] = field(default_factory=list)
    received: dict[str, int] = field(default_factory=dict)


@contextmanager
def visit(browser: Any, site: str, path: str, width: int = 1400, **how: Any) -> Iterator[Visit]:
    """Open a page in a fresh context; `how` is playwright's, such as color_scheme="dark"."""
    context = browser.new_context(viewport={"width": width, "height": 900}, **how)
    context.set_default_timeout(60_000)  # a busy machine takes long
    seen = Visit(context.new_page())

    def gate(route: Any) -> None:
        address = route.request.url
        if address.startswith((site, "data:", "blob:")):
            route.continue_()
        else:
            seen.faults.append(f"asks for {address}")
            route.abort()

    def heard(message: Any) -> None:
        if message.type in ("error", "warning"):
            seen.faults.append(f"{message.type} on the console: {message.text}")

    def answered(response: Any) -> None:
        if response.status >= 400:
            seen.faults.append(f"{response.status} for {response.url}")

    def finished(request: Any) -> None:
        seen.received[request.url] = request.sizes()["responseBodySize"]

    context.route("**/*", gate)
    page = seen.page
    page.on("console", heard)
    page.on("pageerror", lambda error: seen.faults.append(f"uncaught: {error}"))
    page.on("requestfailed", lambda failed: seen.faults.append(f"no answer from {failed.url}"))
    page.on("response", answered)
    page.on("requestfinished", finished)
    page.goto(site + path, wait_until="networkidle")
    page.evaluate("window.MathJax?.startup?.promise?.then(() => true)")  # waits for it, if any
    yield seen
    context.close()
