"""The script of `physbatch slurm` on a real Slurm of one node."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from physbatch import dataset
from physbatch.cli import main
from physbatch.study import Study
from physbatch.sweep import run_study
from tests.conftest import TINY
from tests.system.slurm_node import SlurmNode, missing_program, slurm_node

if (program := missing_program()) is not None:
    pytest.skip(f"needs Slurm: {program} not found", allow_module_level=True)

#: Seconds that a job may take on a busy machine.
PATIENCE = 300.0


@pytest.fixture(scope="module")
def slurm() -> Iterator[SlurmNode]:
    with slurm_node() as node:
        yield node


def script_for(
    study: dict[str, Any], folder: Path, capsys: pytest.CaptureFixture[str], *more: str
) -> tuple[Path, Path]:
    """The printed script as a file, and the dataset that it is to make."""
    source, target = folder / "study.toml", folder / "data of a study.nc"
    source.write_text(Study.from_dict(study).to_toml())
    capsys.readouterr()
    assert main(["slurm", str(source), "-o", str(target), "--time", "00:10:00", *more]) == 0
    script = folder / "job.sh"
    script.write_text(capsys.readouterr().out)
    return script, target


def assert_same_bits(target: Path, reference: xr.Dataset) -> None:
    data = dataset.open_dataset(target)
    for name in reference.variables:
        assert data[name].values.tobytes() == reference[name].values.tobytes(), name


def wait_until_computing(target: Path) -> None:
    folder = target.with_name(target.name + ".cells")
    deadline = time.monotonic() + PATIENCE
    while not any('"take"' in path.read_text() for path in folder.glob("index-*")):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_array_job(slurm: SlurmNode, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reference = run_study(Study.from_dict(TINY), tmp_path / "here.nc", workers=1)
    script, target = script_for(TINY, tmp_path, capsys, "--jobs", "3", "--partition", "main")
    job = slurm.submit(script)
    slurm.wait_for(job, ["COMPLETED"], PATIENCE)
    assert slurm.outputs().count("its 2 cells are done") == 3
    assert main(["merge", str(target)]) == 0
    assert_same_bits(target, reference)


def long_study(seconds: float) -> dict[str, Any]:
    """One cell of about so many seconds."""
    grid = {"size": [300], "batch_size": [2], "replicas": 4}
    measurement = {"duration": int(15_000 * seconds), "test_samples": 70}
    return {**TINY, "title": "one long cell", "grid": grid, "measurement": measurement}


def test_a_job_that_is_warned_saves_and_queues_itself_again(
    slurm: SlurmNode, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """SIGUSR1 to the batch shell, as Slurm sends it before the time limit."""
    study = long_study(6)
    script, target = script_for(study, tmp_path, capsys, "--jobs", "1")
    job = slurm.submit(script)
    wait_until_computing(target)
    time.sleep(3.5)  # what took less than three seconds is not saved
    slurm.command("scancel", "--batch", "--signal=USR1", job)
    slurm.wait_for(job, ["PENDING"], PATIENCE)
    assert len(list(Path(f"{target}.cells").glob("*.checkpoint"))) == 1
    assert "stopped by the signal SIGUSR1: 0 of 1 cells are saved" in slurm.outputs()
    slurm.wait_for(job, ["COMPLETED"], PATIENCE)
    assert main(["merge", str(target)]) == 0
    assert_same_bits(target, run_study(Study.from_dict(study), tmp_path / "here.nc", workers=1))


def test_dask_workers_in_jobs(
    slurm: SlurmNode,
    tiny_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`physbatch run --slurm` submits them, computes and takes them away."""
    pytest.importorskip("dask_jobqueue", reason="component missing: dask-jobqueue")
    monkeypatch.setenv("SLURM_CONF", slurm.environment["SLURM_CONF"])
    target = tmp_path / "x.nc"
    run = ["run", str(tiny_file), "-o", str(target), "--time-limit", "200", "--slurm"]
    assert main([*run, "partition=absent,interface=lo"]) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert "--slurm: Slurm refuses such a job" in line
    assert "invalid partition" in line
    words = "partition=main,jobs=2,hours=0.2,memory=1,interface=lo"
    assert main([*run, words]) == 0, (capsys.readouterr().err, slurm.logs())
    assert_same_bits(target, run_study(Study.from_dict(TINY), tmp_path / "here.nc", workers=1))
    assert len(list((tmp_path / "x.nc.cells" / "slurm").glob("physbatch-*.err"))) >= 1
    deadline = time.monotonic() + 60
    while slurm.command("squeue", "-h"):
        assert time.monotonic() < deadline
        time.sleep(0.5)


@pytest.mark.slow
def test_the_time_limit_of_a_job(
    slurm: SlurmNode, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Slurm itself warns a minute before the end of two; the job goes on by itself."""
    study = long_study(90)
    source, target = tmp_path / "study.toml", tmp_path / "data.nc"
    source.write_text(Study.from_dict(study).to_toml())
    words = ["slurm", str(source), "-o", str(target), "--jobs", "1", "--time", "00:02:01"]
    assert main(words) == 0
    script = tmp_path / "job.sh"
    script.write_text(capsys.readouterr().out)
    job = slurm.submit(script)
    slurm.wait_for(job, ["COMPLETED"], 3000)
    assert "stopped by the signal SIGUSR1: 0 of 1 cells are saved" in slurm.outputs()
    assert main(["merge", str(target)]) == 0
    assert_same_bits(target, run_study(Study.from_dict(study), tmp_path / "here.nc", workers=1))
