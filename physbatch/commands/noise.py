"""Batch noise on the command line: stable range, optimum batch, evidence, noise scale."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from physbatch.commands.noise_output import finite_number, number_of, print_rest
from physbatch.commands.noise_planes import line, map_, sharpness, temperature, typical
from physbatch.commands.output import keep_others, print_json
from physbatch.errors import AnalysisError

if TYPE_CHECKING:
    from physbatch.scaling.exponents import ScalingFit

__all__ = ["noise"]

OptionalOutput = Annotated[Path | None, Parameter(name=["--output", "-o"])]
OptionalFigure = Annotated[Path | None, Parameter(name="--figure")]
Json = Annotated[bool, Parameter(name="--json", negative=())]

noise = App(
    name="noise",
    help="What the mini-batch size does to learning: stability, optimum batch, evidence.",
    help_format="plaintext",
)
for _command in (typical, line, temperature, sharpness):
    noise.command(_command)
noise.command(map_, name="map")


@noise.command(name="range")
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
    json_
        Print one JSON object.
    """
    from physbatch.dataset import open_dataset, save
    from physbatch.noise.stable_range import stable_range
    from physbatch.scaling.results import Estimate

    if output is not None:
        keep_others(output, "physbatch_record")
    content = open_dataset(data)
    found = stable_range(content)
    fits = {f"N = {size:g}": found.fit(float(size)) for size in sorted(set(found.size))}
    if output is not None:
        save(found.to_dataset(), output)
    drawn = _draw(content, found, figure) if figure is not None else []
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
        print_json(
            {
                "thresholds": [
                    {"size": size, "batch_size": m, **number_of(one)} for size, m, one in rows
                ],
                "fits": {name: fit.to_json() for name, fit in fits.items()},
                "flags": list(found.flags),
            }
        )
        return
    print("largest learning rate (base of the rule) at which half of the replicas learn")
    for size, m, one in rows:
        print(f"  N = {size:g}, m = {m:g}: {one}")
    for name, fit in fits.items():
        print(f"{name}: {_law(fit)}")
    print_rest(found.flags, output, drawn)


@noise.command
def optimum(
    data: Path,
    *,
    time: float | None = None,
    resamples: int = 500,
    seed: int = 0,
    output: OptionalOutput = None,
    json_: Json = False,
) -> None:
    """Batch size of the best generalisation, and its growth with eps and P.

    Parameters
    ----------
    data
        A dataset of one size swept over the batch size, and the learning rate or the number
        of patterns.
    time
        Measuring time; by default the last.
    resamples
        Resamples of the bootstrap.
    seed
        Seed of the bootstrap.
    output
        Where to write the optima (NetCDF).
    json_
        Print one JSON object.
    """
    from physbatch.dataset import open_dataset, save
    from physbatch.noise.optimum_batch import optimum_batch
    from physbatch.scaling.results import Estimate

    if output is not None:
        keep_others(output, "physbatch_record")
    found = optimum_batch(open_dataset(data), time=time, resamples=resamples, seed=seed)
    try:
        fit = found.fit()
    except AnalysisError:  # one curve has an optimum, but no law
        fit = None
    if output is not None:
        save(found.to_dataset(), output)
    rows = [
        (rate, count, Estimate(size, stderr, systematic))
        for rate, count, size, stderr, systematic in zip(
            found.learning_rate,
            found.pattern_count,
            found.batch_size,
            found.stderr,
            found.systematic,
            strict=True,
        )
    ]
    if json_:
        print_json(
            {
                "optima": [
                    {
                        "learning_rate": finite_number(rate),
                        "pattern_count": finite_number(count),
                        **number_of(one),
                    }
                    for rate, count, one in rows
                ],
                "fit": None if fit is None else fit.to_json(),
                "flags": list(found.flags),
            }
        )
        return
    print("batch size with the lowest generalisation error")
    for rate, count, one in rows:
        print(f"  eps = {rate:g}, P = {count:g}: {one}")
    if fit is not None:
        print(f"{_law(fit)}\nlinear theory of the noise scale predicts exponents 1")
    print_rest(found.flags, output, [])


@noise.command
def evidence(
    samples: str,
    *,
    regularisation: float,
    classes: list[int] | None = None,
    count: int | None = None,
    random_labels: bool = False,
    seed: int = 0,
    json_: Json = False,
) -> None:
    """Bayesian evidence of logistic regression on labelled samples.

    Parameters
    ----------
    samples
        ``digits``, or a .npz file with arrays X and y.
    regularisation
        lambda, the inverse variance of the prior of each weight.
    classes
        Only these classes; give it once for each.
    count
        Only so many samples, drawn at random.
    random_labels
        Replace the labels by random ones: there is then nothing to learn.
    seed
        Seed of the drawing and of random labels.
    json_
        Print one JSON object.
    """
    from physbatch.noise.evidence import logistic_evidence
    from physbatch.systems.samples import load_samples

    held = load_samples(samples)
    if classes is not None:
        held = held.only(classes)
    if count is not None:
        held = held.subset(count, seed)
    held = held.standardised()
    if random_labels:
        held = held.with_random_labels(seed)
    found = logistic_evidence(held, regularisation=regularisation)
    if json_:
        print_json(
            {
                "samples": len(held),
                "inputs": held.inputs.shape[1],
                "ln_evidence": found.ln_evidence,
                "ln_null": found.ln_null,
                "ln_ratio": found.ln_ratio,
                "cost": found.cost,
                "occam": found.occam,
                "training_error": found.training_error,
                "flags": list(found.flags),
            }
        )
        return
    print(f"{len(held)} samples of {held.inputs.shape[1]} numbers, {held.classes} classes")
    print(found)
    verdict = "in favour of" if found.ln_ratio > 0 else "against"
    print(f"evidence {verdict} the model: exp({found.ln_ratio:+.4g}) times that of chance")
    print_rest(found.flags, None, [])


@noise.command
def scale(
    *,
    learning_rate: float,
    samples: int,
    batch_size: float,
    momentum: float = 0.0,
    loss: Literal["mean", "sum"] = "mean",
) -> None:
    """Noise scale g = eps (P/B - 1)/(1 - beta).

    Parameters
    ----------
    learning_rate
        eps.
    samples
        Size P of the training set.
    batch_size
        B.
    momentum
        beta.
    loss
        Whether eps multiplies the gradient of the mean loss, or of the loss summed over the set.
    """
    from physbatch.noise.gradients import noise_scale

    for name, value in (("--learning-rate", learning_rate), ("--batch-size", batch_size)):
        if not value > 0:
            raise AnalysisError(f"{value:g} is not positive", where=name)
    if not 0 <= momentum < 1:
        raise AnalysisError(f"{momentum:g} is not from 0 to below 1", where="--momentum")
    if batch_size > samples:
        raise AnalysisError(f"{batch_size:g} is more than {samples} samples", where="--batch-size")
    found = noise_scale(learning_rate, samples, batch_size, momentum=momentum, loss=loss)
    print(f"g = {found:.6g}")


def _draw(content: Any, found: Any, figure: Path) -> list[Path]:
    from physbatch.plots import save_figure
    from physbatch.plots.phase_diagram import plot_phase_diagram
    from physbatch.plots.style import root_figure

    return list(save_figure(root_figure(plot_phase_diagram(content, found)), figure))


def _law(fit: ScalingFit) -> str:
    """The law in its own variables, its parameters and how well it fits."""
    letters = dict(zip("Nd", fit.variables, strict=False))
    form = re.sub(r"\b[Nd]\b", lambda found: letters[found.group()], fit.form)
    values = ", ".join(f"{name} = {one}" for name, one in fit.stated().items())
    return f"{fit.quantity} = {form}: {values}; chi2/dof = {fit.chi2:.3g}/{fit.dof}"
