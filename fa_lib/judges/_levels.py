"""The levels of a setting, in words: what the answers over settings are told apart by."""

from __future__ import annotations

from fa_lib.settings import DRAWN, FACTORS, MULTIVERSE, NOISE_RATES, Setting

__all__ = ["LEVELS", "levels_of"]

OPTIMIZERS = {"adam": "Adam", "sgd": "SGD"}
INITIAL = {"he": "He-normal", "torch": "torch's"}
INPUTS = {"unit": "[0, 1]", "standardised": "standardised"}


def levels_of(setting: Setting) -> dict[str, str]:
    """Level of each factor of `fa_lib.settings.FACTORS`, in their order."""
    return {
        "data": f"{OPTIMIZERS[setting.optimizer]} {_rate(setting.data_lr)}",
        "noise": _noise_level(setting),
        "noise_steps": f"{setting.noise_steps:,}",
        "batch_size": f"{setting.batch_size:,}",
        "width": f"{setting.width:,}",
        "images": f"{setting.images:,}",
        "inputs": INPUTS[setting.inputs],
        "weights": INITIAL[setting.weights],
        "feedback": INITIAL[setting.feedback],
        "horizon": f"{setting.horizon:,}",
    }


def _noise_level(setting: Setting) -> str:
    """Which of its optimiser's two rates the noise has; a rate of one's own as it is."""
    names = {rate: name for name, rate in NOISE_RATES[setting.optimizer].items()}
    return names.get(setting.noise_lr) or _rate(setting.noise_lr)


def _rate(rate: float) -> str:
    """Of a learning rate: 1e-4, 0.01."""
    if rate >= 0.01:
        return f"{rate:g}"
    digits, _, power = f"{rate:e}".partition("e")
    return f"{float(digits):g}e{int(power)}"


def _in_order(place: int, factor: str) -> tuple[str, ...]:
    """The drawn settings' levels; a digit of their draw is a level's place among the factor's."""
    drawn = zip(DRAWN.split(), MULTIVERSE, strict=True)
    found = {(draw[place], levels_of(setting)[factor]) for draw, setting in drawn}
    return tuple(level for _, level in sorted(found))


# Of each factor, in the order of FACTORS.
LEVELS = {factor: _in_order(place, factor) for place, factor in enumerate(FACTORS)}
