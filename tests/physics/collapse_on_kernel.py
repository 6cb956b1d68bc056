"""Collapses on the linear algebra that this process was started with, as one JSON object.

OPENBLAS_CORETYPE=Haswell python -m tests.physics.collapse_on_kernel
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import scipy.linalg  # noqa: F401  # its own OpenBLAS, of which the kernel is stated
from threadpoolctl import threadpool_info

from physbatch.exact import grids, scaling_functions
from physbatch.scaling import ScalingTable, collapse, flag_names
from tests.physics.test_collapse_corrections import SIZES, curie_weiss_table, with_corrections


def _without_corrections() -> ScalingTable:
    known = scaling_functions.exponent_set("Ising 2-D")
    grid = grids.scaled_grid(SIZES, known.c_c, known.nu, points=18, ragged=True, seed=4)
    return scaling_functions.planted_table(
        scaling_functions.ScalingLaw(known), SIZES, grid, noise=0.01, relative=False, seed=4
    )


def cases() -> Iterator[tuple[str, ScalingTable, str]]:
    """Name, data and window: data that obey the form, and three kinds that do not."""
    good = _without_corrections()
    yield "good", good, "scan"
    errors = {name: error / 5 for name, error in good.errors.items()}
    yield "errors too small", replace(good, errors=errors), "scan"
    yield "corrections", with_corrections("planted", 1.0, 1e-3, 0), "all"
    yield "Curie-Weiss", curie_weiss_table("magnetization", 3e-4, 0), "all"


def main() -> None:
    """Print the kernels in use, and values, errors and flags of every case."""
    kernels = {one["architecture"] for one in threadpool_info() if "architecture" in one}
    found = {}
    for name, table, window in cases():
        result = collapse(table, window=window)
        found[name] = {
            "flags": flag_names(result.flags),
            "values": {key: one.value for key, one in result.parameters.items()},
            "errors": {key: one.stderr for key, one in result.parameters.items()},
        }
    print(json.dumps({"kernels": sorted(kernels), "found": found}))


if __name__ == "__main__":
    main()
