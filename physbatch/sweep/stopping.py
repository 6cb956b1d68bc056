"""What ends a run before its time: Ctrl-C, a signal of the batch system, the time limit.

While cells are in flight each asks first: they are finished or, where the engine can, saved
between two sweeps. Ctrl-C a second time stops at once; after a signal or the time limit `GRACE`
seconds are left for saving. Before the first cell and after the last one the first signal stops
at once: there is nothing to save.

A terminal, a shell and a batch system send their signals to every process of the run. Workers
are `shielded`: what ends them is the main process.
"""

from __future__ import annotations

import contextlib
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import resource_tracker
from types import FrameType, TracebackType

from physbatch.errors import InterruptedRun, PausedRun, StudyError

GRACE = 30.0
#: The signals that stop a run, as far as the platform has them.
_SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGUSR1", "SIGTERM", "SIGHUP")
    if hasattr(signal, name)
)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(text: str, where: str = "--time-limit") -> float:
    """Seconds of ``90``, ``55m``, ``1.5h`` or, as batch systems write it, ``[D-]HH:MM:SS``.

    ``min`` is the same as ``m``. StudyError for anything else, and for times that are not positive.

    >>> parse_duration("1.5h"), parse_duration("1-00:10:00")
    (5400.0, 87000.0)
    """
    seconds = 0.0
    if match := re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)([smhd]?|min)", text):
        seconds = float(match[1]) * _UNITS[match[2][:1] or "s"]
    elif match := re.fullmatch(r"(?:(\d{1,4})-)?(\d{1,4}):(\d{2}):(\d{2})", text):
        days, hours, minutes, rest = (int(piece or 0) for piece in match.groups())
        seconds = 86400.0 * days + 3600 * hours + 60 * minutes + rest
    if seconds <= 0:
        raise StudyError(
            f"{text!r} is no duration", where=where, remedy="give 90s, 55m, 2h or 02:00:00"
        )
    return seconds


@contextlib.contextmanager
def shielded() -> Iterator[None]:
    """Processes that are started within see no signal that stops a run, from their first breath.

    Signals that reach this process meanwhile are handled at the end.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        # multiprocessing starts this helper with the first worker, and lets signals through then.
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_signals() -> None:
    """Leave it to the main process to stop this one."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


class Stopper:
    """Asks a run to stop, by signals and time; a context in which the signals are caught.

    `note` is told once why; `time_limit` in seconds. The context turns what stopped the run into
    the error that `error` makes.
    """

    def __init__(self, note: Callable[[str], None], time_limit: float | None = None) -> None:
        self._note = note
        self._deadline = None if time_limit is None else time.monotonic() + time_limit
        self._asked_at = 0.0
        self._in_flight = False
        #: Whether another run took the lock: nothing may be written any more.
        self.lost: Callable[[], bool] = lambda: False
        #: Why the run stops; empty while it goes on.
        self.reason = ""
        #: How far the run is, for its last words.
        self.state = "finished cells are saved"
        self._previous: dict[int, object] = {}

    def asked(self) -> bool:
        """No new group is begun; cells in flight are finished or saved."""
        if not self.reason and self._deadline is not None and time.monotonic() > self._deadline:
            self._ask("time limit", "the time limit is reached; saving the cells in flight")
        if not self.reason and self.lost():
            self._ask("lock", "another run took this output over; stopping")
        return bool(self.reason)

    def overdue(self) -> bool:
        """Cells in flight are given up."""
        return self.reason not in ("", "Ctrl-C") and time.monotonic() - self._asked_at > GRACE

    @contextlib.contextmanager
    def cells_in_flight(self) -> Iterator[None]:
        """Signals ask for a stop and do not make one."""
        self._in_flight = True
        try:
            yield
        finally:
            self._in_flight = False

    def error(self) -> InterruptedRun:
        """The error with which a stopped run ends."""
        kind = InterruptedRun if self.reason in ("", "Ctrl-C", "lock") else PausedRun
        cause = "interrupted" if kind is InterruptedRun else f"stopped by the {self.reason}"
        return kind(f"{cause}: {self.state}", remedy="run the same command again to go on")

    def _ask(self, reason: str, text: str) -> None:
        self.reason = reason
        self._asked_at = time.monotonic()
        self._note(text)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            if self.reason or not self._in_flight:
                raise KeyboardInterrupt
            self._ask(
                "Ctrl-C", "stopping when the cells in flight are done; Ctrl-C again stops now"
            )
        elif not self.reason:
            name = signal.Signals(number).name
            what = "saving the cells in flight" if self._in_flight else "stopping"
            self._ask(f"signal {name}", f"{name} received; {what}")
            if not self._in_flight:
                raise KeyboardInterrupt

    def __enter__(self) -> Stopper:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                # Under nohup a run outlives its terminal.
                if number != signal.SIGINT and signal.getsignal(number) is signal.SIG_IGN:
                    continue
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._previous = {}
        if isinstance(error, KeyboardInterrupt):
            raise self.error() from None
