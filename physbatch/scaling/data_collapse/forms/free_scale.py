"""A plain master curve: every size has a factor of its own, and no power of the size is assumed.

.. math:: y_N(c) = s_N f(N^{1/\\nu} (c - c_c))

Factors are relative to that of the smallest size, which is 1: the curve takes up a common one.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from physbatch.errors import AnalysisError
from physbatch.scaling.data_collapse.form import Levels, Rescaled
from physbatch.scaling.data_collapse.forms.expressions import Dual
from physbatch.scaling.data_collapse.forms.formulas import FormulaForm
from physbatch.scaling.data_collapse.forms.parameters import Parameter
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray

#: ln of the largest factor between sizes.
_MOST = 30.0
#: Part of the typical value of a size below which a value near c_c is no start for its factor.
_SMALL = 0.03
#: With fewer points a factor fits what it is to be compared with.
_LEAST_POINTS = 3


def _factor(size: float) -> str:
    """Name of the factor of a size, which reads back exactly."""
    return f"s_{size!r}".removesuffix(".0")


def scale_factors(sizes: FloatArray) -> tuple[Parameter, ...]:
    """The factor of every size; that of the smallest is held at 1.

    Examples
    --------
    >>> [(factor.name, factor.default) for factor in scale_factors(np.array([8.0, 16.0]))]
    [('s_8', 1.0), ('s_16', None)]
    """
    return tuple(
        Parameter(_factor(size), "positive", -_MOST, _MOST, each=True, default=None if row else 1.0)
        for row, size in enumerate(map(float, sizes))
    )


class FreeScaleForm(FormulaForm):
    """A form with a scale factor for each size, which are parameters."""

    def completed(
        self, values: Mapping[str, float], levels: Mapping[str, Levels]
    ) -> dict[str, float]:
        """All parameters: factors are ratios of the values at c_c, where those are not near 0."""
        out = super().completed(values, {})
        for observable, (sizes, at_c_c) in levels.items():
            size = np.abs(at_c_c)
            size = np.maximum(size, _SMALL * size.max()) if size.any() else np.ones_like(size)
            for row, factor in enumerate(map(_factor, map(float, sizes))):
                out.setdefault(self.renamed[observable][factor], float(size[row] / size[0]))
        return out

    def free_in_scale(self, observable: str) -> frozenset[str]:
        """The free factors of an observable."""
        return frozenset(self.renamed[observable].values()) & frozenset(self.names)

    def log_scale(self, known: Mapping[str, Dual], observable: str) -> Dual:
        """ln of the factor of each point's size."""
        size = known["L"].value
        # 0 at the mean size: the curve is that of the smallest, nothing is left out of the scale.
        total, slopes = np.zeros(len(size)), np.zeros((len(self.names), len(size)))
        for factor in self.renamed[observable]:
            rows = np.flatnonzero(size[:-2] == float(factor.removeprefix("s_")))
            total[rows] = np.log(known[factor].value)
            if (slope := known[factor].slopes) is not None:
                slopes[:, rows] = slope / known[factor].value
        return Dual(total, slopes)

    def rescale(self, vector: FloatArray, table: ScalingTable, observable: str) -> Rescaled:
        """Rescaled coordinates of all points; x is nan where a size has no points."""
        where = super().rescale(vector, table, observable)
        # Without points of a size the likelihood would be flat along its factor, exactly.
        return where if self.applies(table) else where._replace(x=np.full_like(where.x, np.nan))

    def applies(self, table: ScalingTable) -> bool:
        """Whether every size has points: the factor of one that has none is not determined."""
        return len(table.sizes) == len(self.renamed[self.observables[0]])

    def prepared(self, table: ScalingTable) -> ScalingTable:
        """The table itself.

        Raises
        ------
        AnalysisError
            If a size has so few points that its factor would follow them.
        """
        for size in table.sizes:
            if (count := int((table.size == size).sum())) < _LEAST_POINTS:
                raise AnalysisError(
                    f"{table.size_name} = {size:g} has {count} point{'s' * (count > 1)}",
                    where="form free-scale",
                    remedy=f"a factor of its own needs {_LEAST_POINTS}; --exclude leaves it out",
                )
        return super().prepared(table)
