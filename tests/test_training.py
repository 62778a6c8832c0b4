"""Training against plain torch loops; what is recorded; chunks, threads and interruptions."""

import itertools
import math
import pickle
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from fa_lib import MLP, DivergenceError, History, Noise, Split, _streams, evaluate, fit, pretrain
from fa_lib import training as training_module
from fa_lib.noise import NoiseStream

SIZES = [12, 9, 7, 4]
SEEDS = [4, 0, 9]


def make(rule: str = "fa", sizes=SIZES, seeds=SEEDS, **arguments) -> MLP:
    return MLP(sizes, rule=rule, seeds=seeds, device="cpu", **arguments)


def split(n: int = 50, seed: int = 0) -> Split:
    x = torch.randn(n, 12, generator=torch.Generator().manual_seed(seed))
    return Split(x, x[:, :4].argmax(dim=1))


def copies(net: MLP) -> list[Tensor]:
    return [p.clone() for p in net.parameters()]


def restore(net: MLP, values: list[Tensor]) -> None:
    for parameter, value in zip(net.parameters(), values, strict=True):
        parameter.copy_(value)


def same(first: list[Tensor], second: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def small_chunks(two_threads: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads, and room for a single network in a chunk."""
    monkeypatch.setattr(training_module, "CHUNK_BYTES", 1)


# Against a training loop as one writes it in plain torch, a network at a time


def plain_network(net: MLP, i: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for layer, weight in enumerate(net.weights):
        linear = nn.Linear(*weight.shape[:0:-1], bias=bool(net.biases), dtype=net.dtype)
        linear.weight.data.copy_(weight[i])
        if net.biases:
            linear.bias.data.copy_(net.biases[layer][i])
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def plain_training(model: nn.Sequential, batches: list, optimizer: str, lr: float) -> list[float]:
    """Train on the batches but the last; the loss on each before it is learnt from."""
    optimiser = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[optimizer](
        model.parameters(), lr=lr, foreach=False
    )
    losses = []
    for i, (x, y) in enumerate(batches):
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        losses.append(loss.item())
        if i < len(batches) - 1:
            loss.backward()
            optimiser.step()
    return losses


def check_against_plain_training(
    net: MLP, start: MLP, history: History, batches: Callable, optimizer: str, lr: float
) -> None:
    for i, seed in enumerate(net.seeds):
        model = plain_network(start, i)
        losses = plain_training(model, batches(seed), optimizer, lr)
        np.testing.assert_allclose(history["loss"][seed].to_numpy(), losses, rtol=1e-10)
        linears = [module for module in model if isinstance(module, nn.Linear)]
        expected = [m.weight for m in linears] + [m.bias for m in linears if m.bias is not None]
        for parameter, reference in zip(net.parameters(), expected, strict=True):
            torch.testing.assert_close(parameter[i], reference.detach(), rtol=1e-9, atol=1e-11)


SETTINGS = [
    ([12, 4], True, "adam", 1e-2),
    ([12, 9, 4], True, "adam", 1e-2),
    ([12, 9, 4], False, "sgd", 0.1),
    (SIZES, True, "sgd", 0.1),
    ([12, 9, 7, 6, 4], False, "adam", 1e-3),
]


@pytest.mark.parametrize(("sizes", "bias", "optimizer", "lr"), SETTINGS)
def test_fit_against_a_plain_loop(sizes: list[int], bias: bool, optimizer: str, lr: float) -> None:
    net, start = (make("bp", sizes, bias=bias, dtype=torch.float64) for _ in range(2))
    data, epochs, batch = split(50), 3, 16  # four batches an epoch, the last of 2

    def batches(seed: int) -> list:
        orders = [
            torch.randperm(50, generator=_streams.generator(seed, "order", epoch))
            for epoch in range(epochs + 1)
        ]
        rows = [rows for order in orders for rows in order.split(batch)]
        return [(data.x[r].double(), data.y[r]) for r in rows[: 4 * epochs + 1]]

    history = fit(
        net, data, epochs=epochs, batch_size=batch, lr=lr, optimizer=optimizer, record_every=1
    )
    check_against_plain_training(net, start, history, batches, optimizer, lr)


@pytest.mark.parametrize(
    "noise", [Noise(), Noise("uniform", 0.5, 0.3), Noise("bernoulli", target="uniform")]
)
@pytest.mark.parametrize(("sizes", "bias", "optimizer", "lr"), SETTINGS)
def test_pretrain_against_a_plain_loop(
    sizes: list[int], bias: bool, optimizer: str, lr: float, noise: Noise
) -> None:
    net, start = (make("bp", sizes, bias=bias, dtype=torch.float64) for _ in range(2))

    def batches(seed: int) -> list:
        stream = NoiseStream(noise, [seed], (5, 12), 4, torch.device("cpu"), torch.float64)
        return [tuple(t[0].clone() for t in stream(step)) for step in range(11)]

    history = pretrain(
        net, steps=10, batch_size=5, lr=lr, noise=noise, optimizer=optimizer, record_every=1
    )
    check_against_plain_training(net, start, history, batches, optimizer, lr)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("rule", ["bp", "fa"])
def test_the_stack_against_separate_optimisers(rule: str, optimizer: str) -> None:
    net = make(rule, dtype=torch.float64)
    pretrain(net, steps=30, batch_size=7, lr=1e-2, optimizer=optimizer)
    for i, seed in enumerate(SEEDS):
        alone = make(rule, seeds=[seed], dtype=torch.float64)
        stream = NoiseStream(Noise(), [seed], (7, 12), 4, torch.device("cpu"), torch.float64)
        kind = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[optimizer]
        optimisers = [kind([parameter], lr=1e-2) for parameter in alone.parameters()]
        for step in range(30):
            alone.backward(*stream(step))
            for optimiser in optimisers:
                optimiser.step()
        for stacked, single in zip(net.parameters(), alone.parameters(), strict=True):
            torch.testing.assert_close(stacked[i], single[0], rtol=1e-9, atol=1e-12)


# Alone or among others, whole or in pieces


def train_both_ways(net: MLP) -> tuple[History, History]:
    noise = pretrain(net, steps=60, batch_size=9, lr=1e-3, record_every=20)
    return noise, fit(net, split(), epochs=3, batch_size=16, lr=1e-3, test=split(30, 1))


@pytest.mark.parametrize("rule", ["bp", "fa"])
def test_a_network_learns_the_same_alone_and_among_others(rule: str, small_chunks: None) -> None:
    stack = make(rule, seeds=[7, 1, 4, 0, 9])  # five chunks on two threads
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_module, "CHUNK_BYTES", 1e9)
        whole, pair = make(rule, seeds=[7, 1, 4, 0, 9]), make(rule, seeds=[9, 4])
        of_whole, of_pair = train_both_ways(whole), train_both_ways(pair)
    of_stack = train_both_ways(stack)
    alone = make(rule, seeds=[4])
    of_alone = train_both_ways(alone)
    places = [(stack, 2, of_stack), (whole, 2, of_whole), (pair, 1, of_pair)]
    for net, place, histories in places:
        for stacked, single in zip(net.parameters(), alone.parameters(), strict=True):
            # Sums in another order: float32 rounding through 72 steps.
            torch.testing.assert_close(stacked[place], single[0], rtol=1e-4, atol=1e-6)
        for history, expected in zip(histories, of_alone, strict=True):
            frame = history.to_frame()
            rows = frame[frame["seed"] == 4].reset_index(drop=True)
            pd.testing.assert_frame_equal(rows, expected.to_frame(), rtol=1e-4, atol=1e-5)


def test_the_same_seeds_give_the_same_numbers_bit_for_bit(two_threads: None) -> None:
    first, second = make(), make()
    for a, b in zip(train_both_ways(first), train_both_ways(second), strict=True):
        pd.testing.assert_frame_equal(a.to_frame(), b.to_frame(), check_exact=True)
    assert same(copies(first), copies(second))


def test_order_of_data_is_the_same_with_and_without_noise_before() -> None:
    plain, noisy = make(), make()
    start = copies(noisy)
    pretrain(noisy, steps=7)
    restore(noisy, start)
    fit(plain, split(), epochs=2)
    fit(noisy, split(), epochs=2)
    assert same(copies(plain), copies(noisy))


def test_noise_is_the_same_with_and_without_data_before() -> None:
    plain, taught = make(), make()
    start = copies(taught)
    fit(taught, split(), epochs=2)
    restore(taught, start)
    pretrain(plain, steps=7)
    pretrain(taught, steps=7)
    assert same(copies(plain), copies(taught))


def test_noise_training_in_two_calls_equals_one() -> None:
    whole, halves = make(), make()
    once = pretrain(whole, steps=40, optimizer="sgd", lr=0.05, record_every=10)
    first = pretrain(halves, steps=30, optimizer="sgd", lr=0.05, record_every=10)
    second = pretrain(halves, steps=10, optimizer="sgd", lr=0.05, record_every=10)
    assert same(copies(whole), copies(halves))
    assert whole.noise_steps == halves.noise_steps == 40
    joined = pd.concat([first["loss"], second["loss"].iloc[1:]])
    pd.testing.assert_frame_equal(once["loss"], joined, check_exact=True)


def test_epochs_are_steps_by_another_name() -> None:
    by_epochs, by_steps = make(), make()
    first = fit(by_epochs, split(), epochs=2, batch_size=16)
    second = fit(by_steps, split(), steps=8, batch_size=16)
    assert same(copies(by_epochs), copies(by_steps))
    pd.testing.assert_frame_equal(first.to_frame(), second.to_frame(), check_exact=True)


def test_every_epoch_shows_every_image_once_in_a_new_order(two_threads: None) -> None:
    """Seen through SGD from a zero, linear network that is put back after each step."""
    n = 10
    data = Split(torch.eye(n), torch.arange(n) % 2)
    shown = []
    for steps in range(1, 2 * n + 1):
        before, after = (
            MLP([n, 2], rule="bp", seeds=[0, 1], device="cpu", readout_scale=0, bias=False)
            for _ in range(2)
        )
        fit(before, data, steps=steps - 1, batch_size=1, lr=1.0, optimizer="sgd")
        fit(after, data, steps=steps, batch_size=1, lr=1.0, optimizer="sgd")
        changed = (after.weights[0] != before.weights[0]).any(dim=1)
        assert (changed.sum(dim=1) == 1).all()
        shown.append(changed.int().argmax(dim=1).tolist())
    orders = [[row[i] for row in shown] for i in (0, 1)]
    epochs = [order[start : start + n] for order in orders for start in (0, n)]
    assert all(sorted(epoch) == list(range(n)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_recording_does_not_change_training() -> None:
    seldom, often = make(), make()
    pretrain(seldom, steps=20, record_every=20)
    pretrain(often, steps=20, record_every=1)
    fit(seldom, split(), epochs=1)
    fit(often, split(), epochs=1, test=split(20, 1), record_every=1)
    assert same(copies(seldom), copies(often))


# What is learnt


@pytest.mark.parametrize("rule", ["bp", "fa"])
def test_data_are_learnt(rule: str) -> None:
    net = make(rule, [12, 64, 4])
    history = fit(net, split(400), epochs=30, lr=3e-3, test=split(200, 1))
    accuracy = history["test_accuracy"]
    assert (accuracy.iloc[0] < 0.5).all()
    assert (accuracy.iloc[-1] > 0.75).all()
    loss, end = evaluate(net, split(200, 1))
    np.testing.assert_array_equal(accuracy.iloc[-1].to_numpy(), end.numpy())
    np.testing.assert_array_equal(history["test_loss"].iloc[-1].to_numpy(), loss.numpy())


@pytest.mark.parametrize("target", ["labels", "uniform"])
def test_noise_training_ends_at_chance(target: str) -> None:
    """Random labels cannot be predicted: the loss on fresh noise comes down to ln C (claim C1)."""
    net = make("fa", [20, 50, 5], seeds=range(4))
    history = pretrain(
        net, steps=1500, lr=2e-3, noise=Noise(target=target), record_every=range(1400, 1501)
    )
    loss = history["loss"]
    assert (loss.iloc[0] > math.log(5) + 0.1).all()
    assert (abs(loss.iloc[1:].mean() - math.log(5)) < 0.03).all()


def test_a_zero_network_is_at_chance_to_rounding() -> None:
    net = make(readout_scale=0, dtype=torch.float64)
    with pytest.warns(UserWarning, match="undefined"):
        history = pretrain(net, steps=0)
    np.testing.assert_allclose(history["loss"].to_numpy(), math.log(4), rtol=1e-15)


# What is recorded


def test_history_is_tidy() -> None:
    history = pretrain(make(), steps=10, record_every=4)
    frame = history.to_frame()
    assert list(frame.columns) == ["seed", "step", "metric", "value"]
    metrics = [
        "alignment_angle_w2",
        "alignment_angle_w3",
        "centered_alignment_angle_w3",
        "centered_norm_w3",
        "loss",
    ]
    rows = list(itertools.product(SEEDS, metrics, [0, 4, 8, 10]))
    assert list(zip(frame["seed"], frame["metric"], frame["step"], strict=True)) == rows
    assert frame["value"].dtype == np.float64
    frame["value"] = 0.0  # a copy
    assert (history.to_frame()["value"] != 0).all()
    wide = history["loss"]
    assert list(wide.columns) == SEEDS
    assert list(wide.index) == [0, 4, 8, 10]
    tidy = history.to_frame().set_index(["metric", "seed", "step"])["value"]
    assert all(wide.loc[t, s] == tidy["loss", s, t] for s in SEEDS for t in (0, 4, 8, 10))


def test_recorded_measures_are_those_of_the_networks_then() -> None:
    net = make(dtype=torch.float64)
    kept = []
    history = pretrain(
        net,
        steps=3,
        record_every=1,
        measure={
            "copy": lambda n: (
                kept.append(
                    (
                        [w.clone().numpy() for w in n.weights],
                        [b.clone().numpy() for b in n.feedback],
                    )
                )
                or torch.zeros(len(n))
            )
        },
    )
    for step, (weights, feedback) in enumerate(kept):
        for i, seed in enumerate(SEEDS):
            for layer in (1, 2):
                w, b = weights[layer][i], feedback[layer][i]
                cosine = (w * b).sum() / np.linalg.norm(w) / np.linalg.norm(b)
                angle = history[f"alignment_angle_w{layer + 1}"].loc[step, seed]
                assert angle == pytest.approx(np.degrees(np.arccos(cosine)), abs=1e-9)
            w, b = (m - m.mean(axis=0) for m in (w, b))
            cosine = (w * b).sum() / np.linalg.norm(w) / np.linalg.norm(b)
            angle = history["centered_alignment_angle_w3"].loc[step, seed]
            assert angle == pytest.approx(np.degrees(np.arccos(cosine)), abs=1e-9)
            assert history["centered_norm_w3"].loc[step, seed] == pytest.approx(np.linalg.norm(w))


@pytest.mark.parametrize(
    ("record_every", "steps", "recorded"),
    [
        (None, 10, list(range(11))),
        (3, 7, [0, 3, 6, 7]),
        (100, 7, [0, 7]),
        ([5, 2, 5], 7, [0, 2, 5, 7]),
        ([], 7, [0, 7]),
        ([7], 7, [0, 7]),
        (range(1, 3), 7, [0, 1, 2, 7]),
        (np.unique(np.geomspace(1, 7, 3).astype(int)), 7, [0, 1, 2, 7]),
        (None, 0, [0]),
        (1, 0, [0]),
        ([0], 0, [0]),
    ],
)
def test_recorded_steps(record_every: object, steps: int, recorded: list[int]) -> None:
    for train in (
        lambda: pretrain(make(), steps=steps, record_every=record_every),
        lambda: fit(make(), split(), steps=steps, batch_size=50, record_every=record_every),
    ):
        assert list(train()["loss"].index) == recorded


def test_noise_training_records_about_fifty_times() -> None:
    assert list(pretrain(make(), steps=110)["loss"].index) == list(range(0, 111, 2))


def test_fit_records_once_an_epoch_and_its_test_data_by_name() -> None:
    data, one, other = split(50), split(20, 1), split(30, 2)
    net = make()
    history = fit(net, data, epochs=3, batch_size=16, test={"validation": one, "far": other})
    assert list(history["loss"].index) == [0, 4, 8, 12]
    for name, part in (("validation", one), ("far", other)):
        loss, accuracy = evaluate(net, part)
        np.testing.assert_array_equal(history[f"{name}_loss"].iloc[-1].to_numpy(), loss.numpy())
        np.testing.assert_array_equal(
            history[f"{name}_accuracy"].iloc[-1].to_numpy(), accuracy.numpy()
        )


def test_nothing_is_trained_in_no_epochs() -> None:
    net = make()
    start = copies(net)
    history = fit(net, split(), epochs=0, test=split(20, 1))
    assert same(copies(net), start)
    assert list(history["test_loss"].index) == [0]
    pretrain(net, steps=0)
    assert same(copies(net), start)
    assert net.noise_steps == 0


def test_a_data_set_smaller_than_a_batch() -> None:
    history = fit(make(), split(5), epochs=3, batch_size=64)
    assert list(history["loss"].index) == [0, 1, 2, 3]


def test_a_readout_alone_has_no_angles() -> None:
    history = fit(make(sizes=[12, 4]), split(), epochs=1)
    assert set(history.to_frame()["metric"]) == {"loss"}


def test_measures_are_copied_when_recorded(small_chunks: None) -> None:
    """A measure may give a view on weights that training goes on to change."""
    net = make()
    history = fit(
        net,
        split(),
        steps=3,
        record_every=1,
        measure={"weight": lambda n: n.weights[0][:, 0, 0], "seed": lambda n: list(n.seeds)},
    )
    assert (history["weight"].nunique() == 4).all()
    np.testing.assert_allclose(
        history["weight"].iloc[-1].to_numpy(), net.weights[0][:, 0, 0].numpy()
    )
    assert (history["seed"] == SEEDS).all(axis=None)


@pytest.mark.parametrize("value", [torch.zeros(2), torch.zeros(3, 1), 1.0])
def test_a_measure_of_the_wrong_shape(value: object) -> None:
    message = r"measure 'mine' must give one value for each of 3 networks, got shape \["
    with pytest.raises(ValueError, match=message):
        pretrain(make(), steps=5, measure={"mine": lambda _: value})


def test_an_unknown_metric_gets_the_closest_match() -> None:
    history = pretrain(make(), steps=1)
    with pytest.raises(ValueError, match="Did you mean 'loss'"):
        history["lost"]


def test_an_undefined_angle_warns_once_and_is_kept_as_nan(small_chunks: None) -> None:
    net = make(readout_scale=0)
    with pytest.warns(UserWarning, match="undefined") as caught:
        history = fit(net, split(), epochs=2)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    angles = history["centered_alignment_angle_w3"]
    assert angles.iloc[0].isna().all()
    assert list(angles.columns) == SEEDS


def test_a_centered_angle_is_undefined_below_one_percent_of_a_he_normal_norm() -> None:
    net = make()  # seven hidden units, four classes: He variance 2 / 7, three degrees of freedom
    he_norm = math.sqrt(2 / 7 * 7 * 3)
    readout = net.weights[-1]
    readout -= readout.mean(dim=1, keepdim=True)
    for i, share in enumerate((0.0099, 0.0101, 1.0)):
        readout[i] *= share * he_norm / readout[i].norm()
    readout += 5.0  # a common mean, as large as may be, does not count
    with pytest.warns(UserWarning, match=r"undefined.* for seed\(s\) 4:"):
        history = pretrain(net, steps=0)
    assert history["centered_alignment_angle_w3"].loc[0].isna().tolist() == [True, False, False]
    assert history["alignment_angle_w3"].notna().all(axis=None)


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
    ({"split": "mnist5k"}, TypeError, "Data must be a Split such as data.train, got str."),
    ({"test": 5}, TypeError, "Data must be a Split such as data.train, got int."),
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
