"""Every call to the system may fail, every moment may be the last: `tests.system.faults`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.shims import FAULTS, build

#: Saves a large file with the k-th call of a kind failing for ever, for every k, and reads it.
LARGE = """
import ctypes, errno, os, sys
from pathlib import Path
import numpy as np, xarray as xr
from physbatch.errors import DatasetError, OutputError
from physbatch.files import netcdf
from tests.system.faults import KINDS

netcdf.IN_MEMORY_BYTES = -1
folder = Path(sys.argv[1])
path = folder / "x.nc"
library = ctypes.CDLL(None)
library.fault_seen.restype = ctypes.c_long
data = xr.Dataset({"x": ("t", np.random.default_rng(1).normal(size=20_000))})

def work():
    netcdf.save_piecewise(path, lambda file: netcdf.dump(data, file, netcdf.encoding_of(data)))
    with netcdf.open_netcdf(path, load=False) as lazy:
        assert float(lazy["x"][7]) == float(data["x"][7])

def disturbed(kind, k):
    # In a process of its own, which ends as any does.
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    library.fault_arm(bytes(folder), kind, ctypes.c_long(k), errno.EIO, 3)
    try:
        work()
    except (OutputError, DatasetError):
        sys.exit(2)
    sys.exit(0 if library.fault_seen(kind) < k else 1)

codes = []
for kind in map(list(KINDS).index, ("pwrite", "close")):
    k = 0
    while not codes or k == 0 or codes[-1]:
        k += 1
        codes.append(disturbed(kind, k))
work()
print(codes)
"""


def test_a_disk_that_fails_for_ever_kills_nobody(tmp_path: Path) -> None:
    """Of files too large for memory: libnetcdf dies where the HDF5 library cannot close one."""
    room = tmp_path / "room"
    room.mkdir()
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", LARGE, str(room)],
        env={
            **os.environ,
            "PYTHONPATH": str(root),
            "LD_PRELOAD": str(build(FAULTS, tmp_path, "faults")),
        },
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    codes = json.loads(done.stdout)
    assert set(codes) <= {0, 1, 2}  # all is well, it was not noticed, it was told
    assert codes.count(2) > 10


@pytest.mark.parametrize(
    ("ways", "moments"), [(30, 10), pytest.param(100_000, 1000, marks=pytest.mark.slow)]
)
def test_no_fault_has_a_wrong_outcome(ways: int, moments: int, tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    build(FAULTS, tmp_path, "faults")  # or the test is skipped
    words = [str(tmp_path), "--ways", str(ways), "--moments", str(moments)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.system.faults", *words],
        env={**os.environ, "PYTHONPATH": str(root)},
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["wrong"] == []
    assert sum(told["faults"].values()) >= min(ways, 1000) + moments
