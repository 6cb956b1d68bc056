"""Formulas of users: what names stand for, and which y can be fitted."""

from __future__ import annotations

import numpy as np
import pytest

from physbatch.errors import AnalysisError
from physbatch.scaling.data_collapse.forms import Custom, make_form
from physbatch.tables.table import ScalingTable


def table(size_name: str = "L", control: str = "temperature", *names: str) -> ScalingTable:
    values = {name: np.arange(1.0, 7.0) for name in names or ("m",)}
    return ScalingTable(
        np.repeat([8.0, 16.0], 3),
        np.tile([0.9, 1.0, 1.1], 2),
        values,
        values,
        size_name=size_name,
        control_name=control,
    )


@pytest.mark.parametrize(
    ("data", "x", "y", "names"),
    [
        (table(), "(c - c_c)*L**a", "m*L**b", ("c_c", "a", "b")),
        (table(), "(temperature - temperature_c)*N**a", "y/L**b", ("c_c", "a", "b")),
        (table("L", "T"), "(T - T_c)*log(L/L0)**2", "m*L**(1/8)", ("c_c", "L0")),
        (table("L", "T"), "(T - c_c)*L", "2*m/L", ("c_c",)),
        (table("width", "T"), "(T - c_c)*width**a", "L*m", ("c_c", "a")),
        # A column takes the name from the usual meaning.
        (table("L", "N"), "(N - N_c)*L**a", "m", ("c_c", "a")),
        (table("L", "y"), "(y - c_c)*L**a", "-m*(L*2)**b/3", ("c_c", "a", "b")),
    ],
)
def test_names(data: ScalingTable, x: str, y: str, names: tuple[str, ...]) -> None:
    assert make_form(data, ["m"], form=Custom(x, y)).names == names


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        ("c*L**a", "m + L", "nothing else: 'm [+] L'"),
        ("c*L**a", "(m - b)*L", "nothing else: 'm - b' in"),
        ("c*L**a", "m**2", "nothing else"),
        ("c*L**a", "L/m", "nothing else: 'L/m'"),
        ("c*L**a", "m*m", "nothing else"),
        ("c*L**a", "exp(m)", "nothing else"),
        ("c*L**a", "m*c**b", r"may not depend on the control \(c\): 'c[*][*]b' in"),
        ("c*L**a", "L**b", "no observable in 'L[*][*]b'"),
        ("m*c", "m", r"may not depend on an observable \(m\)"),
        ("L**a", "m", "does not depend on the control"),
        ("c*L", "m", "no parameter"),
        ("(temperatur - c_c)*L", "m", "does not depend on the control"),
        ("(c - c_c)*L*temperatur", "m", "did you mean temperature"),
        ("(c - c_c)*L", ["m", "m*L"], "m is not fitted, or twice"),
    ],
)
def test_what_cannot_be_fitted_is_refused(x: str, y: str, words: str) -> None:
    with pytest.raises(AnalysisError, match=words):
        make_form(table(), ["m"], form=Custom(x, y))


def test_each_observable_needs_its_y() -> None:
    data = table("L", "T", "m", "chi")
    x = "(T - c_c)*L**a"
    with pytest.raises(AnalysisError, match="no y for chi"):
        make_form(data, ["m", "chi"], form=Custom(x, "m*L**b"))
    with pytest.raises(AnalysisError, match="2 observables in"):
        make_form(data, ["m", "chi"], form=Custom(x, "m*chi"))
    with pytest.raises(AnalysisError, match="chi is not fitted"):
        make_form(data, ["m"], form=Custom(x, "chi"))
    form = make_form(data, ["m", "chi"], form=Custom(x, ["chi/L**g", "m*L**b"]))
    assert form.names == ("c_c", "a", "b", "g")


def test_starts_stand_in_the_whole_range_with_the_middle_in_the_middle() -> None:
    form = make_form(table(), ["m"], form=Custom("(c - c_c)*L**a", "m*L**b"))
    columns = form.columns()
    assert columns[len(columns) // 2] == {"a": 0.0, "b": 0.0}
    for name in ("a", "b"):
        spread = np.sort([column[name] for column in columns])
        assert spread[0] < -2.8
        assert spread[-1] > 2.8
        assert np.diff(spread).max() < 0.35
    alone = make_form(table(), ["m"], form=Custom("(c - c_c)*L", "m"))
    assert alone.columns() == [{}]
