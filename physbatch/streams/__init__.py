"""Counter-based random streams: the same numbers on every device, in every order.

`keys` is the address table of every random number; `tensor` computes them in torch, `compiled`,
`filling`, `gaussian` and `elementary` in compiled code.

The names are imported when they are first used.

Examples
--------
>>> from physbatch import streams
>>> key = streams.stream_key("teacher", 1, "a cell")
>>> streams.normal_rows(key, 0, 0, first_replica=5, replicas=2, count=3).shape
(2, 3)
"""

from typing import TYPE_CHECKING

from physbatch.lazy import lazy_names

if TYPE_CHECKING:
    from physbatch.streams.filling import choice_rows as choice_rows
    from physbatch.streams.filling import normal_rows as normal_rows
    from physbatch.streams.filling import word_rows as word_rows
    from physbatch.streams.keys import KIND_FIELD as KIND_FIELD
    from physbatch.streams.keys import StreamKeys as StreamKeys
    from physbatch.streams.keys import stream_key as stream_key
    from physbatch.streams.keys import stream_keys as stream_keys
    from physbatch.streams.tensor import bounded as bounded
    from physbatch.streams.tensor import normals as normals
    from physbatch.streams.tensor import philox as philox
    from physbatch.streams.tensor import stream_numbers as stream_numbers

__getattr__, __dir__, __all__ = lazy_names(__name__)
