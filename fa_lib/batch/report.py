"""How a batch stands: what it will do, and a line on the terminal while it does."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fa_lib.batch.grid import Job
from fa_lib.batch.page import write_index
from fa_lib.batch.records import State, read_record
from fa_lib.batch.worker import OutputError

Record = Mapping[str, Any]

# Seconds that a chapter may take on two cores, by its profile; for jobs never run before.
_BUDGETS = {"smoke": 20.0, "quick": 180.0}


def estimate(jobs: Sequence[Job], states: Mapping[str, State], workers: int) -> str:
    """In words, how long the jobs will take, from what jobs of their notebooks took before."""
    before: dict[str, list[float]] = {}
    for job in jobs:
        if seconds := states[job.name].record.get("seconds"):
            before.setdefault(job.notebook, []).append(seconds)
    total, bounded = 0.0, False
    for job in jobs:
        if states[job.name].kind == "done":
            continue
        times = sorted(before.get(job.notebook, []))
        budget = _BUDGETS.get(str(job.parameters.get("PROFILE")))
        if not times and budget is None:
            return "time unknown until a first job has run"
        bounded |= not times
        total += times[len(times) // 2] if times else budget or 0.0
    how = "at most" if bounded else "about"
    return f"{how} {duration(total / workers)} on {workers} worker(s)"


def duration(seconds: float) -> str:
    """Seconds in words, as in "3 min"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def describe(jobs: Iterable[Job], states: Mapping[str, State]) -> list[str]:
    """What a batch will do, and the reason for each job that is done again."""
    words = {
        "new": "{} to run",
        "done": "{} done before, skipped",
        "failed": "{} failed before, run again",
        "stale": "{} stale, run again",
    }
    kinds = {job.name: states[job.name] for job in jobs}
    lines = []
    for kind, text in words.items():
        names = [name for name, found in kinds.items() if found.kind == kind]
        if names:
            lines.append(text.format(len(names)))
        if kind in ("failed", "stale"):
            lines += [f"  {name}: {kinds[name].reason}" for name in names]
    return lines


class Progress:
    """Follows a batch: a line that renews itself on a terminal, else one for each job."""

    def __init__(self, out: Path, jobs: Sequence[Job], states: Mapping[str, State]) -> None:
        self._out = out
        found = {folder.name: read_record(folder) for folder in out.iterdir()}
        self._records: dict[str, Record] = {n: record for n, record in found.items() if record}
        self._waiting = [job for job in jobs if states[job.name].kind != "done"]
        for job in self._waiting:
            self._records.pop(job.name, None)
        self._total = len(self._waiting)
        self._seconds: list[float] = []
        self._written = time.monotonic()
        self._told = False
        self.failed: list[Record] = []
        self._write_index()

    @property
    def to_go(self) -> int:
        """How many jobs have not come to their end."""
        return len(self._waiting)

    def ended(self, job: Job, record: Record) -> None:
        """Note that a job has come to its end."""
        self._waiting = [other for other in self._waiting if other.name != job.name]
        self._records[job.name] = record
        self._seconds.append(record.get("seconds", 0.0))
        if record["exit"] != "ok":
            self.failed.append(record)
        if not sys.stderr.isatty():
            self._say(f"{record['exit']:<7} {job.name} {record.get('seconds', 0):.1f} s", "\n")
        if time.monotonic() - self._written > 2:
            self._write_index()

    def tick(self, waiting: int, slots: int) -> None:
        """Show how things are: jobs to go, and how many can run at a time."""
        if not slots and not self._told:
            self._say("No worker has joined yet: waiting.", "\n")
        self._told = self._told or not slots
        if not sys.stderr.isatty():
            return
        text = f"{self._total - waiting}/{self._total} done, {min(waiting, slots)} running"
        text += f", {len(self.failed)} failed"
        if self._seconds and slots:
            mean = sum(self._seconds) / len(self._seconds)
            text += f", about {duration(mean * waiting / slots)} left"
        self._say(f"\r\033[K{text}", "")

    def close(self) -> None:
        """End the line, and bring the page up to date if that is possible."""
        if sys.stderr.isatty():
            self._say("\r\033[K", "")
        with contextlib.suppress(OutputError):
            self._write_index()

    def _say(self, text: str, end: str) -> None:
        print(text, end=end, file=sys.stderr, flush=True)

    def _write_index(self) -> None:
        self._written = time.monotonic()
        try:
            write_index(self._out, self._records, self._waiting)
        except OSError as error:
            raise OutputError(f"Cannot write in {self._out}: {error.strerror or error}") from error
