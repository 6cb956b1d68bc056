"""What histograms of the energy say of two phases, as it is stored, printed and exported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag, bracketed
from physbatch.results.record import Record, result, strict
from physbatch.scaling.laws.fits import ScalingFit, fit_law
from physbatch.scaling.laws.power_laws import law
from physbatch.typing import Dims, FloatArray

#: Quantities of every size, in the order in which they are shown.
QUANTITIES = (
    "equal_height", "equal_weight", "barrier", "interface_tension", "latent_heat",
    "low_energy", "high_energy",
)  # fmt: skip
#: Columns of the histograms.
HISTOGRAM = (
    "histogram_size", "histogram_control", "energy", "log_density", "log_density_stderr", "smooth",
)  # fmt: skip


@result("coexistence")
@dataclass(frozen=True, eq=False, repr=False)
class Coexistence(Record):
    """Two phases at every size, nan where the histogram of the energy has one peak.

    Attributes
    ----------
    weight : str
        The weight of a state, as ``exp(-beta E)``.
    ordered_states : float
        Weight of the phase of low energy over that of high energy at `equal_weight`.
    size, volume : ndarray, shape (n_size,)
        Sizes, and the number of sites.
    passages : ndarray, shape (n_size,)
        How often the chains went from the peak of one phase to that of the other.
    equal_height, equal_weight : tuple of Estimate
        Controls at which the peaks are as high, and at which the weights of the phases have the
        ratio `ordered_states`.
    barrier : tuple of Estimate
        ln(P_max/P_min) at equal heights.
    interface_tension : tuple of Estimate
        Half of it over L^(d - 1): sigma in units of kT, of the two interfaces of a torus.
    latent_heat, low_energy, high_energy : tuple of Estimate
        Mean energies of a site in the two phases at equal weights, and their difference.
    histogram_size, histogram_control, energy : ndarray, shape (n_point,)
        Points of the histograms; energies are in the unit of the data.
    log_density, log_density_stderr, smooth : ndarray, shape (n_point,)
        ln P per unit of energy from the counts, its error (both nan where no sample fell), and
        the smooth curve.
    """

    dims: ClassVar[Dims] = {
        **dict.fromkeys(QUANTITIES, ("size",)),
        **dict.fromkeys(("size", "volume", "passages"), ("size",)),
        **dict.fromkeys(HISTOGRAM, ("point",)),
    }
    main_dim: ClassVar[str] = "size"

    energy_name: str
    control_name: str
    size_name: str
    dimension: str
    source: str
    weight: str
    ordered_states: float
    size: FloatArray
    volume: FloatArray
    passages: FloatArray
    equal_height: tuple[Estimate, ...]
    equal_weight: tuple[Estimate, ...]
    barrier: tuple[Estimate, ...]
    interface_tension: tuple[Estimate, ...]
    latent_heat: tuple[Estimate, ...]
    low_energy: tuple[Estimate, ...]
    high_energy: tuple[Estimate, ...]
    histogram_size: FloatArray
    histogram_control: FloatArray
    energy: FloatArray
    log_density: FloatArray
    log_density_stderr: FloatArray
    smooth: FloatArray
    flags: tuple[Flag, ...]

    def __repr__(self) -> str:
        head = f"Coexistence of two phases with {self.weight}{bracketed(self.flags)}"
        lines = [
            f"  {self.size_name} = {size:g}: {self.control_name} = {self.equal_height[i]} at equal "
            f"heights, {self.equal_weight[i]} at equal weights; ln(P_max/P_min) = "
            f"{self.barrier[i]}, latent heat {self.latent_heat[i]} per site, "
            f"{self.passages[i]:.0f} passages"
            for i, size in enumerate(self.size)
        ]
        return "\n".join([head, *lines])

    def stated(self) -> dict[str, Estimate]:
        """Every quantity at every size, as ``barrier (L = 8)``."""
        return {
            f"{name} ({self.size_name} = {size:g})": getattr(self, name)[i]
            for name in QUANTITIES
            for i, size in enumerate(self.size)
        }

    def columns(self, name: str) -> tuple[FloatArray, FloatArray]:
        """Values and total errors of a quantity, shape (n_size,)."""
        estimates = getattr(self, name)
        return np.array([e.value for e in estimates]), np.array([e.total for e in estimates])

    def fit(
        self, name: Literal["equal_height", "equal_weight", "latent_heat"] = "equal_weight"
    ) -> ScalingFit:
        """The limit c + a/N of a quantity; N = L^d is the volume."""
        value, error = self.columns(name)
        return fit_law(
            self.volume, value, error, [law("shifted", phi=1.0)], quantity=name, variables=("N",)
        )

    def to_json(self) -> dict[str, Any]:
        """Strict JSON, with the passages and the points of the histograms."""
        names = ("energy", "log_density", "log_density_stderr", "smooth")
        histograms = []
        for size in np.unique(self.histogram_size):
            rows = self.histogram_size == size
            for control in np.unique(self.histogram_control[rows]):
                chosen = rows & (self.histogram_control == control)
                columns = {name: getattr(self, name)[chosen].tolist() for name in names}
                histograms.append({"size": float(size), "control": float(control), **columns})
        return {
            **super().to_json(),
            "weight": self.weight,
            "passages": strict(dict(zip(map(str, self.size), self.passages, strict=True))),
            "histograms": strict(histograms),
        }
