"""How the pieces of Figures 2 to 4 are trained and measured, a function for each kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch

from fa_lib.experiments import _measures
from fa_lib.experiments._arms import (
    ARMS,
    MAIN_ARMS,
    Preparation,
    learn,
    material,
    own_examples,
    start,
    steps_before,
    test_images,
    trained_before,
)
from fa_lib.experiments._paths import Snapshots, in_the_plane, readout_targets, spectra
from fa_lib.experiments._patience import Patience
from fa_lib.history import Measure, MeasureAt

if TYPE_CHECKING:
    from fa_lib.experiments.learning import Config

STRUCTURE_UNITS = (0, 1, 2, 5, 10, 15, 20)
GRADIENT_UNITS = 5.0  # the angle of updates is measured up to here, and now and then afterwards


def _preparation(
    config: Config, seeds: tuple[int, ...], device: torch.device, **changes: Any
) -> Preparation:
    data = material(config.dataset, config.validation)
    settings = {
        "width": config.widths[0],
        "steps": config.noise_steps,
        "records": config.noise_records,
        **changes,
    }
    return Preparation(
        sizes=(data.features, settings.pop("width"), data.classes),
        seeds=seeds,
        dataset=config.dataset,
        validation=config.validation,
        batch_size=config.batch_size,
        lr=config.noise_lr,
        device=device,
        **settings,
    )


def _noise(config: Config, params: dict[str, Any], device: torch.device) -> pd.DataFrame:
    prep = _preparation(config, params.pop("seeds"), device, width=params["width"])
    arm = ARMS[params["arm"]]
    _, history = trained_before(arm.before, arm.before_rule, prep)
    return history.assign(**params, lr=config.noise_lr, noise_steps=0, setting="", n=0)


def _data(config: Config, params: dict[str, Any], device: torch.device) -> pd.DataFrame:
    arm, n, setting, seeds = (params[key] for key in ("arm", "n", "setting", "seeds"))
    prep = _preparation(config, seeds, device)
    data = material(config.dataset, config.validation)
    lr, scale = config.data_lr(setting, n, arm)
    curve = config.curve(n)
    rows = own_examples(data.train, n, seeds)
    train, validation = data.train.to(device), data.validation.to(device)
    at = {curve.at(unit) for unit in STRUCTURE_UNITS if unit <= curve.units}
    train_measure = _measures.own_training_data(train, rows.to(device), seeds)
    measure: dict[str, Measure | MeasureAt] = {"train": MeasureAt(curve.records, train_measure)}
    main, large = arm in MAIN_ARMS, n >= config.headline
    if main and large:
        measure["structure"] = MeasureAt(at, _measures.structure(validation))
    if large:
        early = {s for s in curve.records if s <= curve.at(GRADIENT_UNITS)} | at
        measure["gradient"] = MeasureAt(early, _measures.gradient_angles(validation))
        measure["path"] = MeasureAt(curve.records, _measures.path_of_readout())
    steps, records = curve.steps, curve.records
    longer = main and n == config.headline
    if longer:
        steps = max(steps, config.max_epochs * curve.steps_per_epoch)
        records = records + list(range(records[-1], steps, 2 * curve.steps_per_epoch))
    test = {"test": test_images(config.dataset)}
    if main and large:
        test["validation"] = data.followed
    patience = Patience(config.patience * curve.steps_per_epoch, not_before=curve.steps)
    _, history = learn(
        arm,
        prep,
        n,
        lr,
        scale,
        steps=steps,
        test=test,
        record_every=records,
        measure=measure,
        stop_when=patience if longer else None,
    )
    return history.to_frame().assign(
        panel="data",
        arm=arm,
        setting=setting,
        n=n,
        width=config.widths[0],
        lr=lr,
        noise_steps=steps_before(arm, prep),
    )


def _paths(config: Config, params: dict[str, Any], device: torch.device) -> pd.DataFrame:
    seeds = config.seeds[: config.path_seeds]
    prep = _preparation(config, seeds, device)
    curve = config.curve(config.headline)
    states = {"start": start("FA", prep), "noise": start("FAN", prep)}
    snapshots = {arm: Snapshots() for arm in ("FA", "FAN", "Z", "BP")}
    for arm, taken in snapshots.items():
        states[arm], _ = learn(
            arm,
            prep,
            config.headline,
            config.lr,
            steps=curve.steps,
            record_every=max(1, curve.steps // 200),
            callback=taken.take,
        )
    targets = readout_targets(states["start"])
    del snapshots["BP"]
    plane = in_the_plane(snapshots, targets).assign(panel="path")
    states.pop("Z")
    table = pd.concat([plane, spectra(states).assign(panel="spectrum")], ignore_index=True)
    return table.assign(
        setting="F",
        n=config.headline,
        width=config.widths[0],
        lr=config.lr,
        noise_steps=table["arm"].isin(["FAN", "noise"]) * config.noise_steps,
    )


def _map(config: Config, params: dict[str, Any], device: torch.device) -> pd.DataFrame:
    seeds = config.seeds[: config.map_seeds]
    noise_steps, lr = params["noise_steps"], params["lr"]
    changes = {"width": params["width"], "steps": noise_steps, "records": 0}
    prep = _preparation(config, seeds, device, **changes)
    data = material(config.dataset, config.validation)
    arm, n = "FAN" if noise_steps else "FA", config.headline
    curve = config.curve(n)
    rows = own_examples(data.train, n, seeds)
    train, validation = data.train.to(device), data.validation.to(device)
    records = [curve.at(unit) for unit in range(curve.units + 1)]
    early = {s for s in records if s <= curve.at(GRADIENT_UNITS)}
    measure: dict[str, Measure | MeasureAt] = {
        "train": _measures.own_training_data(train, rows.to(device), seeds),
        "gradient": MeasureAt(early, _measures.gradient_angles(validation)),
        "structure": MeasureAt({records[-1]}, _measures.structure(validation)),
    }
    _, history = learn(
        arm,
        prep,
        n,
        lr,
        steps=curve.steps,
        test=test_images(config.dataset),
        record_every=records,
        measure=measure,
    )
    return history.to_frame().assign(**params, arm=arm, setting="", n=n)


PANELS: Mapping[str, Callable[[Config, dict[str, Any], torch.device], pd.DataFrame]] = {
    "noise": _noise,
    "data": _data,
    "paths": _paths,
    "map": _map,
}
