"""A form by its name, in the units of a table."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from physbatch.errors import AnalysisError
from physbatch.scaling.data_collapse.form import ScalingForm, measures_of, zeta_name
from physbatch.scaling.data_collapse.forms.custom import Custom, custom_form
from physbatch.scaling.data_collapse.forms.kinds import (
    KINDS,
    every_parameter,
    formula_form,
)
from physbatch.scaling.data_collapse.forms.power import PowerForm
from physbatch.tables.table import ScalingTable

#: The forms by their names.
FORMS = ("power", *KINDS, "custom")


def make_form(
    table: ScalingTable,
    observables: Sequence[str],
    *,
    form: str | Custom = "power",
    fixed: Mapping[str, float] | None = None,
    start: Mapping[str, float] | None = None,
    corrections: bool = False,
    drift: bool = False,
) -> ScalingForm:
    """Build a scaling form for a table.

    Parameters
    ----------
    table : ScalingTable
        The points; they set the units of the fit.
    observables : sequence of str
        Observables that share c_c and the stretch of x.
    form : str or Custom
        One of `FORMS`, or the formulas of a custom one.
    fixed : mapping, optional
        Parameters held at a value: ``c_c``, ``nu``, ``zeta`` (``zeta_OBSERVABLE`` if there
        are several), ``omega``, ``phi``.
    start : mapping, optional
        A start; a parameter that the form holds by default is fitted if it has one.
    corrections : bool
        Add N^(-omega) f1(x).
    drift : bool
        Let c_c move as c_c + a N^(-phi); power law only.

    Raises
    ------
    AnalysisError
        If there is no such form, or a parameter does not belong to it or cannot have its value.

    Examples
    --------
    >>> from physbatch.tables import make_table
    >>> table = make_table([4, 8, 8], [1, 1, 2], {"m": [1, 2, 3]}, {"m": [1, 1, 1]})
    >>> make_form(table, ["m"], form="kt").names
    ('c_c', 'L0', 'zeta_over_nu')
    """
    observables, given = tuple(observables), dict(fixed or {})
    if drift and form != "power":
        raise AnalysisError(
            "only the power law has a drift of c_c", where="collapse", remedy="use form power"
        )
    if isinstance(form, Custom):
        made = custom_form(form, table, observables, given, corrections)
        _check(given, [parameter.name for parameter in made.parameters], made)
        return made
    if form in KINDS:
        parameters = every_parameter(KINDS[form], table, observables, corrections)
        default = {p.name: p.default for p in parameters if p.default is not None}
        usual = {name: value for name, value in default.items() if name not in (start or {})}
        expressed = formula_form(
            form, table, observables, parameters, {**usual, **given}, corrections
        )
        _check(given, [parameter.name for parameter in parameters], expressed)
        return expressed
    if form != "power":
        raise _unknown(str(form))
    names = ["c_c", "nu", *(zeta_name(observables, name) for name in observables)]
    names += ["omega"] if corrections else []
    names += ["shift", "phi"] if drift else []
    power = PowerForm(
        kind="power",
        observables=observables,
        names=tuple(name for name in names if name not in given),
        fixed=given,
        corrections=corrections,
        drift=drift,
        **measures_of(table),
    )
    _check(given, names, power)
    return power


def _unknown(form: str) -> AnalysisError:
    """The refusal of a form that there is not, or that needs formulas."""
    if form == "custom":
        return AnalysisError(
            "form 'custom' without x and y",
            where="collapse",
            remedy="custom needs x and y, as in x = (c - c_c)*L**(1/nu) and y = m*L**(1/8)",
        )
    near = get_close_matches(form, FORMS, 1)
    hint = f"did you mean {near[0]}? " if near else ""
    return AnalysisError(
        f"form = {form!r}", where="collapse", remedy=f"{hint}there are {', '.join(FORMS)}"
    )


def _check(given: Mapping[str, float], names: Sequence[str], form: ScalingForm) -> None:
    """Refuse parameters that do not belong to the form or have no meaning."""
    for name, value in given.items():
        if name not in names:
            near = get_close_matches(name, names, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise AnalysisError(
                f"{name!r} cannot be fixed",
                where="collapse",
                remedy=f"{hint}choose {', '.join(names)}",
            )
        if not form.allowed(name, value):
            raise AnalysisError(
                f"{name} = {value}",
                where="collapse",
                remedy=f"give {form.allowed_text(name)}",
            )
