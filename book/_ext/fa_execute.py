"""Executes the chapters side by side, a processor each; myst-nb alone takes one after another.

It fills the cache from which myst-nb then takes them. A chapter that fails is left out of it:
myst-nb executes that again and reports the error in its usual way.
"""

import logging
import os
from pathlib import Path
from typing import Any

from jupyter_cache import get_cache
from jupyter_cache.executors import load_executor
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging as sphinx_logging

logger = sphinx_logging.getLogger(__name__)


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
    executor = load_executor("local-parallel", cache, quiet)
    waiting = executor.get_records(filter_uris=paths)
    if len(waiting) < 2:
        return
    logger.info("executing %d chapters on %d processors", len(waiting), processors)
    # As many kernels as processors: more threads in each would be in one another's way.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    executor.run_and_cache(filter_uris=paths, timeout=app.config.nb_execution_timeout)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the above with Sphinx."""
    app.connect("env-before-read-docs", execute)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
