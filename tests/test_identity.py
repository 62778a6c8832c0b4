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
from fa_lib.protocol import READINGS, rules_date, rules_hash
from fa_lib.results import StoreError, StoreWarning

PACKAGE = Path(fa_lib.__file__).parent


# -- Edits of the sources, each in a copy of the package -------------------------------------------

# What is edited, from what, to what, and what Figure 1's result is then.
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
        "experiments/fig1.py",
        'TASK = "noise"',
        'TASK = "nothing"',
        "stale: its constants differ: fig1.TASK",
    ),
    "a piece more": (
        "experiments/fig1.py",
        "for noise in conditions(config)",
        'for noise in [*conditions(config), Noise("normal", 3.0, 1.0)]',
        "stale: its pieces differ: B1-normal-3-1 is new, B2-normal-3-1 is new",
    ),
    "another number in a profile": (
        "experiments/fig1.py",
        "most_steps=150,\n",
        "most_steps=151,\n",
        "stale: its config differs in most_steps",
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

# Figure 1 sees no data: the trial of the engine notices, and the numbers come out the same again.
OF_DATA = {"another order of the images", "the last batch of an epoch left out"}


# Checks Figure 1's result by each copy of the package in turn, then asks for it. The package is
# imported afresh; torch and its like, which take longest, are not.
BY_EACH_COPY = """
import json, os, sys, warnings
for folder in sys.argv[1:]:
    for name in [name for name in sys.modules if name.split(".")[0] == "fa_lib"]:
        del sys.modules[name]
    sys.path[0] = folder
    os.environ["FA_RESULTS_ROOT"] = folder + "/results"
    from fa_lib.experiments import check, run
    ((state, reason),) = [(s.state, s.reason) for s in check() if s.path.match("fig1/smoke")]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        table = run("fig1", "smoke", "cpu").provenance["table_sha256"]
    print(json.dumps([state, reason, table, " ".join(str(w.message) for w in said)]))
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """State and reason after each edit, checksum of the table shown, and warnings."""
    folder = tmp_path_factory.mktemp("copies")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FA_RESULTS_ROOT", str(folder / "results"))
        run("fig1", "smoke", "cpu")
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
    assert (table == as_before) == (usable or edit in OF_DATA)


# -- What a result says of itself ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"probe": {}}, "the code at hand gives other numbers: all of it"),
        ({"data_fingerprints": {"digits": "0"}}, "its data sets differ: digits is gone"),
        ({"constants": {"tiny.OLD": "1"}}, "its constants differ: tiny.OLD is gone"),
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


RULES = {
    "smallest effect": lambda patch: patch.setitem(
        READINGS, "2c", replace(READINGS["2c"], smallest=READINGS["2c"].smallest / 10)
    ),
    "words": lambda patch: patch.setitem(
        READINGS, "2c", replace(READINGS["2c"], measure="the angle")
    ),
    "bases": lambda patch: patch.setattr(protocol, "BASES", protocol.BASES[:2]),
    "settings": lambda patch: patch.setattr(protocol, "MULTIVERSE", protocol.MULTIVERSE[:-1]),
    "converged": lambda patch: patch.setattr(protocol, "CONVERGED", 0.02),
    "level": lambda patch: patch.setattr(protocol, "LEVEL", 0.1),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_result_measured_before_its_rules_is_stale(
    rule: str, monkeypatch: pytest.MonkeyPatch, results_root: Path, tmp_path: Path
) -> None:
    register(monkeypatch, tmp_path)
    monkeypatch.setattr(protocol, "EXPERIMENTS", ("tiny",))
    run("tiny", "smoke", "cpu")
    before = rules_hash("tiny")
    assert _check._status(results_root / "tiny", "smoke", data=False).state == "good"
    RULES[rule](monkeypatch)
    now = rules_hash("tiny")
    assert now != before
    status = _check._status(results_root / "tiny", "smoke", data=False)
    assert status.state == "stale"
    assert status.reason == f"it was measured under rules {before}, and is judged by {now} now"
    with pytest.raises(ValueError, match="The rules have changed"):
        rules_date("tiny")


def test_rules_are_dated_before_the_runs_that_they_judge() -> None:
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
    found = set(modules("experiments/fig2"))
    assert {"networks", "rules", "noise", "training", "_engine", "_streams", "data"} <= found
    assert {"experiments/fig2", "experiments/_parts", "experiments/_stacks", "settings"} <= found
    assert not {name for name in found if name.startswith(("plotting/", "judges/", "batch/"))}
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
    around |= {"settings"}  # which `protocol` imports
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
