"""The lock of an output: one owner, and a takeover only from the dead."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from physbatch.errors import OutputError
from physbatch.sweep import lock as locking
from physbatch.sweep.lock import Lock, Owner, Part, owners


def write_lock(folder: Path, owner: Owner, name: str = "lock", age: float = 0.0) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(json.dumps(dataclasses.asdict(owner)))
    then = time.time() - age
    os.utime(path, (then, then))
    return path


def elsewhere() -> Owner:
    return dataclasses.replace(Owner.here(), host="node17", machine="node17 another boot", pid=4711)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locking, "WATCH", 0.3)
    monkeypatch.setattr(locking, "BEAT", 0.05)


def test_a_second_run_is_refused_and_the_lock_released(tmp_path: Path) -> None:
    folder = tmp_path / "x.nc.cells"
    with Lock(folder) as lock:
        assert owners(folder) == {"": lock.owner}
        with pytest.raises(OutputError, match=rf"x\.nc: is being written by process {os.getpid()}"):
            Lock(folder).__enter__()
    assert list(folder.iterdir()) == []
    with Lock(folder):
        pass


def test_a_dead_process_of_this_machine_is_followed_at_once(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    owner = dataclasses.replace(
        Owner.here(), pid=process.pid, began=locking._began(process.pid) or ""
    )
    write_lock(tmp_path, owner)
    with pytest.raises(OutputError, match=f"process {process.pid}"):
        Lock(tmp_path).__enter__()
    process.kill()
    # Not yet waited for: a zombie is dead as well.
    deadline = time.monotonic() + 20
    while not owner.gone:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with Lock(tmp_path):
        assert list(owners(tmp_path)) == [""]
    process.communicate()


def test_a_process_number_that_was_given_out_again(tmp_path: Path) -> None:
    if not Path("/proc/self/stat").exists():
        pytest.skip("no /proc on this system")
    write_lock(tmp_path, dataclasses.replace(Owner.here(), began="1"))
    with Lock(tmp_path):
        pass


@pytest.mark.usefixtures("quick")
class TestOwnersElsewhere:
    def test_fresh(self, tmp_path: Path) -> None:
        write_lock(tmp_path, elsewhere(), age=5)
        with pytest.raises(OutputError, match="process 4711 on node17"):
            Lock(tmp_path).__enter__()

    def test_silent_for_long(self, tmp_path: Path) -> None:
        write_lock(tmp_path, elsewhere(), age=10_000)
        with Lock(tmp_path) as lock:
            assert owners(tmp_path) == {"": lock.owner}

    @pytest.mark.parametrize("age", [10_000.0, -10_000.0])
    def test_a_jump_of_the_clock_takes_no_lock_from_the_living(
        self, age: float, tmp_path: Path
    ) -> None:
        """The file looks old, or as if from the future, but its owner touches it."""
        path = write_lock(tmp_path, elsewhere(), age=age)
        ended = threading.Event()

        def touch() -> None:
            while not ended.wait(0.05):
                os.utime(path)

        thread = threading.Thread(target=touch)
        thread.start()
        try:
            with pytest.raises(OutputError, match="is being written"):
                Lock(tmp_path).__enter__()
        finally:
            ended.set()
            thread.join()

    def test_the_owner_notices_a_takeover(self, tmp_path: Path) -> None:
        with Lock(tmp_path) as lock:
            assert not lock.lost.is_set()
            write_lock(tmp_path, elsewhere())
            assert lock.lost.wait(5)
        assert owners(tmp_path)[""].host == "node17"  # what is another's stays


def test_parts(tmp_path: Path) -> None:
    with Lock(tmp_path, Part(1, 4)), Lock(tmp_path, Part(2, 4)):
        assert set(owners(tmp_path)) == {"-1-of-4", "-2-of-4"}
        for part in (Part(1, 4), Part(2, 3), None):
            with pytest.raises(OutputError, match="is being written"):
                Lock(tmp_path, part).__enter__()
        with Lock(tmp_path, Part(3, 4)):
            pass
    with Lock(tmp_path), pytest.raises(OutputError, match="is being written"):
        Lock(tmp_path, Part(1, 4)).__enter__()


@pytest.mark.parametrize("round_", range(20))
def test_of_many_at_once_one_takes_over(round_: int, tmp_path: Path) -> None:
    """All see the same dead owner."""
    write_lock(tmp_path, dataclasses.replace(Owner.here(), pid=2**22 + 1, began="1"))
    start = threading.Barrier(8)

    def attempt(_: int) -> Lock | None:
        lock = Lock(tmp_path)
        start.wait()
        try:
            return lock.__enter__()
        except OutputError:
            return None

    with ThreadPoolExecutor(8) as pool:
        locks = [lock for lock in pool.map(attempt, range(8)) if lock is not None]
    assert len(locks) == 1
    locks[0].__exit__(None, None, None)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        Lock(tmp_path / "file" / "x.nc.cells").__enter__()
