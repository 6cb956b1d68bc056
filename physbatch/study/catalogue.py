"""Named studies, each shipped as a TOML file with its reference."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Any

from physbatch.errors import StudyError
from physbatch.study.model import Study


@cache
def names() -> tuple[str, ...]:
    """Names of all studies in the catalogue, sorted."""
    folder = resources.files("physbatch.study") / "studies"
    return tuple(
        sorted(
            entry.name.removesuffix(".toml")
            for entry in folder.iterdir()
            if entry.name.endswith(".toml")
        )
    )


def study(name: str, **changes: Any) -> Study:
    """A study of the catalogue, possibly at another size.

    Parameters
    ----------
    name : str
        One of `names()`.
    **changes
        Fields of ``grid`` (``size``, ``batch_size``, ``replicas`` ...) and of
        ``measurement`` (``duration`` ...) to replace.

    Raises
    ------
    StudyError
        If there is no such study or no such field.

    Examples
    --------
    >>> study("sparse-vector", size=[20], replicas=2).grid.size
    (20,)
    """
    if name not in names():
        raise StudyError(
            f"no study named {name!r}",
            where="catalogue",
            remedy=f"choose one of {', '.join(names())}",
        )
    text = (resources.files("physbatch.study") / "studies" / f"{name}.toml").read_text("utf-8")
    content = tomllib.loads(text)
    for field, value in changes.items():
        section = "measurement" if field in ("duration", "times", "test_samples") else "grid"
        content[section][field] = value
    return Study.from_dict(content, where=name)
