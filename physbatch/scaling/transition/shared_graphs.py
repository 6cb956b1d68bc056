"""Success curves of replicas that share graphs: errors that know what is independent.

Replicas of one graph succeed or fail together more often than chance, so that the graphs, not the
replicas, are the independent draws.
"""

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import xarray as xr

from physbatch.results.estimate import Estimate
from physbatch.results.flags import BAD_FIT
from physbatch.scaling.statistics.acceptance import ACCEPTABLE
from physbatch.scaling.statistics.success_fits import (
    deviance_p_value,
    logistic,
    parameter_covariance,
)
from physbatch.scaling.transition.result import SuccessCurve
from physbatch.typing import FloatArray, IntArray


def counts_by_graph(flags: xr.DataArray, graphs: IntArray, control: str) -> IntArray:
    """How many replicas of each graph are flagged, shape (graph, control)."""
    table = flags.squeeze(drop=True).expand_dims(
        [dim for dim in (control, "replica") if dim not in flags.squeeze(drop=True).dims]
    )
    counts = table.transpose("replica", control).values.astype(np.int64)
    labels, rows = np.unique(graphs, return_inverse=True)
    result = np.zeros((labels.size, counts.shape[1]), dtype=np.int64)
    np.add.at(result, rows, counts)
    return result


def with_shared_graphs(
    curve: SuccessCurve, successes: npt.ArrayLike, trials: npt.ArrayLike
) -> SuccessCurve:
    r"""A fitted success curve with the errors that shared graphs leave.

    Successes and trials are counts of each graph, shape (graph, control). The maximum of the
    likelihood stays where it is. Its covariance becomes

    .. math:: I^{-1} \Big[\frac{G}{G-1} \sum_g s_g s_g^T\Big] I^{-1},
        \qquad s_g = \sum_c (k_{gc} - n_{gc} P(c)) \nabla z(c),

    with the Fisher information I and the score s_g of each graph at each control (graphs are
    drawn anew at every control), z the log odds (Liang and Zeger, doi 10.1093/biomet/73.1.13).
    The deviance is divided by the mean design effect, the variance of the success between graphs
    over the binomial one, before its probability is taken (Rao and Scott,
    doi 10.1214/aos/1176346391). A curve whose width is not resolved stays the same: the error of
    a bracket knows no counts.
    """
    m_c, width = curve.m_c, curve.width
    if not (math.isfinite(m_c.stderr) and math.isfinite(width.stderr)):
        return curve
    k, n = np.asarray(successes, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    factors = np.sqrt(_inflation(curve, k, n))
    effect = _design_effect(k, n)
    flags = tuple(flag for flag in curve.flags if flag.kind is not BAD_FIT)
    p_value = deviance_p_value(
        curve.deviance / effect, curve.control, curve.trials, m_c.value, width.value
    )
    if p_value < ACCEPTABLE:
        flags += (
            BAD_FIT(
                f"deviance {curve.deviance:.1f}, {curve.deviance / effect:.1f} after the "
                f"design effect of shared graphs, has probability {p_value:.1g}"
            ),
        )
    return replace(
        curve,
        m_c=_wider(m_c, float(factors[0])),
        width=_wider(width, float(factors[1])),
        flags=flags,
        p_value=p_value,
    )


def _inflation(curve: SuccessCurve, k: FloatArray, n: FloatArray) -> FloatArray:
    """Variances of m_c and width with shared graphs over those without, shape (2,)."""
    m_c, width = curve.m_c.value, curve.width.value
    z = (curve.control - m_c) / width
    gradient = np.stack([np.full_like(z, -1.0 / width), -z / width])  # (2, control)
    residual = k - n * logistic(z)
    squares = np.sum(residual**2, axis=0) * _small_sample(n)
    inverse = parameter_covariance(curve.control, n.sum(axis=0), m_c, width)
    robust = inverse @ ((gradient * squares) @ gradient.T) @ inverse
    return np.asarray(np.diag(robust) / np.diag(inverse), dtype=np.float64)


def _design_effect(k: FloatArray, n: FloatArray) -> float:
    """Mean over the controls of the variance between graphs over the binomial variance."""
    total = n.sum(axis=0)
    fraction = k.sum(axis=0) / np.maximum(total, 1.0)
    binomial = total * fraction * (1.0 - fraction)
    between = np.sum((k - n * fraction) ** 2, axis=0) * _small_sample(n)
    mixed = binomial > 0.0
    return max(float(between[mixed].sum() / binomial[mixed].sum()), 1.0) if mixed.any() else 1.0


def _small_sample(n: FloatArray) -> FloatArray:
    """G/(G - 1) at each control, G the number of graphs with replicas."""
    graphs = np.sum(n > 0, axis=0)
    return np.asarray(graphs / np.maximum(graphs - 1.0, 1.0), dtype=np.float64)


def _wider(estimate: Estimate, factor: float) -> Estimate:
    """The estimate with its error and both arms of its interval multiplied."""
    low, high = estimate.interval68
    value = estimate.value
    return replace(
        estimate,
        stderr=factor * estimate.stderr,
        interval68=(value - factor * (value - low), value + factor * (high - value)),
    )
