"""Second derivatives of a loss for all replicas at once: largest eigenvalue, along the gradient."""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

#: Products of a Hessian and a vector, each of which costs two gradients.
CURVATURE_PRODUCTS = 24


def largest_curvature(
    loss: Callable[[Sequence[Tensor]], Tensor],
    parameters: Sequence[Tensor],
    *,
    iterations: int = CURVATURE_PRODUCTS,
) -> Tensor:
    """Largest eigenvalue of the Hessian of each replica's loss, shape (replica,).

    Lanczos iterations with full orthogonalisation; a product with the Hessian costs two gradients
    (Pearlmutter, Neural Computation 6 (1994) 147, doi 10.1162/neco.1994.6.1.147). The value is a
    Ritz value: never above the eigenvalue, and, for spectra with a few large eigenvalues, as those
    of networks are, within 1e-3 of it after 24 iterations. `loss` gives the loss of each replica,
    shape (replica,), of parameters of shape (replica, ...); replicas do not interact.

    >>> weights = torch.tensor([[1.0, 2.0], [0.0, 1.0]], dtype=torch.float64)
    >>> scale = torch.tensor([3.0, 5.0], dtype=torch.float64)
    >>> largest_curvature(lambda values: (scale * values[0] ** 2).sum(dim=1) / 2, [weights])
    tensor([5., 5.], dtype=torch.float64)
    """
    leaves = [values.detach().requires_grad_() for values in parameters]
    replicas = len(leaves[0])
    with torch.enable_grad():
        flat = _flat(torch.autograd.grad(loss(leaves).sum(), leaves, create_graph=True))

    def product(vector: Tensor) -> Tensor:
        with torch.enable_grad():  # whatever the caller has switched off
            products = torch.autograd.grad((flat * vector).sum(), leaves, retain_graph=True)
        return _flat(products).detach()

    size = flat.shape[1]
    vector = _start(size, flat)
    basis: list[Tensor] = []
    diagonal: list[Tensor] = []
    beside: list[Tensor] = []
    for step in range(min(iterations, size)):
        basis.append(vector)
        image = product(vector)
        diagonal.append((image * vector).sum(dim=1))
        # Twice, as one pass leaves what rounding put in.
        stacked = torch.stack(basis, dim=1)
        for _ in range(2):
            shares = torch.einsum("rkn,rn->rk", stacked, image)
            image = image - torch.einsum("rk,rkn->rn", shares, stacked)
        length = image.norm(dim=1)
        if step == min(iterations, size) - 1:
            break
        beside.append(length)
        # An exhausted replica goes on with zeros: its further Ritz values are 0.
        vector = (
            image
            / torch.where(length > 1e-12 * (1 + diagonal[0].abs()), length, torch.inf)[:, None]
        )
    matrix = torch.zeros(replicas, len(diagonal), len(diagonal), dtype=torch.float64)
    for row, value in enumerate(diagonal):
        matrix[:, row, row] = value.double().cpu()
    for row, value in enumerate(beside):
        matrix[:, row, row + 1] = matrix[:, row + 1, row] = value.double().cpu()
    finite = torch.isfinite(matrix).flatten(1).all(dim=1)
    matrix[~finite] = 0.0
    top: Tensor = torch.linalg.eigvalsh(matrix)[:, -1]
    return top.masked_fill(~finite, torch.nan)


def curvature_along_gradient(
    loss: Callable[[Sequence[Tensor]], Tensor], parameters: Sequence[Tensor]
) -> tuple[Tensor, Tensor]:
    """g'Hg and g'g of each replica's loss with gradient g and Hessian H, shape (replica,) each.

    Their ratio is the curvature of the loss along its own gradient; the product costs two gradients
    and is exact. `loss` and `parameters` are those of `largest_curvature`.

    >>> weights = torch.tensor([[1.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
    >>> curvatures = torch.tensor([3.0, 1.0], dtype=torch.float64)
    >>> curvature_along_gradient(lambda w: (curvatures * w[0] ** 2).sum(dim=1) / 2, [weights])
    (tensor([27., 28.], dtype=torch.float64), tensor([ 9., 10.], dtype=torch.float64))
    """
    leaves = [values.detach().requires_grad_() for values in parameters]
    with torch.enable_grad():
        flat = _flat(torch.autograd.grad(loss(leaves).sum(), leaves, create_graph=True))
        gradient = flat.detach()
        image = _flat(torch.autograd.grad((flat * gradient).sum(), leaves)).detach()
    return (gradient * image).sum(dim=1), (gradient**2).sum(dim=1)


def directional_curvatures(
    losses: Iterable[Callable[[Sequence[Tensor]], Tensor]], parameters: Sequence[Tensor]
) -> dict[str, Tensor]:
    """Curvature along the gradient over batches: its mean and the ratio of means, each (replica,).

    Batch sharpness is E_B[g_B'H_B g_B/g_B'g_B], over batches B with gradient g_B and Hessian H_B of
    their mean loss (Andreyev and Beneventano, arXiv 2412.20553); the ratio is
    E_B[g_B'H_B g_B]/E_B[g_B'g_B]. `losses` has one function a batch, each as for
    `largest_curvature`. A batch that is fitted perfectly has no direction and no part in the mean;
    nan where none has one.

    >>> weights = torch.tensor([[1.0, 1.0]], dtype=torch.float64)
    >>> curvatures = torch.tensor([[3.0, 0.0], [0.0, 1.0], [0.0, 0.0]], dtype=torch.float64)
    >>> losses = [lambda w, c=c: (c * w[0] ** 2).sum(dim=1) / 2 for c in curvatures]
    >>> both = directional_curvatures(losses, [weights])
    >>> both["directional_sharpness"].tolist(), both["directional_sharpness_ratio"].tolist()
    ([2.0], [2.8])
    """
    sums = torch.zeros(4, len(parameters[0]), dtype=torch.float64)
    for loss in losses:
        product, square = curvature_along_gradient(loss, parameters)
        moving = square > 0
        share = torch.where(moving, product / square, 0.0)
        sums += torch.stack([share, moving, product, square]).double().cpu()
    return {
        "directional_sharpness": sums[0] / sums[1],
        "directional_sharpness_ratio": sums[2] / sums[3],
    }


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([tensor.flatten(1) for tensor in tensors], dim=1)


def _start(size: int, like: Tensor) -> Tensor:
    """A fixed vector without symmetry, the same for every replica, of length 1."""
    places = torch.arange(1, size + 1, dtype=torch.float64)
    values = torch.frac(places * 0.6180339887498949) - 0.5
    start: Tensor = (values / values.norm()).to(like.device, like.dtype)
    return start.expand(like.shape[0], -1)
