r"""Steps of one unit with a Hermite link on the sphere: exact at any N, whatever the batch.

Teacher and student are f(x) = He_k(w.x)/sqrt(k!) of normal x with |w| = 1. A batch of B fresh
samples gives the gradient -(1/B) sum D x of the loss, with D = (f* - f) f' for the square of the
difference and D = f* f' for the correlation loss -f* f. The student takes a step of rate eta and
returns to the sphere. By symmetry the overlap m = w.w* is a Markov chain: with the fields lambda =
w.x and z, the part of the teacher's across w, both normal,

.. math:: w' \propto (1 + \eta a)\, w + \eta b\, u + \eta \sqrt{c/B}\,\chi_{N-2}\, v, \quad
    a = \langle D \lambda \rangle,\ b = \langle D z \rangle,\ c = \langle D^2 \rangle

with averages over the batch, u the direction of w* across w, and v one across both. A step costs B
numbers, and not B N.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from physbatch.dynamics.single_index.kernel import SOURCE_HASH, make_kernel
from physbatch.errors import StudyError
from physbatch.typing import FloatArray, IntArray


@dataclass(frozen=True)
class SingleIndexRun:
    """What is simulated.

    Attributes
    ----------
    size, batch_size : int
        N, at least 3, and B.
    learning_rate : float
        eta.
    degree : int
        k, the information exponent.
    times : ndarray of int64
        Measuring times in steps, sorted.
    last_step : int
        A replica that has not learned by then stops.
    key : int
        Stream of the samples.
    replicas : range
        The replicas.
    correlation : bool
        The loss -f* f instead of (f - f*)^2/2.
    tangent : bool
        Take the part of the gradient along w out of each step.
    start : float
        Overlap at step 0.
    enough : float
        A student has learned when m (abs(m) for even k) reaches this, and stays where it is.
    """

    size: int
    batch_size: int
    learning_rate: float
    degree: int
    times: IntArray
    last_step: int
    key: int
    replicas: range
    correlation: bool = False
    tangent: bool = False
    start: float = 0.1
    enough: float = 0.5


def run_single_index(run: SingleIndexRun) -> tuple[FloatArray, IntArray]:
    """Overlaps at the measuring times, and the step at which each replica had learned.

    Returns
    -------
    overlaps : ndarray, shape (replica, time)
        m; after a replica has learned, or stopped, its last value.
    passages : ndarray of int64, shape (replica,)
        First step with m, or abs(m), >= `enough`; -1 if there was none.

    Raises
    ------
    StudyError
        If N, B or the degree are too small.

    References
    ----------
    Arnaboldi, Dandi, Krzakala, Loureiro, Pesce and Stephan, "Online learning and information
    exponents", arXiv 2406.02157 (2024).

    Examples
    --------
    >>> run = SingleIndexRun(size=50, batch_size=200, learning_rate=0.5, degree=1, key=1,
    ...                      times=np.array([0, 9]), last_step=9, replicas=range(4))
    >>> overlaps, passages = run_single_index(run)
    >>> overlaps[:, 0].tolist(), bool((passages <= 2).all())
    ([0.1, 0.1, 0.1, 0.1], True)
    """
    for name, value, least in (
        ("size", run.size, 3),
        ("batch_size", run.batch_size, 1),
        ("degree", run.degree, 1),
    ):
        if value < least:
            raise StudyError(f"{name} {value} is below {least}", where="single index")
    count = len(run.replicas)
    overlaps = np.empty((count, len(run.times)))
    passages = np.full(count, -1, dtype=np.int64)
    told = (
        run.size,
        run.batch_size,
        run.degree,
        float(run.learning_rate),
        run.correlation,
        run.tangent,
        (float(run.start), float(run.enough), run.last_step),
        np.uint64(run.key),
    )
    numbers = np.array(run.replicas, dtype=np.uint64)
    times = np.asarray(run.times, dtype=np.int64)
    make_kernel(SOURCE_HASH)(overlaps, passages, times, told, numbers)
    return overlaps, passages
