"""Forms beside the power law, each by its formulas: the table of `KINDS`.

In the formulas L is the size and c the control. Parameters that each observable has for itself
get its name where there are several. The factors of ``free-scale`` are no formula: one parameter
for each size.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from itertools import product
from typing import NamedTuple

import numpy as np

from physbatch.scaling.data_collapse.form import Labels, measures_of, zeta_name
from physbatch.scaling.data_collapse.forms.expressions import Formula, read
from physbatch.scaling.data_collapse.forms.formulas import Factor, FormulaForm
from physbatch.scaling.data_collapse.forms.free_scale import FreeScaleForm, scale_factors
from physbatch.scaling.data_collapse.forms.parameters import Parameter, omega
from physbatch.scaling.data_collapse.forms.power import NU
from physbatch.tables.table import ScalingTable

#: ln(L_min/L0) of starts: the shorter L0, the less x grows with the size.
_LENGTHS = (0.35, 0.6, 1.0, 1.6, 2.5, 4.0)
#: Starts of b: what b/sqrt(half the range of the controls) is of ln(largest/smallest size), so that
#: the correlation length passes the sizes within the controls; and the ln of its bounds.
_ESSENTIAL = (0.25, 0.5, 1.0, 2.0, 4.0)
_MOST_ESSENTIAL = 3.0
#: ln(L_min/L0) where a form has an L0 in its corrections alone.
_LOG_LENGTH = 1.6
#: zeta/nu of starts where a background hides the slope of ln|y|.
_RATIOS = (-0.5, 0.0, 0.25, 0.5, 1.0)


class Kind(NamedTuple):
    """A form by its formulas.

    Attributes
    ----------
    stretch, scale : str
        x, and the scale of y.
    labels : Labels
        Axes of the scaling plot, with {L}, {c} and {y} for their names.
    parameters : callable
        The parameters beside c_c, from the table.
    terms : tuple of str
        Free backgrounds.
    logarithm : bool
        Whether ln y scales.
    falling : str
        Corrections to scaling go as this to the power -omega.
    corrected : bool
        Whether there always are corrections, with omega held at 1: those in 1/ln L of theory.
    """

    stretch: str
    scale: str
    labels: Labels
    parameters: Callable[[ScalingTable], tuple[Parameter, ...]]
    terms: tuple[str, ...] = ()
    logarithm: bool = False
    falling: str = "L"
    corrected: bool = False


def c_c() -> Parameter:
    """The critical control, within the measured ones."""
    return Parameter("c_c", "control", -0.55, 0.55)


def length(name: str, size_min: float) -> Parameter:
    """A length below the smallest size, in which logarithms are measured."""
    tries = tuple(size_min * math.exp(-distance) for distance in _LENGTHS)
    return Parameter(name, "below", math.log(0.25), math.log(8.0), tries, size_min)


def inverse_nu() -> Parameter:
    """nu, by ln 1/nu."""
    return Parameter("nu", "inverse", -3.0, 3.0, tuple(map(float, NU)))


def _exponent(name: str) -> Parameter:
    return Parameter(name, "plain", -8.0, 8.0, each=True)


def _zeta() -> Parameter:
    return _exponent("zeta")._replace(over="nu")


def _kt(table: ScalingTable) -> tuple[Parameter, ...]:
    return (length("L0", table.sizes[0]), _exponent("zeta_over_nu"))


def _helicity(table: ScalingTable) -> tuple[Parameter, ...]:
    return (length("L0", table.sizes[0]),)


def _essential(table: ScalingTable) -> tuple[Parameter, ...]:
    sizes = table.sizes
    unit = math.sqrt(0.5 * float(np.ptp(table.control))) * math.log(sizes[-1] / sizes[0])
    tries = tuple(unit * part for part in _ESSENTIAL)
    return (
        Parameter("b", "positive", -_MOST_ESSENTIAL, _MOST_ESSENTIAL, tries, unit),
        _exponent("zeta_over_nu"),
        length("L0", sizes[0])._replace(default=sizes[0] * math.exp(-_LOG_LENGTH)),
    )


def log_unit(size_min: float) -> float:
    """The size in which a logarithm of sizes is measured by default."""
    return 1.0 if size_min > 1.2 else 0.5 * size_min


def _logarithms(table: ScalingTable) -> tuple[Parameter, ...]:
    size_min = table.sizes[0]
    return (
        inverse_nu(),
        _zeta(),
        _exponent("p")._replace(tries=(0.0,)),
        Parameter("phat", "plain", -8.0, 8.0, (0.0,), default=0.0),
        length("L0", size_min)._replace(default=log_unit(size_min)),
    )


def _additive(table: ScalingTable) -> tuple[Parameter, ...]:
    return (inverse_nu(), _zeta()._replace(tries=_RATIOS, default=0.0))


def _activated(table: ScalingTable) -> tuple[Parameter, ...]:
    return (inverse_nu(), _exponent("psi"))


def _factors(table: ScalingTable) -> tuple[Parameter, ...]:
    return (inverse_nu(), *scale_factors(table.sizes))


def _background(table: ScalingTable) -> tuple[Parameter, ...]:
    nu = inverse_nu()
    return (nu._replace(tries=nu.tries[::2]), _zeta()._replace(tries=_RATIOS))


#: x of a power law.
POWER = "(c - c_c)*L**(1/nu)"
_POWER_LABEL = "{L}^(1/nu) ({c} - c_c)"
_KT = "(c - c_c)*log(L/L0)**2"
_LOGARITHM = "log(L/L0)"
_KT_LABEL = "({c} - c_c) ln({L}/L0)^2"

#: The forms that are built of formulas, by their names.
KINDS: Mapping[str, Kind] = {
    "kt": Kind(
        _KT,
        "L**zeta_over_nu",
        Labels(_KT_LABEL, "{y} {L}^(-zeta/nu)"),
        _kt,
        falling=_LOGARITHM,
        corrected=True,
    ),
    "essential": Kind(
        "sign(c - c_c)*L*exp(-b/sqrt(abs(c - c_c)))",
        "L**zeta_over_nu",
        Labels(
            "sign({c} - c_c) {L} exp(-b/|{c} - c_c|^(1/2))",
            "{y} {L}^(-zeta/nu)",
        ),
        _essential,
        falling=_LOGARITHM,
        corrected=True,
    ),
    "kt-helicity": Kind(
        _KT,
        "1 + 0.5/log(L/L0)",
        Labels(_KT_LABEL, "{y}/[1 + 1/(2 ln({L}/L0))]"),
        _helicity,
        falling=_LOGARITHM,
        corrected=True,
    ),
    "log": Kind(
        "(c - c_c)*L**(1/nu)*log(L/L0)**phat",
        "L**(zeta/nu)*log(L/L0)**p",
        Labels("{L}^(1/nu) ln({L}/L0)^phat ({c} - c_c)", "{y} {L}^(-zeta/nu) ln({L}/L0)^(-p)"),
        _logarithms,
    ),
    "log-additive": Kind(
        POWER,
        "L**(zeta/nu)",
        Labels(_POWER_LABEL, "({y} - a ln {L}) {L}^(-zeta/nu)"),
        _additive,
        ("constant", "log"),
    ),
    "activated": Kind(
        POWER, "L**psi", Labels(_POWER_LABEL, "ln({y}) {L}^(-psi)"), _activated, logarithm=True
    ),
    "background": Kind(
        POWER,
        "L**(zeta/nu)",
        Labels(_POWER_LABEL, "[{y} - b({c})] {L}^(-zeta/nu)"),
        _background,
        ("constant", "linear"),
    ),
    "offset": Kind(
        POWER,
        "L**(zeta/nu)",
        Labels(_POWER_LABEL, "[{y} - {y}(c_c)] {L}^(-zeta/nu)"),
        _additive,
        ("size",),
    ),
    "free-scale": Kind(POWER, "1", Labels(_POWER_LABEL, "{y}/s({L})"), _factors),
}


def every_parameter(
    kind: Kind, table: ScalingTable, observables: tuple[str, ...], corrections: bool
) -> tuple[Parameter, ...]:
    """c_c and the parameters of a kind, those of each observable under their own names."""
    out = [c_c()]
    for parameter in kind.parameters(table):
        if parameter.each:
            names = (its_name(parameter.name, observables, name) for name in observables)
            out += [parameter._replace(name=name) for name in names]
        else:
            out.append(parameter)
    if corrections or kind.corrected:
        out.append(omega()._replace(default=1.0 if kind.corrected else None))
    return tuple(out)


def its_name(name: str, observables: tuple[str, ...], observable: str) -> str:
    """Name of a parameter of one of the observables."""
    return zeta_name(observables, observable).replace("zeta", name, 1)


def columns_of(
    parameters: Iterable[Parameter], fixed: Mapping[str, float]
) -> list[dict[str, float]]:
    """All combinations of the values that starts try, over parameters that are not held."""
    tried = [p for p in parameters if p.tries and p.name not in fixed]
    out = []
    for values in product(*(parameter.tries for parameter in tried)):
        column = dict(zip((parameter.name for parameter in tried), values, strict=True))
        for parameter in tried:
            if parameter.over:
                column[parameter.name] *= column.get(parameter.over, fixed.get(parameter.over, 1.0))
        out.append(column)
    return out


def factors(formula: Formula) -> tuple[Factor, ...]:
    """A formula as a scale of one factor."""
    return (Factor(formula.tree, 1),)


def formula_form(
    name: str,
    table: ScalingTable,
    observables: tuple[str, ...],
    parameters: tuple[Parameter, ...],
    fixed: Mapping[str, float],
    corrections: bool,
) -> FormulaForm:
    """The form of a kind, in the units of a table."""
    kind = KINDS[name]
    words = {"L": table.size_name, "c": table.control_name}
    texts = {
        observable: Labels(*(text.format(y=observable, **words) for text in kind.labels))
        for observable in observables
    }
    each = [parameter.name for parameter in kind.parameters(table) if parameter.each]
    scale = factors(read(kind.scale, "scale"))
    made = FreeScaleForm if kind.parameters is _factors else FormulaForm
    return made(
        kind=name,
        observables=observables,
        names=tuple(p.name for p in parameters if p.name not in fixed),
        fixed=fixed,
        **measures_of(table),
        corrections=corrections or kind.corrected,
        parameters=parameters,
        stretch=read(kind.stretch, "x"),
        falling=read(kind.falling, "corrections"),
        scales=dict.fromkeys(observables, scale),
        sizes=frozenset({"L"}),
        controls=frozenset({"c"}),
        axes_texts=texts,
        tried=columns_of(parameters, fixed),
        renamed={
            observable: {base: its_name(base, observables, observable) for base in each}
            for observable in observables
        },
        terms=kind.terms,
        logarithm=kind.logarithm,
    )
