"""The code of a user's task: where it is, what it says, and running it.

All but `task_of` read the file without running it, so that what a dataset holds is known to those
who only look at it.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib
import inspect
import sys
import types
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, NamedTuple

from physbatch.dynamics.task.global_draws import kept_settings, no_global_draws
from physbatch.engines.faults import line_of, words_of
from physbatch.errors import PhysbatchError, StudyError
from physbatch.study.model import Study
from physbatch.study.torch_tasks import SHIPPED, split_task, task_at

_REMEDY = "give the file with --task FILE.py:Name"
#: What a task must have; a teacher's or a student's module takes the place of its own function.
_NEEDED = ("inputs", "student")
#: Where a task that is built takes random numbers from: it is built anew in every worker.
_DRAWN = "draw in inputs, teacher or student, or from a generator with a seed of its own"


class Source(NamedTuple):
    """A file of code, and its content."""

    path: Path
    content: bytes

    @property
    def digest(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of the content."""
        return hashlib.sha256(self.content).hexdigest()[:16]


def runs_own_code(study: Study) -> bool:
    """Whether a study names code that is not of this package."""
    return study.system.task is not None and not study.system.task.startswith(
        (SHIPPED, SHIPPED.rstrip(".") + ":")
    )


def require_permission(study: Study, allowed: bool, *, where: str) -> Study:
    """Return the study if its code may be run.

    Raises
    ------
    StudyError
        If it names code of its own, and the user has not said that it may be run.
    """
    if runs_own_code(study) and not allowed:
        raise StudyError(
            f"names code to be run, {study.system.task}",
            where=where,
            remedy="read it, and give --allow-code to run it, or name it with --task FILE.py:Name",
        )
    return study


def with_task(study: Study, task: str | None) -> Study:
    """The study with its task in another place: a file that the user named, with or without class.

    Raises
    ------
    StudyError
        If the study has no task, or the words name none.
    """
    if task is None:
        return study
    if study.system.task is None:
        raise StudyError("the study has no task", where="--task", remedy="leave it out")
    if ":" not in task:
        task = f"{task}:{split_task(study.system.task)[1]}"
    content = study.model_dump(mode="json", exclude_defaults=True)
    content["system"]["task"] = task_at(task, Path.cwd())
    return Study.from_dict(content, where="--task")


def source_of(task: str) -> Source:
    """The file of a task, read and not run.

    Raises
    ------
    StudyError
        If there is no such file or module, or it cannot be read.
    """
    home, name = split_task(task)
    path = Path(home) if home.endswith(".py") else _module_file(home, task)
    try:
        source = Source(path, path.read_bytes())
    except OSError as error:
        raise StudyError(
            f"cannot read {path} ({error.strerror or error})",
            where=f"task {task}",
            remedy=_REMEDY,
        ) from error
    module = _module_of_name(source, home, name) if path.name == "__init__.py" else home
    return source if module == home else source_of(f"{module}:{name}")


def _module_of_name(package: Source, home: str, name: str) -> str:
    """The module from which a package imports a name; the package itself if it does not."""
    try:
        tree = ast.parse(package.content)
    except (SyntaxError, ValueError):
        return home  # it cannot be run either, and that says where
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names = {alias.asname or alias.name: alias.name for alias in node.names}
            if names.get(name) == name:
                return node.module
    return home


def _module_file(name: str, task: str) -> Path:
    """The file of a module, without importing the packages that it is in."""
    places: list[str] | None = None
    spec = None
    for depth in range(name.count(".") + 1):
        part = ".".join(name.split(".")[: depth + 1])
        spec = PathFinder.find_spec(part, places)
        if spec is None:
            break
        found_in = spec.submodule_search_locations
        places = None if found_in is None else list(found_in)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        raise StudyError(f"no module {name!r}", where=f"task {task}", remedy=_REMEDY)
    return Path(spec.origin)


def observables_of(study: Study) -> tuple[str, ...]:
    """Names of what a task measures besides, as its source shows them.

    They are the keys of the dictionary that its method ``observables`` returns, or what it names
    in ``observable_names = ("name", ...)``.

    Raises
    ------
    StudyError
        If the source does not show them.
    """
    task = study.system.task
    if task is None:
        return ()
    source = source_of(task)
    return _shown_names(source.path, source.content, split_task(task)[1])


@functools.lru_cache(maxsize=64)
def _shown_names(path: Path, content: bytes, name: str) -> tuple[str, ...]:
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        raise StudyError(
            f"{type(error).__name__}: {getattr(error, 'msg', error)}",
            where=f"{path}, line {line}" if line else str(path),
        ) from error
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    while name in classes:
        node = classes[name]
        for statement in node.body:
            names = _names_in(statement, path)
            if names is not None:
                return names
        bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
        name = next((base for base in bases if base in classes and base != name), "")
    return ()


def _names_in(statement: ast.stmt, path: Path) -> tuple[str, ...] | None:
    """Names of observables that a statement in a class shows; None if it is about others."""
    if isinstance(statement, ast.Assign) and any(
        isinstance(target, ast.Name) and target.id == "observable_names"
        for target in statement.targets
    ):
        try:
            return tuple(map(str, ast.literal_eval(statement.value)))
        except (ValueError, TypeError):
            names: list[str] | None = None
    elif isinstance(statement, ast.FunctionDef) and statement.name == "observables":
        returned = [node.value for node in ast.walk(statement) if isinstance(node, ast.Return)]
        names = _keys_of(returned[-1]) if returned else None
    else:
        return None
    if names is None or not all(name.isidentifier() for name in names):
        raise StudyError(
            "the names of its observables do not stand in the source",
            where=f"{path}, line {statement.lineno}",
            remedy='write observable_names = ("name", ...) in the class, above observables',
        )
    return tuple(names)


def _keys_of(value: ast.expr | None) -> list[str] | None:
    """Keys of a dictionary in a source, if all are constants."""
    if not isinstance(value, ast.Dict):
        return None
    keys = [key.value for key in value.keys if isinstance(key, ast.Constant)]
    return list(map(str, keys)) if len(keys) == len(value.keys) else None


def task_of(study: Study, options: dict[str, Any]) -> Any:
    """The task of a study with some options: this runs the user's code.

    Raises
    ------
    StudyError
        If there is no such task, its code fails, or it lacks a function that every task has.
    """
    words = str(study.system.task)
    name = split_task(words)[1]
    module = _run_module(words, source_of(words))
    kind = getattr(module, name, None)
    if not isinstance(kind, type):
        known = [n for n, value in vars(module).items() if _is_task(value)]
        raise StudyError(
            f"no class {name!r}",
            where=f"task {words}",
            remedy=f"there are {', '.join(known)}" if known else "",
        )
    lacking = [method for method in _NEEDED if not callable(getattr(kind, method, None))]
    if not hasattr(kind, "teacher") and not hasattr(kind, "teacher_forward"):
        lacking.append("teacher_forward")
    if lacking:
        raise StudyError(f"has no function {lacking[0]}", where=f"task {words}")
    try:
        with no_global_draws(f"{name}.__init__", instead=_DRAWN) as check:
            task = kind(**options)
            check(False)
        return task
    except PhysbatchError:
        raise
    except (Exception, SystemExit) as error:
        lines = f"{line_of(error)}, " if line_of(error) else ""
        taken = ", ".join(list(inspect.signature(kind).parameters))
        raise StudyError(
            words_of(error),
            where=f"{lines}task {words}",
            remedy=f"system.options and grid.options go to {name}({taken})",
        ) from error


def _is_task(value: object) -> bool:
    return isinstance(value, type) and all(hasattr(value, name) for name in _NEEDED)


@functools.lru_cache(maxsize=16)
def _run_module(words: str, source: Source) -> types.ModuleType:
    """The module of a task, run once in each process for each state of its file."""
    home = split_task(words)[0]
    try:
        with kept_settings():  # of torch: all cells are computed under the same
            if not home.endswith(".py"):
                return importlib.import_module(home)
            # Neither a cache beside the user's file nor its folder on the path: one file is a task.
            module = types.ModuleType(f"physbatch_task_{source.digest}")
            module.__file__ = str(source.path)
            sys.modules[module.__name__] = module
            exec(compile(source.content, str(source.path), "exec"), module.__dict__)
            return module
    except (Exception, SystemExit) as error:
        line = line_of(error) or str(source.path)
        if isinstance(error, SyntaxError) and error.lineno:
            line = f"{source.path}, line {error.lineno}"
        raise StudyError(words_of(error), where=line) from error
