"""Nine learning rules in the stack of networks, against NumPy written from their papers."""

import math

import numpy as np
import oracles
import pandas as pd
import pytest
import torch
from torch import Tensor

from fa_lib import MLP, fit, load_dataset, pretrain
from fa_lib.networks import MIRROR_BATCH, MIRROR_RATE
from fa_lib.rules import RULES, Rule, rule_of

SIZES = {1: [7, 4], 2: [7, 6, 4], 3: [7, 6, 5, 4], 5: [7, 9, 6, 5, 8, 4]}
SEEDS = [3, 0, 8]
DIGITS = load_dataset("digits")


def make(rule: str | Rule, depth: int = 3, bias: bool = True) -> MLP:
    net = MLP(SIZES[depth], rule=rule, seeds=SEEDS, bias=bias, device="cpu", dtype=torch.float64)
    for b in net.biases:  # not zero, so that their part shows
        b.normal_(0, 0.3, generator=torch.Generator().manual_seed(1))
    return net


def batch(size: int, soft: bool = False, n: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(size)
    x = torch.randn(n, size, 7, generator=generator, dtype=torch.float64)
    if not soft:
        return x, torch.randint(0, 4, (n, size), generator=generator)
    y = torch.rand(n, size, 4, generator=generator, dtype=torch.float64)
    return x, y / y.sum(-1, keepdim=True)


def arrays(tensors: list[Tensor], i: int) -> list[np.ndarray]:
    return [tensor[i].numpy() for tensor in tensors]


@pytest.mark.parametrize("soft", [False, True], ids=["labels", "soft"])
@pytest.mark.parametrize("size", [1, 9])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
@pytest.mark.parametrize("depth", SIZES)
@pytest.mark.parametrize("rule", RULES)
def test_directions_against_numpy(rule: str, depth: int, bias: bool, size: int, soft: bool) -> None:
    net = make(rule, depth, bias)
    net.renew_feedback()
    x, y = batch(size, soft)
    loss = net.backward(x, y)
    for i in range(len(net)):
        targets = y[i].numpy() if soft else np.eye(4)[y[i].numpy()]
        parts = (arrays(group, i) for group in (net.weights, net.biases, net.feedback))
        expected, weights, biases = oracles.gradients(rule, *parts, x[i].numpy(), targets)
        assert loss[i].item() == pytest.approx(expected, abs=1e-13)
        for group, right in ((net.weights, weights), (net.biases, biases)):
            for parameter, direction in zip(group, right, strict=True):
                found = parameter.grad[i].numpy()
                np.testing.assert_allclose(found, direction, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule != "bp"])
def test_a_planted_transposition_is_caught(rule: str) -> None:
    """The oracle tells the rule's matrix from BP's, and one rule from the others."""
    net = make(rule)
    net.renew_feedback()
    x, y = batch(9)
    net.backward(x, y)
    targets = np.eye(4)[y[0].numpy()]
    parts = [arrays(group, 0) for group in (net.weights, net.biases, net.feedback)]
    _, right, _ = oracles.gradients(rule, *parts, x[0].numpy(), targets)
    _, by_bp, _ = oracles.gradients("bp", *parts, x[0].numpy(), targets)
    found = net.weights[0].grad[0].numpy()
    np.testing.assert_allclose(found, right[0], rtol=1e-11)
    assert np.abs(found - by_bp[0]).max() > 0.01 * np.abs(by_bp[0]).max()


@pytest.mark.parametrize("rule", RULES)
def test_networks_train_alike_alone_and_in_the_stack(rule: str) -> None:
    many = make(rule)
    x, y = batch(9)

    def three_steps(net: MLP, part: slice) -> None:
        optimiser = torch.optim.SGD(net.parameters(), lr=0.1, weight_decay=0.01)
        for _ in range(3):
            net.renew_feedback()
            net.backward(x[part], y[part])
            optimiser.step()

    three_steps(many, slice(None))
    alone = MLP(SIZES[3], rule=rule, seeds=[SEEDS[1]], device="cpu", dtype=torch.float64)
    for mine, theirs in zip(alone.biases, make(rule).biases, strict=True):
        mine.copy_(theirs[1:2])
    three_steps(alone, slice(1, 2))
    for group in ("weights", "biases", "feedback"):
        for p, q in zip(getattr(many, group), getattr(alone, group), strict=True):
            torch.testing.assert_close(p[1], q[0], rtol=1e-12, atol=1e-14)


# -- Locality: what a hidden layer's update may depend on --------------------------------------


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule != "bp"])
def test_a_hidden_update_depends_on_no_forward_weight_above_but_its_sign(rule: str) -> None:
    """The error at the output held fixed, forward weights above change in size alone.

    The layer above the last hidden one is scaled and a bias makes up for it, so that the logits,
    and with them the output's error, are the same.
    """
    net = MLP([7, 6, 4], rule=rule, seeds=SEEDS, device="cpu", dtype=torch.float64)
    net.renew_feedback()
    x, y = batch(1)
    net.backward(x, y)
    before = net.weights[0].grad.clone()
    hidden = net.activations(x)[0]
    logits = net(x)
    net.weights[1].mul_(3)
    net.biases[1].copy_((logits - hidden @ net.weights[1].mT)[:, 0])
    torch.testing.assert_close(net(x), logits)
    net.backward(x, y)
    torch.testing.assert_close(net.weights[0].grad, before, rtol=1e-9, atol=1e-12)
    bp = net.with_rule("bp")
    bp.backward(x, y)
    assert not torch.allclose(bp.weights[0].grad, before, rtol=0.1)


# -- Rules of their own ----------------------------------------------------------------------------


def test_dfa_is_fa_where_the_layer_above_is_the_output() -> None:
    fa, dfa = make("fa", 2), make("dfa", 2)
    x, y = batch(9)
    fa.backward(x, y)
    dfa.backward(x, y)
    for p, q in zip(fa.parameters(), dfa.parameters(), strict=True):
        assert torch.equal(p.grad, q.grad)


def test_redrawn_magnitudes_are_a_function_of_seed_and_step() -> None:
    net, again = make("brsf"), make("brsf")
    first = net.feedback[1].clone()
    drawn = []
    for _ in range(3):
        net.renew_feedback()
        drawn.append(net.feedback[1].clone())
    assert not torch.equal(drawn[0], first)
    assert not torch.equal(drawn[0], drawn[1])
    assert net.renewals.tolist() == [3, 3, 3]
    for part in (again[1:3], again[:1]):  # views share the count as they share the tensors
        for _ in range(3):
            part.renew_feedback()
    assert torch.equal(again.feedback[1], drawn[2])
    assert again.renewals.tolist() == [3, 3, 3]
    spread = torch.cat([d.flatten() for d in drawn]).std()
    assert spread.item() == pytest.approx(math.sqrt(2 / 6), rel=0.15)


def test_other_rules_leave_the_feedback_alone() -> None:
    for rule in set(RULES) - {"brsf", "wm"}:
        net = make(rule)
        before = [matrix.clone() for matrix in net.feedback]
        net.renew_feedback()
        assert all(torch.equal(a, b) for a, b in zip(net.feedback, before, strict=True))
        assert not net.renewals.any()


def test_kolen_pollack_gives_both_weights_the_same_step_and_decay_lets_them_meet() -> None:
    net = make("kp")
    assert len(net.parameters()) == 3 + 3 + 2
    apart = [w - b for w, b in zip(net.weights[1:], net.feedback[1:], strict=True)]
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1, weight_decay=0.1)
    for step in range(200):
        net.backward(*batch(step + 1))
        optimiser.step()
    for w, b, start in zip(net.weights[1:], net.feedback[1:], apart, strict=True):
        # The same gradient cancels from the difference, which decays by 1 - lr x decay a step.
        torch.testing.assert_close(w - b, start * 0.99**200, rtol=1e-9, atol=1e-12)


def test_a_mirror_step_against_loops_and_where_mirrors_come_to() -> None:
    net, plain = make("wm"), make("wm")
    net.renew_feedback()
    from fa_lib import _streams

    for i, seed in enumerate(SEEDS):
        generator = _streams.generator(seed, "renewal", 2, 0)
        noise = torch.empty(MIRROR_BATCH, 5).normal_(generator=generator).double().numpy()
        weight, before = plain.weights[2][i].numpy(), plain.feedback[2][i].numpy()
        moved = (1 - MIRROR_RATE) * before
        for x in noise:
            moved += MIRROR_RATE * np.outer(weight @ x, x) / MIRROR_BATCH
        np.testing.assert_allclose(net.feedback[2][i].numpy(), moved, rtol=1e-10, atol=1e-13)
    assert torch.equal(net.weights[2], plain.weights[2])
    for _ in range(400):
        net.renew_feedback()
    away = (net.feedback[1] - net.weights[1]).flatten(1).norm(dim=1)
    assert (away / net.weights[1].flatten(1).norm(dim=1) < 0.2).all()


def test_a_rule_of_ones_own() -> None:
    half = Rule("half", matrix=lambda weight, feedback: (weight + feedback) / 2)
    net, fa = make(half), make("fa")
    for feedback, weight in zip(fa.feedback, fa.weights, strict=True):
        feedback.copy_((feedback + weight) / 2)
    x, y = batch(9)
    net.backward(x, y)
    fa.backward(x, y)
    for p, q in zip(net.parameters(), fa.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, rtol=1e-12, atol=1e-15)
    assert "half" in repr(net)


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_learns_noise_away_and_then_data(rule: str, two_threads: None) -> None:
    """By `pretrain` and `fit`, in several chunks, and the same numbers twice."""
    seen = []
    for _ in range(2):
        net = MLP([784, 32, 24, 10], rule=rule, seeds=range(4), device="cpu")
        noise = pretrain(net, steps=100, lr=1e-3, progress=False)
        data = fit(net, DIGITS.train, epochs=15, lr=3e-3, test=DIGITS.test, progress=False)
        seen.append(data.to_frame())
    assert noise["loss"].iloc[-1].mean() < noise["loss"].iloc[0].mean()
    assert data["test_accuracy"].iloc[0].max() < 0.3
    least = 0.2 if rule == "drtp" else 0.5  # the targets alone say little in 350 steps
    assert data["test_accuracy"].iloc[-1].median() > least  # one of drtp's may be stuck
    pd.testing.assert_frame_equal(*seen, check_exact=True)
    renewed = 100 + 15 * 24 if rule in ("brsf", "wm") else 0
    assert net.renewals.tolist() == [renewed] * 4
    angles = {m for m in data.frame["metric"] if m.startswith("alignment_angle")}
    direct = RULES[rule].source != "above"
    assert angles == {"alignment_angle_w3"} | ({"alignment_angle_w2"} if not direct else set())


@pytest.mark.parametrize(
    ("make_it", "kind", "message"),
    [
        (lambda: rule_of("faa"), ValueError, "Unknown rule 'faa'. Did you mean 'fa'?"),
        (lambda: rule_of(3), TypeError, "rule must be a name or a Rule, got int."),
        (lambda: Rule("x", source="below"), ValueError, "Unknown source of a rule 'below'"),
        (lambda: Rule("x", learning="slow"), ValueError, "Unknown learning of a rule 'slow'"),
        (lambda: Rule("x", "output", redrawn=True), ValueError, "need the source 'above'"),
        (lambda: make("fa").with_rule("dfa"), ValueError, "make new ones with rule='dfa'"),
        (lambda: make("dfa").with_rule("usff"), ValueError, "Did you mean 'usf'?"),
    ],
)
def test_what_makes_no_rule_gets_one_line(make_it, kind, message) -> None:
    with pytest.raises(kind) as caught:
        make_it()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_another_rule_is_fine_where_the_feedback_fits() -> None:
    make("dfa").with_rule("bp")
    make("dfa", 2).with_rule("fa")
    make("fa").with_rule("kp")
