"""An explorer: a scene that shows itself wherever a cell ends with it."""

from __future__ import annotations

import os

import ipywidgets  # type: ignore[import-untyped]
from matplotlib.figure import Figure

from fa_lib.interactive import _page, _still, _widget
from fa_lib.interactive._scene import Scene, State


class Explorer(Scene):
    """A scene that a reader can move: as widgets, as a page, or as a picture."""

    def draw(self, state: State | None = None) -> Figure:
        """The static twin, by default with the controls at `still`."""
        return _still.draw(self, self.still if state is None else state)

    def to_html(self) -> str:
        """For a page: self-contained, works without a kernel or a network, prints as a picture."""
        return _page.to_html(self)

    def to_widget(self) -> ipywidgets.VBox:
        """For a live kernel."""
        return _widget.to_widget(self)

    def _ipython_display_(self) -> None:
        """Widgets in a live kernel. The book's build asks for what works without one."""
        from IPython import get_ipython
        from IPython.display import display

        alive = hasattr(get_ipython(), "kernel")
        if alive and os.environ.get("FA_EXPLORERS") != "page":
            display(self.to_widget())
            return
        # Pages take the HTML, a PDF takes the picture.
        picture = _still.to_png(self, self.still)
        bundle = {"text/html": self.to_html(), "image/png": picture, "text/plain": self.alt}
        display(bundle, raw=True)
