"""What a terminal is told: text that commands nothing, and nothing once nobody reads it."""

import contextlib
import os
import re
import sys

#: All but tab and newline, of seven and of eight bits; those that turn the direction of writing
#: round; and halves of characters, which no stream takes.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def plain_text(text: str) -> str:
    r"""Text whose control characters are written out: they may be commands to a terminal.

    >>> plain_text("m\x1b]0;title\x07\n")
    'm\\x1b]0;title\\x07\n'
    """
    return _CONTROL.sub(lambda match: _escaped(ord(match[0])), text)


def _escaped(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def silence_stderr() -> None:
    """Lead to nowhere what this process says to nobody, also what it has said already."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stderr.fileno())
        os.close(nowhere)
