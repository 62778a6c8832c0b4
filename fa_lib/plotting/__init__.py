"""Figures: one style, one meaning for each colour, a function for each figure of the paper.

`figure1` to `figure6` take an experiment's table and the base that is drawn; everything else draws
on an axis it is given. The colours are those of `COLORS`; bands and bars are 95 % intervals over
networks.
"""

from fa_lib.plotting._fig1 import figure1
from fa_lib.plotting._fig2 import figure2
from fa_lib.plotting._fig3 import figure3, table1
from fa_lib.plotting._fig4 import figure4
from fa_lib.plotting._fig5 import figure5
from fa_lib.plotting._fig6 import figure6
from fa_lib.plotting._schematics import draw_biology, draw_noise_batch, draw_pathways
from fa_lib.plotting._specification import specification_curve
from fa_lib.plotting._speed import plot_limits, plot_ratios, plot_throughput
from fa_lib.plotting._style import (
    ARMS,
    COLORS,
    STRONG_ARMS,
    arm_look,
    arms_in,
    format_interval,
    legend_below,
    mean_and_band,
    mean_marker,
    panel_title,
    plot_arms,
    use_style,
)

__all__ = [
    "ARMS",
    "COLORS",
    "STRONG_ARMS",
    "arm_look",
    "arms_in",
    "draw_biology",
    "draw_noise_batch",
    "draw_pathways",
    "figure1",
    "figure2",
    "figure3",
    "figure4",
    "figure5",
    "figure6",
    "format_interval",
    "legend_below",
    "mean_and_band",
    "mean_marker",
    "panel_title",
    "plot_arms",
    "plot_limits",
    "plot_ratios",
    "plot_throughput",
    "specification_curve",
    "table1",
    "use_style",
]
