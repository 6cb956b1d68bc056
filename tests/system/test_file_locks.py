"""File systems without locks, files that another process writes, and many threads."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from physbatch import dataset
from physbatch.errors import DatasetError, FileBusyError
from physbatch.files import library, open_netcdf, save
from physbatch.study import Study
from physbatch.sweep import run_study
from tests.conftest import TINY
from tests.system.shims import NO_LOCKS, build

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def no_locks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {"LD_PRELOAD": str(build(NO_LOCKS, tmp_path_factory.mktemp("shim"), "no_locks"))}


def test_a_file_system_without_locks(
    no_locks: dict[str, str], tiny_file: Path, tmp_path: Path, physbatch_command: Command
) -> None:
    target = tmp_path / "x.nc"
    done = physbatch_command("run", tiny_file, "-o", target, "-w", "2", env=no_locks)
    assert done.returncode == 0, done.stderr
    reference = run_study(Study.from_dict(TINY), tmp_path / "reference.nc", workers=1)
    data = dataset.open_dataset(target)
    for name in reference.variables:
        assert data[name].values.tobytes() == reference[name].values.tobytes(), name


def test_locks_that_the_user_wants_and_does_not_get(
    no_locks: dict[str, str], tiny_file: Path, tmp_path: Path
) -> None:
    """One line that says what to do; nothing is taken for damaged and nothing is set aside.

    It concerns files that are too large to be read into memory: the others take no locks.
    """
    target = tmp_path / "x.nc"
    run_study(Study.from_dict(TINY), target, workers=1)

    def command(*words: object, in_memory: int) -> subprocess.CompletedProcess[str]:
        script = (
            "import sys; from physbatch.files import netcdf; from physbatch.cli import main\n"
            f"netcdf.IN_MEMORY_BYTES = {in_memory}\n"
            "if __name__ == '__main__': sys.exit(main())"
        )
        return subprocess.run(
            [sys.executable, "-c", script, *map(str, words)],
            env={**os.environ, **no_locks, "HDF5_USE_FILE_LOCKING": "TRUE"},
            capture_output=True,
            text=True,
            check=False,
        )

    def refused(*words: object) -> None:
        done = command(*words, in_memory=0)
        assert done.returncode == 2
        assert "its checksum holds" in done.stderr
        assert "HDF5_USE_FILE_LOCKING" in done.stderr
        assert "damaged" not in done.stderr

    refused("analyse", target)
    refused("run", tiny_file, "-o", target)
    target.unlink()
    refused("run", tiny_file, "-o", target)
    assert not list((tmp_path / "x.nc.cells").glob("*.damaged"))
    done = command("run", tiny_file, "-o", target, in_memory=2**28)
    assert done.returncode == 0, done.stderr


def test_a_file_that_another_process_writes_is_in_use(tmp_path: Path) -> None:
    """Half a file whose writer holds the lock that HDF5 takes."""
    path = tmp_path / "x.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("t", 100_000)
        file.createVariable("x", "f8", ("t",))[:] = np.arange(100_000.0)
    path.write_bytes(path.read_bytes()[:50_000])
    with open(path, "rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(FileBusyError, match="is in use by another process"):
            open_netcdf(path)
    with pytest.raises(DatasetError, match="truncated"):
        open_netcdf(path)


def test_an_error_of_the_library_is_no_damage_where_the_checksum_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(xr.Dataset({"x": ("t", np.ones(5))}), tmp_path / "x.nc")

    def fails(*words: object, **options: object) -> xr.Dataset:
        raise OSError(-101, "NetCDF: HDF error")

    with monkeypatch.context() as patch:
        patch.setattr(xr, "open_dataset", fails)
        with pytest.raises(FileBusyError, match=r"HDF error.*its checksum holds"):
            open_netcdf(path)
    assert open_netcdf(path)["x"].sum() == 5
    assert not library.in_use(path)


THREADS = """
import sys, threading
from pathlib import Path
import numpy as np, xarray as xr
from physbatch.files import open_netcdf, save
from physbatch.files.netcdf import open_tree, save_tree

folder = Path(sys.argv[1])

def work(number):
    values = np.random.default_rng(number).normal(size=(40, 50))
    data = xr.Dataset({f"v{k}": (("a", "b"), values + k) for k in range(6)})
    for turn in range(12):
        path = save(data, folder / f"{number}.nc")
        assert open_netcdf(path).identical(data)
        save_tree({"": data, "inner": data}, folder / f"{number}-tree.nc")
        assert open_tree(folder / f"{number}-tree.nc")["inner"].identical(data)
        with open_netcdf(path, load=False) as lazy:
            assert float(lazy["v5"].sum()) == float(data["v5"].sum())
    done.append(number)

done = []
threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
sys.exit(0 if len(done) == 4 else 1)
"""


def test_threads_save_and_open_different_files(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", THREADS, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
