"""What a batch consists of: grids, YAML files, types, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
from batches import write_notebook

from fa_lib.batch import grid


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    return write_notebook(tmp_path / "point.ipynb", "print(X)")


def values(jobs: list[grid.Job]) -> list[dict[str, Any]]:
    return [dict(job.parameters) for job in jobs]


def planned(target: Path, *options: str) -> list[dict[str, Any]]:
    return values(grid.plan([target], grid.parse_options(options)))


def test_every_combination_once(notebook: Path) -> None:
    found = planned(notebook, "X=1,2,2", "LR=1e-4,3")
    assert found == [{"X": x, "LR": lr} for x in (1, 2) for lr in (1e-4, 3.0)]
    assert planned(notebook) == [{}]


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("X=-7", -7),
        ("LR=3", 3.0),
        ("LR=1e-4", 1e-4),
        ("NAME=3", "3"),
        ("NAME=a b", "a b"),
        ("NAME=", ""),
        ("FLAG=true", True),
        ("FLAG=False", False),
        ("SIZES=[100, 512]", [100, 512]),
        ("SIZES=(7,)", [7]),
        ("LIMIT=None", None),
        ("LIMIT=5", 5),
        ("COUNT=12", 12),
    ],
)
def test_values_have_the_declared_types(notebook: Path, option: str, expected: Any) -> None:
    ((value,),) = [job.values() for job in planned(notebook, option)]
    assert value == expected
    assert type(value) is type(expected)


def test_commas_in_brackets_do_not_separate(notebook: Path) -> None:
    assert planned(notebook, "SIZES=[1,2],[3]") == [{"SIZES": [1, 2]}, {"SIZES": [3]}]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("X=1.5", r"X must be int, got '1.5'"),
        ("X=1,many", r"X must be int, got 'many'"),
        ("LR=fast", r"LR must be float, got 'fast'"),
        ("LR=inf", r"LR must be float, got 'inf'"),
        ("FLAG=2", r"FLAG must be bool, got '2'"),
        ("SIZES=3", r"SIZES must be list\[int\], got '3'"),
        ("SIZES=[1.5]", r"SIZES must be list\[int\]"),
        ("LIMIT=few", r"LIMIT must be int \| None, got 'few'"),
        ("COUNT=x", r"COUNT must be int, got 'x'"),
    ],
)
def test_values_of_another_type_are_refused(notebook: Path, option: str, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        planned(notebook, option)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["NAEM=a"], r"Unknown parameter of point\.ipynb 'NAEM'. Did you mean 'NAME'\?"),
        (["pm=a"], r"Unknown parameter of point\.ipynb 'pm'"),
        (["X"], "as NAME=a,b,c, got 'X'"),
        (["X=1", "X=2"], "X is given twice"),
    ],
)
def test_undeclared_and_unclear_options_are_refused(
    notebook: Path, options: list[str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        planned(notebook, *options)


def test_a_notebook_without_parameters_takes_none(tmp_path: Path) -> None:
    bare = write_notebook(tmp_path / "bare.ipynb", "1", parameters="import os")
    assert planned(bare) == [{}]
    with pytest.raises(ValueError, match=r"Unknown parameter of bare\.ipynb 'X'"):
        planned(bare, "X=1")


def test_the_name_of_a_job_is_a_plain_file_name_and_its_own(notebook: Path) -> None:
    options = grid.parse_options(["NAME=../up,a/b,a_b,é", "X=1"])
    jobs = grid.plan([notebook], options)
    names = {job.name for job in jobs}
    assert len(names) == 4
    assert all(Path(name).name == name and name.isascii() for name in names)
    assert names == {
        job.name for job in grid.plan([notebook], options)
    }  # from one call to the next


def test_the_fingerprint_is_that_of_the_sources(notebook: Path, tmp_path: Path) -> None:
    (job,) = grid.plan([notebook], {})
    text = notebook.read_text()
    notebook.write_text(text.replace('"execution_count": null', '"execution_count": 7'))
    assert grid.plan([notebook], {})[0].fingerprint == job.fingerprint
    write_notebook(notebook, "print(X + 1)")
    assert grid.plan([notebook], {})[0].fingerprint != job.fingerprint


def test_yaml_with_several_notebooks_grids_and_combinations(notebook: Path, tmp_path: Path) -> None:
    write_notebook(tmp_path / "other.ipynb", "print(LR)")
    sweep = tmp_path / "sweep.yml"
    sweep.write_text(
        """
grid: {NAME: [a, b]}
notebooks:
  - other.ipynb
  - notebook: poin*.ipynb
    grid: {LR: [1e-4, 3e-4]}  # text in YAML 1.1, which wants 1.0e-4
    combinations:
      - {X: 1, FLAG: yes}
      - {X: 2, SIZES: [3, 4]}
"""
    )
    jobs = grid.plan([sweep], {})
    assert [Path(job.notebook).name for job in jobs] == ["other.ipynb"] * 2 + ["point.ipynb"] * 8
    expected = [
        {**combination, "NAME": name, "LR": lr}
        for combination in ({"X": 1, "FLAG": True}, {"X": 2, "SIZES": [3, 4]})
        for name in ("a", "b")
        for lr in (1e-4, 3e-4)
    ]
    assert values(jobs)[:2] == [{"NAME": "a"}, {"NAME": "b"}]
    assert values(jobs)[2:] == expected
    assert len(grid.plan([sweep], grid.parse_options(["COUNT=1,2"]))) == 20


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("notebooks: [point.ipynb]\ngird: {X: 1}", "Did you mean 'grid'"),
        ("notebooks: [{notebook: point.ipynb, grid: {x: 1}}]", "Did you mean 'X'"),
        ("notebooks: [{grid: {X: 1}}]", "does not say which notebook"),
        ("notebooks: []", "lists no notebooks"),
        ("- point.ipynb", "wanted a list of NAME: VALUE"),
        ("notebooks: [point.ipynb]\ngrid: {X: []}", "X has no values"),
        ("grid: {X: 1}\nnotebooks: [{notebook: point.ipynb, grid: {X: 2}}]", "X is given twice"),
        ("notebooks: [", "is not YAML"),
    ],
)
def test_unclear_yaml_is_refused(notebook: Path, text: str, message: str) -> None:
    sweep = notebook.with_name("sweep.yml")
    sweep.write_text(text)
    with pytest.raises(ValueError, match=message):
        grid.plan([sweep], {})


def test_what_is_not_there_and_what_is_no_notebook(tmp_path: Path, notebook: Path) -> None:
    for missing in ("none.ipynb", "none*.ipynb", "none.yml"):
        with pytest.raises(FileNotFoundError, match="none"):
            grid.plan([tmp_path / missing], {})
    (tmp_path / "broken.ipynb").write_text("{}")
    with pytest.raises(ValueError, match=r"broken\.ipynb is not a Jupyter notebook"):
        grid.plan([tmp_path / "broken.ipynb"], {})
    (tmp_path / "sub").mkdir()
    twin = write_notebook(tmp_path / "sub/point.ipynb", "1")
    with pytest.raises(ValueError, match="Two notebooks are called point"):
        grid.plan([notebook, twin], {})
