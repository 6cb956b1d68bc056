"""A flag: the warning that travels with a number, of a kind that is listed and explained.

The kinds are the constants of `physbatch.results.flags`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Self

_KINDS: dict[str, FlagKind] = {}
#: The name, and what ends it; a place may stand between a name and its text.
_NAME = re.compile(r"([a-z][a-z0-9_]*)(:| at |$)")


class FlagKind:
    """A kind of flag; called with words it makes the flag.

    Parameters
    ----------
    meaning, remedy : str
        What a flag of this kind says, and what to do about it: one line each.

    Examples
    --------
    >>> from physbatch.results.flags import BAD_FIT
    >>> flag = BAD_FIT("chi2/dof = 30.1/12")
    >>> flag
    'bad_fit: chi2/dof = 30.1/12'
    >>> BAD_FIT.among((flag,)), flag.text
    (True, 'chi2/dof = 30.1/12')
    """

    name = ""

    def __init__(self, meaning: str, remedy: str) -> None:
        self.meaning, self.remedy = meaning, remedy

    def named(self, name: str) -> Self:
        """The kind with its name in files and on the screen, such as ``bad_fit``; unique."""
        if name in _KINDS:
            raise ValueError(f"two kinds of flag are named {name}")
        self.name = name
        _KINDS[name] = self
        return self

    def __call__(self, text: str) -> Flag:
        """A flag of this kind."""
        return Flag(self, self.name, text, f"{self.name}: {text}")

    def __repr__(self) -> str:
        return f"FlagKind({self.name!r})"

    def __reduce__(self) -> tuple[Callable[[str], FlagKind], tuple[str]]:
        return _kind, (self.name,)

    def among(self, flags: Iterable[Flag]) -> bool:
        """Whether one of the flags is of this kind."""
        return any(flag.kind is self for flag in flags)


def _kind(name: str) -> FlagKind:
    return _KINDS.get(name, UNKNOWN)


UNKNOWN = FlagKind(
    "A flag that this version does not know: a file of a newer version, or another program.",
    "Read its words; a newer version of physbatch explains it.",
).named("unknown")


class Flag(str):
    """Words that go with a number wherever it goes: ``name: text`` on screen and in files.

    Attributes
    ----------
    kind : FlagKind
        What flags of this name mean; `UNKNOWN` for a name that is not listed.
    name, text : str
        The name, and what it says of these data.
    """

    __slots__ = ("kind", "name", "text")

    kind: FlagKind
    name: str
    text: str

    def __new__(cls, kind: FlagKind, name: str, text: str, words: str) -> Self:
        flag = super().__new__(cls, words)
        flag.kind, flag.name, flag.text = kind, name, text
        return flag

    def __reduce__(self) -> tuple[Callable[[str], Flag], tuple[str]]:
        return Flag.read, (str(self),)

    @staticmethod
    def read(words: str) -> Flag:
        """The flag that a file holds as ``name: text``.

        A place may follow the name (``no_data at N = 100``). Words without a name have an
        empty one. The words themselves stay as they are.

        Examples
        --------
        >>> flag = Flag.read("newer_than_this: 3 of 4")
        >>> flag.kind.name, flag.name, flag.text
        ('unknown', 'newer_than_this', '3 of 4')
        """
        if isinstance(words, Flag):
            return words
        head = _NAME.match(words)
        name = head[1] if head and (head[2] != " at " or head[1] in _KINDS) else ""
        return Flag(_kind(name), name, words[len(name) :].removeprefix(":").strip(), words)

    def at(self, where: str) -> Flag:
        """The flag with the place where it was raised at its end."""
        return Flag(self.kind, self.name, f"{self.text} at {where}", f"{self} at {where}")

    def of(self, what: str) -> Flag:
        """The flag with what it speaks of before its text."""
        text = f"{what}: {self.text}"
        return Flag(self.kind, self.name, text, f"{self.name}: {text}")


def flag_names(flags: Iterable[Flag]) -> tuple[str, ...]:
    """Names of the flags, in order and without repeats; words without a name in full."""
    return tuple(dict.fromkeys(flag.name or str(flag) for flag in flags))


def bracketed(flags: Iterable[Flag]) -> str:
    """The names of the flags as a repr ends with them, or nothing."""
    names = ", ".join(flag_names(flags))
    return f" [{names}]" if names else ""


def flag_kinds() -> dict[str, FlagKind]:
    """Every kind by its name, in the order of the alphabet."""
    return {name: _KINDS[name] for name in sorted(_KINDS)}
