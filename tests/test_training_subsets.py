"""Own training examples for each network, early stopping, measures at some records only."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from small_networks import SEEDS, copies, make, same, split

from fa_lib import Split, evaluate, fit
from fa_lib.history import MeasureAt
from fa_lib.networks import MLP

DATA = split(60)
ROWS = torch.stack([torch.randperm(60, generator=torch.Generator().manual_seed(s)) for s in SEEDS])
OWN = ROWS[:, :25]


def alone(i: int, **how) -> MLP:
    """Network i trained by itself on its own examples, cut out of the data beforehand."""
    net = make(seeds=SEEDS[i : i + 1])
    fit(net, Split(DATA.x[OWN[i]], DATA.y[OWN[i]]), lr=1e-2, batch_size=8, progress=False, **how)
    return net


def test_a_subset_is_what_training_on_the_cut_out_examples_is() -> None:
    net = make()
    history = fit(net, DATA, subset=OWN, epochs=3, lr=1e-2, batch_size=8, progress=False)
    assert history["loss"].index.tolist() == [0, 4, 8, 12]  # 25 examples: four steps an epoch
    for i in range(len(net)):
        for mine, reference in zip(net.parameters(), alone(i, epochs=3).parameters(), strict=True):
            torch.testing.assert_close(mine[i], reference[0], rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures("small_chunks")
def test_subsets_follow_their_networks_into_chunks() -> None:
    net = make()
    fit(net, DATA, subset=OWN, epochs=2, lr=1e-2, batch_size=8, progress=False)
    for i in range(len(net)):
        assert same([p[i] for p in copies(net)], [p[0] for p in alone(i, epochs=2).parameters()])


@pytest.mark.parametrize(
    ("subset", "error", "says"),
    [
        (OWN[:2], ValueError, r"\[3, n\].*\[2, 25\]"),
        (OWN[:, :0], ValueError, r"n > 0"),
        (OWN + 40, ValueError, "0 to 59"),
        (OWN - 60, ValueError, "0 to 59"),
        (OWN.float(), TypeError, "int64"),
        ([[1]], TypeError, "int64"),
    ],
)
def test_a_subset_that_does_not_fit(subset: object, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        fit(make(), DATA, subset=subset, epochs=1)  # type: ignore[arg-type]


@pytest.mark.usefixtures("small_chunks")
def test_stopped_networks_stay_as_they_were_and_others_go_on() -> None:
    def stop(part: MLP, step: int, values: Mapping[str, torch.Tensor]) -> bool:
        assert values["loss"].shape == (len(part),)
        return part.seeds == (SEEDS[1],) and step >= 4

    net = make()
    history = fit(
        net,
        DATA,
        subset=OWN,
        steps=8,
        lr=1e-2,
        batch_size=8,
        record_every=2,
        stop_when=stop,
        progress=False,
    )
    frame = history.to_frame()
    last = frame.groupby("seed")["step"].max()
    assert last[SEEDS[1]] == 4
    assert (last.drop(SEEDS[1]) == 8).all()
    short = [p[0] for p in alone(1, steps=4).parameters()]
    assert same([p[1] for p in copies(net)], short)


def test_a_measure_at_some_steps_is_taken_there_alone() -> None:
    def test_loss(part: MLP) -> torch.Tensor:
        return evaluate(part, DATA)[0]

    net = make()
    how = {"steps": 6, "lr": 1e-2, "record_every": 1, "test": DATA, "progress": False}
    history = fit(net, DATA, measure={"again": MeasureAt({0, 3, 6, 7}, test_loss)}, **how)
    again = history["again"]
    assert again.index.tolist() == [0, 3, 6]
    np.testing.assert_array_equal(again, history["test_loss"].loc[[0, 3, 6]])


def test_a_measure_may_give_several_metrics_at_once() -> None:
    def norms(part: MLP) -> dict[str, torch.Tensor]:
        return {f"norm_{i}": w.flatten(1).norm(dim=1) for i, w in enumerate(part.weights)}

    net = make()
    expected = [w.flatten(1).norm(dim=1).tolist() for w in net.weights]
    history = fit(net, DATA, steps=0, measure={"norms": norms}, progress=False)
    assert "norms" not in set(history.to_frame()["metric"])
    for i, values in enumerate(expected):
        assert history[f"norm_{i}"].loc[0].tolist() == values
