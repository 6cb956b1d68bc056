"""What the plane of learning rate and batch size tells, on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from physbatch import plots
from physbatch.commands.look import ResultAndFigure
from physbatch.commands.options import BootstrapSeed, Resamples
from physbatch.commands.output import (
    estimates,
    finish,
    keep_other_results,
    law_text,
    number_of,
    write_figure,
)

if TYPE_CHECKING:
    from physbatch.noise.stability import StableRange
    from physbatch.noise.thresholds import TypicalThreshold
    from physbatch.results.estimate import Estimate


def range_(
    data: Path,
    *,
    outputs: ResultAndFigure = ResultAndFigure(),
) -> None:
    """Largest learning rate at which learning works, against the batch size.

    Parameters
    ----------
    data
        A dataset swept over the learning rate and the batch size.
    """
    from physbatch.dataset import open_dataset
    from physbatch.noise.stability import stable_range

    keep_other_results(outputs.output)
    content = open_dataset(data)
    result = stable_range(content)
    fits = {f"N = {size:g}": result.fit(float(size)) for size in sorted(set(result.size))}
    rows = _thresholds(result)
    finish(
        result,
        outputs,
        [
            "largest learning rate (base of the rule) at which half of the replicas learn",
            *_lines(rows),
            *(f"{name}: {law_text(fit)}" for name, fit in fits.items()),
        ],
        {
            "thresholds": _as_json(rows),
            "fits": {name: fit.to_json() for name, fit in fits.items()},
        },
        draw=lambda: write_figure(
            lambda **options: plots.plot_phase_diagram(content, result, **options),
            outputs,
            list(map(str, content)),
        ),
        flags=result.flags,
    )


def typical(data: Path, *, outputs: ResultAndFigure = ResultAndFigure()) -> None:
    """Learning rate above which the error of the typical replica grows.

    Parameters
    ----------
    data
        A dataset without label noise, swept over the learning rate and the batch size.
    """
    from physbatch.dataset import open_dataset
    from physbatch.noise.thresholds import typical_threshold

    keep_other_results(outputs.output)
    result = typical_threshold(open_dataset(data))
    rows = _thresholds(result)
    head = "learning rate (base of the rule) above which the typical error grows"
    lines = [head, *_lines(rows)]
    finish(result, outputs, lines, {"thresholds": _as_json(rows)}, flags=result.flags)


def map_(
    data: Path,
    *,
    resamples: Resamples = 500,
    seed: BootstrapSeed = 0,
    outputs: ResultAndFigure = ResultAndFigure(),
) -> None:
    """Error at the end over batch size and learning rate, and the best batch size.

    Parameters
    ----------
    data
        A dataset of one size swept over the learning rate and the batch size.
    """
    from physbatch.dataset import open_dataset
    from physbatch.noise.performance import performance_map

    keep_other_results(outputs.output)
    result = performance_map(open_dataset(data), resamples=resamples, seed=seed)
    best = estimates(result.best_error, result.best_error_stderr)
    rows = list(
        zip(result.batch_size, best, result.best_rate, result.as_good.tolist(), strict=True)
    )
    curve = [
        {"batch_size": m, "learning_rate": rate, "as_good": good, **number_of(error)}
        for m, error, rate, good in rows
    ]
    low, high = result.best_batch_size.interval68
    lines = ["error at the best learning rate of each batch size (*: as good as the best)"]
    lines += [
        f"  m = {m:g}: {error} at {rate:g}{' *' if good else ''}" for m, error, rate, good in rows
    ]
    lines += [f"best batch size {result.best_batch_size.value:g}, 68 % from {low:g} to {high:g}"]
    more = {"best_batch_size": number_of(result.best_batch_size), "curve": curve}
    finish(result, outputs, lines, more, flags=result.flags)


def line(
    data: Path,
    *,
    fraction: float | None = None,
    outputs: ResultAndFigure = ResultAndFigure(),
) -> None:
    """The transition line m_c against the learning rate.

    Parameters
    ----------
    data
        A dataset swept over the learning rate and the batch size.
    fraction
        Share of its first error up to which a replica counts as learned; without it only a
        perfect student does.
    """
    from physbatch.dataset import open_dataset
    from physbatch.noise.transitions import transition_line

    keep_other_results(outputs.output)
    content = open_dataset(data)
    result = transition_line(content, fraction=fraction)
    points_m_c = estimates(result.batch_size, result.stderr, result.systematic)
    rows = list(zip(result.size, result.learning_rate, points_m_c, strict=True))
    points = [{"size": size, "learning_rate": eta, **number_of(m_c)} for size, eta, m_c in rows]
    lines = ["m_c: smallest batch size with which half of the replicas learn"]
    lines += [f"  N = {size:g}, eta = {eta:g}: {m_c}" for size, eta, m_c in rows]
    finish(
        result,
        outputs,
        lines,
        {"points": points},
        draw=lambda: write_figure(
            lambda **options: plots.plot_phases(
                content, result, {}, fraction=0.5 if fraction is None else fraction, **options
            ),
            outputs,
            list(map(str, content)),
        ),
        flags=result.flags,
    )


def _thresholds(result: StableRange | TypicalThreshold) -> list[tuple[float, float, Estimate]]:
    """N, m and the threshold of every curve."""
    rates = estimates(result.learning_rate, result.stderr, result.systematic)
    return list(zip(result.size, result.batch_size, rates, strict=True))


def _as_json(rows: list[tuple[float, float, Estimate]]) -> list[dict[str, Any]]:
    return [{"size": size, "batch_size": m, **number_of(rate)} for size, m, rate in rows]


def _lines(rows: list[tuple[float, float, Estimate]]) -> list[str]:
    return [f"  N = {size:g}, m = {m:g}: {rate}" for size, m, rate in rows]
