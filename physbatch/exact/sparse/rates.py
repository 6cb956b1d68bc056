r"""Flip rates of the sparse network of two layers, exact where its graph is a tree.

Binary weights, sign units, vector output, d odd, binary inputs, a fresh batch of m samples for
every proposal. Loops of the random d-regular graph enter as 1/N.

A hidden unit with k wrong weights agrees with the teacher's with the chance c_k. A *leg* of an
output is labelled e = k if its weight has the teacher's sign, and d - k if not (up to the gauge of
the hidden unit), so that c_e is the chance that the leg pulls as the teacher's does. Let F and F*
be the fields of student and teacher from the other d - 1 legs. If the leg flips, the output flips
where F = 0:

.. math:: A = P(F = 0, F^* \ge 0 \mid h^* = 1), \qquad B = P(F = 0, F^* < 0 \mid h^* = 1),

and A + B = P(F = 0) does not depend on the state. A first-layer flip makes its hidden unit newly
wrong with chance p and newly right with p', see `physbatch.exact.greedy_unit`. For a sample that
is newly wrong, reader a makes an error with chance g_a and loses an error with l_a, which are (A,
B) if the sign of its leg is right and (B, A) if not. So with :math:`X(z) = \prod_a (1 - g_a - l_a
+ g_a z + l_a / z)` the law of the change dE of the energy over a batch has the generating function

.. math:: G(z) = [1 - p - p' + p X(z) + p' X(1/z)]^m .

A second-layer flip has :math:`G(z) = (1 - U - D + U z + D/z)^m` with :math:`U = c A + (1 - c) B`
and :math:`D = c B + (1 - c) A`. A real m is the mixture of the two nearest integers.
"""

import math
from collections.abc import Sequence
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from physbatch.errors import AnalysisError
from physbatch.exact.greedy_unit import flip_probabilities
from physbatch.exact.sparse.kernels import tie_with_teacher
from physbatch.typing import FloatArray

Ties = Literal["reject", "accept"]


def check_point(degree: int, batch_size: float = 1.0, ties: str = "reject") -> None:
    """AnalysisError unless d is odd and at least 3, m at least 1 and `ties` a rule."""
    if degree < 3 or degree % 2 == 0:
        raise AnalysisError(
            f"degree {degree}", where="sparse network", remedy="take an odd degree of 3 or more"
        )
    if not 1 <= batch_size < math.inf:
        raise AnalysisError(
            f"batch_size {batch_size:g}", where="sparse network", remedy="take 1 or more samples"
        )
    if ties not in ("reject", "accept"):
        raise AnalysisError(f"ties {ties!r}", where="sparse network", remedy="reject or accept")


@cache
def agreement(degree: int, label: int) -> float:
    """c_e: chance that a leg with label e = 0 ... d pulls its output as the teacher's does.

    >>> [agreement(3, label) for label in range(4)]
    [1.0, 0.5, 0.5, 0.0]
    """
    check_point(degree)
    total = 0
    for right in range(degree - label + 1):
        for wrong in range(label + 1):
            ways = math.comb(degree - label, right) * math.comb(label, wrong)
            a, b = 2 * right - (degree - label), 2 * wrong - label
            total += ways * ((a + b > 0) == (a - b > 0))
    return float(total / 2**degree)


def tie_chance(degree: int) -> float:
    """A + B: chance that d - 1 legs tie.

    >>> tie_chance(3), tie_chance(5)
    (0.5, 0.375)
    """
    check_point(degree)
    return float(math.comb(degree - 1, degree // 2) / 2 ** (degree - 1))


def reader_chances(degree: int, labels: Sequence[int]) -> tuple[float, float]:
    """A and B of an output whose other d - 1 legs have these labels.

    Raises
    ------
    physbatch.errors.AnalysisError
        If d is even or below 3, or there are not d - 1 labels from 0 to d.

    Examples
    --------
    >>> reader_chances(3, [0, 0]), reader_chances(3, [0, 3])
    ((0.5, 0.0), (0.25, 0.25))
    """
    check_point(degree)
    if len(labels) != degree - 1 or not all(0 <= label <= degree for label in labels):
        raise AnalysisError(
            f"labels {list(labels)}",
            where="sparse network",
            remedy=f"give the {degree - 1} labels of the other legs, each from 0 to {degree}",
        )
    chances = np.array([agreement(degree, label) for label in labels])
    work = np.empty((2, degree, 2 * degree + 1))
    with_teacher = float(tie_with_teacher(chances, work))
    return with_teacher, tie_chance(degree) - with_teacher


def hidden_flip(
    degree: int,
    wrong: int,
    flip_wrong: bool,
    readers: npt.ArrayLike,
    batch_size: float,
) -> FloatArray:
    """Law of dE over a batch if a weight of a hidden unit flips.

    Parameters
    ----------
    degree : int
        d, odd.
    wrong : int
        Wrong weights of the unit before the flip, from 0 to d.
    flip_wrong : bool
        Whether a wrong weight flips, which makes it right.
    readers : array_like, shape (d, 2)
        g and l of each output that reads the unit: A and B of `reader_chances` if the sign of
        its leg is right, B and A if not.
    batch_size : float
        m, real.

    Returns
    -------
    ndarray, shape (2 K + 1,)
        Chances of dE = -K, ..., K with K = d ceil(m).

    Raises
    ------
    physbatch.errors.AnalysisError
        If the readers are not d pairs, or there is no such weight.

    Examples
    --------
    >>> law = hidden_flip(3, 1, True, [[0.5, 0.0]] * 3, 4)
    >>> round(acceptance(law), 6), round(float(law.sum()), 12)
    (0.899887, 1.0)
    """
    check_point(degree, batch_size)
    pairs = np.asarray(readers, dtype=np.float64)
    if pairs.shape != (degree, 2) or not (1 if flip_wrong else 0) <= wrong <= degree - (
        0 if flip_wrong else 1
    ):
        raise AnalysisError(
            f"{wrong} wrong weights, readers of shape {pairs.shape}",
            where="hidden_flip",
            remedy=f"give {degree} pairs (g, l), and a unit that has such a weight",
        )
    newly_wrong, newly_right = flip_probabilities(degree, wrong, flip_wrong)
    reach = degree * math.ceil(batch_size)
    z = _unit_circle(reach)
    outputs = np.ones_like(z)
    for up, down in pairs:
        outputs *= 1 - up - down + up * z + down / z
    sample = 1 - newly_wrong - newly_right + newly_wrong * outputs + newly_right * outputs.conj()
    return _law(sample, batch_size, reach)


def output_flip(
    degree: int, label: int, chances: tuple[float, float], batch_size: float
) -> FloatArray:
    """Law of dE = -K, ..., K, K = ceil(m), if the weight of a leg with this label flips.

    `chances` are A and B of the other legs, as of `reader_chances`.

    >>> law = output_flip(3, 3, (0.5, 0.0), 4)
    >>> round(acceptance(law), 6)
    0.9375
    """
    check_point(degree, batch_size)
    c, (first, second) = agreement(degree, label), chances
    up, down = c * first + (1 - c) * second, c * second + (1 - c) * first
    reach = math.ceil(batch_size)
    z = _unit_circle(reach)
    return _law(1 - up - down + up * z + down / z, batch_size, reach)


def acceptance(law: npt.ArrayLike, ties: Ties = "reject") -> float:
    """Chance that a flip with this law of dE is kept: dE < 0, or dE <= 0 with ties accepted."""
    chances = np.asarray(law, dtype=np.float64)
    middle = len(chances) // 2
    return float(chances[: middle + (ties == "accept")].sum())


def _unit_circle(reach: int) -> npt.NDArray[np.complex128]:
    """Points on which a law of -reach ... reach is known from its generating function."""
    points = 2 * reach + 1
    return np.asarray(np.exp(2j * np.pi * np.arange(points) / points))


def _law(sample: npt.NDArray[np.complex128], batch_size: float, reach: int) -> FloatArray:
    """Law of a batch from the generating function of a sample on the unit circle."""
    floor = math.floor(batch_size)
    part = batch_size - floor
    whole = sample**floor * (1 - part + part * sample)
    law = np.fft.fftshift(np.fft.fft(whole)).real / len(sample)
    return np.maximum(np.asarray(law, dtype=np.float64), 0.0)
