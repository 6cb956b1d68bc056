"""Bytes of a file, a compressed file or standard input as lines of text."""

import bz2
import gzip
import importlib
import lzma
import shlex
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

from physbatch.errors import DatasetError
from physbatch.files.zarr_stores import is_zarr

#: What names standard input.
STANDARD_INPUT = Path("-")
#: What is read.
TEXT_REMEDY = "give CSV, columns separated by spaces, or NetCDF"


def _zstd(content: bytes) -> bytes:
    package = importlib.import_module("zstandard")
    unpacked: bytes = package.ZstdDecompressor().decompressobj().decompress(content)
    return unpacked


_PACKED: tuple[tuple[bytes, Callable[[bytes], bytes]], ...] = (
    (b"\x1f\x8b", gzip.decompress),
    (b"BZh", bz2.decompress),
    (b"\xfd7zXZ\x00", lzma.decompress),
    (b"\x28\xb5\x2f\xfd", _zstd),
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
        If it cannot be read or unpacked.
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
                return unpack(content)
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
    return content


def lines_of(path: Path) -> list[str]:
    """The lines of a text file, in UTF-8 or UTF-16 with its mark.

    Raises
    ------
    physbatch.errors.DatasetError
        If it cannot be read or is no text.
    """
    content = bytes_of(path)
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
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
