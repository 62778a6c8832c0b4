"""What an import loads, and what type checkers and readers see of the names that come later."""

import ast
import importlib.util
import json
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fa_lib

PACKAGE = Path(fa_lib.__file__).parent
SLOW = {"torch", "pandas", "scipy", "matplotlib"}


def loaded(code: str) -> set[str]:
    """The slow modules that are there after this code, in a fresh process."""
    code += "\nimport json, sys\nprint('\\n' + json.dumps(list(sys.modules)))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return SLOW & set(json.loads(done.stdout.splitlines()[-1]))


def test_the_import_alone_loads_nothing_slow() -> None:
    assert loaded("import fa_lib; dir(fa_lib)") == set()
    assert loaded("from fa_lib import Noise") >= {"torch"}


CALL = """
import sys
from fa_lib import cli
for words in {words}:
    sys.argv = ["fa-lib", *words.split()]
    try:
        cli.main()
    except SystemExit as left:
        assert left.code == {status}, (words, left.code)
    else:
        raise AssertionError(words)
"""


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, ["--help", "--version", "run --help", "verify --help", "reproduce --help"]),
        (0, ["batch --help", "collect --help", "data list --help", "results check --help"]),
        (2, ["rum tiny", "run", "run tiny --seeds ten", "run tiny --set scale", "run --sedes 3"]),
        (2, ["run tiny --set seeds=3", "verify --sample 0", "batch", "data fetch", "collect"]),
    ],
)
def test_help_and_usage_errors_load_nothing_slow(status: int, words: list[str]) -> None:
    assert loaded(CALL.format(status=status, words=words)) == set()


# Each module is imported first once, with the package fresh and the rest loaded already.
EACH_FIRST = """
import importlib, sys
for module in sys.argv[1:]:
    for name in [name for name in sys.modules if name.split(".")[0] == "fa_lib"]:
        del sys.modules[name]
    importlib.import_module(module)
"""


def test_every_public_module_can_be_the_first_one() -> None:
    """No circle shows only when a module is asked for before the others."""
    names = [module.name for module in pkgutil.iter_modules([str(PACKAGE)])]
    found = [f"fa_lib.{name}" for name in names if not name.startswith("_")]
    assert {"fa_lib.results", "fa_lib.experiments", "fa_lib.plotting"} <= set(found)
    command = [sys.executable, "-W", "error", "-c", EACH_FIRST, *found]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# -- Names -----------------------------------------------------------------------------------------


def checked_imports() -> dict[str, str]:
    """What a type checker is told: the module of each name."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    (guard,) = [node for node in tree.body if isinstance(node, ast.If)]
    return {
        alias.name: node.module.removeprefix("fa_lib.")
        for node in guard.body
        if isinstance(node, ast.ImportFrom) and node.module != "fa_lib"  # that is of a module
        for alias in node.names
    }


def test_the_three_lists_of_names_agree() -> None:
    assert checked_imports() == fa_lib._MODULES
    assert set(fa_lib.__all__) == set(fa_lib._MODULES)
    assert set(fa_lib.__all__) <= set(dir(fa_lib))
    everything: dict = {}
    exec("from fa_lib import *", everything)
    assert set(fa_lib.__all__) <= set(everything)


@pytest.mark.parametrize("name", fa_lib.__all__)
def test_a_name_is_that_of_its_module_and_no_module(name: str) -> None:
    module = importlib.import_module(f"fa_lib.{fa_lib._MODULES[name]}")
    assert getattr(fa_lib, name) is getattr(module, name)
    assert name in module.__all__
    # Importing a module sets it as an attribute of the package, in the place of such a name.
    assert importlib.util.find_spec(f"fa_lib.{name}") is None


def test_modules_are_attributes_and_other_names_an_error() -> None:
    code = "import fa_lib; print(fa_lib.results.__name__, fa_lib.plotting.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["fa_lib.results", "fa_lib.plotting"]
    for name in ("pretrian", "results.read", "__wrapped__"):
        with pytest.raises(AttributeError, match=re.escape(f"no attribute {name!r}")):
            getattr(fa_lib, name)
    with pytest.raises(AttributeError, match=r"'judge'; fa_lib\.statements\(\) takes its place"):
        _ = fa_lib.judge
    with pytest.raises(ImportError, match="cannot import name 'pretrian'"):
        exec("from fa_lib import pretrian")


def test_the_package_imports_from_its_modules_and_not_from_its_front_door() -> None:
    """Those imports are what `experiments/_sources.py` follows to the code behind a result."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert "fa_lib" not in [alias.name for alias in node.names], path
            elif isinstance(node, ast.ImportFrom) and node.module == "fa_lib":
                for alias in node.names:
                    assert importlib.util.find_spec(f"fa_lib.{alias.name}"), (path, alias.name)


USER = """
import fa_lib
from fa_lib import Noise, effective_rank, results

reveal_type(fa_lib.MLP)
reveal_type(fa_lib.alignment_angle)
reveal_type(fa_lib.list_datasets())
reveal_type(Noise())
reveal_type(effective_rank)
reveal_type(results.read)
reveal_type(fa_lib.statements)
reveal_type(fa_lib.nn.convert)
fa_lib.pretrian
"""


# Reading torch takes mypy more than a minute, so whatever comes from there is Any here.
SETTINGS = """
[mypy]
strict = true
[mypy-torch.*,torchvision.*,numpy.*,pandas.*,scipy.*,sklearn.*,matplotlib.*,typer.*,tqdm.*]
follow_imports = skip
follow_imports_for_stubs = true
"""


def test_a_type_checker_sees_the_real_types(tmp_path: Path) -> None:
    """As a user's own checker does: outside the checkout, by py.typed, in strict mode."""
    pytest.importorskip("mypy")
    (tmp_path / "user.py").write_text(USER)
    (tmp_path / "mypy.ini").write_text(SETTINGS)
    command = [sys.executable, "-m", "mypy", "user.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    revealed = re.findall(r'Revealed type is "(.*)"', done.stdout)
    assert len(revealed) == 8, done.stdout
    model, angle, names, noise, rank, read, statements, convert = revealed
    assert re.match(r"def \(sizes: .*\) -> fa_lib\.networks\.MLP", model)
    assert re.match(r"def \(weight: Any, feedback: Any, \*, centered: (builtins\.)?bool =", angle)
    assert re.fullmatch(r"(builtins\.)?list\[(builtins\.)?str\]", names)
    assert noise == "fa_lib.noise.Noise"
    assert rank == "def (weight: Any) -> Any"
    assert read.endswith("-> fa_lib.results.Result")
    assert statements.startswith("def (")
    assert convert.startswith("def (module: ")
    errors = [line for line in done.stdout.splitlines() if "error:" in line]
    assert len(errors) == 1, done.stdout
    assert "pretrian" in errors[0]
