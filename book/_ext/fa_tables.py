"""Tables that nobody types: the statements, the status of what is stored, what made the pages.

As a Sphinx extension it writes them into the pages that hold their marks. As a script, `python
book/_ext/fa_tables.py` from the repository's root, it writes the statements into README.md.
"""

import contextlib
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from fa_lib import results
from fa_lib._device import resolve_device
from fa_lib.answers import markdown_table
from fa_lib.experiments import check
from fa_lib.protocol import rules_date

STATEMENTS, STATUS, MADE = "<!-- statements -->", "<!-- status -->", "<!-- made -->"
HOURS = "<!-- hours -->"
README_BEGIN, README_END = "<!-- statements: by `make statements` -->", "<!-- end of statements -->"


def status() -> str:
    """What is stored, and how it was made, as Markdown."""
    head = ["result", "state", "measured, under rules of", "seeds, hours", "made with"]
    head += ["data", "command"]
    lines = [_row(head), _row(["---"] * len(head))]
    for found in check():
        folder, name = found.path.parent, found.path.name
        if not found.usable:
            said = [f"{folder.name}/{name}", f"{found.state}: {found.reason}"]
            lines.append(_row([*said, *[""] * (len(head) - len(said))]))
            continue
        facts = results.read(folder, name).provenance
        when, with_what = facts["date"][:10], f"{facts['device']}, {facts['code']}"
        if facts.get("rules"):
            when += f", {rules_date(folder.name)[:10]} ({facts['rules']})"
        data = ", ".join(f"{k} {v}" for k, v in facts["data_fingerprints"].items()) or "none"
        cells = [f"{folder.name}/{name}", found.state, when]
        cells += [f"{len(facts['seeds'])}, {facts['seconds'] / 3600:.2f}"]
        cells += [f"{with_what}, torch {facts['torch']}", data, f"`{facts['command']}`"]
        lines.append(_row(cells))
    return "\n".join(lines)


def hours() -> str:
    """What all the stored results took together, by kind of device, in words."""
    seconds: dict[str, float] = {}
    for folder, name in results.stored():
        with contextlib.suppress(results.BadResult):
            facts = results.read(folder, name).provenance
            # A result made in pieces may name several devices: its time goes to the fastest kind.
            kind = "GPU" if "cuda" in facts["device"] else "CPU"
            seconds[kind] = seconds.get(kind, 0.0) + facts["seconds"]
    if not seconds:
        return "no computing yet"
    return " and ".join(f"{took / 3600:.1f} {kind} hours" for kind, took in sorted(seconds.items()))


def made() -> str:
    """What executed the chapters and built the pages, as Markdown."""
    here = results.circumstances(resolve_device("auto"))
    tools = ("numpy", "pandas", "matplotlib", "jupyter-book", "sphinx")
    versions = [f"Python {here['python']}", f"torch {here['torch']}"]
    versions += [f"{name} {metadata.version(name)}" for name in tools]
    rows = [
        ("what", "here"),
        ("---", "---"),
        ("device", here["device"]),
        ("versions", ", ".join(versions)),
        ("version and fingerprint of `fa_lib`", f"`{here['code']}`"),
    ]
    return "\n".join(map(_row, rows))


def _row(cells: Sequence[Any]) -> str:
    return "| " + " | ".join(str(cell).replace("|", r"\|") for cell in cells) + " |"


def fill_in(app: Sphinx, page: str, source: list[str]) -> None:
    """Put the tables where a page's source has their marks."""
    if STATEMENTS in source[0]:
        source[0] = source[0].replace(STATEMENTS, markdown_table(links=""))
    if STATUS in source[0]:
        source[0] = source[0].replace(STATUS, status())
    if HOURS in source[0]:
        source[0] = source[0].replace(HOURS, hours())
    if MADE in source[0]:
        source[0] = source[0].replace(MADE, made())


def with_statements(readme: str) -> str:
    """The README's text with the present table; raises ValueError where its marks are missing."""
    before, begin, rest = readme.partition(README_BEGIN)
    _, end, after = rest.partition(README_END)
    if not begin or not end:
        raise ValueError(f"README.md must hold {README_BEGIN!r} and {README_END!r}.")
    return f"{before}{begin}\n\n{markdown_table(links='book/')}\n\n{end}{after}"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("source-read", fill_in)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    path = Path("README.md")
    try:
        path.write_text(with_statements(path.read_text(encoding="utf-8")), encoding="utf-8")
    except (OSError, ValueError) as error:
        sys.exit(f"fa_tables: {error}")
