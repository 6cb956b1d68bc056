"""Growth of dilute deviations from the perfect state, on the command line."""

from __future__ import annotations

from pathlib import Path

from physbatch.commands.look import ResultAndFigure
from physbatch.commands.options import BootstrapSeed, Resamples
from physbatch.commands.output import finish, keep_other_results


def growth_command(
    file: Path,
    *,
    observable: str = "overlap",
    start: float = 0.0,
    largest: float = 0.02,
    resamples: Resamples = 400,
    seed: BootstrapSeed = 0,
    outputs: ResultAndFigure = ResultAndFigure(),
) -> None:
    """Fit growth rates of dilute deviations from the perfect state, and where they change sign.

    Parameters
    ----------
    file
        A dataset of replicas that start near the perfect state, as of the study dilute-seeds.
    observable
        overlap (its deviation is 1 - q), or a positive deviation such as weight_error.
    start
        Leave out times before: seeds become clusters.
    largest
        Leave out times from the first on at which the mean deviation is larger.
    """
    from physbatch.dataset import open_dataset
    from physbatch.scaling.times.dilute import linear_stability

    keep_other_results(outputs.output, "linear stability")
    stability = linear_stability(
        open_dataset(file), observable, start=start, largest=largest, resamples=resamples, seed=seed
    )
    columns = stability.size, stability.control, stability.rate, stability.stderr
    rows = zip(*columns, strict=True)
    symbol = {"batch_size": "m", "batch_ratio": "m/N"}.get(
        stability.control_name, stability.control_name
    )
    lines = [
        f"  N = {size:g}, {symbol} = {control:g}: {rate:+.3g} +- {stderr:.2g}"
        for size, control, rate, stderr in rows
    ]
    lines += [f"{symbol}_low at {at}: {value}" for at, value in stability.thresholds.items()]
    finish(stability, outputs, lines, flags=stability.flags)
