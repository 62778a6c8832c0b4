"""Whether the texts of a figure can be read."""

from __future__ import annotations

import itertools

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text


def assert_texts_fit(fig: Figure, monkeypatch: pytest.MonkeyPatch) -> None:
    """No text is too small, outside the figure, or upon another."""
    fig.draw_without_rendering()  # lays it out
    shown = []
    write = Text.draw
    monkeypatch.setattr(Text, "draw", lambda text, *a: (shown.append(text), write(text, *a)))
    FigureCanvasAgg(fig).draw()
    shown = [text for text in shown if text.get_visible() and text.get_text().strip()]
    assert min(text.get_fontsize() for text in shown) >= 7
    boxes = {text: text.get_window_extent().padded(-1) for text in shown}
    for text, box in boxes.items():
        assert fig.bbox.x0 <= box.x0, text
        assert box.x1 <= fig.bbox.x1, text
        assert fig.bbox.y0 <= box.y0, text
        assert box.y1 <= fig.bbox.y1, text
    for (one, box), (other, at) in itertools.combinations(boxes.items(), 2):
        assert not box.overlaps(at), (one, other)
