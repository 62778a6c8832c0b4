"""Callbacks in training: what they are shown and when, one call at a time, errors in them."""

import threading
import time
from collections.abc import Callable, Mapping

import pandas as pd
import pytest
from small_networks import SEEDS, copies, make, same, split
from torch import Tensor

from fa_lib import MLP, History, fit, pretrain

STEPS = 7
RECORDED = [0, 3, 6, 7]


def noise(net: MLP, **how) -> History:
    return pretrain(net, steps=STEPS, batch_size=5, lr=1e-2, record_every=3, progress=False, **how)


def data(net: MLP, **how) -> History:
    how = {"test": split(20, 1), "record_every": 3, **how}
    return fit(net, split(), steps=STEPS, batch_size=16, lr=1e-2, progress=False, **how)


both = pytest.mark.parametrize("train", [noise, data])


@both
@pytest.mark.usefixtures("small_chunks")
def test_it_is_called_once_at_a_time_though_two_threads_train(train: Callable) -> None:
    inside, threads, most = [], set(), 0

    def slow(part: MLP, step: int, values: Mapping[str, Tensor]) -> None:
        nonlocal most
        inside.append(part.seeds)
        time.sleep(0.002)
        most = max(most, len(inside))
        threads.add(threading.current_thread().name)
        inside.remove(part.seeds)

    train(make(seeds=range(6)), callback=slow)
    assert len(threads) == 2
    assert most == 1


@both
@pytest.mark.usefixtures("small_chunks")
def test_it_is_shown_every_network_at_every_record_once_as_in_the_history(train: Callable) -> None:
    shown = []

    def look(part: MLP, step: int, values: Mapping[str, Tensor]) -> None:
        for metric, numbers in values.items():
            for seed, number in zip(part.seeds, numbers.tolist(), strict=True):
                shown.append((seed, step, metric, number))

    net = make()
    norm = {"norm": lambda part: part.weights[0].flatten(1).norm(dim=1)}
    history = train(net, measure=norm, callback=look).to_frame()
    assert {"loss", "norm"} < set(history["metric"])
    order = ["seed", "metric", "step"]
    found = pd.DataFrame(shown, columns=history.columns)
    assert sorted(set(found["step"])) == RECORDED
    pd.testing.assert_frame_equal(
        found.sort_values(order, ignore_index=True),
        history.sort_values(order, ignore_index=True),
        check_exact=True,
    )


def test_its_step_counts_all_noise_steps_but_the_data_steps_of_the_call() -> None:
    net, shown = make(), []
    for train in (noise, noise, data, data):
        train(net, callback=lambda part, step, values: shown.append(step))
    later = [STEPS + step for step in RECORDED]
    assert shown == RECORDED + later + RECORDED + RECORDED


@both
@pytest.mark.usefixtures("small_chunks")
def test_it_sees_networks_before_they_learn_from_the_step(train: Callable) -> None:
    states: dict[tuple[int, int], list[Tensor]] = {}

    def keep(part: MLP, step: int, values: Mapping[str, Tensor]) -> None:
        for i, seed in enumerate(part.seeds):
            states[seed, step] = [p[i] for p in copies(part)]

    net = make()
    fresh = copies(net)
    train(net, callback=keep)
    for i, seed in enumerate(SEEDS):
        assert same(states[seed, 0], [p[i] for p in fresh])
        assert not same(states[seed, 6], states[seed, 7])
        assert same(states[seed, 7], [p[i] for p in copies(net)])


@both
@pytest.mark.usefixtures("small_chunks")
def test_it_changes_nothing_whatever_it_returns(train: Callable) -> None:
    plain, watched = make(), make()
    histories = train(plain), train(watched, callback=lambda part, step, values: True)
    assert same(copies(plain), copies(watched))
    pd.testing.assert_frame_equal(*(h.to_frame() for h in histories), check_exact=True)


@both
@pytest.mark.usefixtures("small_chunks")
def test_an_error_in_it_ends_the_training_and_comes_out(train: Callable) -> None:
    calls = []

    def fail(part: MLP, step: int, values: Mapping[str, Tensor]) -> None:
        calls.append(step)
        if step == 3:
            raise ZeroDivisionError("mine")

    net = make(seeds=range(40))
    with pytest.raises(ZeroDivisionError, match="mine"):
        train(net, callback=fail)
    assert max(calls) == 3
    assert calls.count(3) <= 2  # one in each thread, though forty networks were to be trained


def test_it_is_called_where_training_is_stopped_too() -> None:
    calls = []
    data(
        make(),
        callback=lambda part, step, values: calls.append(("callback", step)),
        stop_when=lambda part, step, values: calls.append(("stop_when", step)) or step == 3,
    )
    assert calls == [("callback", 0), ("stop_when", 0), ("callback", 3), ("stop_when", 3)]


@both
def test_a_measure_that_records_nothing_is_refused(train: Callable) -> None:
    message = r"measure 'mine' gave an empty mapping.*callback"
    with pytest.raises(ValueError, match=message):
        train(make(), measure={"mine": lambda part: {}})
