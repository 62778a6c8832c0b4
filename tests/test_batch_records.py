"""What jobs leave: records that are whole or not there, the page, and the collected table."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from batches import write_notebook
from tiny_experiment import register

from fa_lib import results
from fa_lib.batch import collecting, grid, page, records, report
from fa_lib.experiments import run


@pytest.fixture
def jobs(tmp_path: Path) -> list[grid.Job]:
    notebook = write_notebook(tmp_path / "point.ipynb", "print(X)")
    return grid.plan([notebook], {"X": ["1", "2"], "SIZES": ["[1, 2]"]})


def leave(out: Path, job: grid.Job, table: pd.DataFrame | None = None, **changes: Any) -> Path:
    """Make the folder that a job leaves."""
    folder = out / job.name
    folder.mkdir(parents=True)
    if table is not None:
        table.to_parquet(folder / "table.parquet")
    facts = {
        "job": job.name,
        "notebook": job.notebook,
        "fingerprint": job.fingerprint,
        "parameters": job.parameters,
        "code": "c0de",
        "exit": "ok",
        "error": "",
        "seconds": 40.0,
        "tables": [] if table is None else ["table.parquet"],
    }
    records.write_record(folder, {**facts, **changes})
    return folder


def kind(job: grid.Job, out: Path, code: str = "c0de") -> tuple[str, str]:
    state = records.state(job, out, code)
    return state.kind, state.reason


def test_a_job_is_done_while_all_of_it_is_there_unchanged(
    tmp_path: Path, jobs: list[grid.Job]
) -> None:
    job = jobs[0]
    assert kind(job, tmp_path) == ("new", "")
    folder = leave(tmp_path, job, pd.DataFrame({"x": [1]}))
    assert kind(job, tmp_path) == ("done", "")
    assert kind(job, tmp_path, "0ther") == ("stale", "fa_lib has changed")
    (folder / "table.parquet").unlink()
    assert kind(job, tmp_path) == ("stale", "table.parquet is missing or was changed")
    text = (folder / "record.json").read_text()
    for broken in (text[:-20], text.replace("40.0", "4.0"), "[]", "null", ""):
        (folder / "record.json").write_text(broken)
        assert records.read_record(folder) is None
        assert kind(job, tmp_path) == ("stale", "its record is not whole")


def test_failed_and_changed_jobs_say_why(tmp_path: Path, jobs: list[grid.Job]) -> None:
    leave(tmp_path, jobs[0], exit="error", error="ValueError: no")
    leave(tmp_path, jobs[1], fingerprint="another")
    assert kind(jobs[0], tmp_path) == ("failed", "ValueError: no")
    assert kind(jobs[1], tmp_path) == ("stale", "the notebook has changed")


def test_the_page_shows_each_job_with_links_that_lead_somewhere(
    tmp_path: Path, jobs: list[grid.Job]
) -> None:
    out = tmp_path / "runs"
    leave(out, jobs[0], pd.DataFrame({"x": [1]}))
    found = {jobs[0].name: records.read_record(out / jobs[0].name)}
    page.write_index(out, found, jobs[1:])
    text = (out / "index.html").read_text()
    assert "1 done, 0 failed, 1 to go" in text
    assert "SIZES = [1, 2]" in text
    links = [part.split('"')[0] for part in text.split('href="')[1:]]
    assert len(links) == 2
    for link in links:
        assert (out / link.replace("%3D", "=")).is_file()


def test_an_estimate_comes_from_what_jobs_took(tmp_path: Path, jobs: list[grid.Job]) -> None:
    leave(tmp_path, jobs[0])
    states = {job.name: records.state(job, tmp_path, "c0de") for job in jobs}
    assert report.estimate(jobs, states, 1) == "about 40 s on 1 worker(s)"
    states[jobs[0].name] = records.State("new")
    assert report.estimate(jobs, states, 2) == "time unknown until a first job has run"
    chapter = grid.Job("a", "chapter.ipynb", "", "", {"PROFILE": "smoke"})
    unknown = {"a": records.State("new")}
    assert report.estimate([chapter], unknown, 1) == "at most 20 s on 1 worker(s)"


def test_tables_are_collected_with_their_parameters(tmp_path: Path, jobs: list[grid.Job]) -> None:
    out = tmp_path / "runs"
    with pytest.raises(FileNotFoundError, match="No batch has run in"):
        collecting.collect(out)
    leave(out, jobs[0], pd.DataFrame({"X": [7, 8], "y": [1.0, 2.0]}))
    leave(out, jobs[1], exit="error", error="no")
    said = collecting.write(out, tmp_path / "all.parquet")
    assert (
        said == f"2 rows from 1 jobs in {tmp_path / 'all.parquet'}; 1 without a good end left out"
    )
    table = pd.read_parquet(tmp_path / "all.parquet")
    assert list(table.columns) == ["job", "notebook", "PARAMETER_X", "SIZES", "X", "y"]
    assert table["PARAMETER_X"].tolist() == [1, 1]
    assert table["SIZES"].tolist() == ["[1, 2]", "[1, 2]"]
    with pytest.raises(ValueError, match=r"is a \.parquet file, got all\.csv"):
        collecting.write(out, Path("all.csv"))


def test_tables_that_do_not_belong_together_are_not_collected(
    tmp_path: Path, jobs: list[grid.Job]
) -> None:
    folder = leave(tmp_path, jobs[0], pd.DataFrame({"y": [1.0]}))
    leave(tmp_path, jobs[1], pd.DataFrame({"y": [1.0]}), code="0ther")
    with pytest.raises(ValueError, match="different versions of fa_lib"):
        collecting.collect(tmp_path)
    (tmp_path / jobs[1].name / "record.json").unlink()
    assert len(collecting.collect(tmp_path)) == 1
    (folder / "table.parquet").write_bytes(b"")
    with pytest.raises(ValueError, match=r"table\.parquet is missing or was changed"):
        collecting.collect(tmp_path)


def test_a_stored_result_that_a_job_shows_is_kept_with_it(
    results_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, tmp_path)
    run("tiny", "smoke", "cpu")
    monkeypatch.setattr(results, "_shipped_root", lambda: results_root)
    monkeypatch.setenv("FA_RESULTS_ROOT", str(tmp_path / "job/results"))
    monkeypatch.setenv("FA_RESULTS_KEEP", "1")
    shown = run("tiny", "smoke", "cpu")
    (kept,) = (tmp_path / "job/results/tiny").glob("*.parquet")
    again = results.read(kept.parent, kept.stem)
    pd.testing.assert_frame_equal(again.table, shown.table)
    assert again.provenance == shown.provenance
