"""The files around the package agree with each other, and the chapters with the book's rules."""

import ast
import importlib.util
import re
import shutil
import sys
from pathlib import Path
from types import ModuleType

import nbformat
import pytest
import yaml
from IPython.core.interactiveshell import InteractiveShell

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = sorted((ROOT / "book").glob("*.ipynb"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
COMMON_PARAMETERS = {"PROFILE": "str", "SEEDS": "int", "DEVICE": "str", "RECOMPUTE": "bool"}


def read_yaml(name: str) -> dict:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def load_set_repo() -> ModuleType:
    spec = importlib.util.spec_from_file_location("set_repo", ROOT / "book/_ext/set_repo.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tagged(notebook: nbformat.NotebookNode, tag: str) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def first_code(path: Path, url: str | None = None) -> str:
    """The source of a notebook's first code cell, with another repository address if given."""
    cells = nbformat.read(path, as_version=4).cells
    source = next(cell.source for cell in cells if cell.cell_type == "code")
    return source if url is None else re.sub('REPOSITORY = ".*"', f'REPOSITORY = "{url}"', source)


def test_environment_yml_asks_for_what_pyproject_says():
    dependencies = read_yaml("environment.yml")["dependencies"]
    (pip,) = [entry["pip"] for entry in dependencies if isinstance(entry, dict)]
    (extras,) = [re.fullmatch(r"-e \.\[(.+)\]", line).group(1).split(",") for line in pip]
    assert set(extras) <= set(PROJECT["optional-dependencies"])
    # All else comes from pyproject.toml through that one line.
    names = [re.split(r"[<>=]", entry)[0] for entry in dependencies if isinstance(entry, str)]
    assert names == ["python", "pip"]
    python = next(entry for entry in dependencies if str(entry).startswith("python"))
    assert python.removeprefix("python").startswith(PROJECT["requires-python"])


def test_citation_agrees_with_pyproject():
    citation = read_yaml("CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]["text"]


def test_links_in_the_readme_lead_somewhere():
    targets = re.findall(r"\]\(([^)]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    local = [target for target in targets if not target.startswith("https://")]
    assert local
    for target in local:
        assert (ROOT / target).exists(), target


def test_the_five_lines_of_the_readme_run_and_are_those_of_the_book():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = re.search(r"```python\n(import fa_lib.*?)```", readme, flags=re.DOTALL).group(1)
    assert lines in (ROOT / "book/index.md").read_text(encoding="utf-8")
    for long, short in [
        ("range(10)", "range(2)"),
        ("steps=5000", "steps=3"),
        ("epochs=20", "epochs=1"),
    ]:
        assert long in lines
        lines = lines.replace(long, short)
    names: dict = {}
    exec(lines, names)
    steps = names["history"].to_frame()["step"]
    assert steps.max() == 63  # 4,000 images in batches of 64, the last of them smaller
    assert len(names["net"]) == 2


def test_every_chapter_is_in_the_table_of_contents():
    toc = read_yaml("_toc.yml")
    files = [toc["root"]] + [c["file"] for part in toc["parts"] for c in part["chapters"]]
    assert len(files) == len(set(files))
    on_disk = {f"book/{path.stem}" for path in (ROOT / "book").iterdir() if path.is_file()}
    assert set(files) <= on_disk
    assert {f"book/{path.stem}" for path in CHAPTERS} <= set(files)


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_chapter_is_stored_without_outputs(path: Path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_chapter_declares_its_parameters_with_types(path: Path):
    (cell,) = tagged(nbformat.read(path, as_version=4), "parameters")
    found = {}
    for statement in ast.parse(cell.source).body:
        assert isinstance(statement, ast.AnnAssign), ast.unparse(statement)
        ast.literal_eval(statement.value)  # raises unless it is a literal
        found[statement.target.id] = ast.unparse(statement.annotation)
    assert COMMON_PARAMETERS.items() <= found.items()


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_first_cell_is_the_same_in_all_chapters_and_knows_the_address(path: Path):
    source = first_code(path)
    assert source == first_code(CHAPTERS[0])
    assert f'REPOSITORY = "{read_yaml("_config.yml")["repository"]["url"]}"' in source


@pytest.fixture
def colab(monkeypatch: pytest.MonkeyPatch) -> tuple[InteractiveShell, list[str]]:
    """An IPython in which fa_lib is not installed, and the pip commands that it is given."""
    monkeypatch.setitem(sys.modules, "fa_lib", None)
    shell, commands = InteractiveShell(), []
    shell.register_magic_function(commands.append, magic_name="pip")
    yield shell, commands
    shell.history_manager.end_session()


def test_first_cell_without_an_address_says_what_to_do(colab):
    shell, commands = colab
    result = shell.run_cell(first_code(CHAPTERS[0], url=""))
    assert isinstance(result.error_in_exec, ModuleNotFoundError)
    assert "make lab" in str(result.error_in_exec)
    assert commands == []


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the files that hold the repository's address."""
    (tmp_path / "book").mkdir()
    for path in [ROOT / "_config.yml", ROOT / "CITATION.cff", *CHAPTERS]:
        shutil.copy(path, tmp_path / path.relative_to(ROOT))
    return tmp_path


def test_set_repo_writes_one_address_everywhere(copy: Path, colab):
    url = "https://github.com/someone/noise-book"
    set_repository = load_set_repo().set_repository
    assert len(set_repository(copy, url + ".git")) == 2 + len(CHAPTERS)
    assert yaml.safe_load((copy / "_config.yml").read_text())["repository"]["url"] == url
    assert yaml.safe_load((copy / "CITATION.cff").read_text())["repository-code"] == url
    for path in CHAPTERS:
        assert first_code(copy / "book" / path.name) == first_code(path, url)
    shell, commands = colab
    assert shell.run_cell(first_code(copy / "book" / CHAPTERS[0].name)).success
    assert commands == [f'install --quiet "fa-lib @ git+{url}"']

    assert set_repository(copy, url) == []
    assert len(set_repository(copy, "https://github.com/other/book")) == 2 + len(CHAPTERS)


@pytest.mark.parametrize(
    "url", ["", "/home/me/book", "file:///srv/book", "git@github.com:a/b.git", "https://x.org/a/b"]
)
def test_set_repo_refuses_what_a_reader_cannot_open(copy: Path, url: str):
    before = {path: path.read_bytes() for path in copy.rglob("*.*") if path.is_file()}
    with pytest.raises(ValueError, match="OWNER/NAME"):
        load_set_repo().set_repository(copy, url)
    assert {path: path.read_bytes() for path in before} == before
