"""Edits of the package, and what a stored result is after each: nothing that counts goes unseen."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_experiment
from tiny_experiment import computed, register

import fa_lib
from fa_lib import protocol, results
from fa_lib.experiments import _check, _registry, get_experiment, run
from fa_lib.experiments._sources import constants, modules
from fa_lib.protocol import CLAIMS, WRITTEN, rules_date, rules_hash
from fa_lib.results import StoreError, StoreWarning

PACKAGE = Path(fa_lib.__file__).parent


# -- Edits of the sources, each in a copy of the package -------------------------------------------

# What is edited, from what, to what, and what the sweep's result is then.
EDITS = {
    "initial weights a tenth wider": (
        "networks.py",
        "return math.sqrt(2 / fan_in)",
        "return 1.1 * math.sqrt(2 / fan_in)",
        "stale: the code at hand gives other numbers",
    ),
    "a measure in radians": (
        "metrics.py",
        "return torch.rad2deg(2 * torch.atan2(apart, together))",
        "return 2 * torch.atan2(apart, together)",
        "stale: the code at hand gives other numbers",
    ),
    "another order of the images": (
        "_batches.py",
        '_streams.generator(seed, "order", epoch)',
        '_streams.generator(seed, "other", epoch)',
        "stale: the code at hand gives other numbers",
    ),
    "the last batch of an epoch left out": (
        "schema.py",
        "return math.ceil(images / batch_size)",
        "return images // batch_size",
        "stale: the code at hand gives other numbers",
    ),
    "a runner that forgets the last piece": (
        "experiments/_runner.py",
        "tables = [done[piece.name][0] for piece in pieces]",
        "tables = [done[piece.name][0] for piece in pieces][:-1]",
        "other code: experiments/_runner; a trial of the engine",
    ),
    "a constant of the experiment": (
        "experiments/sweep.py",
        '_METRICS = ("test_accuracy", ',
        "_METRICS = (",
        "stale: its constants differ: sweep._METRICS",
    ),
    "a piece more": (
        "experiments/sweep.py",
        "config.widths, config.lrs, config.noise_steps",
        "config.widths, config.lrs, (*config.noise_steps, 3)",
        "stale: its pieces differ: width=32-lr=0.001-noise=3 is new, width=32-lr=0.003-noise=3",
    ),
    "another number in a profile": (
        "experiments/sweep.py",
        "total_steps=150",
        "total_steps=151",
        "stale: its config differs in total_steps",
    ),
    "a line that changes no number": (
        "noise.py",
        "mean, std = self.noise.mean, self.noise.std",
        "std, mean = self.noise.std, self.noise.mean",
        "other code: noise; a trial of the engine gives the same numbers",
    ),
    "a comment, a figure and another experiment": (
        "noise.py",
        "mean, std = self.noise.mean, self.noise.std",
        "mean, std = self.noise.mean, self.noise.std  # of the inputs",
        "good: ",
    ),
}


# Checks the sweep's result by each copy of the package in turn, then asks for it. The package is
# imported afresh; torch and its like, which take longest, are not.
BY_EACH_COPY = """
import json, os, sys, warnings
for folder in sys.argv[1:]:
    for name in [name for name in sys.modules if name.split(".")[0] == "fa_lib"]:
        del sys.modules[name]
    sys.path[0] = folder
    os.environ["FA_RESULTS_ROOT"] = folder + "/results"
    from fa_lib.experiments import check, run
    ((state, reason),) = [(s.state, s.reason) for s in check() if s.path.match("sweep/smoke")]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        table = run("sweep", "smoke", "cpu").provenance["table_sha256"]
    print(json.dumps([state, reason, table, " ".join(str(w.message) for w in said)]))
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """State and reason after each edit, checksum of the table shown, and warnings."""
    folder = tmp_path_factory.mktemp("copies")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FA_RESULTS_ROOT", str(folder / "results"))
        run("sweep", "smoke", "cpu")
    copies = []
    for place, (edit, (file, before, after, _)) in enumerate(EDITS.items()):
        copy = folder / str(place)
        shutil.copytree(PACKAGE, copy / "fa_lib", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(folder / "results", copy / "results")
        source = copy / "fa_lib" / file
        text = source.read_text()
        assert text.count(before) == 1, edit
        source.write_text(text.replace(before, after))
        copies.append(str(copy))
    for other in ("plotting/_style.py", "experiments/fig6.py", "cli.py"):  # with the last edit
        with (copy / "fa_lib" / other).open("a") as file_of_other:
            file_of_other.write("\nEDITED = True\n")
    command = [sys.executable, "-c", BY_EACH_COPY, *copies]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(zip(EDITS, map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_is_noticed(edit: str, outcomes: dict[str, list[str]]) -> None:
    expected = EDITS[edit][-1]
    state, reason, table, warned = outcomes[edit]
    assert f"{state}: {reason}".startswith(expected)
    usable = state in ("good", "other code")
    assert ("is not used: it is stale" in warned) == (not usable)  # nor is the old table shown
    as_before = outcomes["a comment, a figure and another experiment"][2]
    assert (table == as_before) == usable


# -- What a result says of itself ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"probe": {}}, "the code at hand gives other numbers: all of it"),
        ({"data_fingerprints": {"digits": "0"}}, "its data sets differ: digits is gone"),
        ({"constants": {"sweep.OLD": "1"}}, "its constants differ: sweep.OLD is gone"),
        ({"pieces": {}}, "its pieces differ"),
    ],
)
def test_a_result_that_does_not_say_what_it_rests_on_is_stale(
    change: dict, reason: str, monkeypatch: pytest.MonkeyPatch, results_root: Path, tmp_path: Path
) -> None:
    register(monkeypatch, tmp_path)
    result = run("tiny", "smoke", "cpu")
    results.save(result.table, result.provenance | change)
    status = _check._status(results_root / "tiny", "smoke", data=False)
    assert status.state == "stale"
    assert status.reason.startswith(reason)


def test_nothing_is_stored_by_code_that_is_no_longer_there(
    monkeypatch: pytest.MonkeyPatch, results_root: Path, tmp_path: Path
) -> None:
    """As in a notebook that was left open while the package was edited."""
    register(monkeypatch, tmp_path)
    monkeypatch.setattr(results, "package_fingerprint", lambda: "edited")
    with pytest.raises(StoreError, match=r"sources have changed since.*restart the kernel"):
        run("tiny", "smoke", "cpu")
    assert not list(results_root.rglob("*.parquet"))


# -- Rules -----------------------------------------------------------------------------------------


def shipped(experiment: str) -> tuple[str, str]:
    status = _check._status(PACKAGE.parent / "results" / experiment, "paper", data=False)
    return status.state, status.reason


RULES = {
    "smallest effect": lambda patch: patch.setitem(
        CLAIMS, "C2", replace(CLAIMS["C2"], smallest_effect=CLAIMS["C2"].smallest_effect / 10)
    ),
    "limit": lambda patch: patch.setitem(
        CLAIMS, "C1", replace(CLAIMS["C1"], limits={"floor": 0.5, "share": 0.1, "fall": 0.8})
    ),
    "family": lambda patch: patch.setattr(protocol, "FAMILY", 3),
    "level": lambda patch: patch.setattr(protocol, "LEVEL", 0.1),
    "controls": lambda patch: patch.setattr(protocol, "CONTROLS", ("S",)),
    "seeds": lambda patch: patch.setattr(protocol, "FEWEST", 2),
    "seeds asked": lambda patch: patch.setattr(protocol, "FEWEST_ASKED", 5),
    "close": lambda patch: patch.setattr(protocol, "CLOSE", 0.4),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_result_measured_before_its_rules_is_stale(
    rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = rules_hash("fig1")
    RULES[rule](monkeypatch)
    assert rules_hash("fig1") != before
    state, reason = shipped("fig1")
    assert state == "stale"
    now = f"and is judged by {rules_hash('fig1')} now"
    assert reason == f"it was measured under rules {before}, {now}"
    with pytest.raises(ValueError, match="The rules of fig1 have changed"):
        rules_date("fig1")


def test_rules_are_dated_before_the_runs_that_they_judge() -> None:
    assert set(WRITTEN) == {claim.experiment for claim in CLAIMS.values()}
    for folder, name in results.stored():
        facts = results.read(folder, name).provenance
        if date := rules_date(folder.name):
            assert date < facts["date"], (folder.name, name)


# -- Pieces of a stopped run -----------------------------------------------------------------------


@pytest.fixture
def edited_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, results_root: Path) -> Path:
    """The tiny experiment in a file of its own, registered, to be edited."""
    register(monkeypatch, tmp_path)
    source = tmp_path / "edited_experiment.py"
    shutil.copy(tiny_experiment.__file__, source)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(_registry.REGISTRY, "tiny", "edited_experiment")
    monkeypatch.delitem(sys.modules, "edited_experiment", raising=False)
    return source


def stop_before_the_last_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TINY_FAIL", "count-30")
        with pytest.raises(RuntimeError, match="diverged"):
            run("tiny", "quick", "cpu")


def test_pieces_of_edited_code_are_never_mixed_with_others(
    edited_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_before_the_last_piece(monkeypatch)
    edited_copy.write_text(
        edited_copy.read_text().replace("value = config.scale *", "value = 1.1 * config.scale *")
    )
    monkeypatch.delitem(sys.modules, "edited_experiment")
    with pytest.warns(StoreWarning, match=r"2 finished piece\(s\).*made by other code"):
        mixed = run("tiny", "quick", "cpu")
    assert computed(tmp_path)[3:] == ["count-10", "count-20", "count-30"]
    plain = tiny_experiment.expected(tiny_experiment.Config())
    assert mixed.table["value"].to_list() == pytest.approx((1.1 * plain["value"]).to_list())


def test_a_piece_with_other_parameters_is_another_piece(
    edited_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_before_the_last_piece(monkeypatch)
    module = get_experiment("tiny")
    before = module.pieces
    other = [replace(p, params={"count": 7}) for p in before(tiny_experiment.Config())]
    monkeypatch.setattr(module, "pieces", lambda config: other)
    with pytest.warns(StoreWarning, match=r"2 finished piece\(s\)"):
        assert set(run("tiny", "quick", "cpu").table["count"]) == {7}


# -- What counts -----------------------------------------------------------------------------------


def test_the_modules_behind_an_experiment_are_those_that_it_imports() -> None:
    found = set(modules("experiments/learning"))
    assert {"networks", "rules", "noise", "training", "_engine", "_streams", "data"} <= found
    assert {"experiments/learning", "experiments/_arms", "experiments/_measures"} <= found
    assert not {name for name in found if name.startswith(("plotting/", "claims/", "batch/"))}
    assert {"experiments/_runner", "_pairs", "schema"} <= found  # which all numbers pass through
    assert not {"cli", "results", "reproduce", "protocol"} & found


# Imports each experiment afresh, without the package's own front doors, and prints what that loads.
LOADED = """
import importlib, sys, types
package = sys.argv[1]
for module in sys.argv[2:]:
    for name in [name for name in sys.modules if name.split(".")[0] == "fa_lib"]:
        del sys.modules[name]
    for name, folder in (("fa_lib", package), ("fa_lib.experiments", package + "/experiments")):
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__path__ = [folder]
    importlib.import_module(module)
    print(*[name for name in sys.modules if name.startswith("fa_lib.")])
"""


def test_no_experiment_rests_on_a_module_that_was_not_followed() -> None:
    """Of what an experiment's import loads, every module is known, or makes no number."""
    names = list(_registry.REGISTRY.values())
    command = [sys.executable, "-c", LOADED, str(PACKAGE), *names]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    around = {"experiments", "_probe", "_progress", "protocol", "results"}
    around |= {"protocol2", "settings"}  # which `protocol` imports
    around |= {f"experiments/_{part}" for part in ("check", "identity", "sources")}
    for name, line in zip(names, done.stdout.splitlines(), strict=True):
        loaded = {part.removeprefix("fa_lib.").replace(".", "/") for part in line.split()}
        known = set(modules(name.removeprefix("fa_lib.").replace(".", "/")))
        assert loaded - known <= around, name


def test_comments_docstrings_and_layout_do_not_count(tmp_path: Path) -> None:
    first = (
        '"""Says something."""\n\nRATE = 3  # per second\n\n\n'
        'def f():\n    """Why."""\n    return "# no"\n'
    )
    second = '"""Says more."""\nRATE = 3\ndef f():\n    return "# no"  # because\n'
    third = second.replace("# no", "# yes")
    hashes = []
    for text in (first, second, third):
        (tmp_path / "experiments").mkdir(exist_ok=True)
        (tmp_path / "experiments" / "one.py").write_text(text)
        hashes.append(modules("experiments/one", tmp_path)["experiments/one"])
        assert constants("experiments/one", tmp_path) == {"one.RATE": "3"}
    assert hashes[0] == hashes[1] != hashes[2]
