"""Batch noise on the command line: optimum batch, temperature, curvature, evidence, noise scale."""

from pathlib import Path
from typing import Literal

import numpy as np
from cyclopts import App

from physbatch import plots
from physbatch.commands.analyses.noise_batches import critical, gradient
from physbatch.commands.analyses.noise_planes import line, map_, range_, typical
from physbatch.commands.look import ResultAndFigure
from physbatch.commands.options import BootstrapSeed, Resamples
from physbatch.commands.output import (
    estimates,
    finish,
    finite_number,
    keep_other_results,
    law_text,
    number_of,
    write_figure,
)
from physbatch.errors import AnalysisError

noise_command = App(
    name="noise",
    help="What the mini-batch size does to learning: stability, optimum batch, evidence.",
    help_format="plaintext",
)
noise_command.command(range_, name="range")
noise_command.command(typical)
noise_command.command(map_, name="map")
noise_command.command(line)
noise_command.command(critical)
noise_command.command(gradient)


@noise_command.command
def optimum(
    data: Path,
    *,
    time: float | None = None,
    resamples: Resamples = 500,
    seed: BootstrapSeed = 0,
    outputs: ResultAndFigure = ResultAndFigure(),
) -> None:
    """Batch size of the best generalisation, and its growth with eps and P.

    Parameters
    ----------
    data
        A dataset of one size swept over the batch size, and the learning rate or the number
        of patterns.
    time
        Measuring time; by default the last.
    """
    from physbatch.dataset import open_dataset
    from physbatch.noise.best_batch import batch_curves, optimum_batch
    from physbatch.noise.rescaled_curves import scale_collapse

    keep_other_results(outputs.output)
    content = open_dataset(data)
    result = optimum_batch(content, time=time, resamples=resamples, seed=seed)
    try:
        fit = result.fit()
    except AnalysisError:  # one curve has an optimum, but no law
        fit = None
    best = estimates(result.batch_size, result.stderr, result.systematic)
    rows = list(zip(result.learning_rate, result.pattern_count, best, strict=True))
    optima = [
        {
            "learning_rate": finite_number(rate),
            "pattern_count": finite_number(count),
            **number_of(optimum_m),
        }
        for rate, count, optimum_m in rows
    ]
    document = {"optima": optima, "fit": None if fit is None else fit.to_json()}
    lines = ["batch size with the lowest generalisation error"]
    lines += [f"  eps = {rate:g}, P = {count:g}: {m}" for rate, count, m in rows]
    if fit is not None:
        lines += [law_text(fit), "linear theory of the noise scale predicts exponents 1"]
    finish(
        result,
        outputs,
        lines,
        document,
        draw=lambda: write_figure(
            lambda **options: plots.plot_optimum(
                batch_curves(content, time=time),
                result,
                scale_collapse(content, time=time),
                **options,
            ),
            outputs,
            list(map(str, content)),
        ),
        flags=result.flags,
    )


@noise_command.command
def temperature(
    batches: Path,
    thermal: Path,
    *,
    after: float,
    resamples: Resamples = 300,
    seed: BootstrapSeed = 0,
    outputs: ResultAndFigure = ResultAndFigure(),
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
    """
    from physbatch.dataset import open_dataset
    from physbatch.noise.temperature import effective_temperature, stationary_state

    keep_other_results(outputs.output)
    moves = {"batch_size": open_dataset(batches), "temperature": open_dataset(thermal)}
    result = effective_temperature(*moves.values(), after=after, resamples=resamples, seed=seed)
    energies = estimates(result.from_energy, result.from_energy_stderr)
    overlaps = estimates(result.from_overlap, result.from_overlap_stderr)
    rows = list(zip(result.batch_size, energies, overlaps, result.difference, strict=True))
    temperatures = [
        {
            "batch_size": m,
            "from_energy": number_of(energy),
            "from_overlap": number_of(overlap),
            "difference": finite_number(difference),
        }
        for m, energy, overlap, difference in rows
    ]
    lines = ["effective temperature from the energy, and from the overlap"]
    lines += [f"  m = {m:g}: {energy}, {overlap}" for m, energy, overlap, _ in rows]
    finish(
        result,
        outputs,
        lines,
        {"temperatures": temperatures},
        draw=lambda: write_figure(
            lambda **options: plots.plot_temperature(
                result,
                [
                    (name, stationary_state(content, dim, after=after))
                    for name, (dim, content) in zip(
                        ("batches", "thermal"), moves.items(), strict=True
                    )
                ],
                **options,
            ),
            outputs,
            list(map(str, moves["batch_size"])),
        ),
        flags=result.flags,
    )


@noise_command.command
def sharpness(
    data: Path,
    *,
    after: float,
    outputs: ResultAndFigure = ResultAndFigure(),
) -> None:
    """Largest curvature of the loss late in training, and the lines of stability.

    Parameters
    ----------
    data
        A dataset of classifiers with measurement.sharpness, at one learning rate.
    after
        Times from here on count.
    """
    from physbatch.dataset import open_dataset
    from physbatch.noise.sharpness import sharpness_by_batch_size

    keep_other_results(outputs.output)
    content = open_dataset(data)
    result = sharpness_by_batch_size(content, after=after)
    rows = list(zip(result.batch_size.tolist(), result.training_set, result.batch, strict=True))
    curvatures = [
        {"batch_size": m, "training_set": number_of(whole), "batch": number_of(batch)}
        for m, whole, batch in rows
    ]
    lines = ["largest curvature of the loss on the training set, and on the next batch"]
    lines += [f"  m = {m:g}: {whole}, {batch}" for m, whole, batch in rows]
    lines += [f"stable below {name} = {value:g}" for name, value in result.lines.items()]
    finish(
        result,
        outputs,
        lines,
        {"lines": dict(result.lines), "curvatures": curvatures},
        draw=lambda: write_figure(
            lambda **options: plots.plot_sharpness(content, **options),
            outputs,
            list(map(str, content)),
        ),
        flags=result.flags,
    )


@noise_command.command
def evidence(
    samples: str,
    *,
    regularisation: float,
    classes: list[int] | None = None,
    count: int | None = None,
    random_labels: bool = False,
    seed: int = 0,
    outputs: ResultAndFigure = ResultAndFigure(),
) -> None:
    """Bayesian evidence of logistic regression on labelled samples.

    The figure shows it from a thousandth to the thousandfold of lambda.

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
    """
    from physbatch.noise.evidence import logistic_evidence
    from physbatch.systems.samples import load_samples

    keep_other_results(outputs.output, "model evidence")
    chosen = load_samples(samples)
    if classes is not None:
        chosen = chosen.only(classes)
    if count is not None:
        chosen = chosen.subset(count, seed)
    chosen = chosen.standardised()
    if random_labels:
        chosen = chosen.with_random_labels(seed)
    result = logistic_evidence(chosen, regularisation=regularisation)
    names = ("ln_evidence", "ln_null", "ln_ratio", "cost", "occam", "training_error")
    more = {"samples": len(chosen), "inputs": chosen.inputs.shape[1]}
    verdict = "in favour of" if result.ln_ratio > 0 else "against"
    lines = [
        f"{len(chosen)} samples of {chosen.inputs.shape[1]} numbers, {chosen.classes} classes",
        result,
        f"evidence {verdict} the model: exp({result.ln_ratio:+.4g}) times that of chance",
    ]
    more |= {name: getattr(result, name) for name in names}
    around = regularisation * np.geomspace(1e-3, 1e3, 13)
    label = "random labels" if random_labels else "true labels"
    finish(
        result,
        outputs,
        lines,
        more,
        draw=lambda: write_figure(
            lambda **options: plots.plot_evidence(
                {label: [[logistic_evidence(chosen, regularisation=x) for x in around.tolist()]]},
                **options,
            ),
            outputs,
            [],
        ),
        flags=result.flags,
    )


@noise_command.command
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
    result = noise_scale(learning_rate, samples, batch_size, momentum=momentum, loss=loss)
    print(f"g = {result:.6g}")
