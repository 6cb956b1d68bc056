"""Types of arrays that every room uses."""

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: Fields of arrays and the names of the dimensions along which they lie.
Dims = dict[str, tuple[str, ...]]
