"""What theory says for a study, on the command line."""

from __future__ import annotations

from pathlib import Path

from physbatch.commands.options import Stored
from physbatch.commands.output import finish, keep_other_results
from physbatch.commands.studies import load_study, study_of_dataset


def predict_command(study: str, *, outputs: Stored = Stored()) -> None:
    """Say what theory predicts at every point of a study, and its thresholds.

    Parameters
    ----------
    study
        A study file (TOML), the name of a study in the catalogue, or a dataset (its study).
    """
    from physbatch.files.netcdf import open_netcdf
    from physbatch.theory import predict

    keep_other_results(outputs.output, "prediction")
    if study.endswith(".nc"):
        resolved = study_of_dataset(dict(open_netcdf(Path(study)).attrs), where=study)
    else:
        resolved = load_study(study)
    prediction = predict(resolved)
    finish(prediction, outputs, [prediction])
