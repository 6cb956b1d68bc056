"""The figures of a report as SVG that can stand inside an HTML page."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup, escape
from matplotlib.figure import Figure

from physbatch.plots import (
    has_pictures,
    pictures_of,
    plot_drift,
    plot_extrapolation,
    plot_histograms,
    plot_overlap,
    plot_success,
    svg_text,
)
from physbatch.plots.scaling.extrapolation import spans_sizes
from physbatch.plots.style import SINGLE_COLUMN_MM, root_figure
from physbatch.report.sentences import ReportWords
from physbatch.scaling.order.result import TransitionOrder
from physbatch.scaling.transition.result import Analysis

_HISTOGRAM_HEIGHT_MM = 76.0


@dataclass(frozen=True)
class ReportFigure:
    """One figure: its anchor, its picture, its caption, and what it shows in words."""

    anchor: str
    svg: Markup
    caption: str
    wide: bool = False  # of two columns


def report_figures(analysis: Analysis) -> Iterator[ReportFigure]:
    """Every figure that the results of a dataset allow, in the order in which they are read."""
    words, name = ReportWords(analysis), analysis.observable
    yield _drawn(
        "fig-overlap",
        f"Mean {name} against the {words.control}, one curve for each of {words.sizes}",
        f"Mean {name} over the replicas with its error, at {words.time}.",
        root_figure(plot_overlap(analysis)),
    )
    yield _drawn(
        "fig-success",
        f"Success probability against the {words.control} for {words.sizes}; {words.critical}",
        "Fraction of the replicas that learned, with 68 % intervals, and the fitted logistic "
        "curves. A bar near 1/2 stands where the step is sharper than the grid of controls.",
        root_figure(plot_success(analysis)),
    )
    yield _drawn(
        "fig-histograms",
        f"Histograms of the {name} below, nearest to and above the critical "
        f"{words.control} at the largest size; {words.coexistence}",
        f"The {name} of every replica below, nearest to, and above the critical value at the "
        f"largest size: {words.coexistence}.",
        root_figure(plot_histograms(analysis, height=_HISTOGRAM_HEIGHT_MM)),
    )
    yield _drawn(
        "fig-drift",
        f"Critical {words.control} against run time for {words.sizes}; {words.drift}",
        "The critical value depends on how long one waits; lines are fits linear in the "
        "logarithm of the run time.",
        root_figure(plot_drift(analysis)),
    )
    if spans_sizes(analysis.m_c_extrapolation):
        yield _drawn(
            "fig-limit",
            f"Critical {words.control} against 1/N with fitted forms; {words.critical}",
            "Extrapolation of the critical value to infinite size. The thick bar is the "
            "statistical error, the thin one adds the spread over the forms.",
            root_figure(plot_extrapolation(analysis)),
        )
    if spans_sizes(analysis.jump_extrapolation):
        yield _drawn(
            "fig-jump",
            f"Jump of the {name} against 1/N with fitted forms; limit {analysis.jump}",
            f"Extrapolation of the jump of the {name} to infinite size.",
            root_figure(plot_extrapolation(analysis, quantity="jump")),
        )


def order_figure(order: TransitionOrder | None) -> list[ReportFigure]:
    """The evidence on the order of the transition, if it was looked at."""
    if order is None:
        return []
    words = f"Evidence on the order of the transition of the {order.observable}: {order.verdict}"
    return [
        _drawn("fig-order", words, f"{words}. {picture.caption}", picture.draw())
        for picture in pictures_of(order)
    ]


def result_figures(result: object) -> list[ReportFigure]:
    """Every figure of a result; none where such results have none."""
    pictures = pictures_of(result) if has_pictures(result) else []
    return [
        _drawn(f"fig-{shown.name}", shown.caption, shown.caption, shown.draw())
        for shown in pictures
    ]


def _drawn(anchor: str, title: str, caption: str, figure: Figure) -> ReportFigure:
    wide = 25.4 * figure.get_figwidth() > 1.5 * SINGLE_COLUMN_MM
    return ReportFigure(anchor, inline_svg(svg_text(figure), anchor, title), caption, wide)


def inline_svg(document: str, anchor: str, title: str) -> Markup:
    """An SVG document as an element for an HTML page.

    Identifiers get `anchor` as a prefix, since two figures on one page must not share them, and
    a number where panels of one figure gave the same name to artists of the same kind;
    the width is left to the page; the title is what a screen reader says.

    Examples
    --------
    >>> from physbatch.report.figures import inline_svg
    >>> element = inline_svg('<svg width="9"><g id="a"/></svg>', "nine", "a figure")
    >>> 'role="img"' in element, 'id="nine-a"' in element, "<title" in element
    (True, True, True)
    """
    body = document[document.index("<svg") :]
    body = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = _with_own_ids(body, anchor)
    body = re.sub(r'\b(?:xlink:)?href="#', f'href="#{anchor}-', body)
    body = body.replace("url(#", f"url(#{anchor}-")
    root, _, rest = body.partition(">")
    view = re.search(r'viewBox="[^"]*"', root)
    head = (
        f'<svg{" " + view.group() if view else ""} role="img" aria-labelledby="{anchor}-title">'
        f'<title id="{anchor}-title">{escape(title)}</title>'
    )
    # Matplotlib wrote the rest; the words in it were drawn as outlines, none is markup.
    return Markup(head + re.sub(r"\s*\n\s*", "\n", rest))


def _with_own_ids(body: str, anchor: str) -> str:
    """No identifier stands twice; only the first of a name is ever referred to."""
    seen: Counter[str] = Counter()

    def renamed(match: re.Match[str]) -> str:
        seen[match[1]] += 1
        again = f".{seen[match[1]]}" if seen[match[1]] > 1 else ""
        return f'id="{anchor}-{match[1]}{again}"'

    return re.sub(r'\bid="([^"]*)"', renamed, body)
