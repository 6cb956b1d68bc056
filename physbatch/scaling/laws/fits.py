"""Exponents: quantities against size, with all fits that can be used averaged."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from physbatch.errors import AnalysisError
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag, bracketed
from physbatch.results.flags import (
    BAD_FIT,
    LEFT_OUT,
    NO_PARAMETER,
    SMALL_SIZES_EXCLUDED,
    TOO_FEW_POINTS,
)
from physbatch.results.record import Record, chosen, result
from physbatch.scaling.laws.corrected import VOLUME_OMEGA, Corrected, corrected_power
from physbatch.scaling.laws.power_laws import Law, law, law_of_text
from physbatch.scaling.laws.single_fits import LawFit, average, least_squares
from physbatch.scaling.statistics.acceptance import ACCEPTABLE
from physbatch.typing import Dims, FloatArray, IntArray


@result("scaling fit")
@dataclass(frozen=True, eq=False, repr=False)
class ScalingFit(Record):
    """A quantity against size: parameters averaged over all fits that can be used.

    The fits, the curve and the goodness are those of the laws as they stand; where corrections
    to scaling are in the model, an exponent has one total error that knows of them.
    """

    dims: ClassVar[Dims] = {
        "x": ("point", "variable"),
        "value": ("point",),
        "stderr": ("point",),
        **{f"fit_{n}": ("fit",) for n in ("law", "size_min", "chi2", "dof", "p_value", "weight")},
        **dict.fromkeys(("fit_values", "fit_stderr"), ("fit", "parameter")),
        "estimates": ("parameter",),
    }
    labelled_by: ClassVar[dict[str, str]] = {"parameter": "names", "fit": "fit_form"}

    quantity: str
    variables: tuple[str, ...]
    x: FloatArray  # shape (n_point, n_variable)
    value: FloatArray  # shape (n_point,)
    stderr: FloatArray
    laws: tuple[Law, ...]  # all that were admitted
    estimates: tuple[Estimate, ...]  # of `names`
    chi2: float  # of its best window
    dof: int
    p_value: float
    starts_tried: int
    starts_agreed: int
    flags: tuple[Flag, ...]
    fit_law: IntArray  # every fit: which of `laws`, smallest size, ...
    fit_size_min: FloatArray
    fit_chi2: FloatArray
    fit_dof: FloatArray
    fit_p_value: FloatArray
    fit_weight: FloatArray  # 0: not used
    fit_values: FloatArray  # shape (n_fit, n_parameter), of `names`; nan where a law has none
    fit_stderr: FloatArray

    @classmethod
    def upgraded(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """The fields of version 1, which held laws as texts and the curve as numbers."""
        texts = list(dict.fromkeys((*fields["fit_form"], fields["form"])))
        fields["laws"] = tuple(map(law_of_text, texts))
        fields["fit_law"] = np.array([texts.index(t) for t in fields["fit_form"]], dtype=np.int64)
        return {name: value for name, value in fields.items() if name in cls.__annotations__}

    def __getitem__(self, name: str) -> Estimate:
        """A parameter; nan if another admitted law has it, KeyError if none has."""
        stated = self.stated()
        if name not in stated and any(admitted.knows(name) for admitted in self.laws):
            return Estimate(math.nan, flags=(NO_PARAMETER(f"{self.form} has no {name}"),))
        return chosen(self, stated, name)

    def __repr__(self) -> str:
        listed = ", ".join(f"{name} = {estimate}" for name, estimate in self.stated().items())
        goodness = f"chi2/dof = {self.chi2:.3g}/{self.dof}){bracketed(self.flags)}"
        return f"ScalingFit({self.quantity} = {self.form}: {listed}; {goodness}"

    @property
    def law(self) -> Law:
        """The law of the fit with the largest weight."""
        return self.laws[self.fit_law[self._best]] if self.fit_law.size else law("constant")

    @property
    def form(self) -> str:
        """That law in its own variables: ``A L^b`` for linear sizes."""
        return self.law.text(self.variables)

    @property
    def names(self) -> tuple[str, ...]:
        """Its parameters."""
        return self.law.parameters

    @property
    def fit_form(self) -> tuple[str, ...]:
        """The law of every fit in its own variables."""
        return tuple(self.laws[index].text(self.variables) for index in self.fit_law)

    @property
    def share(self) -> float:
        """Weight of that law in all windows together."""
        return float(self.fit_weight[self.fit_law == self.fit_law[self._best]].sum())

    @property
    def _best(self) -> int:
        return int(np.argmax(self.fit_weight))

    def curve(self, x: npt.ArrayLike) -> FloatArray:
        """The best fit at some values of the variables.

        Parameters
        ----------
        x : array_like, shape (n,) or (n, n_variable)
            Sizes, or sizes and other variables.

        Returns
        -------
        ndarray, shape (n,)
            The law with the largest weight, with the parameters of its best window; nan if no fit
            can be used.
        """
        at = np.asarray(x, dtype=np.float64)
        if not self.fit_weight.any():
            return np.full(len(at), math.nan)
        return self.law(at, self.fit_values[self._best].tolist())

    @property
    def fitted(self) -> FloatArray:
        """The best fit at the points; nan below its smallest size."""
        if not self.fit_weight.any():
            return np.full(len(self.x), math.nan)
        values = np.full(len(self.x), math.nan)
        used = self.x[:, 0] >= self.fit_size_min[self._best]
        values[used] = self.curve(self.x[used])
        return values

    @property
    def curve_x(self) -> FloatArray:
        """Where to draw the curve of one variable: 101 sizes that the best fit spans, or none."""
        if not self.fit_weight.any() or self.x.shape[1] > 1:
            return np.empty(0)
        ends = float(self.fit_size_min[self._best]), float(self.x[:, 0].max())
        return np.geomspace(*ends, 101) if ends[0] > 0.0 else np.linspace(*ends, 101)

    def stated(self) -> dict[str, Estimate]:
        """The parameters of the form by their names."""
        return dict(zip(self.names, self.estimates, strict=True))


def fit_law(
    size: npt.ArrayLike,
    value: npt.ArrayLike,
    stderr: npt.ArrayLike,
    laws: Sequence[Law] = (law("power"), law("corrected")),
    *,
    quantity: str = "y",
    variables: tuple[str, ...] = ("N",),
    covariance: npt.ArrayLike | None = None,
    scan: bool = True,
) -> ScalingFit:
    r"""Fit some laws from every smallest size on, and average what can be used.

    Each fit has the weight :math:`\exp(-\mathrm{AIC}/2)` with AIC = chi2 + 2 (parameters) + 2
    (points left out), the average over models and data windows of Jay and Neil. The statistical
    error is the weighted mean in quadrature, the systematic one the weighted spread of a
    parameter over forms and windows (amplitudes: over the windows of the best form alone).

    With the laws that are the default, b and A instead are means over a mixture of corrections
    to scaling, :math:`A N^b (1 + B (N/N_{min})^{-\omega})` with B of the order of 0.3, and their
    one total error is its standard deviation: the data cannot tell an absent correction from a
    hidden one. It is about twice too wide where there is none. ``[law("power")]`` leaves the
    corrections out.

    Parameters
    ----------
    size : array_like, shape (n_point,) or (n_point, n_variable)
        N, or N and other variables.
    value, stderr : array_like, shape (n_point,)
        The quantity; points without a value or a positive error are left out and flagged.
    laws : sequence of Law
        Those that are admitted.
    quantity : str
        Its name, for the messages.
    variables : tuple of str
        Names of the columns of `size`.
    covariance : array_like, shape (n_point, n_point), optional
        Where the points are correlated; its diagonal is ``stderr**2``.
    scan : bool
        Leave out the smallest sizes one by one; False: fit all points only.

    Returns
    -------
    ScalingFit
        All estimates are nan, with a flag, if no fit can be used: ``too_few_points``,
        ``at_bound``, ``undetermined``, ``not_converged`` or ``bad_fit`` (chi-squared
        probability below 1e-3). ``small_sizes_excluded``: no form describes all points. Where
        corrections are in the model: ``errors_too_small``, ``errors_too_large`` (by the factor
        that is said), and ``bad_fit`` where no such factor would do.

    Raises
    ------
    physbatch.errors.AnalysisError
        For arrays that do not fit together, or sizes that are not positive.

    References
    ----------
    Jay and Neil, Phys. Rev. D 103 (2021) 114502, doi 10.1103/PhysRevD.103.114502.

    Examples
    --------
    >>> n = np.array([32, 64, 128, 256, 512])
    >>> fit_law(n, 0.3 * n**1.75, 0.01 * n**1.75, [law("power")])["b"]
    1.750(19)(0)
    """
    points, flags = _usable(quantity, size, value, stderr, covariance)
    plain = _averaged(points, flags, laws, quantity, variables, scan=scan)
    if set(laws) != {law("power"), law("corrected")} or not _has_logarithms(points):
        return plain
    omega = VOLUME_OMEGA if variables == ("N",) else 1.0
    sign = np.sign(points.value[0])
    corrected = corrected_power(points.x[:, 0], sign * points.value, points.covariance, omega)
    return with_corrections(plain, corrected._replace(value=corrected.value * [1.0, sign]), "bA")


def with_corrections(plain: ScalingFit, corrected: Corrected, names: Sequence[str]) -> ScalingFit:
    """The fit with parameters of a law whose corrections are in the model."""
    scatter = corrected.flags(plain.quantity)
    flags = (*(flag for flag in plain.flags if flag.kind is LEFT_OUT), *scatter)
    if BAD_FIT.among(flags):
        nothing = tuple(Estimate(math.nan, flags=flags) for _ in plain.names)
        return replace(plain, estimates=nothing, flags=flags)
    known = {n: replace(e, flags=scatter) for n, e in zip(names, corrected.estimates, strict=True)}
    known = plain.stated() | {name: known[name] for name in plain.names if name in known}
    return replace(plain, estimates=tuple(known.values()), flags=flags)


class _Points(NamedTuple):
    """Points that have a value and an error."""

    x: FloatArray
    value: FloatArray
    stderr: FloatArray
    covariance: FloatArray


def _usable(
    quantity: str,
    size: npt.ArrayLike,
    value: npt.ArrayLike,
    stderr: npt.ArrayLike,
    covariance: npt.ArrayLike | None,
) -> tuple[_Points, tuple[Flag, ...]]:
    x = np.atleast_1d(np.asarray(size, dtype=np.float64))
    x = x[:, None] if x.ndim == 1 else x
    y, error = (np.atleast_1d(np.asarray(v, dtype=np.float64)) for v in (value, stderr))
    matrix = np.diag(error**2) if covariance is None else np.asarray(covariance, dtype=np.float64)
    if not len(x) == len(y) == len(error) == len(matrix) or np.any(~(x[:, 0] > 0)):
        raise AnalysisError(
            f"{quantity}: sizes, values and errors do not fit together",
            remedy="give one positive size, one value and one error each",
        )
    used = np.isfinite(y) & np.isfinite(error) & (error > 0.0)
    missing = ", ".join(f"{n:g}" for n in x[~used, 0])
    flags = (LEFT_OUT(f"{quantity} has no value or no error at {missing}"),) if missing else ()
    return _Points(x[used], y[used], error[used], matrix[np.ix_(used, used)]), flags


def _averaged(
    points: _Points,
    flags: tuple[Flag, ...],
    laws: Sequence[Law],
    quantity: str,
    variables: tuple[str, ...],
    *,
    scan: bool,
) -> ScalingFit:
    """The laws as they stand, averaged over all fits that can be used."""
    fits = [
        _from_size_on(points, admitted, float(cut), variables)
        for admitted in laws
        for cut in np.unique(points.x[:, 0])[: None if scan else 1]
    ]
    weights = _weights(fits)
    nothing = least_squares(law("constant"), points.x, points.value, points.covariance)
    best = fits[int(np.argmax(weights))] if fits else nothing
    flags = (*flags, *_flags(quantity, variables, points, fits, weights))
    names = best.law.parameters
    table = np.full((2, len(fits), len(names)), math.nan)
    for row, fit in enumerate(fits):
        columns = [(names.index(n), k) for k, n in enumerate(fit.law.parameters) if n in names]
        for column, k in columns:
            table[:, row, column] = fit.values[k], fit.stderr[k]
    estimates = tuple(
        average(table[:, :, column], _sharing(name, fits, weights, best))
        if weights.any()
        else Estimate(math.nan, flags=flags)
        for column, name in enumerate(names)
    )
    return ScalingFit(
        quantity=quantity,
        variables=variables,
        x=points.x,
        value=points.value,
        stderr=points.stderr,
        laws=tuple(laws),
        estimates=estimates,
        chi2=best.chi2,
        dof=best.dof,
        p_value=best.p_value,
        starts_tried=best.tried,
        starts_agreed=best.agreed,
        flags=flags,
        fit_law=np.repeat(np.arange(len(laws)), len(fits) // max(len(laws), 1)),
        fit_weight=weights,
        fit_values=table[0],
        fit_stderr=table[1],
        **{
            f"fit_{name}": np.array([getattr(fit, name) for fit in fits], dtype=np.float64)
            for name in ("size_min", "chi2", "dof", "p_value")
        },
    )


def _has_logarithms(points: _Points) -> bool:
    """Whether values at three sizes of one variable are all of one sign beyond their errors."""
    pulls = points.value / points.stderr
    clear = np.all(pulls > 2.0) or np.all(pulls < -2.0)
    return bool(clear and points.x.shape[1] == 1 and np.unique(points.x).size > 2)


def _from_size_on(points: _Points, fitted: Law, cut: float, variables: tuple[str, ...]) -> LawFit:
    """The fit of one law without smaller sizes; its AIC counts what is left out."""
    keep = points.x[:, 0] >= cut
    covariance = points.covariance[np.ix_(keep, keep)]
    fit = least_squares(fitted, points.x[keep], points.value[keep], covariance, cut, variables)
    return fit._replace(aic=fit.aic + 2.0 * float(np.sum(~keep)))


def _weights(fits: list[LawFit]) -> FloatArray:
    """Akaike weights of the fits that can be used, all 0 if there is none."""
    good = np.array([not fit.problem and fit.p_value > ACCEPTABLE for fit in fits], dtype=bool)
    aic = np.array([fit.aic for fit in fits])
    weights = np.zeros(len(fits))
    if good.any():
        weights[good] = np.exp(-0.5 * (aic[good] - aic[good].min()))
        weights /= weights.sum()
    return weights


def _sharing(name: str, fits: list[LawFit], weights: FloatArray, best: LawFit) -> FloatArray:
    """Weights of the fits in which a parameter means the same."""
    shared = name in ("b", "c")  # phi differs: a N^-phi with a = 0 leaves the next power
    same = np.array(
        [name in fit.law.parameters and (shared or fit.law == best.law) for fit in fits]
    )
    return np.asarray(weights * same / np.sum(weights * same))


def _flags(
    quantity: str,
    variables: tuple[str, ...],
    points: _Points,
    fits: list[LawFit],
    weights: FloatArray,
) -> tuple[Flag, ...]:
    size = points.x[:, 0]
    if weights.any():
        start = fits[int(np.argmax(weights))].size_min
        used = [w for w, fit in zip(weights, fits, strict=True) if fit.size_min == size[0]]
        if any(used) or start == size.min():
            return ()
        return (SMALL_SIZES_EXCLUDED(f"no form describes {quantity} below {start:g}"),)
    full = [fit for fit in fits if fit.size_min == size.min()]
    problems = tuple(dict.fromkeys(fit.problem for fit in full if fit.problem))
    rejected = [
        f"{fit.law.text(variables)}: {fit.chi2:.1f}/{fit.dof}" for fit in full if not fit.problem
    ]
    if rejected:
        words = f"no form describes {quantity}, chi2/dof {', '.join(rejected)}"
        problems = (*problems, BAD_FIT(words))
    return problems or (TOO_FEW_POINTS(f"{quantity} has none"),)
