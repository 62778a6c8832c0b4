"""What `tuning` chose: (training images, arm, learning rate, factor on the readout).

Not to be edited by hand: a test compares it with the stored result of `fa-lib run tuning --profile
paper`, from which `fa_lib.experiments.tuning.chosen` makes it.
"""

from __future__ import annotations

TUNED: tuple[tuple[int, str, float, float], ...] = tuple(
    (5000, arm, 1e-3, 1.0) for arm in ("FA", "FAN", "BP", "Z", "S", "M", "BPN", "BPN-FA", "U", "P")
)
