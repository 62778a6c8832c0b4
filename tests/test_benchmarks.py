"""What the benchmark compares does the same work, and its clocks say what they should."""

import copy
import itertools
import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import fa_lib as fa
from benchmarks import (
    alternatives,
    ceilings,
    peers,
    precision,
    steps,
    threads,
    timing,
    workloads,
    yardstick,
)
from benchmarks import speed as run_speed
from fa_lib import results, speed
from fa_lib._batches import DataBatches
from fa_lib._pairs import read_pair
from fa_lib.data import dataset_info
from fa_lib.noise import NoiseStream

STEPS = 5
INFO = dataset_info("mnist")


@pytest.fixture(params=[(12, 9, 4), (12, 9, 7, 4)], ids=["2 layers", "3 layers"])
def net(request: pytest.FixtureRequest) -> fa.MLP:
    return fa.MLP(request.param, rule="fa", seeds=(3, 5, 8), device="cpu")


def stacked_noise(net: fa.MLP) -> peers.Batches:
    """The very noise that `pretrain` shows these networks."""
    shape = (peers.BATCH, net.sizes[0])
    stream = NoiseStream(fa.Noise(), net.seeds, shape, net.classes, net.device, net.dtype)
    for step in itertools.count():
        x, y = stream(step)
        yield x.clone(), y.clone()


def of_network(i: int, batches: peers.Batches) -> peers.Batches:
    return ((x[i], y[i]) for x, y in batches)


def assert_same_network(net: fa.MLP, i: int, parameters: dict[str, torch.Tensor]) -> None:
    weights = [p for name, p in parameters.items() if name.endswith(".weight")]
    biases = [p for name, p in parameters.items() if name.endswith(".bias")]
    ours, theirs = [*net.weights, *net.biases], [*weights, *biases]
    assert len(ours) == len(theirs)
    for stack, parameter in zip(ours, theirs, strict=True):
        torch.testing.assert_close(parameter.detach(), stack[i], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("make", [peers.loop_network, peers.nn_network, peers.biotorch_network])
def test_the_loops_train_as_fa_lib_does(net: fa.MLP, make):
    if make is peers.biotorch_network and not peers.BIOTORCH.is_dir():
        pytest.skip("biotorch is not there: make bench installs it")
    start = copy.deepcopy(net)
    fa.pretrain(net, steps=STEPS, lr=peers.LR, progress=False)
    for i in range(len(net)):
        network = make(start[i : i + 1])
        peers.loop(network, of_network(i, stacked_noise(start)))(STEPS)
        assert not torch.equal(net.weights[0][i], start.weights[0][i])
        assert_same_network(net, i, dict(network.named_parameters()))


def test_vmap_trains_as_fa_lib_does(net: fa.MLP):
    other = copy.deepcopy(net)
    fa.pretrain(net, steps=STEPS, lr=peers.LR, progress=False)
    losses = peers.vmap(other, stacked_noise(other))(STEPS)
    assert [tuple(loss.shape) for loss in losses] == [(3,)] * STEPS
    for ours, theirs in zip(net.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(theirs, ours, rtol=1e-4, atol=1e-6)


def test_vmap_trains_on_data_as_fa_lib_does(net: fa.MLP):
    split = fa.Split(torch.rand(100, 12), torch.arange(100) % 4)  # batches of 64 and 36
    other = copy.deepcopy(net)
    fa.fit(net, split, steps=STEPS, lr=peers.LR, progress=False)
    rows = torch.arange(len(split)).expand(len(net), -1)
    draw = DataBatches(other.seeds, other.dtype, split, rows, peers.BATCH)
    peers.vmap(other, ((x.clone(), y) for x, y in map(draw, itertools.count())))(STEPS)
    for ours, theirs in zip(net.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(theirs, ours, rtol=1e-4, atol=1e-6)


def test_no_peer_carries_an_error_below_the_first_layer(monkeypatch: pytest.MonkeyPatch, net):
    """The product that nobody needs would make a peer look slow."""
    asked = []
    original = peers.FeedbackLinear.backward

    def spy(ctx, error):
        asked.append(bool(ctx.needs_input_grad[0]))
        return original(ctx, error)

    for function in (peers.FeedbackLinear, peers.MappedFeedbackLinear):
        monkeypatch.setattr(function, "backward", staticmethod(spy))
    upper = len(net.weights) - 1
    peers.loop(peers.loop_network(net), of_network(0, stacked_noise(net)))(1)
    assert asked == [True] * upper + [False]
    asked.clear()
    peers.vmap(net, stacked_noise(net))(1)
    assert asked == [True] * upper + [False]


def test_data_batches_go_through_every_image_once_an_epoch():
    split = fa.Split(torch.arange(100.0)[:, None], torch.arange(100) % 4)
    stacked = list(itertools.islice(peers.stacked_data(2, split, torch.device("cpu")), 2))
    for i in range(2):
        seen = torch.cat([x[i, :, 0] for x, _ in stacked])
        assert sorted(seen.tolist()) == list(range(100))
        assert torch.equal(torch.cat([y[i] for _, y in stacked]), seen.long() % 4)
    plain = torch.cat([x[:, 0] for x, _ in itertools.islice(peers.host_data(split), 2)])
    assert sorted(plain.tolist()) == list(range(100))


# -- Timing ----------------------------------------------------------------------------------------


def test_a_rate_leaves_out_what_is_paid_once(monkeypatch: pytest.MonkeyPatch):
    """By a clock of our own: each run costs 5 s once, and 0.2 s a step of all ten networks."""
    now = [0.0]

    def train(steps: int) -> None:
        now[0] += 5 + 0.2 * steps

    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])
    before = torch.get_num_threads()
    one = workloads.Contender("fa_lib", networks=10, threads=1, train=train)
    one.size_up(20.0, torch.device("cpu"))
    found = one.measure(torch.device("cpu"))
    torch.set_num_threads(before)
    assert one.steps[0] < one.steps[1]
    assert found == pytest.approx({"network-steps": 50, "once": 5})


def test_a_rate_of_whole_epochs_holds_what_an_epoch_begins_with(monkeypatch: pytest.MonkeyPatch):
    """By the same clock: 3 s at the start of every epoch of ten steps."""
    now = [0.0]

    def train(steps: int) -> None:
        now[0] += 5 + 3 * math.ceil(steps / 10) + 0.2 * steps

    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])
    before = torch.get_num_threads()
    one = workloads.Contender("fa_lib", networks=10, threads=1, train=train, unit=10)
    for seconds in (1.0, 20.0, 1000.0):
        one.size_up(seconds, torch.device("cpu"))
        assert [steps % 10 for steps in one.steps] == [0, 0]
        found = one.measure(torch.device("cpu"))
        assert found == pytest.approx({"network-steps": 10 / 0.5, "once": 5})
    torch.set_num_threads(before)


def test_a_busy_machine_gives_no_rate(monkeypatch: pytest.MonkeyPatch):
    seconds = iter([2.0, 1.0] * 5)
    one = workloads.Contender("loop", networks=1, threads=1, train=print, steps=(1, 20))
    monkeypatch.setattr(workloads, "clocked", lambda call, device: next(seconds))
    with pytest.raises(RuntimeError, match=r"1 steps of loop take longer than 20: .* too busy"):
        one.measure(torch.device("cpu"))
    assert next(seconds, None) is None


def test_what_does_not_fit_and_what_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch):
    said = {}
    monkeypatch.setattr(workloads, "free_bytes", lambda device: 1e6)
    monkeypatch.setattr(peers.importlib, "import_module", _no_module)
    cpu = torch.device("cpu")
    found = workloads.contenders((12, 9, 4), (1, 10_000), None, cpu, said.__setitem__)
    assert {(c.method, c.networks) for c in found} == {
        (method, 1) for method in ("loop", "nn", "vmap", "fa_lib")
    }
    assert list(said) == ["biotorch", "10000 networks 12-9-4"]
    assert "0.0 GB are free" in said["10000 networks 12-9-4"]


def test_lenet_trains_in_the_layers_of_both(monkeypatch: pytest.MonkeyPatch):
    """From the same weights, whose feedback each draws in its own way."""
    said, trained = {}, []
    monkeypatch.setattr(peers, "loop", lambda net, batches: trained.append((net, batches)) or print)
    found = list(workloads.lenets(torch.device("cpu"), said.__setitem__))
    assert {c.method for c in found} | set(said) == {"nn", "biotorch"}
    for network, batches in trained:
        parameters = dict(network.named_parameters())  # biotorch's feedback among them
        for name, start in yardstick.lenet(0).named_parameters():
            (ours,) = [p for n, p in parameters.items() if n.endswith(name)]
            assert torch.equal(ours, start)
        x, y = next(batches)
        assert (x.shape, y.shape) == ((peers.BATCH, *yardstick.SHAPE), (peers.BATCH,))
        assert network(x).shape == (peers.BATCH, 10)
        turned = [m for m in network.modules() if hasattr(m, "feedback")]
        assert len(turned) == (5 if network is trained[0][0] else 0)  # the others are biotorch's


def _no_module(name: str) -> None:
    raise ModuleNotFoundError(f"No module named {name!r}")


def test_the_estimate_of_memory_is_above_what_training_holds():
    for sizes in workloads.NOISE_SIZES:
        held = speed.memory_of_training(sizes)
        assert held < workloads.bytes_needed(sizes, 1) < 3 * held


def _job(folder: Path, caller: int) -> dict[str, float]:
    """Whether this run is the first to come to a folder, and where it takes place."""
    try:
        (folder / "first").mkdir()
        first = 1
    except FileExistsError:
        first = 0
    return {"first": first, "threads": torch.get_num_threads(), "here": os.getpid() == caller}


def test_a_job_runs_once_in_each_process_and_its_values_are_averaged(tmp_path: Path):
    found = timing.together(2, _job, tmp_path, os.getpid())
    assert found == {"first": 0.5, "threads": 1, "here": 0}


@pytest.mark.parametrize(("source", "images"), [("noise", None), ("images", 50)])
def test_parts_are_timed_in_both_ways(two_threads: None, source: str, images: int | None):
    rows = list(ceilings.measure_parts((12, 9, 4), 1, torch.device("cpu"), 0.001, images))
    parts = [source, *ceilings.PRODUCTS, "elementwise", "Adam"]
    assert [row["quantity"] for row in rows if row["method"] == "hot"] == parts
    assert [row["quantity"] for row in rows if row["method"] == "streamed"] == parts
    assert all(row["value"] > 0 for row in rows)


@pytest.mark.parametrize("networks", [1, 3])
def test_the_products_of_the_bound_are_those_of_a_step(networks: int, net: fa.MLP):
    """As many multiplications as a step of fa_lib does."""

    def flops(call) -> int:
        with FlopCounterMode(display=False) as counter:
            call()
        return counter.get_total_flops()

    x, y = torch.randn(3, peers.BATCH, 12), torch.randint(4, (3, peers.BATCH))
    whole = flops(lambda: net.compute_gradients(x, y))
    tensors = ceilings.make_tensors(net.sizes, networks, torch.device("cpu"))
    products = sum(map(flops, ceilings.products(tensors).values()))
    assert products / networks == whole / 3 > 0


def test_the_step_that_is_compiled_is_a_step_of_fa_lib(net: fa.MLP):
    other = copy.deepcopy(net)
    fa.pretrain(net, steps=STEPS, lr=peers.LR, progress=False)
    moments = [[torch.zeros_like(p) for p in other.parameters()] for _ in range(2)]
    state = (other.weights, other.biases, other.feedback, *moments, torch.zeros(()))
    for x, y in itertools.islice(stacked_noise(other), STEPS):
        alternatives.functional_step(*state, x, y)
    for ours, theirs in zip(net.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(theirs, ours, rtol=1e-4, atol=1e-6)


def test_compiling_is_timed_beside_the_step(monkeypatch: pytest.MonkeyPatch):
    cpu, step = torch.device("cpu"), alternatives.functional_step
    rows = list(alternatives.measure_compile((12, 9, 4), 2, cpu, 0.001, compiled=step))
    assert [(row["method"], row["quantity"]) for row in rows] == [
        ("compiled", "warm-up"),
        ("compiled", "step"),
        ("not compiled", "step"),
    ]


def test_a_small_benchmark_from_end_to_end(
    monkeypatch: pytest.MonkeyPatch, results_root: Path, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(workloads, "NOISE_SIZES", ((12, 9, 4), (12, 9, 7, 4)))
    monkeypatch.setattr(workloads, "EPOCH_SIZES", ((784, 8, 10),))
    monkeypatch.setitem(run_speed.COUNTS, "cpu", (1, 3, 5))  # the last is left out of a quick run
    monkeypatch.setattr(run_speed, "dataset_info", lambda name: replace(INFO, at_hand=False))
    monkeypatch.setattr(run_speed, "QUICK_SECONDS", 0.02)
    monkeypatch.setattr("sys.argv", ["speed", "--quick", "--repeats", "1", "--name", "here"])
    run_speed.main()
    assert "Stored in" in capsys.readouterr().out
    stored = results.load("speed", "cpu-here-quick", None)
    assert stored.provenance["config"]["dataset"] == "mnist5k"
    assert set(stored.provenance["data_fingerprints"]) == {"mnist5k"}
    shown = speed.summary(stored.table)
    cases = set(zip(shown["workload"], shown["sizes"], shown["networks"], strict=True))
    expected = (("noise", "12-9-4"), ("noise", "12-9-7-4"), ("epoch", "784-8-10"))
    assert cases == {(*case, n) for case in expected for n in (1, 3)}
    assert (shown != "").all(axis=None)


def test_tf32_has_ten_bits_after_the_point():
    """By the arithmetic of its definition, in float64."""
    x = (
        torch.randn(1000, generator=torch.Generator().manual_seed(0))
        * 10.0 ** torch.arange(-5, 5)[:, None]
    )
    x = torch.cat([x.flatten(), torch.tensor([0.0, 1 + 2**-11, -1 - 2**-11, 3 + 2**-10])])
    fraction, exponent = np.frexp(x.double().numpy())  # 0.5 <= fraction < 1
    nearest = np.floor(np.abs(fraction) * 2**11 + 0.5) * np.sign(fraction)
    expected = np.ldexp(nearest, exponent - 11)
    np.testing.assert_array_equal(precision.rounded_to_tf32(x).double().numpy(), expected)


def test_products_are_rounded_to_tf32_where_that_is_emulated():
    """The engine's own, and they differ from float32's by as much as that rounding may."""
    x = torch.randn(8, 12, generator=torch.Generator().manual_seed(1))
    net = fa.MLP([12, 9, 4], rule="fa", seeds=[0, 1], device="cpu")
    exact = net(x)
    with precision.emulated_tensor_float():
        rounded = net(x)
    assert 0 < (rounded - exact).abs().max() < 1e-2
    assert torch.equal(net(x), exact)  # and only there


def test_precisions_from_end_to_end(monkeypatch: pytest.MonkeyPatch, results_root: Path):
    for name, value in {
        "NOISE_SIZES": ((12, 9, 4),),
        "SIZES": (784, 16, 10),
        "SEEDS": (3, 5, 8),
        "REPEATS": 2,
        "SECONDS": 0.02,
        "NOISE_STEPS": 20,
        "EPOCHS": 2,
    }.items():
        monkeypatch.setattr(precision, name, value)
    monkeypatch.setattr("sys.argv", ["precision"])
    precision.main()
    stored = speed.stored(precision.name_of(torch.device("cpu")))
    assert len(speed.gain_of_precision(stored.table)) == 2 * 2  # two quantities, two repeats
    effect = speed.effect_of_precision(stored.table)
    assert set(effect["n"]) == {3}
    changed = effect["in float32"] != effect["value"]  # by fewer digits
    assert set(effect.loc[changed, "precision"]) == {"tf32", "bfloat16"}
    # The same, by hand.
    net = fa.MLP([784, 16, 10], rule="fa", seeds=[3, 5, 8], device="cpu")
    data = fa.load_dataset("mnist5k")
    arms = []
    for noise_steps in (0, 20):
        arm = copy.deepcopy(net)
        fa.pretrain(arm, steps=noise_steps, lr=1e-4, progress=False)
        if noise_steps:
            angle = fa.alignment_angle(arm.weights[-1], arm.feedback[-1])
        fa.fit(arm, data.train, epochs=2, lr=1e-4, progress=False)
        arms.append(fa.evaluate(arm, data.test)[1])
    gain = 100 * (arms[1] - arms[0]).mean()
    exact = effect.groupby("quantity")["in float32"].first()
    assert exact["gain in test accuracy after 2 epochs"] == pytest.approx(gain)
    assert exact["alignment angle of the readout"] == pytest.approx(angle.mean())


def test_a_part_of_the_benchmark_is_not_stored(monkeypatch: pytest.MonkeyPatch, results_root: Path):
    monkeypatch.setattr(workloads, "NOISE_SIZES", ((12, 9, 4),))
    monkeypatch.setattr(run_speed, "QUICK_SECONDS", 0.02)
    monkeypatch.setattr("sys.argv", ["speed", "--quick", "--only", "noise", "--repeats", "1"])
    run_speed.main()
    assert not list(results_root.glob("speed/*"))


def test_modules_are_measured_by_themselves(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(run_speed, "QUICK_SECONDS", 0.02)
    monkeypatch.setattr("sys.argv", ["speed", "--quick", "--only", "lenet", "--repeats", "1"])
    run_speed.main()
    said = capsys.readouterr().out
    assert "lenet LeNet 1 nn network-steps" in said
    assert ("fa_lib.nn, as many times the steps of biotorch" in said) != ("left out" in said)


@pytest.mark.parametrize("words", [["--repeats", "0"], ["--only", "nose"], ["--name", "a/b"]])
def test_a_wrong_option_is_refused(monkeypatch: pytest.MonkeyPatch, words: list[str]):
    monkeypatch.setattr("sys.argv", ["speed", *words])
    with pytest.raises(SystemExit):
        run_speed.main()


def test_ways_of_waiting_give_the_same_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(threads, "FOLDER", tmp_path)
    monkeypatch.setattr(threads, "SIZES", ((784, 5, 10),))
    monkeypatch.delitem(threads.WAYS, "all threads, asleep at once")
    monkeypatch.setattr("sys.argv", ["threads", "--steps", "2", "--repeats", "1", "--loops", "1"])
    threads.main()
    table, facts = read_pair(tmp_path, "threads")
    assert facts["threads"] == torch.get_num_threads()
    cases = set(zip(table["loops"], table["way"], strict=True))
    assert cases == {(loops, way) for loops in (0, 1) for way in threads.WAYS}
    assert (table["seconds"] > 0).all()
    assert table[table["way"] != "one thread"]["weights"].unique().size == 1


def test_a_step_of_the_way_takes_the_place_of_its_namesake():
    def step(name: str, value: float) -> pd.DataFrame:
        return pd.DataFrame({"step": [name] * 2, "value": [value] * 2})

    table = None
    for name, value in (("a", 1), ("b", 2), ("c", 3), ("b", 4)):
        table = steps.with_step(table, step(name, value))
    assert table["step"].tolist() == ["a", "a", "b", "b", "c", "c"]
    assert table["value"].tolist() == [1, 1, 4, 4, 3, 3]
