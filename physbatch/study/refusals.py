"""A refused study in one line: which field, in the words of the file, and what is wrong with it."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Sequence
from typing import Any

import pydantic

#: Characters of an offending value that are shown.
_SHOWN = 60
#: Integers beyond this are shown as hexadecimal numbers.
_MOST_BITS = 10_000

_TABLE = "must be a table of fields, in braces or under its own heading"
#: Kinds of values of which one may have several, in words.
_KINDS = {
    "bool": "true or false",
    "int": "a finite number",
    "float": "a finite number",
    "str": "words",
}
#: Pydantic speaks of tuples, instances and booleans; a study file has other words.
_REASONS = {
    "model_type": _TABLE,
    "model_attributes_type": _TABLE,
    "tuple_type": "must be a list of values",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
}


def refusal(error: pydantic.ValidationError, model: type[pydantic.BaseModel]) -> str:
    """The first problem of the validation of a model in words, and how many more there are.

    >>> from physbatch.study.grid import Grid
    >>> try:
    ...     Grid.model_validate({"size": [9], "batch_size": [2], "replica": 4})
    ... except pydantic.ValidationError as error:
    ...     print(refusal(error, Grid))
    unknown field 'replica'; did you mean 'replicas'? (and 1 more problem)
    """
    # A name that nobody knows comes first: what then seems to be missing may stand under it.
    problems = _of_values([dict(problem) for problem in error.errors(include_url=False)])
    problems.sort(key=lambda problem: problem["type"] != "extra_forbidden")
    text = _problem(problems[0], model)
    more = len(problems) - 1
    return text if more == 0 else f"{text} (and {more} more problem{'s' if more > 1 else ''})"


def _of_values(problems: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The problems, those of one value that may be of several kinds as one.

    Pydantic has one for each kind, with the kind at the end of the place, as in ``k.0.int``.
    """
    by_value: dict[tuple[Any, ...], list[tuple[str, dict[str, Any]]]] = {}
    for problem in problems:
        path = problem["loc"]
        kind = _kind(str(path[-1])) if path else ""
        by_value.setdefault(path[:-1] if kind else path, []).append((kind, problem))
    whole = []
    for path, alike in by_value.items():
        kinds = list(dict.fromkeys(kind for kind, _ in alike if kind))
        if kinds:
            reason = f"must be {', '.join(kinds[:-1])}{' or ' if kinds[1:] else ''}{kinds[-1]}"
            whole.append({**alike[0][1], "loc": path, "type": "value_error", "msg": reason})
        else:
            whole += [problem for _, problem in alike]
    return whole


def _kind(part: str) -> str:
    """The kind of values that pydantic puts at the end of a place, in words; "" for a place."""
    return _KINDS["float"] if part.startswith("function-") else _KINDS.get(part, "")


def _problem(problem: dict[str, Any], model: type[pydantic.BaseModel]) -> str:
    """One problem in words."""
    path, owner = _in_file(problem["loc"], model)
    kind = problem["type"]
    context = problem.get("ctx", {})
    if kind == "extra_forbidden":
        return f"unknown field {path!r}{_suggestion(path.rpartition('.')[2], owner)}"
    if kind == "missing":
        return f"field {path!r} is missing"
    if kind == "union_tag_not_found":
        return f"field '{path}.kind' is missing"
    given = problem.get("input")
    if kind == "union_tag_invalid":
        path, given = f"{path}.kind", context["tag"]
        reason = f"must be one of {context['expected_tags']}"
    elif kind in _REASONS:
        reason = _REASONS[kind]
    else:
        reason = problem["msg"].removeprefix("Value error, ").replace("Input should", "must")
        reason = reason[:1].lower() + reason[1:]
    shown = ""
    if isinstance(given, (str, int, float, bool)):
        # Python writes out no integer of more than 4300 digits; a hexadecimal one is read.
        large = isinstance(given, int) and given.bit_length() > _MOST_BITS
        words = f"{given:#x}" if large else repr(given)
        shown = f" (given: {words if len(words) <= _SHOWN else words[: _SHOWN - 3] + '...'})"
    return f"{path}: {reason}{shown}" if path else reason


def _in_file(
    parts: Sequence[str | int], model: type[pydantic.BaseModel]
) -> tuple[str, type[pydantic.BaseModel]]:
    """The dotted path that a study file has for a place, and the last model on the way.

    Pydantic names the kind of a choice on the way, as in ``system.wiring.regular.degree``; a
    file has no such table.
    """
    path: list[str] = []
    kinds: dict[str, type[pydantic.BaseModel]] = {}
    for part in parts:
        if part in kinds:
            model, kinds = kinds[str(part)], {}
            continue
        path.append(str(part))
        field = model.model_fields.get(str(part))
        inner = [] if field is None else _models(field.annotation)
        if len(inner) == 1:
            model = inner[0]
        kinds = {
            kind: choice
            for choice in (inner if len(inner) > 1 else [])
            for kind in typing.get_args(choice.model_fields["kind"].annotation)
        }
    return ".".join(path), model


def _models(annotation: Any) -> list[type[pydantic.BaseModel]]:
    """The models that a type is made of."""
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        return [annotation]
    return [model for part in typing.get_args(annotation) for model in _models(part)]


def _suggestion(name: str, model: type[pydantic.BaseModel]) -> str:
    """What the writer may have meant by a name that does not exist."""
    near = difflib.get_close_matches(name, model.model_fields, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; there are {', '.join(model.model_fields)}"
