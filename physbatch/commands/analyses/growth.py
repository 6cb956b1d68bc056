"""Growth of dilute deviations from the perfect state, on the command line."""

from __future__ import annotations

from pathlib import Path

from physbatch.commands.options import BootstrapSeed, Json, OptionalOutput, Resamples
from physbatch.commands.output import keep_other_results, print_json, print_rest, save_record


def growth_command(
    file: Path,
    *,
    observable: str = "overlap",
    start: float = 0.0,
    largest: float = 0.02,
    resamples: Resamples = 400,
    seed: BootstrapSeed = 0,
    output: OptionalOutput = None,
    json_: Json = False,
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
    output
        Where to write the rates (NetCDF).
    """
    from physbatch.dataset import open_dataset
    from physbatch.scaling.times.dilute import linear_stability

    keep_other_results(output, "linear stability")
    stability = linear_stability(
        open_dataset(file), observable, start=start, largest=largest, resamples=resamples, seed=seed
    )
    save_record(stability, output)
    if json_:
        print_json(stability.to_json())
        return
    columns = stability.size, stability.control, stability.rate, stability.stderr
    rows = zip(*columns, strict=True)
    symbol = {"batch_size": "m", "batch_ratio": "m/N"}.get(
        stability.control_name, stability.control_name
    )
    for size, control, rate, stderr in rows:
        print(f"  N = {size:g}, {symbol} = {control:g}: {rate:+.3g} +- {stderr:.2g}")
    for where, threshold in stability.thresholds.items():
        print(f"{symbol}_low at {where}: {threshold}")
    print_rest(stability.flags, results=output)
