"""beta and gamma by name: zeta is -beta of an order parameter, +gamma of a susceptibility."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from physbatch.errors import AnalysisError
from physbatch.results.estimate import Estimate
from physbatch.scaling.data_collapse.form import zeta_name

#: Sign of zeta: m = N^(-beta/nu) f(x), chi = N^(gamma/nu) f(x).
EXPONENTS = {"beta": -1.0, "gamma": 1.0}


class NamedExponent(NamedTuple):
    """An exponent that the field calls by another name than zeta."""

    name: str
    zeta: str  # its parameter in the scaling form
    sign: float


def named_exponents(
    exponent: str | Mapping[str, str] | None, observables: Sequence[str]
) -> tuple[NamedExponent, ...]:
    """Names of the exponents zeta of some observables.

    Parameters
    ----------
    exponent : str, mapping or None
        ``"beta"`` or ``"gamma"`` for one observable, or a mapping from observables to names.
    observables : sequence of str
        The observables of the fit.

    Raises
    ------
    AnalysisError
        For another name, an unknown observable, or one name for several observables.

    Examples
    --------
    >>> named_exponents("beta", ["m"])
    (NamedExponent(name='beta', zeta='zeta', sign=-1.0),)
    >>> [x.name for x in named_exponents({"m": "beta", "chi": "gamma"}, ["m", "chi"])]
    ['beta', 'gamma']
    """
    if exponent is None:
        return ()
    if isinstance(exponent, str):
        if len(observables) > 1:
            raise AnalysisError(
                f"exponent {exponent!r} for {len(observables)} observables",
                where="collapse",
                remedy="say whose it is, as in {observable: name}, on the command line NAME=beta",
            )
        exponent = {observables[0]: exponent}
    counts = Counter(exponent.values())
    out = []
    for observable, kind in exponent.items():
        if observable not in observables:
            raise AnalysisError(
                f"no observable {observable!r} for exponent {kind!r}",
                where="collapse",
                remedy=f"choose among {', '.join(observables)}",
            )
        if kind not in EXPONENTS:
            raise AnalysisError(
                f"exponent {kind!r}", where="collapse", remedy=f"use {' or '.join(EXPONENTS)}"
            )
        name = kind if counts[kind] == 1 else f"{kind}_{observable}"
        out.append(NamedExponent(name, zeta_name(observables, observable), EXPONENTS[kind]))
    return tuple(out)


def fixed_by_name(
    fixed: Mapping[str, float] | None, named: Sequence[NamedExponent]
) -> dict[str, float]:
    """Fixed parameters of the scaling form, where beta or gamma may be fixed by name.

    Raises
    ------
    AnalysisError
        If an exponent is fixed under both of its names.
    """
    values = dict(fixed or {})
    for name, zeta, sign in named:
        if name in values:
            if zeta in values:
                raise AnalysisError(
                    f"{name} and {zeta} are both fixed",
                    where="collapse",
                    remedy="fix one of them; they are the same up to a sign",
                )
            values[zeta] = sign * values.pop(name)
    return values


def named_estimates(
    named: Sequence[NamedExponent],
    parameters: Mapping[str, Estimate],
    fixed: Mapping[str, float],
    ratios: Mapping[str, Estimate],
) -> dict[str, Estimate]:
    """The named exponents and their ratios to nu.

    Parameters
    ----------
    named : sequence of NamedExponent
        From `named_exponents`.
    parameters, fixed : mapping
        Free and fixed parameters of the form.
    ratios : mapping
        zeta/nu of every zeta.
    """
    out = {}
    for name, zeta, sign in named:
        estimate = parameters.get(zeta)
        if estimate is None:
            value = fixed[zeta]
            estimate = Estimate(value, 0.0, interval68=(value, value))
        out[name] = signed(estimate, sign)
        out[f"{name}_over_nu"] = signed(ratios[zeta], sign)
    return out


def signed(estimate: Estimate, sign: float) -> Estimate:
    """The estimate, or its negative with the interval turned round."""
    if sign > 0 or math.isnan(estimate.value):
        return estimate
    low, high = estimate.interval68
    return replace(estimate, value=-estimate.value, interval68=(-high, -low))
