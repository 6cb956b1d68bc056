"""An encrypted dask cluster: who has the certificates computes on it, nobody else does."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from physbatch import dataset
from physbatch.cli import main
from physbatch.study import Study
from physbatch.sweep import cluster as clusters
from physbatch.sweep import run_study
from tests.conftest import TINY
from tests.system.clusters import cluster

pytest.importorskip("distributed", reason="component missing: dask.distributed")
if shutil.which("openssl") is None:
    pytest.skip("needs openssl to make certificates", allow_module_level=True)

FILES = ("ca.pem", "cert.pem", "key.pem")


def make_certificates(folder: Path) -> None:
    """An authority, and a certificate that it signed."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    new = ("req", "-newkey", "rsa:2048", "-nodes")
    openssl(*new, "-x509", "-days", "2", "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.pem")
    openssl(*new, "-subj", "/CN=dask", "-keyout", "key.pem", "-out", "request.pem")
    signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2")
    openssl("x509", "-req", "-in", "request.pem", *signing, "-out", "cert.pem")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    make_certificates(folder)
    return folder


@pytest.fixture(scope="module")
def address(certificates: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A scheduler that speaks TLS only, with two workers."""
    names = ("--tls-ca-file", "--tls-cert", "--tls-key")
    paths = [str(certificates / file) for file in FILES]
    words = [word for pair in zip(names, paths, strict=True) for word in pair]
    with cluster(tmp_path_factory.mktemp("cluster"), 2, ("--protocol", "tls", *words)) as one:
        yield one.address


def tls_options(folder: Path) -> list[str]:
    pairs = zip(("--tls-ca", "--tls-cert", "--tls-key"), FILES, strict=True)
    return [word for option, file in pairs for word in (option, str(folder / file))]


def test_a_study_on_an_encrypted_cluster(
    address: str, certificates: Path, tiny_file: Path, tmp_path: Path
) -> None:
    assert address.startswith("tls://127.0.0.1:")
    target = tmp_path / "x.nc"
    words = ["run", str(tiny_file), "-o", str(target), "--scheduler", address]
    assert main([*words, *tls_options(certificates)]) == 0
    data = dataset.open_dataset(target)
    reference = run_study(Study.from_dict(TINY), tmp_path / "here.nc", workers=1)
    for name in reference.variables:
        assert data[name].values.tobytes() == reference[name].values.tobytes(), name


def test_strangers_are_refused(
    address: str,
    tiny_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without encryption, and with certificates of another authority: one line each."""
    monkeypatch.setattr(clusters, "PATIENCE", 3.0)
    other = tmp_path / "other"
    other.mkdir()
    make_certificates(other)
    words = ["run", str(tiny_file), "-o", str(tmp_path / "x.nc"), "--scheduler"]
    for more in ([address.replace("tls", "tcp")], [address, *tls_options(other)]):
        capsys.readouterr()
        assert main([*words, *more]) == 2
        lines = capsys.readouterr().err.strip().splitlines()
        assert "no dask scheduler answers" in lines[-1]
        assert lines[-1].endswith("start one with `dask scheduler`")
        assert not any("Traceback" in line for line in lines)
    assert not (tmp_path / "x.nc").exists()


def test_files_that_are_no_certificates(
    address: str, certificates: Path, tiny_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = [
        str(tiny_file) if word.endswith("key.pem") else word for word in tls_options(certificates)
    ]
    target = str(tiny_file.with_name("x.nc"))
    assert main(["run", str(tiny_file), "-o", target, "--scheduler", address, *bad]) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert "--tls-cert: the certificates cannot be used" in line
