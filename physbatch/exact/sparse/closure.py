r"""Star closure: a deterministic theory of the sparse network for N -> infinity.

The state is the law :math:`\pi` of the labels of an output's d legs, which moves by

* e -> e + 1 and e -> e - 1, at the rates (d - e) a_up and e a_down per sweep, if a weight of the
  hidden unit flips;
* e -> d - e, at the rate a_2, if the weight of the leg flips,

with the chances a of acceptance of `physbatch.exact.sparse.rates`. What the other d - 1 readers of
the hidden unit see is taken as independent, each with the law that :math:`\pi` has for a leg of
that label. The mean over them is then exact,

.. math:: \langle G(z) \rangle = \sum_{j, l}
    \frac{m!}{j!\, l!\, (m - j - l)!} p_0^{m - j - l} p^j p'^l \,
    \chi^j \bar\chi^l \left[ \langle \chi^j \bar\chi^l \rangle_e \right]^{d - 1} ,

with :math:`\chi(z) = 1 - g - l + g z + l/z` of the own reader and :math:`\bar\chi(z) = \chi(1/z)`.
Since g + l = A + B is the same for every output, a context is the one number x = (A - B)/(A + B).
"""

from collections.abc import Sequence
from functools import cache
from math import ceil, floor, sqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy

from physbatch.errors import AnalysisError
from physbatch.exact.greedy_unit import flip_probabilities
from physbatch.exact.sparse.closure_kernels import add_contexts, evolve, flow
from physbatch.exact.sparse.legs import Legs, leg_states
from physbatch.exact.sparse.rates import Ties, agreement, check_point, tie_chance
from physbatch.typing import FloatArray

_Complex = npt.NDArray[np.complex128]

#: Chances below it are left out of the sums.
_NEGLIGIBLE = 1e-10
#: Distance in total variation between the two orders of a step.
_STEP_ERROR = 1e-3
#: Laws of dE reach as many standard deviations.
_SIGMAS = 8.0


class _Hidden(NamedTuple):
    """Flips of a hidden unit with one label, for batches of one whole size."""

    powers: _Complex  # chi^j at (theta, node, j)
    conjugates: _Complex  # conj(chi)^l at (theta, node, l)
    weights: FloatArray  # multinomial weights (up or down, j, l)


class _Count(NamedTuple):
    """What depends on the number of samples of a batch, and not on the state."""

    cumulate: _Complex  # weights at theta with which G gives P(accept)
    hidden: tuple[_Hidden, ...]  # by label up to (d - 1)/2
    output: FloatArray  # a_2 at (label, node)


@cache
def _count(degree: int, samples: int, ties: Ties) -> _Count:
    """The tables of one whole batch size."""
    tie, nodes = tie_chance(degree), leg_states(degree).nodes
    # A hidden unit ties, whatever its label, with the same chance as an output.
    flips = samples * tie
    spread = sqrt(flips * degree * tie) + flips * degree * tie / sqrt(samples)
    reach = min(degree * samples, ceil(flips * degree * tie + _SIGMAS * spread))
    theta = 2 * np.pi * np.arange(reach + 1) / (2 * reach + 1)
    cumulate = _cumulate(theta, reach, ties)
    modulus = np.abs(1 - tie + tie * np.exp(1j * theta))
    matter = (1 - tie + tie * modulus**degree) ** samples > _NEGLIGIBLE
    theta, cumulate = theta[matter], cumulate[matter]
    chi = 1 - tie + tie * np.cos(theta)[:, None] + 1j * tie * np.sin(theta)[:, None] * nodes
    hidden = []
    for label in range(degree // 2 + 1):
        weights = np.stack([_multinomials(degree, samples, label, down) for down in (False, True)])
        rows = np.nonzero(weights.max(axis=(0, 2)) > _NEGLIGIBLE)[0][-1] + 1
        columns = np.nonzero(weights.max(axis=(0, 1)) > _NEGLIGIBLE)[0][-1] + 1
        powers = chi[:, :, None] ** np.arange(rows)
        conjugates = chi.conj()[:, :, None] ** np.arange(columns)
        hidden.append(_Hidden(powers, conjugates, weights[:, :rows, :columns]))

    c = np.array([agreement(degree, label) for label in range(degree + 1)])
    up = 0.5 * tie * (1 + (2 * c[:, None] - 1) * nodes)
    theta = 2 * np.pi * np.arange(samples + 1) / (2 * samples + 1)
    z = np.exp(1j * theta)
    sample = 1 - tie + up[..., None] * z + (tie - up)[..., None] / z
    output = (sample**samples @ _cumulate(theta, samples, ties)).real
    return _Count(cumulate, tuple(hidden), np.asarray(output))


def _cumulate(theta: FloatArray, reach: int, ties: Ties) -> _Complex:
    """Weights at theta >= 0 that sum the chances of dE < 0, or <= 0 with ties accepted."""
    values = np.arange(-reach, 1 if ties == "accept" else 0)
    weights = np.exp(-1j * theta[:, None] * values).sum(axis=1) / (2 * reach + 1)
    # Of theta and -theta, which are conjugate, one is kept.
    weights[1:] *= 2
    return np.asarray(weights)


def _multinomials(degree: int, samples: int, label: int, down: bool) -> FloatArray:
    """Chances of j newly wrong and l newly right samples if a hidden unit flips."""
    if down and label == 0:
        return np.zeros((samples + 1, samples + 1))
    p, q = flip_probabilities(degree, label, down)
    count = np.arange(samples + 1)
    losses, gains = count[:, None], count[None, :]
    rest = samples - losses - gains
    gammaln, xlogy = scipy.special.gammaln, scipy.special.xlogy
    ways = gammaln(samples + 1) - gammaln(losses + 1) - gammaln(gains + 1)
    ways = ways - gammaln(np.abs(rest) + 1)
    log = ways + xlogy(losses, p) + xlogy(gains, q) + xlogy(rest, 1 - p - q)
    return np.where(rest >= 0, np.exp(log), 0.0)


class Closure:
    """The equations of motion of the star closure at one degree.

    Parameters
    ----------
    degree : int
        d, odd, from 3 to 11.
    ties : {"reject", "accept"}
        Whether flips with dE = 0 are kept.

    Raises
    ------
    physbatch.errors.AnalysisError
        If the degree is none of those.

    Examples
    --------
    >>> closure = Closure(3)
    >>> law = closure.legs.start(0.0)
    >>> bool(abs(closure.overlap(law)) < 1e-12), closure.velocity(law, 4.0).shape
    (True, (20,))
    """

    def __init__(self, degree: int, ties: Ties = "reject") -> None:
        check_point(degree, ties=ties)
        self.degree, self.ties = degree, ties
        self.legs: Legs = leg_states(degree)

    def overlap(self, law: FloatArray) -> float:
        """q of a law of the states."""
        return float(self.legs.overlap @ law)

    def rates(self, law: FloatArray, batch_size: float) -> FloatArray:
        """Rates per sweep of a leg, shape (label, context, move): up, down, turned."""
        check_point(self.degree, batch_size)
        lower = floor(batch_size)
        part = batch_size - lower
        rates = self.rates_of_whole(law, lower)
        if part:
            rates = (1 - part) * rates + part * self.rates_of_whole(law, lower + 1)
        return rates

    def rates_of_whole(self, law: FloatArray, samples: int) -> FloatArray:
        """The same for a whole batch size."""
        d, half = self.degree, self.degree // 2
        count = _count(d, samples, self.ties)
        weights = np.empty((d + 1, len(self.legs.at_nodes)))
        add_contexts(law, self.legs.states, self.legs.contexts, weights)
        stubs = weights @ self.legs.at_nodes
        # Seen from a leg, one with the turned label has the opposite sign: x -> -x.
        stubs = stubs + stubs[::-1, ::-1]
        rates = np.empty((3, d + 1, len(self.legs.nodes)))
        for label in range(half + 1):
            total = stubs[label].sum()
            others = stubs[label] / total if total > 0 else stubs[label]
            up, down = _hidden(count, others, label, d)
            rates[0, label], rates[1, label] = (d - label) * up, label * down
            rates[0, d - label], rates[1, d - label] = label * down[::-1], (d - label) * up[::-1]
        rates[2] = count.output
        at_contexts = np.moveaxis(rates @ self.legs.at_nodes.T, 0, 2)
        return np.ascontiguousarray(np.maximum(at_contexts, 0.0))

    def velocity(self, law: FloatArray, batch_size: float) -> FloatArray:
        """d(law)/dt per sweep, shape (state,)."""
        return self.flow(law, self.rates(law, batch_size))

    def flow(self, law: FloatArray, rates: FloatArray) -> FloatArray:
        """d(law)/dt with given rates."""
        change = np.empty_like(law)
        flow(law, self.legs.states, self.legs.contexts, self.legs.targets, rates, change)
        return change

    def evolve(self, law: FloatArray, rates: FloatArray, duration: float) -> FloatArray:
        """The law after some sweeps at constant rates, in steps short enough to be stable."""
        parts = self.legs.states, self.legs.contexts, self.legs.targets
        return np.asarray(evolve(law, *parts, rates, duration))

    def step(
        self, law: FloatArray, rates: FloatArray, batch_size: float, duration: float
    ) -> tuple[FloatArray, FloatArray, float]:
        """One step of Heun's method for the rates: law, rates and error at its end.

        The flow at constant rates is followed closely; the error is the difference in total
        variation between rates of the start and mean rates.
        """
        ahead = self.evolve(law, rates, duration)
        later = self.rates(ahead, batch_size)
        law = self.evolve(law, 0.5 * (rates + later), duration)
        return law, self.rates(law, batch_size), 0.5 * float(np.abs(law - ahead).sum())

    def run(
        self, batch_size: float, times: Sequence[float], initial_overlap: float = 0.0
    ) -> FloatArray:
        """Laws of the states at some times, shape (time, state), from random weights.

        Steps adapt to an error of 1e-3 each in total variation, of which the corrected step keeps
        a small part. Explicit steps that are too long for the fastest rate, several per sweep,
        would give plausible wrong answers.

        Raises
        ------
        physbatch.errors.AnalysisError
            If the times do not increase from 0 on.
        """
        moments = np.asarray(times, dtype=np.float64)
        if moments.size == 0 or moments[0] < 0 or not (np.diff(moments) > 0).all():
            raise AnalysisError("times must increase from 0 on", where="star closure")
        law = self.legs.start(initial_overlap)
        rates = self.rates(law, batch_size)
        laws, now, h = [], 0.0, 0.1
        for moment in moments:
            while now < moment:
                h = min(h, moment - now)
                trial, later, error = self.step(law, rates, batch_size, h)
                if error <= 2 * _STEP_ERROR:
                    now = float(moment) if h == moment - now else now + h
                    law, rates = trial, later
                h *= min(max(0.9 * sqrt(_STEP_ERROR / max(error, 1e-12)), 0.2), 2.0)
            laws.append(law)
        return np.array(laws)


def _hidden(
    count: _Count, others: FloatArray, label: int, degree: int
) -> tuple[FloatArray, FloatArray]:
    """Acceptance of flips that take label up and down, at the nodes of x."""
    powers, conjugates, weights = count.hidden[label]
    product = ((powers.transpose(0, 2, 1) * others) @ conjugates) ** (degree - 1)
    up, down = (
        (count.cumulate @ ((powers @ (part * product)) * conjugates).sum(axis=2)).real
        for part in weights
    )
    return up, down


def overlap_curve(
    degree: int,
    batch_size: float,
    times: Sequence[float],
    *,
    ties: Ties = "reject",
    initial_overlap: float = 0.0,
) -> FloatArray:
    """q(t) of the star closure, shape (time,); times in sweeps.

    Parameters are those of `Closure` and `Closure.run`.

    >>> overlap_curve(3, 3.0, [10.0, 40.0]).round(3).tolist()
    [0.284, 0.302]
    """
    closure = Closure(degree, ties)
    return np.asarray(closure.run(batch_size, times, initial_overlap) @ closure.legs.overlap)
