"""Progress: a bar on a terminal or in a notebook, a line on stderr now and then elsewhere."""

import sys
import time
from collections.abc import Callable
from html import escape
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.table import Column
from rich.text import Text


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
    """A live bar for terminals."""

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


class NotebookProgress:
    """A live bar in the output of a notebook cell.

    The bar is an element of HTML that is shown again in its place, so that no extension of the
    notebook is needed; a saved notebook keeps the finished bar.
    """

    def __init__(self, show: Callable[..., Any], interval: float = 0.2) -> None:
        self._show = show  # IPython.display.display
        self._interval = interval
        self._pace = _Pace(0, 0, 0.0)
        self._handle: Any = None
        self._last = 0.0

    def __repr__(self) -> str:
        return f"simulating: {self._pace.text()}"

    def _repr_html_(self) -> str:
        share = 100.0 * min(self._pace.fraction, 1.0)
        return (
            f'<div>simulating <progress max="100" value="{share:.1f}" '
            f'aria-label="simulating">{share:.0f} %</progress> {escape(self._pace.text())}</div>'
        )

    def start(self, total: int, done: int, cost: float) -> None:
        """Show the bar."""
        self._pace = _Pace(total, done, cost)
        self._handle = self._show(self, display_id=True)

    def note(self, text: str) -> None:
        """Print a line."""
        print(text, flush=True)

    def advance(self, cells: int, cost: float) -> None:
        """Move the bar, but not more often than anyone sees."""
        self._pace.advance(cells, cost)
        now = time.monotonic()
        if self._handle is not None and now - self._last >= self._interval:
            self._last = now
            self._handle.update(self)

    def stop(self) -> None:
        """Leave the finished bar below the cell."""
        if self._handle is not None:
            self._handle.update(self)


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


def progress_display() -> BarProgress | NotebookProgress | LineProgress:
    """A bar in a notebook or on a terminal; lines where stderr is neither.

    Examples
    --------
    >>> from physbatch.progress import progress_display
    >>> progress_display().stop()
    """
    console = Console(stderr=True)
    if console.is_jupyter:
        from IPython.display import display

        return NotebookProgress(display)
    return BarProgress(console) if console.is_terminal else LineProgress()
