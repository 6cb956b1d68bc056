"""Typed errors: each says what was wrong, where, and what to do, in one line.

Every error that a user can cause derives from `PhysbatchError`; the command line
prints its message without a traceback and exits with `exit_code`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class PhysbatchError(Exception):
    """An error with a cause that the user can act upon.

    Parameters
    ----------
    what : str
        What is wrong, with the offending value.
    where : str, optional
        The file, field or variable in which it is wrong.
    remedy : str, optional
        What to do about it.
    """

    exit_code = 2

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        self.what = what
        self.where = where
        self.remedy = remedy
        super().__init__(what, where, remedy)

    def __reduce__(self) -> tuple[Callable[..., PhysbatchError], tuple[type, dict[str, Any]]]:
        # The default would pass the keywords by position; errors cross process borders.
        return _restore, (type(self), dict(self.__dict__))

    def __str__(self) -> str:
        prefix = f"{self.where}: " if self.where else ""
        suffix = f"; {self.remedy}" if self.remedy else ""
        return " ".join(f"{prefix}{self.what}{suffix}".split())


def _restore(kind: type[PhysbatchError], state: dict[str, Any]) -> PhysbatchError:
    """Rebuild an error in another process."""
    error = kind.__new__(kind)
    error.__dict__.update(state)
    return error


class StudyError(PhysbatchError):
    """A study that cannot be read, or that makes no sense."""


class NotBuiltError(StudyError):
    """A study that makes sense but asks for something that is not implemented."""


class DatasetError(PhysbatchError):
    """A file or dataset that is not what the schema says."""


class FileBusyError(DatasetError):
    """A file that is whole, as far as one can know, and cannot be read at the moment."""


class OutputError(PhysbatchError):
    """An output that cannot be written, or that must not be overwritten."""


class AnalysisError(PhysbatchError):
    """Data from which the asked-for estimate cannot be made."""


class WorkerError(PhysbatchError):
    """A worker process that died or a cell that failed while it was computed."""

    exit_code = 1


class InterruptedRun(PhysbatchError):
    """A run that was stopped from the keyboard; what was finished is saved."""

    exit_code = 130


class PausedRun(InterruptedRun):
    """A run that its time limit or a signal stopped; the same command goes on with it.

    The code is EX_TEMPFAIL of sysexits.h: a batch system may queue the job again.
    """

    exit_code = 75
