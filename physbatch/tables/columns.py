"""Which column is what: by name or number where given, else by name where one can be meant."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from physbatch.errors import DatasetError
from physbatch.results.flag import Flag
from physbatch.results.flags import COLUMNS_GUESSED
from physbatch.tables.table import Dimension

Names = str | int | Sequence[str | int] | None

SIZE_NAMES = ("L", "N", "size", "linear_size", "system_size")
CONTROL_NAMES = ("x", "p", "T", "beta", "control", "temperature", "batch_size", "batch_ratio")
OBSERVABLE_NAMES = ("y", "observable")
ERROR_NAMES = ("dy", "err", "error", "stderr", "sigma")
#: Names of the error of an observable called {0}.
ERROR_PATTERNS = ("{0}_error", "{0}_err", "{0}_stderr", "{0}err", "d{0}", "err_{0}", "sigma_{0}")


@dataclass(frozen=True)
class Roles:
    """What was said of the columns: their names, or numbers from 1."""

    size: str | int | None = None
    control: str | int | None = None
    observable: Names = None
    error: Names = None


@dataclass(frozen=True)
class Columns:
    """Names of the columns by role; no errors: rows are replicas."""

    size: str
    control: str
    observables: tuple[str, ...]
    errors: tuple[str, ...]
    flags: tuple[Flag, ...]

    @property
    def all(self) -> tuple[str, ...]:
        return (self.size, self.control, *self.observables, *self.errors)


def pick_columns(names: Sequence[str], given: Roles, where: str) -> Columns:
    """Find the columns by what was given, the rest by name where only one can be meant."""
    every = names  # numbers count those without a name as well: the index that pandas writes
    names = [name for name in names if name]  # a delimiter at the end of each line names none
    if len(set(names)) < len(names):
        raise DatasetError(
            f"two columns have the same name, among {', '.join(names)}",
            where=where,
            remedy="rename one",
        )
    chosen = {
        role: named_column(every, wanted, role, where)
        for role, wanted in (("size", given.size), ("control", given.control))
        if wanted is not None
    }
    observables = _named_columns(every, given.observable, "observable", where)
    errors = _named_columns(every, given.error, "error", where)
    guessed = []
    for role, candidates in (("size", SIZE_NAMES), ("control", CONTROL_NAMES)):
        if role not in chosen:
            free = [n for n in names if n not in (*chosen.values(), *observables, *errors)]
            chosen[role] = _only_one([n for n in free if n in candidates], role, names, where)
            guessed.append(f"{role} = {chosen[role]!r}")
    rest = [name for name in names if name not in (*chosen.values(), *errors)]
    if not observables:
        hits = [name for name in rest if name in OBSERVABLE_NAMES]
        hits = hits or [name for name in rest if not _names_an_error(name, rest)]
        observables = (_only_one(hits, "observable", names, where),)
        guessed.append(f"observable = {observables[0]!r}")
    if not errors:
        errors = _guess_errors(rest, observables, where)
        guessed += [f"error = {name!r}" for name in errors]
    elif len(errors) != len(observables):
        raise DatasetError(
            f"{len(observables)} observables and {len(errors)} error columns",
            where=where,
            remedy="give one error column for each observable, in the same order",
        )
    columns = (*chosen.values(), *observables, *errors)
    if len(set(columns)) < len(columns):
        raise DatasetError(
            f"one column has two roles: {', '.join(columns)}", where=where, remedy="name another"
        )
    flags = (COLUMNS_GUESSED(f"{', '.join(guessed)}"),) if guessed else ()
    return Columns(chosen["size"], chosen["control"], observables, errors, flags)


def _named_columns(names: Sequence[str], given: Names, role: str, where: str) -> tuple[str, ...]:
    return tuple(named_column(names, wanted, role, where) for wanted in listed(given))


def listed(names: Names) -> tuple[str | int, ...]:
    """Names as a tuple: none, one or several."""
    if names is None:
        return ()
    return (names,) if isinstance(names, str | int) else tuple(names)


def named_column(names: Sequence[str], wanted: str | int, role: str, where: str) -> str:
    """The column of that name, or of that number counted from 1; empty names are counted too."""
    word, known = str(wanted), [name for name in names if name]
    if word in known:
        return word
    if word.isdecimal() and 1 <= int(word) <= len(names):
        if name := names[int(word) - 1]:
            return name
        raise DatasetError(
            f"{role} column {word} has no name", where=where, remedy=f"there is {', '.join(known)}"
        )
    by_lower = {name.lower(): name for name in known}
    near = [by_lower[n] for n in difflib.get_close_matches(word.lower(), by_lower, 2, 0.6)]
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise DatasetError(
        f"no {role} column {word!r}", where=where, remedy=f"{hint}there is {', '.join(known)}"
    )


def _only_one(hits: Sequence[str], role: str, names: Sequence[str], where: str) -> str:
    if len(hits) == 1:
        return hits[0]
    what = f"{' and '.join(hits)} may be the {role}" if hits else f"no column is plainly the {role}"
    raise DatasetError(
        what, where=where, remedy=f"name the {role} column, one of {', '.join(names)}"
    )


def _names_an_error(name: str, others: Sequence[str]) -> bool:
    of_another = (pattern.format(o) for pattern in ERROR_PATTERNS for o in others if o != name)
    return name in ERROR_NAMES or name in of_another


def _guess_errors(rest: Sequence[str], observables: Sequence[str], where: str) -> tuple[str, ...]:
    """Error columns by name; none at all means rows of single replicas."""
    candidates = []
    for observable in observables:
        likely = [pattern.format(observable) for pattern in ERROR_PATTERNS]
        likely += ERROR_NAMES if len(observables) == 1 else ()
        hits = [name for name in rest if name in likely and name not in observables]
        if len(hits) > 1:
            _only_one(hits, f"error of {observable}", rest, where)
        candidates.append(hits)
    if not any(candidates):
        return ()
    return tuple(
        _only_one(hits, f"error of {observable}", rest, where)
        for observable, hits in zip(observables, candidates, strict=True)
    )


def dimension_of(size: str) -> Dimension:
    """N for a column of that name, else L."""
    return "N" if size == "N" else "L"
