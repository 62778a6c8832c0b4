"""Forks kernels that have already imported what every chapter imports; run by fa_execute.

Importing torch and the rest takes several seconds of a processor, once here instead of once in each
chapter. Asked by a line of JSON, [a folder, a kernel's arguments, its environment], the new kernel
writes its pid.
"""

import atexit
import gc
import importlib
import json
import os
import signal
import sys
import warnings
from collections.abc import Mapping, Sequence

import pandas

import fa_lib

# A kernel sets this when it starts, which is too late for a matplotlib that is there already.
BACKEND = "module://matplotlib_inline.backend_inline"
IMPORTED = (
    "fa_lib.chapters",
    "fa_lib.experiments",
    "fa_lib.interactive",
    "fa_lib.plotting",
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "matplotlib.pyplot",
    "pyarrow.dataset",
    "scipy.stats",
    "sklearn.datasets",
)


def become_kernel(folder: str, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Serve as a kernel in that folder, until told to end or left by who asked for it."""
    from ipykernel.kernelapp import IPKernelApp

    # After what ipykernel registers from here on to put things in order. To take every module apart
    # as well would take as long again.
    atexit.register(os._exit, 0)
    os.setsid()  # leads a group, which signals reach together with all that it starts
    os.write(1, f"{os.getpid()}\n".encode())
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    app = IPKernelApp.instance(parent_handle=os.getppid())
    app.initialize(list(arguments))
    app.start()


def serve() -> None:
    """Fork a kernel for every line, until there are no more."""
    os.environ.setdefault("MPLBACKEND", BACKEND)
    del sys.path[0]  # this file's folder, which chapters do not see
    for name in IMPORTED:
        importlib.import_module(name)
    # pandas, imported, takes this for a terminal, and would show as many columns as fit in it.
    pandas.options.display.max_columns = 20
    fa_lib.load_dataset("mnist5k")  # what most live cells ask for, read and kept in memory once
    gc.freeze()  # what is there now is no kernel's garbage
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the kernels that have ended
    # Newer Pythons warn of threads. The one there is, of pyarrow's jemalloc, is prepared for forks.
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
    for line in sys.stdin:
        if os.fork() == 0:
            return become_kernel(*json.loads(line))


if __name__ == "__main__":
    serve()
