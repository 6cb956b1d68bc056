"""A file system that becomes read-only: one line, exit code 2, and nothing is lost."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from physbatch import dataset
from physbatch.study import Study
from physbatch.sweep import Part, run_part, run_study
from tests.conftest import TINY

Command = Callable[..., subprocess.CompletedProcess[str]]


def mount(*words: str | Path) -> bool:
    """Whether the system mounts as asked."""
    if shutil.which("mount") is None:
        return False
    done = subprocess.run(["mount", *map(str, words)], capture_output=True, check=False)
    return done.returncode == 0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own: root may write anywhere that is not mounted read-only."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not mount("-t", "tmpfs", "-o", "size=20m", "physbatch-test", folder):
        pytest.skip("needs the right to mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_read_only_in_the_middle_of_a_study(
    workers: str, disk: Path, tiny_file: Path, tmp_path: Path, physbatch_command: Command
) -> None:
    target = disk / "x.nc"
    run_part(Study.from_dict(TINY), target, Part(1, 3), workers=1)
    before = {path: path.read_bytes() for path in disk.rglob("*") if path.is_file()}
    assert mount("-o", "remount,ro", disk)
    for words in (["run", tiny_file, "-o", target, "-w", workers], ["merge", target, "--partial"]):
        done = physbatch_command(*words)
        assert done.returncode == 2, done.stderr
        assert done.stderr.count("\n") == 1
        assert done.stderr.startswith(f"physbatch: {disk}")
        assert "cannot write (Read-only file system); free space or choose" in done.stderr
    assert physbatch_command("status", target).stdout.startswith("tiny sparse-vector study\nunfin")
    assert {path: path.read_bytes() for path in disk.rglob("*") if path.is_file()} == before
    assert mount("-o", "remount,rw", disk)
    data = run_study(Study.from_dict(TINY), target, workers=1)
    reference = run_study(Study.from_dict(TINY), tmp_path / "here.nc", workers=1)
    for name in reference.variables:
        assert data[name].values.tobytes() == reference[name].values.tobytes(), name


def test_a_complete_dataset_is_read_from_a_read_only_disk(
    disk: Path, tiny_file: Path, physbatch_command: Command
) -> None:
    target = disk / "x.nc"
    run_study(Study.from_dict(TINY), target, workers=1)
    assert mount("-o", "remount,ro", disk)
    for words in (["run", tiny_file, "-o", target], ["merge", target], ["status", target]):
        assert physbatch_command(*words).returncode == 0
    assert dataset.open_dataset(target).sizes["replica"] == 5


def test_a_full_disk(disk: Path, tiny_file: Path, physbatch_command: Command) -> None:
    """Too small for the study: one line, and with more space it goes on."""
    assert mount("-o", "remount,size=60k", disk)
    done = physbatch_command("run", tiny_file, "-o", disk / "x.nc", "-w", "1")
    assert done.returncode == 2, done.stderr
    assert "cannot write (No space left on device)" in done.stderr.strip().splitlines()[-1]
    assert not list(disk.rglob("*.tmp"))
    assert mount("-o", "remount,size=20m", disk)
    assert physbatch_command("run", tiny_file, "-o", disk / "x.nc", "-w", "1").returncode == 0
    assert dataset.open_dataset(disk / "x.nc").sizes["replica"] == 5
