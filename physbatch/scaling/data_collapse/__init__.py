"""Data collapse: exponents from the demand that all sizes fall on one curve.

`collapse` is all that most need. Its steps are here for those who build on them: the form of
scaling with its units (`make_form`), the starts and the optima to which they lead
(`global_optima`), the fit in each window (`scan`) and that which is reported (`settle`), all of
it in order (`search_globally`), errors (`uncertainties_of`), and the result (`conclude`).

>>> import numpy as np
>>> from physbatch.scaling.data_collapse import collapse
>>> from physbatch.tables import make_table
>>> size, control = np.repeat([8, 16, 32], 15), np.tile(np.linspace(0.9, 1.1, 15), 3)
>>> value = np.tanh(size * (control - 1)) + 0.01 * np.sin(37.0 * np.arange(45))
>>> table = make_table(size, control, {"U": value}, {"U": np.full(45, 0.01)})
>>> result = collapse(table, fixed={"zeta": 0.0}, window="all")
>>> abs(result.parameters["nu"].value - 1.0) < 0.1
True
"""

from physbatch.scaling.data_collapse.form import ScalingForm
from physbatch.scaling.data_collapse.forms import (
    FORMS,
    Custom,
    FormEvidence,
    form_evidence,
    make_form,
)
from physbatch.scaling.data_collapse.intervals import Uncertainties
from physbatch.scaling.data_collapse.methods import (
    CollapseOptions,
    by_polynomial,
    by_spline,
    collapse,
)
from physbatch.scaling.data_collapse.optimum import (
    Objective,
    Optimum,
    climb,
    hyper_names,
    newton,
    units_of,
)
from physbatch.scaling.data_collapse.outcome import conclude
from physbatch.scaling.data_collapse.quality import collapse_quality, quality_of
from physbatch.scaling.data_collapse.result import (
    Collapse,
    CollapsedPoints,
    MasterCurve,
    WindowFit,
)
from physbatch.scaling.data_collapse.search import Search, search_globally
from physbatch.scaling.data_collapse.starts import Optima, global_optima
from physbatch.scaling.data_collapse.uncertainties import bootstrap, posterior, uncertainties_of
from physbatch.scaling.data_collapse.windows import Fit, Window, scan, settle

__all__ = [
    "FORMS",
    "Collapse",
    "CollapseOptions",
    "CollapsedPoints",
    "Custom",
    "Fit",
    "FormEvidence",
    "MasterCurve",
    "Objective",
    "Optima",
    "Optimum",
    "ScalingForm",
    "Search",
    "Uncertainties",
    "Window",
    "WindowFit",
    "bootstrap",
    "by_polynomial",
    "by_spline",
    "climb",
    "collapse",
    "collapse_quality",
    "conclude",
    "form_evidence",
    "global_optima",
    "hyper_names",
    "make_form",
    "newton",
    "posterior",
    "quality_of",
    "scan",
    "search_globally",
    "settle",
    "uncertainties_of",
    "units_of",
]
