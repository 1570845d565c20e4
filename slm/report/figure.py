"""Figures to files: SVG and PNG, whose bytes are a function of what is drawn."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from slm.analysis.files import write_text
from slm.atomic import write_atomically
from slm.report.style import MUTED, figure_settings

COLUMNS = 3
PANEL_INCHES = (3.6, 2.7)
PNG_DPI = 160


def figure_files(salt: str, draw: Callable[[], Figure]) -> tuple[str, bytes]:
    """The figure that `draw` makes in the house style, as SVG and as PNG.

    `salt` keeps the ids of an SVG apart where several share a page.
    """
    with matplotlib.rc_context(figure_settings(salt)):
        figure, text, picture = draw(), io.StringIO(), io.BytesIO()
        FigureCanvasSVG(figure).print_svg(text, metadata={"Date": None, "Creator": None})
        figure.set_dpi(PNG_DPI)
        FigureCanvasAgg(figure).print_png(picture, metadata={"Software": None})
    return text.getvalue(), picture.getvalue()


def write_figure(folder: Path, name: str, salt: str, draw: Callable[[], Figure], png: bool = True) -> None:
    """Write `name`.svg, and `name`.png, into `folder`."""
    svg, picture = figure_files(f"{salt}-{name}", draw)
    write_text(folder / f"{name}.svg", svg)
    if png:
        write_atomically(folder / f"{name}.png", picture)


def panels(count: int) -> tuple[Figure, list[Axes]]:
    """A figure with `count` panels in a grid."""
    columns = max(1, min(COLUMNS, count))
    rows = max(1, math.ceil(count / columns))
    figure = Figure(figsize=(PANEL_INCHES[0] * columns, PANEL_INCHES[1] * rows + 0.4), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for ax in grid.flat[count:]:
        ax.remove()
    return figure, list(grid.flat[:count])


def note_figure(text: str) -> Figure:
    """A figure that says why there is nothing to draw."""
    figure = Figure(figsize=(PANEL_INCHES[0], PANEL_INCHES[1] / 2), layout="constrained")
    figure.text(0.5, 0.5, text, ha="center", va="center", color=MUTED, wrap=True)
    return figure
