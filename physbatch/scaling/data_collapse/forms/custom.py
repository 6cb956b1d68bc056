"""A form in the user's own formulas: x, and what of y falls onto one curve.

``x="(T - c_c)*log(L/L0)**2", y="m*L**(1/8)"`` demands that m L^(1/8) = f(x). Names that are
neither the size, nor the control, nor an observable are parameters, and are fitted.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import NamedTuple

import numpy as np

from physbatch.errors import AnalysisError
from physbatch.scaling.data_collapse.form import Labels, measures_of
from physbatch.scaling.data_collapse.forms.expressions import Formula, names_in, read
from physbatch.scaling.data_collapse.forms.formulas import Factor, FormulaForm
from physbatch.scaling.data_collapse.forms.kinds import c_c, length
from physbatch.scaling.data_collapse.forms.parameters import Parameter, omega
from physbatch.tables.table import ScalingTable

#: Points at which starts are sought, beside c_c; about the range of the parameters there.
_TRIED = 64
_RANGE = 3.0
#: A parameter that is so much like the name of a column is a slip.
_ALIKE = 0.85
_LEAST_LETTERS = 4


class Custom(NamedTuple):
    """Formulas of a user: the scaling variable, and each observable times its power."""

    x: str
    y: str | Sequence[str]


class _Words(NamedTuple):
    """What names in the formulas stand for."""

    sizes: frozenset[str]
    controls: frozenset[str]
    observables: Mapping[str, str]  # name in the formula, name in the table

    @property
    def columns(self) -> frozenset[str]:
        """All that are no parameters."""
        return self.sizes | self.controls | frozenset(self.observables)


def _words(table: ScalingTable, observables: Sequence[str]) -> _Words:
    """Names of the columns first; then L, N, c and y for what they do not name otherwise."""
    names = {table.size_name, table.control_name, *table.observables}
    spare = {"L", "N", "c", "y"} - names
    known = {name: name for name in table.observables}
    if len(observables) == 1 and "y" in spare:
        known["y"] = observables[0]
    return _Words(
        frozenset({table.size_name} | (spare & {"L", "N"})),
        frozenset({table.control_name} | (spare & {"c"})),
        known,
    )


def custom_form(
    formulas: Custom,
    table: ScalingTable,
    observables: tuple[str, ...],
    fixed: Mapping[str, float],
    corrections: bool,
) -> FormulaForm:
    """The form of some formulas, in the units of a table.

    Parameters
    ----------
    formulas : Custom
        x, and y for each observable.
    table : ScalingTable
        The points; they set the units of the fit.
    observables : tuple of str
        Observables that share x.
    fixed : mapping
        Parameters that are held.
    corrections : bool
        Add N^(-omega) f1(x).

    Raises
    ------
    AnalysisError
        If a formula cannot be read, x does not depend on the control, or y is not an observable
        times a function of the size.

    Examples
    --------
    >>> from physbatch.tables import make_table
    >>> table = make_table([4, 8, 8], [1, 1, 2], {"m": [1, 2, 3]}, {"m": [1, 1, 1]})
    >>> formulas = Custom("(c - c_c)*L**a", "m*L**b")
    >>> custom_form(formulas, table, ("m",), {}, False).names
    ('c_c', 'a', 'b')
    """
    words = _words(table, observables)
    stretch = read(formulas.x, "custom x")
    _check_stretch(stretch, words)
    texts, scales = _scales(formulas.y, words, observables)
    used = stretch.names.union(*(_names(scale) for scale in scales.values())) - words.columns
    # The critical control may bear the control's name: T_c.
    critical = {f"{name}_c" for name in words.controls} & used
    parameters = _parameters(
        sorted((used - critical) | {"c_c"} if critical else used), words, table
    )
    if corrections:
        parameters = (*parameters, omega())
    return FormulaForm(
        kind="custom",
        observables=observables,
        names=tuple(p.name for p in parameters if p.name not in fixed),
        fixed=fixed,
        **measures_of(table),
        corrections=corrections,
        parameters=parameters,
        stretch=stretch,
        falling=read(
            min(words.sizes, key=lambda name: (not name.isidentifier(), name)), "corrections"
        ),
        scales=scales,
        sizes=words.sizes,
        controls=words.controls,
        axes_texts={name: Labels(stretch.text, text) for name, text in texts.items()},
        tried=spread_columns(parameters, fixed),
        renamed={name: dict.fromkeys(critical, "c_c") for name in observables},
    )


def _names(scale: Sequence[Factor]) -> frozenset[str]:
    return frozenset().union(*(names_in(factor.tree) for factor in scale))


def _check_stretch(stretch: Formula, words: _Words) -> None:
    if strange := stretch.names & set(words.observables):
        stretch.refuse(
            f"x may not depend on an observable ({min(strange)}):", stretch.tree, "use y for it"
        )
    if not stretch.names & words.controls:
        stretch.refuse(
            "x does not depend on the control:",
            stretch.tree,
            f"use {' or '.join(sorted(words.controls))} in it",
        )


# --- y ----------------------------------------------------------------------------------


def _scales(
    y: str | Sequence[str], words: _Words, observables: Sequence[str]
) -> tuple[dict[str, str], dict[str, tuple[Factor, ...]]]:
    """y of each observable, and its scale."""
    texts: dict[str, str] = {}
    scales: dict[str, tuple[Factor, ...]] = {}
    for text in (y,) if isinstance(y, str) else y:
        formula = read(text, "custom y")
        observable, scale = _scale(formula, words)
        if observable in scales or observable not in observables:
            formula.refuse(
                f"{observable} is not fitted, or twice:", formula.tree, "give each observable one y"
            )
        texts[observable], scales[observable] = formula.text, scale
    if missing := [name for name in observables if name not in scales]:
        raise AnalysisError(
            f"no y for {', '.join(missing)}", where="custom y", remedy="write one, as in y=m*L**b"
        )
    return texts, scales


def _scale(formula: Formula, words: _Words) -> tuple[str, tuple[Factor, ...]]:
    """The observable of y, and the scale that y undoes."""
    names = sorted(formula.names & set(words.observables))
    if len({words.observables[name] for name in names}) != 1:
        formula.refuse(
            f"{len(names) or 'no'} observables in" if names else "no observable in",
            formula.tree,
            f"write one of {', '.join(words.observables)} times a function of the size",
        )
    scale = tuple(_around(formula, formula.tree, frozenset(names)))
    for factor in scale:
        if strange := names_in(factor.tree) & words.controls:
            formula.refuse(
                f"the scale of y may not depend on the control ({min(strange)}):",
                factor.tree,
                "use the size and parameters only",
            )
    return words.observables[names[0]], scale


def _around(formula: Formula, tree: ast.expr, observable: frozenset[str]) -> list[Factor]:
    """The factors of y = observable*g, with the powers that they have in 1/g."""
    if isinstance(tree, ast.Name):
        return []
    if isinstance(tree, ast.UnaryOp):
        return _around(formula, tree.operand, observable)
    if isinstance(tree, ast.BinOp) and type(tree.op) in (ast.Mult, ast.Div):
        on_left = bool(names_in(tree.left) & observable)
        on_right = bool(names_in(tree.right) & observable)
        if on_left and not on_right:
            power = 1 if isinstance(tree.op, ast.Div) else -1
            return [*_around(formula, tree.left, observable), Factor(tree.right, power)]
        if on_right and not on_left and isinstance(tree.op, ast.Mult):
            return [*_around(formula, tree.right, observable), Factor(tree.left, -1)]
    return formula.refuse(
        "y must be the observable times or over a function of the size, and nothing else:",
        tree,
        "write m*g(L) or m/g(L); a background has a form of its own",
    )


# --- parameters -------------------------------------------------------------------------


def _parameters(names: Sequence[str], words: _Words, table: ScalingTable) -> tuple[Parameter, ...]:
    """What each name that is no column is: a critical control, a length, or a plain number."""
    if not names:
        raise AnalysisError(
            "no parameter", where="custom x", remedy="write one, such as c_c, in x or y"
        )
    lengths = {f"{name}0" for name in words.sizes}
    out: list[Parameter] = []
    for name in names:
        _check_slip(name, words.columns)
        if name == "c_c":
            out.insert(0, c_c())
        elif name in lengths:
            out.append(length(name, float(table.size.min())))
        else:
            out.append(Parameter(name, "plain", -8.0, 8.0))
    return tuple(out)


def _check_slip(name: str, columns: Collection[str]) -> None:
    near = get_close_matches(name, columns, 1, _ALIKE)
    if near and len(name) >= _LEAST_LETTERS and not name.startswith(near[0]):
        raise AnalysisError(
            f"no column {name!r}",
            where="custom x and y",
            remedy=f"did you mean {near[0]}? A parameter needs another name",
        )


def spread_columns(
    parameters: Sequence[Parameter], fixed: Mapping[str, float]
) -> list[dict[str, float]]:
    """Points spread over the ranges of the parameters beside c_c, the middle one in the middle."""
    free = [p for p in parameters if p.name not in fixed and p.kind != "control"]
    if not free:
        return [{}]
    # Multiples of the inverse powers of the root of g^(n + 1) = g + 1 fill n dimensions evenly.
    root = 2.0
    for _ in range(40):
        root = (1.0 + root) ** (1.0 / (len(free) + 1))
    steps = root ** -np.arange(1.0, len(free) + 1)
    spread = (0.5 + np.outer(np.arange(-_TRIED // 2, _TRIED // 2 + 1), steps)) % 1.0
    out = []
    for point in spread:
        column = {}
        for parameter, part in zip(free, map(float, point), strict=True):
            plain = parameter.kind == "plain"
            low, high = (-_RANGE, _RANGE) if plain else (parameter.low, parameter.high)
            column[parameter.name] = parameter.value(low + (high - low) * part)
        out.append(column)
    return out
