"""A notebook executed by papermill in a kernel that can be ended from outside."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat
import papermill
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient.exceptions import DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError

KERNEL_LOG = "kernel.log"  # what the kernel's process itself says, as when it crashes
_PATIENCE = 600  # seconds to wait for a kernel that has too little of a busy machine


class _Engine(NBClientEngine):
    """papermill's own engine, told which kernel to use and what its process finds around it."""

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Any,
        kernel_name: str,
        *,
        manager: AsyncKernelManager,
        environment: Mapping[str, str],
        folder: Path,
        **_: Any,
    ) -> Any:
        client = PapermillNotebookClient(
            nb_man, km=manager, startup_timeout=_PATIENCE, iopub_timeout=_PATIENCE
        )
        with open(folder / KERNEL_LOG, "wb") as log:
            return client.execute(
                env=dict(environment), cwd=str(folder), stdout=log, stderr=log, cleanup_kc=True
            )


papermill_engines.register("fa_lib", _Engine)


def execute(
    text: str,
    output: Path,
    parameters: Mapping[str, Any],
    environment: Mapping[str, str],
    timeout: float | None,
    stopped: Callable[[], bool],
) -> tuple[str, str]:
    """Execute a notebook in a fresh kernel of this interpreter, in the folder of `output`.

    Args:
        text: the notebook. Its outputs so far are in `output` after each cell.
        timeout: seconds after which the kernel is killed; None for never.
        stopped: asked several times a second; once true, the kernel is killed.

    Returns:
        How it ended ("ok", "error", "timeout", "stopped" or "died") and the error in one line.
    """
    with kernel_manager() as manager, _watched(manager, timeout, stopped) as ended:
        try:
            papermill.execute_notebook(
                nbformat.reads(text, as_version=4),
                str(output).replace("{", "{{").replace("}", "}}"),  # papermill fills in braces
                parameters=dict(parameters),
                engine_name="fa_lib",
                kernel_name="python3",
                language="python",
                progress_bar=False,
                manager=manager,
                environment=environment,
                folder=output.parent,
            )
        except PapermillExecutionError as error:
            return "error", " ".join(f"{error.ename}: {error.evalue}".split())
        except (DeadKernelError, TimeoutError, RuntimeError) as error:
            if "timeout" in ended:
                return "timeout", f"it took more than {timeout:g} s"
            if "stopped" in ended:
                return "stopped", "the batch was stopped"
            text = " ".join(str(error).split())
            return "died", f"the kernel died, perhaps for want of memory ({text})"
    return "ok", ""


@contextlib.contextmanager
def kernel_manager() -> Iterator[AsyncKernelManager]:
    """What starts a kernel of this interpreter, for one notebook."""
    # Looking in no folder leaves the kernel of this interpreter: one of the same name, which the
    # user has installed for another Python, would win otherwise.
    own = KernelSpecManager(kernel_dirs=[])
    with tempfile.TemporaryDirectory(prefix="fa_lib-") as folder:
        # Sockets in a folder of its own, as kernels that start at once take each other's TCP ports.
        # The folder's path is short; that of a socket must be.
        place = {} if os.name == "nt" else {"transport": "ipc", "ip": f"{folder}/kernel"}
        yield AsyncKernelManager(kernel_name="python3", kernel_spec_manager=own, **place)


@contextlib.contextmanager
def _watched(
    manager: AsyncKernelManager, timeout: float | None, stopped: Callable[[], bool]
) -> Iterator[list[str]]:
    """Kill the kernel when it is time; what is yielded then holds the reason."""
    deadline = time.monotonic() + (timeout or float("inf"))
    finished = threading.Event()
    reasons: list[str] = []

    def watch() -> None:
        while not finished.wait(0.2):
            reason = "stopped" if stopped() else "timeout" if time.monotonic() > deadline else ""
            pid = getattr(manager.provisioner, "pid", None)
            if reason and pid:
                reasons.append(reason)
                _kill(pid)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield reasons
    finally:
        finished.set()
        watcher.join()


def _kill(pid: int) -> None:
    """Kill a kernel with what it started: it leads a process group of its own."""
    with contextlib.suppress(ProcessLookupError):
        if hasattr(os, "killpg"):
            os.killpg(pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGTERM)
