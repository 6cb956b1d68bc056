"""Finite sets of labelled samples: scikit-learn's digits, a user's file, or random labels."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from physbatch.errors import DatasetError
from physbatch.typing import FloatArray, IntArray


@dataclass(frozen=True)
class Samples:
    """P inputs of N numbers each, and the class of each.

    Attributes
    ----------
    inputs : ndarray of float64, shape (P, N)
        The inputs.
    labels : ndarray of int64, shape (P,)
        Class numbers 0 ... `classes` - 1.
    classes : int
        Number of classes.
    source : str
        Where they are from.
    """

    inputs: FloatArray
    labels: IntArray
    classes: int
    source: str

    def __len__(self) -> int:
        return len(self.labels)

    def standardised(self) -> Samples:
        """Inputs shifted and scaled to mean 0 and variance 1; those that never vary are dropped."""
        spread = self.inputs.std(axis=0)
        varies = spread > 0
        inputs = (self.inputs[:, varies] - self.inputs[:, varies].mean(axis=0)) / spread[varies]
        return replace(self, inputs=inputs)

    def subset(self, count: int, seed: int) -> Samples:
        """`count` different samples, drawn at random.

        Raises
        ------
        DatasetError
            If there are not so many.
        """
        if not 1 <= count <= len(self):
            raise DatasetError(
                f"{count} samples asked for, {len(self)} are there",
                where=self.source,
                remedy="ask for fewer",
            )
        rows = np.random.default_rng(seed).permutation(len(self))[:count]
        return replace(self, inputs=self.inputs[rows], labels=self.labels[rows])

    def with_random_labels(self, seed: int) -> Samples:
        """The same inputs with independent, uniformly random labels: nothing to learn."""
        labels = np.random.default_rng(seed).integers(self.classes, size=len(self))
        return replace(self, labels=labels, source=f"{self.source}, random labels")

    def only(self, classes: Sequence[int]) -> Samples:
        """The samples of some classes, which are numbered anew in the given order.

        Raises
        ------
        DatasetError
            If a class has no sample, or fewer than two classes are named.
        """
        wanted = list(dict.fromkeys(classes))
        for number in wanted:
            if not np.any(self.labels == number):
                raise DatasetError(f"no sample of class {number}", where=self.source)
        if len(wanted) < 2:
            raise DatasetError("needs two classes at least", where=self.source)
        rows = np.isin(self.labels, wanted)
        numbers = {number: label for label, number in enumerate(wanted)}
        labels = np.array([numbers[int(label)] for label in self.labels[rows]], dtype=np.int64)
        return replace(self, inputs=self.inputs[rows], labels=labels, classes=len(wanted))


def load_samples(source: str | os.PathLike[str]) -> Samples:
    """Read labelled samples.

    Parameters
    ----------
    source : str or path
        ``"digits"``: the 1797 handwritten digits of 8 x 8 pixels that scikit-learn holds
        (the extra ``data``). Else a ``.npz`` file with arrays ``X``, shape (P, ...),
        and ``y``, shape (P,): class numbers from 0. Nothing in the file is executed.

    Raises
    ------
    DatasetError
        If the file cannot be read, or its arrays are not numbers of these shapes.

    References
    ----------
    Alpaydin and Kaynak (1998), Optical recognition of handwritten digits, UCI Machine
    Learning Repository, doi 10.24432/C50P49.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(f"{folder}/two.npz", X=[[0.0, 1.0], [1.0, 0.0]], y=[0, 1])
    ...     len(load_samples(f"{folder}/two.npz"))
    2
    """
    if str(source) == "digits":
        return _digits()
    path = Path(source)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            inputs, labels = arrays["X"], arrays["y"]
    except KeyError as error:
        raise DatasetError(
            f"has no array {error!s}",
            where=str(path),
            remedy="save arrays X and y with numpy.savez",
        ) from error
    except OSError as error:
        raise DatasetError(
            f"cannot read ({error.strerror or error})", where=str(path), remedy="check the path"
        ) from error
    except (ValueError, EOFError, zipfile.BadZipFile, TypeError) as error:
        raise DatasetError(
            "is no .npz file of plain numbers",
            where=str(path),
            remedy="save arrays X and y with numpy.savez, or write digits",
        ) from error
    return _checked(inputs, labels, str(path))


def _digits() -> Samples:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise DatasetError(
            "the digits need scikit-learn",
            where="digits",
            remedy="pip install scikit-learn",
        ) from error
    inputs, labels = load_digits(return_X_y=True)
    return _checked(inputs, labels, "digits")


def _checked(
    inputs: npt.NDArray[np.generic], labels: npt.NDArray[np.generic], where: str
) -> Samples:
    if inputs.dtype.kind not in "biuf" or labels.dtype.kind not in "biu":
        raise DatasetError(
            f"X holds {inputs.dtype} and y {labels.dtype}",
            where=where,
            remedy="X must hold real numbers and y class numbers",
        )
    if inputs.ndim < 2 or labels.shape != inputs.shape[:1] or len(labels) < 2:
        raise DatasetError(
            f"shapes {inputs.shape} and {labels.shape} do not match",
            where=where,
            remedy="X needs the shape (P, N) and y the shape (P,), P at least 2",
        )
    values = inputs.reshape(len(inputs), -1).astype(np.float64)
    numbers = labels.astype(np.int64)
    if not np.isfinite(values).all():
        raise DatasetError("X holds nan or inf", where=where, remedy="remove these samples")
    if numbers.min() < 0 or numbers.max() >= len(numbers):
        raise DatasetError(
            f"y holds class numbers from {numbers.min()} to {numbers.max()}",
            where=where,
            remedy="number the classes from 0",
        )
    classes = int(numbers.max()) + 1
    if classes < 2:
        raise DatasetError("y holds one class only", where=where)
    return Samples(values, numbers, classes, where)
