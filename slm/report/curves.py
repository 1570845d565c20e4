"""Learning curves of a suite: one panel per environment, one curve per experiment."""

from __future__ import annotations

import io
import math
from collections import Counter
from dataclasses import dataclass

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter

from slm.report.style import DASHES, INK, MUTED, algorithm_colour, figure_settings

COLUMNS = 3
PANEL_INCHES = (3.6, 2.7)


@dataclass(frozen=True)
class LearningCurve:
    """The curve.csv of one experiment, and the scores it is measured by (None where there is none)."""

    env: str
    algorithm: str
    experiment: str
    points: pd.DataFrame
    published: float | None
    target: float | None


def plot_curve(ax: Axes, curve: LearningCurve, dash: int = 0) -> Axes:
    """Draw one experiment: mean return, its 95% interval as a band, faint single sessions, published score dashed.

    `dash` numbers the experiments of one algorithm in the panel, which share its colour.
    """
    colour = algorithm_colour(curve.algorithm)
    frames = curve.points["frame"]
    for column in curve.points.columns:
        if column.startswith("return_session"):
            ax.plot(frames, curve.points[column], color=colour, alpha=0.25, linewidth=0.6)
    low, high = curve.points["return_ci_low"], curve.points["return_ci_high"]
    ax.fill_between(frames, low, high, color=colour, alpha=0.18, linewidth=0)
    ax.plot(frames, curve.points["return_mean"], color=colour, linewidth=1.6, linestyle=DASHES[dash % len(DASHES)])
    if curve.published is not None:
        ax.axhline(curve.published, color=colour, linewidth=0.8, linestyle="--")
    return ax


def plot_environment(ax: Axes, curves: list[LearningCurve]) -> Axes:
    """Draw all experiments on one environment, and its target as a dotted line."""
    drawn: Counter[str] = Counter()
    for curve in curves:
        plot_curve(ax, curve, dash=drawn[curve.algorithm])
        drawn[curve.algorithm] += 1
    for target in sorted({curve.target for curve in curves if curve.target is not None}):
        ax.axhline(target, color=INK, linewidth=0.8, linestyle=":")
    ax.set_title(curves[0].env)
    ax.xaxis.set_major_formatter(EngFormatter(sep=""))
    ax.set_xlabel("frames")
    ax.set_xlim(left=0)
    return ax


def suite_figure(curves: list[LearningCurve]) -> Figure:
    """A grid with one panel per environment, in the order of `curves`, and one legend; a note if there is no curve."""
    environments = list(dict.fromkeys(curve.env for curve in curves))
    columns = max(1, min(COLUMNS, len(environments)))
    rows = max(1, math.ceil(len(environments) / columns))
    size = (PANEL_INCHES[0] * columns, PANEL_INCHES[1] * rows + 0.4)
    figure = Figure(figsize=size, layout="constrained")
    if not curves:
        figure.text(0.5, 0.5, "no session of this suite has been run", ha="center", va="center", color=MUTED)
        return figure
    grid = figure.subplots(rows, columns, squeeze=False)
    for ax, env in zip(grid.flat, environments, strict=False):
        plot_environment(ax, [curve for curve in curves if curve.env == env])
    for ax in grid.flat[len(environments) :]:
        ax.remove()
    for ax in grid[:, 0]:
        ax.set_ylabel("return, mean of 100 episodes")
    figure.legend(handles=_legend(curves), loc="outside lower center", ncols=3 * columns, handlelength=1.6)
    return figure


def suite_svg(suite: str, curves: list[LearningCurve]) -> str:
    """The figure as SVG; the same curves give the same bytes."""
    with matplotlib.rc_context(figure_settings(suite)):
        buffer = io.StringIO()
        FigureCanvasSVG(suite_figure(curves)).print_svg(buffer, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def _legend(curves: list[LearningCurve]) -> list[Line2D]:
    """One entry per algorithm, or per experiment where an environment has several of one algorithm."""
    entries: dict[str, Line2D] = {}
    drawn: Counter[tuple[str, str]] = Counter()
    repeated = {key for key, count in Counter((curve.env, curve.algorithm) for curve in curves).items() if count > 1}
    for curve in curves:
        key = (curve.env, curve.algorithm)
        label = f"{curve.algorithm} ({curve.experiment})" if key in repeated else curve.algorithm
        dash = DASHES[drawn[key] % len(DASHES)]
        drawn[key] += 1
        entries.setdefault(label, Line2D([], [], color=algorithm_colour(curve.algorithm), linestyle=dash, label=label))
    if any(curve.published is not None for curve in curves):
        entries["published"] = Line2D([], [], color=MUTED, linewidth=0.8, linestyle="--", label="published score")
    if any(curve.target is not None for curve in curves):
        entries["target"] = Line2D([], [], color=INK, linewidth=0.8, linestyle=":", label="target")
    return list(entries.values())
