"""The jobs that are dask workers: what is read, what is refused, what is submitted."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from physbatch.cli import main
from physbatch.errors import StudyError
from physbatch.sweep.slurm import SlurmWorkers


def test_what_is_read() -> None:
    text = "partition=short,account=p-17,hours=1.5,jobs=10,cpus=4,memory=8,interface=ib0"
    assert SlurmWorkers.parse(text) == SlurmWorkers("short", "p-17", "ib0", 1.5, 10, 4, 8.0)
    assert SlurmWorkers.parse("hours=2").jobs == 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "'' is not understood; give KEY=VALUE,... with partition, account, interface, hours"),
        ("hours=2,hours=3", "'hours=3' is not understood"),
        ("nodes=3", "'nodes=3' is not understood"),
        ("hours=soon", "--slurm hours: 'soon'; give a number > 0"),
        ("jobs=0", "--slurm jobs: '0'; give a number > 0"),
        ("jobs=1.5", "--slurm jobs: '1.5'; give a number > 0"),
        ("hours=nan", "--slurm hours: 'nan'; give a number > 0"),
        ("partition=a b", "--slurm partition: 'a b' is no name"),
        ("account=$(reboot)", "is no name"),
    ],
)
def test_what_is_refused(text: str, words: str) -> None:
    with pytest.raises(StudyError) as caught:
        SlurmWorkers.parse(text)
    assert words in str(caught.value)


def test_the_script_of_a_job(tmp_path: Path) -> None:
    """What dask-jobqueue makes of it, encrypted."""
    distributed: Any = pytest.importorskip("distributed", reason="component missing: dask")
    jobqueue: Any = pytest.importorskip("dask_jobqueue", reason="component missing: dask-jobqueue")
    words = "partition=short,account=p-17,hours=1.5,jobs=10,cpus=4,memory=8,interface=lo"
    options = SlurmWorkers.parse(words).options(tmp_path)
    del options["scheduler_options"]  # no scheduler is started for this
    security = distributed.Security(tls_ca_file="ca.pem", tls_worker_cert="c.pem")
    job = jobqueue.slurm.SLURMJob(
        "tls://127.0.0.1:1", name="one", config_name=None, security=security, **options
    )
    script = job.job_script()
    for line in (
        "#SBATCH -J physbatch",
        "#SBATCH -p short",
        "#SBATCH -A p-17",
        "#SBATCH --cpus-per-task=4",
        "#SBATCH --mem=8G",
        "#SBATCH -t 01:30:00",
        f"#SBATCH -e {tmp_path}/slurm/physbatch-%J.err",
    ):
        assert line in script.splitlines()
    assert "distributed.cli.dask_worker tls://127.0.0.1:1" in script
    assert "--nthreads 1" in script
    assert "--nworkers 4" in script
    assert "--tls-ca-file ca.pem" in script


def test_where_there_is_no_slurm(
    tiny_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("dask_jobqueue", reason="component missing: dask-jobqueue")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    target = tiny_file.with_name("x.nc")
    words = ["run", str(tiny_file), "-o", str(target)]
    for more, expected in (
        (["--slurm", "hours=1"], "--slurm: sbatch is not found; run this where jobs are submitted"),
        (["--slurm", "hours=1", "--dask", "local"], "both --dask and --slurm; give one of them"),
    ):
        assert main([*words, *more]) == 2
        assert expected in capsys.readouterr().err.strip().splitlines()[-1]
    assert not target.exists()
