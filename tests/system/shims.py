"""Libraries in C that stand between a process and the system, to make its calls fail."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

__all__ = ["NO_LOCKS", "build"]

#: A file system without a lock service, as NFS may be one.
NO_LOCKS = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>

int flock(int descriptor, int operation) { errno = ENOLCK; return -1; }

static int locks(int command) {
    return command == F_SETLK || command == F_SETLKW || command == F_GETLK;
}

int fcntl64(int descriptor, int command, ...) {
    static int (*real)(int, int, ...);
    if (!real) real = (int (*)(int, int, ...)) dlsym(RTLD_NEXT, "fcntl64");
    va_list arguments;
    va_start(arguments, command);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    if (locks(command)) { errno = ENOLCK; return -1; }
    return real(descriptor, command, argument);
}

int fcntl(int descriptor, int command, ...) {
    va_list arguments;
    va_start(arguments, command);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    return fcntl64(descriptor, command, argument);
}
"""


def build(source: str, folder: Path, name: str) -> Path:
    """Compile a library for LD_PRELOAD; the test is skipped where there is no compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not Path("/proc/self/maps").exists():
        pytest.skip("component missing: a C compiler and /proc")
    text, library = folder / f"{name}.c", folder / f"{name}.so"
    text.write_text(source)
    words = [compiler, "-O1", "-shared", "-fPIC", "-o", str(library), str(text), "-ldl"]
    subprocess.run(words, check=True, capture_output=True)
    return library
