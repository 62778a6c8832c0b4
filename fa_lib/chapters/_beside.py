"""What stands beside a chapter's answers and never decides: by when one looks, by which units."""

from __future__ import annotations

import numpy as np
from scipy import stats

from fa_lib.answers import in_markdown, interval
from fa_lib.chapters._display import Markdown
from fa_lib.chapters._shown import Shown
from fa_lib.experiments.fig4 import SHOWN_INPUTS
from fa_lib.judges import Tables, runs_of
from fa_lib.judges._beside import STRICT, late, moments, wilcoxon_readings
from fa_lib.protocol import LEVEL

CONVERGE = ("FA", "FAN", "BP", "Z")  # the arms that train on beyond the horizon


def by_moment(shown: Shown) -> Markdown:
    """Figure 2b-end by when one looks, and how many networks converged."""
    if shown.result is None:
        return Markdown("")
    tables: Tables = {shown.experiment: (shown.result.table, shown.config)}
    runs = {base: runs_of(tables, "2b-end", base) for base in shown.config.bases}
    found = {base: moments(own) for base, own in runs.items()}
    names = list(dict.fromkeys(name for tests in found.values() for name in tests))
    rows = [[name, *(interval(tests[name]) for tests in found.values())] for name in names]
    text = in_markdown(("FA with noise less FA, points", *found), rows)
    came = [
        [base, *map(_plain, row)]
        for base, own in runs.items()
        for row in late(own, CONVERGE).itertuples(index=False)
    ]
    head = ("base", "arm", "networks", "converged", "median epochs")
    return Markdown(f"{text}\n\n{in_markdown(head, came)}")


def _plain(value: object) -> str:
    if isinstance(value, float):
        return "none" if np.isnan(value) else f"{value:g}"
    return str(value)


def by_unit(shown: Shown) -> Markdown:
    """Figures 1e and 4b by the paper's units, and by networks."""
    if shown.result is None:
        return Markdown("")
    bases = shown.config.bases
    table = shown.result.table
    if shown.figure == 4:
        numbers = table.loc[table["metric"] == "probability", "index"].max() + 1
        readings = {
            base: wilcoxon_readings(table, base, int(numbers) // SHOWN_INPUTS) for base in bases
        }
        rows = [
            [base, row.reading, f"{row.untrained} of {row.tests}", f"{row.trained} of {row.tests}"]
            for base, found in readings.items()
            for row in found.itertuples()
        ]
        head = ("base", "which numbers", "untrained P<.001", "trained not significant")
        return Markdown(in_markdown(head, rows))
    rows = []
    for base in bases:
        own = table[(table["setting"] == base) & (table["metric"] == "neuron_angle_of")]
        wide = own.pivot_table(index=["step", "neuron"], columns="seed", values="value")
        before, after = wide.loc[0], wide.loc[shown.base(base).noise_steps]
        at_ninety = np.asarray(stats.ttest_1samp(before, 90.0, axis=0).pvalue) >= LEVEL
        smaller = np.asarray(stats.ttest_ind(before, after, axis=0).pvalue) < STRICT
        fall = before.mean() - after.mean()
        p = stats.ttest_1samp(fall, 0.0).pvalue if len(fall) > 1 else np.nan
        of = f"of {len(fall)}"
        rows.append([base, f"{at_ninety.sum()} {of}", f"{smaller.sum()} {of}", f"{p:.1g}"])
    head = ("base", "neurons, untrained not off 90 degrees", "trained below it, P<.001",
            "P over networks, paired")  # fmt: skip
    return Markdown(in_markdown(head, rows))
