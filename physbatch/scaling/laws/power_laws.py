"""Laws of size as objects that print and evaluate themselves.

Every law is linear in its amplitudes, y(x) = sum over k of amplitude_k term_k(x; exponents), so
that a fit (`physbatch.scaling.laws.least_squares`) needs no guess.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from physbatch.errors import AnalysisError, DatasetError
from physbatch.results.record import Record, result
from physbatch.typing import FloatArray

_EXPONENT = (-8.0, 8.0)
POSITIVE = (0.05, 8.0)
_GIVEN = (-math.inf, math.inf)  # `lowest` and `highest` give the range
_LATEX = {
    **{name: f"\\{name}" for name in ("omega", "phi", "Delta", "eta", "ln")},
    "eps": r"\epsilon",
    "ln_A": r"\ln A",
    "over": "/",
    "thin": r"\,",
}
_TEXT = {"over": " / ", "thin": " "}


class _Symbols(dict[str, str]):
    """How variables and exponents are written, in plain text or in LaTeX."""

    def __init__(self, letters: Mapping[str, str], fixed: Mapping[str, float], latex: bool) -> None:
        spelled = _LATEX if latex else _TEXT
        super().__init__({key: spelled.get(letter, letter) for key, letter in letters.items()})
        self._fixed, self._spelled, self.latex = fixed, spelled, latex

    def __missing__(self, symbol: str) -> str:
        if symbol in self._fixed:
            return f"{self._fixed[symbol]:g}"
        return self._spelled.get(symbol, symbol)

    def power(self, base: str, exponent: str) -> str:
        """A power; in plain text a composed exponent stands in brackets."""
        base, exponent = base.format_map(self), exponent.format_map(self)
        if self.latex:
            return f"{base}^{{{exponent}}}"
        return f"{base}^({exponent})" if " " in exponent else f"{base}^{exponent}"

    def times(self, factor: int, exponent: str) -> str:
        """A multiple of an exponent, as a number where that is fixed."""
        if exponent in self._fixed:
            return f"{factor * self._fixed[exponent]:g}"
        return f"{'-' if factor == -1 else f'{factor} '}{self[exponent]}"

    def root(self, symbol: str) -> str:
        return rf"\sqrt{{{self[symbol]}}}" if self.latex else f"sqrt({self[symbol]})"


class _Definition(NamedTuple):
    """What the name of a law stands for: how it is written, its parameters and its terms."""

    write: Callable[[_Symbols], str]
    bounds: Mapping[str, tuple[float, float]]  # of every exponent
    amplitudes: tuple[str, ...]
    #: ``terms(x, **exponents)``, x of shape (n_point, n_variable), exponents that broadcast
    #: against (n_point,): one array for each amplitude.
    terms: Callable[..., list[FloatArray]]
    variables: tuple[str, ...] = ("N",)


def _ones(x: FloatArray) -> FloatArray:
    return np.ones(len(x))


def _distance(x: FloatArray, c_s: FloatArray) -> FloatArray:
    return np.maximum(np.abs(x[:, 0] - c_s), 1e-300)


_LAWS: Mapping[str, _Definition] = {
    "constant": _Definition(lambda _: "c", {}, ("c",), lambda x: [_ones(x)]),
    "power": _Definition(
        lambda s: f"A {s.power('{N}', '{b}')}",
        {"b": _EXPONENT},
        ("A",),
        lambda x, b: [x[:, 0] ** b],
    ),
    "corrected": _Definition(
        lambda s: f"A {s.power('{N}', '{b}')} + B {s.power('{N}', '{b} - {omega}')}",
        {"b": _EXPONENT, "omega": POSITIVE},
        ("A", "B"),
        lambda x, b, omega: [x[:, 0] ** b, x[:, 0] ** (b - omega)],
    ),
    "logarithm": _Definition(
        lambda s: f"A {s.power('{N}', '{b}')} {s.power('({ln} {N})', '{k}')}",
        {"b": _EXPONENT, "k": _EXPONENT},
        ("A",),
        lambda x, b, k: [x[:, 0] ** b * np.log(x[:, 0]) ** k],
    ),
    "shifted": _Definition(
        lambda s: f"c + a {s.power('{N}', s.times(-1, 'phi'))}",
        {"phi": POSITIVE},
        ("c", "a"),
        lambda x, phi: [1.0 + 0.0 * x[:, 0] ** -phi, x[:, 0] ** -phi],
    ),
    "approach": _Definition(
        lambda s: " + ".join(
            ["c", *(f"{a} {s.power('{N}', s.times(-k, 'phi'))}" for k, a in ((1, "a"), (2, "b")))]
        ),
        {"phi": POSITIVE},
        ("c", "a", "b"),
        lambda x, phi: [1.0 + 0.0 * x[:, 0] ** -phi, x[:, 0] ** -phi, x[:, 0] ** (-2 * phi)],
    ),
    "two_powers": _Definition(
        lambda s: f"A {s.power('{N}', '{b}')} {s.power('{d}', '{a}')}",
        {"b": _EXPONENT, "a": _EXPONENT},
        ("A",),
        lambda x, b, a: [x[:, 0] ** b * x[:, 1] ** a],
        ("N", "d"),
    ),
    "line": _Definition(
        lambda s: f"{s['ln']} A + {s['N']} {s['Delta']}",
        {},
        ("ln_A", "Delta"),
        lambda x: [_ones(x), x[:, 0]],
    ),
    "log_power": _Definition(
        lambda s: f"{s['ln']} A + z {s['ln']} {s['N']}",
        {},
        ("ln_A", "z"),
        lambda x: [_ones(x), np.log(x[:, 0])],
    ),
    "divergence": _Definition(
        lambda s: f"{s['ln']} A - y {s['ln']}|{s['c']} - c_s|",
        {"c_s": _GIVEN},
        ("ln_A", "y"),
        lambda x, c_s: [1.0 + 0.0 * _distance(x, c_s), -np.log(_distance(x, c_s))],
        ("c",),
    ),
    "saturated": _Definition(
        lambda s: f"A/(1 + {s['m']}/m_x)",
        {"m_x": _GIVEN},
        ("A",),
        lambda x, m_x: [1 / (1 + x[:, 0] / m_x)],
        ("m",),
    ),
    "level": _Definition(lambda _: "a", {}, ("a",), lambda x: [_ones(x)]),
    "inverse": _Definition(
        lambda s: f"a + b{s['over']}{s['N']}", {}, ("a", "b"), lambda x: [_ones(x), 1.0 / x[:, 0]]
    ),
    "inverse_root": _Definition(
        lambda s: f"a + b{s['over']}{s.root('N')}",
        {},
        ("a", "b"),
        lambda x: [_ones(x), 1.0 / np.sqrt(x[:, 0])],
    ),
    "spinodal": _Definition(
        lambda s: f"a + b{s['over']}{s.power('{N}', '2/3') if s.latex else s['N'] + '^(2/3)'}",
        {},
        ("a", "b"),
        lambda x: [_ones(x), x[:, 0] ** (-2.0 / 3.0)],
    ),
    "drift": _Definition(
        lambda s: f"a + b{s['thin']}{s['ln']} {s['N']}",
        {},
        ("a", "b"),
        lambda x: [_ones(x), np.log(x[:, 0])],
    ),
}


@result("law")
@dataclass(frozen=True, eq=False)
class Law(Record):
    """A registered law, with some exponents held at a value; `law` makes it.

    Attributes
    ----------
    name : str
        One of the table of `law`.
    fixed : tuple of pairs of str and float
        Exponents that are held, and ``lowest`` and ``highest`` of a range that is given.

    Examples
    --------
    >>> power = law("power")
    >>> power.text(), power.text(("L",)), power.latex(("eps",))
    ('A N^b', 'A L^b', 'A \\\\epsilon^{b}')
    >>> power(np.array([2.0, 4.0]), [3.0, 0.5])  # b = 3, A = 1/2
    array([ 4., 32.])
    """

    name: str
    fixed: tuple[tuple[str, float], ...] = ()

    @property
    def exponents(self) -> tuple[str, ...]:
        """Names of the exponents that are free."""
        fixed = dict(self.fixed)
        return tuple(exponent for exponent in _LAWS[self.name].bounds if exponent not in fixed)

    @property
    def amplitudes(self) -> tuple[str, ...]:
        """Names of the linear parameters."""
        return _LAWS[self.name].amplitudes

    @property
    def parameters(self) -> tuple[str, ...]:
        """Exponents, then amplitudes."""
        return (*self.exponents, *self.amplitudes)

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """Range of each free exponent; a fit that ends at a bound is not used."""
        fixed, bounds = dict(self.fixed), _LAWS[self.name].bounds
        return tuple(
            (fixed.get("lowest", low), fixed.get("highest", high)) if (low, high) == _GIVEN
            else (low, high)
            for low, high in (bounds[exponent] for exponent in self.exponents)
        )  # fmt: skip

    def knows(self, parameter: str) -> bool:
        """Whether it has a parameter of that name, free or fixed."""
        return parameter in _LAWS[self.name].bounds or parameter in self.amplitudes

    def terms(self, x: FloatArray, *exponents: Any) -> list[FloatArray]:
        """One array for each amplitude; free exponents broadcast against (n_point,)."""
        names = _LAWS[self.name].bounds
        fixed = {name: value for name, value in self.fixed if name in names}
        free = dict(zip(self.exponents, exponents, strict=True))
        return _LAWS[self.name].terms(x, **fixed, **free)

    def __call__(self, x: FloatArray, values: Sequence[float]) -> FloatArray:
        """The law at x, shape (n_point,) or (n_point, n_variable) -> (n_point,).

        `values` are those of `parameters`.
        """
        x = x[:, None] if x.ndim == 1 else x
        count = len(self.exponents)
        terms = self.terms(x, *values[:count])
        return np.asarray(sum(a * t for a, t in zip(values[count:], terms, strict=True)))

    def text(self, variables: Sequence[str] = ()) -> str:
        """The law in the letters of its variables; without them in those of the table."""
        return self._written(variables, latex=False)

    def latex(self, variables: Sequence[str] = ()) -> str:
        """The same in LaTeX, without dollars."""
        return self._written(variables, latex=True)

    def _written(self, variables: Sequence[str], *, latex: bool) -> str:
        definition = _LAWS[self.name]
        letters = dict(zip(definition.variables, definition.variables, strict=True))
        letters |= dict(zip(definition.variables, variables, strict=False))
        return definition.write(_Symbols(letters, dict(self.fixed), latex))

    @property
    def symbols(self) -> tuple[str, ...]:
        """The `parameters` in LaTeX."""
        return tuple(_LATEX.get(name, name) for name in self.parameters)


def law(name: str, **fixed: float) -> Law:
    """A named law; an exponent given by its name is fixed at that value.

    ============ ================================================== ======================
    name         y                                                  use
    ============ ================================================== ======================
    constant     c
    power        A N^b                                              heights, widths, m_c
    corrected    A N^b + B N^(b - omega)                            corrections to scaling
    logarithm    A N^b (ln N)^k                                     marginal dimensions
    shifted      c + a N^-phi                                       c_c(N)
    approach     c + a N^-phi + b N^(-2 phi)                        c_c(N), small errors
    two_powers   A N^b d^a                                          m_c(N, d)
    line         ln A + N Delta                                     ln of nucleation times
    log_power    ln A + z ln N                                      ln of relaxation times
    divergence   ln A - y ln abs(c - c_s); lowest < c_s < highest   ln of escape times
    saturated    A/(1 + m/m_x); lowest < m_x < highest              learning rates
    level        a                                                  limits N -> infinity
    inverse      a + b / N                                          the same
    inverse_root a + b / sqrt(N)                                    the same
    spinodal     a + b / N^(2/3)                                    mean-field spinodal
    drift        a + b ln N                                         what has no limit
    ============ ================================================== ======================

    Parameters
    ----------
    name : str
        One of the table.
    **fixed : float
        Exponents held at a value; for ``divergence`` and ``saturated`` also ``lowest`` and
        ``highest``, between which the exponent is sought.

    Returns
    -------
    Law
        What `fit_law` takes.

    Raises
    ------
    physbatch.errors.AnalysisError
        For a name or an exponent that there is not.

    Examples
    --------
    >>> law("power").text(), law("shifted", phi=0.5).text()
    ('A N^b', 'c + a N^-0.5')
    >>> law("approach", phi=1.0).text(("L",))
    'c + a L^-1 + b L^-2'
    """
    bounds = _LAWS[name].bounds if name in _LAWS else {}
    known = {*bounds, *(("lowest", "highest") if _GIVEN in bounds.values() else ())}
    if name not in _LAWS or not set(fixed) <= known:
        raise AnalysisError(f"no law {name!r} with {sorted(fixed)}", remedy="see the table of law")
    return Law(name, tuple(fixed.items()))


def law_of_text(text: str) -> Law:
    """The law that a file of version 1 writes so, in the letter N; else DatasetError."""
    for written in _earlier():
        if written.text() == text:
            return written
    raise DatasetError(f"no law is written {text!r}")


def _earlier() -> Iterator[Law]:
    yield from map(law, _LAWS)
    for name in ("shifted", "approach"):
        yield from (law(name, phi=phi) for phi in (0.5, 1.0, 1.5, 2.0, 3.0))
