"""The words and symbols on the axes, in one place."""

import math
import re
from collections.abc import Iterable, Mapping

import xarray as xr

from physbatch.dataset import CONTROL_DIMS, plural
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag, flag_names
from physbatch.results.render import math_symbol
from physbatch.scaling.transition.result import Analysis

OVERLAP_LABEL = "overlap $q$"
SUCCESS_LABEL = "success probability $P$"

_CONTROLS = {"batch_size": ("mini-batch size", "m"), "batch_ratio": ("batch ratio", "m / N")}
_SIZES = {"size": "N"}

#: Observables of `physbatch.scaling.sample_moments`.
_OBSERVABLES = {
    "mean": "mean order parameter",
    "mean_abs": "mean modulus of the order parameter",
    "variance": "variance of the order parameter",
    "susceptibility": r"susceptibility $\chi$",
    "susceptibility_abs": r"susceptibility $\chi$ (modulus)",
    "binder": "Binder cumulant $U$",
    "binder_abs": r"$\langle q^2 \rangle / \langle |q| \rangle^2$",
    "binder_ratio": r"$\langle q^2 \rangle^2 / \langle q^4 \rangle$",
    "second_moment": r"$\langle q^2 \rangle$",
    "fourth_moment": r"$\langle q^4 \rangle$",
}


_SYMBOL = re.compile(r"\$([^$]+)\$(\s*[(\[].*)?$")  # at the end of a label, before its unit
_TYPESET = {"N -> infinity": r"N \to \infty"}
_SYMBOLS = re.compile(r"N -> infinity|m_[cs]|1/N|[dK] = \d+|[\d.]+ d\^2")
_TOKEN = re.compile(r"\\?[A-Za-z]+|.")


def math_in(text: str) -> str:
    """Math of a label, without dollar signs: all of it, what ends it, or a single letter.

    Examples
    --------
    >>> math_in("temperature $T$ (K)"), math_in("beta"), math_in("x"), math_in("overlap")
    ('T', '\\\\beta', 'x', '')
    """
    written = _SYMBOL.search(text)
    if written:
        return written[1]
    symbol = math_symbol(text)
    return symbol if _TOKEN.fullmatch(symbol) and (len(text) == 1 or "\\" in symbol) else ""


def with_index(symbol: str, index: str) -> str:
    """A symbol with a lower index, in brackets where it is more than a letter.

    Examples
    --------
    >>> with_index("T", "c"), with_index("m / N", "c")
    ('T_c', '(m / N)_c')
    """
    alone = _TOKEN.fullmatch(symbol) or symbol.startswith(("(", r"\mathrm{"))
    return f"{symbol}_{index}" if alone else f"({symbol})_{index}"


class Labels:
    """Words and symbols of sizes, controls and observables, with those that the user gave.

    Parameters
    ----------
    given : mapping of str to str
        Texts for ``size``, ``control`` and ``observable``, and for variables by name.

    Examples
    --------
    >>> labels = Labels({"control": "temperature $T$", "U": "$U_4$"})
    >>> labels.control("x"), labels.critical("x"), labels.observable("U")
    ('temperature $T$', 'T_c', '$U_4$')
    """

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = dict(given)

    def _of(self, role: str, name: str) -> str:
        """The text of the user for a variable; empty where there is none."""
        return self._given.get(name) or self._given.get(role, "")

    def size_symbol(self, name: str = "N", own: str = "") -> str:
        """Math of the size, without dollar signs; empty where it has words alone."""
        given = self._of("size", name)
        return math_in(given) if given else own or _SIZES.get(name, math_symbol(name))

    def size_value(self, name: str, size: float, own: str = "") -> str:
        """``N = 50`` as math."""
        symbol = self.size_symbol(name, own)
        words = self._of("size", name) or name
        return f"${symbol} = {size:g}$" if symbol else f"{plain_text(words)} = {size:g}"

    def size(self, name: str = "N") -> str:
        """The axis of sizes: volumes, linear sizes, or what a column calls them."""
        given = self._of("size", name)
        if given:
            return _written(given)
        known = {"N": "size $N$", "L": "linear size $L$", "size": "size $N$"}
        return known.get(name) or plain_text(name)

    def control(self, name: str, own: str = "") -> str:
        """Words and symbol of a control; `own` is what a foreign dataset calls it."""
        given = self._of("control", name)
        if given:
            return _written(given)
        if name in _CONTROLS:
            words, symbol = _CONTROLS[name]
            return f"{words} ${symbol}$"
        return plain_text(own) if own else math_or_text(math_symbol(name), name)

    def control_symbol(self, name: str) -> str:
        """Math of a control without dollar signs; empty where it has words alone."""
        given = self._of("control", name)
        if given:
            return math_in(given)
        return _CONTROLS[name][1] if name in _CONTROLS else math_symbol(name)

    def critical(self, name: str) -> str:
        """Math of the critical control, without dollar signs."""
        return with_index(self.control_symbol(name) or "c", "c")

    def critical_axis(self, name: str) -> str:
        """Words and symbol of the critical control."""
        words = _CONTROLS.get(name, ("control",))[0] if not self._of("control", name) else "control"
        return f"critical {words} ${self.critical(name)}$"

    def observable(self, name: str, own: str = "") -> str:
        """Words and symbol of an observable; the name itself of one that is not known."""
        given = self._of("observable", name)
        if given:
            return _written(given)
        return own or _OBSERVABLES.get(name) or math_or_text(math_symbol(name), name)

    def observable_symbol(self, name: str) -> str:
        """Math of an observable without dollar signs; empty where it has words alone."""
        given = self._of("observable", name)
        return math_in(given) if given else math_symbol(name)

    def order_parameter(self, analysis: Analysis) -> str:
        """Words and symbol of what has the two peaks."""
        usual = OVERLAP_LABEL if analysis.observable == "overlap" else ""
        return self.observable(analysis.observable, usual)

    def critical_mark(self, analysis: Analysis) -> tuple[Estimate, str]:
        """The critical control to mark, and its text: the limit, else that of the largest size."""
        letter = self.size_symbol() or "N"
        estimate, of = analysis.m_c, rf"{letter} \to \infty"
        largest = analysis.largest_known
        if largest is not None and not math.isfinite(estimate.value):
            estimate, of = largest.m_c, f"{letter} = {largest.size:g}"
        symbol = self.critical(analysis.control_name)
        return estimate, f"${of}$: ${symbol} = {estimate_text(estimate)}$"

    def cell(self, data: xr.Dataset) -> str:
        """Size, control and run time that were selected, as far as they were."""
        parts = []
        if "size" in data.coords and data["size"].ndim == 0:
            parts.append(self.size_value("N", float(data["size"])))
        for name in CONTROL_DIMS:
            if name in data.coords and data[name].ndim == 0:
                symbol = self.control_symbol(name)
                value = f"{float(data[name]):g}"
                parts.append(f"${symbol} = {value}$" if symbol else f"{plain_text(name)} = {value}")
                break
        if "time" in data.coords and data["time"].ndim == 0:
            parts.append(f"$t = {float(data['time']):g}$")
        return ",  ".join(parts)


def typeset(words: str) -> str:
    """Words of a theory with their symbols as math.

    Examples
    --------
    >>> typeset("m_c, N -> infinity")
    '$m_c$, $N \\\\to \\\\infty$'
    """
    return _SYMBOLS.sub(lambda found: f"${_TYPESET.get(found[0], found[0])}$", words)


def _written(given: str) -> str:
    """A text of the user on one line: as it is where it holds math, a letter as math."""
    if given.count("$") >= 2:
        return " ".join(given.split())
    symbol = math_in(given)
    return f"${symbol}$" if symbol else plain_text(given)


def math_or_text(symbol: str, name: str) -> str:
    """The symbol in math, or the name where there is none."""
    return f"${symbol}$" if symbol else plain_text(name)


def time_label_of(units: str) -> str:
    """The run time with its unit."""
    return f"run time $t${unit_text(units)}"


def unit_text(units: str) -> str:
    """A unit of time in brackets, in the plural; the schema stores the singular."""
    return f" ({plain_text(plural(units))})" if units else ""


def estimate_text(estimate: Estimate) -> str:
    """The estimate as ``13.04(5)``, or words where there is none."""
    return str(estimate) if math.isfinite(estimate.value) else "not resolved"


def flag_words(flags: Iterable[Flag]) -> str:
    """The names of some flags in words, to stand above a panel."""
    return plain_text(", ".join(flag_names(flags)).replace("_", " "))


def plain_text(text: str) -> str:
    """Text from a file on one line, safe from being read as math."""
    return " ".join(text.split()).replace("$", r"\$")
