"""diff, verify, rerun: where data come from and whether they can be had again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from physbatch import dataset
from physbatch.cli import main
from physbatch.files import save
from physbatch.study import Study
from physbatch.sweep import run_study
from tests.conftest import TINY


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "tiny.nc"
    run_study(Study.from_dict(TINY), path, workers=1)
    return path


@pytest.fixture
def file(made: Path, tmp_path: Path) -> Path:
    """A copy without shards."""
    return Path(shutil.copy(made, tmp_path / "tiny.nc"))


def answer(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    capsys.readouterr()
    assert main([str(word) for word in words]) == 0
    return capsys.readouterr().out


def refusal(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    capsys.readouterr()
    assert main([str(word) for word in words]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    return lines[-1]


def test_verify_finds_one_changed_bit(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "verified 6 of 6 cells: all 1110 values have the same bits" in answer(
        capsys, "verify", file, "--cells", "100"
    )
    assert "verified 2 of 6 cells" in answer(capsys, "verify", file, "--cells", "2")
    data = dataset.open_dataset(file)
    value = data["overlap"].values[1, 2, 3, 4]
    data["overlap"].values[1, 2, 3, 4] = np.nextafter(value, 2)
    save(data, file)
    line = refusal(capsys, "verify", file, "--cells", "6")
    assert (
        "1 of 6 recomputed cells differ; cell size = 9, batch_size = 8, replica 0: overlap" in line
    )
    found = json.loads(
        (main(["verify", str(file), "--cells", "6", "--json"]), capsys.readouterr().out)[1]
    )
    assert found["differences"] == {"cell size = 9, batch_size = 8, replica 0": ["overlap"]}


def test_verify_skips_missing_cells(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = dataset.open_dataset(file)
    data["status"].values[0] = dataset.STATUS_MISSING
    data["overlap"].values[0] = np.nan
    save(data, file)
    assert "verified 3 of 3 cells" in answer(capsys, "verify", file, "--cells", "9")
    data["status"].values[:] = dataset.STATUS_MISSING
    save(data, file)
    assert "holds no cell of its study" in refusal(capsys, "verify", file)
    assert "give 1 or more" in refusal(capsys, "verify", file, "--cells", "0")


def test_verify_names_what_does_not_match_its_study(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = dataset.open_dataset(file)
    save(data.assign_coords(size=[6, 10]), file)
    assert "does not match its own study" in refusal(capsys, "verify", file, "--cells", "6")
    del data.attrs["study"]
    save(data, file)
    assert "not JSON" in refusal(capsys, "verify", file)
    assert "not JSON" in refusal(capsys, "rerun", file, "-o", file.with_name("new.nc"))


def test_rerun(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "again.nc"
    text = answer(capsys, "rerun", file, "-o", target, "-w", "1")
    assert "values   all 1110 have the same bits" in text
    data = dataset.open_dataset(file)
    data["overlap"].values[0, 0, 0, 0] += 1
    save(data, file)
    assert "values   differ in overlap" in answer(capsys, "rerun", file, "-o", target)
    assert "is the dataset itself" in refusal(capsys, "rerun", file, "-o", file)


def test_diff_of_studies(tiny_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tiny_file.with_name("other.toml")
    other.write_text(
        tiny_file.read_text()
        .replace("replicas = 5", "replicas = 40")
        .replace("    9,", "    9,\n    12,")
    )
    text = answer(capsys, "diff", tiny_file, other)
    assert "study    grid.replicas: 5 | 40" in text
    assert "study    grid.size: [6, 9] | [6, 9, 12]" in text
    assert "cells    0 in both, 6 only in the first, 18 in the second" in text
    assert "no difference in the study" in answer(capsys, "diff", tiny_file, tiny_file)
    found = json.loads(answer(capsys, "diff", "sparse-vector", "sparse-vector-ties", "--json"))
    assert found["study"]["dynamics.ties"] == ["reject", "accept"]
    assert found["cells"]["both"] == 0


def test_diff_of_datasets(
    file: Path, tmp_path: Path, tiny_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = answer(capsys, "diff", file, file)
    assert "values   all 1110 common values have the same bits" in text
    assert "cells    6 in both, 0 only in the first, 0 in the second" in text
    data = dataset.open_dataset(file)
    data["overlap"].values[0, 0, 0, 0] += 0.25
    data.attrs["package_versions"] = "numpy=0.1"
    other = save(data.isel(size=[0]), tmp_path / "other.nc")
    text = answer(capsys, "diff", file, other)
    assert "values   overlap: 1 of 165 common values differ, by up to 0.25" in text
    assert "| numpy=0.1" in text
    assert "no difference in the study" in answer(capsys, "diff", tiny_file, file)
    assert "no study file" in refusal(capsys, "diff", file, "no-such-thing")
