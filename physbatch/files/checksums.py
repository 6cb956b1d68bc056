"""Checksums: the last line of a file, the digest of everything before it.

What is read from a file is believed only if its checksum holds.
"""

import hashlib
import os
from pathlib import Path
from typing import BinaryIO

from physbatch.errors import DatasetError
from physbatch.files.atomic import open_regular

MARK = b"\nphysbatch sha256 "
#: Length of the last line: the mark, 64 hexadecimal digits and a newline.
FOOTER_BYTES = len(MARK) + 65
_BLOCK = 1 << 22
#: What to do about a file that is not what was written.
MAKE_AGAIN = "make it again; finished cells are reused"


def with_checksum(content: bytes) -> bytes:
    """`content` and the line with its checksum."""
    return content + checksum_line(hashlib.sha256(content).hexdigest())


def stated_digest(content: bytes) -> str:
    """The digest in the last line of `with_checksum`."""
    return content[-65:-1].decode("ascii")


def digest_of(path: Path) -> str | None:
    """The digest that a file's last line states, unverified; None if there is no such line."""
    with open_regular(path) as stream:
        return _stated_digest(stream, path.stat().st_size)


def holds_checksum(path: Path) -> bool:
    """Whether a file ends with a checksum, and it holds; False for an older or a foreign file.

    DatasetError if there is a checksum and the content is not what was written.
    """
    with open_regular(path) as stream:
        return stream_holds_checksum(stream, where=path)


def stream_holds_checksum(stream: BinaryIO, *, where: Path) -> bool:
    """The same for what is open already."""
    length = stream.seek(0, os.SEEK_END)
    stated = _stated_digest(stream, length)
    if stated is None:
        return False
    if sha256(stream, length - FOOTER_BYTES) != stated:
        raise damaged(where, "its checksum does not match")
    return True


def without_checksum(content: bytes, *, where: str) -> bytes:
    """The content of a file written by `with_checksum`, or DatasetError."""
    body, footer = content[:-FOOTER_BYTES], content[-FOOTER_BYTES:]
    if footer != checksum_line(hashlib.sha256(body).hexdigest()):
        raise damaged(where, "its checksum does not match")
    return body


def damaged(path: Path | str, reason: str) -> DatasetError:
    return DatasetError(f"damaged NetCDF file ({reason})", where=str(path), remedy=MAKE_AGAIN)


def checksum_line(digest: str) -> bytes:
    return MARK + digest.encode() + b"\n"


def _stated_digest(stream: BinaryIO, length: int) -> str | None:
    if length < FOOTER_BYTES:
        return None
    stream.seek(length - FOOTER_BYTES)
    footer = stream.read(FOOTER_BYTES)
    if not footer.startswith(MARK) or not footer.endswith(b"\n"):
        return None
    return footer[len(MARK) : -1].decode("ascii", errors="replace")


def sha256(stream: BinaryIO, length: int) -> str:
    """SHA-256 of the first `length` bytes."""
    digest = hashlib.sha256()
    stream.seek(0)
    while length > 0 and (block := stream.read(min(_BLOCK, length))):
        digest.update(block)
        length -= len(block)
    return digest.hexdigest()
