"""Clusters of dask.distributed: those that run already, and those that a run starts for itself."""

import contextlib
import importlib
import logging
import shutil
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from physbatch.errors import StudyError
from physbatch.sweep.executors import limit_threads
from physbatch.sweep.slurm import SlurmWorkers
from physbatch.sweep.stopping import shielded

#: Seconds to reach a scheduler, and to wait for one that went away.
PATIENCE = 20.0


@dataclass(frozen=True)
class Cluster:
    """Workers of dask.distributed instead of processes of this one.

    Attributes
    ----------
    address : str
        ``tcp://host:8786`` or ``tls://host:8786`` of a scheduler, or ``local`` for one with
        workers on this machine, which listens on 127.0.0.1 only.
    tls_ca, tls_cert, tls_key : path, optional
        Certificates for ``tls://``; a plain connection is refused then.
    slurm : SlurmWorkers, optional
        Jobs of Slurm as workers; the scheduler runs in this process.
    """

    address: str
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    slurm: SlurmWorkers | None = None


def require_packages(cluster: Cluster) -> None:
    """StudyError if the packages of a cluster are not installed."""
    for module, package, extra in (
        ("distributed", "dask", "dask"),
        *((("dask_jobqueue", "dask-jobqueue", "slurm"),) if cluster.slurm is not None else ()),
    ):
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise StudyError(
                f"{package} is not installed",
                where="dask" if extra == "dask" else "--slurm",
                remedy="in the folder of physbatch: "
                f"{sys.executable} -m pip install -c constraints.txt -e '.[{extra}]'",
            ) from error


def connect(cluster: Cluster, workers: int, stack: contextlib.ExitStack, folder: Path) -> Any:
    """A client of a cluster, which is closed with the stack; Slurm's jobs print to the folder.

    StudyError if no scheduler answers or workers do not start.
    """
    distributed: Any = importlib.import_module("distributed")
    _silence_loggers()
    security = None
    if cluster.tls_ca is not None:
        security = distributed.Security(
            tls_ca_file=str(cluster.tls_ca),
            tls_client_cert=str(cluster.tls_cert),
            tls_client_key=str(cluster.tls_key),
            require_encryption=True,
        )
    address: Any = cluster.address
    if cluster.slurm is not None:
        address = _slurm_cluster(cluster.slurm, security, stack, folder)
    elif cluster.address == "local":
        address = _local_cluster(distributed, workers, stack)
    try:
        client = distributed.Client(
            address, security=security, timeout=PATIENCE, set_as_default=False
        )
    except ssl.SSLError as error:
        raise StudyError(
            f"the certificates cannot be used ({' '.join(str(error).split())[:120]})",
            where="--tls-cert",
            remedy="give PEM files that belong together",
        ) from error
    except (OSError, TimeoutError, ValueError, TypeError) as error:
        raise StudyError(
            f"no dask scheduler answers ({' '.join(str(error).split())[:120]})",
            where=f"--scheduler {cluster.address}",
            remedy="start one with `dask scheduler`",
        ) from error
    stack.callback(quietly, client.close, timeout=PATIENCE)
    return client


def _local_cluster(distributed: Any, workers: int, stack: contextlib.ExitStack) -> Any:
    """A scheduler and workers on this machine, on loopback only."""
    limit_threads()
    scratch = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
    # The profiler's tree of call stacks grows with time, and nobody looks at it here.
    settings: Any = importlib.import_module("dask").config
    stack.enter_context(settings.set({"distributed.worker.profile.enabled": False}))
    try:
        with shielded():  # and so are those that replace workers that died
            cluster = distributed.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                local_directory=scratch,
                silence_logs=logging.CRITICAL,
            )
    except RuntimeError as error:
        raise StudyError(
            f"dask workers do not start on this machine ({error})",
            where="run_study",
            remedy='in a script, call it under `if __name__ == "__main__":`',
        ) from error
    stack.callback(quietly, cluster.close, timeout=PATIENCE)
    return cluster


def _slurm_cluster(
    slurm: SlurmWorkers, security: Any, stack: contextlib.ExitStack, folder: Path
) -> Any:
    """A scheduler in this process; its workers are jobs, replaced when their time is over."""
    jobqueue: Any = importlib.import_module("dask_jobqueue")
    if shutil.which("sbatch") is None:
        raise StudyError(
            "sbatch is not found", where="--slurm", remedy="run this where jobs are submitted"
        )
    cluster = jobqueue.SLURMCluster(**slurm.options(folder), security=security)
    stack.callback(quietly, cluster.close, timeout=PATIENCE)
    # dask-jobqueue would only log that no job can be submitted, and wait for ever.
    tested = subprocess.run(
        ["sbatch", "--test-only"],
        input=cluster.job_script(),
        capture_output=True,
        text=True,
        check=False,
    )
    if tested.returncode != 0:
        raise StudyError(
            f"Slurm refuses such a job ({' '.join(tested.stderr.split())[-160:]})",
            where="--slurm",
            remedy="ask for less, or for another partition",
        )
    cluster.adapt(minimum_jobs=slurm.jobs, maximum_jobs=slurm.jobs)
    return cluster


def _silence_loggers() -> None:
    """Lost connections are reported by this module in one line, not by those that lost them."""
    for name in ("asyncio", *logging.root.manager.loggerDict):
        if name.partition(".")[0] in ("distributed", "tornado", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def quietly(close: Callable[..., Any], **arguments: Any) -> None:
    """Close something whose other end may be gone."""
    with contextlib.suppress(Exception):
        close(**arguments)
