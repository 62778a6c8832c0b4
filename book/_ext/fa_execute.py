"""Executes the chapters side by side, a processor each; myst-nb alone takes one after another.

It fills the cache from which myst-nb then takes them. A chapter that fails is left out of it:
myst-nb executes that again and reports the error in its usual way.
"""

import logging
import os
import tempfile
import uuid
from pathlib import Path
from typing import Any

from jupyter_cache import get_cache
from jupyter_cache.base import ProjectNb
from jupyter_cache.executors.basic import (
    ExecutionWorkerLocalMProc,
    JupyterExecutorLocalMproc,
    ProcessData,
)
from jupyter_cache.executors.utils import ExecutionResult, single_nb_execution
from jupyter_client import AsyncKernelManager
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging as sphinx_logging

logger = sphinx_logging.getLogger(__name__)

# Names the folder of the kernels' sockets to the processes that start them.
SOCKETS = "FA_KERNEL_SOCKETS"


class _KernelManager(AsyncKernelManager):
    """Talks to its kernel by sockets of its own, not by TCP.

    Kernels that start at once take each other's ports, and one of them dies.
    """

    def __init__(self, **options: Any) -> None:
        if os.name != "nt":
            options |= {"transport": "ipc", "ip": f"{os.environ[SOCKETS]}/{uuid.uuid4().hex}"}
        super().__init__(**options)


class _Worker(ExecutionWorkerLocalMProc):
    """jupyter-cache's worker, with that manager."""

    @staticmethod
    def execute(project_nb: ProjectNb, data: ProcessData) -> ExecutionResult:
        return single_nb_execution(
            project_nb.nb,
            cwd=str(Path(project_nb.uri).parent),
            timeout=data.timeout,
            allow_errors=data.allow_errors,
            kernel_manager_class=_KernelManager,
        )


class _Executor(JupyterExecutorLocalMproc):
    """jupyter-cache's "local-parallel", with that worker."""

    _EXECUTION_WORKER = _Worker


def execute(app: Sphinx, env: BuildEnvironment, pages: list[str]) -> None:
    """Execute those of the pages about to be read that are chapters and not in the cache."""
    paths = [str(Path(env.doc2path(page)).resolve()) for page in pages]
    paths = [path for path in paths if path.endswith(".ipynb")]
    processors = os.cpu_count() or 1
    if app.config.nb_execution_mode != "cache" or min(processors, len(paths)) < 2:
        return
    cache = get_cache(app.config.nb_execution_cache_path)
    for path in paths:
        cache.add_nb_to_project(path)
    quiet = logging.getLogger("fa_execute")
    quiet.setLevel(logging.ERROR)  # of what fails, myst-nb will tell
    executor = _Executor(cache, quiet)
    waiting = executor.get_records(filter_uris=paths)
    if len(waiting) < 2:
        return
    logger.info("executing %d chapters on %d processors", len(waiting), processors)
    # As many kernels as processors: more threads in each would be in one another's way.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as folder:  # whose path is short, as a socket's must be
        os.environ[SOCKETS] = folder
        executor.run_and_cache(filter_uris=paths, timeout=app.config.nb_execution_timeout)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the above with Sphinx."""
    app.connect("env-before-read-docs", execute)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
