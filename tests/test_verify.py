"""Stored pieces computed again: corruptions planted in a table are found, rounding is not one.

The pieces are real, of Figure 3 in small: noise and data training of two arms.
"""

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from tiny_experiment import register

from fa_lib import cli
from fa_lib.experiments import fig3, run
from fa_lib.experiments._comparison import EARLY, compare
from fa_lib.verify import plan

CPU = torch.device("cpu")
CONFIG = fig3.Config(
    seeds=(0, 1, 2, 3), datasets=("digits",), bases=("B3",), depths=(2,), cap=120,
    most_steps=1050, most_images=1100, most_width=16,
)  # fmt: skip


def piece(arm: str, config: fig3.Config = CONFIG) -> pd.DataFrame:
    (found,) = [p for p in fig3.pieces(config) if p.params["arm"] == arm]
    return fig3.run_piece(config, found, CPU, lambda steps: None)


@pytest.fixture(scope="module")
def again() -> pd.DataFrame:
    """Arm FA's piece, as it comes out here."""
    return piece("FA")


@pytest.fixture(scope="module")
def stored(again: pd.DataFrame) -> pd.DataFrame:
    """The table of FA's and FAN's pieces."""
    return pd.concat([again, piece("FAN")], ignore_index=True)


@pytest.fixture(scope="module")
def elsewhere() -> pd.DataFrame:
    """Arm FA's piece on two threads and without the processor's vector instructions."""
    script = (
        f"import sys, torch; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "torch.set_num_threads(2)\n"
        "from test_verify import piece\n"
        "sys.stdout.buffer.write(piece('FA').to_parquet())\n"
    )
    environment = {**os.environ, "ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    import io

    return pd.read_parquet(io.BytesIO(done.stdout))


def test_what_comes_out_again_is_said_to(again: pd.DataFrame, stored: pd.DataFrame) -> None:
    assert compare(stored, again).state == "to the last bit"
    assert compare(stored.sample(frac=1, random_state=0), again).state == "to the last bit"


def test_another_rounding_is_no_difference(elsewhere: pd.DataFrame, stored: pd.DataFrame) -> None:
    assert not elsewhere["value"].equals(stored["value"][: len(elsewhere)])
    assert compare(stored, elsewhere).state in ("within tolerance", "plausible")


# -- Planted corruptions ---------------------------------------------------------------------------


def at(table: pd.DataFrame, metric: str, seed: int, last: bool = True) -> pd.Series:
    """Which row is arm FA's last (or first trained) record of a metric of a network."""
    rows = table[(table["arm"] == "FA") & (table["metric"] == metric) & (table["seed"] == seed)]
    steps = rows["step"][rows["step"] > 0]
    return table.index == rows.index[rows["step"] == (steps.max() if last else steps.min())][0]


def changed(table: pd.DataFrame, where: pd.Series, **values: object) -> pd.DataFrame:
    table = table.copy()
    for column, value in values.items():
        table.loc[where, column] = value
    return table


def a_value(table: pd.DataFrame) -> pd.DataFrame:
    row = at(table, "test_loss", 2)
    return changed(table, row, value=1.001 * float(table.loc[row, "value"].iloc[0]))


def a_seed(table: pd.DataFrame) -> pd.DataFrame:
    return changed(table, table["seed"] == 1, seed=7)


def a_swapped_arm(table: pd.DataFrame) -> pd.DataFrame:
    """FA's record under FAN's name, and the other way round."""
    return table.assign(arm=table["arm"].replace({"FA": "FAN", "FAN": "FA"}))


def a_shifted_step(table: pd.DataFrame) -> pd.DataFrame:
    where = (table["arm"] == "FA") & (table["metric"] == "train_loss") & (table["step"] > 0)
    return changed(table, where, step=table["step"] + 1)


def a_wrong_unit(table: pd.DataFrame) -> pd.DataFrame:
    where = table["metric"] == "test_accuracy"
    return changed(table, where, value=100 * table["value"])


def a_dropped_row(table: pd.DataFrame) -> pd.DataFrame:
    return table[~at(table, "test_loss", 3, last=False)]


def another_data_set(table: pd.DataFrame) -> pd.DataFrame:
    other = piece("FA", dataclasses.replace(CONFIG, datasets=("mnist5k",)))
    return other.assign(task="digits")


def other_settings(table: pd.DataFrame) -> pd.DataFrame:
    return piece("FA", dataclasses.replace(CONFIG, test_images=100))


def another_rule(table: pd.DataFrame) -> pd.DataFrame:
    return piece("BP").assign(arm="FA")


def a_truncated_series(table: pd.DataFrame) -> pd.DataFrame:
    return table[~((table["seed"] == 0) & (table["step"] > EARLY))]


CORRUPTIONS: list[Callable[[pd.DataFrame], pd.DataFrame]] = [
    a_value,
    a_seed,
    a_swapped_arm,
    a_shifted_step,
    a_wrong_unit,
    a_dropped_row,
    another_data_set,
    other_settings,
    another_rule,
    a_truncated_series,
]
# What rounding could have done too: a value that moves less than the tolerance, and a training that
# ends sooner, after EARLY steps.
SEEN_HERE_ALONE = {a_value, a_truncated_series}


@pytest.mark.parametrize("corrupt", CORRUPTIONS)
def test_a_planted_corruption_is_found_where_the_result_was_made(
    corrupt: Callable[[pd.DataFrame], pd.DataFrame], again: pd.DataFrame, stored: pd.DataFrame
) -> None:
    found = compare(corrupt(stored), again)
    assert found.state == "DIFFERS"
    assert any(word in found.words for word in ("stored", "rows"))


@pytest.mark.parametrize("corrupt", CORRUPTIONS)
def test_which_corruptions_are_found_elsewhere(
    corrupt: Callable[[pd.DataFrame], pd.DataFrame],
    elsewhere: pd.DataFrame,
    stored: pd.DataFrame,
) -> None:
    found = compare(corrupt(stored), elsewhere).state == "DIFFERS"
    assert found == (corrupt not in SEEN_HERE_ALONE)


# -- The command -----------------------------------------------------------------------------------

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def verify(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    results_root: Path,
    tmp_path: Path,
) -> Call:
    """Call the command; returns its exit status, output and errors."""
    register(monkeypatch, tmp_path)

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["fa-lib", "verify", *words])
        with pytest.raises(SystemExit) as left:
            cli.main()
        return (left.value.code or 0, *capsys.readouterr())

    return call


def test_the_command_says_a_line_for_each_piece_and_fails_for_a_difference(
    verify: Call, results_root: Path
) -> None:
    result = run("tiny", "quick", "cpu")
    status, output, errors = verify("tiny", "--sample", "3")
    assert (status, errors) == (0, "")
    lines = output.splitlines()
    assert len(lines) == 4
    assert all(line.startswith("tiny/quick count-") for line in lines[:3])
    assert lines[3].startswith("3 to the last bit; ")

    from fa_lib import results

    table = result.table.assign(value=result.table["value"].where(result.table.index != 4, 9.0))
    results.save(table, result.provenance)
    status, output, _ = verify("tiny", "--sample", "3")
    assert status == 1
    assert "count-20" in next(line for line in output.splitlines() if "DIFFERS" in line)
    assert "stored 9, now" in output
    assert "2 to the last bit, 1 DIFFERS" in output


def test_what_is_not_run_is_said_with_the_reason(
    verify: Call, monkeypatch: pytest.MonkeyPatch, results_root: Path, tmp_path: Path
) -> None:
    run("tiny", "smoke", "cpu", dataset="digits")
    result = run("tiny", "quick", "cpu")
    result.path.write_bytes(b"")
    status, output, _ = verify("tiny")
    assert status == 0
    assert "tiny/quick: not run: damaged: quick.parquet does not match" in output
    assert "1 to the last bit, 1 not run" in output
    status, _, errors = verify("fig2", "fig6", "multivers")
    assert status == 1
    assert "Unknown experiment 'multivers'. Did you mean 'multiverse'?" in errors


def test_the_sample_is_drawn_by_its_seed_and_fits_the_time(
    monkeypatch: pytest.MonkeyPatch, results_root: Path, tmp_path: Path
) -> None:
    register(monkeypatch, tmp_path)
    run("tiny", "quick", "cpu")
    run("tiny", "quick", "cpu", counts=tuple(range(1, 30)))
    drawn = [[(t.name, t.piece) for t in plan([], 3, seed)] for seed in (3, 3, 4)]
    assert drawn[0] == drawn[1] != drawn[2]
    for seed in range(5):
        tasks = plan([], 3, seed)
        assert sum(task.seconds for task in tasks) < 900
        assert all(task.piece or task.instead for task in tasks)
    assert len(plan(["tiny"], 3, 0)) == 6
