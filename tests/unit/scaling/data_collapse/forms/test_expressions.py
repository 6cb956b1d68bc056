"""Formulas: what is read, what is refused with the piece, and exact derivatives."""

from __future__ import annotations

import numpy as np
import pytest

from physbatch.errors import AnalysisError
from physbatch.scaling.data_collapse.forms.expressions import Dual, read

#: Each with values at a = 1.3, b = 0.7, t = (0.5, 2, 3).
FORMULAS = (
    "a + b*t", "-a*t", "+t - b", "t**2", "t**a", "a**t", "a**b*t", "t/(a + b)", "2/t**b",
    "log(a*t)", "exp(-b/sqrt(abs(t - a)))", "tanh(a*t)*sign(t - 1)", "sqrt(t + a)**3", "abs(a - t)",
    "1.5e0*t", "(a - t)**2",
)  # fmt: skip
TIMES = np.array([0.5, 2.0, 3.0])


def at(a: float, b: float) -> dict[str, Dual]:
    rows = np.eye(2)[:, :, None]
    return {
        "a": Dual(np.array([a]), rows[0]),
        "b": Dual(np.array([b]), rows[1]),
        "t": Dual(TIMES),
    }


@pytest.mark.parametrize("text", FORMULAS)
def test_values_and_derivatives(text: str) -> None:
    formula = read(text, "x")
    found = formula.value(at(1.3, 0.7))
    functions = {name: getattr(np, name) for name in ("log", "exp", "sqrt", "abs", "tanh", "sign")}
    exact = eval(text, {}, {**functions, "a": 1.3, "b": 0.7, "t": TIMES})
    assert np.broadcast_to(found.value, 3) == pytest.approx(exact, rel=1e-14)
    step = 1e-6
    for row, (da, db) in enumerate(((step, 0.0), (0.0, step))):
        high, low = (formula.value(at(1.3 + s * da, 0.7 + s * db)).value for s in (1, -1))
        slopes = np.zeros((2, 1)) if found.slopes is None else found.slopes
        assert np.broadcast_to(slopes[row], 3) == pytest.approx(
            np.broadcast_to((high - low) / (2 * step), 3), rel=1e-7, abs=1e-8
        )


def test_names() -> None:
    assert read("log(L/L0)*2 - c**exp(a)", "x").names == {"L", "L0", "c", "a"}
    assert read("3", "x").names == set()


@pytest.mark.parametrize(
    ("text", "piece"),
    [
        ("c*(L^2)", "^ is no power: 'L^2'"),
        ("c*ln(L)", "'ln' in 'c*ln(L)'; did you mean log?"),
        ("c*sqr(L)", "did you mean sqrt?"),
        ("foo(c)", "no such function: 'foo'"),
        ("exp(c, 2)", "one argument: 'exp(c, 2)'"),
        ("exp(*c)", "one argument"),
        ("exp(x=1)", "one argument"),
        ("log + 1", "write log(...)"),
        ("c.real", "not of the grammar: 'c.real'"),
        ("c[0]", "not of the grammar"),
        ("lambda: c", "not of the grammar"),
        ("c if L else 1", "not of the grammar"),
        ("c < 2", "not of the grammar"),
        ("[c]", "not of the grammar"),
        ("'a'*c", "no finite number: \"'a'\""),
        ("True*c", "no finite number: 'True'"),
        ("2j*c", "no finite number: '2j'"),
        ("1e999*c", "no finite number"),
        ("9" * 400, "no finite number"),
        ("c % 2", "not known: 'c % 2'"),
        ("~c", "not known: '~c'"),
        ("__import__('os').system('true')", "no such function"),
        ("(c - c_c", "cannot read '(c - c_c' at"),
        ("", "cannot read '' at 'the end'"),
        ("c = 2", "cannot read"),
        ("c\0", "cannot read"),
        ("(" * 400 + "c" + ")" * 400, "cannot read"),
        ("c*" + "1*" * 600 + "1", "letters"),
    ],
)  # fmt: skip
def test_what_is_no_formula_is_refused_in_a_line(text: str, piece: str) -> None:
    with pytest.raises(AnalysisError) as caught:
        read(text, "custom x")
    words = str(caught.value)
    assert piece in words
    assert words.startswith("custom x: ")
    assert "\n" not in words


def test_a_deep_formula_is_evaluated() -> None:
    deep = read("c" + "+c" * 400, "x")
    assert deep.value({"c": Dual(np.ones(1))}).value.tolist() == [401.0]
