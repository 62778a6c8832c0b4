"""Figures and texts as a notebook shows them, the same in the book, JupyterLab and Colab."""

from __future__ import annotations

import base64
import html
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOTS, COLORS = 200, 32  # of a figure in pixels: dots an inch, and how many colours
PHONE = 600  # px of the window, below which the narrow figure is shown
_BOX = "border-left: 4px solid #00785A; padding: 0.2em 1em; margin: 1em 0;"


class Markdown:
    """A text that shows itself; `text` has it."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text

    def _repr_markdown_(self) -> str:
        return self.text


class Picture:
    """A figure in two shapes, with its caption; `html` has it."""

    def __init__(self, page: str) -> None:
        self.html = page

    def __repr__(self) -> str:
        return "<a figure>"

    def _repr_html_(self) -> str:
        return self.html


def picture(
    wide: Figure, narrow: Figure, *, alt: str, caption: str, number: str, pixels: bool = False
) -> Picture:
    """Show a figure, on a phone in its narrow shape.

    Arguments:
        wide, narrow: the same figure in both shapes.
        alt: what it shows, for those who do not see it.
        caption: in plain text.
        number: such as 2.1.
        pixels: whether it is drawn in pixels, a fifth of the size, on a page of many figures.
    """
    uri = _png if pixels else _svg
    source = f'<source media="(max-width: {PHONE}px)" srcset="{uri(narrow)}">'
    image = f'<img src="{uri(wide)}" alt="{html.escape(alt)}" style="width: 100%; height: auto">'
    words = f"<figcaption><b>Figure {number}</b> {html.escape(caption)}</figcaption>"
    inside = f"<picture>\n{source}\n{image}\n</picture>\n{words}"
    return Picture(f'<figure class="measured">\n{inside}\n</figure>')


def _svg(figure: Figure) -> str:
    """The figure as a data URI."""
    buffer = io.BytesIO()
    dateless: dict[str, Any] = {"Date": None}
    figure.savefig(buffer, format="svg", metadata=dateless)
    return f"data:image/svg+xml;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _png(figure: Figure) -> str:
    """The same in pixels of few colours."""
    from PIL import Image

    drawn, few = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DOTS)
    Image.open(drawn).convert("RGB").quantize(COLORS).save(few, format="png", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(few.getvalue()).decode()}"


def boxed(text: str) -> Markdown:
    """A text set off from the rest."""
    return Markdown(f'<div style="{_BOX}">\n\n{text}\n\n</div>')


def folded(title: str, text: str) -> Markdown:
    """A text behind its title."""
    return Markdown(f"<details>\n<summary>{title}</summary>\n\n{text}\n\n</details>")
