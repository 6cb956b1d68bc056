"""Studies named on the command line: a file, a name in the catalogue, or a dataset."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

from physbatch.errors import StudyError

if TYPE_CHECKING:
    from physbatch.study.model import Study


def load_study(name: str) -> Study:
    """A study from a file, or from the catalogue by name; StudyError if there is neither."""
    from physbatch.study import catalogue as studies
    from physbatch.study.model import Study

    if Path(name).exists() or name not in studies.names():
        if not Path(name).exists() and not name.endswith(".toml"):
            near = difflib.get_close_matches(name, studies.names(), n=1)
            raise StudyError(
                f"no study file and no study in the catalogue is named {name!r}",
                where="study",
                remedy=f"did you mean {near[0]!r}?" if near else "see `physbatch catalogue`",
            )
        return Study.from_toml(name)
    return studies.study(name)


def study_of_dataset(attributes: dict[str, object], *, where: str) -> Study:
    """The study that made a dataset, from the dataset's own attributes; StudyError without one."""
    from physbatch.study.model import Study

    return Study.from_json(str(attributes.get("study", "")), where=where)


def check_workers(workers: int | None) -> None:
    """Refuse a run with fewer than one worker (StudyError)."""
    if workers is not None and workers < 1:
        raise StudyError(f"{workers} workers", where="--workers", remedy="give 1 or more")
