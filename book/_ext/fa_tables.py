"""Tables that come from the stored results: the verdicts and the status of what is stored.

As a Sphinx extension it writes them into the pages that hold their marks. As a script, `python
book/_ext/fa_tables.py` from the repository's root, it writes the verdicts into README.md.
"""

import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from fa_lib import results
from fa_lib.claims import judge_stored, summary

VERDICTS, STATUS = "<!-- verdicts -->", "<!-- status -->"
README_BEGIN, README_END = "<!-- verdicts: by `make verdicts` -->", "<!-- end of verdicts -->"


def verdicts(chapters: str, effects: bool) -> str:
    """The table of verdicts as Markdown.

    chapters: the path before the chapters' names, to which the claims are linked.
    effects: whether to give the effect in every setting too (mean, 95 % interval).
    """
    says = "the paper says" + ("; effect D in each setting" if effects else "")
    head = ["claim", says, "verdict", "specific to noise?"]
    lines = [_row(head), _row(["---"] * len(head))]
    judged, _ = judge_stored()
    for row in summary(judged).itertuples():
        link = f"[{row.claim}]({chapters}{row.chapter}.ipynb)"
        below = f"<br><small>{'<br>'.join(row.effects)}</small>" if effects else ""
        lines.append(_row([link, row.statement + below, f"**{row.verdict}**", row.specific]))
    return "\n".join(lines)


def status() -> str:
    """What is stored, and how it was made, as Markdown."""
    head = ["result", "seeds", "device", "hours", "date", "code", "torch", "data", "command"]
    lines = [_row(head), _row(["---"] * len(head))]
    for folder, name in results.stored():
        try:
            facts = results.read(folder, name).provenance
        except results.BadResult as bad:
            lines.append(_row([f"{folder.name}/{name}", str(bad), *[""] * (len(head) - 2)]))
            continue
        data = ", ".join(f"{k} {v}" for k, v in facts["data_fingerprints"].items()) or "none"
        cells = [f"{folder.name}/{name}", len(facts["seeds"]), facts["device"]]
        cells += [f"{facts['seconds'] / 3600:.2f}", facts["date"][:10], facts["code"]]
        lines.append(_row([*cells, facts["torch"], data, f"`{facts['command']}`"]))
    return "\n".join(lines)


def _row(cells: list[Any]) -> str:
    return "| " + " | ".join(str(cell).replace("|", r"\|") for cell in cells) + " |"


def fill_in(app: Sphinx, page: str, source: list[str]) -> None:
    """Put the tables where a page's source has their marks."""
    if VERDICTS in source[0]:
        source[0] = source[0].replace(VERDICTS, verdicts("", effects=True))
    if STATUS in source[0]:
        source[0] = source[0].replace(STATUS, status())


def with_verdicts(readme: str) -> str:
    """The README's text with the present table; raises ValueError where its marks are missing."""
    before, begin, rest = readme.partition(README_BEGIN)
    _, end, after = rest.partition(README_END)
    if not begin or not end:
        raise ValueError(f"README.md must hold {README_BEGIN!r} and {README_END!r}.")
    return f"{before}{begin}\n\n{verdicts('book/', effects=False)}\n\n{end}{after}"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("source-read", fill_in)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    path = Path("README.md")
    try:
        path.write_text(with_verdicts(path.read_text(encoding="utf-8")), encoding="utf-8")
    except (OSError, ValueError) as error:
        sys.exit(f"fa_tables: {error}")
