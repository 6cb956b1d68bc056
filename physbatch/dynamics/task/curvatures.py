"""Second derivatives of the loss of students of a task: largest ones, and along gradients."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from torch import Tensor

from physbatch.dynamics.sgd.curvature import directional_curvatures, largest_curvature
from physbatch.dynamics.task.descent import TaskDescent
from physbatch.dynamics.task.samples import Leaves

Curvatures = dict[str, npt.NDArray[np.float64]]


def largest_curvatures(descent: TaskDescent, probes: tuple[Leaves, Tensor]) -> Curvatures:
    """Largest curvature of the loss on the set that is learned or on probes, and on a batch.

    Parameters
    ----------
    descent : TaskDescent
        The students as they are now.
    probes : tuple
        Inputs and targets of fresh samples.

    Returns
    -------
    dict of ndarray, shape (replica,)
        ``sharpness``, and ``batch_sharpness`` on the batch last drawn.
    """
    losses = {
        "sharpness": descent.mean_loss(*(descent.source.patterns or probes)),
        "batch_sharpness": descent.mean_loss(*descent.last_batch()),
    }
    weights = list(descent.learned.values())
    return {name: _numbers(largest_curvature(loss, weights)) for name, loss in losses.items()}


def sharpness_along_gradients(descent: TaskDescent, most: int) -> Curvatures:
    r"""Batch sharpness: the curvature of the losses of batches along their own gradients, now.

    With gradient g_B and second derivative H_B of the mean loss of a batch B,

    .. math:: \left\langle\frac{g_B' H_B g_B}{|g_B|^2}\right\rangle_B, \qquad
        \frac{\langle g_B' H_B g_B\rangle_B}{\langle|g_B|^2\rangle_B},

    over `most` batches drawn as that of the next step is: fresh samples, or from the finite set
    with replacement or without (a batch of an epoch is a random subset). All subsets of a finite
    set are taken, each once, where there are no more than `most`. No batch of these is learned.

    Parameters
    ----------
    descent : TaskDescent
        The students as they are now.
    most : int
        Number of batches.

    Returns
    -------
    dict of ndarray, shape (replica,)
        ``directional_sharpness`` and ``directional_sharpness_ratio``; nan where every batch is
        fitted perfectly.

    References
    ----------
    Andreyev and Beneventano, arXiv 2412.20553 (2024).
    """
    losses = (descent.mean_loss(*batch) for batch in descent.source.measured(descent.step, most))
    means = directional_curvatures(losses, list(descent.learned.values()))
    return {name: _numbers(values) for name, values in means.items()}


def _numbers(values: Tensor) -> npt.NDArray[np.float64]:
    return np.asarray(values.double().cpu().numpy())
