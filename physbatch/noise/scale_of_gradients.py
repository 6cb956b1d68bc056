"""The gradient noise scale B_noise = tr S/|G|^2 along a run."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import xarray as xr

from physbatch.dataset import STATUS_OK, batch_sizes, control_dim, validate
from physbatch.errors import AnalysisError
from physbatch.noise.plane import counted_repr, squeezed_to
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag
from physbatch.results.flags import DIVERGED, NO_INVERSE
from physbatch.results.record import Record, result
from physbatch.typing import Dims, FloatArray

_WHERE = "gradient scale"
#: |G|^2 counts as known from so many standard errors on.
_SIGMAS = 3.0


@result("gradient scale")
@dataclass(frozen=True, eq=False, repr=False)
class GradientScale(Record):
    """B_noise at every batch size and measuring time.

    Attributes
    ----------
    batch_size : ndarray, shape (n_batch_size,)
        Batches that the students learn from; the noise scale depends on them by the path alone.
    time : ndarray, shape (n_time,)
        Measuring times.
    scale, stderr : ndarray, shape (n_batch_size, n_time)
        B_noise and its standard error; nan where the gradient is lost in its noise.
    error : ndarray, shape (n_batch_size, n_time)
        Mean generalisation error.
    flags : tuple of Flag
        ``no_inverse`` (a square below three standard errors), ``diverged`` (replicas left out).
    """

    dims: ClassVar[Dims] = {
        "batch_size": ("batch_size",),
        "time": ("time",),
        **dict.fromkeys(("scale", "stderr", "error"), ("batch_size", "time")),
    }

    batch_size: FloatArray
    time: FloatArray
    scale: FloatArray
    stderr: FloatArray
    error: FloatArray
    flags: tuple[Flag, ...]

    def __repr__(self) -> str:
        return counted_repr(self, self.scale, "noise scales", self.flags)

    def stated(self) -> dict[str, Estimate]:
        """B_noise of every batch size at the last time."""
        return {
            f"B_noise (m = {m:g}, t = {self.time[-1]:g})": Estimate(
                float(row[-1]), float(error[-1])
            )
            for m, row, error in zip(self.batch_size, self.scale, self.stderr, strict=True)
        }


def gradient_scale(data: xr.Dataset) -> GradientScale:
    r"""Measure the gradient noise scale of replicas along their runs.

    .. math:: B_\mathrm{noise} = \frac{\langle \mathrm{tr}\,\hat S\rangle}{\langle|\hat G|^2\rangle}

    with means over replicas of two unbiased estimates, which come from gradients at two batch
    sizes; the error is that of a ratio of correlated means (jackknife).

    Parameters
    ----------
    data : xarray.Dataset
        A dataset of a task in torch with `measurement.gradient_noise`, at one size and learning
        rate.

    Raises
    ------
    AnalysisError
        If it lacks the gradients, has fewer than two replicas, or sweeps anything else.

    References
    ----------
    McCandlish et al., arXiv 1812.06162 (2018), appendix A.
    """
    control = control_dim(validate(data))
    if "gradient_square" not in data:
        raise AnalysisError(
            "no gradients", where=_WHERE, remedy="run a task with measurement.gradient_noise = true"
        )
    if data.sizes["replica"] < 2:
        raise AnalysisError("one replica has no error", where=_WHERE, remedy="run more replicas")
    m = np.asarray(batch_sizes(data).isel(size=0).values, dtype=np.float64).ravel()
    at = squeezed_to(data, (control, "replica"), _WHERE).transpose(control, "replica", "time")
    sound = np.asarray(at["status"].values) == STATUS_OK
    square, variance, error = (
        np.where(sound[..., None], at[name].values, np.nan)
        for name in ("gradient_square", "gradient_variance", "generalization_error")
    )
    shape = (len(m), at.sizes["time"])
    scale, stderr = np.full(shape, np.nan), np.full(shape, np.nan)
    mean_error = np.full(shape, np.nan)
    lost = 0
    for row, column in np.ndindex(*shape):
        kept = np.isfinite(square[row, :, column])
        if kept.sum() < 2:
            continue
        mean_error[row, column] = error[row, kept, column].mean()
        g, s = square[row, kept, column], variance[row, kept, column]
        if not g.mean() > _SIGMAS * g.std(ddof=1) / math.sqrt(len(g)):
            lost += 1
            continue
        scale[row, column] = s.mean() / g.mean()
        others = (s.sum() - s) / (g.sum() - g)
        spread = np.sum((others - others.mean()) ** 2) * (len(g) - 1) / len(g)
        stderr[row, column] = math.sqrt(float(spread))
    flags = [NO_INVERSE(f"|G|^2 at {lost} of {scale.size} points")] if lost else []
    if not sound.all():
        flags.append(DIVERGED(f"{int((~sound).sum())} replicas left out"))
    time = np.asarray(at["time"].values, dtype=np.float64)
    return GradientScale(m, time, scale, stderr, mean_error, tuple(flags))
