"""Square of the mean gradient and variance of single gradients, from two batch sizes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from physbatch.dynamics.task.descent import TaskDescent
from physbatch.dynamics.task.samples import Leaves

#: Small batches that the samples are cut into.
GROUPS = 32


def gradient_moments(
    descent: TaskDescent, probes: tuple[Leaves, Tensor]
) -> dict[str, npt.NDArray[np.float64]]:
    r"""Square of the mean gradient, and variance of the gradient of one sample, now.

    The samples (the set that is learned, or probes with noisy labels) are cut into 32 batches of b,
    n in all (1/b is averaged where they do not divide). With the mean square of the gradients of
    the small batches and that of the large one,

    .. math:: \mathrm{tr}\,\hat S = \frac{\langle|g_b|^2\rangle - |g_n|^2}{1/b - 1/n}, \qquad
        |\hat G|^2 = |g_n|^2 - \mathrm{tr}\,\hat S/n,

    both without bias. For a finite set g_n is the gradient itself, and nothing is subtracted.

    Parameters
    ----------
    descent : TaskDescent
        The students as they are now.
    probes : tuple
        Inputs and noiseless targets of fresh samples, at least two.

    Returns
    -------
    dict of ndarray, shape (replica,)
        ``gradient_square`` and ``gradient_variance``; nan for a single sample.

    References
    ----------
    McCandlish, Kaplan, Amodei and the OpenAI Dota team, arXiv 1812.06162 (2018), appendix A.
    """
    inputs, targets = probes
    if descent.source.patterns is not None:
        inputs, targets = descent.source.patterns
    else:
        targets = descent.source.noisy_probes(targets)
    count = targets.shape[1]
    borders = np.linspace(0, count, min(GROUPS, count) + 1).astype(np.int64)
    sizes = np.diff(borders)
    small, total = torch.zeros(()), torch.zeros(())
    for first, size in zip(borders[:-1].tolist(), sizes.tolist(), strict=True):
        part = slice(first, first + size)
        some = {name: leaf[:, part] for name, leaf in inputs.items()}
        gradient = descent.mean_gradient(some, targets[:, part]).double().cpu()
        small = small + gradient.square().sum(dim=1) / len(sizes)
        total = total + gradient * (size / count)
    large = total.square().sum(dim=1)
    apart = float(np.mean(1.0 / sizes)) - 1.0 / count
    variance = (small - large) / apart if count > 1 else large * torch.nan
    square = large if descent.source.patterns is not None else large - variance / count
    return {
        "gradient_square": np.asarray(square.numpy()),
        "gradient_variance": np.asarray(variance.numpy()),
    }
