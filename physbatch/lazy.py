"""Packages whose public names are imported when they are first used.

Such a package lists its names once, as the imports that type checkers see, and its ``__init__``
ends with ``lazy_names``::

    if TYPE_CHECKING:
        from physbatch.noise.stability import StableRange as StableRange
        from physbatch.noise.stability import stable_range as stable_range

    __getattr__, __dir__, __all__ = lazy_names(__name__)
"""

import ast
import importlib
import inspect
import sys
from collections.abc import Callable
from typing import Any


def lazy_names(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """What imports the names that stand below ``if TYPE_CHECKING`` in a package.

    A name that is imported from the package itself is one of its modules.

    Returns
    -------
    tuple of (callable, callable, list of str)
        ``__getattr__``, ``__dir__`` and ``__all__`` of the package.

    Examples
    --------
    >>> import physbatch.noise
    >>> get, _, names = lazy_names("physbatch.noise")
    >>> get("stable_range").__module__, "stable_range" in names
    ('physbatch.noise.stability', True)
    """
    module = sys.modules[package]
    homes = {
        alias.name: statement.module or package
        for block in ast.parse(inspect.getsource(module)).body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
    names = sorted(homes)

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        if homes[name] == package:
            return importlib.import_module(f"{package}.{name}")
        value = getattr(importlib.import_module(homes[name]), name)
        setattr(module, name, value)  # from now on no detour
        return value

    return get, lambda: names, names
