"""An explorer as a piece of a page: HTML with its data, script and static twin inside."""

from __future__ import annotations

import json
from dataclasses import fields
from html import escape
from pathlib import Path
from typing import Any

from fa_lib.interactive._scene import Layer, Panel, Scene, Values
from fa_lib.interactive._still import to_png
from fa_lib.plotting import COLORS


def to_html(scene: Scene) -> str:
    """The picture, which the script hides; without a script, and in print, it is what is seen."""
    here = Path(__file__).parent
    style, script = ((here / f"explorer.{kind}").read_text("utf-8") for kind in ("css", "js"))
    data = json.dumps(to_payload(scene), separators=(",", ":"), ensure_ascii=False)
    return (
        f'<div class="explorer" role="group" aria-label="{escape(scene.title)}">'
        f'<style>{style}</style><img class="explorer-still" alt="{escape(scene.alt)}" '
        f'src="data:image/png;base64,{to_png(scene, scene.still)}"><script type="application/json">'
        # "</" would end the element, even inside a text.
        f"{data.replace('</', '<' + chr(92) + '/')}</script><script>{script}</script></div>"
    )


def to_payload(scene: Scene) -> dict[str, Any]:
    """What the script is given: the scene in JSON's terms."""
    controls = [
        {"name": c.name, "label": c.label, "texts": c.texts, "at": c.at, "first": c.first}
        | {"kind": c.kind, "play": c.play}
        for c in scene.controls
    ]
    readouts = [
        {"label": r.label, "value": r.value.to_json(), "unit": r.unit, "digits": r.digits}
        for r in scene.readouts
    ]
    panels = [_panel(panel) for panel in scene.panels]
    return {
        "name": scene.name,
        "ink": COLORS["ink"],
        "controls": controls,
        "panels": panels,
        "readouts": readouts,
    }


def _panel(panel: Panel) -> dict[str, Any]:
    plain = {f.name: getattr(panel, f.name) for f in fields(panel)}
    ticks = {name: list(plain[name].items()) for name in ("x_ticks", "y_ticks")}
    return plain | ticks | {"layers": [_layer(layer) for layer in panel.layers]}


def _layer(layer: Layer) -> dict[str, Any]:
    plain = {f.name: getattr(layer, f.name) for f in fields(layer)}
    numbers = {name: v.to_json() for name, v in plain.items() if isinstance(v, Values)}
    return {"kind": type(layer).__name__} | plain | numbers
