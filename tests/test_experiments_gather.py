"""Pieces computed one by one, as a batch's jobs do, are put together as one run gives them."""

from pathlib import Path

import pandas as pd
import pytest

from fa_lib import results
from fa_lib.experiments import gather, run
from fa_lib.experiments.sweep import PROFILES, Config
from fa_lib.results import BadResult

SMOKE = PROFILES["smoke"]


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders of jobs with the results of all the smoke profile's points, save one."""
    points = [(lr, noise) for lr in SMOKE.lrs for noise in SMOKE.noise_steps]
    for index, (lr, noise) in enumerate(points[1:]):
        monkeypatch.setenv("FA_RESULTS_ROOT", str(tmp_path / f"jobs/{index}/results"))
        run("sweep", "smoke", "cpu", lrs=(lr,), noise_steps=(noise,))
    monkeypatch.setenv("FA_RESULTS_ROOT", str(tmp_path / "results"))
    return tmp_path / "jobs"


def test_gathered_pieces_are_the_numbers_of_one_run(
    jobs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gathered = gather("sweep", "smoke", jobs)
    assert gathered.path == tmp_path / "results/sweep/smoke.parquet"
    monkeypatch.setenv("FA_RESULTS_ROOT", str(tmp_path / "other"))
    at_once = run("sweep", "smoke", "cpu")
    pd.testing.assert_frame_equal(gathered.table, at_once.table)
    same = ("config", "data_fingerprints", "seeds", "command", "pieces", "modules")
    assert all(gathered.provenance[key] == at_once.provenance[key] for key in same)
    steps = gathered.table.groupby("noise_steps")["step"].agg(["min", "max"])
    assert steps.to_dict("index") == {
        0: {"min": 0, "max": SMOKE.total_steps},
        50: {"min": 50, "max": SMOKE.total_steps},
    }


def test_every_code_that_had_a_part_is_named_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As is one of a part that was itself resumed after an edit, and so names two."""
    points = [(lr, noise) for lr in SMOKE.lrs for noise in SMOKE.noise_steps]
    codes = ["0+a and 0+b", *["0+b"] * (len(points) - 1)]
    own = results.circumstances
    for (lr, noise), code in zip(points, codes, strict=True):
        monkeypatch.setattr(
            results, "circumstances", lambda device, code=code: own(device) | {"code": code}
        )
        monkeypatch.setenv("FA_RESULTS_ROOT", str(tmp_path / f"jobs/{lr}-{noise}/results"))
        run("sweep", "smoke", "cpu", lrs=(lr,), noise_steps=(noise,))
    monkeypatch.setenv("FA_RESULTS_ROOT", str(tmp_path / "results"))
    gathered = gather("sweep", "smoke", tmp_path / "jobs")
    assert gathered.provenance["code"] == "0+a and 0+b"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": 3, "lrs": (1e-3,), "noise_steps": (0,)}, "its seeds is"),
        ({"lrs": (2e-3,), "noise_steps": (0,)}, r"its lrs is \[0.002\]"),
        ({"total_steps": 60, "lrs": (1e-3,), "noise_steps": (0,)}, "its total_steps is 60"),
        ({"lrs": (1e-3,)}, "holds 2 pieces"),
    ],
)
def test_what_is_no_piece_of_the_profile_is_refused(
    results_root: Path, changes: dict, message: str
) -> None:
    run("sweep", "smoke", "cpu", **{"seeds": None, **changes})
    with pytest.raises(ValueError, match=message):
        gather("sweep", "smoke", results_root.parent)


def test_no_results_and_damaged_ones(tmp_path: Path, jobs: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no result of sweep"):
        gather("sweep", "smoke", tmp_path / "empty")
    table = next(jobs.rglob("*.parquet"))
    table.write_bytes(b"")
    with pytest.raises(BadResult, match="damaged"):
        gather("sweep", "smoke", jobs)


@pytest.mark.parametrize("noise_steps", [(), (-1,), (1000,)])
def test_noise_that_leaves_no_steps_is_refused(noise_steps: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="noise_steps"):
        Config(seeds=(0,), noise_steps=noise_steps)
