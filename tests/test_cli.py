"""The command fa-lib, through its entry point."""

import importlib.metadata
import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from tiny_experiment import register

from fa_lib import cli
from fa_lib.data import load_dataset

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def fa_lib(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    results_root: Path,
    tmp_path: Path,
) -> Call:
    """Call the command with these words; returns its exit status, output and errors."""
    register(monkeypatch, tmp_path)

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["fa-lib", *words])
        with pytest.raises(SystemExit) as left:
            cli.main()
        return (left.value.code or 0, *capsys.readouterr())

    return call


def test_run_says_what_it_stored(fa_lib: Call, results_root: Path) -> None:
    status, output, errors = fa_lib("run", "tiny", "--profile", "smoke", "--seeds", "2")
    assert (status, errors) == (0, "")
    (path,) = results_root.glob("tiny/*.parquet")
    assert f"Stored in {path}" in output
    assert "2 rows, 2 seeds" in output
    assert pq.read_table(path)["seed"].to_pylist() == [0, 1]


def test_settings_come_as_text_numbers_and_lists(fa_lib: Call, results_root: Path) -> None:
    words = "--set scale=2e-1 --set counts=[5,6] --set label=a=b --set centered=True --seeds 3,"
    status, _, errors = fa_lib("run", "tiny", *words.split())
    assert (status, errors) == (0, "")
    (path,) = results_root.glob("tiny/*.json")
    config = json.loads(path.read_text())["config"]
    chosen = {"scale": 0.2, "counts": [5, 6], "label": "a=b", "centered": True, "seeds": [3]}
    assert chosen.items() <= config.items()


@pytest.mark.parametrize("label", ["plain", "12", "it's", "None", "$HOME; ls"])
def test_the_stored_command_repeats_the_run(fa_lib: Call, results_root: Path, label: str) -> None:
    words = ["run", "tiny", "--set", f"label={label!r}", "--seeds", "5,4", "--set", "limits=(1,2)"]
    assert fa_lib(*words)[0] == 0
    (path,) = results_root.glob("tiny/*.json")
    before = json.loads(path.read_text())
    status, output, _ = fa_lib(*shlex.split(before["command"])[1:])
    assert status == 0
    assert before["date"] in output  # the stored result itself: nothing was computed
    assert list(results_root.glob("tiny/*.json")) == [path]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("run tinny", "error: Unknown experiment 'tinny'. Did you mean 'tiny'?"),
        ("run tiny --profile papr", "error: Unknown profile of tiny 'papr'. Did you mean 'paper'?"),
        ("run tiny --set scael=1", "error: Unknown setting of tiny 'scael'. Did you mean 'scale'"),
        ("run tiny --set scale=big", "error: scale must be a number, got 'big'."),
        ("run tiny --seeds 0", "error: seeds must be at least 1, got 0."),
        ("run tiny --device cuda:99", "error: Device 'cuda:99' is not there"),
        ("data info mnst", "error: Unknown data set 'mnst'. Did you mean 'mnist'?"),
        ("data fetch mnst", "error: Unknown data set 'mnst'. Did you mean 'mnist'?"),
    ],
)
def test_an_error_is_one_line_and_status_1(fa_lib: Call, words: str, message: str) -> None:
    status, output, errors = fa_lib(*words.split())
    assert status == 1
    assert output == ""
    assert errors.startswith(message)
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("run", "Missing argument"),
        ("run tiny --seeds ten", "give a number, as in 10, or seeds, as in 3,5,7; got 'ten'"),
        ("run tiny --set scale", "give NAME=VALUE, got 'scale'"),
        ("run tiny --set seeds=3", "seeds is not a setting"),
        ("rum tiny", "No such command 'rum'"),
    ],
)
def test_wrong_usage_is_status_2(fa_lib: Call, words: str, message: str) -> None:
    status, _, errors = fa_lib(*words.split())
    assert status == 2
    assert message in errors


def test_results_that_cannot_be_written(fa_lib: Call, results_root: Path) -> None:
    results_root.write_text("not a folder")
    status, _, errors = fa_lib("run", "tiny")
    assert status == 1
    assert errors.startswith(f"error: Cannot write results in {results_root}: ")
    status, output, _ = fa_lib("doctor")
    assert status == 0
    assert f"Cannot write results in {results_root}: " in output


@pytest.mark.filterwarnings("default::fa_lib.results.StoreWarning")
def test_check_fails_for_a_damaged_result_and_run_mends_it(
    fa_lib: Call, results_root: Path
) -> None:
    fa_lib("run", "tiny", "--profile", "smoke")
    assert (
        f"good       {results_root / 'tiny' / 'smoke'}\n" in fa_lib("results", "check", "--data")[1]
    )
    path = results_root / "tiny" / "smoke.parquet"
    path.write_bytes(path.read_bytes()[:-1])

    status, output, errors = fa_lib("results", "check")
    assert status == 1
    assert f"damaged    {results_root / 'tiny' / 'smoke'}: smoke.parquet does not match" in output
    assert "fa-lib run" in errors
    assert "damaged: smoke.parquet does not match its checksum" in fa_lib("results", "list")[1]

    status, _, errors = fa_lib("run", "tiny", "--profile", "smoke")
    assert status == 0
    assert errors.startswith("warning: The stored result ")
    assert errors.count("\n") == 1
    assert f"good       {results_root / 'tiny' / 'smoke'}\n" in fa_lib("results", "check")[1]
    assert f"{results_root / 'tiny' / 'smoke'}: 3 rows" in fa_lib("results", "list")[1]


def test_experiments_are_listed_with_their_cost(fa_lib: Call) -> None:
    fa_lib("run", "tiny", "--profile", "smoke")
    status, output, errors = fa_lib("experiments")
    assert (status, errors) == (0, "")
    assert "tiny: Means of random numbers" in output
    assert "smoke  3 seeds, 30 network-steps; stored: 0 s on " in output
    assert "paper  20 seeds, 1,200 network-steps; not stored" in output


def test_data_sets_are_listed_and_shown(fa_lib: Call) -> None:
    status, output, _ = fa_lib("data", "list")
    assert status == 0
    at_hand = {line.split()[0]: "at hand" in line for line in output.splitlines()}
    assert at_hand["digits"]
    assert not at_hand["mnist"]
    data = load_dataset("digits")
    for command in ("info", "fetch"):
        status, output, _ = fa_lib("data", command, "digits")
        assert status == 0
        sizes = f"{len(data.train):,} for training, {len(data.test):,} for testing, 28x28"
        assert sizes in output
        assert data.fingerprint in output
    assert "fa-lib data fetch mnist" in fa_lib("data", "info", "mnist")[1]


def test_doctor_tells_versions_and_places(fa_lib: Call, results_root: Path, tmp_path: Path) -> None:
    status, output, errors = fa_lib("doctor")
    assert (status, errors) == (0, "")
    facts = {line.split(maxsplit=1)[0]: line.split(maxsplit=1)[1] for line in output.splitlines()}
    assert facts["torch"] == importlib.metadata.version("torch")
    assert facts["device"].startswith("cuda: " if torch.cuda.is_available() else "cpu: ")
    assert facts["data"].startswith(f"in {tmp_path / 'data'}, ")
    assert facts["results"].startswith(f"in {results_root}, ")
    assert "digits" in output.split("at hand")[1].split("to fetch")[0]


def test_the_module_is_the_command_and_warns_in_one_line(results_root: Path) -> None:
    folder = results_root / "fig1"
    folder.mkdir(parents=True)
    (folder / "smoke.json").write_text("{")
    command = [sys.executable, "-m", "fa_lib.cli", "experiments"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    path = folder / "smoke"
    reason = "it is damaged: smoke.parquet is missing"
    assert done.stderr == f"warning: The stored result {path} is not used: {reason}.\n"
    assert "fig1: " in done.stdout


@pytest.mark.parametrize("words", [(), ("--claim", "C2"), ("--json",)])
def test_the_command_that_is_gone_says_where_to_look(fa_lib: Call, words: tuple[str, ...]) -> None:
    status, output, errors = fa_lib("claims", *words)
    assert (status, output) == (1, "")
    assert errors == "error: `fa-lib claims` is gone: see `fa-lib statements`.\n"


def test_help_and_version(fa_lib: Call) -> None:
    version = importlib.metadata.version("fa-lib")
    assert fa_lib("--version") == (0, f"fa-lib {version}\n", "")
    for words in ([], ["run"], ["experiments"], ["data"], ["results", "check"], ["doctor"]):
        status, output, _ = fa_lib(*words, "--help")
        assert status == 0
        assert output.startswith(f"Usage: {' '.join(['fa-lib', *words])}")
