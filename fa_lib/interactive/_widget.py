"""An explorer as ipywidgets, for a live kernel: its static twin, drawn anew at every change."""

from __future__ import annotations

from html import escape
from typing import Any

import ipywidgets  # type: ignore[import-untyped]

from fa_lib.interactive._scene import Control, Scene
from fa_lib.interactive._still import to_png

PLAY_MS = 500  # between two steps: drawing takes most of it


def to_widget(scene: Scene) -> ipywidgets.VBox:
    """The controls above a picture that follows them."""
    picture, words = ipywidgets.HTML(), ipywidgets.HTML()
    inputs = {control.name: _input(control) for control in scene.controls}

    def redraw(_change: Any = None) -> None:
        state = {name: box.children[-1].value for name, box in inputs.items()}
        source = f"data:image/png;base64,{to_png(scene, state)}"
        words.value = escape(" · ".join(readout.say(state) for readout in scene.readouts))
        picture.value = f'<img src="{source}" alt="{escape(scene.alt)}" style="max-width: 100%">'

    for box in inputs.values():
        box.children[-1].observe(redraw, names="value")
    redraw()
    return ipywidgets.VBox([*inputs.values(), words, picture])


def _input(control: Control) -> ipywidgets.HBox:
    """A box whose last child has the control's position as its value."""
    wide = {"style": {"description_width": "initial"}}
    options = [(text, place) for place, text in enumerate(control.texts)]
    kind = ipywidgets.Dropdown if control.kind == "choice" else ipywidgets.SelectionSlider
    chosen = kind(options=options, value=control.first, description=control.label, **wide)
    if not control.play:
        return ipywidgets.HBox([chosen])
    play = ipywidgets.Play(max=len(options) - 1, value=control.first, interval=PLAY_MS)
    ipywidgets.link((play, "value"), (chosen, "value"))
    return ipywidgets.HBox([play, chosen])
