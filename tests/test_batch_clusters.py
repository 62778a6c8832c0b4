"""Where batches run: LocalCluster, a scheduler with workers of its own, TLS, SLURM."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from batches import batch, start, write_notebook

from fa_lib import results
from fa_lib.batch import clusters, grid, records, report, runner
from fa_lib.batch.worker import Settings

pytestmark = pytest.mark.notebook


@pytest.fixture
def launch() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start `python -m ...` processes that end with the test."""
    processes: list[subprocess.Popen[str]] = []

    def launch(*words: object, **options: Any) -> subprocess.Popen[str]:
        processes.append(start(*words, **options))
        return processes[-1]

    yield launch
    for process in processes:
        process.kill()
        process.communicate()


def wait_for(condition: Callable[[], Any], seconds: float = 300) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return value


def printed(out: Path, job: grid.Job) -> str:
    """What a job's notebook printed."""
    notebook = nbformat.read(out / job.name / "notebook.ipynb", as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "".join(output.text for output in outputs if output.output_type == "stream")


def settings(out: Path, **changes: Any) -> Settings:
    values = {"id": runner.new_id(), "out": out, "code": results.package_fingerprint()}
    return Settings(**{**values, "threads": 1, "gpus": (), "timeout": None, **changes})


def test_local_workers_listen_on_loopback_and_share_out_gpus(tmp_path: Path) -> None:
    log = tmp_path / "log"
    source = f"""
import os, time
print(os.environ["CUDA_VISIBLE_DEVICES"])
print(X, file=open({str(log)!r}, "a"))
time.sleep(1)  # so that each worker gets a job
"""
    notebook = write_notebook(tmp_path / "gpu.ipynb", source)
    jobs = grid.plan([notebook], {"X": ["0", "1", "2", "3"]})
    out = tmp_path / "runs"
    with clusters.local(2, None) as client, runner.folder(out):
        states = {job.name: records.State("new") for job in jobs}
        progress = report.Progress(out, jobs, states)
        runner.run_jobs(client, jobs, settings(out, gpus=("3", "GPU-5")), 0, progress)
        family = [psutil.Process(), *psutil.Process().children(recursive=True)]
        ports = [c for process in family for c in process.net_connections("inet")]
        listening = {c.laddr.ip for c in ports if c.status == psutil.CONN_LISTEN}

        # A job that Dask runs once more finds its record and leaves it alone.
        runner.run_jobs(client, jobs, settings(out), 0, progress)
        assert sorted(log.read_text().split()) == ["0", "1", "2", "3"]

        # A worker with another fa_lib does nothing.
        more = grid.plan([notebook], {"X": ["9"]})
        runner.run_jobs(client, more, settings(out, code="0" * 12), 0, progress)
        (refused,) = progress.failed
        assert "is not that of the batch" in refused["error"]
        assert not (out / more[0].name).exists()
    assert listening == {"127.0.0.1"}
    assert sorted({printed(out, job) for job in jobs}) == ["3\n", "GPU-5\n"]


def dask(launch: Callable[..., Any], folder: Path, workers: int, *options: str) -> list[Any]:
    """A scheduler and workers in processes of their own; returns address and processes."""
    file = folder / "scheduler.json"
    place = ["--host", "127.0.0.1", "--scheduler-file", str(file)]
    command = ["distributed.cli.dask_scheduler", *place, "--port", "0", "--no-dashboard"]
    scheduler = launch(*command, "--dashboard-address", "127.0.0.1:0", *options)
    wait_for(lambda: file.is_file() and file.read_text().endswith("}"))
    command = ["distributed.cli.dask_worker", "--host", "127.0.0.1", "--no-dashboard"]
    command += ["--scheduler-file", str(file), "--no-nanny", "--nthreads", "1"]
    started = [launch(*command, "--local-directory", str(folder), *options) for _ in range(workers)]
    return [json.loads(file.read_text())["address"], scheduler, *started]


def test_a_killed_worker_costs_nothing_and_a_killed_scheduler_little(
    launch: Callable[..., Any], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    source = f"""
import os, time
with open({str(log)!r}, "a") as log:
    print(X, os.getppid(), file=log)
time.sleep(2)
"""
    notebook = write_notebook(tmp_path / "slow.ipynb", source)
    out = tmp_path / "runs"
    address, scheduler, first, second = dask(launch, tmp_path, 2)
    words = ["fa_lib.cli", "batch", notebook, "--out", out, "-p"]

    def started() -> list[list[int]]:
        lines = log.read_text().splitlines() if log.exists() else []
        return [[int(word) for word in line.split()] for line in lines]

    client = launch(*words, "X=0,1,2,3", "--scheduler", address)
    wait_for(lambda: [pid for _, pid in started() if pid == second.pid])
    second.kill()
    output, _ = client.communicate(timeout=300)
    assert client.returncode == 0, output
    assert "4 of 4 jobs are done" in output
    cut_short = [x for x, pid in started() if pid == second.pid][-1]
    assert [pid for x, pid in started() if x == cut_short] == [second.pid, first.pid]

    client = launch(*words, "X=0,1,2,3,4,5", "--scheduler", address)
    wait_for(lambda: 4 in [x for x, _ in started()])
    scheduler.kill()
    output, _ = client.communicate(timeout=300)
    assert client.returncode == 1
    assert "error: The connection to the scheduler was lost with " in output
    assert "the same command goes on from there" in output.lower()
    assert "Traceback" not in output
    first.kill()

    status, output = batch(*words[2:], "X=0,1,2,3,4,5")
    assert status == 0, output
    assert "done before, skipped" in output
    assert "6 of 6 jobs are done" in output


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")
def test_tls_settings_of_dask_are_passed_through(
    launch: Callable[..., Any], tmp_path: Path
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    make += ["-subj", "/CN=test", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(make, check=True, capture_output=True)
    notebook = write_notebook(tmp_path / "point.ipynb", "1")
    tls = ["--tls-ca-file", certificate, "--tls-cert", certificate, "--tls-key", key]
    address, *_ = dask(launch, tmp_path, 1, *map(str, tls), "--protocol", "tls")
    assert address.startswith("tls://127.0.0.1:")
    out = tmp_path / "runs"
    words = [notebook, "-p", "X=1", "--out", out, "--scheduler", address]

    status, output = batch(*words)
    assert status == 1
    assert f"error: No scheduler answers at {address}" in output
    prefix = "DASK_DISTRIBUTED__COMM__TLS__"
    environment = {f"{prefix}CA_FILE": str(certificate)}
    environment |= {f"{prefix}CLIENT__CERT": str(certificate), f"{prefix}CLIENT__KEY": str(key)}
    status, output = batch(*words, environment=environment)
    assert status == 0, output


SLURM = ["--slurm", "--threads", "3", "--memory", "5GB", "--walltime", "00:10:00"]


def test_the_job_script_for_slurm(tmp_path: Path) -> None:
    notebook = write_notebook(tmp_path / "point.ipynb", "1")
    status, script = batch(notebook, *SLURM, "--job-script", "--sbatch=--partition=gpu")
    assert status == 0
    lines = script.splitlines()
    assert lines[0].startswith("#!")
    for directive in ("-J fa-lib-batch", "--cpus-per-task=3", "--mem=5G", "-t 00:10:00"):
        assert f"#SBATCH {directive}" in lines
    assert "#SBATCH --partition=gpu" in lines
    (command,) = [line for line in lines if "dask_worker" in line]
    assert " tcp://127.0.0.1:" in command
    assert command.split().index("--nthreads") > 0
    assert command.rpartition("--nthreads ")[2].startswith("1")  # one notebook at a time
    assert not list(tmp_path.glob("runs*"))


def test_a_batch_in_slurm_jobs(tmp_path: Path) -> None:
    """With a stand-in for SLURM's commands, which runs each job script here."""
    programs = tmp_path / "bin"
    programs.mkdir()
    jobs = tmp_path / "jobs"
    for name, text in {
        "sbatch": 'script=$(cat "$1")\nsetsid bash -c "$script" > /dev/null 2>&1 &\n'
        f'echo $! >> {jobs}; echo "job $!"',
        "scancel": 'kill -- -"$1"',
    }.items():
        (programs / name).write_text(f"#!/bin/bash\n{text}\n")
        (programs / name).chmod(0o755)
    notebook = write_notebook(
        tmp_path / "point.ipynb", "import os; print(os.environ['OMP_NUM_THREADS'])"
    )
    out = tmp_path / "runs"
    words = [notebook, "-p", "X=1,2", "--out", out, *SLURM, "--workers", 1, "--host", "127.0.0.1"]
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    try:
        status, output = batch(*words, environment={"PATH": path})
        assert status == 0, output
        assert "2 of 2 jobs are done" in output
        (job, _) = grid.plan([notebook], {"X": ["1", "2"]})
        assert printed(out, job) == "3\n"
        pids = [int(pid) for pid in jobs.read_text().split()]
        assert len(pids) == 1
        wait_for(lambda: not psutil.pid_exists(pids[0]))  # cancelled with the batch
    finally:
        for pid in jobs.read_text().split() if jobs.exists() else []:
            if psutil.pid_exists(int(pid)):
                os.killpg(int(pid), signal.SIGKILL)


def test_a_full_disk_is_said_before(tmp_path: Path) -> None:
    """A limit on the size of files stands in for it."""
    resource = pytest.importorskip("resource")
    notebook = write_notebook(tmp_path / "point.ipynb", "1")
    (job,) = grid.plan([notebook], {})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with (
            pytest.raises(RuntimeError, match=r"Cannot write in .*runs: File too large"),
            runner.folder(tmp_path / "runs"),
        ):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not (tmp_path / "runs" / job.name).exists()
