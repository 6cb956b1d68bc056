"""Pattern sets whose margins to the teacher have a density that vanishes at the boundary."""

import numpy as np
import numpy.typing as npt

from physbatch.streams.filling import normal_rows
from physbatch.streams.keys import KIND_GAUSSIAN
from physbatch.typing import FloatArray

#: Index of the further normal numbers of a pattern set; its inputs have index 0.
MARGIN_INDEX = 1


def patterns_of_margins(
    inputs: npt.NDArray[np.floating],
    teacher: FloatArray,
    exponent: int,
    *,
    key: int,
    first_replica: int,
) -> None:
    r"""Change the component of Gaussian inputs along the teacher, in place; its sign stays.

    The component u = x.w*/|w*| becomes sign(u) (u^2 + z_1^2 + ... + z_chi^2)^(1/2) with further
    normal numbers z, so that

    .. math:: \rho(u) \propto |u|^{\chi} e^{-u^2/2},

    and nothing else of the inputs changes: chi = 0 leaves them Gaussian.

    Parameters
    ----------
    inputs : ndarray, shape (replica, P, N)
        Independent normal numbers.
    teacher : ndarray, shape (replica, N)
        w* of each replica.
    exponent : int
        chi.
    key : int
        Stream of the pattern sets.
    first_replica : int
        Number of the first replica.

    References
    ----------
    Sclocchi and Wyart, PNAS 121 (2024) e2316301121, doi 10.1073/pnas.2316301121.

    Examples
    --------
    >>> inputs = np.array([[[0.5, 1.0], [-0.5, 1.0]]])
    >>> patterns_of_margins(inputs, np.array([[2.0, 0.0]]), 1, key=1, first_replica=0)
    >>> np.sign(inputs[0, :, 0]), inputs[0, :, 1]
    (array([ 1., -1.]), array([1., 1.]))
    """
    count = inputs.shape[1]
    for row, (patterns, weights) in enumerate(zip(inputs, teacher, strict=True)):
        numbers = normal_rows(
            key, KIND_GAUSSIAN, MARGIN_INDEX, first_replica + row, 1, count * exponent
        ).reshape(count, exponent)
        direction = weights / np.sqrt((weights * weights).sum())
        before = (patterns * direction).sum(axis=1)
        after = np.copysign(np.sqrt(before * before + (numbers * numbers).sum(axis=1)), before)
        patterns += (after - before)[:, None] * direction
