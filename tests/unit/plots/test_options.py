"""The keywords that every figure takes, tried with every kind."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import matplotlib
import numpy as np
import pytest
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from physbatch import plots
from physbatch.errors import AnalysisError
from physbatch.plots import letters
from physbatch.plots.options import page_width
from physbatch.plots.saving import figure_bytes
from tests.unit.plots.gallery import KINDS, fitted, scaled_table

#: Kinds whose one panel is a map.
MAPS = {"evolution-time", "evolution-control", "phase-diagram", "noise-performance"}
MAPS |= {"plane", "units"}
#: Kinds of several panels.
SEVERAL = ["crossings", "collapse", "windows", "corner", "peaks", "exponents", "order", "overview"]
SEVERAL += ["moments", "histograms", "time-series", "inset", "theory", "noise-optimum"]
SEVERAL += ["plane", "units"]


def _state(figure: Figure) -> dict[str, object]:
    """What of a page a figure must leave alone."""
    neighbour = figure.axes[1]
    return {
        "axes": list(figure.axes),
        "legends": list(figure.legends),
        "texts": [text.get_text() for text in figure.texts],
        "places": [axes.get_position().bounds for axes in figure.axes],
        "neighbour": [(type(child), child.get_visible()) for child in neighbour.get_children()],
        "limits": (neighbour.get_xlim(), neighbour.get_ylim()),
        "size": tuple(figure.get_size_inches()),
        "engine": figure.get_layout_engine(),
    }


@pytest.mark.parametrize("name", KINDS)
def test_one_axes_is_drawn_into_and_nothing_else_changes(name: str) -> None:
    figure = Figure()
    ax, _ = figure.subplots(1, 2)
    before = _state(figure)
    drawn = KINDS[name](ax=ax, legend=False, title=False)
    assert _state(figure) == before
    assert drawn.ax is ax
    assert drawn.figure is figure
    assert ax.has_data()
    assert ax.get_legend() is None
    assert not any(ax.get_title(loc=side) for side in ("left", "center", "right"))
    assert len(drawn)
    assert all(isinstance(artist, Artist) for artist in drawn)
    assert all(artist.get_figure(root=True) is figure for artist in drawn)
    figure.draw_without_rendering()


@pytest.mark.parametrize("name", KINDS)
def test_a_page_takes_the_look_and_survives_panels_that_go(name: str) -> None:
    """No titles, no legends, the look of the user everywhere; then one panel is removed."""
    drawn = KINDS[name](
        title=False,
        legend=False,
        palette="rocket" if name in MAPS else "viridis",
        markers="X",
        points={"mew": 2.5, "elinewidth": 3.0},
        curve={"lw": 4.5, "ls": "-."},
    )
    figure = drawn.figure
    assert figure.legends == []
    assert not any(text.get_text() for text in figure.texts)
    for axes in drawn.axes:
        assert axes.get_legend() is None
        assert not any(axes.get_title(loc=side) for side in ("left", "center", "right"))
    for container in drawn.points:
        assert container.lines[0].get_markeredgewidth() == 2.5
        assert all(bars.get_linewidth()[0] == 3.0 for bars in container.lines[2])
    for line in drawn.curves:
        assert line.get_linewidth() == 4.5
        assert line.get_linestyle() == "-."
    if name in SEVERAL:
        first, *_, last = drawn.axes
        first.set_visible(False)
        last.remove()
        figure.draw_without_rendering()


@pytest.mark.parametrize("name", KINDS)
def test_panels_by_their_names_take_their_part_each(name: str) -> None:
    kind = KINDS[name]
    titled = kind(title="$x$ of my own")
    assert titled.ax.get_title() == "$x$ of my own"
    if name not in SEVERAL:
        return
    names = list(titled.panels)
    figure = Figure(figsize=(8, 8))
    given = dict(zip(names, figure.subplots(len(names), 1, squeeze=False)[:, 0], strict=True))
    drawn = kind(ax=given)
    assert drawn.panels == given
    assert all(axes.has_data() for axes in given.values())
    assert figure.axes == list(given.values())
    assert figure.legends == []
    alone = kind(ax={names[-1]: Figure().subplots()})
    assert list(alone.panels) == [names[-1]]


@pytest.mark.parametrize(
    ("name", "width"),
    [
        ("overview", "single"),
        ("order", "single"),
        ("collapse-joint", "double"),
        ("binder", "double"),
    ],
)
def test_pages_have_the_width_that_is_asked_for(name: str, width: str) -> None:
    figure = KINDS[name](width=width, journal="elsevier").figure
    assert figure.get_figwidth() * 25.4 == pytest.approx({"single": 90, "double": 190}[width])
    assert figure.get_figheight() * 25.4 < 320
    figure.draw_without_rendering()


def test_labels_stand_on_every_axis_that_shows_the_variable() -> None:
    labels = {"size": r"$\ell$", "control": "drive $g$", "observable": "$Q_4$"}
    for name, axis in (
        ("overlap", Axes.get_xlabel),
        ("success", Axes.get_xlabel),
        ("crossings", Axes.get_xlabel),
        ("binder", Axes.get_xlabel),
        ("escape-times", Axes.get_xlabel),
    ):
        drawn = KINDS[name](labels=labels)
        assert axis(drawn.ax) == "drive $g$", name
        texts = drawn.figure.legends[0].get_texts()
        assert texts[0].get_text().startswith(r"$\ell = "), name
    for name in ("overlap", "binder", "crossings", "evolution-time"):
        assert KINDS[name](labels=labels).ax.get_ylabel() == "$Q_4$"
    assert KINDS["drift"](labels=labels).ax.get_ylabel() == "critical control $g_c$"
    limit = KINDS["crossings"](labels=labels).panels["limit"]
    assert limit.get_title().startswith(r"$\ell \to \infty$: $g_c = ")
    assert limit.get_xlabel() == r"inverse mean size $1/\sqrt{\ell_1 \ell_2}$"
    assert KINDS["exponents"](labels=labels).axes[-1].get_xlabel() == r"$\ell$"


def test_legend_stands_in_the_axes_that_were_given() -> None:
    ax = Figure().subplots()
    KINDS["overlap"](ax=ax)
    legend = ax.get_legend()
    assert legend is not None
    assert len(legend.get_texts()) == 4
    own = Figure().subplots()
    own.plot([10, 16], [0, 1], label="mine")
    kept = own.legend()
    KINDS["overlap"](ax=own)
    assert own.get_legend() is kept


def test_unknown_keywords_and_values_are_refused() -> None:
    with pytest.raises(TypeError, match="no keyword 'legnd' of figures; there is residuals, title"):
        KINDS["overlap"](legnd=False)
    with pytest.raises(AnalysisError, match="no palette 'viridos'"):
        KINDS["overlap"](palette="viridos")
    with pytest.raises(AnalysisError, match="no width 'triple'"):
        KINDS["overlap"](width="triple")
    with pytest.raises(AnalysisError, match="no journal 'nature'; there is aps, iop"):
        page_width({"journal": "nature"}, 86.0, 178.0)
    with pytest.raises(AnalysisError, match="no panel 'curve'; this figure has curves, limit"):
        KINDS["crossings"](ax={"curve": Figure().subplots()})


def test_palettes_are_names_colormaps_or_colours() -> None:
    for palette, first in (
        ("deep", "#4c72b0"),
        (["red", "green", "blue", "black"], "red"),
        (matplotlib.colormaps["magma"], matplotlib.colormaps["magma"](0.0)),
    ):
        drawn = KINDS["overlap"](palette=palette)
        assert to_rgb(drawn.points[0].lines[0].get_color()) == pytest.approx(
            to_rgb(first), abs=2e-3
        )


# --- the inset ----------------------------------------------------------------------------


def test_collapse_as_an_inset_of_raw_curves() -> None:
    table, result = scaled_table(), fitted("U")
    drawn = plots.plot_curves(table, result)
    curves, inset = drawn.axes
    assert inset in curves.child_axes
    assert drawn.figure.axes == [curves]
    name = result.observables[0]
    raw = np.concatenate([np.asarray(bar.lines[0].get_ydata()) for bar in drawn.points[:4]])
    np.testing.assert_array_equal(np.sort(raw), np.sort(table.values[name]))
    drawn.figure.draw_without_rendering()
    box = inset.get_window_extent()
    points = curves.transData.transform(np.column_stack([table.control, table.values[name]]))
    assert sum(box.contains(*point) for point in points) < 0.1 * len(points)
    corner = plots.plot_curves(table, result, inset="upper left").axes[1]
    assert corner.get_position().x0 < 0.5 < corner.get_position().y1
    with pytest.raises(AnalysisError, match="no corner 'middle'"):
        plots.plot_curves(table, result, inset="middle")


# --- letters ------------------------------------------------------------------------------


def _title(kind: Callable[..., plots.Drawn], text: str) -> list[str]:
    drawn = kind(title=text)
    return [str(family) for family in drawn.ax.title.get_fontfamily()]


def test_letters_fall_back_to_a_font_that_has_them() -> None:
    """Armenian is in DejaVu, which matplotlib ships, and not in STIX."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        families = _title(KINDS["overlap"], "Մագնիսականություն")
        figure_bytes(KINDS["overlap"](title="Մագնիսականություն"), "png")
    assert families[0] == "STIXGeneral"
    assert any("DejaVu" in family for family in families[1:])


def test_letters_that_no_font_has_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(letters, "_family_with", lambda _: None)
    with pytest.warns(UserWarning, match="no font of this machine has the letters '化磁'"):
        drawn = KINDS["overlap"](title="磁化")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure_bytes(drawn, "png")
