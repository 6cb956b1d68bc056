"""A Slurm cluster of one node on loopback: munged, slurmctld and slurmd as child processes."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

__all__ = ["SlurmNode", "missing_program", "slurm_node"]

PROGRAMS = ("sbatch", "scontrol", "squeue", "munged", "slurmctld", "slurmd")
_PLACES = "/usr/sbin:/usr/local/sbin:/sbin"

#: Slurm starts a job that was queued again no earlier than its old credential has ended: two
#: minutes unless told. A job that is forced to start sooner can be taken for the killed one.
CREDENTIAL_SECONDS = 10

_CONFIGURATION = """\
ClusterName=physbatch
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire={credential_seconds}
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SwitchType=switch/none
SchedulerParameters=sched_interval=2,bf_interval=2
ReturnToService=2
KillWait=30
MinJobAge=3600
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory={memory} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing_program() -> str | None:
    """The first program of Slurm that is not installed, or None."""
    return next((name for name in PROGRAMS if _program(name) is None), None)


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_PLACES}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _memory() -> int:
    """Memory of this machine in MB."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20


class SlurmNode:
    """The running cluster; `environment` makes Slurm's commands speak to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._daemons: list[subprocess.Popen[bytes]] = []
        configuration = folder / "slurm.conf"
        self.environment = {**os.environ, "SLURM_CONF": str(configuration)}
        for name in ("state", "spool"):
            (folder / name).mkdir()
        configuration.write_text(
            _CONFIGURATION.format(
                host=socket.gethostname().partition(".")[0],
                controller_port=_free_port(),
                node_port=_free_port(),
                user="root" if os.getuid() == 0 else os.environ.get("USER", "nobody"),
                cores=os.cpu_count() or 1,
                credential_seconds=CREDENTIAL_SECONDS,
                memory=_memory(),
                folder=folder,
            )
        )

    def start(self) -> None:
        """Start the daemons and wait until the node takes jobs."""
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        munge = [f"--{name}={self.folder}/munge.{name}" for name in ("socket", "pid-file")]
        munge += [f"--seed-file={self.folder}/munge.seed", f"--key-file={key}"]
        log = f"--log-file={self.folder}/munge.log"
        self._start("munged", "--foreground", "--force", *munge, log)
        self._wait("munged", lambda: (self.folder / "munge.socket").exists())
        # A node must not believe that the controller of an earlier start knows it.
        self._start("slurmctld", "-D", "-c")
        self._start("slurmd", "-D")
        self._wait("slurmd", lambda: "idle" in self.command("sinfo", "-h", "-o", "%T", check=False))

    def _start(self, name: str, *words: str) -> None:
        program = _program(name)
        assert program is not None
        with open(self.folder / f"{name}.out", "wb") as log:
            self._daemons.append(
                subprocess.Popen(
                    [program, *words],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=self.environment,
                    start_new_session=True,
                )
            )

    def _wait(self, name: str, ready: object) -> None:
        assert callable(ready)
        deadline = time.monotonic() + 60
        while not ready():
            for daemon in self._daemons:
                assert daemon.poll() is None, self.logs()
            assert time.monotonic() < deadline, f"{name} does not start\n{self.logs()}"
            time.sleep(0.2)

    def command(self, *words: str | Path, check: bool = True) -> str:
        """What a command of Slurm prints."""
        done = subprocess.run(
            [str(word) for word in words],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def submit(self, script: Path) -> str:
        """Submit a batch script; its number. Outputs go to the folder of the cluster."""
        output = f"--output={self.folder}/job-%A_%a.out"
        answer = self.command("sbatch", "--parsable", output, script)
        return answer.strip().partition(";")[0]

    def states(self, job: str) -> list[str]:
        """State of each task of an array job."""
        return self.command("squeue", "-h", "-r", "-t", "all", "-j", job, "-o", "%T").split()

    def wait_for(self, job: str, wanted: Sequence[str], seconds: float) -> None:
        """Wait until all tasks of a job are in one of some states."""
        deadline = time.monotonic() + seconds
        while not (found := self.states(job)) or not set(found) <= set(wanted):
            assert time.monotonic() < deadline, f"{found}\n{self.outputs()}\n{self.logs()}"
            time.sleep(0.3)

    def outputs(self) -> str:
        """What the jobs printed."""
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("job-*.out")))

    def logs(self) -> str:
        """What the daemons said last."""
        return "\n".join(path.read_text()[-2000:] for path in self.folder.glob("*.out"))

    def close(self) -> None:
        """End all jobs and daemons, the node first."""
        with contextlib.suppress(subprocess.SubprocessError, OSError):
            self.command("scancel", "--full", "--signal=KILL", "-u", "root", check=False)
        for daemon in reversed(self._daemons):
            daemon.terminate()
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


@contextlib.contextmanager
def slurm_node() -> Iterator[SlurmNode]:
    """A cluster that is ended whatever happens."""
    # Paths of sockets must be short.
    with tempfile.TemporaryDirectory(prefix="slurm") as folder:
        Path(folder).chmod(0o755)
        node = SlurmNode(Path(folder))
        try:
            node.start()
            yield node
        finally:
            node.close()
