"""Order parameters in function space: what networks say on the same inputs, not how.

They need no symmetry of the weights to be known, so they are defined for any architecture. With
<.> the mean over probe inputs and outputs, f_s and f_t what student and teacher say,

    rho = <f_t^2>,   q = <f_s^2>,   m = <f_s f_t>,   m_hat = m/sqrt(rho q),

    <(f_s - f_t)^2>/2 = (rho + q - 2 m)/2.

For linear students of Gaussian inputs these are the classical T, Q, R and R/sqrt(T Q). For C
classes f is the vector of 0s and one 1: rho = q = 1, m is the accuracy and the error 1 - m; m_hat
is that of the vectors less their mean 1/C, (C m - 1)/(C - 1), the order parameter of a Potts
model, which is Cohen's kappa for equally frequent classes.

References
----------
Seung, Sompolinsky and Tishby, Phys. Rev. A 45 (1992) 6056, doi 10.1103/PhysRevA.45.6056;
Engel and Van den Broeck, Statistical Mechanics of Learning (Cambridge 2001), chapters 1 and 2,
doi 10.1017/CBO9781139164542; Cohen, Educ. Psychol. Meas. 20 (1960) 37,
doi 10.1177/001316446002000104.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from physbatch.typing import FloatArray


class FunctionOverlap(NamedTuple):
    """Order parameters of each replica, shape (replica,).

    Attributes
    ----------
    overlap : ndarray
        m_hat, 0 where one of the functions is 0, nan where squares are no numbers.
    product, square, teacher_square : ndarray
        m, q and rho.
    error : ndarray
        (rho + q - 2 m)/2, summed as squares of differences.
    """

    overlap: FloatArray
    product: FloatArray
    square: FloatArray
    teacher_square: FloatArray
    error: FloatArray


def compare_functions(outputs: Tensor, targets: Tensor) -> FunctionOverlap:
    """Order parameters of what students say and what teachers, or other students, say.

    Parameters
    ----------
    outputs : Tensor, shape (replica, sample, ...)
        Numbers; or scores of classes, with one more dimension than the targets.
    targets : Tensor, shape (replica, sample, ...)
        Numbers, or classes as integers.

    Examples
    --------
    >>> outputs = torch.tensor([[[1.0], [-1.0], [3.0]]])
    >>> both = compare_functions(outputs, torch.tensor([[[1.0], [-1.0], [1.0]]]))
    >>> float(both.product[0]), float(both.square[0]), float(both.error[0])
    (1.6666666666666667, 3.6666666666666665, 0.6666666666666666)
    >>> scores = torch.tensor([[[2.0, 1.0], [0.0, 1.0]]])
    >>> float(compare_functions(scores, torch.tensor([[0, 0]])).error[0])
    0.5
    """
    if not targets.dtype.is_floating_point:
        return _compare_classes(outputs.argmax(dim=-1), targets, outputs.shape[-1])
    student, teacher = (values.double().flatten(1) for values in (outputs, targets))
    product = (student * teacher).mean(dim=1)
    square, teacher_square = (student**2).mean(dim=1), (teacher**2).mean(dim=1)
    scale = (square * teacher_square).sqrt()
    overlap = torch.where(scale > 0, product / scale, torch.zeros_like(product))
    overlap = torch.where(torch.isfinite(scale), overlap, torch.nan)  # squares beyond all numbers
    error = 0.5 * ((student - teacher) ** 2).mean(dim=1)
    return FunctionOverlap(*map(_array, (overlap, product, square, teacher_square, error)))


def _compare_classes(classes: Tensor, targets: Tensor, count: int) -> FunctionOverlap:
    same = (classes == targets).double().flatten(1).mean(dim=1)
    unit = torch.ones_like(same)
    overlap = (count * same - 1.0) / (count - 1.0)
    return FunctionOverlap(*map(_array, (overlap, same, unit, unit, 1.0 - same)))


def function_overlap(outputs: Tensor, others: Tensor, targets: Tensor) -> FloatArray:
    """Overlap m_hat of two students of each replica, shape (replica,).

    Parameters
    ----------
    outputs, others : Tensor, shape (replica, sample, ...)
        What the students say.
    targets : Tensor
        What teachers say; its type tells numbers from classes.

    Examples
    --------
    >>> f = torch.tensor([[[1.0], [2.0]]])
    >>> float(function_overlap(f, -3 * f, f).round(12)[0])
    -1.0
    """
    if not targets.dtype.is_floating_point:
        others = others.argmax(dim=-1)
    return compare_functions(outputs, others).overlap


def _array(values: Tensor) -> FloatArray:
    array: np.ndarray[Any, np.dtype[np.float64]] = values.cpu().numpy()
    return array
