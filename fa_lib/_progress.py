"""Progress bars: shown to a person at a terminal or in a live notebook, silent elsewhere."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["progress_bar"]


def progress_bar(total: float, description: str, unit: str, show: bool | None = None) -> Any:
    """A tqdm bar with rate and estimate, which appears once the work has taken two seconds.

    Arguments:
        show: True or False; None shows it where somebody can watch: a terminal or a notebook.
    """
    in_kernel = "ipykernel" in sys.modules and hasattr(sys.stdout, "parent_header")
    if in_kernel:
        from tqdm.notebook import tqdm
    else:
        from tqdm import tqdm
    if show is None:
        show = in_kernel or sys.stderr.isatty()
    return tqdm(
        total=total,
        desc=description,
        unit=unit,
        unit_scale=True,
        delay=2,
        disable=not show,
        dynamic_ncols=True,
    )
