"""What the plane of learning rate and batch size tells, on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from physbatch.commands.noise_output import (
    BootstrapSeed,
    Json,
    OptionalFigure,
    OptionalOutput,
    Resamples,
    check_output,
    estimates,
    law_text,
    number_of,
    print_rest,
    save_record,
    write_figure,
)
from physbatch.commands.output import print_json

if TYPE_CHECKING:
    from physbatch.noise.stability import StableRange
    from physbatch.noise.thresholds import TypicalThreshold
    from physbatch.results.estimate import Estimate

__all__ = ["line", "map_", "range_", "typical"]


def range_(
    data: Path, *, output: OptionalOutput = None, figure: OptionalFigure = None, json_: Json = False
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

    check_output(output)
    content = open_dataset(data)
    found = stable_range(content)
    fits = {f"N = {size:g}": found.fit(float(size)) for size in sorted(set(found.size))}
    save_record(found, output)
    drawn: list[Path] = []
    if figure is not None:
        from physbatch.plots.noise.phase_diagram import plot_phase_diagram
        from physbatch.plots.style import root_figure

        drawn = write_figure(root_figure(plot_phase_diagram(content, found)), figure)
    rows = _thresholds(found)
    if json_:
        print_json(
            {
                "thresholds": _as_json(rows),
                "fits": {name: fit.to_json() for name, fit in fits.items()},
                "flags": list(found.flags),
            }
        )
        return
    print("largest learning rate (base of the rule) at which half of the replicas learn")
    _print(rows)
    for name, fit in fits.items():
        print(f"{name}: {law_text(fit)}")
    print_rest(found.flags, output, drawn)


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

    check_output(output)
    found = typical_threshold(open_dataset(data))
    save_record(found, output)
    rows = _thresholds(found)
    if json_:
        print_json({"thresholds": _as_json(rows), "flags": list(found.flags)})
        return
    print("learning rate (base of the rule) above which the typical error grows")
    _print(rows)
    print_rest(found.flags, output, [])


def map_(
    data: Path,
    *,
    resamples: Resamples = 500,
    seed: BootstrapSeed = 0,
    output: OptionalOutput = None,
    figure: OptionalFigure = None,
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

    check_output(output)
    found = performance_map(open_dataset(data), resamples=resamples, seed=seed)
    save_record(found, output)
    drawn: list[Path] = []
    if figure is not None:
        from physbatch.plots.noise.performance import plot_performance
        from physbatch.plots.style import root_figure

        drawn = write_figure(root_figure(plot_performance(found)), figure)
    best = estimates(found.best_error, found.best_error_stderr)
    rows = list(zip(found.batch_size, best, found.best_rate, found.as_good.tolist(), strict=True))
    if json_:
        print_json(
            {
                "best_batch_size": number_of(found.best_batch_size),
                "curve": [
                    {"batch_size": m, "learning_rate": rate, "as_good": good, **number_of(one)}
                    for m, one, rate, good in rows
                ],
                "flags": list(found.flags),
            }
        )
        return
    print("error at the best learning rate of each batch size (*: as good as the best)")
    for m, one, rate, good in rows:
        print(f"  m = {m:g}: {one} at {rate:g}{' *' if good else ''}")
    low, high = found.best_batch_size.interval68
    print(f"best batch size {found.best_batch_size.value:g}, 68 % from {low:g} to {high:g}")
    print_rest(found.flags, output, drawn)


def line(
    data: Path,
    *,
    fraction: float | None = None,
    output: OptionalOutput = None,
    json_: Json = False,
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

    check_output(output)
    found = transition_line(open_dataset(data), fraction=fraction)
    save_record(found, output)
    m_c = estimates(found.batch_size, found.stderr, found.systematic)
    rows = list(zip(found.size, found.learning_rate, m_c, strict=True))
    if json_:
        points = [{"size": size, "learning_rate": eta, **number_of(one)} for size, eta, one in rows]
        print_json({"points": points, "flags": list(found.flags)})
        return
    print("m_c: smallest batch size with which half of the replicas learn")
    for size, eta, one in rows:
        print(f"  N = {size:g}, eta = {eta:g}: {one}")
    print_rest(found.flags, output, [])


def _thresholds(found: StableRange | TypicalThreshold) -> list[tuple[float, float, Estimate]]:
    """N, m and the threshold of every curve."""
    rates = estimates(found.learning_rate, found.stderr, found.systematic)
    return list(zip(found.size, found.batch_size, rates, strict=True))


def _as_json(rows: list[tuple[float, float, Estimate]]) -> list[dict[str, Any]]:
    return [{"size": size, "batch_size": m, **number_of(rate)} for size, m, rate in rows]


def _print(rows: list[tuple[float, float, Estimate]]) -> None:
    for size, m, rate in rows:
        print(f"  N = {size:g}, m = {m:g}: {rate}")
