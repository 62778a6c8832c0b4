"""The paper's Figure 3 and Table 1: accuracy after convergence, over depths and data sets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fa_lib.judges import cells
from fa_lib.plotting._style import (
    COLORS,
    arm_look,
    legend_below,
    mean_marker,
    new_figure,
    panel_title,
    within_percent,
)
from fa_lib.schema import ARMS, title_of
from fa_lib.settings import Setting

__all__ = ["arm_key", "arms_by_level", "figure3", "final_accuracy", "table1"]

LEARN = ("FA", "FAN", "BP", "Z")
STL10 = "stl10"  # the paper's fifth data set, which may not be at hand
SLOT, GAP = 0.6, 0.7  # places of arms on an axis: between two of a level, between two levels

Finals = dict[str, tuple[pd.Series, pd.Series]]  # arm -> accuracy (%), whether late; by seed


def figure3(table: pd.DataFrame, setting: Setting, *, narrow: bool = False) -> Figure:
    """Final test accuracy of each data set over the layers of weights, every network a dot.

    Markers are hollow where a network had not converged when its training ended.

    Arguments:
        table: of the experiment "fig3".
        setting: the base that is drawn.
        narrow: for a phone.
    """
    names = _data_sets(table, setting)
    columns = 1 if narrow else 2 if len(names) in (2, 4) else min(3, len(names))
    count = math.ceil(len(names) / columns)
    heights = [2.05 if narrow else 2.4] * count
    fig, rows = new_figure((*heights, 0.72 if narrow else 0.5), narrow=narrow)
    lines: list[dict[str, Line2D]] = []
    for row, part in enumerate(rows[:-1]):
        shown = names[row * columns : (row + 1) * columns]
        axes = part.subplots(1, columns, squeeze=False)[0]
        for ax in axes[len(shown) :]:
            ax.remove()
        for place, (ax, name) in enumerate(zip(axes, shown, strict=False)):
            lines += _over_depths(ax, final_accuracy(table, setting, name))
            ax.set_xlabel("layers of weights")
            if place == 0:
                ax.set_ylabel("final test accuracy (%)")
            panel_title(ax, "abcdefghij"[row * columns + place], title_of(name))
    hollow = "Hollow: training ended before all networks had converged."
    rows[-1].text(0.5, 0.99, hollow, ha="center", va="top", fontsize=7)
    legend_below(rows[-1], *lines, ncols=2 if narrow else 4)
    return fig


def _data_sets(table: pd.DataFrame, setting: Setting) -> list[str]:
    """In the order in which the table has them."""
    own = table[(table["setting"] == setting.name) & (table["phase"] == "data")]
    return [str(name) for name in own["task"].unique()]


def final_accuracy(table: pd.DataFrame, setting: Setting, dataset: str) -> dict[int, Finals]:
    """Test accuracy when converged, of each arm that has networks, by layers.

    Returns:
        Of each arm: the accuracy in percent, by seed, and whether the network is late: its training
        loss was not below CONVERGED nats at the last record, where it is then read.
    """
    found: dict[int, Finals] = {}
    for (name, layers), runs in cells(table, setting).items():
        if name != dataset:
            continue
        found[layers] = finals = {}
        for arm in (arm for arm in LEARN if runs.has("test_accuracy", arm, layers=layers)):
            accuracy, late = runs.converged("test_accuracy", arm, layers=layers)
            finals[arm] = 100 * accuracy, late
    return dict(sorted(found.items()))


def _over_depths(ax: Axes, finals: Mapping[int, Finals]) -> list[dict[str, Line2D]]:
    samples = {f"{n}": {arm: own[arm][0] for arm in own} for n, own in finals.items()}
    late = {f"{n}": {arm for arm in own if own[arm][1].any()} for n, own in finals.items()}
    lines = arms_by_level(ax, samples, hollow=late)
    within_percent(ax)
    return lines


def arms_by_level(
    ax: Axes,
    samples: Mapping[str, Mapping[str, pd.Series]],
    *,
    hollow: Mapping[str, set[str]] | None = None,
) -> list[dict[str, Line2D]]:
    """At each level the arms side by side: means with 95 % intervals, a dot for each network.

    A thin line joins an arm's means.

    Arguments:
        samples: of each level, in order: arm -> a value for each network; a level may lack arms.
        hollow: of each level, the arms whose markers are hollow.

    Returns:
        For each level a marker for each arm, for `legend_below`.
    """
    arms = [arm for arm in ARMS if any(arm in own for own in samples.values())]
    width = SLOT * len(arms) + GAP
    lines: list[dict[str, Line2D]] = [{} for _ in samples]
    for place, arm in enumerate(arms):
        means = {}
        for level, (name, own) in enumerate(samples.items()):
            if arm not in own:
                continue
            # A little to the right, as the dots are to the left.
            at = width * level + SLOT * (place - (len(arms) - 1) / 2) + 0.12
            means[at] = float(own[arm].mean())
            empty = arm in (hollow or {}).get(name, ())
            drawn = mean_marker(ax, at, own[arm], arm, hollow=empty, dots=True)
            lines[level][arm] = arm_key(arm, drawn)
        look = arm_look(arm) | {"lw": 0.9, "alpha": 0.6, "zorder": 1}
        ax.plot(list(means), list(means.values()), **look)
    ax.set_xticks([width * level for level in range(len(samples))], list(samples))
    ax.set_xlim(-width / 2, width * (len(samples) - 0.5))
    return lines


def arm_key(arm: str, drawn: Line2D) -> Line2D:
    """An arm's line and marker in a legend, the marker filled even where it is drawn hollow."""
    edge: dict[str, Any] = {"ms": 5.5, "mec": COLORS["ink"], "mew": 0.6}
    label = str(drawn.get_label())
    return Line2D([], [], marker=ARMS[arm].marker, label=label, **edge, **arm_look(arm))


# -- Table 1 ---------------------------------------------------------------------------------------


def table1(table: pd.DataFrame, setting: Setting) -> pd.DataFrame:
    """Final test accuracy of two layers, in words.

    Arguments:
        table, setting: as in `figure3`.

    Returns:
        A row for each data set, STL-10 among them, by title. A column for each arm, mean and s.d.
        over networks in percent, and "not converged", the arms with networks that are read at the
        end of their training, and how many.
    """
    rows: dict[str, dict[str, str]] = {}
    for name in [*_data_sets(table, setting), STL10]:
        finals = final_accuracy(table, setting, name).get(2, {})
        late = [
            f"{arm} {int(own[1].sum())} of {len(own[1])}"
            for arm, own in finals.items()
            if own[1].any()
        ]
        row = {f"{ARMS[a].title} (%)": _mean_and_sd(finals[a][0]) for a in LEARN if a in finals}
        row["not converged"] = ", ".join(late) or "none"
        columns = [*(f"{ARMS[arm].title} (%)" for arm in LEARN), "not converged"]
        missing = dict.fromkeys(columns, "not measured")
        rows.setdefault(title_of(name), missing | row if finals else missing)
    return pd.DataFrame(list(rows.values()), index=list(rows))


def _mean_and_sd(values: pd.Series) -> str:
    mean = f"{values.mean():.1f}"
    return mean if len(values) < 2 else f"{mean} \N{PLUS-MINUS SIGN} {values.std():.1f}"
