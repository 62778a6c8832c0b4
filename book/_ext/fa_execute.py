"""Executes the chapters side by side, a processor each; myst-nb alone takes one after another.

It fills the cache from which myst-nb then takes them. A chapter that fails is left out of it:
myst-nb executes that again and reports the error in its usual way.

_config.yml names it before the other extensions: the server below imports while those do.
"""

import asyncio
import atexit
import contextlib
import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from jupyter_cache import get_cache
from jupyter_cache.base import JupyterCacheAbstract
from jupyter_cache.executors.utils import create_cache_bundle
from jupyter_client.provisioning import LocalProvisioner
from nbclient import NotebookClient
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

logger = logging.getLogger(__name__)

# Gives the pid of a new kernel in a folder, with arguments and an environment of its own.
Fork = Callable[[str, Sequence[str], Mapping[str, str]], int]
# As many kernels as processors: more threads in each would be in one another's way.
ONE_THREAD = {"OMP_NUM_THREADS": "1"}


class _Process:
    """What LocalProvisioner wants of a process, for one that is not a child of this one."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def poll(self) -> int | None:
        """None while it runs."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return 0
        return None

    wait = poll  # which is called once it has ended

    def send_signal(self, number: int) -> None:
        """Raises ProcessLookupError where it is too late."""
        os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


class _ForkedKernel(LocalProvisioner):
    """Has a kernel forked where others start a new interpreter."""

    fork: Fork

    async def launch_kernel(self, cmd: list[str], **options: Any) -> dict[str, Any]:
        """Take from the command what is meant for the kernel."""
        arguments = cmd[cmd.index("ipykernel_launcher") + 1 :]
        self.pid = self.pgid = self.fork(options["cwd"], arguments, options["env"])
        self.process = _Process(self.pid)
        return self.connection_info


@contextlib.contextmanager
def forking() -> Iterator[Fork | None]:
    """A server that forks kernels; None where forking after such imports is not safe."""
    if sys.platform != "linux":
        yield None
        return
    command = [sys.executable, str(Path(__file__).with_name("fa_kernels.py"))]
    with subprocess.Popen(
        command,
        env=ONE_THREAD | os.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        one_at_a_time = threading.Lock()

        def fork(folder: str, arguments: Sequence[str], environment: Mapping[str, str]) -> int:
            asked = json.dumps([folder, arguments, dict(environment)])
            with one_at_a_time:
                print(asked, file=server.stdin, flush=True)
                return int(server.stdout.readline())

        try:
            yield fork
        finally:
            server.terminate()  # which ends the kernels that are left, if any


def execute_notebook(
    notebook: NotebookNode, folder: Path, timeout: float, fork: Fork | None
) -> None:
    """Execute it in place, in a kernel of its own.

    Arguments:
        timeout: seconds for a cell.
        fork: as `forking` gives it; None starts a new interpreter.

    Raises:
        RuntimeError, CellControlSignal: a cell or the kernel failed, or took too long.
    """
    from fa_lib.batch.kernel import kernel_manager  # imports for seconds: see the module's text

    with kernel_manager() as manager:
        if fork is not None:
            manager.kernel_id = str(uuid.uuid4())
            manager.provisioner = _ForkedKernel(
                kernel_id=manager.kernel_id, kernel_spec=manager.kernel_spec, parent=manager
            )
            manager.provisioner.fork = fork
        client = NotebookClient(
            notebook,
            km=manager,
            timeout=timeout,
            resources={"metadata": {"path": str(folder)}},
            record_timing=False,  # in the cells' metadata, by which the cache knows a notebook
        )
        asyncio.run(client.async_execute(cleanup_kc=True))


def fill(
    cache: JupyterCacheAbstract,
    paths: Sequence[str],
    timeout: float,
    kernels: int,
    fork: Fork | None,
) -> None:
    """Execute notebooks, so many at a time, and keep in the cache those that do not fail."""

    def run(path: str) -> None:
        project = cache.get_project_notebook(path)
        began = time.perf_counter()
        execute_notebook(project.nb, Path(path).parent, timeout, fork)
        took = time.perf_counter() - began
        bundle = create_cache_bundle(project, None, None, took, None)
        with one_at_a_time:
            cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)

    one_at_a_time = threading.Lock()
    pool = ThreadPoolExecutor(kernels)
    try:
        for path, job in [(path, pool.submit(run, path)) for path in paths]:
            if job.exception():  # of which myst-nb will tell
                logger.info("%s failed and is executed again", Path(path).name)
    finally:
        # Not waiting: stopped in between, the kernels end with what forks them, just after this.
        pool.shutdown(wait=False, cancel_futures=True)


def execute(app: Sphinx, env: BuildEnvironment, pages: list[str], fork: Fork | None) -> None:
    """Execute those of the pages about to be read that are chapters and not in the cache."""
    paths = [Path(env.doc2path(page)).resolve() for page in pages]
    # The largest first, which tend to take long: the last ones leave a processor idle.
    paths = sorted((p for p in paths if p.suffix == ".ipynb"), key=lambda p: -p.stat().st_size)
    processors = os.cpu_count() or 1
    if app.config.nb_execution_mode != "cache" or min(processors, len(paths)) < 2:
        return
    cache = get_cache(app.config.nb_execution_cache_path)
    for path in paths:
        cache.add_nb_to_project(str(path))
    missing = {record.uri for record in cache.list_unexecuted(list(map(str, paths)))}
    waiting = [str(path) for path in paths if str(path) in missing]
    if len(waiting) < 2:
        return
    logger.info("executing %d chapters on %d processors", len(waiting), processors)
    os.environ.update(ONE_THREAD | os.environ)
    fill(cache, waiting, app.config.nb_execution_timeout, processors, fork)


def setup(app: Sphinx) -> dict[str, Any]:
    """Start what forks kernels, and have it stopped once all pages can be read."""
    # Or Python would look for garbage among all that was imported and built, just before it ends.
    atexit.register(gc.freeze)
    server = contextlib.ExitStack()
    fork = server.enter_context(forking())

    def execute_and_stop(app: Sphinx, env: BuildEnvironment, pages: list[str]) -> None:
        with server:
            execute(app, env, pages, fork)

    app.connect("env-before-read-docs", execute_and_stop)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
