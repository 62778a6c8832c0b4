"""`fa-lib reproduce`: everything that is missing or stale, in one go, with an estimate first."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import torch

__all__ = ["Outstanding", "outstanding", "reproduce", "seconds_per_network_step"]

# What needs torch is imported in the functions, so that help comes at once.


@dataclass(frozen=True)
class Outstanding:
    """A result that is missing or stale.

    Attributes:
        name: of the experiment.
        pieces, done: how many pieces it has, and how many of them a stopped run has finished.
        network_steps: of the pieces that are left.
        to_fetch: data sets that would have to be downloaded first.
    """

    name: str
    pieces: int
    done: int
    network_steps: float
    to_fetch: tuple[str, ...]


def outstanding(profile: str) -> list[Outstanding]:
    """What the whole paper has no usable result of in a profile, in the order of the registry.

    Raises:
        ValueError: an unknown profile.
    """
    from fa_lib import results
    from fa_lib._checks import choice
    from fa_lib.data import dataset_info, list_datasets
    from fa_lib.experiments import get_experiment, stored_result
    from fa_lib.experiments._identity import identity_now
    from fa_lib.experiments._registry import REGISTRY
    from fa_lib.experiments._runner import finished, partial_folder

    found = []
    for name in REGISTRY:
        experiment = get_experiment(name)
        config = experiment.PROFILES[choice(profile, experiment.PROFILES, "profile")]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", results.StoreWarning)  # `run` will give them
            if stored_result(name, profile) is not None:
                continue
            pieces, sets = list(experiment.pieces(config)), experiment.data_sets(config)
            known = set(list_datasets())
            absent = [data for data in sets if data not in known or not dataset_info(data).at_hand]
            folder, done_before = partial_folder(name, config), set[str]()
            if folder.is_dir() and not absent:
                done_before = set(finished(folder, pieces, identity_now(name, sets)))
        left = [piece for piece in pieces if piece.name not in done_before]
        steps = sum(piece.cost for piece in left)
        done = len(pieces) - len(left)
        found.append(Outstanding(name, len(pieces), done, steps, tuple(absent)))
    return found


def seconds_per_network_step(device: torch.device) -> float:
    """Measured on ten networks of 784-512-10 at batch 64, a second or two of noise training."""
    from fa_lib.networks import MLP
    from fa_lib.training import pretrain

    net = MLP([784, 512, 10], rule="fa", seeds=range(10), device=device)
    pretrain(net, steps=5, progress=False)  # the first steps set everything up
    steps, began = 0, time.perf_counter()
    while time.perf_counter() - began < 1:
        # A record reads the loss off the device, so the time ends when the work does.
        pretrain(net, steps=20, record_every=20, progress=False)
        steps += 20 * len(net)
    return (time.perf_counter() - began) / steps


def reproduce(
    profile: Annotated[
        str,
        typer.Option(help="smoke (minutes), quick (about ten minutes) or paper (hours)."),
    ] = "paper",
    device: Annotated[
        str, typer.Option(help="auto (a GPU when there is one), cpu, cuda or cuda:1.")
    ] = "auto",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what there is to do, and about how long.")
    ] = False,
) -> None:
    """Run every experiment whose result of a profile is missing or stale.

    Says first what is to be done and about how long it takes here. Finished pieces are kept: a run
    that was stopped goes on with the same command. An experiment that cannot be run, for want of
    its data for example, does not stop the others.
    """
    from fa_lib._device import resolve_device
    from fa_lib.experiments import run

    todo = outstanding(profile)
    if not todo:
        typer.echo(f"Every experiment's {profile} result is stored and fit for use.")
        return
    width = max(len(task.name) for task in todo)
    pace = seconds_per_network_step(resolve_device(device))
    for task in todo:
        resumed = f", {task.done} of {task.pieces} pieces done" if task.done else ""
        typer.echo(
            f"{task.name:<{width}} {task.network_steps:>14,.0f} network-steps, about "
            f"{_duration(pace * task.network_steps)}{resumed}"
        )
        if task.to_fetch:
            typer.echo(f"{'':<{width}} not at hand: {', '.join(task.to_fetch)}")
    total = pace * sum(task.network_steps for task in todo)
    typer.echo(
        f"About {_duration(total)} in all, at {1000 * pace:.2f} ms a network-step of 784-512-10 "
        "here; wider networks, larger images and measuring come on top."
    )
    if dry_run:
        return
    failed = []
    for task in todo:
        try:
            result = run(task.name, profile, device)
        except (ValueError, RuntimeError, OSError) as error:
            failed.append(task.name)
            typer.echo(f"{task.name}: {error}", err=True)
        except KeyboardInterrupt:
            typer.echo("Stopped. The same command goes on after the last finished piece.", err=True)
            raise typer.Exit(130) from None
        else:
            took = _duration(result.provenance["seconds"])
            typer.echo(f"{task.name}: {took}, stored in {result.path}")
    if failed:
        typer.echo(f"Not done: {', '.join(failed)}.", err=True)
        raise typer.Exit(1)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"
