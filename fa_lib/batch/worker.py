"""What a Dask worker does for a batch: one job at a time, whole or not at all."""

from __future__ import annotations

import base64
import contextlib
import io
import os
import shutil
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from fa_lib import results
from fa_lib.batch.grid import Job
from fa_lib.batch.records import NOTEBOOK, THUMBNAIL, state, write_record

LOCK = ".lock"  # held while a batch is at work in its folder
RUNNING = ".running"  # where jobs work, and what a job that was killed leaves

_THREAD_LIMITS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_stopped: set[str] = set()


class OutputError(RuntimeError):
    """The batch's folder cannot be used; no job of the batch can succeed."""


@dataclass(frozen=True)
class Settings:
    """What the jobs of a batch share.

    id: of this call of the batch.
    out: its folder, by the same path on every worker.
    code: fingerprint of the package that planned it.
    threads: for each notebook.
    gpus: values for CUDA_VISIBLE_DEVICES that the workers share out; () leaves it alone.
    timeout: seconds for each notebook, or None.
    """

    id: str
    out: Path
    code: str
    threads: int
    gpus: tuple[str, ...]
    timeout: float | None


def stop(batch: str) -> None:
    """Kill this worker's notebooks of the batch, and start no more."""
    _stopped.add(batch)


def run_job(job: Job, settings: Settings, attempt: int) -> Mapping[str, Any]:
    """Run a job unless it is done, and return its record.

    Dask may run a task twice. Each run works in a folder of its own, which takes its place under
    the job's name only when it is whole.

    Raises:
        OutputError: the batch's folder cannot be seen or written from here.
        RuntimeError: the package here is not the one that planned the batch.
    """
    code = results.package_fingerprint()
    if code != settings.code:
        raise RuntimeError(
            f"fa_lib on worker {_worker_address()} ({code}) is not that of the batch "
            f"({settings.code}): it was edited meanwhile, or is another version"
        )
    if not (settings.out / LOCK).is_file():
        raise OutputError(
            f"{settings.out} is gone, or is not the same folder on worker {_worker_address()}: "
            "it must be on a file system that all workers share"
        )
    found = state(job, settings.out, code)
    if found.kind == "done":
        return found.record
    work = settings.out / RUNNING / f"{job.name[-40:]}-{uuid.uuid4().hex}"
    try:
        work.mkdir(parents=True)
        record = _run(job, settings, attempt, work)
        return record if record["exit"] == "stopped" else _commit(work, job, settings, record)
    except OSError as error:
        raise OutputError(f"Cannot write in {settings.out}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _run(job: Job, settings: Settings, attempt: int, work: Path) -> Mapping[str, Any]:
    from fa_lib.batch.kernel import KERNEL_LOG, execute

    began, date = time.perf_counter(), results.now()
    exit_, error = execute(
        job.text,
        work / NOTEBOOK,
        job.parameters,
        _environment(settings, work),
        settings.timeout,
        lambda: settings.id in _stopped,
    )
    seconds = time.perf_counter() - began
    if exit_ != "died":
        (work / KERNEL_LOG).unlink(missing_ok=True)
    if (work / NOTEBOOK).is_file():
        _finish_notebook(work / NOTEBOOK, job)
    tables = [path.relative_to(work).as_posix() for path in sorted(work.rglob("*.parquet"))]
    facts = {
        "job": job.name,
        "notebook": job.notebook,
        "fingerprint": job.fingerprint,
        "parameters": job.parameters,
        "code": settings.code,
        "exit": exit_,
        "error": error,
        "seconds": round(seconds, 3),
        "date": date,
        "worker": _worker_address(),
        "threads": settings.threads,
        "attempt": attempt,
        "tables": tables,
    }
    return write_record(work, facts)


def _commit(
    work: Path, job: Job, settings: Settings, record: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Give the finished folder its name, unless the same job got there first."""
    final = settings.out / job.name
    try:
        work.rename(final)
    except OSError:
        found = state(job, settings.out, settings.code)
        if found.kind == "done":
            return found.record
        if not final.exists():
            raise
        final.rename(work.with_name(work.name + ".old"))
        work.rename(final)
        shutil.rmtree(work.with_name(work.name + ".old"), ignore_errors=True)
    return record


def _environment(settings: Settings, work: Path) -> dict[str, str]:
    """What a notebook's process finds: its threads, its GPU, and where its results go."""
    limits = dict.fromkeys(_THREAD_LIMITS, str(settings.threads))
    places = {"FA_RESULTS_ROOT": str(work / "results"), "FA_RESULTS_KEEP": "1"}
    gpu = {}
    if settings.gpus:
        from distributed import get_worker

        index = int(get_worker().name) % len(settings.gpus)  # a LocalCluster numbers its workers
        gpu["CUDA_VISIBLE_DEVICES"] = settings.gpus[index]
    return {**os.environ, **limits, **places, **gpu}


def _worker_address() -> str:
    from distributed import get_worker

    return str(get_worker().address)


def _finish_notebook(path: Path, job: Job) -> None:
    """Take the passing folder's path out of the notebook, and its first figure as thumbnail."""
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.get("papermill", {}).update(input_path=job.notebook, output_path=NOTEBOOK)
    path.write_text(nbformat.writes(notebook), encoding="utf-8")
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if svg := data.get("image/svg+xml"):
                path.with_name(f"{THUMBNAIL}.svg").write_text(svg, encoding="utf-8")
                return
            if png := data.get("image/png"):
                _write_thumbnail(path.with_name(f"{THUMBNAIL}.png"), base64.b64decode(png))
                return


def _write_thumbnail(path: Path, png: bytes) -> None:
    from PIL import Image, UnidentifiedImageError

    with contextlib.suppress(UnidentifiedImageError):
        image = Image.open(io.BytesIO(png))
        image.thumbnail((320, 240))
        image.save(path)
