"""The command `fa-lib`; `python -m fa_lib.cli` is the same."""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from fa_lib.batch.command import batch, collect
from fa_lib.reproduce import reproduce
from fa_lib.verify import verify

# What needs torch is imported in the commands, so that help comes at once.

_KEPT = {"name", "profile", "device", "seeds", "recompute", "progress"}

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Experiments on random-noise pretraining and feedback alignment: run them, and look after "
    "their data and stored results.",
    epilog="Results are written to FA_RESULTS_ROOT, data sets to FA_DATA_ROOT; `fa-lib doctor` "
    "shows what these are now.",
)
data_app = typer.Typer(no_args_is_help=True, help="Data sets: which there are, and fetching them.")
results_app = typer.Typer(no_args_is_help=True, help="Stored results: list and check them.")
app.add_typer(data_app, name="data")
app.add_typer(results_app, name="results")
# Commands are listed in the order in which they are made known, by what fits a line of 80 letters.


def _version(asked: bool) -> None:
    if asked:
        import importlib.metadata

        typer.echo(f"fa-lib {importlib.metadata.version('fa-lib')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def _seeds(text: str | None) -> int | list[int] | None:
    if text is None:
        return None
    try:
        return [int(s) for s in text.split(",") if s.strip()] if "," in text else int(text)
    except ValueError:
        message = f"give a number, as in 10, or seeds, as in 3,5,7; got {text!r}."
        raise typer.BadParameter(message, param_hint="--seeds") from None


def _overrides(pairs: list[str]) -> dict[str, Any]:
    overrides = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise typer.BadParameter(f"give NAME=VALUE, got {pair!r}.", param_hint="--set")
        if name in _KEPT:
            raise typer.BadParameter(f"{name} is not a setting: see --help.", param_hint="--set")
        overrides[name] = value
    from fa_lib.experiments._config import parse_value

    return {name: parse_value(value) for name, value in overrides.items()}


@app.command(short_help="Run an experiment, or show its stored result.")
def run(
    experiment: Annotated[str, typer.Argument(help="Its name: `fa-lib experiments` lists them.")],
    profile: Annotated[
        str,
        typer.Option(help="smoke (seconds), quick (minutes) or paper (the book's figures; hours)."),
    ] = "quick",
    seeds: Annotated[
        str | None,
        typer.Option(
            help="How many (N means 0 to N-1), or which: 3,5,7 (one: 3,). Default: the profile's.",
            metavar="N",
        ),
    ] = None,
    device: Annotated[
        str, typer.Option(help="auto (a GPU when there is one), cpu, cuda or cuda:1.")
    ] = "auto",
    recompute: Annotated[
        bool, typer.Option("--recompute", help="Compute afresh even when a result is stored.")
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Another value for one of the experiment's settings, as a Python literal or plain "
            "text: --set dataset=digits --set 'widths=[100, 512]'. May be repeated.",
            metavar="NAME=VALUE",
        ),
    ] = None,
) -> None:
    """Run an experiment, or show its stored result when there is one with the same settings.

    A run that is stopped resumes where it was when the same command is given again.
    """
    chosen, overrides = _seeds(seeds), _overrides(settings or [])
    from fa_lib.experiments import other_code
    from fa_lib.experiments import run as run_experiment

    try:
        result = run_experiment(
            experiment, profile, device, seeds=chosen, recompute=recompute, **overrides
        )
    except KeyboardInterrupt:
        typer.echo("Stopped. The same command goes on after the last finished piece.", err=True)
        raise typer.Exit(130) from None
    facts = result.provenance
    typer.echo(result.table.head(5).to_string(index=False, line_width=100))
    typer.echo(f"... {len(result.table):,} rows, {len(facts['seeds'])} seeds")
    typer.echo(f"Computed {facts['date']} in {facts['seconds']:.1f} s on {facts['device']}.")
    if changed := other_code(facts["experiment"], facts):
        typer.echo(f"Made by other code ({changed}); a trial of the engine gives the same numbers.")
    typer.echo(f"Stored in {result.path}")


@app.command(short_help="List the experiments, what they cost, and which are stored.")
def experiments() -> None:
    """List the experiments, their profiles, what these cost, and which are stored."""
    from fa_lib.experiments import get_experiment, list_experiments, resolve, stored_result

    for name in list_experiments():
        if resolve(name) != name:
            typer.echo(f"{name}: looks at the runs of {resolve(name)}")
            continue
        experiment = get_experiment(name)
        typer.echo(f"{name}: {experiment.TITLE}")
        for profile, config in experiment.PROFILES.items():
            cost = sum(piece.cost for piece in experiment.pieces(config))
            found = stored_result(name, profile)
            took = f"stored: {found.provenance['seconds']:.0f} s on " if found else "not stored"
            where = found.provenance["device"] if found else ""
            text = f"{len(config.seeds)} seeds, {cost:,.0f} network-steps; {took}{where}"
            typer.echo(f"  {profile:<6} {text}")


@app.command(short_help="The paper's statements, and what came out of each.")
def statements(
    id: Annotated[
        str | None, typer.Option("--id", help="Only this one, for example 2g-order.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As a list of JSON objects.")] = False,
) -> None:
    """Answer the paper's statements by the stored paper-profile results.

    As printed: in how many of the three bases it comes out as the paper reports. Settings: in how
    many of the sixty drawn ones. Controls: in how many of these noise training is ahead of a zero
    readout (Z), and of one whose hidden layers are frozen (ZF), too.
    """
    import json

    from fa_lib._checks import choice
    from fa_lib.answers import statements as table
    from fa_lib.paper import STATEMENTS

    if id is not None:
        choice(id, STATEMENTS, "statement")
    rows = [row for row in table().to_dict("records") if id in (None, row["id"])]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    for row in rows:
        counts = (
            f"as printed {row['printed']}; settings {row['settings']}; "
            f"controls {row['beyond_controls']}"
        )
        typer.echo(f"{row['id']:<9} {row['words']} ({counts})")
        if id is not None:
            typer.echo(f"{row['panel']}: {row['statement']}")
            for base, effect in row["effect"].items():
                typer.echo(f"  {base} {effect}")


@app.command(
    hidden=True,  # whatever was asked of it
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def claims() -> None:
    """Gone: `fa-lib statements` takes its place."""
    typer.echo("error: `fa-lib claims` is gone: see `fa-lib statements`.", err=True)
    raise typer.Exit(1)


app.command(short_help="Run every experiment whose result is missing or stale.")(reproduce)
app.command(short_help="Compute a sample of the stored results again, and compare.")(verify)
app.command(short_help="Run notebooks with many parameters, each in its own process.")(batch)
app.command(short_help="Put the tables of a batch's jobs into one.")(collect)


@data_app.command("list", short_help="List the data sets, and which are at hand.")
def data_list() -> None:
    """List the data sets by name, and which are at hand without a download."""
    from fa_lib.data import dataset_info, list_datasets

    for info in map(dataset_info, list_datasets()):
        at_hand = "at hand" if info.at_hand else "to fetch"
        typer.echo(f"{info.name:<14} {info.kind:<9} {at_hand:<9} {info.note}")


@data_app.command("fetch", short_help="Download data sets, and check that they load.")
def data_fetch(
    names: Annotated[list[str], typer.Argument(help="Their names: `fa-lib data list`.")],
) -> None:
    """Download data sets that are not at hand yet, and check that they load."""
    for name in names:
        _show_data(name)


@data_app.command("info", short_help="Show what is known of a data set.")
def data_info(
    name: Annotated[str, typer.Argument(help="Its name: `fa-lib data list`.")],
) -> None:
    """Show what is known of a data set; its sizes and fingerprint when it is at hand."""
    from fa_lib._recipes import RECIPES
    from fa_lib.data import dataset_info

    info = dataset_info(name)
    typer.echo(f"{info.name}: {info.title}; {info.note}")
    typer.echo(f"  {info.kind}, {info.where}")
    if name in RECIPES:
        typer.echo(f"  fingerprint of what the recipe makes: {RECIPES[name].fingerprint}")
    if info.at_hand:
        _show_data(name)
    else:
        typer.echo(f"  not at hand: fa-lib data fetch {name}")


def _show_data(name: str) -> None:
    from fa_lib.data import load_dataset

    data = load_dataset(name)
    shape = "x".join(map(str, data.image_shape))
    typer.echo(
        f"{data.name}: {len(data.train):,} for training, {len(data.test):,} for testing, {shape}, "
        f"{data.classes} classes, fingerprint {data.fingerprint}"
    )


@results_app.command("list")
def results_list() -> None:
    """List what is stored, and where."""
    from fa_lib import results
    from fa_lib.results import BadResult

    for folder, name in results.stored():
        try:
            facts = results.read(folder, name).provenance
            text = f"{facts['rows']:,} rows, {facts['seconds']:.0f} s on {facts['device']}"
            typer.echo(f"{folder / name}: {text}, {facts['date']}")
        except BadResult as bad:
            typer.echo(f"{folder / name}: {bad}")
    typer.echo(f"New results go to {results.write_root()}")


@results_app.command("check", short_help="Check every stored result.")
def results_check(
    data: Annotated[
        bool, typer.Option("--data", help="Load the data sets at hand, and compare them as well.")
    ] = False,
) -> None:
    """Check every stored result; exit with 1 when one is damaged, stale or foreign.

    Stale: its config, pieces, constants, rules or data have changed, or the code here gives other
    numbers in a trial of the engine and its measures. Other code: modules that its numbers rest on
    have changed, but that trial gives the same numbers. It does not try the experiment itself:
    `fa-lib verify` computes a sample of the result again.
    """
    from fa_lib.experiments import check

    statuses = check(data)
    for status in statuses:
        reason = f": {status.reason}" if status.reason else ""
        typer.echo(f"{status.state:<10} {status.path}{reason}")
    bad = sum(not status.usable for status in statuses)
    other = sum(status.usable and status.state != "good" for status in statuses)
    typer.echo(f"{len(statuses)} stored, {other} made by other code, {bad} not usable")
    if bad:
        typer.echo("Compute these again with fa-lib run, or remove both of their files.", err=True)
        raise typer.Exit(1)


@app.command(short_help="Show versions, device, data at hand, and where results go.")
def doctor() -> None:
    """Show versions, device, data at hand, where results go and the room left there."""
    import importlib.metadata

    import torch

    from fa_lib import results
    from fa_lib._device import resolve_device
    from fa_lib.data import data_root, dataset_info, list_datasets

    facts = results.circumstances(resolve_device("auto"))
    typer.echo(f"fa_lib      {facts['code']}")
    typer.echo(f"python      {facts['python']}")
    for name in ("torch", "torchvision", "numpy", "pandas", "pyarrow", "scipy"):
        typer.echo(f"{name:<11} {importlib.metadata.version(name)}")
    typer.echo(f"device      {facts['device']}")
    typer.echo(f"threads     {torch.get_num_threads()} of {os.cpu_count()} processors")
    infos = [dataset_info(name) for name in list_datasets()]
    typer.echo(f"data        in {data_root()}, {_free(data_root())}")
    typer.echo(f"  at hand   {', '.join(info.name for info in infos if info.at_hand)}")
    typer.echo(f"  to fetch  {', '.join(info.name for info in infos if not info.at_hand)}")
    root = results.write_root()
    typer.echo(f"results     in {root}, {_free(root)}")
    try:
        results.ensure_writable(root)
    except results.StoreError as error:
        typer.echo(f"  {error}")


def _free(folder: Path) -> str:
    there = next(parent for parent in (folder, *folder.parents) if parent.is_dir())
    return f"{shutil.disk_usage(there).free / 1e9:.1f} GB free"


def _say_warning(message: Warning | str, *_: object, **__: object) -> None:
    typer.echo(f"warning: {message}", err=True)


def main() -> None:
    """Run the command; what a user can put right is said in one line, and the exit status is 1."""
    with warnings.catch_warnings():
        warnings.showwarning = _say_warning
        try:
            app(prog_name="fa-lib")
        except (ValueError, TypeError, KeyError, FileNotFoundError, RuntimeError) as error:
            text = str(error.args[0]) if isinstance(error, KeyError) else str(error)
            typer.echo(f"error: {' '.join(text.split())}", err=True)
            sys.exit(1)


if __name__ == "__main__":
    main()
