"""Faults of a user's own code: where they arose, and names that it cannot give."""

import sys
import traceback
from collections.abc import Iterable
from pathlib import Path

from physbatch.dataset import COORDINATES
from physbatch.errors import StudyError

#: Letters of a message that are shown.
_MOST = 400


def words_of(error: BaseException) -> str:
    """Kind and message of an exception in one line.

    Examples
    --------
    >>> words_of(ValueError("two\\nlines")), words_of(SystemExit(3))
    ('ValueError: two lines', 'SystemExit: 3')
    """
    return " ".join(f"{type(error).__name__}: {error}".split())[:_MOST]


def line_of(error: BaseException) -> str | None:
    """File and line of own code where an exception arose: the last outside of installed packages.

    Nobody looks for the fault in a library that was called wrongly. None if no own code was on
    the way. The tasks that come with physbatch count as own code: they are given any options.

    Examples
    --------
    >>> line_of(ValueError("never raised")) is None
    True
    """
    library = Path(__file__).parents[1]
    installed = (sys.prefix, sys.base_prefix, str(library), "<")
    frames = traceback.extract_tb(error.__traceback__)
    users = [
        frame
        for frame in frames
        if not frame.filename.startswith(installed)
        or Path(frame.filename).parent == library / "tasks"
    ]
    return f"{users[-1].filename}, line {users[-1].lineno}" if users else None


def refuse_names(names: Iterable[str], taken: Iterable[str], where: str) -> None:
    """StudyError if an observable has a name of the dataset: a dimension, or one that is taken.

    Examples
    --------
    >>> refuse_names(["energy"], ["k"], "a task")
    """
    known = {"time", *COORDINATES, *taken}
    for name in names:
        if name in known or not name.isidentifier():
            raise StudyError(f"no observable can be called {name!r}", where=where)
