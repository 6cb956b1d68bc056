"""Text of other programs as plain columns: LaTeX, Markdown, blocks of a size, names = values.

Every line keeps its place, so that messages name the line of the file; what is no row of a table
becomes blank or a comment.
"""

import re
from collections.abc import Callable, Sequence

from physbatch.tables.cells import joined_errors

#: Signs that begin a comment in what other programs write: MATLAB, C, Fortran, Grace.
_COMMENT = re.compile(r"^\s*(%(?!\d)|//|!|@|\*|--\s|REM\s)")
_FORTRAN_GROUP = re.compile(r"^\s*(&\w*|/)\s*$")
_RULE = re.compile(r"^[\s|+:=\-─━│┃┌┐└┘├┤┬┴┼╪]*[-=─━]{2}[\s|+:=\-─━│┃┌┐└┘├┤┬┴┼╪]*$")
_LATEX_COMMAND = re.compile(r"^\s*\\[a-zA-Z]+")
_TEN_TO = re.compile(r"(?<=\d)\s*(?:[×x·*]|\\times|\\cdot)\s*10\s*\^?\s*\{?\s*([+-]?\d+)\}?")
_PAIR = re.compile(r"([A-Za-z]\w*)\s*[=:]\s*([^\s,;=:]+)")
#: The day and the time of day before a line of a log.
_CLOCK = re.compile(r"\d{4}-\d\d-\d\d|\d\d:\d\d(:\d\d)?([.,]\d+)?")
_LIST_BEGINS = re.compile(r"^(?:[\w.]+\s*(?:=|<-)\s*)?(?:[\w.]+\()?[\[({]+\s*")
_BLOCK = re.compile(
    r"^[^\w\n]*(L|N|size|linear[_ ]size|system[_ ]size|lattice[_ ]size)"
    r"[ \t]*[=:]?[ \t]*(\d+(?:\.\d+)?)[^\w\n]*$",
    re.IGNORECASE | re.MULTILINE,
)


def tidied(lines: Sequence[str]) -> list[str]:
    """The same lines, as a table that has one row a line and ``#`` before what is none.

    Examples
    --------
    >>> tidied(["| L | T |", "|---|---|", "| 8 | 2.2 |"])
    [' L ; T ', '', ' 8 ; 2.2 ']
    >>> tidied(["# L = 8", "2.2 0.7", "# L = 16", "2.2 0.6"])
    ['#', '8 2.2 0.7', '#', '16 2.2 0.6']
    """
    plain, text = list(lines), "\n".join(lines)
    # Most files are plain, and some are long: each step looks at those alone that have its signs.
    for step, signs in _STEPS:
        if any(sign in text for sign in signs):
            plain = step(plain)
    return plain


def _letters(lines: list[str]) -> list[str]:
    """Signs of typography as those of programs."""
    return [
        _TEN_TO.sub(r"e\1", line.replace("\N{MINUS SIGN}", "-").replace("\N{NO-BREAK SPACE}", " "))
        for line in lines
    ]


def _without_marks(lines: list[str]) -> list[str]:
    """Comments of other languages as comments, groups of Fortran and rules blank."""
    return [
        ""
        if _FORTRAN_GROUP.match(line) or _RULE.match(line)
        else _COMMENT.sub("#", line)
        if _COMMENT.match(line)
        else line
        for line in lines
    ]


def _filled(lines: list[str]) -> list[str]:
    return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _most(lines: list[str], test: Callable[[str], object]) -> bool:
    filled = _filled(lines)
    return len(filled) > 1 and all(map(test, filled))


def _pipes(lines: list[str]) -> list[str]:
    """Tables whose cells stand between bars."""
    lines = [line.replace("│", "|").replace("┃", "|") for line in lines]
    if not _most(lines, lambda line: "|" in line):
        return lines
    return [
        line if line.lstrip().startswith("#") else line.strip().strip("|").replace("|", ";")
        for line in lines
    ]


def _latex(lines: list[str]) -> list[str]:
    """Rows of a tabular, whatever stands around them."""
    rows = [line for line in _filled(lines) if "&" in line]
    if len(rows) < 2:
        return lines
    out = []
    for line in lines:
        if "&" not in line:
            out.append("" if _LATEX_COMMAND.match(line) or line.strip() in ("", "{", "}") else line)
            continue
        line = re.sub(r"\\(hline|toprule|midrule|bottomrule)\b", "", line)
        line = re.sub(r"\\\\(\[.*?\])?\s*$", "", line.rstrip()).replace("\\,", "")
        line = re.sub(r"\\(num|SI|qty|ang|textbf|textit|mathbf|boldsymbol)\b", "", line)
        line = line.replace("\\pm", "+-").replace("$", "").replace("{", "").replace("}", "")
        line = re.sub(r"\\([A-Za-z]+)\s+", r"\1_", line)
        out.append(re.sub(r"\\([A-Za-z]+)", r"\1", line).replace("&", ";"))
    return out


def _pairs(lines: list[str]) -> list[str]:
    """Lines of ``name = value`` with the same names in each: the names are told in the first."""
    lines = [joined_errors(line) for line in lines]
    filled = _filled(lines)
    if len(filled) < 2 or len(_PAIR.findall(filled[0])) < 3:
        return lines
    names = [[name for name, _ in _PAIR.findall(line)] for line in filled]
    if any(each != names[0] for each in names):
        return lines
    if any(re.search(r"\d", _PAIR.sub("", _CLOCK.sub("", line))) for line in filled):
        return lines
    out = []
    for line in lines:
        pairs = _PAIR.findall(line) if line.strip() and not line.lstrip().startswith("#") else []
        out.append(" ".join(value for _, value in pairs) if pairs else line)
    return ["# " + " ".join(names[0]), *out]


def _lists(lines: list[str]) -> list[str]:
    """Rows of a list as programs write it: Mathematica, MATLAB, Python."""
    filled = _filled(lines)
    if (
        not filled
        or not _LIST_BEGINS.match(filled[0])
        or filled[-1].strip(" \t;,")[-1:] not in "])}"
    ):
        return lines
    out = []
    for line in lines:
        row = _LIST_BEGINS.sub("", line.strip()).rstrip(" \t,;])}")
        out.append(row + ")" if row.count("(") > row.count(")") else row)
    return out if all(re.match(r"[-+.\d]", row) for row in _filled(out)) else lines


def _records(lines: list[str]) -> list[str]:
    """Lines of one ``name = value`` each that begin again and again: a row where each begins."""
    told = [_PAIR.fullmatch(line.strip(" \t,;")) for line in lines]
    pairs = [(index, match) for index, match in enumerate(told) if match]
    names = list(dict.fromkeys(match[1] for _, match in pairs))
    if len(names) < 3 or len(pairs) != len(_filled(lines)) or len(pairs) % len(names):
        return lines
    if any(match[1] != names[k % len(names)] for k, (_, match) in enumerate(pairs)):
        return lines
    out = ["" if match else line for line, match in zip(lines, told, strict=True)]
    for first in range(0, len(pairs), len(names)):
        row = pairs[first : first + len(names)]
        out[row[0][0]] = " ".join(match[2] for _, match in row)
    return ["# " + " ".join(names), *out]


def _blocks(lines: list[str]) -> list[str]:
    """Blocks of rows below a line that says their size: each row begins with its size."""
    if len({match[2] for match in _BLOCK.finditer("\n".join(lines))}) < 2:
        return lines
    told = [_BLOCK.match(line) for line in lines]
    first = next(index for index, match in enumerate(told) if match)
    if any(line.strip() and not line.lstrip().startswith("#") for line in lines[:first]):
        return lines
    named = told[first]
    name = "L" if named is None else named[1].replace(" ", "_")
    size, out = "", []
    for line, match in zip(lines, told, strict=True):
        body = line.strip()
        if match:
            size = match[2]
            out.append("#")
        elif not body:
            out.append("")
        elif body.startswith("#"):
            words = body.lstrip("# ").strip()
            out.append(f"# {name}{_between(words)}{words}" if words else "#")
        else:
            out.append(f"{size}{_between(body)}{body}" if size else line)
    return out


def _between(row: str) -> str:
    """What parts the cells of a row; a comma without a space may be a decimal one."""
    parts = row.split()
    if "," in row and (len(parts) == 1 or parts[0].endswith(",")):
        return ","
    return next((mark for mark in (";", "\t") if mark in row), " ")


_TYPOGRAPHY = ("\N{MINUS SIGN}", "\N{NO-BREAK SPACE}", "×", "x10", "x 10", "·10", "· 10", "*10")
_STEPS: tuple[tuple[Callable[[list[str]], list[str]], tuple[str, ...]], ...] = (
    (_letters, (*_TYPOGRAPHY, "\\times", "\\cdot")),
    (_without_marks, ("%", "//", "!", "@", "*", "--", "REM", "&", "==", "──", "━━")),
    (_pipes, ("|", "│", "┃")),
    (_latex, ("&",)),
    (_lists, ("[", "(", "{")),
    (_records, ("=", ":")),
    (_pairs, ("=", ":")),
    (_blocks, ("L", "N", "ize")),
)
