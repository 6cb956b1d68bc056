"""An analysis and a dataset made by hand, with numbers like those of a real study."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import xarray as xr

from physbatch.results import Flag
from physbatch.results.estimate import Estimate
from physbatch.scaling.transition.result import (
    Analysis,
    Extrapolation,
    Jump,
    SuccessCurve,
    TimeDrift,
)

CONTROL = np.linspace(10.0, 16.0, 13)
TIMES = np.array([100.0, 200.0, 400.0, 1000.0])
REPLICAS = 32
M_C, JUMP, WIDTH, DRIFT = 13.04, 0.65, 0.3, -0.25


def _critical(size: float, time: float = TIMES[-1]) -> float:
    return M_C - 14.0 / size + DRIFT * float(np.log(time / TIMES[-1]))


def _estimate(value: float, stderr: float, **more: object) -> Estimate:
    return Estimate(value, stderr, interval68=(value - stderr, value + stderr), **more)


def make_analysis(
    sizes: tuple[float, ...] = (50.0, 100.0, 200.0, 400.0), control_name: str = "batch_size"
) -> Analysis:
    """A first-order transition at m = 13.04 with a jump of 0.65 and a drift of -0.25 per ln t."""
    rng = np.random.Generator(np.random.Philox(20240515))
    scale = 1.0 if control_name == "batch_size" else 0.01
    control = CONTROL * scale
    curves, drifts, jumps, means, errors = [], [], [], [], []
    for size in sizes:
        low, noise = 1.0 - JUMP, 0.8 / np.sqrt(size)
        learned = 1.0 / (1.0 + np.exp(-(CONTROL - _critical(size)) / WIDTH))
        success = rng.random((len(CONTROL), REPLICAS)) < learned[:, None]
        overlap = np.where(
            success,
            1.0 - np.abs(rng.normal(0.0, 0.006, success.shape)),
            low + noise * rng.normal(size=success.shape),
        )
        means.append(overlap.mean(axis=1))
        errors.append(overlap.std(axis=1, ddof=1) / np.sqrt(REPLICAS))
        m_c = _estimate(scale * (_critical(size) + rng.normal(0.0, 0.04)), scale * 0.05)
        curves.append(
            SuccessCurve(
                size=size,
                time=float(TIMES[-1]),
                control=control,
                successes=success.sum(axis=1).astype(np.int64),
                trials=np.full(len(control), REPLICAS, dtype=np.int64),
                m_c=m_c,
                width=_estimate(scale * WIDTH, scale * 0.05),
                deviance=9.7,
                dof=len(control) - 2,
            )
        )
        drifts.append(
            TimeDrift(
                size=size,
                time=TIMES,
                m_c=scale * np.array([_critical(size, t) + rng.normal(0.0, 0.04) for t in TIMES]),
                m_c_stderr=scale * np.full(len(TIMES), 0.05),
                slope=_estimate(scale * DRIFT, scale * 0.03),
                intercept=scale * _critical(size),
                reference_time=float(TIMES[-1]),
                window_start=float(TIMES[len(TIMES) // 2]),
                window_end=float(TIMES[-1]),
            )
        )
        nearest = int(np.argmin(np.abs(CONTROL - _critical(size))))
        shown = [nearest - 2, nearest, nearest + 2]
        jumps.append(
            Jump(
                size=size,
                control=control[shown],
                overlap=overlap[shown],
                latent=_estimate(JUMP + 0.4 / size, 0.02),
                upper=_estimate(0.995, 0.001),
                lower=_estimate(low, 0.02),
                separation=12.0,
                chosen=1,
                threshold=3.0,
                cut=0.7,
                coexistence=1,
            )
        )
    moments = xr.Dataset(
        {
            "overlap_mean": (("size", control_name, "time"), np.array(means)[:, :, None]),
            "overlap_mean_stderr": (("size", control_name, "time"), np.array(errors)[:, :, None]),
        },
        coords={"size": list(sizes), control_name: control, "time": TIMES[-1:]},
    )
    enough = len(sizes) >= 3
    limit = replace(_estimate(scale * M_C, scale * 0.05), systematic=scale * 0.04)
    unknown = Estimate(float("nan"), flags=("one_size: a limit needs three sizes",))
    return Analysis(
        moments=moments,
        curves=tuple(curves),
        drifts=tuple(drifts),
        jumps=tuple(jumps),
        m_c=limit if enough else unknown,
        jump=_estimate(JUMP, 0.02) if enough else unknown,
        m_c_extrapolation=_extrapolation(
            "m_c",
            [c.size for c in curves],
            [c.m_c for c in curves],
            limit,
            slope=-14.0 * scale,
        )
        if enough
        else None,
        jump_extrapolation=_extrapolation(
            "jump", [j.size for j in jumps], [j.latent for j in jumps], _estimate(JUMP, 0.02), 0.4
        )
        if enough
        else None,
        transition="claimed",
        reasons=(
            "the jump of the overlap is 0.65(2) for N to infinity, 32 errors above zero",
            "the two groups are 12 widths apart at every size",
        ),
        control_name=control_name,
        control_label="batch size m",
        time=float(TIMES[-1]),
        time_units="sweep",
        study_hash="5c9d4a1e0b7f",
        source="physbatch 0.1.0",
        flags=(Flag.read("drift: m_c falls by 0.25 per ln t, so it is the m_c of this run time"),),
        provenance={"dataset_sha256": "ab" * 32},
    )


def _extrapolation(
    quantity: str, sizes: list[float], values: list[Estimate], limit: Estimate, slope: float
) -> Extrapolation:
    value = np.array([v.value for v in values])
    return Extrapolation(
        quantity=quantity,
        size=np.array(sizes),
        value=value,
        stderr=np.array([v.stderr for v in values]),
        limit=limit,
        forms=("a", "a + b / N", "a + b / sqrt(N)", "a + b ln N"),
        form_limit=limit.value * np.array([0.993, 1.0, 1.008, np.nan]),
        form_stderr=limit.stderr * np.array([0.6, 1.0, 1.3, np.nan]),
        form_slope=np.array([0.0, slope, 0.14 * slope, -0.008 * slope]),
        form_chi2=np.array([11.2, 1.7, 2.9, 3.4]),
        form_dof=np.array([3, 2, 2, 2]),
        form_intercept=limit.value * np.array([0.993, 1.0, 1.008, 0.95]),
        form_weight=np.array([0.01, 0.63, 0.36, 0.0]),
    )


def without_fits(analysis: Analysis) -> Analysis:
    """The same data where no fit came out and no two groups were seen."""
    nothing = Estimate(float("nan"), flags=("unresolved: the step lies between two controls",))
    return replace(
        analysis,
        curves=tuple(replace(c, m_c=nothing, width=nothing) for c in analysis.curves),
        drifts=(),
        jumps=tuple(
            replace(j, latent=nothing, upper=nothing, lower=nothing, chosen=-1)
            for j in analysis.jumps
        ),
        m_c=nothing,
        jump=nothing,
        m_c_extrapolation=None,
        jump_extrapolation=None,
        transition="not claimed",
        reasons=("no coexistence was seen at any size",),
    )


def make_dataset(title: str = "m_c of a sparse two-layer network") -> xr.Dataset:
    """The global attributes of a run; the report reads nothing else."""
    study = {
        "name": "quickstart",
        "title": title,
        "system": {"degree": 5, "layers": 2, "inputs": "binary"},
        "dynamics": {"algorithm": "greedy", "ties": "reject", "refresh": "sweep"},
        "sweep": {"size": [50, 100, 200, 400], "batch_size": CONTROL.tolist(), "replicas": 32},
        "seeds": {"wiring": 1, "teacher": 2, "start": 3, "dynamics": 4},
    }
    return xr.Dataset(
        attrs={
            "Conventions": "CF-1.11",
            "title": title,
            "source": "physbatch 0.1.0",
            "references": "doi:10.1088/2632-2153/ad1de6",
            "history": "2026-01-02T03:04:05Z physbatch run study.toml -o quickstart.nc",
            "date_created": "2026-01-02T03:04:05Z",
            "physbatch_schema": 1,
            "study": json.dumps(study, sort_keys=True, separators=(",", ":")),
            "study_hash": "5c9d4a1e0b7f",
            "torch_version": "2.13.0",
            "numpy_version": "2.4.6",
            "device": "cpu (x86_64)",
            "control_dim": "batch_size",
        }
    )
