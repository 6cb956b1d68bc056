"""The form of scaling: units of the fit, and which sizes share x."""

from __future__ import annotations

import numpy as np
import pytest

from physbatch.scaling.data_collapse.form import shared_fraction
from physbatch.scaling.data_collapse.forms import make_form
from tests.unit.scaling.data_collapse.test_methods import planted


@pytest.mark.parametrize("options", [{}, {"corrections": True}, {"drift": True}])
def test_fit_vectors_and_exponents_translate_both_ways(options: dict[str, bool]) -> None:
    form = make_form(planted(1), ["m"], **options)
    values = {"c_c": 0.97, "nu": 1.3, "zeta": -0.12, "omega": 1.1, "shift": 0.03, "phi": 0.8}
    back = form.exponents(form.vector(values))
    for name in form.names:
        assert back[name] == pytest.approx(values[name], rel=1e-12)


def test_shared_fraction() -> None:
    size = np.repeat([1.0, 2.0], 5)
    assert shared_fraction(size, np.tile(np.arange(5.0), 2)) == 1
    assert shared_fraction(size, np.arange(10.0)) == 0
