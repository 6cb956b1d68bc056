"""Philox4x32-10 on torch tensors, for any device.

torch lacks unsigned shifts, so 32-bit words live in int64; products wrap modulo 2^64,
and an arithmetic shift followed by a mask gives the right high word.
"""

import math

import torch
from torch import Tensor

_M0 = 0xD2511F53
_M1 = 0xCD9E8D57
_W0 = 0x9E3779B9
_W1 = 0xBB67AE85
_LOW = 0xFFFFFFFF


def philox(c0: Tensor, c1: Tensor, c2: Tensor, c3: Tensor, key: int) -> Tensor:
    """Four 32-bit numbers at each counter, as int64, shape (..., 4).

    Parameters
    ----------
    c0, c1, c2, c3 : Tensor of int64
        Counter words below 2^32; they broadcast.
    key : int
        64-bit key of the stream.
    """
    zero = (c0 + c1 + c2 + c3) * 0  # of the common shape
    c0, c1, c2, c3 = c0 + zero, c1 + zero, c2 + zero, c3 + zero
    k0 = key & _LOW
    k1 = key >> 32
    for _ in range(10):
        p0 = c0 * _M0
        p1 = c2 * _M1
        c0, c1, c2, c3 = (
            ((p1 >> 32) & _LOW) ^ c1 ^ k0,
            p1 & _LOW,
            ((p0 >> 32) & _LOW) ^ c3 ^ k1,
            p0 & _LOW,
        )
        k0 = (k0 + _W0) & _LOW
        k1 = (k1 + _W1) & _LOW
    return torch.stack((c0, c1, c2, c3), dim=-1)


def bounded(number: Tensor, bound: int) -> Tensor:
    """Map 32-bit numbers to 0 ... bound - 1 by multiply-and-shift (bound below 2^31)."""
    return (number * bound) >> 32


def stream_numbers(key: int, kind: int, index: int, replicas: Tensor, count: int) -> Tensor:
    """The first `count` 32-bit numbers of an index of a stream, shape (replica, count)."""
    blocks = torch.arange(math.ceil(count / 4), device=replicas.device)[None, :]
    low = torch.tensor(index & 0xFFFFFFFF, device=replicas.device)
    high = torch.tensor(kind | ((index >> 32) << 8), device=replicas.device)
    return philox(blocks, low, high, replicas[:, None], key).flatten(1)[:, :count]


def normals(numbers: Tensor) -> Tensor:
    """Standard normal numbers as float64, one for each 32-bit number.

    Box and Muller's transform of neighbouring pairs, as in `physbatch.streams.gaussian` but for
    the last digits of the logarithm and the cosine; the last dimension has even length.
    """
    first, second = numbers[..., 0::2].double(), numbers[..., 1::2].double()
    radius = torch.sqrt(-2 * torch.log((first + 0.5) * 2.0**-32))
    angle = 2 * math.pi * 2.0**-32 * (second + 0.5) - math.pi / 4
    return torch.stack((radius * torch.cos(angle), radius * torch.sin(angle)), dim=-1).flatten(-2)
