r"""Generalisation error in closed form, for Gaussian inputs.

Two fields u, v of zero mean with variances a, b and covariance c give

.. math::
    \langle g(u) g(v) \rangle =
    \tfrac{2}{\pi} \arcsin\frac{c}{\sqrt{(1 + a)(1 + b)}}, \quad c, \quad
    \tfrac{\sqrt{ab}}{2 \pi} (\sin\theta + (\pi - \theta) \cos\theta)

for erf(u/sqrt 2), the linear function and relu (cos theta = c/sqrt(a b)). With them the error
(y - y*)^2/2 of one layer, or of a dense layer read linearly, is a finite sum.

References
----------
Saad and Solla, PRE 52 (1995) 4225, doi 10.1103/PhysRevE.52.4225 (erf); Cho and Saul, NIPS 22
(2009) 342 (relu).
"""

import math

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr

from physbatch.systems.architecture import Architecture
from physbatch.systems.continuous import ContinuousSystem, Functions
from physbatch.typing import FloatArray


def output_product(
    activation: str, left: npt.ArrayLike, right: npt.ArrayLike, mixed: npt.ArrayLike
) -> FloatArray:
    """<g(u) g(v)> from the variances of u and v and their covariance; arguments broadcast.

    Parameters
    ----------
    activation : {"erf", "linear", "relu"}
        g.
    left, right, mixed : array_like
        <u^2>, <v^2> and <u v>.

    Raises
    ------
    ValueError
        For another activation.

    Examples
    --------
    >>> round(float(output_product("erf", 1.0, 1.0, 1.0)), 6)
    0.333333
    """
    a, b, c = (np.asarray(value, dtype=np.float64) for value in (left, right, mixed))
    if activation == "linear":
        return c + 0 * (a + b)
    if activation == "erf":
        cosine = c / (np.sqrt(1 + a) * np.sqrt(1 + b))
        return np.asarray(2 / math.pi * np.arcsin(np.clip(cosine, -1, 1)))
    if activation == "relu":
        length = np.sqrt(a) * np.sqrt(b)
        cosine = np.clip(c / np.where(length > 0, length, 1.0), -1, 1)
        angle = np.arccos(cosine)
        return np.asarray(
            length * (np.sqrt(1 - cosine * cosine) + (math.pi - angle) * cosine) / (2 * math.pi)
        )
    raise ValueError(f"no closed form for activation {activation!r}")


def has_closed_form(
    teacher: Architecture, student: Architecture, functions: Functions, *, inputs: str, loss: str
) -> bool:
    """Whether `closed_form_error` knows the error of this system.

    One layer of any wiring, or two with a dense first one and a linear readout (soft
    committees), for Gaussian inputs and erf, linear or relu units of both networks; with losses
    of signs one layer only.
    """
    if inputs != "gaussian" or (functions.teacher_activation and loss == "mean-square"):
        return False
    if teacher.depth == 1:
        return loss != "mean-square" or _unit_activation(functions) in ("erf", "linear", "relu")
    return (
        loss == "mean-square"
        and teacher.depth == 2
        and not functions.activated_readout
        and functions.activation in ("erf", "linear", "relu")
        and all(layers.layers[0].wiring == "full" for layers in (teacher, student))
    )


def _unit_activation(functions: Functions) -> str:
    """What the units of a network of one layer compute."""
    return functions.activation if functions.activated_readout else "linear"


def closed_form_error(
    system: ContinuousSystem,
    replica: int,
    student: FloatArray,
    *,
    loss: str,
    margin_exponent: int = 0,
) -> float:
    """Generalisation error of a student of one replica, for Gaussian inputs.

    Mean over outputs of <(y - y*)^2>/2, or with losses of signs of the chance
    arccos(R/sqrt(Q T))/pi that the signs of y and y* differ. Where it is a difference of
    numbers of order one (all but linear units) it is accurate to about 1e-16 absolutely.

    Parameters
    ----------
    system : ContinuousSystem
        The teachers; `has_closed_form` must hold.
    replica : int
        Row of `system`.
    student : ndarray, shape (edge,)
        Weights.
    margin_exponent : int
        chi, for one unit and losses of signs: the inputs' component u along the teacher has the
        density abs(u)^chi exp(-u^2/2), and the error is the chance that Student's t of chi + 1
        degrees of freedom exceeds (chi + 1)^(1/2) R/(Q T - R^2)^(1/2).
    """
    layers, functions = system.student_layers, system.functions
    target = system.target[replica]
    if layers.depth == 1:
        if margin_exponent:
            return _error_of_margins(target, student, margin_exponent)
        return _one_layer(layers, functions, target, student, loss)
    return _committee(system, replica, student)


def _one_layer(
    layers: Architecture, functions: Functions, target: FloatArray, student: FloatArray, loss: str
) -> float:
    """Every output is a unit of its own, whatever it reads."""
    layer = layers.layers[0]
    square = float(functions.scales(layers)[0] ** 2)
    learned, wanted = (weights.reshape(layer.units, layer.fan_in) for weights in (student, target))
    activation = _unit_activation(functions)
    q, r, t = (
        (a * b).sum(axis=1) * square
        for a, b in ((learned, learned), (learned, wanted), (wanted, wanted))
    )
    if loss != "mean-square":
        cosine = r / np.sqrt(np.where(q * t > 0, q * t, 1.0))
        return float(np.mean(np.arccos(np.clip(cosine, -1, 1)))) / math.pi
    if activation == "linear":
        difference = learned - wanted
        return float(np.mean((difference * difference).sum(axis=1))) * square / 2
    products = (
        output_product(activation, q, q, q)
        + output_product(activation, t, t, t)
        - 2 * output_product(activation, q, t, r)
    )
    return max(float(np.mean(products)) / 2, 0.0)


def _error_of_margins(target: FloatArray, student: FloatArray, exponent: int) -> float:
    """Chance of a wrong sign of one unit, for inputs that avoid the teacher's boundary."""
    direction = target / math.sqrt(float((target * target).sum()))
    along = float((student * direction).sum())
    across = math.sqrt(float(((student - along * direction) ** 2).sum()))
    if across == 0.0:
        return 0.0 if along >= 0 else 1.0
    freedom = exponent + 1
    return float(stdtr(freedom, -math.sqrt(freedom) * along / across))


def _committee(system: ContinuousSystem, replica: int, student: FloatArray) -> float:
    """Two dense layers, the second linear: y = scale sum_k v_k g(w_k.x)."""
    functions = system.functions
    vectors, readouts = [], []
    for layers, weights in (
        (system.student_layers, student),
        (system.teacher_layers, system.teacher[replica]),
    ):
        first, last = layers.layers
        scales = functions.scales(layers)
        vectors.append(scales[0] * weights[: first.edges].reshape(first.units, first.fan_in))
        readouts.append(scales[1] * weights[first.edges :].reshape(last.units, last.fan_in))
    if functions.activation == "linear":
        wholes = [
            np.einsum("ok,ki->oi", v, w, optimize=False)
            for v, w in zip(readouts, vectors, strict=True)
        ]
        difference = wholes[0] - wholes[1]
        return float(np.mean((difference * difference).sum(axis=1))) / 2
    joint = np.concatenate(vectors)
    outputs = np.concatenate((readouts[0], -readouts[1]), axis=1)
    covariance = np.einsum("ki,ni->kn", joint, joint, optimize=False)
    variance = np.diagonal(covariance)
    products = output_product(
        functions.activation, variance[:, None], variance[None, :], covariance
    )
    total = np.einsum("ok,kn,on->o", outputs, products, outputs, optimize=False)
    return max(float(np.mean(total)) / 2, 0.0)
