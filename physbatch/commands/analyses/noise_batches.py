"""Critical batch sizes and gradient noise on the command line."""

from pathlib import Path
from typing import TYPE_CHECKING

from physbatch.commands.look import ResultAndFigure
from physbatch.commands.options import BootstrapSeed, Resamples
from physbatch.commands.output import (
    estimates,
    finish,
    finite_number,
    keep_other_results,
    number_of,
)
from physbatch.errors import AnalysisError

if TYPE_CHECKING:
    import xarray as xr


def critical(
    data: Path,
    *,
    target: float | None = None,
    relative: bool = False,
    excess: float = 0.2,
    size: int | None = None,
    resamples: Resamples = 300,
    seed: BootstrapSeed = 0,
    outputs: ResultAndFigure = ResultAndFigure(),
) -> None:
    """Batch size at which the samples to a target exceed their serial limit.

    Parameters
    ----------
    data
        A dataset swept over the batch size, and the learning rate if the best one counts.
    target
        Generalisation error to be reached; by default first passages count.
    relative
        The target is a part of the error at the first time.
    excess
        By which part the samples exceed the serial limit.
    size
        Which size, where there are several.
    """
    from physbatch.dataset import open_dataset
    from physbatch.noise.critical_batch import critical_batch_size

    keep_other_results(outputs.output)
    result = critical_batch_size(
        _selected(open_dataset(data), size=size),
        target=target,
        relative=relative,
        excess=excess,
        resamples=resamples,
        seed=seed,
    )
    best = estimates(result.steps, result.stderr)
    rows = list(zip(result.batch_size.tolist(), best, result.learning_rate.tolist(), strict=True))
    points = [
        {"batch_size": m, "steps": number_of(steps), "learning_rate": finite_number(rate)}
        for m, steps, rate in rows
    ]
    stated = result.stated()
    document = {
        "points": points,
        "chi2": finite_number(result.chi2),
        "dof": result.dof,
        "estimates": {name: number_of(number) for name, number in stated.items()},
    }
    lines = ["steps to the target, at the best learning rate"]
    lines += [f"  B = {m:g}: {steps} (eta = {rate:.3g})" for m, steps, rate in rows]
    lines += [f"{name} = {number}" for name, number in stated.items()]
    lines.append(f"S = S_min (1 + B_c/B): chi2/dof = {result.chi2:.3g}/{result.dof:g}")
    finish(result, outputs, lines, document, flags=result.flags)


def _selected(data: "xr.Dataset", **values: float | None) -> "xr.Dataset":
    """The part of a dataset at one value of some parameters, which must be given if swept."""
    for dim, value in values.items():
        if value is None and data.sizes.get(dim, 1) == 1:
            continue
        if value is None or dim not in data.dims or value not in data[dim].values:
            what = "several are swept" if value is None else f"{value:g} is not among them"
            raise AnalysisError(
                what,
                where=f"--{dim.replace('_', '-')}",
                remedy=f"give one of {', '.join(f'{v:g}' for v in data[dim].values)}"
                if dim in data.dims
                else "leave it out: it is not swept",
            )
        data = data.sel({dim: [value]})
    return data


def gradient(
    data: Path,
    *,
    size: int | None = None,
    learning_rate: float | None = None,
    outputs: ResultAndFigure = ResultAndFigure(),
) -> None:
    """Gradient noise scale B_noise = tr S/|G|^2 along runs of a task in torch.

    Parameters
    ----------
    data
        A dataset with measurement.gradient_noise.
    size
        Which size, where there are several.
    learning_rate
        Which learning rate, where there are several.
    """
    from physbatch.dataset import open_dataset
    from physbatch.noise.scale_of_gradients import gradient_scale

    keep_other_results(outputs.output)
    result = gradient_scale(_selected(open_dataset(data), size=size, learning_rate=learning_rate))
    points = []
    lines = ["gradient noise scale, and the generalisation error there"]
    for row, m in enumerate(result.batch_size.tolist()):
        scales = estimates(result.scale[row], result.stderr[row])
        for time, scale, error in zip(result.time.tolist(), scales, result.error[row], strict=True):
            lines.append(f"  m = {m:g}, t = {time:g}: {scale}, {error:.4g}")
            points.append(
                {
                    "batch_size": m,
                    "time": time,
                    "scale": number_of(scale),
                    "error": finite_number(float(error)),
                }
            )
    finish(result, outputs, lines, {"points": points}, flags=result.flags)
