"""The page about the package: recipes of few lines that do what they say, and a whole reference."""

import importlib
import inspect
import re
from pathlib import Path

import nbformat
import papermill
import pytest

import fa_lib
from fa_lib import nn
from fa_lib.rules import RULES

PAGE = Path(__file__).resolve().parents[1] / "book/package.ipynb"
CELLS = nbformat.read(PAGE, as_version=4).cells
TEXT = "\n".join(cell.source for cell in CELLS if cell.cell_type == "markdown")
DOCUMENTED = re.findall(r"^\.\. auto(?:class|function|exception):: (\S+)$", TEXT, re.MULTILINE)
PUBLIC = [f"fa_lib.{name}" for name in fa_lib.__all__] + [f"fa_lib.nn.{n}" for n in nn.__all__]
RECIPES = (
    "Train on data of your own",
    "Convert a model of your own",
    "Train it in a loop of your own",
    "Try a learning rule of your own",
    "Measure something else, and watch it live",
    "Stop, save, and go on",
    "Sweep a width over twenty seeds",
    "Take the weights to plain torch",
)
LINES = 15


def recipes(cells: list[nbformat.NotebookNode]) -> dict[str, list[int]]:
    """Places of the code cells under each heading, down to the reference."""
    found: dict[str, list[int]] = {}
    heading = ""
    for place, cell in enumerate(cells):
        if cell.cell_type == "code" and heading:
            found[heading].append(place)
        elif titles := re.findall(r"^## (.+)$", cell.source, re.MULTILINE):
            heading = titles[-1]
            found[heading] = []
    return {name: places for name, places in found.items() if not name.startswith("Reference")}


def named(path: str) -> object:
    """The object that a dotted name of the package means."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def test_there_is_a_recipe_for_each_thing_that_people_ask_for():
    assert tuple(recipes(CELLS)) == RECIPES


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_is_one_cell_of_few_lines(recipe: str):
    (place,) = recipes(CELLS)[recipe]
    assert 0 < len(CELLS[place].source.splitlines()) <= LINES


def test_the_reference_has_every_public_name_once():
    assert sorted(DOCUMENTED) == sorted(set(DOCUMENTED))
    assert set(PUBLIC) <= set(DOCUMENTED)


@pytest.mark.parametrize("path", sorted({*PUBLIC, *DOCUMENTED}))
def test_what_is_documented_has_docstrings(path: str):
    documented = named(path)
    # That of a class without its own would be its parent's, or what a dataclass is given.
    own = inspect.getdoc(documented) if inspect.isfunction(documented) else documented.__doc__
    assert own
    assert not own.startswith(f"{path.rpartition('.')[2]}(")
    if inspect.isclass(documented):
        for name, member in vars(documented).items():
            if not name.startswith("_") and (inspect.isfunction(member) or hasattr(member, "fget")):
                assert member.__doc__, name


def test_the_table_of_rules_has_all_of_them():
    rows = re.findall(r'^\| `"(\w+)"` \| the (?:layer )?(\w+) \|', TEXT, re.MULTILINE)
    assert len(rows) == len(RULES)
    shown = {name: source.removesuffix("s") for name, source in rows}
    assert shown == {name: rule.source.removesuffix("s") for name, rule in RULES.items()}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each recipe writes."""
    folder = tmp_path_factory.mktemp("page")
    out = str(folder / "out.ipynb")
    executed = papermill.execute_notebook(str(PAGE), out, cwd=str(folder), progress_bar=False)
    assert [path.name for path in folder.iterdir()] == ["out.ipynb"]
    return {
        heading: "".join(output.get("text", "") for output in executed.cells[place].outputs)
        for heading, (place,) in recipes(executed.cells).items()
    }


@pytest.mark.notebook
@pytest.mark.parametrize(
    ("recipe", "pattern"),
    [
        ("Train on data of your own", r"tuple: .*\nTensorDataset: .*\nFakeData: loss 2\.\d+ nats"),
        ("Convert a model of your own", "converted: features readout"),
        ("Train it in a loop of your own", r"test accuracy [6-9]\d\.\d%"),
        ("Try a learning rule of your own", r"fa: .*\nRule\('half'\): .*\nbp: .*"),
        ("Measure something else, and watch it live", r"(step \d+: .* silent\n){4}"),
        ("Stop, save, and go on", "the same, bit for bit: True"),
        ("Take the weights to plain torch", r"largest difference of a logit: (0\.0|\S+e-0[6-9])"),
    ],
)
def test_a_recipe_does_what_it_says(said: dict[str, str], recipe: str, pattern: str):
    assert re.search(pattern, said[recipe])
