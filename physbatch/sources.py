"""The sources of this package: what tells one state of the code from another."""

import hashlib
from pathlib import Path


def hash_of_sources(*places: str) -> int:
    """Hash of source files of this package, below 2^56: of single ones and of whole folders.

    The cache of compiled code notices a change in the file of the cached function alone, not in a
    helper of another module. A constant that depends on all of them, captured by the cached
    function, makes it compile again. To be called where a module is imported: a process that
    outlives a change of the files on disk (an upgrade during a long run) would otherwise store its
    old code under the hash of the new one, for every later process to load.

    >>> hash_of_sources("streams") == hash_of_sources("streams", "dynamics/rules.py")
    False
    """
    digest = hashlib.sha256()
    for name in places:
        path = Path(__file__).parent / name
        for file in [path] if path.suffix else sorted(path.glob("*.py")):
            digest.update(file.read_bytes())
    return int.from_bytes(digest.digest()[:7], "little")
