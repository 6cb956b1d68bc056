"""The words of a collapse: its axes, and the exponents above it."""

import math
from collections.abc import Sequence

from physbatch.plots.labels import Labels, estimate_text, plain_text
from physbatch.results.estimate import Estimate
from physbatch.scaling.data_collapse.exponent_names import EXPONENTS
from physbatch.scaling.data_collapse.result import Collapse


def parameter_symbol(labels: Labels, result: Collapse, name: str) -> str:
    """Math of a parameter of a collapse; empty for odd names."""
    if name == "c_c":
        return labels.critical(result.control_name)
    if name.endswith("_over_nu"):
        above = parameter_symbol(labels, result, name.removesuffix("_over_nu"))
        return rf"{above}/\nu" if above else ""
    greek, _, observable = name.partition("_")
    if greek in ("zeta", "beta", "gamma") and observable in result.observables:
        symbol = labels.observable_symbol(observable)
        return rf"\{greek}_{{{symbol}}}" if symbol else ""
    return result.symbol(name)


def x_label(labels: Labels, result: Collapse) -> str:
    """The scaling variable."""
    size = labels.size_symbol(result.size_name, result.size_symbol)
    control = labels.control_symbol(result.control_name)
    if result.form != "power":
        return plain_text(result.x_label)
    if size and control:
        critical = labels.critical(result.control_name) + (f"({size})" if result.drift else "")
        return rf"${size}^{{1/\nu}}\,({control} - {critical})$"
    return plain_text(f"{result.size_name}^(1/nu) ({result.control_name} - c_c)")


def y_label(labels: Labels, result: Collapse, observable: str) -> str:
    """The observable times its power of the size, which is left out where zeta is fixed at 0."""
    if result.form != "power":
        return plain_text(result.y_labels[result.observables.index(observable)])
    size = labels.size_symbol(result.size_name, result.size_symbol)
    symbol, zeta = labels.observable_symbol(observable), zeta_of(result, observable)
    named = _named(result, observable)
    if result.fixed.get(zeta) == 0.0:
        factor, plain = "", ""
    else:
        sign = "" if named and _sign(named) < 0 else "-"
        power = parameter_symbol(labels, result, named or zeta)
        factor = rf"\,{size}^{{{sign}{power or chr(92) + 'zeta'}/\nu}}"
        plain = f" {result.size_name}^({sign}{named or 'zeta'}/nu)"
    if not (size and symbol):
        return plain_text(f"{observable}{plain}")
    correction = rf" - {size}^{{-\omega}} f_1" if result.corrections else ""
    return f"${symbol}{factor}{correction}$"


def title_lines(labels: Labels, result: Collapse, observable: str, per_line: int) -> list[str]:
    """The exponents that shape the panel of an observable, and the goodness of fit."""
    others = tuple(f"_{other}" for other in result.observables if other != observable)
    named = _named(result, observable)
    parts = []
    for name, estimate in result.parameters.items():
        if name != "c_c" and name.endswith(others):
            continue
        if named and name == zeta_of(result, observable):
            name, estimate = named, result.named[named]
        parts.append(_equation(parameter_symbol(labels, result, name), name, estimate))
    if result.method == "local-linear":
        parts.append(f"$S = {result.quality:.3g}$")
    elif math.isfinite(result.chi2):
        parts.append(rf"$\chi^2/\mathrm{{dof}} = {result.chi2:.3g}/{result.dof:.3g}$")
    return [",  ".join(parts[at : at + per_line]) for at in range(0, len(parts), per_line)]


def of_equal_length(titles: Sequence[Sequence[str]]) -> list[str]:
    """Titles of panels side by side: empty lines above the shorter ones."""
    most = max(map(len, titles), default=0)
    return ["\n".join([*[""] * (most - len(lines)), *lines]) for lines in titles]


def zeta_of(result: Collapse, observable: str) -> str:
    """The exponent of an observable: ``zeta``, with its name where there are several."""
    return "zeta" if len(result.observables) == 1 else f"zeta_{observable}"


def _sign(named: str) -> float:
    """Of beta or gamma in zeta."""
    return EXPONENTS[named.partition("_")[0]]


def _named(result: Collapse, observable: str) -> str:
    """What the exponent of an observable is called besides zeta: ``beta``; empty for nothing."""
    zeta = zeta_of(result, observable)
    known = result.parameters[zeta].value if zeta in result.parameters else result.fixed.get(zeta)
    for name, estimate in result.named.items():
        kind, _, rest = name.partition("_")
        if kind not in EXPONENTS or rest == "over_nu" or rest.endswith("_over_nu"):
            continue
        alone = len(result.observables) == 1
        if alone or rest == observable or (not rest and known == _sign(name) * estimate.value):
            return name
    return ""


def _equation(symbol: str, name: str, estimate: Estimate) -> str:
    text = estimate_text(estimate)
    if not symbol:
        return f"{plain_text(name)} = {text}"
    head, _, power = text.partition("e+") if "e+" in text else text.partition("e-")
    if not power.isdigit():
        return f"${symbol} = {text}$" if math.isfinite(estimate.value) else f"${symbol}$: {text}"
    sign = "" if "e+" in text else "-"
    return rf"${symbol} = {head} \times 10^{{{sign}{int(power)}}}$"
