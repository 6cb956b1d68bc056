"""dask.distributed: real schedulers and workers give the bits of a serial run."""

from __future__ import annotations

import copy
import dataclasses
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

import physbatch
from physbatch.errors import StudyError, WorkerError
from physbatch.files import save
from physbatch.study import Study
from physbatch.sweep import Cluster, dask_executor, run_study
from physbatch.sweep import cluster as clusters
from physbatch.sweep import plan as planning
from tests.conftest import TINY, command_line, plan_of
from tests.system.clusters import cluster

pytest.importorskip("distributed", reason="component missing: dask.distributed")

Command = Callable[..., subprocess.CompletedProcess[str]]

#: Many small cells, each a shard of its own in these tests.
MANY: dict[str, Any] = copy.deepcopy(TINY)
MANY["grid"] = {"size": [60, 90], "batch_size": list(range(2, 12)), "replicas": 32}
MANY["measurement"] = {"duration": 500, "test_samples": 70}


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "CELLS_PER_SHARD", 1)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    return run_study(Study.from_dict(MANY), tmp_path_factory.mktemp("ref") / "x.nc", workers=1)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A scheduler with three workers."""
    with cluster(tmp_path_factory.mktemp("cluster"), workers=3) as one:
        yield one.address


def assert_same_bits(data: xr.Dataset, reference: xr.Dataset) -> None:
    for name in reference.variables:
        assert data[name].values.tobytes() == reference[name].values.tobytes(), name


def test_three_workers_give_the_same_bits(
    address: str, tmp_path: Path, reference: xr.Dataset
) -> None:
    data = run_study(Study.from_dict(MANY), tmp_path / "x.nc", cluster=Cluster(address))
    assert_same_bits(data, reference)
    assert not list((tmp_path / "x.nc.cells").glob(".shared*"))


def test_workers_that_do_not_see_the_folder_send_their_shards(
    address: str, tmp_path: Path, reference: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mark by which they would know the folder is another one in this process."""
    monkeypatch.setattr(dask_executor, "_MARK", ".elsewhere-")
    written: list[str] = []
    original = dask_executor.Store.write

    def counting(store: Any, name: str, content: bytes) -> None:
        written.append(name)
        original(store, name, content)

    monkeypatch.setattr(dask_executor.Store, "write", counting)
    data = run_study(Study.from_dict(MANY), tmp_path / "x.nc", cluster=Cluster(address))
    assert_same_bits(data, reference)
    assert len(written) == 20


def test_a_shard_that_never_shows_up_is_sent_back(
    address: str, tmp_path: Path, reference: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shared folder that shows the mark but not what the workers wrote."""
    monkeypatch.setattr(dask_executor, "VISIBLE_AFTER", 0.0)
    original = dask_executor.digest_of
    hidden: set[Path] = set()

    def first_time_hidden(path: Path) -> str | None:
        if path not in hidden:
            hidden.add(path)
            raise FileNotFoundError(path)
        return original(path)

    monkeypatch.setattr(dask_executor, "digest_of", first_time_hidden)
    data = run_study(Study.from_dict(MANY), tmp_path / "x.nc", cluster=Cluster(address))
    assert len(hidden) == 20
    assert_same_bits(data, reference)


def test_a_file_that_shows_up_late(tmp_path: Path) -> None:
    data = xr.Dataset({"x": ("t", [1.0])})
    path = tmp_path / "late.nc"
    thread = threading.Timer(1.0, lambda: save(data, path))
    thread.start()
    other = save(data, tmp_path / "other.nc")
    digest = dask_executor.digest_of(other)
    assert digest is not None
    assert dask_executor._is_visible(path, digest[:16])
    thread.join()


def test_few_tasks_are_in_flight(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 0
    original = dask_executor._Dispatcher._submit

    def counting(dispatcher: Any, index: int, **options: Any) -> None:
        nonlocal most
        original(dispatcher, index, **options)
        most = max(most, len(dispatcher._flying))

    monkeypatch.setattr(dask_executor._Dispatcher, "_submit", counting)
    run_study(Study.from_dict(MANY), tmp_path / "x.nc", cluster=Cluster(address))
    assert 1 <= most <= 3 * dask_executor.TASKS_PER_THREAD


def test_failures_on_workers_are_recorded(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that cannot understand its task fails it; the others go on."""
    original = dask_executor.Task

    def spoiled(**fields: Any) -> dask_executor.Task:
        if fields["group"] == 3:
            fields["ordinals"] = fields["ordinals"] + 10**6
        return original(**fields)

    monkeypatch.setattr(dask_executor, "Task", spoiled)
    with pytest.raises(WorkerError, match=r"1 of 20 cells failed; cell size = .*Error"):
        run_study(Study.from_dict(MANY), tmp_path / "x.nc", cluster=Cluster(address))
    assert len(list((tmp_path / "x.nc.cells").glob("*.nc"))) == 19


def test_another_version_is_refused() -> None:
    task = dask_executor.Task(None, None, {}, None, 0, "x.nc", "t", "0.0", "r", send_back=False)
    with pytest.raises(StudyError, match=r"a dask worker has physbatch .* this is 0\.0"):
        dask_executor.compute_remotely(task)


def test_a_worker_asks_for_a_study_that_it_does_not_know(tmp_path: Path) -> None:
    study, version = Study.from_dict(TINY), physbatch.__version__
    plan = plan_of(study)
    output, ordinals = str(tmp_path / "x.nc"), plan.cells.ordinals[:2]
    unknown = dask_executor.Task(
        None, {}, {}, ordinals, 0, output, "t", version, plan.revision, send_back=True
    )
    assert dask_executor.compute_remotely(unknown).outcome is None
    told = dataclasses.replace(unknown, study=study.model_dump_json())
    first, second = dask_executor.compute_remotely(told), dask_executor.compute_remotely(unknown)
    assert first.outcome is not None
    assert first.outcome.finished == (0, 1)
    assert first.content == second.content
    with pytest.raises(StudyError, match=r"a dask worker has other code .*this is another"):
        dask_executor.compute_remotely(dataclasses.replace(told, revision="another"))


def test_workers_may_leave_and_join(tmp_path: Path, reference: xr.Dataset) -> None:
    """One is killed while it computes, another joins late; nobody is there at first."""
    target = tmp_path / "x.nc"
    results: list[xr.Dataset] = []
    with cluster(tmp_path, workers=0) as one:

        def run() -> None:
            results.append(run_study(Study.from_dict(MANY), target, cluster=Cluster(one.address)))

        thread = threading.Thread(target=run)
        thread.start()
        one.hire(1)
        folder = target.with_name("x.nc.cells")
        deadline = time.monotonic() + 120
        while len(list(folder.glob("*.nc"))) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.killpg(one.workers[0].pid, signal.SIGKILL)  # with its nanny: it does not come back
        one.hire(1)
        thread.join(180)
        assert not thread.is_alive()
    assert_same_bits(results[0], reference)


def test_a_scheduler_that_dies_ends_the_run_in_one_line(
    tmp_path: Path, reference: xr.Dataset
) -> None:
    target = tmp_path / "x.nc"
    study = tmp_path / "study.toml"
    study.write_text(Study.from_dict(MANY).to_toml())
    script = (
        "import sys\nfrom physbatch.sweep import plan\nplan.CELLS_PER_SHARD = 1\n"
        "from physbatch.cli import main\n"
        "if __name__ == '__main__':\n    sys.exit(main(sys.argv[1:]))\n"
    )
    with cluster(tmp_path, workers=1) as one:
        words = command_line(["run", study, "-o", target, "--scheduler", one.address])
        process = subprocess.Popen(
            [words[0], "-c", script, *words[3:]],
            stderr=subprocess.PIPE,
            text=True,
        )
        folder = target.with_name("x.nc.cells")
        deadline = time.monotonic() + 120
        while len(list(folder.glob("*.nc"))) < 3:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.02)
        one.scheduler.kill()
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 1, errors
    assert "Traceback" not in errors
    assert "the dask scheduler went away" in errors.strip().splitlines()[-1]
    assert_same_bits(run_study(Study.from_dict(MANY), target, workers=1), reference)


def test_dask_local_listens_on_loopback_only(tmp_path: Path, tiny_file: Path) -> None:
    """Every listening socket of the run and its children, looked at while it runs."""
    psutil = pytest.importorskip("psutil")
    study = tmp_path / "long.toml"
    content = {**TINY, "grid": {"size": [300], "batch_size": [2, 3], "replicas": 8}}
    content["measurement"] = {"duration": 20_000, "test_samples": 70}
    study.write_text(Study.from_dict(content).to_toml())
    process = subprocess.Popen(
        command_line(["run", study, "-o", tmp_path / "x.nc", "--dask", "local", "-w", "2"]),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        folder = tmp_path / "x.nc.cells"
        deadline = time.monotonic() + 120
        while not any('"take"' in path.read_text() for path in folder.glob("index-*")):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        me = psutil.Process(process.pid)
        listening = [
            connection.laddr.ip
            for one in (me, *me.children(recursive=True))
            for connection in one.net_connections(kind="inet")
            if connection.status == psutil.CONN_LISTEN
        ]
        assert len(listening) >= 3  # a scheduler and two workers
        assert set(listening) == {"127.0.0.1"}
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 75, errors
        assert "Traceback" not in errors
    finally:
        process.kill()
        process.communicate()


def test_bad_addresses(
    tiny_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from physbatch.cli import main

    monkeypatch.setattr(clusters, "PATIENCE", 1.0)
    certificate = tmp_path / "c.pem"
    certificate.write_text("")
    target = str(tmp_path / "x.nc")
    tls = ["--tls-ca", str(certificate), "--tls-cert", str(certificate)]
    for words, expected in (
        (["--scheduler", "127.0.0.1"], "is no address; give tcp://host:8786"),
        (["--scheduler", "tcp://127.0.0.1:9", "--dask", "local"], "both --scheduler and --dask"),
        (["--scheduler", "tls://127.0.0.1:9"], "belong together"),
        (["--scheduler", "tcp://127.0.0.1:9", *tls], "belong together"),
        (["--scheduler", "tls://127.0.0.1:9", *tls], "belong together"),
        (["--scheduler", "tls://127.0.0.1:9", *tls, "--tls-key", "absent"], "no such file"),
        (["--scheduler", "tcp://127.0.0.1:9"], "no dask scheduler answers"),
    ):
        assert main(["run", str(tiny_file), "-o", target, *words]) == 2
        line = capsys.readouterr().err.strip().splitlines()[-1]
        assert expected in line
    assert not Path(target).exists()
