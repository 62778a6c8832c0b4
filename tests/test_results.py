"""The store: what is written is read back, and nothing else is."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from full_disk import largest_file

import fa_lib
from fa_lib import results
from fa_lib.results import BadResult, StoreError, StoreWarning

CONFIG = {"seeds": [0, 1], "lr": 1e-3}


def table(rows: int = 4) -> pd.DataFrame:
    values = [i / 7 for i in range(rows - 1)] + [float("nan")]
    return pd.DataFrame(
        {"seed": range(rows), "rule": ["fa", "bp"] * (rows // 2), "value": values, "on": True}
    )


def facts(experiment: str = "fig1", name: str = "quick", config: dict = CONFIG) -> dict:
    return {
        "experiment": experiment,
        "name": name,
        "config": config,
        "config_hash": results.config_hash(config),
        "data_fingerprints": {},
    }


def state_of(folder: Path, name: str = "quick") -> str:
    with pytest.raises(BadResult) as caught:
        results.read(folder, name)
    return caught.value.state


def files(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


# -- Writing and reading ---------------------------------------------------------------------------


def test_a_saved_table_is_what_pyarrow_reads(results_root: Path) -> None:
    saved = results.save(table(), facts())
    assert saved.path == results_root / "fig1" / "quick.parquet"
    columns = pq.read_table(saved.path).to_pydict()
    assert columns["seed"] == [0, 1, 2, 3]
    assert columns["rule"] == ["fa", "bp", "fa", "bp"]
    assert columns["value"] == [0.0, 1 / 7, 2 / 7, None]
    assert columns["on"] == [True] * 4
    provenance = json.loads(saved.path.with_suffix(".json").read_text())
    assert provenance["table_sha256"] == hashlib.sha256(saved.path.read_bytes()).hexdigest()
    assert provenance["rows"] == 4
    assert facts().items() <= provenance.items()
    assert files(results_root / "fig1") == ["quick.json", "quick.parquet"]


def test_load_gives_back_the_table(results_root: Path) -> None:
    results.save(table(), facts())
    loaded = results.load("fig1", "quick")
    pd.testing.assert_frame_equal(loaded.table, table())
    assert results.load("fig1", "never-stored") is None


def test_the_same_table_gives_the_same_small_file(results_root: Path) -> None:
    many = pd.DataFrame({"seed": range(1000), "rule": ["feedback alignment"] * 1000})
    first = results.save(many, facts()).path
    before = first.read_bytes()
    results.save(many.set_index(many.index[::-1]), facts())
    assert first.read_bytes() == before
    column = pq.ParquetFile(first).metadata.row_group(0).column(1)
    assert column.compression == "ZSTD"
    assert "RLE_DICTIONARY" in column.encodings
    assert column.total_compressed_size < 200


# -- Damaged, foreign, stale -----------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".parquet", ".json"])
def test_every_flipped_byte_is_noticed(results_root: Path, suffix: str) -> None:
    file = results.save(table(), facts()).path.with_suffix(suffix)
    whole = file.read_bytes()
    for i in range(len(whole)):
        file.write_bytes(whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :])
        assert state_of(file.parent) in {"damaged", "foreign"}
    file.write_bytes(whole)
    pd.testing.assert_frame_equal(results.read(file.parent, "quick").table, table())


@pytest.mark.parametrize("suffix", [".parquet", ".json"])
def test_truncated_and_missing_files_are_noticed(results_root: Path, suffix: str) -> None:
    file = results.save(table(), facts()).path.with_suffix(suffix)
    whole = file.read_bytes()
    for length in (0, 1, len(whole) // 2, len(whole) - 2):
        file.write_bytes(whole[:length])
        assert state_of(file.parent) == "damaged"
    file.unlink()
    assert state_of(file.parent) == "damaged"


def test_a_damaged_result_is_said_and_not_used(results_root: Path) -> None:
    path = results.save(table(), facts()).path
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.warns(StoreWarning, match=r"fig1/quick is not used: it is damaged: quick.parquet"):
        assert results.load("fig1", "quick") is None


def test_files_in_another_place_are_foreign(results_root: Path) -> None:
    folder = results.save(table(), facts()).path.parent
    other = results_root / "fig2"
    other.mkdir()
    for suffix in (".parquet", ".json"):
        shutil.copy(folder / f"quick{suffix}", other / f"quick{suffix}")
        shutil.copy(folder / f"quick{suffix}", folder / f"paper{suffix}")
    assert state_of(other) == "foreign"
    assert state_of(folder, "paper") == "foreign"


def test_a_table_of_another_result_does_not_match(results_root: Path) -> None:
    folder = results.save(table(), facts()).path.parent
    other = results.save(table(6), facts("fig2")).path
    shutil.copy(other, folder / "quick.parquet")
    assert state_of(folder) == "damaged"


@pytest.mark.parametrize("text", ["{}", "[]", "3", '{"experiment": "fig1", "name": "quick"}'])
def test_json_of_another_program_is_foreign(results_root: Path, text: str) -> None:
    path = results.save(table(), facts()).path
    path.with_suffix(".json").write_text(text)
    assert state_of(path.parent) == "foreign"


def test_provenance_without_what_matters_is_foreign(results_root: Path) -> None:
    lacking = {key: value for key, value in facts().items() if key != "config_hash"}
    with pytest.raises(BadResult, match=r"foreign: quick.json does not say its config_hash"):
        results.save(table(), lacking)


def test_what_a_reader_requires_is_required(results_root: Path) -> None:
    results.save(table(), facts())

    def refuse(found: results.Result) -> None:
        raise BadResult("stale", f"its lr is {found.provenance['config']['lr']}")

    assert results.load("fig1", "quick", lambda found: None)
    with pytest.warns(StoreWarning, match=r"quick is not used: it is stale: its lr is 0.001\."):
        assert results.load("fig1", "quick", refuse) is None


def test_a_config_that_its_hash_does_not_fit_is_foreign(results_root: Path) -> None:
    edited = facts() | {"config": {**CONFIG, "lr": 1e-2}}
    with pytest.raises(BadResult, match="foreign: its config_hash is not that of its config"):
        results.save(table(), edited)


def test_the_hash_of_a_config_depends_on_its_values_alone() -> None:
    assert results.config_hash({"a": 1, "b": [2.0]}) == results.config_hash({"b": [2.0], "a": 1})
    others = [{"a": 1.0, "b": [2.0]}, {"a": 1, "b": 2.0}, {"a": 1}, {"a": True, "b": [2.0]}]
    hashes = {results.config_hash(config) for config in others}
    assert results.config_hash({"a": 1, "b": [2.0]}) not in hashes
    assert len(hashes) == 4


# -- Full disks and folders that are none ----------------------------------------------------------


def test_a_full_disk_is_noticed_before_the_work(results_root: Path) -> None:
    with largest_file(1000), pytest.raises(StoreError, match=r"Cannot write .*FA_RESULTS_ROOT"):
        results.ensure_writable(results_root)
    results.ensure_writable(results_root)
    assert files(results_root) == []


def test_a_disk_that_fills_up_leaves_the_old_result(results_root: Path) -> None:
    folder = results.save(table(), facts()).path.parent
    with largest_file(100), pytest.raises(StoreError, match=str(folder)):
        results.save(table(6), facts())
    pd.testing.assert_frame_equal(results.read(folder, "quick").table, table())
    assert files(folder) == ["quick.json", "quick.parquet"]


def test_a_table_without_its_provenance_is_not_used(results_root: Path) -> None:
    long_config = {"text": "x" * 20_000}
    with largest_file(10_000), pytest.raises(StoreError):
        results.save(table(), facts(config=long_config))
    assert files(results_root / "fig1") == ["quick.parquet"]
    with pytest.warns(StoreWarning, match="quick.json is missing"):
        assert results.load("fig1", "quick") is None


def test_a_file_in_place_of_the_folder(results_root: Path) -> None:
    results_root.write_text("not a folder")
    with pytest.raises(StoreError, match=f"Cannot write results in {results_root}: "):
        results.ensure_writable(results_root)
    with pytest.raises(StoreError, match="set FA_RESULTS_ROOT"):
        results.save(table(), facts())


# -- Where results live ----------------------------------------------------------------------------


def test_an_installed_package_reads_its_own_results_and_writes_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site-packages" / "fa_lib"
    monkeypatch.setattr(results, "_PACKAGE", package)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("FA_RESULTS_ROOT")
    own, shipped = results.roots()
    assert shipped == package / "_results"
    assert package not in own.parents

    monkeypatch.setenv("FA_RESULTS_ROOT", str(shipped))
    results.save(table(), facts())
    monkeypatch.delenv("FA_RESULTS_ROOT")
    assert results.load("fig1", "quick").path == shipped / "fig1" / "quick.parquet"
    results.save(table(6), facts())
    assert results.load("fig1", "quick").path == own / "fig1" / "quick.parquet"
    assert [folder.parent for folder, _ in results.stored()] == [own, shipped]


def test_a_checkout_reads_and_writes_its_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "results").mkdir()
    monkeypatch.setattr(results, "_PACKAGE", tmp_path / "fa_lib")
    monkeypatch.delenv("FA_RESULTS_ROOT")
    assert results.roots() == [tmp_path / "results"]
    monkeypatch.setenv("FA_RESULTS_ROOT", str(tmp_path / "mine"))
    assert results.roots() == [tmp_path / "mine", tmp_path / "results"]


# -- Fingerprint of the package --------------------------------------------------------------------


def test_the_fingerprint_is_of_names_and_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = results.package_fingerprint()
    package = tmp_path / "fa_lib"
    shutil.copytree(Path(fa_lib.__file__).parent, package)
    monkeypatch.setattr(results, "_PACKAGE", package)
    (package / "notes.txt").write_text("not part of it")
    assert results.package_fingerprint() == here

    source = package / "results.py"
    whole = source.read_bytes()
    source.write_bytes(whole + b"\n")
    changed = results.package_fingerprint()
    source.write_bytes(whole)
    source.rename(package / "store.py")
    renamed = results.package_fingerprint()
    assert len({here, changed, renamed}) == 3
