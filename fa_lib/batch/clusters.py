"""Where a batch's jobs run: this machine, a Dask cluster that is there already, or SLURM."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from dask.system import CPU_COUNT
from distributed import Client, LocalCluster, Worker, WorkerPlugin
from distributed.security import Security

LOOPBACK = "127.0.0.1"

# TLS: `Security()` holds what Dask's own configuration says (distributed.comm.tls and
# distributed.comm.require-encryption), and goes to whatever is started or connected to here.


def visible_gpus() -> tuple[str, ...]:
    """The GPUs of this machine as CUDA_VISIBLE_DEVICES names them, less those already hidden."""
    import torch

    count = torch.cuda.device_count()
    chosen = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return tuple(chosen or [str(index) for index in range(count)])[:count]


def worker_count(threads: int, gpus: Sequence[str]) -> int:
    """One worker for each GPU; without any, as many as the cores allow with so many threads."""
    return len(gpus) or max(1, CPU_COUNT // threads)


@contextlib.contextmanager
def local(workers: int, host: str | None) -> Iterator[Client]:
    """Workers on this machine, reached over loopback unless `host` names another address."""
    _quiet()
    # A worker's memory is not that of its notebook, so there is nothing for Dask to watch over.
    with (
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host=host or LOOPBACK,
            protocol="tls://" if Security().require_encryption else "tcp://",
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": f"{host or LOOPBACK}:0"},  # not its usual port
            memory_limit=0,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        client.register_plugin(_IgnoreInterrupts())
        yield client


class _IgnoreInterrupts(WorkerPlugin):
    """Ctrl-C reaches every process of the terminal; the batch is to end its workers itself."""

    def setup(self, worker: Worker) -> None:
        """Called in each worker's main thread, that of a restarted worker too."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextlib.contextmanager
def running(address: str) -> Iterator[Client]:
    """A scheduler that somebody has started; raises RuntimeError when none answers."""
    _quiet()
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError, TypeError) as error:
        raise RuntimeError(f"No scheduler answers at {address}: {error}") from error
    try:
        yield client
    finally:
        with contextlib.suppress(Exception):  # of a scheduler that has gone none can take leave
            client.close()


def slurm_cluster(
    threads: int, memory: str, walltime: str, directives: Sequence[str], host: str | None
) -> Any:
    """A cluster whose workers are SLURM jobs, one notebook at a time in each; none is started yet.

    `directives` are further options of sbatch, such as "--partition=gpu". What is not said here
    comes from the section jobqueue.slurm of Dask's configuration.
    """
    try:
        from dask_jobqueue import SLURMCluster
    except ImportError as error:
        raise RuntimeError("--slurm needs an extra: pip install 'fa-lib[slurm]'") from error
    _quiet()
    encrypted = bool(Security().require_encryption)
    return SLURMCluster(
        cores=threads,
        processes=1,
        memory=memory,
        walltime=walltime,
        worker_extra_args=["--nthreads", "1"],
        job_extra_directives=list(directives),
        job_name="fa-lib-batch",
        death_timeout=600,
        security=Security() if encrypted else None,
        protocol="tls://" if encrypted else "tcp://",
        scheduler_options={"host": host or LOOPBACK, "dashboard_address": f"{host or LOOPBACK}:0"},
        silence_logs=logging.CRITICAL,
    )


@contextlib.contextmanager
def slurm(cluster: Any, workers: int) -> Iterator[Client]:
    """So many SLURM jobs, those that end early replaced, and a client of their cluster."""
    finished = threading.Event()

    def keep_up() -> None:
        while not finished.wait(30):
            cluster.scale(jobs=workers)

    with cluster, Client(cluster) as client:
        cluster.scale(jobs=workers)
        keeper = threading.Thread(target=keep_up, daemon=True)
        keeper.start()
        try:
            yield client
        finally:
            finished.set()
            keeper.join()


def _quiet() -> None:
    """What Dask logs of lost workers and connections, the batch says itself."""
    for name in ("distributed", "distributed.client"):  # Dask gives both levels of their own
        logging.getLogger(name).setLevel(logging.CRITICAL)
