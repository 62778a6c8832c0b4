"""Networks as one stack: how they are drawn, what they share, and what bad input gets."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import stats

from fa_lib import MLP, Noise, Split, fit, pretrain

SIZES = [12, 9, 7, 4]
FULL = {"sizes": SIZES, "rule": "fa", "seeds": [0, 1], "device": "cpu"}


def make(**changes: object) -> MLP:
    arguments = FULL | changes
    return MLP(arguments.pop("sizes"), **arguments)  # type: ignore[arg-type]


def data(n: int = 50, classes: int = 4) -> Split:
    generator = torch.Generator().manual_seed(n)
    x = torch.rand(n, SIZES[0], generator=generator)
    return Split(x, torch.randint(0, classes, (n,), generator=generator))


def tensors(net: MLP) -> list[torch.Tensor]:
    return [*net.weights, *net.biases, *net.feedback]


# How they are drawn


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sizes", [[5, 3], SIZES])
def test_shapes(sizes: list[int], dtype: torch.dtype) -> None:
    net = make(sizes=sizes, seeds=range(3), dtype=dtype)
    weight_shapes = [(3, out, fan_in) for fan_in, out in itertools.pairwise(sizes)]
    assert [tuple(w.shape) for w in net.weights] == weight_shapes
    assert [tuple(b.shape) for b in net.feedback] == weight_shapes
    assert [tuple(b.shape) for b in net.biases] == [shape[:2] for shape in weight_shapes]
    assert {t.dtype for t in tensors(net)} == {net.dtype} == {dtype}
    assert len(net) == 3
    assert net.classes == sizes[-1]
    assert all((b == 0).all() for b in net.biases)
    assert make(sizes=sizes, bias=False).biases == []
    for x in (torch.rand(6, sizes[0]), torch.rand(3, 6, sizes[0])):
        logits = net(x)
        assert logits.shape == (3, 6, sizes[-1])
        assert logits.dtype == dtype


@pytest.mark.parametrize("stream", ["weights", "feedback"])
def test_weights_are_he_normal(stream: str) -> None:
    net = make(sizes=[300, 100, 50, 10], seeds=range(4))
    for matrix, fan_in in zip(getattr(net, stream), (300, 100, 50), strict=True):
        values = matrix.flatten().numpy() * math.sqrt(fan_in / 2)
        assert stats.kstest(values, "norm").pvalue > 1e-4


def test_layers_streams_and_seeds_are_independent() -> None:
    net = make(sizes=[40, 40, 40], seeds=[0, 1])
    drawn = [m[i].flatten().double().numpy() for m in net.weights + net.feedback for i in (0, 1)]
    correlation = np.corrcoef(drawn)[np.triu_indices(len(drawn), 1)]
    assert np.abs(correlation).max() < 4.5 / 40  # 28 pairs of 1,600 values


def test_readout_scale_is_a_factor_on_the_last_layer_alone() -> None:
    plain, scaled, zero = make(), make(readout_scale=0.5), make(readout_scale=0)
    assert torch.equal(scaled.weights[-1], 0.5 * plain.weights[-1])
    assert (zero.weights[-1] == 0).all()
    for first, second in zip(
        plain.weights[:-1] + plain.feedback, scaled.weights[:-1] + scaled.feedback, strict=True
    ):
        assert torch.equal(first, second)


@pytest.mark.parametrize("bias", [True, False])
def test_logits_are_those_of_torch_layers(bias: bool) -> None:
    net = make(bias=bias)
    for b in net.biases:
        b.normal_(generator=torch.Generator().manual_seed(0))
    x = torch.randn(2, 5, 12, generator=torch.Generator().manual_seed(0))
    for i in range(2):
        hidden = x[i]
        for layer, weight in enumerate(net.weights):
            hidden = torch.nn.functional.linear(
                hidden, weight[i], net.biases[layer][i] if bias else None
            )
            hidden = hidden.relu() if layer < 2 else hidden
            torch.testing.assert_close(net.activations(x)[layer][i], hidden)
        torch.testing.assert_close(net(x)[i], hidden)
        torch.testing.assert_close(net(x[i])[i], hidden)


def test_outputs_are_not_written_over_by_the_next_batch() -> None:
    net = make()
    kept = [net(torch.ones(3, 12)), *net.activations(torch.ones(3, 12))]
    copies = [k.clone() for k in kept]
    net.backward(torch.rand(3, 12), torch.tensor([0, 1, 2]))
    net(torch.zeros(3, 12))
    assert all(torch.equal(k, c) for k, c in zip(kept, copies, strict=True))


# What they share


def test_rules_share_weights_feedback_and_the_order_of_draws() -> None:
    for first, second in zip(tensors(make()), tensors(make(rule="bp")), strict=True):
        assert torch.equal(first, second)


@pytest.mark.parametrize("seeds", [[5], [0, 5], [9, 3, 5, 1, 2]])
def test_a_network_is_drawn_from_its_own_seed_alone(seeds: list[int]) -> None:
    stacked, other = make(seeds=seeds), make(seeds=[6])
    place = seeds.index(5)
    for first, alone, stranger in zip(
        tensors(stacked), tensors(make(seeds=[5])), tensors(other), strict=True
    ):
        assert torch.equal(first[place], alone[0])
        assert first.dim() == 2 or not torch.equal(first[place], stranger[0])


def test_float64_networks_start_from_the_float32_ones() -> None:
    for single, double in zip(tensors(make()), tensors(make(dtype=torch.float64)), strict=True):
        assert torch.equal(single.double(), double)


def test_global_random_state_is_neither_read_nor_changed() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = make()
    fit(first, data(), epochs=1)
    pretrain(first, steps=2)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    second = make()
    fit(second, data(), epochs=1)
    pretrain(second, steps=2)
    assert all(torch.equal(a, b) for a, b in zip(tensors(first), tensors(second), strict=True))


def test_a_slice_is_a_view() -> None:
    net = make(seeds=[4, 8, 6])
    view = net[1:]
    assert view.seeds == (8, 6)
    assert len(view) == 2
    for part, whole in zip(tensors(view), tensors(net), strict=True):
        assert part.data_ptr() == whole[1].data_ptr()
    before = [t.clone() for t in tensors(net)]
    fit(view, data(), epochs=1)
    for layer, weight in enumerate(net.weights):
        assert torch.equal(weight[0], before[layer][0])
        assert not torch.equal(weight[1], before[layer][1])
    alone = make(seeds=[8])
    fit(alone, data(), epochs=1)
    for part, single in zip(tensors(view), tensors(alone), strict=True):
        torch.testing.assert_close(part[:1], single)


def test_a_slice_has_its_own_gradients_and_buffers() -> None:
    net, x, y = make(seeds=[4, 8, 6]), torch.rand(5, 12), torch.arange(5) % 4
    net.backward(x, y)
    gradients = [p.grad.clone() for p in net.parameters()]
    view = net[1:]
    view.backward(x.flip(0), y)
    assert all(torch.equal(p.grad, g) for p, g in zip(net.parameters(), gradients, strict=True))


def test_another_rule_for_the_same_networks() -> None:
    net = make()
    other = net.with_rule("bp")
    assert (net.rule, other.rule) == ("fa", "bp")
    assert all(
        a.data_ptr() == b.data_ptr() for a, b in zip(tensors(net), tensors(other), strict=True)
    )


def test_weights_assigned_in_place_are_used() -> None:
    net, x, y = make(), torch.rand(5, 12), torch.arange(5) % 4
    first = net.backward(x, y)
    net.weights[-1].zero_()
    net.feedback[-1].neg_()
    assert not torch.equal(net.backward(x, y), first)
    torch.testing.assert_close(net.backward(x, y), torch.full((2,), math.log(4)))


def test_repr_says_what_it_is() -> None:
    assert repr(make()) == "MLP(12-9-7-4, rule='fa', 2 network(s), cpu)"


# What bad input gets

NO_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="here there is a CUDA device")
X, Y = torch.rand(3, 12), torch.tensor([0, 1, 3])

ALLOWED = "bp, brsf, dfa, drtp, fa, frsf, kp, usf, wm"
CONSTRUCTION = [
    ({"rule": "FA"}, ValueError, f"Unknown rule 'FA'. Did you mean 'fa'? Allowed: {ALLOWED}."),
    ({"rule": "backprop"}, ValueError, f"Unknown rule 'backprop'. Allowed: {ALLOWED}."),
    ({"rule": None}, TypeError, "rule must be a name or a Rule, got NoneType."),
    ({"sizes": []}, ValueError, "sizes needs at least an input and an output, got []."),
    ({"sizes": [784]}, ValueError, "sizes needs at least an input and an output, got [784]."),
    ({"sizes": [784, 0, 10]}, ValueError, "Each layer size must be at least 1, got 0."),
    ({"sizes": [784, -5, 10]}, ValueError, "Each layer size must be at least 1, got -5."),
    ({"sizes": [784, 10.0]}, TypeError, "Each layer size must be a whole number, got 10.0."),
    ({"sizes": 784}, TypeError, "sizes must be a list such as [784, 512, 10], got 784."),
    ({"sizes": [784, 1]}, ValueError, "number of classes and must be at least 2"),
    ({"seeds": []}, ValueError, "seeds is empty: give at least one, for example range(10)."),
    ({"seeds": [1, 2, 1]}, ValueError, "seeds must differ from one another, but 1 occurs twice."),
    ({"seeds": [1.5]}, TypeError, "Each seed must be a whole number, got 1.5."),
    ({"seeds": [True]}, TypeError, "Each seed must be a whole number, got True."),
    ({"seeds": [-1]}, ValueError, "Each seed must be at least 0, got -1."),
    ({"seeds": 10}, TypeError, "seeds must be a collection such as range(10) or [3], got 10."),
    ({"seeds": "12"}, TypeError, "seeds must be a collection such as range(10) or [3], got '12'."),
    (
        {"device": "gpu"},
        ValueError,
        "Unknown device 'gpu'. Allowed: auto, cpu, cuda, cuda:<index>.",
    ),
    ({"device": "meta"}, ValueError, "Unknown device 'meta'."),
    ({"device": None}, ValueError, "Unknown device None."),
    pytest.param({"device": "cuda"}, RuntimeError, "Device 'cuda' is not there", marks=NO_GPU),
    ({"device": "cuda:99"}, RuntimeError, "Use device='auto' or 'cpu'."),
    ({"dtype": torch.float16}, ValueError, "dtype must be torch.float32 or torch.float64"),
    (
        {"compute_dtype": torch.float16},
        ValueError,
        "compute_dtype must be None, torch.bfloat16 or torch.float32, got torch.float16.",
    ),
    ({"readout_scale": math.nan}, ValueError, "readout_scale must be finite, got nan."),
    ({"readout_scale": "big"}, TypeError, "readout_scale must be a number, got 'big'."),
]

BATCHES = [
    (X[:, :11], Y, ValueError, "Inputs must be [B, 12] or [2, B, 12], got [3, 11]."),
    (X[0], Y, ValueError, "Inputs must be [B, 12] or [2, B, 12], got [12]."),
    (X.expand(5, 3, 12), Y, ValueError, "Inputs must be [B, 12] or [2, B, 12], got [5, 3, 12]."),
    (X[:0], Y[:0], ValueError, "Inputs are empty: the batch has no rows."),
    (X.numpy(), Y, TypeError, "Inputs must be a tensor, got ndarray."),
    (X, Y.tolist(), TypeError, "Targets must be a tensor, got list."),
    (X, Y[:2], ValueError, "Targets must be [3] or [2, 3], got [2]."),
    (X, torch.full((3, 5), 0.2), ValueError, "Targets must be [3, 4] or [2, 3, 4], got [3, 5]."),
    (X, Y + 1, ValueError, "Labels must lie in 0 to 3, got 1 to 4."),
    (X, Y - 1, ValueError, "Labels must lie in 0 to 3, got -1 to 2."),
    (X, torch.ones(3, 4), ValueError, "Target probabilities must be at least 0 and sum to 1."),
    (X, torch.full((3, 4), math.nan), ValueError, "Target probabilities must be at least 0"),
]


@pytest.mark.parametrize(("changes", "error", "message"), CONSTRUCTION)
def test_bad_construction(changes: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        make(**changes)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("x", "y", "error", "message"), BATCHES)
def test_bad_batch(x: object, y: object, error: type[Exception], message: str) -> None:
    net = make()
    with pytest.raises(error) as caught:
        net.backward(x, y)  # type: ignore[arg-type]
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert all(p.grad is None for p in net.parameters())


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        (0, TypeError, "Index networks with a slice such as net[0:2], got 0."),
        (slice(2, 2), ValueError, "seeds is empty"),
    ],
)
def test_bad_index(index: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        make()[index]  # type: ignore[index]
    assert message in str(caught.value)


def test_bad_rule_for_the_same_networks() -> None:
    with pytest.raises(ValueError, match="Did you mean 'bp'"):
        make().with_rule("BP")


def test_training_does_not_change_feedback() -> None:
    net = make()
    before = [b.clone() for b in net.feedback]
    pretrain(net, steps=3, noise=Noise("uniform"))
    fit(net, data(), epochs=1)
    assert all(torch.equal(a, b) for a, b in zip(net.feedback, before, strict=True))


def test_the_draws_do_not_depend_on_torchs_default_dtype() -> None:
    single = MLP([5, 4, 3], rule="fa", seeds=[7], device="cpu")
    torch.set_default_dtype(torch.float64)
    try:
        double = MLP([5, 4, 3], rule="fa", seeds=[7], device="cpu")
    finally:
        torch.set_default_dtype(torch.float32)
    assert double.weights[0].dtype == torch.float32
    assert torch.equal(single.weights[0], double.weights[0])


# As torch has them: state, place and type, modules


def moved(net: MLP) -> MLP:
    """The same networks with biases that are not zero."""
    for bias in net.biases:
        bias.normal_(generator=torch.Generator().manual_seed(0))
    return net


@pytest.mark.parametrize("bias", [True, False])
def test_a_state_makes_other_networks_equal(bias: bool) -> None:
    net, other = moved(make(bias=bias)), make(bias=bias, seeds=[7, 3])
    places = [tensor.data_ptr() for tensor in tensors(other)]
    other.load_state_dict({name: tensor.clone() for name, tensor in net.state_dict().items()})
    assert all(torch.equal(a, b) for a, b in zip(tensors(net), tensors(other), strict=True))
    assert [tensor.data_ptr() for tensor in tensors(other)] == places
    kinds = ["weights", "biases", "feedback"] if bias else ["weights", "feedback"]
    assert list(net.state_dict()) == [f"{kind}.{layer}" for kind in kinds for layer in range(3)]


def test_a_state_shares_memory_and_holds_no_gradient() -> None:
    net = make()
    net.backward(X, Y)
    state = net.state_dict()
    state["weights.0"].zero_()
    assert (net.weights[0] == 0).all()
    assert all(tensor.grad is None for tensor in state.values())


def other_state(**changes: object) -> dict:
    state = make(seeds=[7, 3]).state_dict() | changes
    return {name: tensor for name, tensor in state.items() if tensor is not None}


@pytest.mark.parametrize(
    ("state", "error", "message"),
    [
        (other_state(**{"weights.1": None}), ValueError, "state lacks weights.1."),
        (
            make(bias=False).state_dict(),
            ValueError,
            "state lacks biases.0, biases.1, biases.2.",
        ),
        (
            other_state(extra=torch.ones(1)),
            ValueError,
            "state holds extra, which these networks lack.",
        ),
        (
            other_state(**{"feedback.2": torch.ones(1, 4, 7)}),
            ValueError,
            "feedback.2 must be [2, 4, 7], got [1, 4, 7].",
        ),
        (other_state(**{"biases.2": 3.0}), TypeError, "biases.2 must be a tensor, got float."),
        ([1], TypeError, "state must be what state_dict() gives, got list."),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(
    state: object, error: type[Exception], message: str
) -> None:
    net, before = make(), tensors(make())
    with pytest.raises(error) as caught:
        net.load_state_dict(state)  # type: ignore[arg-type]
    assert str(caught.value) == message
    assert all(torch.equal(a, b) for a, b in zip(tensors(net), before, strict=True))


def test_another_type_is_a_copy() -> None:
    net = moved(make())
    double, same = net.to(dtype=torch.float64), net.to("cpu")
    assert double.dtype == double.compute_dtype == torch.float64
    assert (net.dtype, same.dtype) == (torch.float32, torch.float32)
    for a, b, c in zip(tensors(net), tensors(double), tensors(same), strict=True):
        assert torch.equal(a.double(), b)
        assert torch.equal(a, c)
        assert a.data_ptr() not in (b.data_ptr(), c.data_ptr())
    before = [tensor.clone() for tensor in tensors(net)]
    double.backward(X, Y)
    fit(same, data(), epochs=1)
    assert all(torch.equal(a, b) for a, b in zip(tensors(net), before, strict=True))
    half = make(compute_dtype=torch.bfloat16)
    assert half.to(dtype=torch.float64).compute_dtype == torch.bfloat16


def test_a_copy_counts_its_own_steps() -> None:
    net = make(rule="brsf")
    pretrain(net, steps=2)
    other = net.to(dtype=torch.float64)
    pretrain(other, steps=3)
    assert (net.noise_steps, net.renewals.tolist()) == (2, [2, 2])
    assert (other.noise_steps, other.renewals.tolist()) == (5, [5, 5])


@pytest.mark.gpu
def test_to_the_gpu_and_back() -> None:
    net = moved(make())
    there = net.to("cuda")
    assert there.device.type == "cuda"
    back = there.to("cpu")
    assert all(torch.equal(a, b) for a, b in zip(tensors(net), tensors(back), strict=True))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"dtype": torch.float16}, ValueError, "dtype must be torch.float32 or torch.float64"),
        ({"device": "gpu"}, ValueError, "Unknown device 'gpu'."),
    ],
)
def test_a_place_or_type_that_does_not_go(
    arguments: dict, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        make().to(**arguments)
    assert message in str(caught.value)


@pytest.mark.parametrize("sizes", [[12, 4], SIZES])
@pytest.mark.parametrize("bias", [True, False])
def test_a_module_is_that_network(bias: bool, sizes: list[int]) -> None:
    net = moved(make(bias=bias, sizes=sizes, dtype=torch.float64))
    state = torch.get_rng_state()
    for i in range(2):
        module = net.module(i)
        kinds = [type(part).__name__ for part in module]
        assert kinds == ["Linear", "ReLU"] * (len(sizes) - 2) + ["Linear"]
        assert [part.bias is not None for part in module[::2]] == [bias] * (len(sizes) - 1)
        torch.testing.assert_close(module(X.double()), net(X)[i], rtol=1e-12, atol=1e-12)
        parameters = list(module.parameters())
        assert all(p.dtype == torch.float64 and p.requires_grad for p in parameters)
    assert torch.equal(torch.get_rng_state(), state)
    before = net(X)
    with torch.no_grad():
        parameters[0].zero_()
    assert torch.equal(net(X), before)


@pytest.mark.parametrize(
    ("i", "error", "message"),
    [
        (2, IndexError, "The network's position must be below 2, got 2."),
        (-1, ValueError, "The network's position must be at least 0, got -1."),
        (1.0, TypeError, "The network's position must be a whole number, got 1.0."),
    ],
)
def test_no_module_of_a_network_that_is_not_there(
    i: object, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        make().module(i)  # type: ignore[arg-type]
    assert str(caught.value) == message
