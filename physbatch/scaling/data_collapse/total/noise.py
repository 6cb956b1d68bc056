"""What the scatter of the data says about their errors.

Errors may be stated too large or too small, points of a size may move together (one set of runs for
a whole curve), a whole size may be off (another program, another preparation), and single values
may be wrong. Each leaves its trace in the likelihood of a fit with corrections to scaling, which is
flexible enough not to take a form that does not hold for noise.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import scipy

from physbatch.tables.table import ScalingTable
from physbatch.typing import BoolArray, FloatArray


class NoiseModel(NamedTuple):
    """How the errors of one observable belong together.

    .. math:: C_{ij} = e_i e_j [r \\delta_{ij} + (1 - r) e^{-(c_i - c_j)^2/2\\lambda^2}]
              + (D \\tilde e)^2 \\qquad\\text{within one size}

    Curves of one set of runs (reweighted histograms, Newman-Ziff sweeps) are off by something that
    changes with the control as fast as the curve does: by the width of the critical region. That is
    a part of the range of each size where ranges follow that width; lambda falls as N^(-1/nu) where
    all sizes have the same controls.

    Attributes
    ----------
    rough : float
        r, the part of the variance that is a point's own; 1 for independent points.
    reach : float
        lambda in units of the range of the controls: of each size, or, where it falls, of the
        largest.
    falling : float
        lambda goes as N to minus this; 0 where it is a part of the range of each size.
    offset : float
        D, the standard deviation of a common offset of a size, in units of its median error.
    """

    rough: float = 1.0
    reach: float = 1.0
    falling: float = 0.0
    offset: float = 0.0

    @property
    def moving_together(self) -> bool:
        """Whether the points of a size share part of their errors."""
        return self.rough < 1.0

    @property
    def smooth(self) -> bool:
        """Whether they share so much that their scatter does not judge the errors."""
        return self.rough < _JUDGING


#: Points with so much noise of their own show how large errors are.
_JUDGING = 0.05
INDEPENDENT = NoiseModel()
#: What independent points are compared with: common offsets of a size ...
OFFSETS = tuple(NoiseModel(offset=offset) for offset in (1.0, 2.0, 4.0))
#: ... and points that move together: r, and lambda where it is a part of every range.
_ROUGH = (0.5, 0.1)
_REACHES = (0.1, 1 / 3)
#: r goes down by this as long as the data ask for it: the whole curve may be off, and smooth.
_SMOOTHER, _SMOOTHEST = 0.1, 1e-4
TOGETHER = tuple(NoiseModel(rough, reach) for rough in _ROUGH for reach in _REACHES)
#: ln of the ratio of evidences from which another model than independent points is taken.
CLEARLY = 3.0
#: A value is an outlier if it is so many robust standard deviations from what all others predict.
_FAR = 5.0
#: Where more values than this fraction are far off, the form is wrong and not the values.
MOST_OUTLIERS = 0.1
#: Median of the absolute value of a normal number.
_MEDIAN = 0.6745
#: Factors on the errors beyond which they are called wrong, if so many deviations from 1.
_SMALLEST, _LARGEST = 0.6, 1.6
_SURE = 2.0
#: Chance level below which sizes have errors that are wrong by different factors.
_DIFFERENT = 1e-4


def noise_covariance(
    table: ScalingTable, observable: str, model: NoiseModel, whole: ScalingTable
) -> FloatArray:
    """Covariance of the values of an observable; `whole` sets ranges and the median error.

    A covariance that the table states is kept, with an offset added where the model has one.
    """
    errors = table.errors[observable]
    same = table.size[:, None] == table.size[None, :]
    noise = table.covariance.get(observable)
    if noise is None:
        noise = np.diag(errors**2)
        if model.moving_together:
            reaches = dict(zip(whole.sizes, _reaches(whole, model), strict=True))
            reach = np.array([reaches[size] for size in table.size])
            distance = (table.control[:, None] - table.control[None, :]) / reach[:, None]
            common = np.where(same, np.exp(-0.5 * distance**2), 0.0)
            outer = np.multiply.outer(errors, errors)
            noise = model.rough * noise + (1.0 - model.rough) * outer * common
    if model.offset:
        error = whole.errors[observable]
        medians = {size: float(np.median(error[whole.size == size])) for size in whole.sizes}
        offset = model.offset * np.array([medians[size] for size in table.size])
        noise = noise + np.where(same, np.multiply.outer(offset, offset), 0.0)
    return noise


def _reaches(whole: ScalingTable, model: NoiseModel) -> FloatArray:
    """Of each size lambda, over which points move together."""
    sizes = whole.sizes
    ranges = np.array([float(np.ptp(whole.control[whole.size == s])) or 1.0 for s in sizes])
    if model.falling:
        ranges = ranges[-1] * (sizes / sizes[-1]) ** -model.falling
    return np.asarray(model.reach * ranges)


def smoother(model: NoiseModel, inverse_nu: float) -> Iterator[NoiseModel]:
    """What to compare next with a model of points that move together, if that is the likeliest."""
    if not model.moving_together:
        return
    further = model._replace(rough=max(_SMOOTHER * model.rough, _SMOOTHEST))
    if further.rough < 0.9 * model.rough:
        yield further
    if not model.falling:
        for each in (model, further):
            yield from (each._replace(reach=r, falling=inverse_nu) for r in _REACHES)


def outliers(scores: list[FloatArray]) -> BoolArray:
    """Points of which a value lies far from what all others predict, the worst one alone.

    The scale of the scores is that of their median, which outliers do not move.
    """
    scaled = np.array(
        [np.abs(s) / max(float(np.median(np.abs(s))) / _MEDIAN, 1e-300) for s in scores]
    )
    worst = np.nan_to_num(scaled).max(axis=0)
    return np.asarray((worst == worst.max()) & (worst > _FAR))


class ErrorFactor(NamedTuple):
    """By how much the stated errors of an observable are too small, and of each size.

    Attributes
    ----------
    factor : float
        g: the errors should be g times what is stated.
    wrong : bool
        Whether that is far enough from 1 to say so.
    of_sizes : dict
        The factor of each size, where they differ.
    """

    factor: float
    wrong: bool
    of_sizes: dict[float, float]


def error_factor(
    log_factor: float, deviation: float, sizes: FloatArray, scores: FloatArray
) -> ErrorFactor:
    """What the fitted ln g with its standard deviation and the scores say.

    Parameters
    ----------
    log_factor, deviation : float
        ln g, and how well it is known.
    sizes, scores : ndarray, shape (n,)
        Size of each point, and its distance from what all others predict in deviations.
    """
    factor = math.exp(log_factor)
    wrong = not _SMALLEST < factor < _LARGEST and abs(log_factor) > _SURE * deviation
    squares = {float(s): scores[sizes == s] ** 2 for s in np.unique(sizes)}
    means = np.array([float(x.mean()) for x in squares.values()])
    counts = np.array([len(x) for x in squares.values()])
    # Bartlett's test of equal variances, for means that are known to be 0.
    pooled = float(counts @ means / counts.sum())
    with np.errstate(divide="ignore"):
        statistic = float(counts @ (math.log(pooled) - np.log(means)))
    chance = float(scipy.stats.chi2.sf(statistic, len(counts) - 1)) if len(counts) > 1 else 1.0
    of_sizes = {}
    if wrong and chance < _DIFFERENT:
        of_sizes = {s: factor * math.sqrt(m) for s, m in zip(squares, means, strict=True)}
    return ErrorFactor(factor, wrong, of_sizes)
