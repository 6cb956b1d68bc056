"""Largest curvature of the loss along SGD, and the lines at which descent becomes unstable."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import xarray as xr

from physbatch.dataset import STATUS_OK, batch_sizes, control_dim, validate
from physbatch.errors import AnalysisError
from physbatch.noise.plane import squeezed_to
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag, bracketed
from physbatch.results.flags import DIVERGED, FEW
from physbatch.results.record import Record, result
from physbatch.study.dynamics import SGD
from physbatch.study.model import Study
from physbatch.typing import Dims, FloatArray

_WHERE = "sharpness"


def sharpness_lines(data: xr.Dataset) -> dict[str, float]:
    """The curvatures at which descent at a fixed learning rate becomes unstable.

    On a quadratic loss of curvature h, plain descent diverges for h > 2/eta, and descent with
    momentum beta for h > 2 (1 + beta)/eta. With batches of few samples momentum acts as a
    larger rate, eta/(1 - beta), whose line is 2 (1 - beta)/eta.

    Parameters
    ----------
    data : xarray.Dataset
        A dataset of a study of SGD with the rule ``fixed`` and one learning rate.

    Returns
    -------
    dict of float
        By name; only 2/eta without momentum.

    Raises
    ------
    AnalysisError
        If there is no fixed learning rate.

    References
    ----------
    Cohen et al., "Gradient descent on neural networks typically occurs at the edge of
    stability", ICLR 2021, arXiv 2103.00065.
    """
    study = Study.from_json(str(validate(data).attrs.get("study", "")), where=_WHERE)
    dynamics = study.dynamics
    if not isinstance(dynamics, SGD) or dynamics.learning_rate.rule != "fixed":
        raise AnalysisError(
            "no fixed learning rate", where=_WHERE, remedy="use dynamics.learning_rate 'fixed'"
        )
    rate = dynamics.learning_rate.base
    if rate is None:
        if data.sizes.get("learning_rate", 0) != 1 and data["learning_rate"].ndim > 0:
            raise AnalysisError(
                "several learning rates", where=_WHERE, remedy="select one: isel(learning_rate=[0])"
            )
        rate = float(np.ravel(data["learning_rate"].values)[0])
    lines = {"2/eta": 2 / rate}
    if dynamics.momentum > 0:
        lines["2 (1 - beta)/eta"] = 2 * (1 - dynamics.momentum) / rate
        lines["2 (1 + beta)/eta"] = 2 * (1 + dynamics.momentum) / rate
    return lines


@result("sharpness")
@dataclass(frozen=True, eq=False, repr=False)
class LateSharpness(Record):
    """Largest curvatures late in training at every batch size, and the lines of stability.

    Attributes
    ----------
    batch_size : ndarray, shape (n_batch_size,)
        m.
    training_set, batch : tuple of Estimate
        Curvature of the loss on the training set, and on the next batch, as `late_sharpness`.
    lines : mapping of str to float
        Curvatures beyond which descent is unstable, as `sharpness_lines`.
    flags : tuple of Flag
        Those of the curvatures.
    """

    main_dim: ClassVar[str] = "batch_size"
    dims: ClassVar[Dims] = {"training_set": ("batch_size",), "batch": ("batch_size",)}

    batch_size: FloatArray
    training_set: tuple[Estimate, ...]
    batch: tuple[Estimate, ...]
    lines: Mapping[str, float]
    flags: tuple[Flag, ...]

    def __repr__(self) -> str:
        return f"LateSharpness({len(self.batch_size)} batch sizes){bracketed(self.flags)}"

    def stated(self) -> dict[str, Estimate]:
        """Both curvatures of every batch size."""
        rows = zip(self.batch_size, self.training_set, self.batch, strict=True)
        return {
            f"{name} (m = {m:g})": estimate
            for m, *both in rows
            for name, estimate in zip(("sharpness", "batch_sharpness"), both, strict=True)
        }


def sharpness_by_batch_size(data: xr.Dataset, *, after: float) -> LateSharpness:
    """Measure both curvatures late in training at every batch size.

    Parameters
    ----------
    data : xarray.Dataset
        A dataset of classifiers with `measurement.sharpness`, at one learning rate.
    after : float
        Times from here on count.

    Raises
    ------
    AnalysisError
        As `late_sharpness` and `sharpness_lines`.
    """
    lines, control = sharpness_lines(data), control_dim(data)
    curves = [data.isel({control: [number]}) for number in range(data.sizes[control])]
    whole, batch = (
        tuple(late_sharpness(curve, name, after=after) for curve in curves)
        for name in ("sharpness", "batch_sharpness")
    )
    flags = tuple(flag for pair in zip(whole, batch, strict=True) for e in pair for flag in e.flags)
    m = np.asarray(batch_sizes(data).isel(size=0).values, dtype=np.float64).ravel()
    return LateSharpness(m, whole, batch, lines, flags)


class SharpnessBand(NamedTuple):
    """A largest curvature against time, over the replicas that did not diverge."""

    time: FloatArray
    mean: FloatArray
    lowest: FloatArray
    highest: FloatArray


def sharpness_band(data: xr.Dataset, name: str, batch: int) -> SharpnessBand:
    """Mean, lowest and highest of a largest curvature over replicas, from the first update on.

    Parameters
    ----------
    data : xarray.Dataset
        A dataset of the schema of one size, swept over the batch size alone.
    name : {"sharpness", "batch_sharpness"}
        As in `late_sharpness`.
    batch : int
        Which of its batch sizes.
    """
    control = control_dim(data)
    others = [dim for dim in data["success"].dims if dim not in (control, "replica")]
    at = data.isel(time=data["time"].values > 0).squeeze(others).isel({control: batch})
    kept = at[name].where(at["status"] == STATUS_OK)
    return SharpnessBand(
        at["time"].values.astype(float),
        kept.mean("replica").values,
        kept.min("replica").values,
        kept.max("replica").values,
    )


def late_sharpness(data: xr.Dataset, name: str = "sharpness", *, after: float) -> Estimate:
    """Mean of a largest curvature over replicas and late times.

    Parameters
    ----------
    data : xarray.Dataset
        A dataset of the schema at one batch size and learning rate.
    name : {"sharpness", "batch_sharpness"}
        Curvature of the loss on the training set, or on the next batch.
    after : float
        Times from here on count.

    Returns
    -------
    Estimate
        Its error is that over replicas; flag ``diverged`` for replicas left out.

    Raises
    ------
    AnalysisError
        If the data lack the curvature, have no such time, or are swept.
    """
    if name not in data:
        raise AnalysisError(
            f"no {name}", where=_WHERE, remedy="set measurement.sharpness and run the study again"
        )
    late = data.sel(time=data["time"] >= after)
    if late.sizes["time"] == 0:
        raise AnalysisError(f"no time after {after:g}", where=_WHERE, remedy="lower `after`")
    late = squeezed_to(late, ("replica",), _WHERE)
    means = late[name].mean("time").values.ravel()
    good = late["status"].values.ravel() == STATUS_OK
    lost = int((~good).sum())
    flags = (DIVERGED(f"{lost} replicas left out"),) if lost else ()
    if good.sum() < 2:
        return Estimate(math.nan, flags=(*flags, FEW("fewer than two replicas")))
    kept = means[good]
    return Estimate(float(kept.mean()), float(kept.std(ddof=1)) / math.sqrt(len(kept)), flags=flags)
