"""`fa-lib verify`: a sample of the stored results' pieces, computed again here and compared."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fa_lib.experiments import Piece
    from fa_lib.experiments._comparison import Comparison
    from fa_lib.results import Result

__all__ = ["Task", "plan", "verify"]

# What needs torch is imported in the functions, so that help comes at once.

# Of the default sample, in seconds: on the machines that made the results, and here.
BUDGET, LIMIT = 480.0, 840.0


@dataclass(frozen=True)
class Task:
    """A piece to compute again; `instead` says why one is not, and then there is no piece.

    Attributes:
        result: the stored one, None where it cannot be read.
        name: its folder and name.
        seconds: that the piece took where it was made, by its share of the network-steps.
    """

    result: Result | None
    name: str
    piece: Piece | None = None
    seconds: float = 0.0
    instead: str = ""


def plan(names: Sequence[str], sample: int, seed: int) -> list[Task]:
    """The pieces to compute again.

    Arguments:
        names: experiments; none for all, as much as fits into BUDGET.
        sample: pieces of each stored result.
        seed: decides which.

    Raises:
        ValueError: an unknown experiment, or one of which nothing is stored.
    """
    from fa_lib import results
    from fa_lib.experiments import resolve

    wanted = {resolve(name) for name in names}
    found: dict[str, Path] = {}  # of a result under both roots the first, which counts
    for folder, name in results.stored():
        if folder.name not in results.BENCHMARKS and (not wanted or folder.name in wanted):
            found.setdefault(f"{folder.name}/{name}", folder)
    if absent := sorted(wanted - {folder.name for folder in found.values()}):
        raise ValueError(f"Nothing is stored of {', '.join(absent)}: fa-lib run {absent[0]}")
    random = Random(seed)
    tasks: dict[str, list[Task]] = {}
    left = math.inf if wanted else BUDGET
    for name in random.sample(list(found), len(found)):
        tasks[name] = _tasks_of(name, found[name], sample, left / 2, random)
        left -= sum(task.seconds for task in tasks[name])
    return [task for name in found for task in tasks[name]]


def _tasks_of(name: str, folder: Path, sample: int, most: float, random: Random) -> list[Task]:
    """Some pieces of one result that took no longer than `most` seconds each, at random."""
    import torch

    from fa_lib import results
    from fa_lib._pairs import BadResult
    from fa_lib.data import dataset_info, list_datasets
    from fa_lib.experiments import experiment_of

    try:
        result = results.read(folder, name.partition("/")[2])
        experiment, config = experiment_of(result)
    except BadResult as bad:
        return [Task(None, name, instead=str(bad))]
    facts, known = result.provenance, set(list_datasets())
    sets = experiment.data_sets(config)
    absent = [data for data in sets if data not in known or not dataset_info(data).at_hand]
    if absent:
        fetch = f"fa-lib data fetch {' '.join(absent)}"
        return [Task(result, name, instead=f"needs {', '.join(absent)}: {fetch}")]
    if "cuda" in facts["device"] and not torch.cuda.is_available():
        return [Task(result, name, instead="was made on a GPU, which draws other noise")]
    pieces = list(experiment.pieces(config))
    pace = facts["seconds"] / sum(piece.cost for piece in pieces)
    short = [piece for piece in pieces if pace * piece.cost <= most]
    if not short:
        least = pace * min(piece.cost for piece in pieces)
        ask = f"fa-lib verify {folder.name}"
        return [Task(result, name, instead=f"a piece takes {least / 60:.0f} minutes: {ask}")]
    chosen = random.sample(short, min(sample, len(short)))
    return [Task(result, name, piece, pace * piece.cost) for piece in chosen]


# -- The command -----------------------------------------------------------------------------------


def verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Experiments, as `fa-lib experiments` lists them. Default: all."),
    ] = None,
    sample: Annotated[int, typer.Option(help="Pieces of each result.", min=1)] = 1,
    seed: Annotated[int, typer.Option(help="Decides which pieces.", min=0)] = 0,
) -> None:
    """Compute a sample of the stored results again, and compare; exit with 1 where one differs.

    Without names, as many pieces as fit into 14 minutes, on the data sets at hand. A line for
    each: to the last bit; within tolerance (records up to step 300 agree within 5 %); plausible
    (later ones lie where the stored seeds say a network may come to); or DIFFERS, with an example.

    Example: fa-lib verify fig1 --sample 3
    """
    from fa_lib.experiments._comparison import STATES

    tasks = plan(names or [], sample, seed)
    counts = dict.fromkeys((*STATES, "not run"), 0)
    began = time.perf_counter()
    for task, comparison, seconds in _compared(tasks, math.inf if names else LIMIT):
        counts[comparison.state] += 1
        piece = f" {task.piece.name} ({seconds:.0f} s)" if task.piece and seconds else ""
        typer.echo(f"{task.name}{piece}: {comparison.state}: {comparison.words}")
    said = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    typer.echo(f"{said or 'Nothing is stored'}; {time.perf_counter() - began:.0f} s in all")
    if counts["DIFFERS"]:
        raise typer.Exit(1)


def _compared(tasks: Sequence[Task], limit: float) -> Iterator[tuple[Task, Comparison, float]]:
    """The tasks' comparisons, and their seconds: the quickest first, and none beyond the limit."""
    import torch

    from fa_lib._progress import progress_bar
    from fa_lib.experiments import experiment_of
    from fa_lib.experiments._comparison import Comparison, compare

    total = sum(task.piece.cost for task in tasks if task.piece)
    expected, spent = 0.0, 0.0  # seconds of what was run: where it was made, here
    with progress_bar(total, "verify", " network-steps") as bar:
        for task in sorted(tasks, key=lambda task: task.seconds):
            pace = spent / expected if expected else 1.0
            if spent + pace * task.seconds > limit:
                minutes = f"takes {pace * task.seconds / 60:.0f} minutes here"
                ask = f"{minutes}: fa-lib verify {task.name.partition('/')[0]}"
                yield task, Comparison("not run", ask), 0.0
                continue
            if task.result is None or task.piece is None:
                yield task, Comparison("not run", task.instead), 0.0
                continue
            experiment, config = experiment_of(task.result)
            device = torch.device("cuda" if "cuda" in task.result.provenance["device"] else "cpu")
            bar.set_postfix_str(task.piece.name)
            before, began = bar.n, time.perf_counter()
            again = experiment.run_piece(config, task.piece, device, bar.update)
            seconds = time.perf_counter() - began
            bar.update(max(0.0, before + task.piece.cost - bar.n))
            expected, spent = expected + task.seconds, spent + seconds
            bar.clear()
            yield task, compare(task.result.table, again), seconds
