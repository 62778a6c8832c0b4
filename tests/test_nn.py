"""Feedback layers and converted modules: against the stack, autograd of plain torch, and NumPy."""

import copy
import io
import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fa_lib import MLP
from fa_lib.nn import DirectChain, FeedbackConv2d, FeedbackLinear, convert, feedback_layers, mirror
from fa_lib.rules import RULES, by_sign, rule_of

SIZES = {1: [7, 4], 2: [7, 6, 4], 3: [7, 6, 5, 4], 5: [7, 9, 6, 5, 8, 4]}
ABOVE = [name for name, rule in RULES.items() if rule.source == "above"]
SET = [name for name in ABOVE if name != "brsf"]  # whose feedback can be set from outside


def plain(net: MLP, i: int) -> nn.Sequential:
    """Network i of a stack as torch's own layers."""
    layers: list[nn.Module] = []
    for k, (inputs, outputs) in enumerate(itertools.pairwise(net.sizes)):
        linear = nn.Linear(inputs, outputs, bias=bool(net.biases), dtype=net.dtype)
        with torch.no_grad():
            linear.weight.copy_(net.weights[k][i])
            if net.biases:
                linear.bias.copy_(net.biases[k][i])
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def batch(size: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(size)
    x = torch.randn(size, 7, generator=generator, dtype=torch.float64)
    return x, torch.randint(0, 4, (size,), generator=generator)


# -- Against the stack -----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 9])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
@pytest.mark.parametrize("depth", SIZES)
@pytest.mark.parametrize("rule", [name for name in RULES if name != "brsf"])
def test_a_converted_module_learns_as_the_stack_does(
    rule: str, depth: int, bias: bool, size: int
) -> None:
    """Which is held against NumPy in test_nine_rules.py."""
    stack = MLP(SIZES[depth], rule=rule, seeds=[5], bias=bias, device="cpu", dtype=torch.float64)
    for b in stack.biases:
        b.normal_(0, 0.3, generator=torch.Generator().manual_seed(1))
    module = convert(plain(stack, 0), rule, seed=5)
    # The same streams of the same seed, drawn in float32.
    for k, layer in enumerate(feedback_layers(module)):
        assert torch.equal(layer.feedback, stack.feedback[k][0])
    x, y = batch(size)
    stack.backward(x, y)
    logits = module(x, y) if rule == "drtp" else module(x)
    torch.testing.assert_close(logits, stack(x)[0], rtol=1e-12, atol=1e-14)
    F.cross_entropy(logits, y).backward()
    learned = dict(module.named_parameters())
    for k in range(len(stack.weights)):
        pairs = [("weight", stack.weights)] + [("bias", stack.biases)] * bias
        for name, group in pairs:
            found = learned[f"{2 * k}.{name}"].grad
            torch.testing.assert_close(found, group[k].grad[0], rtol=1e-11, atol=1e-14)


def test_redrawn_magnitudes_carry_the_error_and_leave_the_buffer() -> None:
    layer = FeedbackLinear(4, 3, rule="brsf", dtype=torch.float64)
    kept = layer.feedback.clone()
    x = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    error = torch.randn(5, 3, dtype=torch.float64)
    seen = []
    for _ in range(2):
        torch.manual_seed(len(seen))
        drawn = torch.randn(3, 4, dtype=torch.float64) * (2 / 4) ** 0.5
        torch.manual_seed(len(seen))
        (back,) = torch.autograd.grad(layer(x), x, error)
        torch.testing.assert_close(back, error @ (layer.weight.sign() * drawn.abs()))
        seen.append(back)
    assert not torch.equal(*seen)
    assert torch.equal(layer.feedback, kept)


# -- Convolutions, against autograd of torch's own -------------------------------------------------

GEOMETRIES = {
    "plain": {},
    "no bias": {"bias": False},
    "stride": {"stride": 2, "padding": 1},
    "uneven": {"stride": (2, 1), "padding": (0, 2), "dilation": (1, 2)},
    "groups": {"groups": 2},
    "same": {"padding": "same", "dilation": 2},
    "valid": {"padding": "valid"},
    "circular": {"padding": 1, "padding_mode": "circular"},
}


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("rule", SET)
def test_a_convolution_sends_the_error_through_the_rule_s_kernels(rule: str, geometry: str) -> None:
    how = GEOMETRIES[geometry]
    layer = FeedbackConv2d(4, 6, (3, 2), rule=rule, seed=3, dtype=torch.float64, **how)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 4, 8, 7, generator=generator, dtype=torch.float64, requires_grad=True)
    out = layer(x)
    error = torch.randn(out.shape, generator=generator, dtype=torch.float64)
    out.backward(error)

    kernels = {"bp": layer.weight, "usf": by_sign(layer.weight, layer.feedback)}
    kernels["frsf"] = layer.weight.sign() * layer.feedback.abs()
    own = nn.Conv2d(4, 6, (3, 2), dtype=torch.float64, **how)
    through = copy.deepcopy(own)
    with torch.no_grad():
        for name, parameter in own.named_parameters():
            parameter.copy_(getattr(layer, name))
        through.weight.copy_(kernels.get(rule, layer.feedback))
    torch.testing.assert_close(out, own(x))
    parts = torch.autograd.grad(own(x), list(own.parameters()), error)
    (back,) = torch.autograd.grad(through(x), x, error)
    torch.testing.assert_close(x.grad, back, rtol=1e-11, atol=1e-13)
    for (name, _), expected in zip(own.named_parameters(), parts, strict=True):
        found = getattr(layer, name).grad
        torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-12)
    if rule == "kp":
        assert torch.equal(layer.feedback.grad, layer.weight.grad)
    torch.testing.assert_close(layer(x[0]), own(x[0]))


def lenet(**how) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, **how),
        nn.Tanh(),
        nn.MaxPool2d(2),
        nn.Conv2d(3, 4, 2, **how),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16, 5, **how),
        nn.Tanh(),
        nn.Linear(5, 4, **how),
    )


@pytest.mark.parametrize("rule", ["dfa", "drtp"])
def test_a_chain_of_convolutions_gets_the_output_s_error(rule: str) -> None:
    """Each hidden layer, by hand: what is sent, reshaped, through its own nonlinearity alone."""
    model = lenet(dtype=torch.float64)
    x = torch.randn(3, 1, 8, 8, dtype=torch.float64)
    y = torch.tensor([0, 3, 1])
    net = convert(model, rule, seed=2, example=x)
    assert net.converted == ("0", "3", "6", "8")
    logits = net(x, y) if rule == "drtp" else net(x)
    assert torch.equal(logits, model(x))
    F.cross_entropy(logits, y).backward()
    targets = F.one_hot(y, 4).double()
    sent = (torch.softmax(logits.detach(), 1) - targets) / 3 if rule == "dfa" else -targets / 3
    bounds = [0, 3, 6, 8, 9]
    below = x
    for first, last in itertools.pairwise(bounds):
        block = model[first:last]
        out = block(below.detach())
        if last < 9:
            back = (sent @ getattr(net, f"feedback_{last}")).reshape(out.shape)
        else:
            back = (torch.softmax(out.detach(), 1) - targets) / 3
        expected = torch.autograd.grad(out, list(block.parameters()), back)
        found = [p.grad for layer in list(net.children())[first:last] for p in layer.parameters()]
        for p, q in zip(found, expected, strict=True):
            torch.testing.assert_close(p, q, rtol=1e-11, atol=1e-13)
        below = out


# -- Conversion ------------------------------------------------------------------------------------


class Branched(nn.Module):
    """What no chain is: a residual connection, a norm, nested modules, an unused hook."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(7, 6)
        self.block = nn.ModuleDict({"a": nn.Linear(6, 6), "norm": nn.BatchNorm1d(6)})
        self.last = nn.Linear(6, 4, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x).relu()
        return self.last(h + self.block["norm"](self.block["a"](h)).tanh())


def test_a_copy_is_turned_and_says_what() -> None:
    model = Branched()
    calls = []
    model.block["a"].register_forward_hook(lambda *_: calls.append(1))
    net = convert(model, seed=4)
    assert net.converted == ("first", "block.a", "last")
    assert type(model.first) is nn.Linear
    assert [name for name, _ in net.named_parameters()] == [n for n, _ in model.named_parameters()]
    x = torch.randn(5, 7)
    net.eval()
    model.eval()
    assert torch.equal(net(x), model(x))
    assert len(calls) == 2
    assert net.last.bias is None
    assert {type(layer) for layer in feedback_layers(net)} == {FeedbackLinear}
    fresh = convert(Branched(), seed=4)
    assert torch.equal(fresh.last.feedback, net.last.feedback)
    assert not torch.equal(convert(model, seed=5).last.feedback, net.last.feedback)
    assert not torch.equal(net.first.feedback[:, :6], net.block["a"].feedback)


def test_under_bp_a_converted_module_has_torch_s_own_gradients() -> None:
    model = Branched().double()
    net = convert(model, "bp")
    x, y = batch(9)
    for module in (model, net):
        F.cross_entropy(module(x), y).backward()
    for p, q in zip(model.parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, rtol=1e-10, atol=1e-13)


class Doubled(nn.Linear):
    """Forward of its own, which a feedback layer would lose."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


def tied() -> nn.Sequential:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight = model[0].weight
    return model


def twice() -> nn.Sequential:
    layer = nn.Linear(4, 4)
    return nn.Sequential(layer, nn.ReLU(), layer)


@pytest.mark.parametrize(
    ("make", "rule", "message"),
    [
        (lambda: nn.Sequential(Doubled(3, 2)), "fa", r"0 \(Doubled\) is a subclass of Linear"),
        (lambda: nn.Sequential(nn.LazyLinear(3)), "fa", r"LazyLinear\) is a subclass"),
        (
            lambda: nn.TransformerEncoderLayer(8, 2),
            "fa",
            r"self_attn \(MultiheadAttention\) multiplies by its weights itself",
        ),
        (tied, "fa", r"1 \(Linear\) shares its weight with 0 \(Linear\)"),
        (twice, "fa", r"2 \(Linear\) shares its weight with 0 \(Linear\)"),
        (lambda: nn.ReLU(), "fa", "no Linear and no Conv2d to turn"),
        (lambda: Branched(), "dfa", "'dfa' needs one chain of layers, a nn.Sequential, got Branc"),
        (
            lambda: nn.Sequential(nn.Sequential(nn.Linear(3, 3)), nn.Linear(3, 2)),
            "dfa",
            "0.0 lies inside another module",
        ),
        (lambda: nn.Sequential(nn.Conv2d(1, 2, 3)), "drtp", "it ends in no Linear"),
        (lambda: lenet(), "dfa", "With convolutions give an example input"),
        (lambda: nn.Sequential(nn.Linear(3, 2)), "fb", "Unknown rule 'fb'"),
    ],
)
def test_what_cannot_be_turned_is_refused_by_name(make, rule: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        convert(make(), rule)


def test_what_is_no_module_and_rules_that_no_layer_can_have() -> None:
    with pytest.raises(TypeError, match="takes a torch module, got list"):
        convert([nn.Linear(2, 2)])
    with pytest.raises(ValueError, match="'dfa' takes its error from the output"):
        FeedbackLinear(2, 2, rule="dfa")
    net = convert(nn.Sequential(nn.Linear(7, 6), nn.ReLU(), nn.Linear(6, 4)), "drtp")
    assert isinstance(net, DirectChain)
    with pytest.raises(ValueError, match=r"call net\(x, targets\)"):
        net(torch.ones(2, 7))
    with torch.no_grad():
        assert net(torch.ones(2, 7)).shape == (2, 4)


# -- As torch's own modules ------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
def test_state_is_saved_loaded_and_moved(rule: str) -> None:
    net, other = (
        convert(nn.Sequential(nn.Linear(7, 6), nn.ReLU(), nn.Linear(6, 4)), rule, seed=s)
        for s in (1, 2)
    )
    file = io.BytesIO()
    torch.save(net.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    for name, tensor in net.state_dict().items():
        assert torch.equal(other.state_dict()[name], tensor)
    assert any("feedback" in name for name in net.state_dict())
    double = copy.deepcopy(net).to(torch.float64)
    assert {t.dtype for t in double.state_dict().values()} == {torch.float64}


def test_kolen_pollack_learns_its_feedback_by_any_optimiser() -> None:
    net = convert(nn.Sequential(nn.Linear(7, 6), nn.ReLU(), nn.Linear(6, 4)), "kp").double()
    apart = (net[2].weight - net[2].feedback).detach().clone()
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1, weight_decay=0.1)
    for step in range(100):
        x, y = batch(step + 1)
        optimiser.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimiser.step()
    torch.testing.assert_close(
        (net[2].weight - net[2].feedback).detach(), apart * 0.99**100, rtol=1e-9, atol=1e-12
    )


def test_mirrors_come_to_the_weights_of_lines_and_of_kernels() -> None:
    torch.manual_seed(0)
    net = convert(lenet(), "wm", seed=1)
    for _ in range(400):
        mirror(net)
    for layer in feedback_layers(net):
        assert (layer.feedback - layer.weight).norm() < 0.25 * layer.weight.norm()
        assert layer.weight.grad is None
    fixed = convert(lenet(), "fa")
    before = [layer.feedback.clone() for layer in feedback_layers(fixed)]
    mirror(fixed)
    for layer, feedback in zip(feedback_layers(fixed), before, strict=True):
        assert torch.equal(layer.feedback, feedback)


@pytest.mark.parametrize("rule", [name for name in SET if name != "wm"])
def test_many_modules_under_vmap_learn_as_each_alone(rule: str) -> None:
    def model(seed: int) -> nn.Module:
        torch.manual_seed(seed)
        layers = (nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 4))
        return convert(nn.Sequential(*layers), rule, seed=seed).double()

    nets = [model(seed) for seed in range(3)]
    x = torch.randn(5, 1, 4, 4, dtype=torch.float64)
    y = torch.tensor([0, 1, 2, 3, 0])
    parameters, buffers = torch.func.stack_module_state(nets)
    base = copy.deepcopy(nets[0]).to("meta")

    def loss(parameters: dict, buffers: dict) -> Tensor:
        return F.cross_entropy(torch.func.functional_call(base, (parameters, buffers), (x,)), y)

    stacked = torch.func.vmap(torch.func.grad(loss))(parameters, buffers)
    for i, net in enumerate(nets):
        F.cross_entropy(net(x), y).backward()
        for name, parameter in net.named_parameters():
            torch.testing.assert_close(stacked[name][i], parameter.grad, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("rule", ["fa", "kp", "frsf"])
def test_a_compiled_module_has_no_graph_break_and_the_same_gradients(rule: str) -> None:
    torch.manual_seed(0)
    layers = (nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 4))
    net = convert(nn.Sequential(*layers), rule).double()
    compiled = torch.compile(copy.deepcopy(net), backend="aot_eager", fullgraph=True)
    x = torch.randn(5, 1, 4, 4, dtype=torch.float64)
    y = torch.tensor([0, 1, 2, 3, 0])
    for module in (net, compiled):
        F.cross_entropy(module(x), y).backward()
    for p, q in zip(net.parameters(), compiled.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad)


@pytest.mark.parametrize("rule", [*SET, "dfa"])
def test_under_autocast_gradients_are_those_of_float32_to_its_digits(rule: str) -> None:
    torch.manual_seed(0)
    net = convert(lenet(), rule, example=torch.zeros(1, 1, 8, 8))
    x, y = torch.randn(16, 1, 8, 8), torch.arange(16) % 4
    F.cross_entropy(net(x), y).backward()
    exact = [p.grad.clone() for p in net.parameters()]
    net.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = F.cross_entropy(net(x), y)
    loss.backward()
    for p, q in zip(net.parameters(), exact, strict=True):
        assert p.grad.dtype == torch.float32
        assert (p.grad - q).norm() < 0.1 * q.norm()


def test_feedback_is_a_function_of_seed_and_stream_alone() -> None:
    first = FeedbackLinear(20, 30, seed=7, stream=2)
    torch.manual_seed(9)
    again = FeedbackLinear(20, 30, seed=7, stream=2, dtype=torch.float64, bias=False)
    assert torch.equal(first.feedback.double(), again.feedback)
    assert not torch.equal(first.feedback, FeedbackLinear(20, 30, seed=8, stream=2).feedback)
    assert not torch.equal(first.feedback, FeedbackLinear(20, 30, seed=7, stream=3).feedback)
    kernels = FeedbackConv2d(8, 16, 5, groups=2, seed=7).feedback
    assert kernels.std().item() == pytest.approx(np.sqrt(2 / (4 * 25)), rel=0.1)
    assert rule_of("fa") is RULES["fa"]
