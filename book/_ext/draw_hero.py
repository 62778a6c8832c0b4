"""Draw the README's figure, book/_static/hero.svg, from the stored result of Figure 1.

python book/_ext/draw_hero.py, from the repository's root, after results/fig1/paper.* changed.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt

from fa_lib import plotting
from fa_lib.results import BadResult, read


def draw_hero(results: Path, target: Path) -> None:
    """Pathways, cross-entropy and angles side by side; raises BadResult without a good result."""
    table = read(results / "fig1", "paper").table
    plotting.use_style()
    fig, axes = plt.subplots(1, 3, figsize=(10.8, 3.2), width_ratios=[1.25, 1, 1])
    plotting.draw_pathways(axes[0])
    plotting.plot_cross_entropy(axes[1], table)
    plotting.plot_angles(axes[2], table)
    plotting.panel_title(axes[0], "", "two ways to carry errors back")
    plotting.panel_title(axes[1], "", "training on pure noise: cross-entropy")
    plotting.panel_title(axes[2], "", "... and the angle between $W_2$ and $B$")
    fig.savefig(target, metadata={"Date": None})


if __name__ == "__main__":
    try:
        draw_hero(Path("results"), Path("book/_static/hero.svg"))
    except BadResult as bad:
        sys.exit(f"draw_hero: results/fig1/paper is {bad}")
