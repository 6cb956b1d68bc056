"""Arguments of `collapse`: what may be asked for, and what goes with what."""

import math
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn, TypedDict

import numpy as np

from physbatch.errors import AnalysisError
from physbatch.results.flag import Flag
from physbatch.results.flags import CORRELATED_POINTS
from physbatch.scaling.data_collapse.exponent_names import NamedExponent
from physbatch.scaling.data_collapse.form import ScalingForm
from physbatch.scaling.data_collapse.forms.custom import Custom
from physbatch.scaling.statistics.point_noise import correlated_covariance
from physbatch.tables.binning import binned
from physbatch.tables.columns import Names, listed
from physbatch.tables.make import checked
from physbatch.tables.read import read_table
from physbatch.tables.table import ScalingTable

#: Errors that each method has, its usual ones first.
_ERRORS = {
    "gp": ("likelihood", "profile", "bootstrap", "posterior"),
    "spline": ("likelihood",),
    "polynomial": ("likelihood",),
    "local-linear": ("bootstrap", "quality"),
}
#: Least and largest orders of polynomials.
_ORDERS = {"n1": (1, 30), "n2": (0, 4), "m": (1, 6), "n3": (0, 2)}
#: A fit of c_c, nu and zeta leaves something of as many points.
_LEAST_POINTS = 8
#: Most points of a Gaussian process, whose cost grows as their cube; more are averaged.
_MOST_POINTS = 1000


class CollapseOptions(TypedDict, total=False):
    """What else `collapse` may be told.

    Attributes
    ----------
    drift : bool
        Let c_c(N) = c_c + shift N^(-phi).
    window : {"scan", "all"}
        Scan windows and state total errors (the default); or trust the form, take all points,
        and state statistical errors alone.
    start : mapping
        One more start. The answer does not depend on it.
    seed : int
        Seed of bootstrap and posterior, by default 0.
    form : str
        The form of scaling, one of `physbatch.scaling.data_collapse.FORMS`: ``power`` (the
        default), ``kt``, ``essential``, ``kt-helicity``, ``log``, ``log-additive``,
        ``activated``, ``background``, ``offset``, ``free-scale`` or ``custom``.
    x, y : str
        Formulas of a custom form: the scaling variable, and what falls onto one curve, as in
        ``x="(T - c_c)*log(L/L0)**2"`` and ``y="m*L**(1/8)"``; for several observables y is a list.
    size, control, error : str or int
        Columns of data that are no table yet, as in `physbatch.read_table`.
    orders : mapping
        Orders of method polynomial that are held, ``n1``, ``n2`` or ``m``, as in ``{"n2": 1}``;
        the others are averaged. n2 above 0 has corrections to scaling, and states omega; ``n3``
        adds a second irrelevant field with an exponent of its own.
    """

    drift: bool
    window: str
    start: Mapping[str, float] | None
    seed: int
    form: str
    x: str | None
    y: str | Sequence[str] | None
    orders: Mapping[str, float] | None
    size: str | int | None
    control: str | int | None
    error: Names


def check_names(options: CollapseOptions) -> None:
    """TypeError for a name that is no option."""
    for name in options:
        if name not in CollapseOptions.__annotations__:
            every = ("exponent", "fixed", "corrections", "method", "errors")
            near = get_close_matches(name, [*every, *CollapseOptions.__annotations__])
            hint = f", did you mean {' or '.join(near)}?" if near else ""
            raise TypeError(f"collapse() got an unexpected keyword argument {name!r}{hint}")


def table_of(
    data: ScalingTable | Any, observable: Names, options: CollapseOptions
) -> tuple[ScalingTable, Names]:
    """A table, or the one that a file or data in memory hold, and the observables of it."""
    size, control, error = options.get("size"), options.get("control"), options.get("error")
    if not isinstance(data, ScalingTable):
        read = read_table(data, size=size, control=control, observable=observable, error=error)
        return read, None
    columns = {"size": size, "control": control, "error": error}
    given = [role for role, name in columns.items() if name is not None]
    if given:
        raise AnalysisError(
            f"{' and '.join(given)} given for a table, which has them",
            where="collapse",
            remedy="leave them out; they are for files and data frames",
        )
    return data, observable


def scaling_of(options: CollapseOptions) -> str | Custom:
    """The form that is asked for, by name or by formulas."""
    form, x, y = options.get("form", "power"), options.get("x"), options.get("y")
    if x is None and y is None:
        return form
    if x is None or y is None or form not in ("power", "custom"):
        raise AnalysisError(
            f"form {form!r} with {'x' if y is None else 'y' if x is None else 'x and y'}",
            where="collapse",
            remedy="give both x and y, and form custom",
        )
    return Custom(x, y)


def check_named(form: ScalingForm, named: Sequence[NamedExponent]) -> None:
    every = {*form.names, *form.fixed}
    for name, zeta, _ in named:
        if not {zeta, "nu"} <= every:
            raise AnalysisError(
                f"form {form.kind!r} has no {name}",
                where="collapse",
                remedy=f"its parameters are {', '.join([*form.names, *form.fixed])}",
            )


def observables_of(table: ScalingTable, observable: Names) -> tuple[str, ...]:
    if observable is None:
        return table.observables
    names = tuple(map(str, listed(observable)))
    for name in names:
        if name not in table.values:
            raise AnalysisError(
                f"no observable {name!r}",
                where="collapse",
                remedy=f"choose among {', '.join(table.observables)}",
            )
    return names


def check_methods(method: str, errors: str | None, *, plain: bool) -> str:
    """The method of the errors, if it goes with that of the fit."""

    def refuse(what: str, remedy: str) -> NoReturn:
        raise AnalysisError(what, where="collapse", remedy=remedy)

    if method not in _ERRORS:
        refuse(f"method = {method!r}", f"use {', '.join(_ERRORS)}")
    every = tuple(dict.fromkeys(name for names in _ERRORS.values() for name in names))
    if errors is not None and errors not in every:
        refuse(f"errors = {errors!r}", f"use {', '.join(every)}")
    if errors is not None and errors not in _ERRORS[method]:
        others = [name for name, kinds in _ERRORS.items() if errors in kinds]
        refuse(
            f"errors = {errors!r} with method {method!r}",
            f"use method {' or '.join(others)}, or errors {' or '.join(_ERRORS[method])}",
        )
    if method == "local-linear" and not plain:
        refuse(
            "method 'local-linear' has neither corrections to scaling nor a drift nor another form",
            "use method gp, spline or polynomial",
        )
    return errors or _ERRORS[method][0]


def orders_of(options: CollapseOptions, method: str, *, corrections: bool) -> dict[str, int]:
    """The orders of polynomials that are held."""

    def refuse(what: str, remedy: str) -> NoReturn:
        raise AnalysisError(what, where="collapse", remedy=remedy)

    orders: dict[str, int] = {}
    for name, order in (options.get("orders") or {}).items():
        if method != "polynomial":
            refuse(f"order {name} with method {method!r}", "use method polynomial")
        if name not in _ORDERS:
            refuse(f"no order {name!r}", f"use {', '.join(_ORDERS)}")
        low, high = _ORDERS[name]
        if not (low <= order <= high and order == int(order)):
            refuse(f"{name} = {order:g}", f"give a whole number from {low} to {high}")
        orders[name] = int(order)
    if corrections and orders.get("n2") == 0:
        refuse("n2 = 0 has no corrections to scaling", "ask for n2 = 1, or for no corrections")
    if orders.get("n3") and orders.setdefault("n2", 1) == 0:
        refuse("n3 without n2: a second irrelevant field without a first", "ask for n2 = 1")
    return orders


def checked_table(table: ScalingTable, names: Sequence[str]) -> ScalingTable:
    """The table of these observables, sorted and short; refuse what no collapse can come from."""
    table = checked(table.only(*names), minimum_points=_LEAST_POINTS, where="collapse")
    if np.ptp(table.control) == 0:
        raise AnalysisError(
            f"all points are at {table.control_name} = {table.control[0]:g}",
            where="collapse",
            remedy="give several controls on both sides of the transition",
        )
    return binned(table, _MOST_POINTS)


def check_start(form: ScalingForm, start: Mapping[str, float] | None) -> None:
    for name, value in (start or {}).items():
        if name not in form.names or not form.allowed(name, value):
            known = name in form.names
            remedy = form.allowed_text(name) if known else f"starts of {', '.join(form.names)}"
            raise AnalysisError(
                f"start {name} = {value}", where="collapse", remedy=f"give {remedy}"
            )


def point_noise_flags(table: ScalingTable, names: Sequence[str]) -> tuple[Flag, ...]:
    """Flags of the observables whose points visibly move together."""
    flags = []
    for name in names:
        if name in table.covariance:
            continue
        matrix, rough = correlated_covariance(table, name)
        if matrix is not None:
            flags.append(
                CORRELATED_POINTS(
                    f"neighbouring points of {name} scatter only "
                    f"{math.sqrt(rough):.2g} of their errors about each other, so the errors of "
                    "the fit are those of points that move together; give a covariance, or smaller "
                    "errors if these are too large"
                )
            )
    return tuple(flags)
