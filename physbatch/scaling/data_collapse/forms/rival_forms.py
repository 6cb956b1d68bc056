"""Forms that are made of another one: wider by a drift or a logarithm, or with another x."""

import ast
import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from physbatch.scaling.data_collapse.form import ScalingForm, zeta_name
from physbatch.scaling.data_collapse.forms.custom import spread_columns
from physbatch.scaling.data_collapse.forms.expressions import Formula, read
from physbatch.scaling.data_collapse.forms.formulas import Factor, FormulaForm
from physbatch.scaling.data_collapse.forms.kinds import (
    KINDS,
    POWER,
    columns_of,
    inverse_nu,
    its_name,
    length,
    log_unit,
)
from physbatch.scaling.data_collapse.forms.make import make_form
from physbatch.scaling.data_collapse.forms.parameters import Parameter
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray

#: Parameters of rivals; no formula has such names.
SHIFT, PHI, LOG_POWER, LENGTH, NU = (f"rival_{name}" for name in ("shift", "phi", "p", "L0", "nu"))
#: With one of these in x the form is no power law, but stands beside it.
_NO_POWER = frozenset({"log", "exp"})
#: x of the form of Kosterlitz and Thouless, and of a power law in the user's own formulas.
_STRETCHES = {"kt": KINDS["kt"].stretch, "custom": POWER}


def power_like(form: ScalingForm) -> bool:
    """Whether x grows as a power of the size, and not with its logarithm."""
    if not isinstance(form, FormulaForm):
        return True
    return form.kind == "log" or not form.stretch.functions & _NO_POWER


def x_is_free(form: ScalingForm) -> bool:
    """Whether x has a free parameter beside c_c."""
    if not isinstance(form, FormulaForm):
        return "nu" in form.names
    return bool(_in_x(form) & set(form.names))


def _in_x(form: FormulaForm) -> frozenset[str]:
    """Names in x beside c_c."""
    bound = form.renamed.get(form.observables[0], {})
    return frozenset(bound.get(name, name) for name in form.stretch.names) - {"c_c"}


def growth(form: ScalingForm, vector: FloatArray, table: ScalingTable) -> float:
    """The power of the size with which x grows: 1/nu; nan where x does not know c_c."""
    values = form.exponents(vector[: len(form.names)])
    if form.kind != "custom" and "nu" in values:
        return 1.0 / values["nu"]
    if "c_c" not in form.names:
        return math.nan
    where = form.rescale(vector[: len(form.names)], table, form.observables[0])
    slopes = np.abs(where.dx[form.names.index("c_c")])
    if not (np.isfinite(slopes) & (slopes > 0)).all():
        return math.nan
    return float(np.polyfit(np.log(table.size), np.log(slopes), 1)[0])


# --- wider forms: their names are those of the form, then more --------------------------


def with_drift(form: ScalingForm, table: ScalingTable) -> tuple[ScalingForm, tuple[str, str]]:
    """The form with c_c + a L^(-phi), and how a and phi are called in it."""
    if not isinstance(form, FormulaForm):
        wide = make_form(table, form.observables, fixed=form.fixed, drift=True)
        return wide, ("shift", "phi")
    moved = read("c - u*a*(L/s)**(-phi)", "drift").tree
    size = ast.Name(min(form.sizes))
    known: dict[str, ast.expr] = {"L": size, "a": ast.Name(SHIFT), "phi": ast.Name(PHI)}
    known |= {"u": ast.Constant(form.control_unit), "s": ast.Constant(form.size_unit)}
    by_control = {
        name: _substituted(moved, {**known, "c": ast.Name(name)}) for name in form.controls
    }
    stretch = Formula(form.stretch.text, "x", _substituted(form.stretch.tree, by_control))
    extra = Parameter(SHIFT, "plain", -3.0, 3.0), Parameter(PHI, "positive", -2.5, 2.0)
    wide = replace(
        form,
        stretch=stretch,
        parameters=(*form.parameters, *extra),
        names=(*form.names, SHIFT, PHI),
    )
    return wide, (SHIFT, PHI)


def with_logarithm(
    form: ScalingForm, table: ScalingTable
) -> tuple[ScalingForm, tuple[str, ...]] | None:
    """The form with a factor (ln L)^p of every observable whose scale has an exponent of its own.

    None where there is no such observable, or the form has that factor. The names are those of p.
    """
    if not isinstance(form, FormulaForm):
        if not any(name.startswith("zeta") for name in form.names):
            return None
        wide = make_form(table, form.observables, form="log", fixed=form.fixed)
        return wide, tuple(name for name in wide.names if name not in form.names)
    able = [name for name in form.observables if form.free_in_scale(name) - _in_x(form)]
    if form.kind in ("log", "free-scale") or not able:
        return None
    unit = ast.Constant(log_unit(float(table.sizes[0])))
    known = {"L": ast.Name(min(form.sizes)), "u": unit, "p": ast.Name(LOG_POWER)}
    factor = Factor(_substituted(read("log(L/u)**p", "scale").tree, known), 1)
    names = {name: its_name(LOG_POWER, form.observables, name) for name in able}
    wide = replace(
        form,
        scales={**form.scales, **{name: (*form.scales[name], factor) for name in able}},
        parameters=(*form.parameters, *(Parameter(p, "plain", -8.0, 8.0) for p in names.values())),
        renamed={
            **form.renamed,
            **{name: {**form.renamed.get(name, {}), LOG_POWER: names[name]} for name in able},
        },
        names=(*form.names, *names.values()),
    )
    return wide, tuple(names.values())


# --- another x --------------------------------------------------------------------------


def kosterlitz_thouless_form(
    form: ScalingForm, vector: FloatArray, table: ScalingTable
) -> tuple[ScalingForm, str]:
    """The form with x = (c - c_c) ln(L/L0)^2, and how L0 is called in it."""
    if isinstance(form, FormulaForm):
        new = length(LENGTH, float(table.size.min()))
        return _with_stretch(form, "kt", new, "L0", vector), LENGTH
    # Of an exponent that is held only zero has a ratio to nu that does not depend on nu.
    zetas = {name: zeta_name(form.observables, name) for name in form.observables}
    fixed = {
        its_name("zeta_over_nu", form.observables, name): 0.0
        for name, zeta in zetas.items()
        if form.fixed.get(zeta) == 0.0
    }
    made = make_form(table, form.observables, form="kt", fixed=fixed)
    return made.without_corrections(), "L0"


def power_form(form: FormulaForm, vector: FloatArray, table: ScalingTable) -> ScalingForm:
    """The power law that stands against a form without one; `table` has the values themselves."""
    critical = {name: value for name, value in form.fixed.items() if name == "c_c"}
    if form.logarithm:
        return make_form(table, form.observables, fixed=critical)
    if form.kind == "kt-helicity":  # a stiffness that is finite at c_c
        zetas = {zeta_name(form.observables, name): 0.0 for name in form.observables}
        return make_form(table, form.observables, fixed={**critical, **zetas})
    return _with_stretch(form, "custom", inverse_nu()._replace(name=NU), "nu", vector)


def _with_stretch(
    form: FormulaForm, kind: str, new: Parameter, role: str, vector: FloatArray
) -> FormulaForm:
    """Another formula for x, with one new parameter; the scale of y as it is.

    What x and the scale have in common is held at its fitted value, where the scale has parameters
    of its own: beta/nu with nu held is as free as it was.
    """
    values = form.exponents(vector[: len(form.names)])
    in_x = _in_x(form)
    in_y = frozenset().union(*(form.free_in_scale(name) for name in form.observables))
    shared = {name: values[name] for name in (in_x & in_y if in_y - in_x else ())}
    fixed = {**form.fixed, **shared}
    known = {"L": min(form.sizes), "c": min(form.controls), role: new.name}
    tree = _substituted(
        read(_STRETCHES[kind], "x").tree, {name: ast.Name(text) for name, text in known.items()}
    )
    names = [name for name in form.names if name == "c_c" or name in in_y - set(shared)]
    parameters = (*(p for p in form.parameters if p.name in names), new)
    # Those that are held are needed, too: what is fitted over them goes by their values.
    others = [p for p in form.parameters if p.name in fixed]
    columns = spread_columns if form.kind == "custom" else columns_of
    return replace(
        form,
        kind=kind,
        stretch=Formula(_STRETCHES[kind], "x", tree),
        parameters=(*parameters, *others),
        names=(*names, new.name),
        fixed=fixed,
        tried=columns(parameters, fixed),
    )


def _substituted(tree: ast.expr, known: Mapping[str, ast.expr]) -> ast.expr:
    """A tree with other trees in place of some names; those of functions stay."""
    if isinstance(tree, ast.Name):
        return known.get(tree.id, tree)
    if isinstance(tree, ast.Call):
        return ast.Call(tree.func, [_substituted(tree.args[0], known)], [])
    if isinstance(tree, ast.UnaryOp):
        return ast.UnaryOp(tree.op, _substituted(tree.operand, known))
    if isinstance(tree, ast.BinOp):
        left, right = (_substituted(side, known) for side in (tree.left, tree.right))
        return ast.BinOp(left, tree.op, right)
    return tree
