"""The commands `fa-lib batch` and `fa-lib collect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_OUT = Path("runs")


def batch(
    targets: Annotated[
        list[str], typer.Argument(help="Notebooks, patterns of them, or YAML files (see the book).")
    ],
    parameters: Annotated[
        list[str] | None,
        typer.Option(
            "-p",
            help="Values of a parameter; every combination is a job: -p LR=1e-4,3e-4 -p SEEDS=5.",
            metavar="NAME=A,B,C",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="The folder that all goes to.")] = _OUT,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the jobs, say how long, and run nothing.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="How many; default: one for each GPU, else to fit the cores."),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="For each notebook.")] = 1,
    retries: Annotated[int, typer.Option(min=0, help="Further tries for a job that fails.")] = 0,
    timeout: Annotated[
        float | None, typer.Option(min=0.1, help="Seconds that one notebook may take.")
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            help="A running Dask scheduler. Whoever can reach one can run code as you: keep it "
            "closed, or use TLS.",
            metavar="tcp://HOST:8786",
        ),
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(
            help="Let the scheduler listen at this address of this machine instead of on loopback. "
            "Whoever reaches it can then run code as you, unless Dask's TLS settings forbid it."
        ),
    ] = None,
    slurm: Annotated[
        bool, typer.Option("--slurm", help="Run in SLURM jobs; needs --host and --workers.")
    ] = False,
    job_script: Annotated[
        bool, typer.Option("--job-script", help="Print SLURM's job script, and run nothing.")
    ] = False,
    memory: Annotated[str, typer.Option(help="For each SLURM job.")] = "4GB",
    walltime: Annotated[str, typer.Option(help="Of each SLURM job.")] = "01:00:00",
    sbatch: Annotated[
        list[str] | None,
        typer.Option(help="A further option of sbatch: --sbatch --partition=gpu. May be repeated."),
    ] = None,
) -> None:
    """Run notebooks with many parameters, each in a process of its own; skip what is done.

    Exits with 1 when a notebook fails; the others go on. The same command resumes a batch that was
    stopped, in whatever way.
    """
    try:
        from fa_lib.batch import clusters, grid, page, records, report, runner, worker
    except ImportError as error:
        text = f"fa-lib batch needs an extra: pip install 'fa-lib[batch]' ({error})"
        raise RuntimeError(text) from error
    from fa_lib.results import package_fingerprint

    if job_script:
        with clusters.slurm_cluster(threads, memory, walltime, sbatch or [], host) as cluster:
            typer.echo(cluster.job_script())
        return
    if slurm and (host is None or workers is None):
        raise ValueError(
            "--slurm needs --host, this machine's address in the cluster's network, and --workers, "
            "how many SLURM jobs."
        )
    if scheduler and (slurm or host or workers):
        raise ValueError("A running --scheduler takes no --slurm, --host or --workers.")
    out, code = out.expanduser().absolute(), package_fingerprint()
    jobs = grid.plan(targets, grid.parse_options(parameters or []))
    gpus = () if scheduler or slurm else clusters.visible_gpus()
    count = 1 if scheduler else workers or clusters.worker_count(threads, gpus)

    def look() -> dict[str, records.State]:
        states = {job.name: records.state(job, out, code) for job in jobs}
        for line in report.describe(jobs, states):
            typer.echo(line)
        if not all(state.kind == "done" for state in states.values()):
            typer.echo(report.estimate(jobs, states, count))
        return states

    if dry_run:
        for name, state in look().items():
            typer.echo(f"{state.kind:<6} {name}")
        return
    with runner.folder(out):
        states = look()
        todo = [job for job in jobs if states[job.name].kind != "done"]
        settings = worker.Settings(runner.new_id(), out, code, threads, gpus, timeout)
        progress = report.Progress(out, jobs, states)
        try:
            if todo and scheduler:
                connection = clusters.running(scheduler)
            elif todo and slurm:
                cluster = clusters.slurm_cluster(threads, memory, walltime, sbatch or [], host)
                connection = clusters.slurm(cluster, count)
            elif todo:
                connection = clusters.local(min(count, len(todo)), host)
            if todo:
                with connection as client:
                    runner.run_jobs(client, todo, settings, retries, progress)
        except runner.SchedulerGone:
            raise RuntimeError(
                f"The connection to the scheduler was lost with {progress.to_go} jobs to go. What "
                "is done is kept: the same command goes on from there."
            ) from None
        except KeyboardInterrupt:
            runner.clear(out)  # a worker that was ended while its notebook started left its folder
            text = f"Stopped with {progress.to_go} jobs to go. The same command goes on from there."
            typer.echo(text, err=True)
            raise typer.Exit(130) from None
        finally:
            progress.close()
    for record in progress.failed:
        typer.echo(f"{record['exit']}: {record['job']}: {record['error']}", err=True)
    done = len(jobs) - len(progress.failed)
    typer.echo(f"{done} of {len(jobs)} jobs are done: {out / page.INDEX}")
    if progress.failed:
        raise typer.Exit(1)


def collect(
    folder: Annotated[Path, typer.Argument(help="A batch's folder.")],
    output: Annotated[Path, typer.Option("-o", help="The table to write.", metavar="NAME.parquet")],
) -> None:
    """Put the tables of a batch's jobs into one, with their parameters as columns."""
    from fa_lib.batch import collecting

    typer.echo(collecting.write(folder, output))
