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

import importlib
from typing import Any

_MODULES = {
    "keys": "KIND_FIELD StreamKeys stream_key stream_keys",
    "filling": "normal_rows word_rows",
    "tensor": "bounded normals philox stream_numbers",
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names.split()}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    return globals().setdefault(name, getattr(module, name))


def __dir__() -> list[str]:
    return __all__
