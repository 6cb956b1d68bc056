"""Exponents from power laws in the size: of peaks, or of one value per size."""

from dataclasses import dataclass
from typing import Any, Literal, Self

import xarray as xr

from physbatch.errors import AnalysisError
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag
from physbatch.results.record import Record, result
from physbatch.scaling.curves.peaks import Peaks, find_peaks
from physbatch.scaling.laws.fits import ScalingFit, fit_law
from physbatch.scaling.laws.local_exponents import inverse
from physbatch.scaling.laws.power_laws import law
from physbatch.scaling.laws.universality import compatible
from physbatch.tables.table import ScalingTable


@result("exponents")
@dataclass(frozen=True, eq=False, repr=False)
class SizeExponents(Record):
    """Power laws in the size, the data that they are of, and the exponents that they give."""

    dimension: str  # "N" or "L": what a size is
    values: ScalingFit  # of the heights of the peaks, or of one value per size
    positions: ScalingFit | None  # of the peaks
    peaks: Peaks | None
    data: xr.Dataset  # as `ScalingTable.to_dataset`
    flags: tuple[Flag, ...]

    @classmethod
    def of(cls, table: ScalingTable, values: ScalingFit, peaks: Peaks | None) -> Self:
        """The exponents of fitted values, and of the positions of peaks where there are some."""
        positions = None if peaks is None else peaks.fit_positions()
        parts = (table, peaks, values, positions)
        flags = [flag for part in parts if part is not None for flag in part.flags]
        # Samples stay with the data that they are of.
        data = table.to_dataset().drop_vars(("sample", "covariance"), errors="ignore")
        unique = tuple(dict.fromkeys(flags))
        return cls(table.dimension, values, positions, peaks, data, unique)

    @property
    def table(self) -> ScalingTable:
        """The data."""
        return ScalingTable.from_dataset(self.data)

    @property
    def fits(self) -> tuple[ScalingFit, ...]:
        """The law of the values, and that of the positions where there are peaks."""
        return (self.values,) if self.positions is None else (self.values, self.positions)

    def stated(self) -> dict[str, Estimate]:
        """The exponents by their names in scaling, and c_c."""
        estimates = {"zeta_over_nu": self.values["b"]}
        if self.positions is not None:
            estimates |= {"c_c": self.positions["c"], "nu": inverse(self.positions["phi"])}
        return estimates

    @property
    def universality(self) -> str:
        """Which known classes are not excluded, or why none are named."""
        nu = self.stated().get("nu")
        if nu is None or not nu.total > 0.0:
            return "universality classes need nu, which needs peaks at four sizes"
        size: Literal["N", "L"] = "N" if self.dimension == "N" else "L"
        return f"nu per {size}: {compatible(nu, size=size)}"

    def goodness(self) -> dict[str, float | str]:
        """That of the values."""
        fit = self.values
        return {"chi2": fit.chi2, "dof": fit.dof, "p_value": fit.p_value}

    def to_json(self) -> dict[str, Any]:
        """Strict JSON in the shape of ``--json``, with every law under ``fits``."""
        return super().to_json() | {
            "starts": {
                "tried": sum(fit.starts_tried for fit in self.fits),
                "agreed": sum(fit.starts_agreed for fit in self.fits),
            },
            "fits": {fit.quantity: fit.to_json() for fit in self.fits},
            "universality": self.universality,
        }

    def __repr__(self) -> str:
        return "\n".join([*map(repr, self.fits), self.universality])


def fit_exponents(
    table: ScalingTable,
    observable: str | None = None,
    *,
    minimum: bool = False,
    logarithm: bool = False,
    seed: int = 0,
) -> SizeExponents:
    """Fit power laws in the size: heights and positions of peaks, or one value per size.

    A value per size is fitted by A N^b (1 + corrections), b = zeta/nu. Where sizes have several
    points, the height of the peak is fitted so, and its position by c_c + a N^-(1/nu).

    Parameters
    ----------
    table : ScalingTable
        Data.
    observable : str, optional
        Which; may be left out where there is only one.
    minimum : bool
        Look for the lowest point instead of the peak.
    logarithm : bool
        Also admit a power of ln N.
    seed : int
        Of the bootstrap of the peaks.

    Returns
    -------
    SizeExponents
        zeta/nu; from peaks also c_c and nu; with the flags of the data, the peaks and the laws.

    Raises
    ------
    physbatch.errors.AnalysisError
        If several observables are there and none is chosen, or none has the name.

    References
    ----------
    Fisher and Barber, Phys. Rev. Lett. 28 (1972) 1516, doi 10.1103/PhysRevLett.28.1516.

    Examples
    --------
    >>> from physbatch.tables import make_table
    >>> sizes = [8.0, 16.0, 32.0, 64.0]
    >>> chi = [size**1.75 for size in sizes]
    >>> table = make_table(sizes, [0.0] * 4, {"chi": chi}, {"chi": [0.01 * y for y in chi]})
    >>> round(fit_exponents(table)["zeta_over_nu"].value, 2)
    1.75
    """
    names = table.observables
    if observable is None and len(names) > 1:
        raise AnalysisError(
            "several observables",
            where=table.source or "exponents",
            remedy=f"choose one of {', '.join(names)} with --observable",
        )
    table = table.only(observable or names[0])
    (name,) = table.observables
    laws = [law("power"), law("corrected"), *([law("logarithm")] if logarithm else [])]
    if table.size.size == table.sizes.size:
        columns = (table.size, table.values[name], table.errors[name])
        fit = fit_law(*columns, laws, quantity=name, variables=(table.dimension,))
        return SizeExponents.of(table, fit, None)
    peaks = find_peaks(table, name, minimum=minimum, seed=seed)
    return SizeExponents.of(table, peaks.fit_heights(laws), peaks)
