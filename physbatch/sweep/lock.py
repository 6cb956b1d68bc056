"""The lock of an output: one run at a time, and a rule for those that died.

The lock is a small file with its owner (host, process, start) that the owner touches every
`BEAT` seconds. A lock is taken over

* at once, if its owner ran on this machine and that process is gone;
* otherwise, if it was not touched for `STALE` seconds by the file system's own clock *and* is
  not touched while one watches for `WATCH` seconds of one's own. Clocks that jump or differ
  between hosts can therefore delay a takeover, never cause one.

Parts of an array job (``--cells I/N``) hold a lock each. A whole run and a part exclude each
other, and so do parts of different N.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from physbatch.errors import OutputError
from physbatch.files.atomic import create, open_to_append, read_regular, set_aside

BEAT = 15.0
STALE = 120.0
WATCH = 2.5 * BEAT

#: Names of the files that runs read or write in their folder.
_OURS = re.compile(
    r"lock(-\d+-of-\d+)?|\.takeover|study\.toml|decisions\.json|index-.*\.jsonl"
    r"|[0-9a-f]{32}\.(nc|checkpoint|checkpoint\.1)"
)
#: Temporary names of such files, and of locks.
_HALF = re.compile(r"\..*\.[0-9a-f]{16}(\.tmp|\.now)?")
_NAME = re.compile(r"lock(?:-(\d+)-of-(\d+))?")


@dataclass(frozen=True)
class Part:
    """Part `number` of `total` of a study's cells: every total-th cell."""

    number: int
    total: int

    @property
    def suffix(self) -> str:
        """What names the part's own files."""
        return f"-{self.number}-of-{self.total}"


@dataclass(frozen=True)
class Owner:
    """Who holds a lock."""

    host: str
    machine: str
    pid: int
    began: str
    token: str

    @classmethod
    def here(cls) -> Owner:
        """This process."""
        return cls(
            host=socket.gethostname(),
            machine=_machine(),
            pid=os.getpid(),
            began=_began(os.getpid()) or "",
            token=secrets.token_hex(8),
        )

    @classmethod
    def read(cls, path: Path) -> Owner | None:
        """The owner that a lock file names; None if there is no file or it names none."""
        try:
            content = json.loads(read_regular(path))
            return cls(
                host=str(content["host"]),
                machine=str(content["machine"]),
                pid=int(content["pid"]),
                began=str(content["began"]),
                token=str(content["token"]),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @property
    def gone(self) -> bool:
        """Whether this process certainly does not run any more."""
        if self.machine != _machine() or os.name != "posix":
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        return bool(self.began) and _began(self.pid) != self.began

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


class Lock:
    """Exclusive right to write the shards of an output, or of one part of it.

    On entering the folder is made; OutputError if another run holds the lock or the folder
    cannot be written.
    """

    def __init__(self, folder: Path, part: Part | None = None) -> None:
        self.folder = folder
        self.part = part
        self.path = folder / f"lock{part.suffix if part else ''}"
        self.owner = Owner.here()
        #: What was moved out of the way because it was no regular file.
        self.aside: list[Path] = []
        #: Set if another run took the lock over: this one must not write any more.
        self.lost = threading.Event()
        self._ended = threading.Event()

    def __enter__(self) -> Lock:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.aside = _clear_special(self.folder)
            self._acquire()
            if self.part is None:
                _clear_halves(self.folder)
            # A signal while the thread starts must not leave the lock either.
            threading.Thread(target=self._beat, daemon=True, name="lock").start()
        except OSError as error:
            raise OutputError(
                f"cannot write ({error.strerror or error})",
                where=str(self.folder),
                remedy="free space or choose another place with -o",
            ) from error
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._is_ours():
            with contextlib.suppress(OSError):
                self.path.unlink()

    def _acquire(self) -> None:
        while not self._create():
            self._take_over(self.path)
        # Ours stands before the others are looked at, so of two that race at least one sees
        # the other.
        try:
            for path in self._rivals():
                self._take_over(path)
        except BaseException:
            self.path.unlink(missing_ok=True)
            raise

    def _rivals(self) -> list[Path]:
        rivals = []
        for path in self.folder.glob("lock*"):
            match = _NAME.fullmatch(path.name)
            if match is None or path == self.path:
                continue
            total = match.group(2)
            if self.part is None or total is None or int(total) != self.part.total:
                rivals.append(path)
        return rivals

    def _create(self) -> bool:
        """Make the lock file with its content in one step; False if there is one."""
        content = json.dumps(asdict(self.owner))
        complete = self.folder / f".{self.path.name}.{self.owner.token}"
        with os.fdopen(create(complete), "w", encoding="utf-8") as stream:
            stream.write(content)
        try:
            os.link(complete, self.path)
        except FileExistsError:
            return False
        except OSError:  # a file system without hard links
            try:
                with open(self.path, "x", encoding="utf-8") as stream:
                    stream.write(content)
            except FileExistsError:
                return False
        finally:
            complete.unlink(missing_ok=True)
        return True

    def _take_over(self, path: Path) -> None:
        """Remove a lock whose owner is dead; OutputError if it may be alive."""
        owner = Owner.read(path)
        if owner is None or not owner.gone:
            age = _age(path)
            if age is None:
                return  # released meanwhile
            if 0 <= age < STALE or self._is_touched(path):
                raise OutputError(
                    f"is being written by {owner or 'another run'} (seen {max(age, 0):.0f} s ago)",
                    where=str(self.folder.with_name(self.folder.name.removesuffix(".cells"))),
                    remedy=f"wait for it or stop it; if it is dead, remove {path}",
                )
        with _guard(self.folder):
            # Of several that judged the same dead owner, the first removes the lock; the others
            # must not remove that of the first.
            if Owner.read(path) == owner:
                path.unlink(missing_ok=True)

    @staticmethod
    def _is_touched(path: Path) -> bool:
        """Watch a lock for longer than its owner would leave it alone."""
        first = _changed(path)
        end = time.monotonic() + WATCH
        while time.monotonic() < end:
            time.sleep(min(0.5, WATCH / 10))
            if _changed(path) != first:
                return True
        return False

    def _beat(self) -> None:
        while not self._ended.wait(BEAT):
            if not self._is_ours():
                self.lost.set()
                return
            with contextlib.suppress(OSError):
                os.utime(self.path)

    def _is_ours(self) -> bool:
        return Owner.read(self.path) == self.owner


def owners(folder: Path) -> dict[str, Owner]:
    """The locks of a folder whose owners may be alive, by the suffix of their part."""
    alive = {}
    for path in folder.glob("lock*"):
        owner = Owner.read(path) if _NAME.fullmatch(path.name) else None
        if owner is not None and not owner.gone:
            alive[path.name.removeprefix("lock")] = owner
    return alive


def forget_dead(folder: Path) -> None:
    """Remove the locks of processes of this machine that are certainly gone."""
    for path in folder.glob("lock*"):
        owner = Owner.read(path) if _NAME.fullmatch(path.name) else None
        if owner is not None and owner.gone:
            with contextlib.suppress(OSError):
                path.unlink()


def _clear_special(folder: Path) -> list[Path]:
    """Set aside pipes, folders and other things under the names of files of ours."""
    special = [
        Path(entry.path)
        for entry in os.scandir(folder)
        if _OURS.fullmatch(entry.name) and not entry.is_file()
    ]
    return [set_aside(path) for path in special]


def _clear_halves(folder: Path) -> None:
    """Remove what killed processes left half-written; whoever holds the whole lock writes alone."""
    for entry in os.scandir(folder):
        if _HALF.fullmatch(entry.name):
            with contextlib.suppress(OSError):
                os.unlink(entry.path)


@contextlib.contextmanager
def _guard(folder: Path) -> Iterator[None]:
    """One takeover at a time; the kernel forgets the guard of a process that dies."""
    try:
        import fcntl
    except ImportError:  # Windows refuses to remove a file that is in use
        yield
        return
    with os.fdopen(open_to_append(folder / ".takeover"), "a") as stream:
        # A file system without such locks leaves a window of microseconds.
        with contextlib.suppress(OSError):
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _changed(path: Path) -> int | None:
    with contextlib.suppress(OSError):
        return path.stat().st_mtime_ns
    return None


def _age(path: Path) -> float | None:
    """Seconds since a file was touched, by the clock of its own file system."""
    probe = path.with_name(f".{path.name}.{secrets.token_hex(8)}.now")
    os.close(create(probe))
    try:
        now, then = _changed(probe), _changed(path)
    finally:
        probe.unlink(missing_ok=True)
    return None if then is None or now is None else (now - then) / 1e9


def _machine() -> str:
    """Names the running system on which process numbers mean the same."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(parts)


def _began(pid: int) -> str | None:
    """When a process started, in the kernel's ticks; None for a dead one, "" if unknown."""
    if not Path("/proc/self/stat").exists():
        return ""
    try:
        # The name of the program, in brackets, may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]
