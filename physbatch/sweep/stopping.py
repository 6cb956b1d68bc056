"""What ends a run before its time: Ctrl-C, a signal of the batch system, the time limit.

Each asks first: cells in flight are finished or, where the engine can, saved between two
sweeps. Ctrl-C a second time stops at once; after a signal or the time limit `GRACE` seconds
are left for saving.
"""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

from physbatch.errors import InterruptedRun, PausedRun, StudyError

GRACE = 30.0
_SIGNALS = ("SIGINT", "SIGUSR1", "SIGTERM")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(text: str) -> float:
    """Seconds of ``90``, ``55m``, ``1.5h`` or, as batch systems write it, ``[D-]HH:MM:SS``.

    StudyError for anything else, and for times that are not positive.

    >>> parse_duration("1.5h"), parse_duration("1-00:10:00")
    (5400.0, 87000.0)
    """
    seconds = 0.0
    if match := re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)([smhd]?)", text):
        seconds = float(match[1]) * _UNITS[match[2] or "s"]
    elif match := re.fullmatch(r"(?:(\d{1,4})-)?(\d{1,4}):(\d{2}):(\d{2})", text):
        days, hours, minutes, rest = (int(piece or 0) for piece in match.groups())
        seconds = 86400.0 * days + 3600 * hours + 60 * minutes + rest
    if seconds <= 0:
        raise StudyError(
            f"{text!r} is no duration", where="--time-limit", remedy="give 90s, 55m, 2h or 02:00:00"
        )
    return seconds


class Stopper:
    """Asks a run to stop, by signals and time; a context in which the signals are caught.

    `note` is told once why; `time_limit` in seconds; nothing may be written once the lock is
    `lost`.
    """

    def __init__(
        self,
        note: Callable[[str], None],
        time_limit: float | None = None,
        lost: Callable[[], bool] = lambda: False,
    ) -> None:
        self._note = note
        self._lost = lost
        self._deadline = None if time_limit is None else time.monotonic() + time_limit
        self._asked_at = 0.0
        #: Why the run stops; empty while it goes on.
        self.reason = ""
        self._previous: dict[int, object] = {}

    def asked(self) -> bool:
        """No new group is begun; cells in flight are finished or saved."""
        if not self.reason and self._deadline is not None and time.monotonic() > self._deadline:
            self._ask("time limit", "the time limit is reached; saving the cells in flight")
        if not self.reason and self._lost():
            self._ask("lock", "another run took this output over; stopping")
        return bool(self.reason)

    def overdue(self) -> bool:
        """Cells in flight are given up."""
        return self.reason not in ("", "Ctrl-C") and time.monotonic() - self._asked_at > GRACE

    def error(self, finished: int, total: int) -> InterruptedRun:
        """The error with which a stopped run ends."""
        kind = InterruptedRun if self.reason in ("", "Ctrl-C", "lock") else PausedRun
        cause = "interrupted" if kind is InterruptedRun else f"stopped by the {self.reason}"
        return kind(
            f"{cause}: {finished} of {total} cells are saved",
            remedy="run the same command again to go on",
        )

    def _ask(self, reason: str, text: str) -> None:
        self.reason = reason
        self._asked_at = time.monotonic()
        self._note(text)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            if self.reason:
                raise KeyboardInterrupt
            self._ask(
                "Ctrl-C", "stopping when the cells in flight are done; Ctrl-C again stops now"
            )
        elif not self.reason:
            name = signal.Signals(number).name
            self._ask(f"signal {name}", f"{name} received; saving the cells in flight")

    def __enter__(self) -> Stopper:
        if threading.current_thread() is threading.main_thread():
            for name in _SIGNALS:
                if hasattr(signal, name):
                    number = int(getattr(signal, name))
                    self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._previous = {}
