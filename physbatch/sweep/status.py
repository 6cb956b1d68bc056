"""What is done: from the index of a store, and from the shards that it does not know."""

from dataclasses import dataclass

import numpy as np

from physbatch.errors import DatasetError, FileBusyError
from physbatch.files.atomic import set_aside
from physbatch.files.checksums import digest_of, holds_checksum
from physbatch.sweep.index import Index, Record, ShardNote, read_index
from physbatch.sweep.lock import Owner, owners
from physbatch.sweep.plan import Plan
from physbatch.sweep.store import Store
from physbatch.typing import BoolArray, IntArray


@dataclass(frozen=True)
class Survey:
    """Which cells of a plan are done, which other code has made, and what the index says.

    `begun` are cells that can go on from the end of a shorter run: number -> name of its shard.
    """

    done: BoolArray
    old: BoolArray
    record: Record
    begun: dict[int, str]


@dataclass(frozen=True)
class RunStatus:
    """How far the runs of a study are; see `run_status`."""

    done: int
    old: int
    running: int
    failed: dict[str, str]
    seconds_left: float | None
    owners: list[Owner]
    complete: bool


def survey(store: Store, plan: Plan, *, verify: bool, index: Index | None = None) -> Survey:
    """Which cells are done, from the index and from the shards that it does not know.

    If not to `verify`, shards in the index are believed without their checksum. An `index` is
    told of shards that were in none; what is damaged is noted in the store.
    """
    record = read_index(store.folder, plan.name, len(plan))
    done, old = np.zeros((2, len(plan)), dtype=bool)
    begun: dict[int, str] = {}
    store.damaged = []
    for name in store.shard_names():
        try:
            known = _known(store, name, record, verify)
            if known is None:
                cells = store.cells_in(plan, name, store.open_shard(name))
                known = np.array(cells.ordinals, dtype=np.int64)
                record.old[name] = np.array(cells.old_ordinals, dtype=np.int64)
                record.begun[name] = np.array(cells.begun_ordinals, dtype=np.int64)
                if index is not None:
                    digest = digest_of(store.folder / name) or ""
                    others = {"old": record.old[name], "begun": record.begun[name]}
                    index.met(ShardNote(name, digest[:16]), known, others)
        except FileBusyError:
            raise
        except DatasetError as error:
            store.damaged.append(str(error))
            if index is not None:  # kept for a look, and not read again
                set_aside(store.folder / name)
            continue
        except OSError as error:
            store.damaged.append(f"{store.folder / name}: cannot read ({error.strerror})")
            if index is not None and not (store.folder / name).is_file():
                set_aside(store.folder / name)
            continue
        done[known] = True
        old[record.old[name]] = True
        begun.update(dict.fromkeys(record.begun[name].tolist(), name))
    old &= ~done
    return Survey(done | old if store.keep_old else done, old, record, begun)


def _known(store: Store, name: str, record: Record, verify: bool) -> IntArray | None:
    """The cells that the index says are in a shard; None if it must be opened."""
    if name not in record.shards:
        return None
    digest, ordinals = record.shards[name]
    if verify:
        path = store.folder / name
        if not holds_checksum(path) or not (digest_of(path) or "").startswith(digest):
            return None
    return ordinals


def run_status(store: Store, plan: Plan) -> RunStatus:
    """How far the runs are, from the index: no shard that it knows is opened."""
    cells = survey(store, plan, verify=False)
    record, alive = cells.record, owners(store.folder)
    complete = store.is_complete(plan.study)
    return RunStatus(
        # Shards may be thrown away once merged.
        done=len(plan.cells) if complete else int(cells.done.sum()),
        old=0 if complete else int(cells.old.sum()),
        running=sum(sum(record.running.get(part, {}).values()) for part in alive),
        failed={
            f"cell {plan.cell(ordinal)}": reason
            for ordinal, reason in sorted(record.failed.items())
            if not cells.done[ordinal]
        },
        seconds_left=None if complete else record.seconds_left,
        owners=list(alive.values()),
        complete=complete,
    )
