"""What the benchmark compares does the same work: the same batches give the same weights."""

import copy
import itertools

import pytest
import torch

import fa_lib as fa
from benchmarks import peers
from fa_lib._batches import DataBatches
from fa_lib.noise import NoiseStream

STEPS = 5


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


@pytest.mark.parametrize("make", [peers.loop_network, peers.biotorch_network])
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
    draw = DataBatches(other, split, rows, peers.BATCH)
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
