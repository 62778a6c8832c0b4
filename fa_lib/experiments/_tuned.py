"""What `tuning` chose: (training images, arm, learning rate, factor on the readout).

Not to be edited by hand: a test compares it with the stored result of `fa-lib run tuning --profile
paper`, from which `fa_lib.experiments.tuning.chosen` makes it.
"""

from __future__ import annotations

TUNED: tuple[tuple[int, str, float, float], ...] = (
    (5000, "FA", 0.003, 0.0),
    (5000, "FAN", 0.003, 1.0),
    (5000, "BP", 0.003, 1.0),
    (5000, "Z", 0.003, 1.0),
    (5000, "S", 0.003, 1.0),
    (5000, "M", 0.003, 1.0),
    (5000, "BPN", 0.003, 1.0),
    (5000, "BPN-FA", 0.003, 1.0),
    (5000, "U", 0.003, 1.0),
    (5000, "P", 0.003, 1.0),
    (50000, "FA", 0.001, 1.0),
    (50000, "FAN", 0.001, 1.0),
    (50000, "BP", 0.001, 1.0),
)
