"""What is asked of a dataset: the answer so far, and the cells that would improve it most."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from typing import Protocol

import numpy as np
import xarray as xr

from physbatch.dataset import STATUS_DIVERGED, control_dim, swept_dims
from physbatch.errors import AnalysisError
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag
from physbatch.results.flags import BAD_FIT, DIVERGED, TOO_FEW_POINTS
from physbatch.scaling.data_collapse.result import Collapse
from physbatch.scaling.design.choice import Chosen, Cost, Rules, choose_cells
from physbatch.scaling.design.coexistence import latent_overlap
from physbatch.scaling.design.master_curve import choose_for_exponent, relative_error
from physbatch.scaling.design.objectives import size_exponent, slope_variance
from physbatch.scaling.design.posterior import SuccessPosterior, success_posterior
from physbatch.scaling.statistics.acceptance import ACCEPTABLE
from physbatch.scaling.statistics.success_fits import binomial_deviance, deviance_p_value
from physbatch.scaling.transition.success_curves import success_counts
from physbatch.sweep.refining.target import Target
from physbatch.tables.table import ScalingTable


class Question(Protocol):
    """A quantity of a dataset."""

    @property
    def answer(self) -> Estimate:
        """The quantity as it is known."""

    @property
    def error(self) -> float:
        """Its relative error; inf where it is not known."""

    @property
    def sizes(self) -> tuple[float, ...]:
        """The sizes whose cells bear on it."""

    def choose(
        self, rules: Rules, cost: Cost, generator: np.random.Generator
    ) -> tuple[list[Chosen], float]:
        """The next cells, and the relative error expected after them."""


def question_of(target: Target, data: xr.Dataset) -> Question:
    """The question that a target asks of a dataset; AnalysisError if it cannot be asked."""
    dim = control_dim(data)
    swept = [name for name in swept_dims(data) if name != dim]
    many = [name for name in swept if data.sizes[name] > 1]
    if many:
        raise AnalysisError(
            f"the data sweep {', '.join(many)}",
            where="refine",
            remedy="run a study with one value of each",
        )
    if "graph" in data.coords:
        raise AnalysisError(
            "replicas share graphs (grid.replicas_per_graph)",
            where="refine",
            remedy="run a study whose replicas are independent",
        )
    data = data.squeeze(swept, drop=True)
    sizes = [float(size) for size in data["size"].values]
    if target.of_one_size:
        size = sizes[-1] if target.size is None else float(target.size)
        if size not in sizes:
            raise AnalysisError(
                f"no size {size:g}",
                where="--at-size",
                remedy=f"choose among {', '.join(f'{known:g}' for known in sizes)}",
            )
        return (JumpQuestion if target.quantity == "jump" else ControlQuestion)(data, size)
    if len(sizes) < 2:
        raise AnalysisError(
            f"{target.quantity} needs at least two sizes", where="--target", remedy="add sizes"
        )
    if target.of_collapse:
        return CollapseQuestion(data, target.quantity)
    return ExponentQuestion(data)


class _Curves:
    """The laws of m_c and width of some sizes of a dataset."""

    def __init__(self, data: xr.Dataset, sizes: list[float]) -> None:
        self.data, self.sizes = data, tuple(sizes)
        self.time = float(data["time"].values[-1])

    def part(self, size: float) -> xr.Dataset:
        """The data of one size."""
        return self.data.sel(size=[size])

    @functools.cached_property
    def posteriors(self) -> dict[float, SuccessPosterior]:
        """Size -> law."""
        return {size: self._posterior(size) for size in self.sizes}

    def _posterior(self, size: float) -> SuccessPosterior:
        control, successes, trials = success_counts(self.part(size), self.time)
        there = trials > 0
        if not there.any():
            raise AnalysisError(f"no replica of N = {size:g} has a valid status", where="refine")
        return success_posterior(control[there], successes[there], trials[there])

    @functools.cached_property
    def flags(self) -> tuple[Flag, ...]:
        """What is wrong with the curves as such."""
        return tuple(flag for size in self.sizes for flag in self._flags(size))

    def _flags(self, size: float) -> Iterator[Flag]:
        data, law = self.part(size), self.posteriors[size]
        diverged = int((data["status"] == STATUS_DIVERGED).sum())
        if diverged:
            yield DIVERGED(f"{diverged} replicas at N = {size:g} count as failures")
        control, successes, trials = success_counts(data, self.time)
        middle, width = law.m_c.value, law.width.value
        deviance = float(binomial_deviance(successes, trials, (control - middle) / width).sum())
        probability = deviance_p_value(deviance, control, trials, middle, width)
        if probability < ACCEPTABLE:
            yield BAD_FIT(
                f"deviance {deviance:.1f} at N = {size:g} has probability {probability:.1g} under "
                "the logistic curve"
            )


class ControlQuestion(_Curves):
    """m_c of one size."""

    def __init__(self, data: xr.Dataset, size: float) -> None:
        super().__init__(data, [size])
        self.law = self.posteriors[size]

    @property
    def answer(self) -> Estimate:
        """m_c."""
        known = self.law.m_c
        return Estimate(known.value, known.stderr, interval68=known.interval68, flags=self.flags)

    @property
    def error(self) -> float:
        """Standard deviation of ln m_c."""
        return self.law.relative_error

    def choose(
        self, rules: Rules, cost: Cost, generator: np.random.Generator
    ) -> tuple[list[Chosen], float]:
        """By the expected variance of ln m_c."""
        (size,) = self.sizes
        return choose_cells(self.posteriors, lambda known: known[size], cost, rules, generator)


class ExponentQuestion(_Curves):
    """b of m_c ~ N^b."""

    def __init__(self, data: xr.Dataset) -> None:
        super().__init__(data, data["size"].values.astype(float).tolist())
        self.fit = size_exponent(self.posteriors)

    @property
    def answer(self) -> Estimate:
        """The exponent."""
        flags = (*self.fit.flags, *self.flags)
        return Estimate(
            self.fit.value, self.fit.stderr, interval68=self.fit.interval68, flags=flags
        )

    @property
    def error(self) -> float:
        """Of the straight line in ln N."""
        return self.fit.stderr / abs(self.fit.value)

    def choose(
        self, rules: Rules, cost: Cost, generator: np.random.Generator
    ) -> tuple[list[Chosen], float]:
        """By the expected variance of the slope, over sizes and controls."""

        def objective(known: Mapping[float, float]) -> float:
            return slope_variance(known, self.fit.value)

        return choose_cells(self.posteriors, objective, cost, rules, generator)


class JumpQuestion(_Curves):
    """The latent overlap of one size."""

    def __init__(self, data: xr.Dataset, size: float) -> None:
        super().__init__(data, [size])
        self.law = self.posteriors[size]
        self.jump = latent_overlap(self.part(size), self.law)

    @property
    def answer(self) -> Estimate:
        """The mean over the controls at which both phases are there."""
        jump = self.jump.latent
        flags = (*jump.flags, *self.flags)
        return Estimate(jump.value, jump.stderr, interval68=jump.interval68, flags=flags)

    @property
    def error(self) -> float:
        """inf where no control shows two peaks."""
        jump = self.jump.latent
        return jump.stderr / jump.value if math.isfinite(jump.value) else math.inf

    def choose(
        self, rules: Rules, cost: Cost, generator: np.random.Generator
    ) -> tuple[list[Chosen], float]:
        """m_c first, if it is uncertain by more than the width; then where both phases are."""
        return self.jump.choose(self.law, self.error, rules, cost, generator, self.sizes[0])


class CollapseQuestion(_Curves):
    """An exponent of the collapse of the overlaps."""

    def __init__(self, data: xr.Dataset, name: str) -> None:
        super().__init__(data, data["size"].values.astype(float).tolist())
        from physbatch.scaling.data_collapse import collapse
        from physbatch.tables.read import from_dataset

        self.name = name
        kind = name if name in ("beta", "gamma") else None
        self._result: Collapse | None = None
        self._table: ScalingTable | None = None
        self._refusal = ""
        try:
            self._table = from_dataset(data, observable="overlap", time=self.time)
            self._result = collapse(self._table, exponent=kind)
        except AnalysisError as error:  # of few points; more will come
            self._refusal = str(error)

    @property
    def answer(self) -> Estimate:
        """The exponent with its total error."""
        if self._result is None:
            return Estimate(math.nan, flags=(TOO_FEW_POINTS(self._refusal),))
        estimate = {**self._result.parameters, **self._result.named}[self.name]
        return Estimate(
            estimate.value,
            estimate.total,
            interval68=(estimate.value - estimate.total, estimate.value + estimate.total),
            flags=estimate.flags,
        )

    @property
    def error(self) -> float:
        """Of the total error."""
        return relative_error(self.answer)

    def choose(
        self, rules: Rules, cost: Cost, generator: np.random.Generator
    ) -> tuple[list[Chosen], float]:
        """By the expected variance of the exponent beside a free master curve."""
        return choose_for_exponent(
            self._result, self._table, self.name, self.error, self.posteriors, rules, cost,
            generator,
        )  # fmt: skip
