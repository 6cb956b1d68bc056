"""The page docs/flags.md, made of the list of every flag: python docs/_scripts/flags_page.py."""

from __future__ import annotations

from pathlib import Path

from physbatch.results import FLAGS

PAGE = Path(__file__).parents[1] / "flags.md"
_HEAD = """# Flags

A number that is in doubt carries a flag, on screen, in files, in tables and in figures: its name,
and after a colon what it says of these data. In code `physbatch.results.flags` names every kind:
`flags.BAD_FIT.among(result.flags)` asks for one, `flag.kind.remedy` says what to do.
"""


def flags_page() -> str:
    """Every flag: what it means, and what to do."""
    parts = [f"`{kind.name}`\n: {kind.meaning}\n  {kind.remedy}\n" for kind in FLAGS.values()]
    return "\n".join([_HEAD, *parts])


if __name__ == "__main__":
    PAGE.write_text(flags_page(), encoding="utf-8")
