"""Measures that take data, curves or tasks, each against an independent computation."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate
from sklearn import metrics as skm
from torch import Tensor, nn

from fa_lib import (
    MLP,
    Dataset,
    Split,
    alignment_angle,
    area_under_curve,
    effective_dimensionality,
    evaluate,
    fit,
    generalization_gap,
    gradient_alignment,
    meta_loss,
    steps_to_accuracy,
)

few = settings(max_examples=30, deadline=None, derandomize=True)


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def tiny_net(rule: str = "fa", sizes: tuple[int, ...] = (12, 9, 7, 4), n: int = 3) -> MLP:
    return MLP(sizes, rule=rule, seeds=range(n), device="cpu")


def tiny_split(n: int = 60, features: int = 12, classes: int = 4, seed: int = 0) -> Split:
    x = normal(n, features, seed=seed, dtype=torch.float32).abs()
    return Split(x, x[:, :classes].argmax(dim=1))


# evaluate and generalization_gap


@pytest.mark.parametrize("batch_size", [1, 7, 60, 2000])
def test_evaluate_against_scikit_learn(batch_size: int) -> None:
    net, split = tiny_net(), tiny_split()
    loss, accuracy = evaluate(net, split, batch_size=batch_size)
    assert loss.shape == accuracy.shape == (3,)
    p = torch.softmax(net(split.x).double(), dim=2).numpy()
    for i in range(3):
        expected = skm.log_loss(split.y.numpy(), p[i], labels=range(4))
        assert loss[i].item() == pytest.approx(expected, rel=1e-6)  # logits are float32
        predicted = p[i].argmax(axis=1)
        assert accuracy[i].item() == pytest.approx(skm.accuracy_score(split.y.numpy(), predicted))


def test_evaluate_on_each_networks_own_examples() -> None:
    net, split = tiny_net(), tiny_split()
    subset = torch.stack([torch.randperm(len(split))[:7] for _ in range(3)])
    loss, accuracy = evaluate(net, split, subset=subset, batch_size=4)
    for i in range(3):
        alone = evaluate(net[i : i + 1], split.subset(subset[i]))
        torch.testing.assert_close(loss[i : i + 1], alone[0])
        assert accuracy[i] == alone[1]


def test_generalization_gap_is_test_minus_training_loss() -> None:
    net, train, test = tiny_net(), tiny_split(40), tiny_split(80, seed=1)
    fit(net, train, epochs=200, lr=1e-2)
    gap = generalization_gap(net, train, test)
    for i in range(3):
        losses = [nn.functional.cross_entropy(net(s.x)[i], s.y).item() for s in (test, train)]
        assert gap[i].item() == pytest.approx(losses[0] - losses[1], abs=1e-5)
    assert (gap > 0.1).all()


# Curves


def curves(seed: int, records: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    steps = np.cumsum(random.integers(1, 50, records)).astype(float)
    return steps, random.random((records, 3))


@few
@given(seed=st.integers(0, 10_000), records=st.integers(2, 30), shift=st.floats(-5, 5))
def test_area_against_scipy_and_scikit_learn(seed: int, records: int, shift: float) -> None:
    steps, values = curves(seed, records)
    area = area_under_curve(steps, values)
    span = steps[-1] - steps[0]
    np.testing.assert_allclose(area, integrate.trapezoid(values, steps, axis=0) / span, rtol=1e-12)
    np.testing.assert_allclose(area[0], skm.auc(steps, values[:, 0]) / span, rtol=1e-12)
    np.testing.assert_allclose(area_under_curve(steps, values + shift), area + shift, atol=1e-12)
    np.testing.assert_allclose(area_under_curve(7 * steps + 3, values), area, rtol=1e-12)
    assert (area >= values.min(axis=0)).all()
    assert (area <= values.max(axis=0)).all()


def test_area_of_a_constant_and_of_a_line() -> None:
    assert area_under_curve([0, 1, 10], [0.7, 0.7, 0.7]) == pytest.approx(0.7)
    assert area_under_curve([0, 3, 10], [0, 0.3, 1]) == pytest.approx(0.5)
    assert np.shape(area_under_curve([0, 1], [0, 1])) == ()


@few
@given(seed=st.integers(0, 10_000), records=st.integers(2, 30), share=st.floats(0.01, 0.99))
def test_steps_to_accuracy_inverts_a_rising_curve(seed: int, records: int, share: float) -> None:
    steps, values = curves(seed, records)
    rising = np.cumsum(values + 1e-3, axis=0)[:, 0]
    threshold = rising[0] + share * (rising[-1] - rising[0])
    found = steps_to_accuracy(steps, rising, threshold)
    assert found == pytest.approx(np.interp(threshold, rising, steps), rel=1e-9)


@few
@given(seed=st.integers(0, 10_000), records=st.integers(2, 30), threshold=st.floats(0, 1))
def test_steps_to_accuracy_is_the_first_time(seed: int, records: int, threshold: float) -> None:
    steps, values = curves(seed, records)
    for column, found in zip(values.T, steps_to_accuracy(steps, values, threshold), strict=True):
        if column.max() < threshold:
            assert math.isnan(found)
        elif column[0] >= threshold:
            assert found == steps[0]
        else:
            assert np.interp(found, steps, column) == pytest.approx(threshold, abs=1e-9)
            assert (column[steps < found - 1e-9] < threshold).all()


def test_steps_to_accuracy_in_a_table_of_cases() -> None:
    steps = [0, 10, 20, 40]
    accuracy = np.array(
        [
            # reached between records, at a record, at the start, never, twice
            [0.1, 0.1, 0.9, 0.1, 0.1],
            [0.5, 0.8, 0.1, 0.2, 0.9],
            [1.0, 0.9, 0.1, 0.3, 0.2],
            [1.0, 0.9, 0.1, 0.4, 1.0],
        ]
    )
    found = steps_to_accuracy(steps, accuracy, 0.8)
    np.testing.assert_allclose(found, [16, 10, 0, np.nan, 8.75])


@pytest.mark.parametrize(
    ("steps", "values"),
    [
        ([0], [1.0]),
        ([], []),
        ([0, 0], [1.0, 2.0]),
        ([1, 0], [1.0, 2.0]),
        ([0, math.nan], [1.0, 2.0]),
        ([0, 1], [1.0, 2.0, 3.0]),
        ([0, 1], 1.0),
        ([[0, 1]], [[0, 1]]),
    ],
)
def test_bad_curves(steps: list, values: object) -> None:
    message = "A curve needs two or more strictly increasing steps and a value for each"
    with pytest.raises(ValueError, match=message):
        area_under_curve(steps, values)
    with pytest.raises(ValueError, match=message):
        steps_to_accuracy(steps, values, 0.5)


# gradient_alignment


def bp_gradients(net: MLP, i: int, x: Tensor, y: Tensor) -> list[Tensor]:
    """By autograd in float64."""
    weights = [w[i].double().requires_grad_() for w in net.weights]
    hidden = x.double()
    for layer, weight in enumerate(weights):
        hidden = nn.functional.linear(hidden, weight, net.biases[layer][i].double())
        hidden = hidden.relu() if layer < len(weights) - 1 else hidden
    nn.functional.cross_entropy(hidden, y).backward()
    return [w.grad for w in weights]


def test_gradient_alignment_against_autograd() -> None:
    net, split = tiny_net(), tiny_split()
    angles = gradient_alignment(net, split.x, split.y)
    assert angles.shape == (3, 3)
    net.backward(split.x, split.y)
    for i in range(3):
        for layer, gradient in enumerate(bp_gradients(net, i, split.x, split.y)):
            update = net.weights[layer].grad[i].double()
            cosine = (update * gradient).sum() / update.norm() / gradient.norm()
            expected = math.degrees(math.acos(min(1.0, cosine.item())))
            # An arc cosine near 0 and float32 gradients: a few 1e-2 degrees.
            assert angles[layer, i].item() == pytest.approx(expected, abs=0.05)


def test_gradient_alignment_is_zero_where_the_rules_agree() -> None:
    split = tiny_split()
    assert (gradient_alignment(tiny_net("bp"), split.x, split.y) == 0).all()
    angles = gradient_alignment(tiny_net("fa"), split.x, split.y)
    assert (angles[-1] == 0).all()
    assert (angles[:-1] > 0).all()


def test_gradient_alignment_starts_near_a_right_angle_under_random_feedback() -> None:
    net = MLP([30, 200, 200, 10], rule="fa", seeds=range(30), device="cpu")
    x = normal(64, 30, dtype=torch.float32)
    angles = gradient_alignment(net, x, torch.arange(64) % 10)[0].numpy()
    assert abs(angles.mean() - 90) < 4 * angles.std() / math.sqrt(30)
    assert angles.std() < 10


def test_gradient_alignment_leaves_the_networks_alone() -> None:
    net, split = tiny_net(), tiny_split()
    net.backward(split.x, split.y)
    before = [t.clone() for p in net.parameters() for t in (p, p.grad)]
    gradient_alignment(net, 2 * split.x[:7], split.y[:7])
    after = [t for p in net.parameters() for t in (p, p.grad)]
    assert all(torch.equal(a, b) for a, b in zip(after, before, strict=True))
    assert net.rule == "fa"
    fresh = tiny_net()
    gradient_alignment(fresh, split.x, split.y)
    assert all(p.grad is None for p in fresh.parameters())


# meta_loss


def tasks() -> list[Dataset]:
    return [
        Dataset(
            f"task {i}", tiny_split(50, seed=i), tiny_split(30, seed=9 + i), 4, (12,), "made up"
        )
        for i in range(3)
    ]


def test_meta_loss_is_the_sum_of_test_losses_after_adapting_to_each_task() -> None:
    net = tiny_net()
    before = [p.clone() for p in net.parameters()]
    found = meta_loss(net, tasks(), steps=20, batch_size=8, lr=1e-2)
    assert all(torch.equal(p, q) for p, q in zip(net.parameters(), before, strict=True))
    assert all(p.grad is None for p in net.parameters())
    expected = torch.zeros(3, dtype=torch.float64)
    for task in tasks():
        adapted = tiny_net()
        fit(adapted, task.train, steps=20, batch_size=8, lr=1e-2)
        p = torch.softmax(adapted(task.test.x).double(), dim=2)
        expected += torch.tensor(
            [skm.log_loss(task.test.y.numpy(), row.numpy(), labels=range(4)) for row in p]
        )
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=0)
    unadapted = sum(evaluate(net, task.test)[0] for task in tasks())
    torch.testing.assert_close(meta_loss(net, tasks(), steps=0), unadapted)
    assert not torch.isclose(found, unadapted, rtol=0.01).any()


# Bad input

W, ROW = torch.ones(2, 3, 4), torch.ones(4)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: alignment_angle(W, W.mT), ValueError, "got [2, 3, 4] and [2, 4, 3]."),
        (lambda: alignment_angle(ROW, ROW), ValueError, "[N, out, in] or [out, in]; got [4]"),
        (lambda: effective_dimensionality(ROW), ValueError, "[N, out, in] or [out, in], got [4]."),
        (
            lambda: evaluate(tiny_net(), tiny_split(classes=6)),
            ValueError,
            "but the networks have 4",
        ),
        (
            lambda: evaluate(tiny_net(), tiny_split(features=9)),
            ValueError,
            "Inputs must be [B, 12]",
        ),
        (
            lambda: evaluate(tiny_net(), tiny_split(), batch_size=0),
            ValueError,
            "batch_size must be at least 1, got 0.",
        ),
        (lambda: meta_loss(tiny_net(), []), ValueError, "tasks is empty"),
        (lambda: meta_loss(tiny_net(), tasks(), steps=-1), ValueError, "steps must be at least 0"),
        (
            lambda: gradient_alignment(tiny_net(), torch.rand(3, 5), torch.tensor([0, 1, 2])),
            ValueError,
            "Inputs must be [B, 12] or [3, B, 12], got [3, 5].",
        ),
    ],
)
def test_bad_input(call, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
