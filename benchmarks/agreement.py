"""Do fa_lib's and biotorch's layers do the same? On the same weights, feedback and batch.

For the rules that both have, linear and convolutional, fa_lib.nn and biotorch 0.0.16 give the
gradients at weight, bias and input; a third opinion has NumPy in float64, by the sums in the
definition (`benchmarks/referee.py`). Each number is the greatest difference of two of them over the
greatest entry. Where they cannot be the same as they come, what was set is said:
- biotorch draws its feedback Xavier-uniform, and uSF's has the size of Xavier's standard deviation;
  in fa_lib both have that of He-normal weights. `scale` is biotorch's over fa_lib's.
- Its DFA sends the error down to a convolution by one set of kernels for all places, fa_lib's by a
  matrix: that is set to what the kernels come to.

Then, where biotorch is at fault (`misfits`), both against the referee. Stored in
benchmarks/agreement.parquet, with the faults and the circumstances in agreement.json. From the
repository's root, with biotorch at hand (`make agreement` sees to it):

    python -m benchmarks.agreement
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import io
import itertools
import math
import shlex
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.grad import conv2d_input

import fa_lib as fa
from benchmarks import peers, referee
from benchmarks.referee import Array, numbers
from fa_lib import results
from fa_lib._pairs import write_pair
from fa_lib.networks import he_std

ABOVE = ("fa", "usf", "brsf", "frsf")
GEOMETRIES: dict[str, dict[str, dict[str, Any]]] = {
    "linear": {"bias": {}, "no bias": {"bias": False}},
    "conv": {
        "bias": {},
        "no bias": {"bias": False},
        "stride 2, padding 1": {"stride": 2, "padding": 1},
        "stride 2x1, padding 0x2, dilation 1x2": {
            "stride": (2, 1),
            "padding": (0, 2),
            "dilation": (1, 2),
        },
        "2 groups, no bias": {"groups": 2, "bias": False},
    },
}
TYPES = {"float32": torch.float32, "float64": torch.float64}
# What was made equal that is not, as it comes.
SET = {
    "fa": "feedback",
    "usf": "size",
    "brsf": "draw",
    "frsf": "feedback, as magnitudes",
    "dfa": "feedback",
}
BATCH, CLASSES = 7, 3


def biotorch(name: str) -> Any:
    """A module of biotorch.

    Raises:
        ModuleNotFoundError: it is not there.
    """
    if str(peers.BIOTORCH) not in sys.path:
        sys.path.append(str(peers.BIOTORCH))
    return importlib.import_module(f"biotorch.{name}")


def commit() -> str:
    """The commit that is checked out."""
    command = ["git", "rev-parse", "--short=12", "HEAD"]
    asked = subprocess.run(
        command, cwd=Path(__file__).parent, check=True, capture_output=True, text=True
    )
    return asked.stdout.strip()


# -- One layer -------------------------------------------------------------------------------------


def fan_in(layer: Any) -> int:
    """How many inputs go into one output."""
    return math.prod(layer.weight.shape[1:])


def scale(layer: Any) -> float:
    """Xavier's standard deviation over He's, for weights of this shape."""
    fan_out = math.prod(layer.weight.shape) // layer.weight.shape[1]
    return math.sqrt(fan_in(layer) / (fan_in(layer) + fan_out))


def gradients(layer: Any, x: Tensor, error: Tensor) -> dict[str, Array]:
    """At input, weight and bias."""
    x = x.clone().requires_grad_()
    layer(x).backward(error)
    named = {"input": x, "weight": layer.weight, "bias": layer.bias}
    return {name: numbers(of.grad) for name, of in named.items() if of is not None}


def pair(rule: str, kind: str, how: dict[str, Any]) -> tuple[Any, Any]:
    """A layer of fa_lib and one of biotorch with the same weights and feedback."""
    theirs = biotorch(f"layers.{rule}")
    made: tuple[Any, Any]
    if kind == "linear":
        made = fa.nn.FeedbackLinear(6, 5, rule=rule, seed=3, **how), theirs.Linear(6, 5, **how)
    else:
        shape = (4, 6, (3, 2))
        made = fa.nn.FeedbackConv2d(*shape, rule=rule, seed=3, **how), theirs.Conv2d(*shape, **how)
    return made_equal(*made)


def made_equal(ours: Any, theirs: Any) -> tuple[Any, Any]:
    """The two, with fa_lib's weights and feedback in both."""
    with torch.no_grad():
        for name, parameter in ours.named_parameters():
            getattr(theirs, name).copy_(parameter)
        # Magnitudes are what biotorch's frSF draws itself.
        frsf = ours.rule.name == "frsf"
        theirs.weight_backward.copy_(ours.feedback.abs() if frsf else ours.feedback)
    theirs.scaling_factor = he_std(fan_in(ours))  # of uSF
    return ours, theirs


def batch(kind: str) -> Tensor:
    """Inputs of a layer."""
    shape = (BATCH, 6) if kind == "linear" else (BATCH, 4, 8, 7)
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def layer_views(rule: str, kind: str, how: dict[str, Any]) -> dict[str, dict[str, Array]]:
    """What fa_lib, biotorch and the referee say of one layer."""
    ours, theirs = pair(rule, kind, how)
    x = batch(kind)
    error = torch.randn(ours(x).shape, generator=torch.Generator().manual_seed(2))
    torch.manual_seed(4)
    drawn = torch.randn_like(ours.feedback) * he_std(fan_in(ours))
    torch.manual_seed(4)  # from which fa_lib's brSF draws just that
    found = {"fa_lib": gradients(ours, x, error)}
    # Where biotorch's brSF draws its magnitudes.
    with mock.patch.object(nn.init, "xavier_uniform_", lambda tensor: tensor.copy_(drawn)):
        found["biotorch"] = gradients(theirs, x, error)
    matrix = referee.carrier(rule, ours, drawn)
    return {**found, "referee": referee.backward(ours, numbers(x), matrix, numbers(error))}


# -- Direct feedback alignment ---------------------------------------------------------------------


def labels() -> Tensor:
    """Of a batch."""
    return torch.arange(BATCH) % CLASSES


def chain(kind: str, how: dict[str, Any]) -> nn.Sequential:
    """Three layers with ReLU between them; the geometry is that of the second."""
    bias = how.get("bias", True)
    if kind == "linear":
        layers = [nn.Linear(6, 5, bias), nn.Linear(5, 4, bias), nn.Linear(4, CLASSES, bias)]
        return nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])
    first, second = nn.Conv2d(4, 4, 1, bias=bias), nn.Conv2d(4, 6, (3, 2), **how)
    last = nn.Linear(second(torch.zeros(1, 4, 8, 7)).numel(), CLASSES, bias)
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.Flatten(), last)


def written_out(layer: Any, kernels: Tensor, inputs: Tensor) -> Tensor:
    """The matrix [C, layer's input] that the feedback of biotorch's DFA comes to."""
    if kernels.dim() == 2:
        return kernels
    everywhere = torch.eye(CLASSES)[:, :, None, None].expand(-1, -1, *layer(inputs).shape[2:])
    shape = (CLASSES, *inputs.shape[1:])
    how = (layer.stride, layer.padding, layer.dilation)
    return conv2d_input(shape, kernels, everywhere, *how).flatten(1)


def chain_gradients(module: nn.Sequential, logits: Callable[[], Tensor]) -> dict[str, Array]:
    """At every weight and bias, and at what goes into each layer but the first."""
    names = [name for name, _ in module.named_children()]
    errors: dict[str, Tensor] = {}

    def listen_to(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def hook(_: nn.Module, inputs: Any, output: Tensor) -> None:
            output.register_hook(lambda error: errors.__setitem__(f"input {name}", error))

        return hook

    for before, name in itertools.pairwise(names):
        module.get_submodule(before).register_forward_hook(listen_to(name))
    out = logits()
    F.cross_entropy(out, labels()).backward()
    learned = {
        f"{kind} {name}": getattr(layer, kind).grad
        for name, layer in module.named_children()
        for kind in ("weight", "bias")
        if getattr(layer, kind, None) is not None
    }
    sent = {name: error for name, error in errors.items() if f"weight{name[5:]}" in learned}
    return {name: numbers(of) for name, of in {**learned, **sent}.items()}


def chain_views(kind: str, how: dict[str, Any]) -> dict[str, dict[str, Array]]:
    """What fa_lib, biotorch and the referee say of a chain under DFA."""
    plain, x, y = chain(kind, how), batch(kind), labels()
    ours: Any = fa.nn.convert(plain, "dfa", example=x)
    with contextlib.redirect_stdout(io.StringIO()):  # it tells what it converts
        bio = biotorch("module.biomodule").BioModule(
            copy.deepcopy(plain), "dfa", output_dim=CLASSES
        )
    hidden = x
    for name, layer in plain.named_children():
        if name in ours.converted[1:]:
            kernels = bio.module.get_submodule(name).weight_backward
            getattr(ours, f"feedback_{name}").copy_(written_out(layer, kernels, hidden))
        hidden = layer(hidden)
    found = {"fa_lib": chain_gradients(ours, lambda: ours(x))}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of its hooks, by torch
        loss = nn.CrossEntropyLoss()
        found["biotorch"] = chain_gradients(bio.module, lambda: bio(x, y, loss))
    return {**found, "referee": referee.dfa(ours, numbers(x), y.numpy())}


# -- Side by side ----------------------------------------------------------------------------------


def difference(found: Array, expected: Array) -> float:
    """The greatest, over the greatest entry."""
    return float(np.abs(found - expected).max() / np.abs(expected).max())


@contextlib.contextmanager
def everything_in(dtype: torch.dtype) -> Iterator[None]:
    """What torch makes, biotorch's layers among it, is of that type."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def cases() -> Iterator[tuple[str, str, str]]:
    """Rule, kind of layer and geometry; biotorch's DFA has no groups."""
    for rule in (*ABOVE, "dfa"):
        for kind, geometries in GEOMETRIES.items():
            for geometry, how in geometries.items():
                if rule != "dfa" or "groups" not in how:
                    yield rule, kind, geometry


def rows(rule: str, kind: str, geometry: str, dtype: str) -> list[dict[str, Any]]:
    """For input, weight and bias the greatest differences, over the layers of a chain."""
    how = GEOMETRIES[kind][geometry]
    with everything_in(TYPES[dtype]), torch.random.fork_rng():
        torch.manual_seed(0)
        views = chain_views(kind, how) if rule == "dfa" else layer_views(rule, kind, how)
        size = math.nan if rule == "dfa" else scale(pair(rule, kind, how)[0])
    names = set(views["referee"])
    if not names == set(views["fa_lib"]) == set(views["biotorch"]):
        raise RuntimeError(f"{rule}, {kind}, {geometry}: not the same gradients were found")
    found = []
    for quantity in ("input", "weight", "bias"):
        of = sorted(name for name in names if name.startswith(quantity))
        if of:
            row: dict[str, Any] = {
                "rule": rule,
                "layer": kind,
                "geometry": geometry,
                "dtype": dtype,
            }
            row |= {"quantity": quantity, "set": SET[rule], "scale": size}
            for one, other in itertools.combinations(views, 2):
                each = [difference(views[one][name], views[other][name]) for name in of]
                row[f"{one}, {other}"] = max(each)
            found.append(row)
    return found


# -- Where biotorch is at fault --------------------------------------------------------------------


def misfits() -> Iterator[tuple[str, Any, Any, Tensor]]:
    """What a user of torch expects of such a layer: in words, both layers, and inputs."""
    theirs, linear, conv = biotorch("layers.fa"), fa.nn.FeedbackLinear, fa.nn.FeedbackConv2d
    yield "Linear with one output", linear(6, 1), theirs.Linear(6, 1), torch.randn(7, 6)
    yield "Linear on [B, time, in]", linear(6, 5), theirs.Linear(6, 5), torch.randn(2, 3, 6)
    images, shape = torch.randn(2, 4, 8, 7), (4, 6, 3)
    yield "Conv2d on one image", conv(*shape), theirs.Conv2d(*shape), images[0]
    for how in ({"padding": "same"}, {"padding": 1, "padding_mode": "circular"}):
        words = ", ".join(f"{name}={value!r}" for name, value in how.items())
        yield f"Conv2d, {words}", conv(*shape, **how), theirs.Conv2d(*shape, **how), images


def verdict(layer: Any, x: Tensor, error: Tensor, right: dict[str, Array]) -> str:
    """The greatest difference from the referee, or what the layer raises."""
    try:
        found = gradients(layer, x, error)
    except (RuntimeError, TypeError) as raised:
        return f"{type(raised).__name__}: {raised}".splitlines()[0][:100]
    return f"{max(difference(found[name], right[name]) for name in right):.0e}"


def faults() -> list[dict[str, str]]:
    """For each misfit what fa_lib and biotorch make of it, in float64."""
    rows = []
    with everything_in(torch.float64), torch.random.fork_rng():
        torch.manual_seed(0)
        for words, *layers, x in misfits():
            ours, theirs = made_equal(*layers)
            error = torch.randn(ours(x).shape)
            one = 1 if isinstance(ours, nn.Linear) else 3  # dimensions of an input
            many = [numbers(of.reshape(-1, *of.shape[-one:])) for of in (x, error)]
            right = referee.backward(ours, many[0], numbers(ours.feedback), many[1])
            right["input"] = right["input"].reshape(x.shape)
            named = {"fa_lib": ours, "biotorch": theirs}
            said = {name: verdict(layer, x, error, right) for name, layer in named.items()}
            rows.append({"case": words, **said})
    return rows


# -- Together --------------------------------------------------------------------------------------


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """For each rule, kind of layer and gradient the greatest difference over the geometries."""
    values = [name for name in table if ", " in str(name)]
    by = ["rule", "layer", "quantity"]
    return table.pivot_table(values, by, "dtype", aggfunc="max", sort=False)


def main() -> None:
    """Compare, store and print."""
    torch.set_num_threads(1)
    table = pd.DataFrame([row for dtype in TYPES for case in cases() for row in rows(*case, dtype)])
    found = faults()
    facts = {
        **results.circumstances(torch.device("cpu")),
        "commit": commit(),
        "biotorch": metadata.version("biotorch"),
        "faults": found,
        "date": results.now(),
        "command": shlex.join(["python", "-m", "benchmarks.agreement", *sys.argv[1:]]),
    }
    write_pair(Path(__file__).parent, "agreement", table, facts)
    print(summary(table).to_string(float_format="{:.1e}".format))
    print(pd.DataFrame(found).to_string(index=False))


if __name__ == "__main__":
    main()
