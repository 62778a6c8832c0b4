"""A batch from its start to its end: what is done stays done, whatever happens in between."""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fa_lib._pairs import StoreError, ensure_writable
from fa_lib.batch.grid import Job
from fa_lib.batch.report import Progress
from fa_lib.batch.worker import LOCK, RUNNING, OutputError, Settings, run_job, stop

if TYPE_CHECKING:
    from distributed import Client, Future

try:
    import fcntl
except ImportError:  # not on Windows, where two batches in one folder are not kept apart
    fcntl = None  # type: ignore[assignment]

Record = Mapping[str, Any]


class SchedulerGone(RuntimeError):
    """The connection to Dask's scheduler was lost."""


@contextlib.contextmanager
def folder(out: Path) -> Iterator[None]:
    """Have the output folder to oneself, made and cleared of what killed jobs left.

    Raises OutputError when it cannot be written, RuntimeError while another batch is at work there.
    """
    try:
        ensure_writable(out)
    except StoreError as error:
        reason = getattr(error.__cause__, "strerror", None) or error
        text = f"Cannot write in {out}: {reason}. Make room there, or give another --out."
        raise OutputError(text) from error
    with open(out / LOCK, "a+") as file:
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            text = f"Another batch is at work in {out}: wait for it, or give another --out."
            raise RuntimeError(text) from None
        except OSError:  # a file system without locks, as some network drives are
            pass
        clear(out)
        yield


def clear(out: Path) -> None:
    """Remove what killed jobs left; a job still at work loses what it has."""
    shutil.rmtree(out / RUNNING, ignore_errors=True)


def run_jobs(
    client: Client, jobs: Sequence[Job], settings: Settings, retries: int, progress: Progress
) -> None:
    """Run the jobs to their ends, each failing one again up to `retries` times.

    Raises:
        OutputError: the folder could not be written; the other jobs are stopped.
        SchedulerGone: the scheduler does not answer any more.
    """
    waiting: dict[str, tuple[Future, Job, int]] = {}
    finished: queue.SimpleQueue[Future] = queue.SimpleQueue()

    def submit(job: Job, attempt: int) -> None:
        key = f"{job.name}-{settings.id}-{attempt}"
        future = client.submit(run_job, job, settings, attempt, key=key, pure=False)
        waiting[key] = future, job, attempt
        future.add_done_callback(finished.put)

    try:
        for job in jobs:
            submit(job, 1)
        while waiting:
            if client.status != "running":
                raise SchedulerGone
            try:
                future = finished.get(timeout=0.5)
            except queue.Empty:
                progress.tick(len(waiting), sum(client.nthreads().values()))
                continue
            _, job, attempt = waiting.pop(str(future.key))
            record = _record(future, job, attempt)
            if record["exit"] != "ok" and attempt <= retries:
                submit(job, attempt + 1)
            else:
                progress.ended(job, record)
    except (OutputError, SchedulerGone):
        raise
    except (OSError, RuntimeError) as error:  # Dask's and asyncio's, of a scheduler that just went
        raise SchedulerGone from error
    finally:
        if waiting:
            with contextlib.suppress(Exception):
                client.cancel([future for future, _, _ in waiting.values()], force=True)
                client.run(stop, settings.id, on_error="ignore")


def _record(future: Future, job: Job, attempt: int) -> Record:
    """The record of a job that has ended, made up here when its worker could leave none."""
    if future.status in ("cancelled", "lost"):
        raise SchedulerGone
    if future.status == "finished":
        return future.result()
    error = future.exception()
    if isinstance(error, OutputError):
        raise error
    facts = {"job": job.name, "notebook": job.notebook, "parameters": job.parameters}
    text = " ".join(str(error).split()) or type(error).__name__
    return {**facts, "exit": "died", "error": text, "attempt": attempt, "tables": [], "files": {}}


def new_id() -> str:
    """Tells this call of a batch from every other."""
    return os.urandom(4).hex()
