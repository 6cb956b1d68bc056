"""The sweep: from a study to its dataset, whatever interrupts it.

A `Plan` numbers the cells of a study; executors compute them, here, in worker processes or on a
cluster; a `Store` keeps each result as an immutable shard, and shards merge into one dataset.
Engines are known by their protocol alone.

Examples
--------
>>> from physbatch.engines import engine_for
>>> from physbatch.study import catalogue
>>> from physbatch.sweep import Plan
>>> study = catalogue.study("greedy-unit", replicas=40, size=[9, 15])
>>> plan = Plan(study, engine_for(study))
>>> plan.blocks, str(plan.cells[-1]), plan.cells[-1].replicas
(2, 'size = 15, degree = 3, batch_size = 10', 8)
"""

from physbatch.sweep.cluster import Cluster
from physbatch.sweep.lock import Part
from physbatch.sweep.plan import Cells, Plan, group_cells
from physbatch.sweep.run import default_workers, merge_study, run_part, run_study
from physbatch.sweep.slurm import SlurmWorkers
from physbatch.sweep.status import RunStatus, run_status
from physbatch.sweep.store import Store
from physbatch.sweep.timing import Benchmark, bench_study
from physbatch.sweep.verifying import Verification, verify_dataset, what_differs

__all__ = [
    "Benchmark",
    "Cells",
    "Cluster",
    "Part",
    "Plan",
    "RunStatus",
    "SlurmWorkers",
    "Store",
    "Verification",
    "bench_study",
    "default_workers",
    "group_cells",
    "merge_study",
    "run_part",
    "run_status",
    "run_study",
    "verify_dataset",
    "what_differs",
]
