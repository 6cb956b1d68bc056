"""What shows how far a run is, if anybody looks."""

import contextlib
from collections.abc import Iterator
from typing import Protocol

from physbatch.terminal import plain_text, silence_stderr


class ProgressDisplay(Protocol):
    """What shows how far a run is; `physbatch.progress` has some."""

    def start(self, total: int, done: int, cost: float) -> None:
        """`done` of `total` cells are there; the others cost `cost` core seconds at most."""

    def note(self, text: str) -> None:
        """Something worth a line."""

    def advance(self, cells: int, cost: float) -> None:
        """That many more cells are done."""

    def stop(self) -> None:
        """No more cells will come."""


class Quiet:
    """No display."""

    def start(self, total: int, done: int, cost: float) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""

    def advance(self, cells: int, cost: float) -> None:
        """Say nothing."""

    def stop(self) -> None:
        """Say nothing."""


class Heard:
    """A display whose reader may go: a run does not end because there is nobody to tell.

    The terminal of a run may be closed, or the program that reads its messages may end.
    """

    def __init__(self, display: ProgressDisplay) -> None:
        self._display = display

    def start(self, total: int, done: int, cost: float) -> None:
        """As the display itself, and so are the others."""
        with self._to_anyone():
            self._display.start(total, done, cost)

    def note(self, text: str) -> None:
        """See `ProgressDisplay`."""
        with self._to_anyone():
            self._display.note(plain_text(text))

    def advance(self, cells: int, cost: float) -> None:
        """See `ProgressDisplay`."""
        with self._to_anyone():
            self._display.advance(cells, cost)

    def stop(self) -> None:
        """See `ProgressDisplay`."""
        with self._to_anyone():
            self._display.stop()

    @contextlib.contextmanager
    def _to_anyone(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            self._display = Quiet()
            silence_stderr()
