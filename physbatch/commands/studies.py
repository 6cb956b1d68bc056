"""Studies named on the command line: a file, a name in the catalogue, or a dataset."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from physbatch.errors import StudyError

if TYPE_CHECKING:
    from physbatch.study.model import Study


def load_study(name: str, settings: Sequence[str] | None = None) -> Study:
    """A study from a file, or from the catalogue by name; StudyError if there is neither.

    `settings` are FIELD=VALUE with other values, in TOML, for some of its fields.
    """
    study = _named_study(name)
    return changed(study, settings) if settings else study


def changed(study: Study, settings: Sequence[str]) -> Study:
    """A study with other values in some fields; StudyError if there is no such field or value.

    Examples
    --------
    >>> from physbatch.study import catalogue
    >>> study = changed(catalogue.study("greedy-unit"), ["measurement.duration=700"])
    >>> study.measurement.duration
    700
    """
    from physbatch.study.model import Study

    content = study.model_dump(mode="json", exclude_defaults=True)
    resolved = study.model_dump(mode="json", exclude_none=True)
    for setting in settings:
        name, _, text = setting.partition("=")
        *path, field = name.strip().split(".")
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except (ValueError, RecursionError) as error:  # also of an integer that never ends
            shown = text if len(text) < 80 else f"{text[:77]}..."
            raise StudyError(
                f"{shown!r} is no TOML value",
                where=f"--set {name}",
                remedy="write FIELD=VALUE, as measurement.duration=1000 or dynamics.ties='accept'",
            ) from error
        owner, known = content, resolved
        for part in path:
            known = known.get(part, {})
            owner = owner.setdefault(part, known)
            if not isinstance(owner, dict) or not isinstance(known, dict):
                raise StudyError(f"{part!r} has no fields", where=f"--set {name}")
        owner[field] = value
    return Study.from_dict(content, where="--set")


def _named_study(name: str) -> Study:
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
