"""Learning rules: gradients against autograd and plain loops, and what FA's theory says exactly."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fa_lib import MLP, alignment_angle

SIZES = {0: [7, 4], 1: [7, 6, 4], 2: [7, 6, 5, 4], 3: [7, 6, 5, 8, 4], 4: [7, 9, 6, 5, 8, 4]}
SEEDS = [3, 0, 8]


class FeedbackLinear(torch.autograd.Function):
    """x W^T + b, whose backward sends the error through another matrix than W."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor | None, feedback: Tensor) -> Tensor:
        ctx.save_for_backward(x, feedback)
        return nn.functional.linear(x, weight, bias)

    @staticmethod
    def backward(ctx, error: Tensor):  # type: ignore[override]
        x, feedback = ctx.saved_tensors
        bias = error.sum(0) if ctx.needs_input_grad[2] else None
        return error @ feedback, error.T @ x, bias, None


def by_autograd(net: MLP, i: int, x: Tensor, y: Tensor) -> tuple[float, list[Tensor]]:
    """Network i's loss, and its gradients in the order of `net.parameters()`."""
    weights = [w[i].clone().requires_grad_() for w in net.weights]
    biases = [b[i].clone().requires_grad_() for b in net.biases]
    hidden = x
    for layer, weight in enumerate(weights):
        bias = biases[layer] if biases else None
        if net.rule == "bp":
            hidden = nn.functional.linear(hidden, weight, bias)
        else:
            hidden = FeedbackLinear.apply(hidden, weight, bias, net.feedback[layer][i])
        if layer < len(weights) - 1:
            hidden = hidden.relu()
    loss = nn.functional.cross_entropy(hidden, y)
    loss.backward()
    return loss.item(), [p.grad for p in (*weights, *biases)]


def batch_for(
    size: int, features: int, classes: int, targets: str, shared: bool, n: int
) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(size)
    lead = () if shared else (n,)
    x = torch.randn(*lead, size, features, generator=generator, dtype=torch.float64)
    if targets == "labels":
        return x, torch.randint(0, classes, (*lead, size), generator=generator)
    soft = torch.rand(*lead, size, classes, generator=generator, dtype=torch.float64)
    return x, soft / soft.sum(-1, keepdim=True)


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "own"])
@pytest.mark.parametrize("targets", ["labels", "soft"])
@pytest.mark.parametrize("size", [1, 9])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
@pytest.mark.parametrize("depth", SIZES)
@pytest.mark.parametrize("rule", ["bp", "fa"])
def test_gradients_and_loss_against_autograd(
    rule: str, depth: int, bias: bool, size: int, targets: str, shared: bool
) -> None:
    net = MLP(SIZES[depth], rule=rule, seeds=SEEDS, bias=bias, device="cpu", dtype=torch.float64)
    for b in net.biases:  # not zero, so that their part shows
        b.normal_(0, 0.3, generator=torch.Generator().manual_seed(1))
    x, y = batch_for(size, net.sizes[0], net.classes, targets, shared, len(net))
    loss = net.backward(x, y)
    for i in range(len(net)):
        xi, yi = (x, y) if shared else (x[i], y[i])
        expected_loss, gradients = by_autograd(net, i, xi, yi)
        assert loss[i].item() == pytest.approx(expected_loss, abs=1e-13)
        for parameter, gradient in zip(net.parameters(), gradients, strict=True):
            torch.testing.assert_close(parameter.grad[i], gradient, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("rule", ["bp", "fa"])
def test_gradients_against_loops_over_single_examples(rule: str) -> None:
    net = MLP([5, 4, 3, 4], rule=rule, seeds=[2], device="cpu", dtype=torch.float64)
    x, y = batch_for(3, 5, 4, "labels", True, 1)
    net.backward(x, y)
    weights, feedback = ([m[0].numpy() for m in ms] for ms in (net.weights, net.feedback))
    expected = [np.zeros_like(w) for w in weights]
    for row, label in zip(x.numpy(), y.tolist(), strict=True):
        a1 = [max(0.0, sum(w * v for w, v in zip(ws, row, strict=True))) for ws in weights[0]]
        a2 = [max(0.0, sum(w * v for w, v in zip(ws, a1, strict=True))) for ws in weights[1]]
        z = [sum(w * v for w, v in zip(ws, a2, strict=True)) for ws in weights[2]]
        total = sum(math.exp(v) for v in z)
        e3 = [math.exp(v) / total - (c == label) for c, v in enumerate(z)]
        up3, up2 = (weights[2], weights[1]) if rule == "bp" else (feedback[2], feedback[1])
        e2 = [sum(e3[c] * up3[c][i] for c in range(4)) * (a2[i] > 0) for i in range(3)]
        e1 = [sum(e2[c] * up2[c][i] for c in range(3)) * (a1[i] > 0) for i in range(4)]
        for total_gradient, error, below in zip(expected, (e1, e2, e3), (row, a1, a2), strict=True):
            total_gradient += np.outer(error, below) / 3
    for weight, gradient in zip(net.weights, expected, strict=True):
        np.testing.assert_allclose(weight.grad[0].numpy(), gradient, rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("rule", ["bp", "fa"])
def test_float32_agrees_with_float64(rule: str) -> None:
    # Sums of 784 products rounded at 6e-8 each: errors of a few 1e-7 of the largest gradient.
    x = torch.rand(64, 784, generator=torch.Generator().manual_seed(0))
    y = torch.randint(0, 10, (64,), generator=torch.Generator().manual_seed(0))
    single, double = (
        MLP([784, 64, 32, 10], rule=rule, seeds=[0, 1], device="cpu", dtype=dtype)
        for dtype in (torch.float32, torch.float64)
    )
    torch.testing.assert_close(
        single.backward(x, y).double(), double.backward(x, y), rtol=1e-6, atol=0
    )
    for p, q in zip(single.parameters(), double.parameters(), strict=True):
        assert (p.grad.double() - q.grad).abs().max() < 1e-5 * q.grad.abs().max()


def rounded(t: Tensor) -> Tensor:
    return t.bfloat16().double()


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
def test_bfloat16_logits_are_those_of_rounded_operands(bias: bool) -> None:
    net = MLP([30, 20, 15, 4], rule="fa", seeds=SEEDS, compute_dtype=torch.bfloat16, bias=bias)
    for b in net.biases:
        b.normal_(generator=torch.Generator().manual_seed(1))
    x = torch.randn(9, 30, generator=torch.Generator().manual_seed(0))
    logits = net(x)
    assert logits.dtype == torch.float32
    for i in range(len(net)):
        hidden = rounded(x)
        for layer, weight in enumerate(net.weights):
            hidden = hidden @ rounded(weight[i]).T
            hidden += rounded(net.biases[layer][i]) if bias else 0
            hidden = rounded(hidden.relu() if layer < 2 else hidden)
        # A last digit of bfloat16, which another order of sums may turn, is 2^-8 of the number.
        torch.testing.assert_close(logits[i].double(), hidden, rtol=2**-7, atol=2**-7)


@pytest.mark.parametrize("rule", ["bp", "fa"])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_bfloat16_gradients_are_float32_to_its_digits(rule: str, depth: int) -> None:
    sizes = {1: [784, 10], 2: [784, 64, 10], 3: [784, 64, 32, 10]}[depth]
    x = torch.rand(61, 784, generator=torch.Generator().manual_seed(0))
    y = torch.randint(0, 10, (61,), generator=torch.Generator().manual_seed(0))
    mixed, double = (
        MLP(sizes, rule=rule, seeds=[0, 1], device="cpu", **how)
        for how in ({"compute_dtype": torch.bfloat16}, {"dtype": torch.float64})
    )
    mixed.backward(x, y)
    double.backward(x, y)
    for p, q in zip(mixed.parameters(), double.parameters(), strict=True):
        assert p.dtype == p.grad.dtype == torch.float32
        error = (p.grad.double() - q.grad).norm() / q.grad.norm()
        # A handful of roundings, each off by up to 2^-9 of a number (in float32 2^-25), and with
        # them a unit in a hundred or so, near its threshold, on the other side of it.
        assert 2**-12 < error < 2**-5


def test_bfloat16_networks_do_not_depend_on_their_neighbours() -> None:
    many = MLP([50, 20, 4], rule="fa", seeds=SEEDS, device="cpu", compute_dtype=torch.bfloat16)
    x = torch.randn(9, 50, generator=torch.Generator().manual_seed(0))
    y = torch.arange(9) % 4
    many.backward(x, y)
    for i, seed in enumerate(SEEDS):
        one = MLP([50, 20, 4], rule="fa", seeds=[seed], device="cpu", compute_dtype=torch.bfloat16)
        one.backward(x, y)
        for p, q in zip(one.parameters(), many.parameters(), strict=True):
            torch.testing.assert_close(p.grad[0], q.grad[i], rtol=2**-6, atol=1e-4)


def test_gradients_of_a_batch_with_other_sizes_in_between() -> None:
    """The step's buffers, one set for each batch size, do not leak from one batch to another."""
    net, fresh = (
        MLP([7, 6, 4], rule="fa", seeds=SEEDS, device="cpu", dtype=torch.float64) for _ in range(2)
    )
    x, y = batch_for(9, 7, 4, "labels", False, 3)
    for rows in (9, 2, 9, 1, 5):
        loss = net.backward(x[:, :rows], y[:, :rows])
    assert torch.equal(loss, fresh.backward(x[:, :5], y[:, :5]))
    for p, q in zip(net.parameters(), fresh.parameters(), strict=True):
        assert torch.equal(p.grad, q.grad)


def test_fa_equals_bp_when_feedback_is_the_weight() -> None:
    fa, bp = (
        MLP([7, 6, 5, 4], rule=rule, seeds=SEEDS, device="cpu", dtype=torch.float64)
        for rule in ("fa", "bp")
    )
    for weight, feedback in zip(fa.weights, fa.feedback, strict=True):
        feedback.copy_(weight)
    x, y = batch_for(5, 7, 4, "soft", False, 3)
    assert torch.equal(fa.backward(x, y), bp.backward(x, y))
    for p, q in zip(fa.parameters(), bp.parameters(), strict=True):
        assert torch.equal(p.grad, q.grad)


def test_last_layer_learns_the_same_under_every_rule() -> None:
    fa, bp = (
        MLP([7, 6, 5, 4], rule=rule, seeds=SEEDS, device="cpu", dtype=torch.float64)
        for rule in ("fa", "bp")
    )
    x, y = batch_for(5, 7, 4, "labels", True, 3)
    fa.backward(x, y)
    bp.backward(x, y)
    assert torch.equal(fa.weights[-1].grad, bp.weights[-1].grad)
    assert not torch.allclose(fa.weights[-2].grad, bp.weights[-2].grad)


@pytest.mark.parametrize("rule", ["bp", "fa"])
def test_readout_gradient_sums_to_zero_over_classes(rule: str) -> None:
    """So the class mean of the readout never trains (the reason for centred angles)."""
    net = MLP([7, 6, 4], rule=rule, seeds=SEEDS, device="cpu", dtype=torch.float64)
    mean = net.weights[-1].mean(dim=1)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
    for step in range(50):
        net.backward(*batch_for(step + 1, 7, 4, "labels", False, 3))
        assert net.weights[-1].grad.sum(dim=1).abs().max() < 1e-14
        optimiser.step()
    torch.testing.assert_close(net.weights[-1].mean(dim=1), mean, rtol=0, atol=1e-14)


def test_zero_readout() -> None:
    """With W2 = 0 BP's hidden gradient vanishes, FA's does not, and the loss is exactly ln C."""
    x, y = batch_for(5, 7, 4, "labels", True, 3)
    for rule in ("bp", "fa"):
        net = MLP(
            [7, 6, 4], rule=rule, seeds=SEEDS, device="cpu", dtype=torch.float64, readout_scale=0
        )
        loss = net.backward(x, y)
        torch.testing.assert_close(loss, torch.full_like(loss, math.log(4)), rtol=0, atol=1e-15)
        assert (net.weights[0].grad == 0).all() == (rule == "bp")
        assert net.weights[1].grad.abs().max() > 0


# Theory. For FA with ReLU and plain SGD every hidden unit i obeys, whatever the labels,
#   change of [<B_i, W2_i> - (|w_i|^2 + b_i^2) / 2] = -1/2 |step of (w_i, b_i)|^2,
# as relu(u) = u relu'(u): what reaches W2 along B_i is what reaches w_i along itself.


@pytest.mark.parametrize("target", ["labels", "soft"])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
@pytest.mark.parametrize("lr", [0.01, 0.3])
def test_alignment_grows_as_the_incoming_norm_outgrows_its_step_noise(
    lr: float, bias: bool, target: str
) -> None:
    net = MLP([7, 12, 4], rule="fa", seeds=SEEDS, bias=bias, device="cpu", dtype=torch.float64)
    optimiser = torch.optim.SGD(net.parameters(), lr=lr)
    incoming = [net.weights[0], *(b.unsqueeze(2) for b in net.biases[:1])]

    def conserved() -> Tensor:
        overlap = (net.feedback[1] * net.weights[1]).sum(dim=1)
        return overlap - sum(p.square().sum(dim=2) for p in incoming) / 2

    for step in range(30):
        before, start = conserved(), [p.clone() for p in incoming]
        net.backward(*batch_for(step + 1, 7, 4, target, False, 3))
        optimiser.step()
        moved = sum((p - q).square().sum(dim=2) for p, q in zip(incoming, start, strict=True))
        assert moved.max() > 0
        torch.testing.assert_close(conserved() - before, -moved / 2, rtol=0, atol=1e-12)


def overlap_with_feedback(net: MLP) -> Tensor:
    return (net.feedback[1] * net.weights[1]).sum(dim=(1, 2))


def test_bp_does_not_obey_that_identity() -> None:
    """So the test above can fail."""
    net = MLP([7, 12, 4], rule="bp", seeds=SEEDS, device="cpu", dtype=torch.float64)
    before = (
        overlap_with_feedback(net)
        - sum(p.square().flatten(1).sum(dim=1) for p in (net.weights[0], net.biases[0])) / 2
    )
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
    start = [net.weights[0].clone(), net.biases[0].clone()]
    net.backward(*batch_for(9, 7, 4, "labels", False, 3))
    optimiser.step()
    hidden = (net.weights[0], net.biases[0])
    after = overlap_with_feedback(net) - sum(p.square().flatten(1).sum(dim=1) for p in hidden) / 2
    moved = sum((p - q).square().flatten(1).sum(1) for p, q in zip(hidden, start, strict=True))
    assert ((after - before) + moved / 2).abs().min() > 1e-6


# Controls of the protocol: what is frozen decides whether there is alignment.

HIDDEN, READOUT, ALL = slice(0, None, 2), slice(1, None, 2), slice(None)  # of parameters()


def trained(parts: slice, shift: int = 0) -> MLP:
    """A hundred networks taught by a linear teacher, some of their parameters frozen.

    shift: by how many places the networks' feedback is dealt out again.
    """
    net = MLP([20, 30, 5], rule="fa", seeds=range(100), device="cpu", dtype=torch.float64)
    net.feedback[1].copy_(net.feedback[1].roll(shift, dims=0))
    generator = torch.Generator().manual_seed(0)
    teacher = torch.randn(20, 5, generator=generator, dtype=torch.float64)
    optimiser = torch.optim.SGD(net.parameters()[parts], lr=0.2)
    for _ in range(200):
        x = torch.randn(32, 20, generator=generator, dtype=torch.float64)
        net.backward(x, (x @ teacher).argmax(dim=1))
        optimiser.step()
    return net


def alignment_t(net: MLP) -> float:
    """Student's t of the cosines between W2 and B, one a network: mean over standard error."""
    cosines = nn.functional.cosine_similarity(net.weights[1].flatten(1), net.feedback[1].flatten(1))
    return (cosines.mean() / (cosines.std() / math.sqrt(len(net)))).item()


def test_frozen_hidden_layer_gives_no_alignment() -> None:
    """The readout then learns without a word from B, so it cannot align with it."""
    frozen, other = trained(READOUT), trained(READOUT, shift=1)
    start = MLP([20, 30, 5], rule="fa", seeds=range(100), device="cpu", dtype=torch.float64)
    assert torch.equal(frozen.weights[0], start.weights[0])
    assert not torch.allclose(frozen.weights[1], start.weights[1])
    assert torch.equal(frozen.weights[1], other.weights[1])
    assert abs(alignment_t(frozen)) < 3
    assert alignment_t(trained(ALL)) > 30


def test_frozen_readout_keeps_its_angle_to_the_bit() -> None:
    net = trained(HIDDEN)
    start = MLP([20, 30, 5], rule="fa", seeds=range(100), device="cpu", dtype=torch.float64)
    assert not torch.allclose(net.weights[0], start.weights[0])
    assert torch.equal(alignment_angle(*both(net)), alignment_angle(*both(start)))


def both(net: MLP) -> tuple[Tensor, Tensor]:
    return net.weights[-1], net.feedback[-1]
