"""Checksums and probes: nothing damaged reaches the HDF5 library of this process."""

from __future__ import annotations

import os
import random
import stat
import subprocess
import sys
import time
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from physbatch.errors import DatasetError
from physbatch.files import foreign as probe
from physbatch.files.checksums import FOOTER_BYTES, with_checksum, without_checksum
from physbatch.files.netcdf import open_netcdf, open_tree, save


@pytest.fixture
def data() -> xr.Dataset:
    chance = np.random.default_rng(1)
    return xr.Dataset(
        {
            "x": (("a", "b"), chance.normal(size=(40, 30))),
            "name": ("a", [f"n{i}" for i in range(40)]),
        }
    )


@pytest.fixture
def file(data: xr.Dataset, tmp_path: Path) -> Path:
    return save(data, tmp_path / "data.nc")


@pytest.fixture
def foreign(data: xr.Dataset, tmp_path: Path) -> Path:
    """The same data without a checksum, as another program would write it."""
    data.to_netcdf(tmp_path / "foreign.nc")
    return tmp_path / "foreign.nc"


def test_no_flipped_bit_goes_unnoticed(file: Path, data: xr.Dataset, tmp_path: Path) -> None:
    whole = file.read_bytes()
    broken = tmp_path / "broken.nc"
    chance = random.Random(7)
    places = chance.sample(range(len(whole) - FOOTER_BYTES), 300)
    for position in places:
        content = bytearray(whole)
        content[position] ^= 1 << chance.randrange(8)
        broken.write_bytes(content)
        with pytest.raises(DatasetError, match=r"checksum|truncated|not a NetCDF"):
            open_netcdf(broken)


def test_a_damaged_checksum_line_is_refused_or_does_no_harm(
    file: Path, data: xr.Dataset, tmp_path: Path
) -> None:
    whole = file.read_bytes()
    broken = tmp_path / "broken.nc"
    for distance in (1, 20, FOOTER_BYTES - 2, FOOTER_BYTES):
        content = bytearray(whole)
        content[-distance] ^= 4
        broken.write_bytes(content)
        try:
            read = open_netcdf(broken)
        except DatasetError:
            continue
        xr.testing.assert_identical(read, data)


def test_a_checked_file_needs_no_probe(
    file: Path, data: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "probe", lambda path: pytest.fail("was probed"))
    xr.testing.assert_identical(open_netcdf(file), data)


def test_a_dataset_that_was_loaded_closes_no_other_file(
    file: Path, data: xr.Dataset, tmp_path: Path
) -> None:
    """The library may give the number of a closed file to the next one."""
    loaded = [open_netcdf(file), *open_tree(file).values()]
    other = save(data, tmp_path / "other.nc")
    lazy = open_netcdf(other, load=False)
    for table in loaded:
        table.close()
        with table:
            pass
    xr.testing.assert_identical(lazy.load(), open_netcdf(other))
    lazy.close()
    lazy.close()


def test_content_and_checksum_round_trip() -> None:
    assert without_checksum(with_checksum(b"abc"), where="here") == b"abc"
    for content in (b"", b"abc", with_checksum(b"abc")[:-1], b"x" + with_checksum(b"abc")):
        with pytest.raises(DatasetError, match="checksum"):
            without_checksum(content, where="here")


def test_foreign_files_are_probed_once(
    foreign: Path, data: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[object] = []
    original = subprocess.run
    monkeypatch.setattr(
        subprocess, "run", lambda *args, **kw: (calls.append(args), original(*args, **kw))[1]
    )
    for _ in range(3):
        xr.testing.assert_identical(open_netcdf(foreign), data)
    assert len(calls) == 1
    os.utime(foreign, (1, 1))
    open_netcdf(foreign)
    assert len(calls) == 2


def test_a_file_that_claims_more_than_it_can_hold(tmp_path: Path) -> None:
    path = tmp_path / "claims.nc"
    with netCDF4.Dataset(path, "w") as raw:
        raw.createDimension("n", 10**12)
        raw.createVariable("x", "f8", ("n",), chunksizes=(1000,), zlib=True)
    with pytest.raises(DatasetError, match=r"claims 8e\+03 GB"):
        open_netcdf(path)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "crashes the HDF5 library"),
        ("import time; time.sleep(60)", "does not end"),
        ("import sys; sys.stderr.write('HDF error'); sys.exit(3)", "HDF error"),
    ],
)
def test_what_happens_to_the_probe_is_told_in_one_line(
    body: str, words: str, foreign: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = tmp_path / "python"
    stand_in.write_text(f"#!{sys.executable}\n{body}\n")
    stand_in.chmod(stand_in.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(sys, "executable", str(stand_in))
    monkeypatch.setattr(probe, "PATIENCE", -18)
    began = time.monotonic()
    with pytest.raises(DatasetError, match=words):
        open_netcdf(foreign)
    assert time.monotonic() - began < 50


def test_the_child_is_limited(tmp_path: Path) -> None:
    """The limits hold for a process that would go on for ever, or eat all memory."""
    pytest.importorskip("resource")
    for body, code in (
        ("while True: pass", -9),
        ("x = bytearray(4_000_000_000)", 1),
    ):
        script = f"from physbatch.files.foreign import _limit\n_limit(1)\n{body}"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
        assert done.returncode == code or done.returncode < 0
