"""More of batch noise on the command line: performance, transition line, temperature, curvature."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from physbatch.commands.noise_output import finite_number, number_of, print_rest
from physbatch.commands.output import keep_others, print_json

__all__ = ["line", "map_", "sharpness", "temperature", "typical"]

OptionalOutput = Annotated[Path | None, Parameter(name=["--output", "-o"])]
OptionalFigure = Annotated[Path | None, Parameter(name="--figure")]
Json = Annotated[bool, Parameter(name="--json", negative=())]


def typical(data: Path, *, output: OptionalOutput = None, json_: Json = False) -> None:
    """Learning rate above which the error of the typical replica grows.

    Parameters
    ----------
    data
        A dataset without label noise, swept over the learning rate and the batch size.
    output
        Where to write the thresholds (NetCDF).
    json_
        Print one JSON object.
    """
    from physbatch.dataset import open_dataset, save
    from physbatch.noise.typical_threshold import typical_threshold
    from physbatch.scaling.results import Estimate

    if output is not None:
        keep_others(output, "physbatch_record")
    found = typical_threshold(open_dataset(data))
    if output is not None:
        save(found.to_dataset(), output)
    rows = [
        (size, m, Estimate(rate, stderr, systematic))
        for size, m, rate, stderr, systematic in zip(
            found.size,
            found.batch_size,
            found.learning_rate,
            found.stderr,
            found.systematic,
            strict=True,
        )
    ]
    if json_:
        thresholds = [{"size": size, "batch_size": m, **number_of(one)} for size, m, one in rows]
        print_json({"thresholds": thresholds, "flags": list(found.flags)})
        return
    print("learning rate (base of the rule) above which the typical error grows")
    for size, m, one in rows:
        print(f"  N = {size:g}, m = {m:g}: {one}")
    print_rest(found.flags, output, [])


def map_(
    data: Path,
    *,
    resamples: int = 500,
    seed: int = 0,
    output: OptionalOutput = None,
    figure: OptionalFigure = None,
    json_: Json = False,
) -> None:
    """Error at the end over batch size and learning rate, and the best batch size.

    Parameters
    ----------
    data
        A dataset of one size swept over the learning rate and the batch size.
    resamples
        Resamples of the bootstrap.
    seed
        Seed of the bootstrap.
    output
        Where to write the map (NetCDF).
    figure
        Where to draw it, as PDF and PNG.
    json_
        Print one JSON object.
    """
    from physbatch.dataset import open_dataset, save
    from physbatch.noise.performance import performance_map
    from physbatch.scaling.results import Estimate

    if output is not None:
        keep_others(output, "physbatch_record")
    found = performance_map(open_dataset(data), resamples=resamples, seed=seed)
    if output is not None:
        save(found.to_dataset(), output)
    drawn: list[Path] = []
    if figure is not None:
        from physbatch.plots import save_figure
        from physbatch.plots.noise_performance import plot_performance
        from physbatch.plots.style import root_figure

        drawn = list(save_figure(root_figure(plot_performance(found)), figure))
    rows = [
        (m, Estimate(error, stderr), rate, bool(good))
        for m, error, stderr, rate, good in zip(
            found.batch_size,
            found.best_error,
            found.best_error_stderr,
            found.best_rate,
            found.as_good,
            strict=True,
        )
    ]
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
    json_
        Print one JSON object.
    """
    from physbatch.dataset import open_dataset, save
    from physbatch.noise.transition_line import transition_line
    from physbatch.scaling.results import Estimate

    if output is not None:
        keep_others(output, "physbatch_record")
    found = transition_line(open_dataset(data), fraction=fraction)
    if output is not None:
        save(found.to_dataset(), output)
    rows = [
        (size, rate, Estimate(m, stderr, systematic))
        for size, rate, m, stderr, systematic in zip(
            found.size,
            found.learning_rate,
            found.batch_size,
            found.stderr,
            found.systematic,
            strict=True,
        )
    ]
    if json_:
        points = [{"size": size, "learning_rate": eta, **number_of(one)} for size, eta, one in rows]
        print_json({"points": points, "flags": list(found.flags)})
        return
    print("m_c: smallest batch size with which half of the replicas learn")
    for size, eta, one in rows:
        print(f"  N = {size:g}, eta = {eta:g}: {one}")
    print_rest(found.flags, output, [])


def temperature(
    batches: Path,
    thermal: Path,
    *,
    after: float,
    resamples: int = 300,
    seed: int = 0,
    output: OptionalOutput = None,
    json_: Json = False,
) -> None:
    """Temperature at which Metropolis moves on all patterns do what batches do.

    Parameters
    ----------
    batches
        A dataset of greedy moves on batches of a pattern set, swept over the batch size.
    thermal
        A dataset of Metropolis moves on the whole set, swept over the temperature.
    after
        Times from here on count as stationary.
    resamples
        Resamples of the bootstrap.
    seed
        Seed of the bootstrap.
    output
        Where to write the temperatures (NetCDF).
    json_
        Print one JSON object.
    """
    from physbatch.dataset import open_dataset, save
    from physbatch.noise.effective_temperature import effective_temperature
    from physbatch.scaling.results import Estimate

    if output is not None:
        keep_others(output, "physbatch_record")
    found = effective_temperature(
        open_dataset(batches), open_dataset(thermal), after=after, resamples=resamples, seed=seed
    )
    if output is not None:
        save(found.to_dataset(), output)
    rows = [
        (m, Estimate(energy, energy_error), Estimate(overlap, overlap_error), difference)
        for m, energy, energy_error, overlap, overlap_error, difference in zip(
            found.batch_size,
            found.from_energy,
            found.from_energy_stderr,
            found.from_overlap,
            found.from_overlap_stderr,
            found.difference,
            strict=True,
        )
    ]
    if json_:
        print_json(
            {
                "temperatures": [
                    {
                        "batch_size": m,
                        "from_energy": number_of(energy),
                        "from_overlap": number_of(overlap),
                        "difference": finite_number(difference),
                    }
                    for m, energy, overlap, difference in rows
                ],
                "flags": list(found.flags),
            }
        )
        return
    print("effective temperature from the energy, and from the overlap")
    for m, energy, overlap, _ in rows:
        print(f"  m = {m:g}: {energy}, {overlap}")
    print_rest(found.flags, output, [])


def sharpness(
    data: Path, *, after: float, figure: OptionalFigure = None, json_: Json = False
) -> None:
    """Largest curvature of the loss late in training, and the lines of stability.

    Parameters
    ----------
    data
        A dataset of classifiers with measurement.sharpness, at one learning rate.
    after
        Times from here on count.
    figure
        Where to draw both curvatures against time, as PDF and PNG.
    json_
        Print one JSON object.
    """
    from physbatch.dataset import control_dim, open_dataset
    from physbatch.noise.sharpness import late_sharpness, sharpness_lines

    content = open_dataset(data)
    control = control_dim(content)
    lines = sharpness_lines(content)
    rows = []
    for m in content[control].values:
        at = content.sel({control: [m]})
        whole = late_sharpness(at, "sharpness", after=after)
        rows.append((float(m), whole, late_sharpness(at, "batch_sharpness", after=after)))
    drawn: list[Path] = []
    if figure is not None:
        from physbatch.plots import save_figure
        from physbatch.plots.noise_sharpness import plot_sharpness

        drawn = list(save_figure(plot_sharpness(content), figure))
    flags = tuple(flag for _, one, other in rows for flag in (*one.flags, *other.flags))
    if json_:
        print_json(
            {
                "lines": lines,
                "curvatures": [
                    {"batch_size": m, "training_set": number_of(one), "batch": number_of(other)}
                    for m, one, other in rows
                ],
                "flags": list(flags),
            }
        )
        return
    print("largest curvature of the loss on the training set, and on the next batch")
    for m, one, other in rows:
        print(f"  m = {m:g}: {one}, {other}")
    for name, value in lines.items():
        print(f"stable below {name} = {value:g}")
    print_rest(flags, None, drawn)
