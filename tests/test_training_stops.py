"""How training stops early: bad input, a loss that diverges, an interruption; what is left then."""

import math
import pickle
import threading
from collections.abc import Callable

import pandas as pd
import pytest
import torch
from small_networks import SEEDS, copies, make, same, split
from torch import Tensor

from fa_lib import MLP, DivergenceError, Split, fit, pretrain

# Divergence, interruption, threads


def test_a_diverging_network_is_named_and_what_was_recorded_is_kept() -> None:
    net = make()
    net.weights[0][1] = 1e25
    net.weights[1][1] = 1e25  # the product overflows
    with pytest.raises(DivergenceError) as caught:
        pretrain(net, steps=100)
    error = caught.value
    assert error.seeds == [SEEDS[1]]
    assert error.step == 0
    assert "at step 0 for seed(s) 0: lower lr" in str(error)
    assert "\n" not in str(error)
    assert error.history["loss"].loc[0].isna().tolist() == [False, True, False]


@pytest.mark.parametrize("chunked", [False, True])
def test_divergence_from_too_large_a_step(chunked: bool, request: pytest.FixtureRequest) -> None:
    if chunked:
        request.getfixturevalue("small_chunks")
    net = make(sizes=[12, 4])
    with pytest.raises(DivergenceError) as caught:
        fit(net, split(), steps=1000, lr=3e38, optimizer="sgd", record_every=1)
    error = caught.value
    assert set(error.seeds) <= set(SEEDS)
    assert 0 < error.step < 10
    frame = error.history.to_frame()
    assert (frame["step"] <= 10).all()
    mine = error.history["loss"][error.seeds[0]]
    assert mine.loc[: error.step - 1].notna().all()
    assert not math.isfinite(mine.loc[error.step])


def test_divergence_survives_a_trip_between_processes() -> None:
    with pytest.raises(DivergenceError) as caught:
        fit(make(sizes=[12, 4]), split(), steps=50, lr=3e38, optimizer="sgd")
    arrived = pickle.loads(pickle.dumps(caught.value))
    assert str(arrived) == str(caught.value)
    assert (arrived.seeds, arrived.step) == (caught.value.seeds, caught.value.step)
    pd.testing.assert_frame_equal(arrived.history.frame, caught.value.history.frame)


def threads_at_work() -> set[threading.Thread]:
    """All but daemons: tqdm leaves one that watches its bars."""
    return {thread for thread in threading.enumerate() if not thread.daemon}


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
@pytest.mark.parametrize("seeds", [[0], range(8)])
def test_an_interruption_stops_all_threads(
    seeds: list[int], error: type[BaseException], small_chunks: None
) -> None:
    threads = threads_at_work()
    calls = []

    def interrupt(net: MLP) -> Tensor:
        calls.append(net.seeds)
        if len(calls) == 20:
            raise error
        return torch.zeros(len(net))

    with pytest.raises(error):
        pretrain(make(seeds=seeds), steps=10_000, record_every=1, measure={"mine": interrupt})
    assert len(calls) < 1000
    assert threads_at_work() == threads
    assert torch.get_num_threads() == 2


def test_threads_are_given_back(small_chunks: None) -> None:
    threads = threads_at_work()
    names = set()

    def where(net: MLP) -> Tensor:
        names.add(threading.current_thread().name)
        assert torch.get_num_threads() == 1
        return torch.zeros(len(net))

    pretrain(make(seeds=range(6)), steps=3, measure={"mine": where})
    assert threading.current_thread().name not in names
    assert 1 <= len(names) <= 2
    assert threads_at_work() == threads
    assert torch.get_num_threads() == 2
    later = []  # threads started afterwards find the number that was there before
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert later == [2]


# Bad input

BOTH = [
    ({"lr": 0.0}, ValueError, "lr must be above 0, got 0.0."),
    ({"lr": -1e-4}, ValueError, "lr must be above 0, got -0.0001."),
    ({"lr": math.nan}, ValueError, "lr must be finite, got nan."),
    ({"lr": math.inf}, ValueError, "lr must be finite, got inf."),
    ({"lr": "1e-4"}, TypeError, "lr must be a number, got '1e-4'."),
    ({"batch_size": 0}, ValueError, "batch_size must be at least 1, got 0."),
    ({"batch_size": -64}, ValueError, "batch_size must be at least 1, got -64."),
    ({"batch_size": 6.4}, TypeError, "batch_size must be a whole number, got 6.4."),
    ({"steps": -1}, ValueError, "steps must be at least 0, got -1."),
    ({"steps": 1.5}, TypeError, "steps must be a whole number, got 1.5."),
    ({"steps": True}, TypeError, "steps must be a whole number, got True."),
    ({"optimizer": "Adamw"}, ValueError, "Unknown optimizer 'Adamw'. Did you mean 'adam'?"),
    ({"optimizer": "rmsprop"}, ValueError, "Unknown optimizer 'rmsprop'. Allowed: adam, sgd."),
    ({"record_every": 0}, ValueError, "record_every must be at least 1, got 0."),
    ({"record_every": 2.5}, TypeError, "record_every must be a whole number, got 2.5."),
    ({"record_every": [1, 9]}, ValueError, "record_every names step 9, but there are 5 steps."),
    ({"record_every": [-1]}, ValueError, "Each recorded step must be at least 0, got -1."),
    ({"record_every": [0.5]}, TypeError, "Each recorded step must be a whole number, got 0.5."),
]
LABELS = Split(torch.rand(5, 12), torch.arange(5))
WIDE = Split(torch.rand(5, 13), torch.arange(5) % 4)
FIT = [
    ({"epochs": 1}, ValueError, "Give either epochs or steps."),
    ({"steps": None}, ValueError, "Give either epochs or steps."),
    ({"steps": None, "epochs": -1}, ValueError, "epochs must be at least 0, got -1."),
    ({"steps": None, "epochs": True}, TypeError, "epochs must be a whole number, got True."),
    ({"split": LABELS}, ValueError, "Labels must lie in 0 to 3, got 0 to 4."),
    ({"split": WIDE}, ValueError, "Inputs must be [B, 12] or [3, B, 12], got [5, 13]."),
    ({"test": LABELS}, ValueError, "Labels must lie in 0 to 3, got 0 to 4."),
    ({"test": {"far": WIDE}}, ValueError, "Inputs must be [B, 12] or [3, B, 12], got [5, 13]."),
    ({"split": "mnist5k"}, TypeError, "a torch data set of such pairs that has a length, got str."),
    ({"test": 5}, TypeError, "a torch data set of such pairs that has a length, got int."),
]
PRETRAIN = [
    (
        {"noise": "uniform"},
        TypeError,
        "noise must be a Noise such as Noise(mean=0.5), got 'uniform'.",
    )
]


@pytest.mark.parametrize(
    ("function", "changes", "error", "message"),
    [(fit, *case) for case in BOTH + FIT] + [(pretrain, *case) for case in BOTH + PRETRAIN],
)
def test_bad_input(function: Callable, changes: dict, error: type[Exception], message: str) -> None:
    net = make()
    start = copies(net)
    arguments: dict = {"steps": 5} | ({"split": split()} if function is fit else {}) | changes
    with pytest.raises(error) as caught:
        function(net, **arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert same(copies(net), start)
    assert net.noise_steps == 0
