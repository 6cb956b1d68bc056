"""The largest curvature that SGD with momentum meets, against the lines of stability."""

from __future__ import annotations

from analysis.common import Datasets, Finding, Number
from physbatch.noise import late_sharpness, sharpness_lines
from physbatch.plots import plot_sharpness

REDUCED = {
    "momentum": {
        "batch_size": [16, 250],
        "replicas": 2,
        "duration": 60,
        "test_samples": 100,
    },
}


def find(data: Datasets) -> Finding:
    """Curvatures late in training, in units of the lines."""
    study = data["momentum"]
    lines = sharpness_lines(study)
    sizes = study["batch_size"].values
    late = float(study["time"].values[-1]) / 3
    numbers = []
    for m in sizes:
        for name, words in (("sharpness", "training set"), ("batch_sharpness", "next batch")):
            found = late_sharpness(study.sel(batch_size=m), name, after=late)
            shares = ", ".join(
                f"{found.value / value:.2f} of {line}" for line, value in lines.items()
            )
            numbers.append(
                Number(
                    f"m = {m:g}: largest curvature on the {words}, t > {late:g}",
                    found,
                    note=shares,
                    headline=name == "sharpness" and m in (sizes[0], sizes[-1]),
                )
            )
    return Finding(tuple(numbers), {"sharpness": plot_sharpness(study).figure})
