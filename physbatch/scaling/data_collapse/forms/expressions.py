"""Formulas that users write, and their values with exact derivatives by the parameters.

The grammar: numbers, names, ``+ - * / **``, signs, brackets, and the functions of `FUNCTIONS`.
Python's own parser reads the text; nothing of it is ever run. Derivatives are carried along
with the values (automatic differentiation, forward mode).

>>> import numpy as np
>>> formula = read("(c - c_c)*log(L/L0)**2", "x")
>>> sorted(formula.names)
['L', 'L0', 'c', 'c_c']
>>> seen = {"c": Dual(np.array([1.0, 2.0])), "c_c": Dual(np.ones(2), np.ones((1, 2)))}
>>> seen |= {"L": Dual(np.full(2, np.e)), "L0": Dual(np.ones(2))}
>>> value = formula.value(seen)
>>> value.value.tolist(), value.slopes.tolist()
([0.0, 1.0], [[-1.0, -1.0]])
"""

import ast
import math
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from functools import cached_property
from typing import NamedTuple, NoReturn

import numpy as np

from physbatch.errors import AnalysisError
from physbatch.typing import FloatArray

#: Longer formulas are refused.
_LONGEST = 1000


class Dual(NamedTuple):
    """Values of points, shape (n,), and derivatives, shape (k, n); None for a constant."""

    value: FloatArray
    slopes: FloatArray | None = None

    def through(self, value: FloatArray, slope: FloatArray) -> "Dual":
        """A function of this, from its value and its derivative."""
        return Dual(value, None if self.slopes is None else slope * self.slopes)


def _sum(left: FloatArray | None, right: FloatArray | None) -> FloatArray | None:
    if left is None or right is None:
        return right if left is None else left
    return left + right


def _times(factor: FloatArray, slopes: FloatArray | None) -> FloatArray | None:
    return None if slopes is None else factor * slopes


def _add(left: Dual, right: Dual) -> Dual:
    return Dual(left.value + right.value, _sum(left.slopes, right.slopes))


def _negative(operand: Dual) -> Dual:
    return Dual(-operand.value, _times(-np.ones(1), operand.slopes))


def _multiply(left: Dual, right: Dual) -> Dual:
    slopes = _sum(_times(right.value, left.slopes), _times(left.value, right.slopes))
    return Dual(left.value * right.value, slopes)


def _divide(left: Dual, right: Dual) -> Dual:
    ratio = left.value / right.value
    above = _times(1.0 / right.value, left.slopes)
    return Dual(ratio, _sum(above, _times(-ratio / right.value, right.slopes)))


def _power(base: Dual, exponent: Dual) -> Dual:
    value = base.value**exponent.value
    slopes = _times(exponent.value * base.value ** (exponent.value - 1.0), base.slopes)
    if exponent.slopes is not None:
        slopes = _sum(slopes, value * np.log(base.value) * exponent.slopes)
    return Dual(value, slopes)


_OPERATIONS: Mapping[type[ast.operator], Callable[[Dual, Dual], Dual]] = {
    ast.Add: _add,
    ast.Sub: lambda left, right: _add(left, _negative(right)),
    ast.Mult: _multiply,
    ast.Div: _divide,
    ast.Pow: _power,
}


def _exp(x: Dual) -> Dual:
    value = np.exp(x.value)
    return x.through(value, value)


def _sqrt(x: Dual) -> Dual:
    value = np.sqrt(x.value)
    return x.through(value, 0.5 / value)


def _tanh(x: Dual) -> Dual:
    value = np.tanh(x.value)
    return x.through(value, 1.0 - value**2)


#: The functions of the grammar.
FUNCTIONS: Mapping[str, Callable[[Dual], Dual]] = {
    "log": lambda x: x.through(np.log(x.value), 1.0 / x.value),
    "exp": _exp,
    "sqrt": _sqrt,
    "abs": lambda x: x.through(np.abs(x.value), np.sign(x.value)),
    "tanh": _tanh,
    "sign": lambda x: Dual(np.sign(x.value)),
}
#: What others call them.
_ALSO = {"ln": "log", "log_e": "log", "fabs": "abs", "sgn": "sign"}


class Formula:
    """A formula that has been read.

    Attributes
    ----------
    text : str
        As it was written.
    role : str
        What it is for, named in errors.
    tree : ast.expr
        Its root; all nodes are of the grammar.
    """

    def __init__(self, text: str, role: str, tree: ast.expr) -> None:
        self.text, self.role, self.tree = text, role, tree

    @cached_property
    def names(self) -> frozenset[str]:
        """Names of sizes, controls, observables and parameters, not of functions."""
        return names_in(self.tree)

    @cached_property
    def functions(self) -> frozenset[str]:
        """Names of functions."""
        calls = (node for node in ast.walk(self.tree) if isinstance(node, ast.Call))
        return frozenset(call.func.id for call in calls if isinstance(call.func, ast.Name))

    def value(self, known: Mapping[str, Dual]) -> Dual:
        """Value and derivatives at points."""
        with np.errstate(all="ignore"):
            return value_of(self.tree, known)

    def refuse(self, what: str, node: ast.AST, remedy: str) -> NoReturn:
        """Raise an error that points at a piece of the formula.

        Raises
        ------
        AnalysisError
            Always.
        """
        raise _error(self.text, self.role, what, node, remedy)


def names_in(tree: ast.expr) -> frozenset[str]:
    """Names in a tree, not those of functions."""
    if isinstance(tree, ast.Call):
        return names_in(tree.args[0])
    if isinstance(tree, ast.Name):
        return frozenset({tree.id})
    return frozenset().union(*map(names_in, _below(tree)))


def _below(tree: ast.expr) -> Iterator[ast.expr]:
    return (node for node in ast.iter_child_nodes(tree) if isinstance(node, ast.expr))


def value_of(tree: ast.expr, known: Mapping[str, Dual]) -> Dual:
    """Value and derivatives of a tree of the grammar."""
    if isinstance(tree, ast.Name):
        return known[tree.id]
    if isinstance(tree, ast.BinOp):
        left, right = value_of(tree.left, known), value_of(tree.right, known)
        return _OPERATIONS[type(tree.op)](left, right)
    if isinstance(tree, ast.UnaryOp):
        operand = value_of(tree.operand, known)
        return _negative(operand) if isinstance(tree.op, ast.USub) else operand
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name):
        return FUNCTIONS[tree.func.id](value_of(tree.args[0], known))
    return Dual(np.array([_as_float(tree.value if isinstance(tree, ast.Constant) else None)]))


# --- reading ----------------------------------------------------------------------------


def read(text: str, role: str) -> Formula:
    """Read a formula.

    Parameters
    ----------
    text : str
        As in ``(T - c_c)*L**(1/nu)``.
    role : str
        What it is for, named in errors.

    Raises
    ------
    AnalysisError
        For what is not of the grammar; it points at the piece.
    """
    if len(text) > _LONGEST:
        raise AnalysisError(f"{len(text)} letters", where=role, remedy=f"use at most {_LONGEST}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        _check(text.strip(), role, tree)
    except SyntaxError as error:
        at = max((error.offset or 1) - 1, 0)
        piece = text.strip()[at : at + 12] or "the end"
        remedy = "write a formula such as (c - c_c)*L**(1/nu)"
        raise AnalysisError(
            f"cannot read {text!r} at {piece!r}", where=role, remedy=remedy
        ) from None
    except (ValueError, RecursionError, MemoryError):
        remedy = "write a shorter formula of plain letters"
        raise AnalysisError(f"cannot read {text[:40]!r}", where=role, remedy=remedy) from None
    return Formula(text.strip(), role, tree)


def _error(text: str, role: str, what: str, node: ast.AST, remedy: str) -> AnalysisError:
    piece = ast.get_source_segment(text, node) or text
    at = f" in {text!r}" if piece != text else ""
    return AnalysisError(f"{what} {piece!r}{at}", where=role, remedy=remedy)


def _check(text: str, role: str, tree: ast.expr) -> None:
    """Refuse nodes that are not of the grammar."""

    def refuse(what: str, node: ast.AST, remedy: str) -> NoReturn:
        raise _error(text, role, what, node, remedy)

    grammar = f"use numbers, names, + - * / ** and {', '.join(FUNCTIONS)}"
    if isinstance(tree, ast.Name):
        if tree.id in FUNCTIONS:
            refuse("a function without its argument:", tree, f"write {tree.id}(...)")
        return
    if isinstance(tree, ast.Constant):
        number = tree.value
        if type(number) not in (int, float) or not math.isfinite(_as_float(number)):
            refuse("no finite number:", tree, grammar)
        return
    if isinstance(tree, ast.BinOp):
        if isinstance(tree.op, ast.BitXor):
            refuse("^ is no power:", tree, "write **, as in L**2")
        if type(tree.op) not in _OPERATIONS:
            refuse("an operation that is not known:", tree, grammar)
    elif isinstance(tree, ast.UnaryOp):
        if not isinstance(tree.op, (ast.USub, ast.UAdd)):
            refuse("an operation that is not known:", tree, grammar)
    elif isinstance(tree, ast.Call):
        if not isinstance(tree.func, ast.Name) or tree.func.id not in FUNCTIONS:
            name = getattr(tree.func, "id", "")
            near = [_ALSO[name]] if name in _ALSO else get_close_matches(name, FUNCTIONS, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(FUNCTIONS)}"
            refuse("no such function:", tree.func, hint)
        if len(tree.args) != 1 or tree.keywords or isinstance(tree.args[0], ast.Starred):
            refuse("functions take one argument:", tree, grammar)
        _check(text, role, tree.args[0])
        return
    else:
        refuse("not of the grammar:", tree, grammar)
    for node in _below(tree):
        _check(text, role, node)


def _as_float(number: object) -> float:
    """A number of a formula; infinite where it is none, or too large."""
    try:
        return float(number) if isinstance(number, (int, float)) else math.inf
    except OverflowError:
        return math.inf
