"""Batches from the command line, with real workers and kernels on this machine."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import psutil
import pytest
from batches import batch, start, write_notebook

from fa_lib import cli
from fa_lib.batch import records, runner

pytestmark = pytest.mark.notebook

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def fa_lib(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Call the command with these words; returns its exit status, output and errors."""

    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["fa-lib", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        return (left.value.code or 0, *capsys.readouterr())

    return call


def by_x(out: Path) -> dict[int, dict[str, Any]]:
    """The whole records in a batch's folder, by the parameter X."""
    found = [records.read_record(path.parent) for path in out.glob("[!.]*/record.json")]
    return {record["parameters"]["X"]: record for record in found if record}


MIXED = (
    "import matplotlib.pyplot as plt, os, pandas as pd, sys",
    "plt.plot([0, X]);",
    "pd.DataFrame({'x': [X], 'square': [X * X]}).to_parquet('table.parquet')",
    "print(os.environ['OMP_NUM_THREADS'], os.environ['FA_RESULTS_ROOT'])",
    "print(os.getcwd())",
    "print(sys.executable)",
    "assert X != 2, 'two is <bad>'",
    "while X == 3: pass",
)


def test_failures_stop_nothing_and_a_second_call_does_what_is_left(
    fa_lib: Call, tmp_path: Path
) -> None:
    notebook = write_notebook(tmp_path / "mixed.ipynb", *MIXED)
    out = tmp_path / "runs {1}"  # papermill fills in what is in braces
    words = ["batch", notebook, "--out", out, "--threads", 2, "--timeout", 10]

    status, output, errors = fa_lib(*words, "-p", "X=1,2,3,4")
    assert status == 1
    assert output.startswith("4 to run\n")
    assert "2 of 4 jobs are done" in output
    assert "AssertionError: two is <bad>" in errors
    assert "it took more than 10 s" in errors
    found = by_x(out)
    assert {x: record["exit"] for x, record in found.items()} == {
        1: "ok",
        2: "error",
        3: "timeout",
        4: "ok",
    }
    assert all(record["seconds"] > 0 and record["threads"] == 2 for record in found.values())
    assert os.listdir(out / ".running") == []

    failed = nbformat.read(out / found[2]["job"] / "notebook.ipynb", as_version=4)
    tracebacks = [o for c in failed.cells for o in c.get("outputs", []) if o.output_type == "error"]
    assert [error.ename for error in tracebacks] == ["AssertionError"]
    good = nbformat.read(out / found[4]["job"] / "notebook.ipynb", as_version=4)
    printed = "".join(
        o.text for c in good.cells for o in c.get("outputs", []) if o.output_type == "stream"
    ).split("\n")
    folder = printed[1]  # each job's results and whatever else it writes are its own
    assert Path(folder).parent == out / ".running"
    assert printed[0] == f"2 {folder}/results"
    assert printed[2] == sys.executable

    page = (out / "index.html").read_text()
    assert "2 done, 2 failed, 0 to go" in page
    assert "two is &lt;bad&gt;" in page
    assert page.count('alt="First figure of mixed-X=') == 4

    # A changed table is not a result any more; a changed notebook makes all stale.
    (out / found[4]["job"] / "table.parquet").write_bytes(b"")
    status, output, _ = fa_lib(*words, "-p", "X=1,2,4,5", "--dry-run")
    assert status == 0
    lines = output.splitlines()
    assert lines[:3] == ["1 to run", "1 done before, skipped", "1 failed before, run again"]
    assert "AssertionError: two is <bad>" in lines[3]
    assert lines[4] == "1 stale, run again"
    assert lines[5].endswith("table.parquet is missing or was changed")
    assert lines[6].startswith("about ")
    assert [line.split()[0] for line in lines[7:]] == ["done", "failed", "stale", "new"]
    write_notebook(notebook, *MIXED[:-2])
    status, output, _ = fa_lib(*words, "-p", "X=1,2,4")
    assert status == 0
    assert output.count(": the notebook has changed") == 2
    assert "3 of 3 jobs are done" in output

    # X = 3 failed, and was not asked for again: it is left out.
    status, output, _ = fa_lib("collect", out, "-o", tmp_path / "all.parquet")
    assert status == 0
    assert "3 rows from 3 jobs" in output
    assert "1 without a good end left out" in output
    table = pd.read_parquet(tmp_path / "all.parquet")
    assert dict(zip(table["X"], table["square"], strict=True)) == {1: 1, 2: 4, 4: 16}
    assert json.loads((tmp_path / "all.json").read_text())["jobs"] == 3


def test_nothing_starts_when_it_could_not_end_well(
    fa_lib: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = write_notebook(tmp_path / "point.ipynb", "1")
    words = ["batch", notebook, "-p"]
    out = tmp_path / "runs"
    for more, message in [
        (["Y=1"], "error: Unknown parameter of point.ipynb 'Y'."),
        (["X=a"], "error: X must be int, got 'a'."),
        (["X=1", "--slurm"], "error: --slurm needs --host"),
        (["X=1", "--scheduler", "tcp://127.0.0.1:9", "--workers", 1], "error: A running"),
        (["X=1", "--scheduler", "tcp://127.0.0.1:9"], "error: No scheduler answers at tcp://127"),
    ]:
        status, _, errors = fa_lib(*words, *more, "--out", out)
        assert status == 1
        assert errors.startswith(message)
        assert errors.count("\n") == 1
        assert not list(out.glob("point*"))
    out = tmp_path / "file"
    out.write_text("not a folder")
    status, _, errors = fa_lib(*words, "X=1", "--out", out)
    assert status == 1
    assert errors.startswith(f"error: Cannot write in {out}: ")


def test_a_folder_that_goes_away_is_noticed_at_once(fa_lib: Call, tmp_path: Path) -> None:
    out = tmp_path / "runs"
    source = f"import shutil\nif X == 0: shutil.rmtree({str(out)!r})"
    notebook = write_notebook(tmp_path / "remove.ipynb", source)
    values = ",".join(map(str, range(50)))
    status, _, errors = fa_lib("batch", notebook, "-p", f"X={values}", "--out", out)
    assert status == 1
    assert str(out) in errors.splitlines()[-1]
    assert errors.splitlines()[-1].startswith("error: ")
    assert not list(out.glob("remove-X=49*"))


def wait_for(condition: Callable[[], Any], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def gone(processes: list[psutil.Process]) -> bool:
    return not any(process.is_running() for process in processes)


def test_resume_after_sigkill_of_the_client_and_after_ctrl_c(tmp_path: Path) -> None:
    log = tmp_path / "log"
    source = f"import time; time.sleep(2); print(X, file=open({str(log)!r}, 'a'))"
    notebook = write_notebook(tmp_path / "slow.ipynb", source)
    out = tmp_path / "runs"
    words = ["fa_lib.cli", "batch", notebook, "-p", "X=0,1,2,3,4,5,6,7,8,9", "--out", out]

    client = start(*words)
    wait_for(lambda: by_x(out))
    children = psutil.Process(client.pid).children(recursive=True)
    client.kill()
    client.communicate()
    wait_for(lambda: gone(children))
    first = set(by_x(out))

    client = start(*words)
    wait_for(lambda: len(by_x(out)) > len(first))
    children = psutil.Process(client.pid).children(recursive=True)
    with pytest.raises(RuntimeError, match="Another batch is at work"), runner.folder(out):
        pass
    os.killpg(client.pid, signal.SIGINT)
    output, _ = client.communicate(timeout=300)
    assert client.returncode == 130
    assert f"{len(first)} done before, skipped" in output
    assert "Stopped with " in output
    assert "Traceback" not in output
    wait_for(lambda: gone(children))
    assert not (out / ".running").exists()
    second = set(by_x(out))
    assert first < second < set(range(10))

    before = log.read_text()
    status, output = batch(*words[2:])
    assert status == 0
    assert f"{len(second)} done before, skipped" in output
    assert set(by_x(out)) == set(range(10))
    run_now = [int(line) for line in log.read_text().removeprefix(before).split()]
    assert sorted(run_now) == sorted(set(range(10)) - second)


@pytest.mark.skipif(sys.platform == "win32", reason="no such sockets there")
def test_kernels_cannot_take_each_others_ports(fa_lib: Call, tmp_path: Path) -> None:
    said = tmp_path / "said"
    source = f"""
import pathlib
from ipykernel.connect import get_connection_info
pathlib.Path({str(said)!r}).write_text(get_connection_info(unpack=True)["transport"])
"""
    notebook = write_notebook(tmp_path / "asks.ipynb", source)
    status, _, _ = fa_lib("batch", notebook, "-p", "X=0", "--out", tmp_path / "runs")
    assert (status, said.read_text()) == (0, "ipc")


def test_a_kernel_that_dies_and_retries(fa_lib: Call, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    source = f"""
import os, pathlib, signal
mark = pathlib.Path({str(mark)!r} + str(X))
mark.write_text(mark.read_text() + "+" if mark.exists() else "+")
if X == 1 or mark.read_text() == "+":
    os.kill(os.getpid(), signal.SIGKILL)
"""
    notebook = write_notebook(tmp_path / "dies.ipynb", source)
    out = tmp_path / "runs"
    status, _, errors = fa_lib("batch", notebook, "-p", "X=0,1", "--retries", 1, "--out", out)
    assert status == 1
    assert "the kernel died" in errors
    found = by_x(out)
    assert (found[0]["exit"], found[0]["attempt"]) == ("ok", 2)
    assert (found[1]["exit"], found[1]["attempt"]) == ("died", 2)
    assert mark.with_name("mark1").read_text() == "++"
