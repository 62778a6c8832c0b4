"""Figures: one style, one meaning for each colour, a function for each panel.

`use_style()` once, then every panel is a function of an experiment's table and an axis. The colours
are those of `COLORS`; bands and bars are 95 % intervals over seeds.
"""

from fa_lib.plotting._answer import about_data, plot_effects
from fa_lib.plotting._checkpoints import plot_gains, plot_layers
from fa_lib.plotting._fig1 import (
    plot_angles,
    plot_cross_entropy,
    plot_equal_norm,
    plot_input_conditions,
    plot_longer_training,
)
from fa_lib.plotting._fig2 import (
    draw_arms,
    plot_alignment_course,
    plot_curves,
    plot_lead,
    plot_total_steps,
)
from fa_lib.plotting._fig3 import (
    MAP_QUANTITIES,
    draw_measures,
    map_differences,
    plot_arm_values,
    plot_paths,
    plot_steps_to,
    quartiles,
)
from fa_lib.plotting._fig4 import (
    plot_against_loss,
    plot_by_size,
    plot_effect_map,
    plot_measures_of_rank,
    plot_size_differences,
    plot_spectra,
    plot_through_noise,
)
from fa_lib.plotting._fig5 import (
    AMOUNT_LABELS,
    draw_transfer,
    plot_against_clean,
    plot_examples,
    plot_forest,
    plot_over_amount,
)
from fa_lib.plotting._fig6 import (
    draw_meta_loss,
    plot_adaptation,
    plot_meta_loss_by_steps,
    plot_meta_loss_through_noise,
    plot_task_effects,
    plot_tasks_through_noise,
    task_name,
)
from fa_lib.plotting._map import (
    draw_break_even,
    plot_by_rate,
    plot_net_steps,
    plot_slices,
    plot_spent,
)
from fa_lib.plotting._schematics import draw_biology, draw_noise_batch, draw_pathways
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
    panel_title,
    plot_arms,
    use_style,
)

__all__ = [
    "AMOUNT_LABELS",
    "ARMS",
    "COLORS",
    "MAP_QUANTITIES",
    "STRONG_ARMS",
    "about_data",
    "arm_look",
    "arms_in",
    "draw_arms",
    "draw_biology",
    "draw_break_even",
    "draw_measures",
    "draw_meta_loss",
    "draw_noise_batch",
    "draw_pathways",
    "draw_transfer",
    "format_interval",
    "legend_below",
    "map_differences",
    "mean_and_band",
    "panel_title",
    "plot_adaptation",
    "plot_against_clean",
    "plot_against_loss",
    "plot_alignment_course",
    "plot_angles",
    "plot_arm_values",
    "plot_arms",
    "plot_by_rate",
    "plot_by_size",
    "plot_cross_entropy",
    "plot_curves",
    "plot_effect_map",
    "plot_effects",
    "plot_equal_norm",
    "plot_examples",
    "plot_forest",
    "plot_gains",
    "plot_input_conditions",
    "plot_layers",
    "plot_lead",
    "plot_limits",
    "plot_longer_training",
    "plot_measures_of_rank",
    "plot_meta_loss_by_steps",
    "plot_meta_loss_through_noise",
    "plot_net_steps",
    "plot_over_amount",
    "plot_paths",
    "plot_ratios",
    "plot_size_differences",
    "plot_slices",
    "plot_spectra",
    "plot_spent",
    "plot_steps_to",
    "plot_task_effects",
    "plot_tasks_through_noise",
    "plot_through_noise",
    "plot_throughput",
    "plot_total_steps",
    "quartiles",
    "task_name",
    "use_style",
]
