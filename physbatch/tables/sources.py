"""Bytes of a file, a compressed file or standard input as lines of text."""

import bz2
import gzip
import importlib
import io
import lzma
import shlex
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from physbatch.errors import DatasetError
from physbatch.files.zarr_stores import is_zarr

#: What names standard input.
STANDARD_INPUT = Path("-")
#: A file that is packed, also in an archive, may not be larger when it is unpacked.
_LARGEST_MEMBER = 2**30
#: What is read.
TEXT_REMEDY = "give CSV, columns separated by spaces, or NetCDF"


class _Zstd:
    """Reading what zstd packed, from a stream; EOFError where its end is missing."""

    def __init__(self, stream: io.BytesIO) -> None:
        self._package = importlib.import_module("zstandard")
        self._stream = stream

    def read(self, most: int) -> bytes:
        unpacker = self._package.ZstdDecompressor().decompressobj()
        unpacked = bytearray()
        try:
            while len(unpacked) < most and (piece := self._stream.read(2**16)):
                unpacked += unpacker.decompress(piece)
        except self._package.ZstdError as error:
            raise ValueError(str(error)) from error
        if len(unpacked) < most and not unpacker.eof:
            raise EOFError("the end is missing")
        return bytes(unpacked)


#: First bytes of what is packed, and what opens a stream of them.
_PACKED: tuple[tuple[bytes, Callable[[io.BytesIO], Any]], ...] = (
    (b"\x1f\x8b", lambda stream: gzip.GzipFile(fileobj=stream)),
    (b"BZh", bz2.BZ2File),
    (b"\xfd7zXZ\x00", lzma.LZMAFile),
    (b"\x28\xb5\x2f\xfd", _Zstd),
)
_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


def bytes_of(path: Path) -> bytes:
    """What a file holds, unpacked; ``-`` is standard input.

    Raises
    ------
    physbatch.errors.DatasetError
        If it cannot be read or unpacked, or is far too large then.
    """
    try:
        content = sys.stdin.buffer.read() if path == STANDARD_INPUT else path.read_bytes()
    except OSError as error:
        raise DatasetError(
            f"cannot read ({error.strerror or error})", where=str(path), remedy="check the path"
        ) from error
    for magic, unpack in _PACKED:
        if content.startswith(magic):
            try:
                unpacked: bytes = unpack(io.BytesIO(content)).read(_LARGEST_MEMBER + 1)
            except ImportError as error:
                raise DatasetError(
                    "compressed with zstd",
                    where=str(path),
                    remedy="`pip install zstandard`, or unpack it: "
                    f"`zstd -d {shlex.quote(str(path))}`",
                ) from error
            except (OSError, EOFError, lzma.LZMAError, zlib.error, ValueError) as error:
                raise DatasetError(
                    "cannot be unpacked; it is damaged", where=str(path), remedy="make it again"
                ) from error
            if len(unpacked) <= _LARGEST_MEMBER:
                return unpacked
            raise DatasetError(
                f"unpacks to more than {_LARGEST_MEMBER / 2**30:.2g} GiB",
                where=str(path),
                remedy="give a smaller table, or NetCDF",
            )
    return content


def lines_of(path: Path) -> list[str]:
    """The lines of a text file, in UTF-8 or UTF-16 with its mark.

    Raises
    ------
    physbatch.errors.DatasetError
        If it cannot be read or is no text.
    """
    content = _only_member(bytes_of(path), path)
    if content[:1] == b"\x80" and content[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        raise DatasetError(
            "a pickle, which runs what it holds when it is read",
            where=str(path),
            remedy="where you trust it, save it as CSV: `python -c 'import pandas, sys; "
            f"pandas.read_pickle(sys.argv[1]).to_csv(sys.argv[2])' {shlex.quote(str(path))} "
            "data.csv`",
        )
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        text = content.decode("cp1252", errors="replace")  # of Windows, also most of Latin-1
        plain = sum(sign.isascii() for sign in text)
        known = all(sign.isprintable() or sign.isspace() for sign in text)
        if encoding != "utf-8" or not known or plain < 0.8 * len(text):
            raise DatasetError(
                "not text in UTF-8", where=str(path), remedy=f"save it as UTF-8 text; {TEXT_REMEDY}"
            ) from error
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if "\0" in line:
            raise DatasetError(
                "not a text file", where=f"{path}, line {number}", remedy=TEXT_REMEDY
            )
    return lines


def is_plain(path: Path) -> bool:
    """Whether a file is text that is not packed, which every program reads."""
    if not path.is_file():
        return False
    head = path.read_bytes()[:4]
    odd = (b"PK", *(magic for magic, _ in _PACKED), *(mark for mark, _ in _MARKS[1:]))
    return not any(head.startswith(magic[:4]) for magic in odd)


def _only_member(content: bytes, path: Path) -> bytes:
    """The one file in an archive, ZIP or tar; other content as it is."""
    if content[257:262] == b"ustar":
        return _only_in_tar(content, path)
    if not content.startswith(b"PK\x03\x04"):
        return content
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
            if len(names) == 1 and archive.getinfo(names[0]).file_size <= _LARGEST_MEMBER:
                return archive.read(names[0])
    except (zipfile.BadZipFile, RuntimeError, OSError, zlib.error) as error:
        raise DatasetError(
            "cannot be unpacked; it is damaged", where=str(path), remedy="make it again"
        ) from error
    raise _several(names, path, "unzip")


def _only_in_tar(content: bytes, path: Path) -> bytes:
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            members = [member for member in archive if member.isfile()]
            inner = archive.extractfile(members[0]) if len(members) == 1 else None
            if inner is not None and members[0].size <= _LARGEST_MEMBER:
                return inner.read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DatasetError(
            "cannot be unpacked; it is damaged", where=str(path), remedy="make it again"
        ) from error
    raise _several([member.name for member in members], path, "tar -xf")


def _several(names: list[str], path: Path, command: str) -> DatasetError:
    return DatasetError(
        f"an archive of {len(names)} files",
        where=str(path),
        remedy=f"give one of {', '.join(names[:6])}, or all by a pattern, after "
        f"`{command} {shlex.quote(str(path))}`",
    )


def is_netcdf(path: Path) -> bool:
    """Whether a file is NetCDF, by its first bytes or its suffix, or a Zarr store.

    Standard input is text.
    """
    if path == STANDARD_INPUT:
        return False
    if is_zarr(path):
        return True
    try:
        with open(path, "rb") as stream:
            head = stream.read(8)
    except OSError as error:
        raise DatasetError(
            f"cannot read ({error.strerror or error})", where=str(path), remedy="check the path"
        ) from error
    return head.startswith((b"\x89HDF\r\n\x1a\n", b"CDF")) or path.suffix in (".nc", ".nc4")
