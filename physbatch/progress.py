"""Progress on stderr: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

__all__ = ["BarProgress", "LineProgress", "progress_display"]


def _clock(seconds: float) -> str:
    """Minutes and seconds, or hours and minutes."""
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d}"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class _Pace:
    """Cells done and time left, the latter by cost because cells differ in size."""

    def __init__(self, total: int, done: int, cost: float) -> None:
        self.total, self.done, self.cost = total, done, cost
        self.began = time.monotonic()
        self.fresh = 0
        self.spent = 0.0

    def advance(self, cells: int, cost: float) -> None:
        self.done += cells
        self.fresh += cells
        self.spent += cost

    @property
    def fraction(self) -> float:
        """Share of the cost that is done."""
        return self.spent / self.cost if self.cost > 0 else 1.0

    def text(self) -> str:
        elapsed = max(time.monotonic() - self.began, 1e-9)
        parts = [f"{self.done}/{self.total} cells"]
        if self.fresh:
            parts.append(f"{self.fresh / elapsed:.2g} cells/s")
            left = elapsed * (self.cost - self.spent) / self.spent if self.spent else 0.0
            parts.append(f"{_clock(left)} left")
        return ", ".join(parts)


class _PaceColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        pace = task.fields.get("pace")
        return Text(pace.text() if isinstance(pace, _Pace) else "")


class BarProgress:
    """A live bar for terminals and notebooks."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            _PaceColumn(Column(no_wrap=True)),
            console=console,
        )
        self._task: TaskID | None = None
        self._pace = _Pace(0, 0, 0.0)

    def start(self, total: int, done: int, cost: float) -> None:
        """Show the bar."""
        self._pace = _Pace(total, done, cost)
        self._task = self._bar.add_task("simulating", total=max(cost, 1e-9), pace=self._pace)
        self._bar.start()

    def note(self, text: str) -> None:
        """Print a line above the bar."""
        self._console.print(text, highlight=False, markup=False)

    def advance(self, cells: int, cost: float) -> None:
        """Move the bar."""
        self._pace.advance(cells, cost)
        if self._task is not None:
            self._bar.advance(self._task, cost)

    def stop(self) -> None:
        """Leave the finished bar on the screen."""
        self._bar.stop()


class LineProgress:
    """A line at most every `interval` seconds, for logs."""

    def __init__(self, interval: float = 10.0) -> None:
        self._interval = interval
        self._pace = _Pace(0, 0, 0.0)
        self._last = 0.0

    def start(self, total: int, done: int, cost: float) -> None:
        """Say what there is to do."""
        self._pace = _Pace(total, done, cost)
        self._last = time.monotonic()
        self.note(f"simulating: {self._pace.text()}")

    def note(self, text: str) -> None:
        """Print a line."""
        print(text, file=sys.stderr, flush=True)

    def advance(self, cells: int, cost: float) -> None:
        """Print a line if the last one is old enough or everything is done."""
        self._pace.advance(cells, cost)
        now = time.monotonic()
        if now - self._last >= self._interval or self._pace.done == self._pace.total:
            self._last = now
            self.note(f"simulating: {self._pace.text()}")

    def stop(self) -> None:
        """Nothing is left on the screen to close."""


def progress_display() -> BarProgress | LineProgress:
    """A bar if stderr is a terminal, lines if not."""
    console = Console(stderr=True)
    return BarProgress(console) if console.is_terminal else LineProgress()
