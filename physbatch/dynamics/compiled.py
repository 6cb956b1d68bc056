"""How the parts of the kernels are compiled, and the size of a batch.

Numba counts the references to an array, with a locked instruction, whenever a function takes it
or reads it out of a tuple; for a small batch that costs more than the work, and the code for it
takes long to compile. So parts that take tuples are compiled without counts. Arrays are kept alive
by those who made them: the kernel's caller, or the outermost compiled function. Parts that make
arrays themselves, or copy one into another, need the counts; a part without must not return an
array to one of them. Loops over plain arrays have them as well: without, the compiler would copy
the loops into every place that calls them, which takes longer than calling does.

None of the parts is cached on disk by itself: they are compiled into the kernels, whose caches
follow the source of all of them (`physbatch.sources.hash_of_sources`).
"""

from typing import Any

import numba
import numpy as np

from physbatch.streams.compiled import philox
from physbatch.streams.keys import KIND_BATCH

_BATCH = np.uint64(KIND_BATCH)
_ZERO = np.uint64(0)
_8 = np.uint64(8)
_32 = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)

#: Only compiled code calls these: without a door to Python they compile faster.
_INSIDE = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
WITHOUT_COUNTS: Any = {"_nrt": False, **_INSIDE}
WITH_COUNTS: Any = {"_nrt": True, **_INSIDE}
compiled = numba.njit(**WITHOUT_COUNTS)
compiled_inline = numba.njit(forceinline=True, **WITHOUT_COUNTS)
#: Written into the function that calls it: for a part that is called once, since every function
#: is optimised again with each one that calls it, and for one that hands out parts of arrays.
compiled_within = numba.njit(inline="always", **WITHOUT_COUNTS)
compiled_counting = numba.njit(**WITH_COUNTS)
#: The same for floats: division by zero gives inf or nan, so that loops need no checks.
compiled_floats = numba.njit(error_model="numpy", **WITHOUT_COUNTS)
compiled_counting_floats = numba.njit(error_model="numpy", **WITH_COUNTS)


@compiled
def first_due(times, start):
    """Number of the first measuring time from `start` on; numpy's search compiles longer."""
    for column in range(times.shape[0]):
        if times[column] >= start:
            return column
    return times.shape[0]


@compiled
def batch_of(batches, sweep):
    """Floor and threshold of the batches of a sweep; see `physbatch.dynamics.rules.BatchTable`."""
    floors, thresholds = batches
    row = min(sweep, floors.shape[0] - 1)
    return floors[row], thresholds[row]


@compiled
def draw_count(floor, threshold, key, index, replica):
    """Number of samples of batch `index`, as `physbatch.dynamics.rules.BatchRule` says."""
    if threshold == _ZERO:
        return floor
    if threshold > _LOW:  # they alternate, from the phase that the first number is
        phase, _, _, _ = philox(_ZERO, _ZERO, _BATCH, replica, key)
        number = _LOW - ((index * threshold + phase) & _LOW)
        return floor + 1 if number < (threshold & _LOW) else floor
    number, _, _, _ = philox(_ZERO, index & _LOW, _BATCH | ((index >> _32) << _8), replica, key)
    return floor + 1 if number < threshold else floor
