"""What the plane of learning rate and batch size tells, on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from physbatch import plots
from physbatch.commands.look import Look
from physbatch.commands.options import BootstrapSeed, Figure, Json, OptionalOutput, Resamples
from physbatch.commands.output import (
    estimates,
    keep_other_results,
    law_text,
    number_of,
    print_json,
    print_rest,
    save_pictures,
    save_record,
    write_figure,
)

if TYPE_CHECKING:
    from physbatch.noise.stability import StableRange
    from physbatch.noise.thresholds import TypicalThreshold
    from physbatch.results.estimate import Estimate


def range_(
    data: Path,
    *,
    output: OptionalOutput = None,
    figure: Figure = None,
    look: Look = Look(),
    json_: Json = False,
) -> None:
    """Largest learning rate at which learning works, against the batch size.

    Parameters
    ----------
    data
        A dataset swept over the learning rate and the batch size.
    output
        Where to write the thresholds (NetCDF).
    figure
        Where to draw the phase diagram, as PDF and PNG.
    """
    from physbatch.dataset import open_dataset
    from physbatch.noise.stability import stable_range

    keep_other_results(output)
    content = open_dataset(data)
    result = stable_range(content)
    fits = {f"N = {size:g}": result.fit(float(size)) for size in sorted(set(result.size))}
    save_record(result, output)
    drawn = write_figure(
        lambda **options: plots.plot_phase_diagram(content, result, **options),
        figure,
        look,
        list(map(str, content)),
    )
    rows = _thresholds(result)
    if json_:
        print_json(
            {
                **result.to_json(),
                "thresholds": _as_json(rows),
                "fits": {name: fit.to_json() for name, fit in fits.items()},
                "flags": list(result.flags),
            }
        )
        return
    print("largest learning rate (base of the rule) at which half of the replicas learn")
    _print(rows)
    for name, fit in fits.items():
        print(f"{name}: {law_text(fit)}")
    print_rest(result.flags, results=output, figures=drawn)


def typical(data: Path, *, output: OptionalOutput = None, json_: Json = False) -> None:
    """Learning rate above which the error of the typical replica grows.

    Parameters
    ----------
    data
        A dataset without label noise, swept over the learning rate and the batch size.
    output
        Where to write the thresholds (NetCDF).
    """
    from physbatch.dataset import open_dataset
    from physbatch.noise.thresholds import typical_threshold

    keep_other_results(output)
    result = typical_threshold(open_dataset(data))
    save_record(result, output)
    rows = _thresholds(result)
    if json_:
        print_json({**result.to_json(), "thresholds": _as_json(rows), "flags": list(result.flags)})
        return
    print("learning rate (base of the rule) above which the typical error grows")
    _print(rows)
    print_rest(result.flags, results=output)


def map_(
    data: Path,
    *,
    resamples: Resamples = 500,
    seed: BootstrapSeed = 0,
    output: OptionalOutput = None,
    figure: Figure = None,
    look: Look = Look(),
    json_: Json = False,
) -> None:
    """Error at the end over batch size and learning rate, and the best batch size.

    Parameters
    ----------
    data
        A dataset of one size swept over the learning rate and the batch size.
    output
        Where to write the map (NetCDF).
    figure
        Where to draw it, as PDF and PNG.
    """
    from physbatch.dataset import open_dataset
    from physbatch.noise.performance import performance_map

    keep_other_results(output)
    result = performance_map(open_dataset(data), resamples=resamples, seed=seed)
    save_record(result, output)
    drawn = save_pictures(result, figure, look)
    best = estimates(result.best_error, result.best_error_stderr)
    rows = list(
        zip(result.batch_size, best, result.best_rate, result.as_good.tolist(), strict=True)
    )
    if json_:
        print_json(
            {
                **result.to_json(),
                "best_batch_size": number_of(result.best_batch_size),
                "curve": [
                    {"batch_size": m, "learning_rate": rate, "as_good": good, **number_of(error)}
                    for m, error, rate, good in rows
                ],
                "flags": list(result.flags),
            }
        )
        return
    print("error at the best learning rate of each batch size (*: as good as the best)")
    for m, error, rate, good in rows:
        print(f"  m = {m:g}: {error} at {rate:g}{' *' if good else ''}")
    low, high = result.best_batch_size.interval68
    print(f"best batch size {result.best_batch_size.value:g}, 68 % from {low:g} to {high:g}")
    print_rest(result.flags, results=output, figures=drawn)


def line(
    data: Path, *, fraction: float | None = None, output: OptionalOutput = None, json_: Json = False
) -> None:
    """The transition line m_c against the learning rate.

    Parameters
    ----------
    data
        A dataset swept over the learning rate and the batch size.
    fraction
        Share of its first error up to which a replica counts as learned; without it only a
        perfect student does.
    output
        Where to write the line (NetCDF).
    """
    from physbatch.dataset import open_dataset
    from physbatch.noise.transitions import transition_line

    keep_other_results(output)
    result = transition_line(open_dataset(data), fraction=fraction)
    save_record(result, output)
    points_m_c = estimates(result.batch_size, result.stderr, result.systematic)
    rows = list(zip(result.size, result.learning_rate, points_m_c, strict=True))
    if json_:
        points = [{"size": size, "learning_rate": eta, **number_of(m_c)} for size, eta, m_c in rows]
        print_json({**result.to_json(), "points": points, "flags": list(result.flags)})
        return
    print("m_c: smallest batch size with which half of the replicas learn")
    for size, eta, m_c in rows:
        print(f"  N = {size:g}, eta = {eta:g}: {m_c}")
    print_rest(result.flags, results=output)


def _thresholds(result: StableRange | TypicalThreshold) -> list[tuple[float, float, Estimate]]:
    """N, m and the threshold of every curve."""
    rates = estimates(result.learning_rate, result.stderr, result.systematic)
    return list(zip(result.size, result.batch_size, rates, strict=True))


def _as_json(rows: list[tuple[float, float, Estimate]]) -> list[dict[str, Any]]:
    return [{"size": size, "batch_size": m, **number_of(rate)} for size, m, rate in rows]


def _print(rows: list[tuple[float, float, Estimate]]) -> None:
    for size, m, rate in rows:
        print(f"  N = {size:g}, m = {m:g}: {rate}")
