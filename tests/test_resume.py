"""Going on: training in two calls is training in one, bit for bit, where `resume` asks for it."""

import copy
import pickle
from typing import Any

import pandas as pd
import pytest
import torch
from small_networks import copies, make, same, split

from fa_lib import MLP, DivergenceError, History, Noise, Split, fit, pretrain

ADAM, SGD = {"optimizer": "adam", "lr": 1e-2}, {"optimizer": "sgd", "lr": 0.1}


def joined(*histories: History) -> pd.DataFrame:
    """Their rows, each once, in the order of one History."""
    frame = pd.concat([history.to_frame() for history in histories]).drop_duplicates()
    seeds = list(dict.fromkeys(frame["seed"]))
    place = frame["seed"].map(seeds.index)
    frame = frame.assign(place=place).sort_values(["place", "metric", "step"])
    return frame.drop(columns="place").reset_index(drop=True)


def assert_same_training(whole: MLP, once: History, parts: MLP, *histories: History) -> None:
    assert same([*copies(whole), *whole.feedback], [*copies(parts), *parts.feedback])
    pd.testing.assert_frame_equal(once.to_frame(), joined(*histories), check_exact=True)


@pytest.mark.parametrize("how", [ADAM, SGD])
@pytest.mark.parametrize("rule", ["bp", "fa", "dfa", "brsf", "kp", "wm"])
def test_fit_goes_on_as_if_it_had_not_stopped(rule: str, how: dict[str, Any]) -> None:
    whole, parts, data = make(rule), make(rule), split(50)
    how = {**how, "batch_size": 16, "test": split(20, 1)}
    once = fit(whole, data, epochs=5, **how)
    first = fit(parts, data, epochs=2, **how)
    second = fit(parts, data, epochs=3, resume=first, **how)
    assert_same_training(whole, once, parts, first, second)
    assert second["loss"].index.tolist() == [8, 12, 16, 20]


@pytest.mark.parametrize("how", [ADAM, SGD])
def test_noise_training_goes_on_as_if_it_had_not_stopped(how: dict[str, Any]) -> None:
    whole, parts = make(), make()
    pretrain(whole, steps=3)
    pretrain(parts, steps=3)
    once = pretrain(whole, steps=40, record_every=10, **how)
    first = pretrain(parts, steps=20, record_every=10, **how)
    second = pretrain(parts, steps=20, record_every=10, resume=first, **how)
    assert_same_training(whole, once, parts, first, second)
    assert second["loss"].index.tolist() == [23, 33, 43]


def test_in_the_middle_of_an_epoch_and_through_empty_calls() -> None:
    whole, parts, data = make(), make(), split(50)
    how = {"batch_size": 16, "record_every": 1, "subset": torch.arange(45).expand(3, -1)}
    once = fit(whole, data, steps=8, **how)
    histories = [fit(parts, data, steps=0, **how)]
    for steps in (1, 0, 4, 3):
        histories.append(fit(parts, data, steps=steps, resume=histories[-1], **how))
    assert_same_training(whole, once, parts, *histories)


@pytest.mark.parametrize("how", [ADAM, SGD])
def test_with_chunks_of_one_network(how: dict[str, Any], small_chunks: None) -> None:
    test_fit_goes_on_as_if_it_had_not_stopped("fa", how)
    test_noise_training_goes_on_as_if_it_had_not_stopped(how)


def test_on_other_chunks_than_before(two_threads: None) -> None:
    """The state is of the whole stack; each network's own, as its moves with Adam show."""
    whole, parts, data = make(), make(), split(50)
    fit(whole, data, epochs=5, **ADAM)
    first = fit(parts, data, epochs=2, **ADAM)
    torch.set_num_threads(1)
    fit(parts, data, epochs=3, resume=first, **ADAM)
    for a, b in zip(copies(whole), copies(parts), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_a_history_can_be_gone_on_with_twice_and_after_pickling() -> None:
    net, data = make(), split(50)
    first = fit(net, data, epochs=2)
    others = [copy.deepcopy(net) for _ in range(2)]
    fit(net, data, epochs=1, resume=first)
    fit(others[0], data, epochs=1, resume=first)
    fit(others[1], data, epochs=1, resume=pickle.loads(pickle.dumps(first)))
    assert same(copies(net), copies(others[0]))
    assert same(copies(net), copies(others[1]))


def test_without_resume_a_call_starts_afresh() -> None:
    """Adam's first step is lr in every weight that has a gradient, whatever came before."""
    net, data = make(), split(50)
    fit(net, data, epochs=2, lr=1e-2)
    before = copies(net)
    fit(net, data, steps=1, lr=1e-3, optimizer="adam")
    moved = torch.cat([(a - b).flatten().abs() for a, b in zip(before, copies(net), strict=True)])
    assert moved[moved > 0].median() == pytest.approx(1e-3, rel=1e-3)


def test_adams_state_is_that_of_torch() -> None:
    """After three steps on one batch, against torch.optim on each network's own gradient."""
    net, data = make("bp", dtype=torch.float64), split(16)
    modules = [net.module(i) for i in range(3)]
    state = fit(net, data, steps=3, batch_size=16, lr=1e-2).state
    assert state is not None
    assert (state.step, state.updates) == (3, 3)
    for i, module in enumerate(modules):
        optimiser = torch.optim.Adam(module.parameters(), lr=1e-2)
        for _ in range(3):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(module(data.x.double()), data.y).backward()
            optimiser.step()
        linears = module[::2]
        order = [part.weight for part in linears] + [part.bias for part in linears]
        for kept in ("exp_avg", "exp_avg_sq"):
            for mine, parameter in zip(state.tensors[kept], order, strict=True):
                torch.testing.assert_close(mine[i], optimiser.state[parameter][kept])


def test_the_state_does_not_show() -> None:
    history = fit(make(), split(), epochs=1)
    assert list(history.to_frame()) == ["seed", "step", "metric", "value"]
    assert "state" not in repr(history)


def test_callbacks_see_the_steps_of_the_history() -> None:
    net, seen = make(), []
    first = fit(net, split(50), epochs=2, batch_size=16)
    second = fit(
        net,
        split(50),
        epochs=1,
        batch_size=16,
        resume=first,
        callback=lambda part, step, values: seen.append(("callback", step)),
        stop_when=lambda part, step, values: seen.append(("stop", step)),  # type: ignore
    )
    steps = second["loss"].index.tolist()
    assert sorted(set(seen)) == [(kind, step) for kind in ("callback", "stop") for step in steps]
    assert steps == [8, 12]


def test_after_an_early_stop(small_chunks: None) -> None:
    whole, parts, data = make(), make(), split(50)
    fit(whole, data, steps=20, batch_size=16, lr=1e-2)
    how = {"batch_size": 16, "lr": 1e-2}
    first = fit(parts, data, epochs=9, stop_when=lambda part, step, values: step == 12, **how)
    fit(parts, data, steps=8, resume=first, **how)
    assert same(copies(whole), copies(parts))
    apart = fit(parts, data, epochs=2, stop_when=lambda part, step, values: 4 in part.seeds)
    with pytest.raises(ValueError, match="stop_when ended it at different steps"):
        fit(parts, data, epochs=1, resume=apart)


def test_after_a_loss_that_is_not_finite() -> None:
    net, data = make(), split(50)
    net.weights[0].fill_(torch.nan)
    with pytest.raises(DivergenceError) as caught:
        fit(net, data, epochs=1)
    with pytest.raises(ValueError, match="resume cannot be gone on with"):
        fit(net, data, epochs=1, resume=caught.value.history)


DATA, HOW = split(50), {"steps": 2, "batch_size": 16, "lr": 1e-2, "optimizer": "sgd"}


@pytest.mark.parametrize(
    ("net", "data", "changes", "message"),
    [
        (make(), DATA, {"lr": 0.1}, "lr 0.01 there and 0.1 here."),
        (make(), DATA, {"batch_size": 8}, "batch_size 16 there and 8 here."),
        (make(), DATA, {"optimizer": "adam"}, "optimizer sgd there and adam here."),
        (make(), split(40), {}, "images 50 there and 40 here."),
        (make("bp"), DATA, {}, "rule fa there and bp here."),
        (make(seeds=[4, 0, 8]), DATA, {}, "seeds [4, 0, 9] there and [4, 0, 8] here."),
        (make()[:2], DATA, {}, "seeds [4, 0, 9] there and [4, 0] here."),
        (make(sizes=[12, 4]), DATA, {}, "sizes [12, 9, 7, 4] there and [12, 4] here."),
        (make(bias=False), DATA, {"lr": 1}, "bias True there and False here, lr 0.01 there"),
        (make(dtype=torch.float64), DATA, {}, "dtype torch.float32 there and torch.float64 here"),
    ],
)
def test_other_training_is_refused(
    net: MLP, data: Split, changes: dict[str, Any], message: str
) -> None:
    first, before = fit(make(), DATA, **HOW), copies(net)
    with pytest.raises(ValueError, match=r"^resume is of other training: ") as caught:
        fit(net, data, resume=first, **(HOW | changes))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert same(copies(net), before)


def test_other_noise_training_is_refused() -> None:
    net = make()
    first = pretrain(net, steps=2)
    with pytest.raises(ValueError, match=r"^resume is of other training: noise .*uniform"):
        pretrain(net, steps=2, resume=first, noise=Noise("uniform"))
    with pytest.raises(ValueError, match="training on noise there and data here"):
        fit(net, split(), epochs=1, resume=first)
    pretrain(net, steps=3)
    with pytest.raises(ValueError, match="ended at noise step 2, but these networks have had 5"):
        pretrain(net, steps=2, resume=first)


@pytest.mark.parametrize("resume", [pd.DataFrame({"seed": range(99)}), True, "history"])
def test_what_is_no_history_is_refused(resume: object) -> None:
    with pytest.raises(TypeError) as caught:
        fit(make(), split(), epochs=1, resume=resume)  # type: ignore[arg-type]
    kind = type(resume).__name__
    expected = f"resume must be a History that an earlier call returned, got {kind}."
    assert str(caught.value) == expected


@pytest.mark.gpu
@pytest.mark.parametrize("how", [ADAM, SGD])
def test_on_the_gpu(how: dict[str, Any]) -> None:
    """Where steps are replayed, on batches of two sizes."""
    whole, parts, data = make().to("cuda"), make().to("cuda"), split(50)
    how = {**how, "batch_size": 16}
    once = fit(whole, data, epochs=5, **how)
    first = fit(parts, data, epochs=2, **how)
    second = fit(parts, data, epochs=3, resume=first, **how)
    assert_same_training(whole, once, parts, first, second)
