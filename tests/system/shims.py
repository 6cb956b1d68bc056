"""Libraries in C that stand between a process and the system, to make its calls fail."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

__all__ = ["FAULTS", "NO_LOCKS", "build"]

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


#: Makes the k-th call of one kind that touches files below a folder fail, or the process die there.
FAULTS = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPEN, READ, WRITE, FSYNC, RENAME, LINK, UNLINK, MKDIR, FLOCK, MALLOC,
       PREAD, PWRITE, TRUNCATE, STAT, LIST, CLOSE, KINDS };
enum { FAIL, KILL, KILL_HALFWAY, FAIL_FOR_EVER };
#define SMALL 65536  /* allocations below are not counted */

static volatile int armed, kind, number, how;
static volatile long at, seen[KINDS];
static char root[PATH_MAX];

void fault_arm(const char *folder, int what, long k, int error, int manner) {
    strncpy(root, folder, sizeof root - 1);
    memset((void *) seen, 0, sizeof seen);
    kind = what; at = k; number = error; how = manner; armed = 1;
}
void fault_disarm(void) { armed = 0; }
long fault_seen(int what) { return seen[what]; }

static int below(const char *path) { return !strncmp(path, root, strlen(root)); }

static int below_at(int folder, const char *path) {
    char link[64], name[PATH_MAX];
    if (path[0] == '/') return below(path);
    if (folder == AT_FDCWD) return getcwd(name, sizeof name) && below(name);
    snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    ssize_t length = readlink(link, name, sizeof name - 1);
    if (length < 0) return 0;
    name[length] = 0;
    return below(name);
}
static int below_fd(int descriptor) { return below_at(descriptor, ""); }

/* Whether this call is the one; a killed process does not come back. */
static int hit(int what) {
    long now = ++seen[what];
    if (what != kind || (how == FAIL_FOR_EVER ? now < at : now != at)) return 0;
    if (how == KILL) kill(getpid(), SIGKILL);
    errno = number;
    return 1;
}

#define REAL(result, name, ...) \
    static result (*real)(__VA_ARGS__); \
    if (!real) real = (result (*)(__VA_ARGS__)) dlsym(RTLD_NEXT, name)

#define OPENS(name) \
int name(const char *path, int flags, ...) { \
    va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more); \
    REAL(int, #name, const char *, int, ...); \
    if (armed && below_at(AT_FDCWD, path) && hit(OPEN)) return -1; \
    return real(path, flags, mode); \
}
OPENS(open)
OPENS(open64)

#define OPENATS(name) \
int name(int folder, const char *path, int flags, ...) { \
    va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more); \
    REAL(int, #name, int, const char *, int, ...); \
    if (armed && below_at(folder, path) && hit(OPEN)) return -1; \
    return real(folder, path, flags, mode); \
}
OPENATS(openat)
OPENATS(openat64)

ssize_t read(int descriptor, void *buffer, size_t count) {
    REAL(ssize_t, "read", int, void *, size_t);
    if (armed && below_fd(descriptor) && hit(READ)) return -1;
    return real(descriptor, buffer, count);
}
ssize_t write(int descriptor, const void *buffer, size_t count) {
    REAL(ssize_t, "write", int, const void *, size_t);
    if (armed && below_fd(descriptor) && hit(WRITE)) {
        if (how == KILL_HALFWAY) { real(descriptor, buffer, count / 2); kill(getpid(), SIGKILL); }
        return -1;
    }
    return real(descriptor, buffer, count);
}
int fsync(int descriptor) {
    REAL(int, "fsync", int);
    if (armed && below_fd(descriptor) && hit(FSYNC)) return -1;
    return real(descriptor);
}
int rename(const char *old, const char *fresh) {
    REAL(int, "rename", const char *, const char *);
    if (armed && below_at(AT_FDCWD, old) && hit(RENAME)) return -1;
    return real(old, fresh);
}
int link(const char *old, const char *fresh) {
    REAL(int, "link", const char *, const char *);
    if (armed && below_at(AT_FDCWD, old) && hit(LINK)) return -1;
    return real(old, fresh);
}
int linkat(int a, const char *old, int b, const char *fresh, int flags) {
    REAL(int, "linkat", int, const char *, int, const char *, int);
    if (armed && below_at(a, old) && hit(LINK)) return -1;
    return real(a, old, b, fresh, flags);
}
int unlink(const char *path) {
    REAL(int, "unlink", const char *);
    if (armed && below_at(AT_FDCWD, path) && hit(UNLINK)) return -1;
    return real(path);
}
int mkdir(const char *path, mode_t mode) {
    REAL(int, "mkdir", const char *, mode_t);
    if (armed && below_at(AT_FDCWD, path) && hit(MKDIR)) return -1;
    return real(path, mode);
}
int flock(int descriptor, int operation) {
    REAL(int, "flock", int, int);
    if (armed && below_fd(descriptor) && hit(FLOCK)) return -1;
    return real(descriptor, operation);
}

/* What the HDF5 library calls. */
#define PREADS(name) \
ssize_t name(int descriptor, void *buffer, size_t count, off_t offset) { \
    REAL(ssize_t, #name, int, void *, size_t, off_t); \
    if (armed && below_fd(descriptor) && hit(PREAD)) return -1; \
    return real(descriptor, buffer, count, offset); \
}
PREADS(pread)
PREADS(pread64)

#define PWRITES(name) \
ssize_t name(int descriptor, const void *buffer, size_t count, off_t offset) { \
    REAL(ssize_t, #name, int, const void *, size_t, off_t); \
    if (armed && below_fd(descriptor) && hit(PWRITE)) { \
        if (how == KILL_HALFWAY) { \
            real(descriptor, buffer, count / 2, offset); \
            kill(getpid(), SIGKILL); \
        } \
        return -1; \
    } \
    return real(descriptor, buffer, count, offset); \
}
PWRITES(pwrite)
PWRITES(pwrite64)

#define TRUNCATES(name) \
int name(int descriptor, off_t length) { \
    REAL(int, #name, int, off_t); \
    if (armed && below_fd(descriptor) && hit(TRUNCATE)) return -1; \
    return real(descriptor, length); \
}
TRUNCATES(ftruncate)
TRUNCATES(ftruncate64)

#define STATS(name, kind_of_answer) \
int name(const char *path, struct kind_of_answer *answer) { \
    REAL(int, #name, const char *, struct kind_of_answer *); \
    if (armed && below_at(AT_FDCWD, path) && hit(STAT)) return -1; \
    return real(path, answer); \
}
STATS(stat, stat)
STATS(stat64, stat64)
STATS(lstat, stat)
STATS(lstat64, stat64)

#define FSTATATS(name, kind_of_answer) \
int name(int folder, const char *path, struct kind_of_answer *answer, int flags) { \
    REAL(int, #name, int, const char *, struct kind_of_answer *, int); \
    if (armed && below_at(folder, path) && hit(STAT)) return -1; \
    return real(folder, path, answer, flags); \
}
FSTATATS(fstatat, stat)
FSTATATS(fstatat64, stat64)

#define FSTATS(name, kind_of_answer) \
int name(int descriptor, struct kind_of_answer *answer) { \
    REAL(int, #name, int, struct kind_of_answer *); \
    if (armed && below_fd(descriptor) && hit(STAT)) return -1; \
    return real(descriptor, answer); \
}
FSTATS(fstat, stat)
FSTATS(fstat64, stat64)

DIR *opendir(const char *path) {
    REAL(DIR *, "opendir", const char *);
    if (armed && below_at(AT_FDCWD, path) && hit(LIST)) return NULL;
    return real(path);
}

/* The descriptor is gone also where the call fails, as Linux has it. */
int close(int descriptor) {
    REAL(int, "close", int);
    if (armed && below_fd(descriptor) && hit(CLOSE)) {
        int number_of_the_fault = errno;
        real(descriptor);
        errno = number_of_the_fault;
        return -1;
    }
    return real(descriptor);
}

extern void *__libc_malloc(size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_calloc(size_t, size_t);
void *malloc(size_t size) {
    if (armed && size >= SMALL && hit(MALLOC)) return NULL;
    return __libc_malloc(size);
}
void *realloc(void *old, size_t size) {
    if (armed && size >= SMALL && hit(MALLOC)) return NULL;
    return __libc_realloc(old, size);
}
void *calloc(size_t count, size_t size) {
    if (armed && count * size >= SMALL && hit(MALLOC)) return NULL;
    return __libc_calloc(count, size);
}
"""
