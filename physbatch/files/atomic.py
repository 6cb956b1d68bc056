"""Files as such: written whole or not at all, and read only where they are regular files.

A pipe, a folder or a device under the name of a file would hang or mislead who opens it, and a link
that somebody planted would lead elsewhere what is written.
"""

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from physbatch.errors import OutputError

_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)


def write_atomic(path: Path, content: bytes) -> None:
    """Write `content` to `path` whole or not at all.

    Raises
    ------
    OutputError
        If the folder or the disk does not take it; `path` is then as it was.
    """
    with replacing(path) as temporary, open(temporary, "r+b") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """An empty file beside `path`, which gets its name at the end of the context.

    OutputError if the folder or the disk does not take it; `path` is then as it was.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(create(temporary))
        yield temporary
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise OutputError(
            f"cannot write ({error.strerror or error})",
            where=str(path),
            remedy="free space or choose another place with -o",
        ) from error
    finally:
        # A read-only folder refuses the removal too; the first error is the one to report.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def create(path: Path) -> int:
    """Create a file and open it for writing; FileExistsError if anything has its name."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _NO_LINK, 0o666)


def open_to_append(path: Path) -> int:
    """Open a regular file for appending, or create it; OSError for a link or anything else."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | _NO_LINK | _NO_WAIT, 0o666)
    return _regular(descriptor, path)


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading; OSError for anything else, at once."""
    return open(_regular(os.open(path, os.O_RDONLY | _NO_WAIT), path), "rb")


def read_regular(path: Path) -> bytes:
    """The content of a regular file; OSError for anything else, at once."""
    with open_regular(path) as stream:
        return stream.read()


def _regular(descriptor: int, path: Path) -> int:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "is no regular file", str(path))
    return descriptor


def set_aside(path: Path) -> Path:
    """Move what cannot be used out of the way, for a look, and return its new name."""
    aside = path.with_name(f"{path.name}.damaged")
    with contextlib.suppress(OSError):
        if aside.is_dir() and not aside.is_symlink():  # a file cannot take the name of a folder
            aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}.damaged")
        path.rename(aside)
    return aside


def _sync_folder(folder: Path) -> None:
    """Make a rename durable; not every platform lets one open a folder."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
