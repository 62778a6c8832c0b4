"""The appendix's claim: C18 (the same for deeper networks)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pandas as pd

from fa_lib.claims._checkpoints import (
    NAME,
    cases,
    checkpoint_values,
    compared,
    gain,
    gap_closed,
    levels,
)
from fa_lib.claims._judgement import (
    Judgement,
    Parts,
    judge_parts,
    specific_to_noise,
    summarise,
)
from fa_lib.claims._measures import Detail, detail
from fa_lib.protocol import Claim


def layer_angle(layer: int, layers: int) -> str:
    """The metric that is a layer's alignment angle: centred in the last one, the readout."""
    return f"{'centered_' if layer == layers else ''}alignment_angle_w{layer}"


def _settings(claim: Claim, values: pd.DataFrame) -> Iterator[tuple[str, str, int, pd.DataFrame]]:
    """Name, setting, layers and wide table of accuracies, the claim's settings first, in order."""
    found = {
        f"{setting}, {layers} layers": (setting, int(str(layers)), wide)
        for setting in ("F", "T")
        for layers, wide in cases(values, "layers", setting)
    }
    order = [name for name in claim.settings if name in found]
    for name in (*order, *(name for name in found if name not in order)):
        yield (name, *found[name])


def _gain(wide: pd.DataFrame, reference: str) -> Parts:
    return {NAME: gain(wide, "FAN", reference)}


def _judge_c18(claim: Claim, table: pd.DataFrame) -> list[Judgement]:
    out = []
    for name, _, _, wide in _settings(claim, checkpoint_values(table, "layers")):
        row = judge_parts(name, summarise(_gain(wide, "FA")), claim.smallest_effect, levels(wide))
        out.append(specific_to_noise(row, partial(_gain, wide)))
    return out


def _details_c18(claim: Claim, table: pd.DataFrame) -> list[Detail]:
    depths = [int(layers) for layers in table["layers"].unique()]
    metrics = {layer_angle(layer, depth) for depth in depths for layer in range(2, depth + 1)}
    angles = checkpoint_values(table, "layers", metrics)
    out = []
    for name, setting, layers, wide in _settings(claim, checkpoint_values(table, "layers")):
        out += compared(NAME, wide, name, claim.unit)
        out.append(detail(gap_closed(wide), name, "FAN", ""))
        own = angles[angles["layers"] == layers]
        for layer in range(2, layers + 1):
            of_layer = own[own["metric"] == layer_angle(layer, layers)]
            for _, by_arm in cases(of_layer, "layers", setting):
                measure = f"alignment angle of W{layer} at the best validation checkpoint"
                out += compared(measure, by_arm, name, "degrees", sign=-1)
    return out


JUDGES = {"C18": _judge_c18}
DETAILS = {"C18": _details_c18}
