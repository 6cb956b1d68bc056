"""Which column is what: by name or number where given, else by name where one can be meant."""

import difflib
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np

from physbatch.errors import DatasetError
from physbatch.results.flag import Flag
from physbatch.results.flags import COLUMNS_GUESSED
from physbatch.tables.sheet import SIZE_NAMES, Sheet
from physbatch.tables.sources import is_plain
from physbatch.tables.table import Dimension
from physbatch.typing import FloatArray

Names = str | int | Sequence[str | int] | None

CONTROL_NAMES = ("x", "p", "T", "beta", "control", "temperature", "batch_size", "batch_ratio")
#: Letters of couplings, fields and strengths, which other columns may have as well: they are taken
#: where no column is plainly the control.
OTHER_CONTROLS = (
    *("K", "J", "h", "g", "W", "U", "lambda", "mu", "alpha", "density", "t", "c"),
    *("temp", "coupling", "field", "disorder", "tau", "τ", "β", "λ", "μ", "δ", "delta"),
)
OBSERVABLE_NAMES = ("y", "observable")
ERROR_NAMES = (
    *("dy", "err", "error", "errors", "stderr", "sigma", "se", "sem", "std", "unc", "uncertainty"),
    *("standard_error", "σ", "delta_y", "yerr", "error_bar"),
)
#: Names of the error of an observable called {0}.
ERROR_PATTERNS = (
    *("{0}_error", "{0}_err", "{0}_stderr", "{0}err", "d{0}", "err_{0}", "sigma_{0}"),
    *("σ_{0}", "δ{0}", "Δ{0}", "delta{0}", "D{0}", "{0}_sigma"),
    *("{0}_std", "{0}_se", "{0}_sem", "{0}_unc", "e{0}", "error_{0}", "d_{0}", "delta_{0}"),
)
#: Columns that number the rows of one point.
ROW_NAMES = (
    *("seed", "run", "replica", "sample", "realization", "realisation", "disorder_sample", "rep"),
    *("index", "idx", "id", "i", "chain", "trial", "instance", "row", "#"),
    *("Ly", "Lz"),  # of a system whose size is Lx
)
#: Columns that say how data scatter, or how many there are, and are no standard errors.
#: A command to leave out bad lines names at most so many.
_MOST_LINES = 5
_NO_ERRORS = re.compile(
    r"(?:^|[_\W])(?:var|variance|rel|relative|n|count|samples?|nsamples|num)(?:$|[_\W])",
    re.IGNORECASE,
)
#: A size in the name of a file.
_SIZE_IN_NAME = re.compile(r"(?P<before>[A-Za-z]*[=_]?)(?P<size>\d+)")
_MEAN = re.compile(r"(?<=.)_(?:mean|avg|average|value|val)$")
#: A unit behind a name: T [K], B (tesla).
_UNIT = re.compile(r"\s*[\[(][^\])]*[\])]\s*$")


@dataclass(frozen=True)
class Roles:
    """What was said of the columns: their names, or numbers from 1."""

    size: str | int | None = None
    control: str | int | None = None
    observable: Names = None
    error: Names = None

    def as_names(self) -> "Roles":
        """The same, with numbers as words: variables of a dataset are not counted."""
        size, control = (None if x is None else str(x) for x in (self.size, self.control))
        return Roles(size, control, self.observable, self.error)


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
    taken = (*observables, *errors)
    for role, groups in (("size", (SIZE_NAMES,)), ("control", (CONTROL_NAMES, OTHER_CONTROLS))):
        if role not in chosen:
            free = [name for name in names if name not in (*chosen.values(), *taken)]
            chosen[role] = _only_one(_first_hits(free, groups), role, names, where)
            guessed.append(f"{role} = {chosen[role]!r}")
    rest = [name for name in names if name not in (*chosen.values(), *errors)]
    if not observables:
        hits = [name for name in rest if bare(name) in OBSERVABLE_NAMES]
        hits = hits or [name for name in rest if not _names_an_error(name, rest)]
        hits = [name for name in hits if _common(name) not in ROW_NAMES] or hits
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


def bare(name: str) -> str:
    """A name without its unit."""
    return _UNIT.sub("", name) or name


def _common(name: str) -> str:
    """A name of several words, or that begins with a capital, as programs write it."""
    word = bare(name).strip()
    is_text = " " in word or (word.istitle() and len(word) > 2)
    return word.lower().replace(" ", "_") if is_text else word


def _first_hits(free: Sequence[str], groups: Sequence[Sequence[str]]) -> list[str]:
    """Of the groups of usual names the hits of the first that has any.

    A column that has one of errors is an observable.
    """
    measured = {name for name in free if _has_errors(name, free)}
    for group in groups:
        hits = [name for name in free if {_common(name), name.partition("/")[0]} & {*group}]
        if hits:
            return [name for name in hits if name not in measured] or hits
    return []


def _has_errors(name: str, others: Sequence[str]) -> bool:
    known = {bare(other) for other in others if other != name}
    return not known.isdisjoint(error_names(name))


def error_names(name: str) -> list[str]:
    """Usual names of the error of an observable, which may be called a mean."""
    words = dict.fromkeys((bare(name), _MEAN.sub("", bare(name))))
    return [pattern.format(word) for word in words for pattern in ERROR_PATTERNS]


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
    without_unit = [name for name in known if bare(name) == word]
    if len(without_unit) == 1:
        return without_unit[0]
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
    remedy = f"name the {role} column, one of {', '.join(names)}"
    if command := suggestion(role, names, where):
        remedy += f", as in `{command}`"
    raise DatasetError(what, where=where, remedy=remedy)


def suggestion(role: str, names: Sequence[str], where: str) -> str:
    """A whole command that reads a file whose columns may be several things; empty for no file.

    Columns that have an error are observables, the others go by their order.
    """
    path = Path(where)
    if not path.is_file() and where != "-":
        return ""
    if role == "size" and (command := _of_sizes(path, len(names))):
        return command
    free = [name for name in names if _common(name) not in ROW_NAMES]
    roles: dict[str, str] = {}
    for part, groups in (("size", (SIZE_NAMES,)), ("control", (CONTROL_NAMES, OTHER_CONTROLS))):
        others = [name for name in free if name not in roles.values()]
        roles[part] = next(iter([*_first_hits(others, groups), *others]), "")
    rest = [name for name in free if name not in roles.values()]
    measured = [name for name in rest if _has_errors(name, rest)]
    roles["observable"] = next(iter([*measured, *rest]), "")
    rest = [name for name in rest if name != roles["observable"]]
    likely = error_names(roles["observable"])
    errors = [name for name in rest if any(bare(name).startswith(word) for word in likely)]
    errors += [name for name in rest if _common(name) in ERROR_NAMES]
    errors += rest if len(rest) == 1 and not _NO_ERRORS.search(rest[0]) else ()
    roles["error"] = next(iter(errors), "")
    if not roles["observable"]:
        return ""
    words = [word for part, name in roles.items() if name for word in (f"--{part}", name)]
    return shlex.join(["physbatch", "collapse", where, *words])


def without_lines(lines: Sequence[int], columns: Columns, where: str) -> str:
    """The command that reads a file of text without some of its lines; empty if these are many."""
    if not 0 < len(lines) <= _MOST_LINES or not is_plain(Path(where)):
        return ""
    roles = [("--size", columns.size), ("--control", columns.control)]
    roles += [("--observable", name) for name in columns.observables]
    roles += [("--error", name) for name in columns.errors]
    cut = shlex.join(["sed", "-e", ";".join(f"{line}d" for line in lines), where])
    words = [word for role in roles for word in role]
    return f"{cut} | {shlex.join(['physbatch', 'collapse', '-', *words])}"


def _of_sizes(path: Path, count: int) -> str:
    """The command that reads a file and those like it, if its name says a size; else nothing."""
    told = list(_SIZE_IN_NAME.finditer(path.stem))
    if count > 3 or not told or not path.is_file():
        return ""
    before, size = told[-1]["before"], told[-1]["size"]
    pattern = path.with_name(path.name.replace(f"{before}{size}", f"{before}*", 1))
    words = [str(pattern), "--size-from-name", rf"{before}(\d+)"]
    return shlex.join(["physbatch", "collapse", *words])


def _names_an_error(name: str, others: Sequence[str]) -> bool:
    of_another = (word for other in others if other != name for word in error_names(other))
    return _common(name) in ERROR_NAMES or bare(name) in of_another


def _guess_errors(rest: Sequence[str], observables: Sequence[str], where: str) -> tuple[str, ...]:
    """Error columns by name; none at all means rows of single replicas."""
    candidates = []
    for observable in observables:
        likely = error_names(observable)
        likely += ERROR_NAMES if len(observables) == 1 else ()
        hits = [name for name in rest if {bare(name), _common(name)} & {*likely}]
        hits = [name for name in hits if name not in observables]
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
    return "N" if bare(size) == "N" else "L"


# --- columns without names --------------------------------------------------------------


def by_place(sheet: Sheet, given: Roles) -> Roles:
    """What the columns of a file without names are; what was said of them goes first.

    Three or four columns are ``L x y`` and ``L x y dy`` if the first is above 0 and repeats itself.

    Raises
    ------
    physbatch.errors.DatasetError
        If they may be anything.
    """
    said = (given.size, given.control, given.observable, given.error)
    if any(role is not None for role in said[:3]):
        return given
    count = len(sheet.names)
    if count in (3, 4):
        data = sheet.load(sheet.names)
        sizes, errors = data[:, 0], data[:, 3:]
        repeated = np.unique(sizes).size <= max(1, len(sizes) // 2)
        if repeated and (sizes > 0).all() and (np.isnan(errors) | (errors >= 0)).all():
            order = (2, 1) if look_swapped(sizes, data[:, 1]) else (1, 2)
            return Roles(*order, 3, 4 if count == 4 else given.error)
    numbers = "--size 1 --control 2 --observable 3" + (" --error 4" if count > 3 else "")
    command = f"physbatch collapse {shlex.quote(sheet.source)} {numbers}"
    raise DatasetError(
        f"{count} columns without names",
        where=sheet.source,
        remedy=f"say which they are: `{_of_sizes(Path(sheet.source), count) or command}`",
    )


def look_swapped(sizes: FloatArray, controls: FloatArray) -> bool:
    """Whether sizes look like controls and controls like sizes.

    Sizes that are fractions within a factor of two and controls that are whole numbers over more
    than one are taken for columns that changed places.
    """
    fractions = sizes.max() < 2 * sizes.min() and bool((sizes % 1).any())
    whole = controls.min() >= 1 and controls.max() > 2 * controls.min()
    return bool(fractions and whole and not (controls % 1).any())


def labels_of(columns: Columns, dimension: Dimension | None) -> dict[str, str]:
    """What columns without names are called: L (or N), c and y."""
    several = len(columns.observables) > 1
    names = {columns.size: dimension or "L", columns.control: "c"}
    for name, error in zip_longest(columns.observables, columns.errors):
        names[name] = f"y{name}" if several else "y"
        if error is not None:
            names[error] = f"d{names[name]}"
    return names
