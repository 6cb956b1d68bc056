"""Fonts for letters that a figure's own fonts lack, such as those of a Chinese column."""

import warnings
from collections.abc import Iterable, Iterator
from functools import cache

from matplotlib import font_manager
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter

_ASCII = 128


def give_letters(texts: Iterable[Text]) -> None:
    """Let texts fall back to a font of this machine that has their letters.

    Where there is none, a UserWarning says so: the letters will be boxes.
    """
    for text in texts:
        letters = frozenset(letter for letter in text.get_text() if ord(letter) >= _ASCII)
        if not letters:
            continue
        families = text.get_fontfamily()
        lacking = letters - _letters_of(tuple(families))
        if not lacking:
            continue
        family = _family_with(lacking)
        if family is None:
            warnings.warn(
                f"no font of this machine has the letters {''.join(sorted(lacking))!r} of "
                f"{text.get_text()!r}, which become boxes: install one, such as Noto Sans CJK, "
                "or give another text with labels (--label)",
                stacklevel=2,
            )
        else:
            text.set_fontfamily([*families, family])


def texts_of(artist: Artist) -> Iterator[Text]:
    """All texts of an artist but numbers at ticks, which would have to be worked out for it."""
    for child in artist.get_children() if isinstance(artist, Axes) else [artist]:
        if isinstance(child, Axis):
            named = isinstance(child.get_major_formatter(), FixedFormatter)
            yield from (child.label, *(child.get_ticklabels() if named else ()))
        else:
            yield from (text for text in child.findobj(Text) if isinstance(text, Text))


@cache
def _letters_of(families: tuple[str, ...]) -> frozenset[str]:
    """All letters of some fonts."""
    out: frozenset[str] = frozenset()
    for family in families:
        properties = font_manager.FontProperties(family=[family])
        out |= _letters_in(str(font_manager.findfont(properties)))
    return out


@cache
def _letters_in(path: str) -> frozenset[str]:
    return frozenset(map(chr, font_manager.get_font(path).get_charmap()))


@cache
def _family_with(letters: frozenset[str]) -> str | None:
    """An upright font with these letters, the first by name."""
    known = font_manager.fontManager.ttflist
    for font in sorted(known, key=lambda font: (font.name, font.fname)):
        plain = font.style == "normal" and font.weight in (400, "normal", "regular")
        # The font of last resort has a box for every letter.
        if plain and "LastResort" not in font.fname and letters <= _letters_in(font.fname):
            return font.name
    return None
