"""Networks in a file: what comes back, what goes on, and what a file that is no good says."""

import copy
import json
import pickle
from pathlib import Path

import pytest
import torch
from full_disk import largest_file
from safetensors import safe_open
from safetensors.torch import save_file
from small_networks import copies, make, same, split

from fa_lib import MLP, History, fit, pretrain
from fa_lib.rules import RULES, Rule
from fa_lib.saving import load, save

PATH = "nets.safetensors"


def all_of(net: MLP) -> list[torch.Tensor]:
    return [*net.weights, *net.biases, *net.feedback, net.renewals]


# What comes back


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("bias", [True, False])
def test_networks_come_back_as_they_were(rule: str, bias: bool, tmp_path: Path) -> None:
    net = make(rule, bias=bias)
    pretrain(net, steps=3)
    save(net, tmp_path / PATH)
    back = load(str(tmp_path / PATH), device="cpu")
    assert same(all_of(net), all_of(back))
    for name in ("rule", "seeds", "sizes", "noise_steps", "dtype", "compute_dtype", "device"):
        assert getattr(back, name) == getattr(net, name)
    pretrain(net, steps=2)
    pretrain(back, steps=2)
    fit(net, split(), epochs=1)
    fit(back, split(), epochs=1)
    assert same(all_of(net), all_of(back))


@pytest.mark.parametrize(
    "arguments", [{"dtype": torch.float64}, {"compute_dtype": torch.bfloat16}, {"sizes": [12, 4]}]
)
def test_other_types_and_depths_come_back(arguments: dict, tmp_path: Path) -> None:
    net = make(**arguments)
    save(net, tmp_path / PATH)
    back = load(tmp_path / PATH, device="cpu")
    assert same(all_of(net), all_of(back))
    assert (back.dtype, back.compute_dtype) == (net.dtype, net.compute_dtype)


def test_another_program_reads_the_tensors(tmp_path: Path) -> None:
    net = make()
    save(net, tmp_path / PATH)
    with safe_open(tmp_path / PATH, framework="pt") as file:
        for name, tensor in net.state_dict().items():
            assert torch.equal(file.get_tensor(name), tensor)


def test_a_view_saves_only_itself(tmp_path: Path) -> None:
    net = make(sizes=[200, 50, 4], seeds=range(20))
    save(net, tmp_path / "all")
    save(net[4:6], tmp_path / "two")
    back = load(tmp_path / "two", device="cpu")
    assert back.seeds == (4, 5)
    assert same(all_of(net[4:6]), all_of(back))
    assert (tmp_path / "two").stat().st_size < 0.12 * (tmp_path / "all").stat().st_size


def test_the_same_networks_under_another_rule_come_back(tmp_path: Path) -> None:
    """Direct feedback has another shape, and rule "bp" does not mind it."""
    net = make("dfa").with_rule("bp")
    save(net, tmp_path / PATH)
    assert same(all_of(net), all_of(load(tmp_path / PATH, device="cpu")))


def half(weight: torch.Tensor, feedback: torch.Tensor) -> torch.Tensor:
    return (weight + feedback) / 2


@pytest.mark.parametrize("name", ["half", "fa"])
def test_a_rule_of_ones_own_has_to_be_given(name: str, tmp_path: Path) -> None:
    own = Rule(name, matrix=half)
    net = make(own)
    save(net, tmp_path / PATH)
    with pytest.raises(ValueError, match=f"networks of a rule of your own, '{name}'"):
        load(tmp_path / PATH)
    with pytest.raises(ValueError, match=f"holds networks of rule '{name}', not 'kp'"):
        load(tmp_path / PATH, rule=RULES["kp"])
    back = load(tmp_path / PATH, rule=own, device="cpu")
    assert back.rule == own
    assert same(all_of(net), all_of(back))


def test_a_rule_that_is_not_known_any_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(RULES, "half", Rule("half", matrix=half))
        save(make("half"), tmp_path / PATH)
    with pytest.raises(ValueError, match=r"of rule 'half', unknown here. Known: bp, fa"):
        load(tmp_path / PATH)


def test_loading_shares_nothing_with_the_file(tmp_path: Path) -> None:
    save(make(), tmp_path / PATH)
    content = (tmp_path / PATH).read_bytes()
    back = load(tmp_path / PATH, device="cpu")
    fit(back, split(), epochs=1)
    assert (tmp_path / PATH).read_bytes() == content
    assert not same(all_of(back), all_of(load(tmp_path / PATH, device="cpu")))


@pytest.mark.gpu
def test_from_the_gpu_to_the_cpu_and_back(tmp_path: Path) -> None:
    net = make().to("cuda")
    first = fit(net, split(), epochs=1)
    save(net, tmp_path / PATH, resume=first)
    for device in ("cpu", "cuda"):
        back, history = load(tmp_path / PATH, resume=True, device=device)
        assert back.device.type == device
        assert same([t.cpu() for t in all_of(net)], [t.cpu() for t in all_of(back)])
        fit(back, split(), epochs=1, resume=history)


# Going on


@pytest.mark.parametrize("rule", ["fa", "kp", "brsf", "wm"])
def test_training_goes_on_from_a_file(rule: str, tmp_path: Path) -> None:
    net = make(rule)
    noise = pretrain(net, steps=10)
    save(net, tmp_path / "noise", resume=noise)
    noisy, history = load(tmp_path / "noise", resume=True, device="cpu")
    pretrain(net, steps=5, resume=noise)
    pretrain(noisy, steps=5, resume=history)
    assert same(all_of(net), all_of(noisy))
    data = fit(net, split(), epochs=2, lr=1e-2)
    save(net, tmp_path / "data", resume=data)
    taught, history = load(tmp_path / "data", resume=True, device="cpu")
    second = fit(net, split(), epochs=1, lr=1e-2, resume=data)
    again = fit(taught, split(), epochs=1, lr=1e-2, resume=history)
    assert same(all_of(net), all_of(taught))
    assert second.to_frame().equals(again.to_frame())
    with pytest.raises(ValueError, match=r"lr 0.01 there and 0.1 here"):
        fit(taught, split(), epochs=1, lr=0.1, resume=history)


def test_the_history_to_go_on_with_is_empty(tmp_path: Path) -> None:
    net = make()
    save(net, tmp_path / PATH, resume=fit(net, split(), epochs=1))
    frame = load(tmp_path / PATH, resume=True)[1].to_frame()
    assert list(frame) == ["seed", "step", "metric", "value"]
    assert frame.empty


def test_there_has_to_be_something_to_go_on_with(tmp_path: Path) -> None:
    net = make()
    save(net, tmp_path / PATH)
    with pytest.raises(ValueError, match="nothing to go on with: save it with resume=history"):
        load(tmp_path / PATH, resume=True)
    history = fit(net, split(), epochs=1)
    with pytest.raises(ValueError, match=r"seeds \[4, 0, 9\] there and \[4, 0\] here"):
        save(net[:2], tmp_path / PATH, resume=history)
    with pytest.raises(ValueError, match="resume cannot be gone on with"):
        save(net, tmp_path / PATH, resume=History(history.frame))
    with pytest.raises(TypeError, match="resume must be a History"):
        save(net, tmp_path / PATH, resume=history.frame)  # type: ignore[arg-type]


def test_only_an_mlp_is_saved(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"^net must be an MLP, got Linear.$"):
        save(torch.nn.Linear(2, 2), tmp_path / PATH)  # type: ignore[arg-type]


def test_an_optimiser_of_ones_own_goes_on_from_a_file(tmp_path: Path) -> None:
    def optimizer(parameters: list[torch.Tensor]) -> tuple:
        optimiser = torch.optim.AdamW(parameters, lr=1e-2, betas=(0.8, 0.99), amsgrad=True)
        return optimiser, torch.optim.lr_scheduler.MultiStepLR(optimiser, [2, 4])

    net = make()
    first = fit(net, split(), steps=3, optimizer=optimizer)
    save(net, tmp_path / PATH, resume=first)
    back, history = load(tmp_path / PATH, resume=True, device="cpu")
    fit(net, split(), steps=3, optimizer=optimizer, resume=first)
    fit(back, split(), steps=3, optimizer=optimizer, resume=history)
    assert same(all_of(net), all_of(back))


def test_an_optimiser_that_keeps_what_cannot_be_saved(tmp_path: Path) -> None:
    def optimizer(parameters: list[torch.Tensor]) -> torch.optim.Optimizer:
        return torch.optim.SGD([{"params": parameters, "note": {1, 2}}], lr=1e-2)

    net = make()
    history = fit(net, split(), steps=1, optimizer=optimizer)
    with pytest.raises(TypeError, match="The optimiser keeps a set, which cannot be saved"):
        save(net, tmp_path / PATH, resume=history)
    assert not list(tmp_path.iterdir())


# Whole or not at all


def test_a_full_disk_leaves_the_older_file_and_nothing_else(tmp_path: Path) -> None:
    older, newer = make(), make(seeds=[5, 6, 7])
    save(older, tmp_path / PATH)
    with largest_file(1000), pytest.raises(OSError, match="Cannot write") as caught:
        save(newer, tmp_path / PATH)
    assert "\n" not in str(caught.value)
    assert [file.name for file in tmp_path.iterdir()] == [PATH]
    assert same(all_of(load(tmp_path / PATH, device="cpu")), all_of(older))


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError, match="Cannot write"):
        save(make(), tmp_path / "folder")
    with pytest.raises(FileNotFoundError, match="Cannot write"):
        save(make(), tmp_path / "nowhere" / PATH)
    assert [file.name for file in tmp_path.rglob("*")] == ["folder"]


# Files that are no good


def saved(tmp_path: Path) -> bytes:
    net = MLP([3, 2, 2], rule="fa", seeds=[0], device="cpu")
    save(net, tmp_path / PATH, resume=pretrain(net, steps=1))
    return (tmp_path / PATH).read_bytes()


def error_of(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"nets\.safetensors") as caught:
        load(path, resume=True)
    assert type(caught.value) is ValueError
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_cut_short_anywhere_is_noticed(tmp_path: Path) -> None:
    content = saved(tmp_path)
    for size in [*range(0, 20), *range(20, len(content), 97), len(content) - 1]:
        assert "is damaged, or no file" in error_of(tmp_path / PATH, content[:size])


def test_a_flipped_bit_anywhere_is_noticed(tmp_path: Path) -> None:
    content = saved(tmp_path)
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1 << (place % 8)
        error_of(tmp_path / PATH, bytes(changed))
    tensors = len(content) - 1
    assert "does not match its checksum" in error_of(
        tmp_path / PATH, content[:tensors] + bytes([content[tensors] ^ 1])
    )


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    for foreign in (pickle.dumps({"weights": 1}), b"PK\x03\x04" * 50, b"seed,step\n0,1\n" * 9):
        assert "no file that fa_lib saved (" in error_of(tmp_path / PATH, foreign)
    for metadata in (None, {"format": "pt"}):
        save_file({"weight": torch.ones(2)}, tmp_path / PATH, metadata)
        foreign = (tmp_path / PATH).read_bytes()
        assert "safetensors of another kind" in error_of(tmp_path / PATH, foreign)


@pytest.mark.parametrize("text", ["", "no JSON", "[1]", "{}", '{"format": 1}', "null"])
def test_metadata_that_says_nothing(text: str, tmp_path: Path) -> None:
    save_file({"weight": torch.ones(2)}, tmp_path / PATH, {"fa_lib": text})
    foreign = (tmp_path / PATH).read_bytes()
    assert "is damaged: its metadata cannot be read" in error_of(tmp_path / PATH, foreign)


def test_a_newer_format_asks_for_a_newer_package(tmp_path: Path) -> None:
    facts = json.dumps({"format": 2, "sha256": "?", "something": "else"})
    save_file({"weight": torch.ones(2)}, tmp_path / PATH, {"fa_lib": facts})
    message = error_of(tmp_path / PATH, (tmp_path / PATH).read_bytes())
    assert "was saved by a newer fa_lib, in format 2; this one reads up to 1" in message


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"^There is no file .*none\.$"):
        load(tmp_path / "none")
    with pytest.raises(IsADirectoryError, match="is a folder, not a file that fa_lib saved"):
        load(tmp_path)


def test_saving_leaves_the_networks_as_they_are(tmp_path: Path) -> None:
    net = make()
    history = fit(net, split(), epochs=1)
    before = copy.deepcopy(net)
    save(net, tmp_path / PATH, resume=history)
    fit(net, split(), epochs=1, resume=history)
    fit(before, split(), epochs=1, resume=history)
    assert same(copies(net), copies(before))
