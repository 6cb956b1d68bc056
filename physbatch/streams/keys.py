"""Keys and addresses of the random streams.

Every random number is a pure function of its address (Philox4x32-10; Salmon, Moraes, Dror and
Shaw, SC'11, doi 10.1145/2063384.2063405): a 64-bit key names the stream, a 128-bit counter the
number within it. So the same study gives the same bits whatever the device, the number of
workers, an interruption, or the order in which cells are computed.

The counter words are

=====  ==========================================================
word   content
=====  ==========================================================
0      block: four 32-bit numbers each
1      index, low 32 bits (sweep, batch, layer)
2      kind in the low 8 bits, index high 24 bits above
3      replica
=====  ==========================================================
"""

import hashlib
from dataclasses import dataclass

KIND_INPUTS = 0
KIND_BATCH = 1
KIND_PROPOSAL = 2
KIND_ACCEPT = 3
#: Gaussian inputs.
KIND_GAUSSIAN = 4
#: Which labels of a pattern set are flipped.
KIND_LABEL = 5
#: Which patterns of a set make up a batch.
KIND_SELECT = 6
#: In which order the weights are tried in a sweep.
KIND_ORDER = 7
#: Numbers that tasks of own code draw, one kind a call, up to 255.
KIND_TASK = 32
#: Gaussian fields of the samples of a batch, in projected dynamics.
KIND_FIELD = 16
#: Off-diagonal and diagonal elements of the factor of a Wishart matrix (Bartlett).
KIND_FACTOR_NORMAL = 17
KIND_FACTOR_CHI = 18

PURPOSES = ("wiring", "teacher", "start", "dynamics", "test", "patterns")
#: Test inputs follow the seed of the dynamics; a pattern set is disorder, like its teacher.
_SEED_OF = {"test": "dynamics", "patterns": "teacher"}


@dataclass(frozen=True)
class StreamKeys:
    """The 64-bit keys of one cell, one for each purpose."""

    wiring: int
    teacher: int
    start: int
    dynamics: int
    test: int
    patterns: int


def stream_key(purpose: str, seed: int, identity: str) -> int:
    """The 64-bit key of a stream.

    Parameters
    ----------
    purpose : str
        What the numbers are for; streams of different purposes are independent.
    seed : int
        The study's seed for this purpose.
    identity : str
        Canonical text of the cell's physics.
    """
    text = f"physbatch stream 1\n{purpose}\n{seed}\n{identity}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def stream_keys(seeds: dict[str, int], identity: str) -> StreamKeys:
    """The keys of all purposes.

    `test` inputs follow the seed of the dynamics, `patterns` that of the teacher.
    """
    return StreamKeys(
        **{
            purpose: stream_key(purpose, seeds[_SEED_OF.get(purpose, purpose)], identity)
            for purpose in PURPOSES
        }
    )
