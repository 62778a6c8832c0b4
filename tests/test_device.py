"""CUDA against the CPU; skipped without a GPU, but for what "auto" means there."""

import pandas as pd
import pytest
import torch
from scipy import stats
from torch import Tensor

from fa_lib import MLP, Dataset, Noise, Split, _engine, evaluate, fit, meta_loss, pretrain
from fa_lib._device import resolve_device
from fa_lib.noise import NoiseStream

gpu = pytest.mark.gpu
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")

SIZES = [784, 128, 10]
CPU = torch.device("cpu")

# Where a ReLU's input rounds to the other side of zero, one example counts or not: float32 against
# float64 on one CPU differs by 3e-5 in these runs, against 3e-3 that a weight may move.
ATOL = 1e-4


def make(device: str, rule: str = "fa", **arguments: object) -> MLP:
    return MLP(SIZES, rule=rule, seeds=range(6), device=device, **arguments)  # type: ignore[arg-type]


def split(n: int = 500, seed: int = 0) -> Split:
    x = torch.rand(n, 784, generator=torch.Generator().manual_seed(seed))
    return Split(x, x[:, :10].argmax(dim=1))


def close(on_gpu: list[Tensor], on_cpu: list[Tensor], atol: float) -> None:
    for a, b in zip(on_gpu, on_cpu, strict=True):
        assert a.device.type == "cuda"
        torch.testing.assert_close(a.cpu(), b, rtol=1e-3, atol=atol)


def test_auto_is_the_gpu_when_there_is_one() -> None:
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert resolve_device("auto").type == expected
    assert make("auto").device.type == expected
    assert make("cpu").device.type == "cpu"
    assert resolve_device(torch.device("cpu")) == CPU


@gpu
@needs_cuda
def test_draws_are_the_same_on_every_device() -> None:
    there, here = make("cuda"), make("cpu")
    for a, b in zip(there.weights + there.feedback, here.weights + here.feedback, strict=True):
        assert torch.equal(a.cpu(), b)


@gpu
@needs_cuda
@pytest.mark.parametrize("rule", ["bp", "fa"])
def test_gradients_agree_in_float64(rule: str) -> None:
    there, here = (make(device, rule, dtype=torch.float64) for device in ("cuda", "cpu"))
    data = split(33)
    torch.testing.assert_close(
        there.backward(data.x, data.y).cpu(), here.backward(data.x, data.y), rtol=1e-12, atol=0
    )
    for a, b in zip(there.parameters(), here.parameters(), strict=True):
        torch.testing.assert_close(a.grad.cpu(), b.grad, rtol=1e-10, atol=1e-14)


@gpu
@needs_cuda
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("rule", ["bp", "fa"])
def test_fit_agrees_element_by_element(rule: str, optimizer: str) -> None:
    there, here = make("cuda", rule), make("cpu", rule)
    lr = {"adam": 1e-4, "sgd": 1e-2}[optimizer]
    how = {"epochs": 3, "optimizer": optimizer, "lr": lr, "test": split(200, 1)}
    of_there, of_here = (fit(net, split(), **how) for net in (there, here))
    close(there.parameters(), here.parameters(), atol=ATOL)
    pd.testing.assert_frame_equal(of_there.to_frame(), of_here.to_frame(), rtol=1e-3, atol=1e-2)
    for a, b in zip(evaluate(there, split()), evaluate(here, split()), strict=True):
        torch.testing.assert_close(a.cpu(), b, rtol=1e-3, atol=5e-3)


@gpu
@needs_cuda
def test_training_on_injected_noise_agrees_element_by_element() -> None:
    there, here = make("cuda"), make("cpu")
    stream = NoiseStream(Noise(), here.seeds, (64, 784), 10, CPU)
    optimisers = [torch.optim.Adam(net.parameters(), lr=1e-4) for net in (there, here)]
    for step in range(30):
        x, y = stream(step)
        for net, optimiser in zip((there, here), optimisers, strict=True):
            net.backward(x, y)
            optimiser.step()
    close(there.parameters(), here.parameters(), atol=ATOL)


@gpu
@needs_cuda
@pytest.mark.parametrize("distribution", ["normal", "uniform", "bernoulli"])
def test_noise_made_on_the_gpu(distribution: str) -> None:
    """A pure function of seed and step there too, of the distribution that the CPU's noise has."""
    noise, shape = Noise(distribution, mean=0.5, std=2.0), (64, 784)
    cuda = torch.device("cuda")
    there, alone = (NoiseStream(noise, seeds, shape, 10, cuda) for seeds in ([0, 3, 2**40], [3]))
    steps = (0, 17, 25, 3)  # of two blocks
    kept = {step: [tensor.clone() for tensor in there(step)] for step in steps}
    for step in reversed(steps):
        for tensor, expected in zip(alone(step), kept[step], strict=True):
            assert torch.equal(tensor[0], expected[1])
    x, y = (torch.stack([kept[step][i] for step in steps]).cpu().flatten() for i in (0, 1))
    here = NoiseStream(noise, [0, 3, 2**40, 5], shape, 10, CPU)(0)[0].flatten()
    if distribution == "bernoulli":
        assert set(x.tolist()) == set(here.tolist())
        assert stats.binomtest(int((x > 0.5).sum()), len(x)).pvalue > 1e-4
    else:
        assert stats.ks_2samp(x.numpy(), here.numpy()).pvalue > 1e-4
    assert stats.chisquare(torch.bincount(y, minlength=10).numpy()).pvalue > 1e-4


@gpu
@needs_cuda
@pytest.mark.parametrize("rule", ["bp", "fa"])
def test_steps_replayed_are_those_started_one_by_one(
    rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    replayed, one_by_one = make("cuda", rule), make("cuda", rule)

    def train(net: MLP) -> None:
        pretrain(net, steps=30)
        fit(net, split(), epochs=3)  # 500 images: the last batch of an epoch is smaller

    train(replayed)
    monkeypatch.setattr(_engine, "_replayed", lambda learn: learn)
    train(one_by_one)
    for a, b in zip(replayed.parameters(), one_by_one.parameters(), strict=True):
        assert torch.equal(a, b)


@gpu
@needs_cuda
def test_noise_training_agrees_in_distribution() -> None:
    found = {}
    for device in ("cuda", "cpu"):
        net = MLP([100, 64, 10], rule="fa", seeds=range(40), device=device)
        found[device] = pretrain(net, steps=400, lr=1e-3)
    for metric in ("loss", "centered_alignment_angle_w2", "centered_norm_w2"):
        samples = [found[device][metric].iloc[-1].to_numpy() for device in ("cuda", "cpu")]
        assert stats.ks_2samp(*samples).pvalue > 1e-3, metric


@gpu
@needs_cuda
def test_the_gpu_gives_the_same_numbers_twice() -> None:
    nets = [make("cuda") for _ in range(2)]
    for net in nets:
        pretrain(net, steps=50)
        fit(net, split(), epochs=1)
    for a, b in zip(*(net.parameters() for net in nets), strict=True):
        assert torch.equal(a, b)


@gpu
@needs_cuda
def test_meta_loss_agrees() -> None:
    tasks = [Dataset("made up", split(), split(200, 1), 10, (28, 28), "made up")]
    there, here = (meta_loss(make(device), tasks, steps=20) for device in ("cuda", "cpu"))
    torch.testing.assert_close(there.cpu(), here, rtol=1e-3, atol=1e-3)
