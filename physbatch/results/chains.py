"""Markov chains as ArviZ takes them: parameters by name, each with its chains and draws."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

import physbatch
from physbatch.errors import AnalysisError
from physbatch.typing import FloatArray


def chains_dataset(
    samples: FloatArray, chains: int, names: Sequence[str], attributes: Mapping[str, str]
) -> xr.Dataset:
    """A variable for each parameter, with the dimensions ``chain`` and ``draw``.

    Parameters
    ----------
    samples : ndarray, shape (n_sample, n_parameter)
        Sample i is of chain i % chains.
    chains : int
        How many there are.
    names : sequence of str
        Of the parameters.
    attributes : mapping
        What else is to be said.

    Raises
    ------
    physbatch.errors.AnalysisError
        If there are no chains.

    Examples
    --------
    >>> import numpy as np
    >>> from physbatch.results.chains import chains_dataset
    >>> chains_dataset(np.arange(6.0)[:, None], 2, ["nu"], {})["nu"].values.tolist()
    [[0.0, 2.0, 4.0], [1.0, 3.0, 5.0]]
    """
    if chains == 0:
        raise AnalysisError(
            "the result holds no chains", remedy="fit with errors='posterior' (--errors posterior)"
        )
    draws = samples.reshape(-1, chains, len(names))
    return xr.Dataset(
        {name: (("chain", "draw"), draws[:, :, column].T) for column, name in enumerate(names)},
        {"chain": range(chains), "draw": range(len(draws))},
        {"creation_library": f"physbatch {physbatch.__version__}", **attributes},
    )


def inference_data(posterior: xr.Dataset) -> Any:
    """Chains as what ArviZ works with: its InferenceData, from version 1 on a tree of xarray.

    Raises
    ------
    physbatch.errors.AnalysisError
        If there is no ArviZ.
    """
    try:
        arviz = importlib.import_module("arviz")
    except ImportError as error:
        raise AnalysisError(
            "ArviZ is not installed", remedy="`pip install arviz`, or take the samples as they are"
        ) from error
    if hasattr(arviz, "InferenceData"):
        return arviz.InferenceData(posterior=posterior)
    return xr.DataTree.from_dict({"posterior": posterior})
