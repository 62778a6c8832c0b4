"""The comparison with biotorch: layers on the same weights, and the training of LeNet."""

import itertools
import sys

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import fa_lib as fa
from benchmarks import agreement, peers, referee, yardstick
from fa_lib._pairs import read_pair

needs_biotorch = pytest.mark.skipif(
    not (peers.BIOTORCH / "biotorch").is_dir(),
    reason="biotorch is not there: make agreement installs it",
)


# -- Agreement -------------------------------------------------------------------------------------


@pytest.mark.parametrize("geometry", [*agreement.GEOMETRIES["conv"].values(), {"padding": "same"}])
def test_the_referee_knows_a_convolution(geometry):
    layer = nn.Conv2d(4, 6, (3, 5), dtype=torch.float64, **geometry)
    x = torch.randn(2, 4, 8, 7, dtype=torch.float64, requires_grad=True)
    out = layer(x)
    error = torch.randn_like(out)
    found = referee.backward(layer, *map(referee.numbers, (x, layer.weight, error)))
    np.testing.assert_allclose(referee.forward(layer, referee.numbers(x)), out.detach(), atol=1e-13)
    expected = torch.autograd.grad(out, [x, *layer.parameters()], error)
    for one, other in zip(found.values(), expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)


def test_the_referee_knows_direct_feedback_alignment():
    """With the forward weights in the last layer's place it is backpropagation."""
    plain = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)).double()
    net = fa.nn.convert(plain, "dfa")
    net.feedback_2.copy_(plain[2].weight.detach())
    x, y = torch.randn(7, 6, dtype=torch.float64), torch.arange(7) % 3
    F.cross_entropy(plain(x), y).backward()
    found = referee.dfa(net, referee.numbers(x), y.numpy())
    for name, parameter in plain.named_parameters():
        layer, kind = name.split(".")
        np.testing.assert_allclose(found[f"{kind} {layer}"], parameter.grad, atol=1e-15)


@needs_biotorch
@pytest.mark.parametrize("case", list(agreement.cases()), ids=" ".join)
def test_both_give_the_same_gradients(case):
    """To the last digits of float64, and as the referee has it."""
    rows = pd.DataFrame(agreement.rows(*case, "float64"))
    differences = rows[[name for name in rows if ", " in name]]
    assert differences.shape[1] == 3
    assert (differences < 1e-14).all(axis=None)


@needs_biotorch
@pytest.mark.parametrize("rule", ["fa", "usf", "frsf"])
def test_a_feedback_that_differs_by_a_hundredth_is_seen(rule, monkeypatch):
    made_equal = agreement.made_equal

    def almost(ours, theirs):
        made_equal(ours, theirs)
        theirs.weight_backward *= 1.01
        theirs.scaling_factor *= 1.01
        return ours, theirs

    monkeypatch.setattr(agreement, "made_equal", almost)
    rows = pd.DataFrame(agreement.rows(rule, "conv", "bias", "float64")).set_index("quantity")
    assert rows["fa_lib, biotorch"]["input"] == pytest.approx(0.01, rel=0.02)
    assert rows["fa_lib, biotorch"]["weight"] < 1e-14


@needs_biotorch
def test_where_biotorch_is_at_fault_the_referee_is_with_fa_lib():
    for row in agreement.faults():
        assert float(row["fa_lib"]) < 1e-14, row
        assert "Error" in row["biotorch"] or float(row["biotorch"]) > 0.1, row


def test_the_stored_agreement_is_of_these_cases():
    table, facts = read_pair(yardstick.FOLDER, "agreement")
    stored = set(table[["rule", "layer", "geometry"]].itertuples(index=False, name=None))
    assert stored == set(agreement.cases())
    for dtype, least in (("float32", 1e-6), ("float64", 1e-14)):
        of = table[table["dtype"] == dtype]
        assert not of.empty
        assert of["fa_lib, biotorch"].max() < least
    assert facts["faults"]


# -- Yardstick -------------------------------------------------------------------------------------


def test_lenet_is_that_of_the_published_rows():
    net = yardstick.lenet(seed=1)
    assert sum(parameter.numel() for parameter in net.parameters()) == 61_706
    assert net(torch.zeros(2, *yardstick.SHAPE)).shape == (2, 10)
    assert all(not layer.bias.any() for layer in net if hasattr(layer, "bias"))
    weights = [network[0].weight for network in map(yardstick.lenet, (1, 1, 2))]
    assert torch.equal(*weights[:2])
    assert not torch.equal(*weights[1:])


def test_the_rate_is_that_with_the_fewest_errors_held_out():
    tried = [("fa", 1e-4, 9.0), ("fa", 1e-3, 8.0), ("dfa", 1e-3, 5.0), ("dfa", 1e-4, 5.0)]
    table = pd.DataFrame(tried, columns=["rule", "lr", "error"]).assign(part="choice")
    of_test = pd.DataFrame([{"part": "test", "rule": "fa", "lr": 1e-4, "error": 0.0}])
    table = pd.concat([table, of_test], ignore_index=True)
    assert [yardstick.rate(table, rule) for rule in yardstick.RULES] == [1e-3, 1e-3, 1e-4, 1e-3]


def test_what_is_stored_is_not_trained_again(tmp_path, monkeypatch, capsys):
    generator = torch.Generator().manual_seed(0)
    split = fa.Split(torch.rand(140, 1024, generator=generator), torch.arange(140) % 10)
    monkeypatch.setattr(yardstick, "images", lambda dataset: (split, split, "of none"))
    monkeypatch.setattr(yardstick, "FOLDER", tmp_path)
    monkeypatch.setattr(peers, "BIOTORCH", tmp_path)
    monkeypatch.setattr(yardstick, "EPOCHS", 2)
    monkeypatch.setattr(yardstick, "HELD_OUT", 20)
    monkeypatch.setattr(yardstick.torch, "set_num_threads", lambda n: None)
    monkeypatch.setattr(sys, "argv", ["yardstick"])
    yardstick.main()
    first, facts = read_pair(tmp_path, yardstick.NAME)
    assert facts["config"] == yardstick.CONFIG
    assert list(first.groupby("part").size()) == [4, 16]
    assert list(first[first["part"] == "test"]["epoch"]) == [1, 2] * 8
    assert capsys.readouterr().out.count(" s\n") == 12
    monkeypatch.setattr(yardstick, "measured", None)
    yardstick.main()
    pd.testing.assert_frame_equal(read_pair(tmp_path, yardstick.NAME)[0], first)
    monkeypatch.setattr(yardstick, "CONFIG", {})
    with pytest.raises(SystemExit, match="another configuration"):
        yardstick.main()


def test_the_stored_yardstick_is_whole():
    table, facts = read_pair(yardstick.FOLDER, yardstick.NAME)
    assert facts["config"] == yardstick.CONFIG
    compared = yardstick.summary(table)
    pairs = set(compared[["data set", "rule"]].itertuples(index=False, name=None))
    assert pairs == set(itertools.product(yardstick.PIXELS, yardstick.RULES))
    assert not compared["error"].isna().any()
