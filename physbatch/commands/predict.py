"""What theory says for a study, on the command line."""

from __future__ import annotations

from pathlib import Path

from physbatch.commands.options import Json, OptionalOutput
from physbatch.commands.output import keep_other_results, print_json, print_rest, save_record
from physbatch.commands.studies import load_study, study_of_dataset


def predict_command(study: str, *, output: OptionalOutput = None, json_: Json = False) -> None:
    """Say what theory predicts at every point of a study, and its thresholds.

    Parameters
    ----------
    study
        A study file (TOML), the name of a study in the catalogue, or a dataset (its study).
    output
        Where to write the prediction (NetCDF).
    """
    from physbatch.files.netcdf import open_netcdf
    from physbatch.theory import predict

    keep_other_results(output, "prediction")
    if study.endswith(".nc"):
        resolved = study_of_dataset(dict(open_netcdf(Path(study)).attrs), where=study)
    else:
        resolved = load_study(study)
    prediction = predict(resolved)
    save_record(prediction, output)
    if json_:
        print_json(prediction.to_json())
        return
    print(prediction)
    print_rest(results=output)
