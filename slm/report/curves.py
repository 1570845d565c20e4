"""Learning curves: one panel per environment, one curve per experiment, against frames or against wall time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter

from slm.report.figure import COLUMNS, note_figure, panels
from slm.report.style import DASHES, INK, MUTED, algorithm_colour

NOT_RUN = "no session of this suite has been run"
ENVIRONMENT_INCHES = (6.4, 4.2)


@dataclass(frozen=True)
class LearningCurve:
    """The curve.csv of one experiment, and the scores it is measured by (None where there is none).

    `points` has a column `minutes` as well, the wall time at each checkpoint (mean over sessions), where it is known.
    """

    env: str
    algorithm: str
    experiment: str
    points: pd.DataFrame
    published: float | None
    target: float | None


def plot_curve(ax: Axes, curve: LearningCurve, dash: int = 0, against: str = "frame") -> Axes:
    """Draw one experiment: mean return, its 95% interval as a band, faint single sessions, published score dashed.

    `dash` numbers the experiments of one algorithm in the panel, which share its colour; `against` is the column of
    the horizontal axis, frame or minutes.
    """
    colour = algorithm_colour(curve.algorithm)
    frames = curve.points[against]
    for column in curve.points.columns:
        if column.startswith("return_session"):
            ax.plot(frames, curve.points[column], color=colour, alpha=0.25, linewidth=0.6)
    low, high = curve.points["return_ci_low"], curve.points["return_ci_high"]
    ax.fill_between(frames, low, high, color=colour, alpha=0.18, linewidth=0)
    ax.plot(frames, curve.points["return_mean"], color=colour, linewidth=1.6, linestyle=DASHES[dash % len(DASHES)])
    if curve.published is not None:
        ax.axhline(curve.published, color=colour, linewidth=0.8, linestyle="--")
    return ax


def plot_environment(ax: Axes, curves: Sequence[LearningCurve], against: str = "frame") -> Axes:
    """Draw all experiments on one environment, and its target as a dotted line."""
    drawn: Counter[str] = Counter()
    for curve in curves:
        plot_curve(ax, curve, dash=drawn[curve.algorithm], against=against)
        drawn[curve.algorithm] += 1
    for target in sorted({curve.target for curve in curves if curve.target is not None}):
        ax.axhline(target, color=INK, linewidth=0.8, linestyle=":")
    ax.set_title(curves[0].env)
    if against == "frame":
        ax.xaxis.set_major_formatter(EngFormatter(sep=""))
    ax.set_xlabel("frames" if against == "frame" else "wall time of a session, minutes")
    ax.set_xlim(left=0)
    return ax


def suite_figure(curves: Sequence[LearningCurve], against: str = "frame") -> Figure:
    """A grid with one panel per environment, in the order of `curves`, and one legend; a note if there is no curve."""
    shown = [curve for curve in curves if against in curve.points]
    if not shown:
        return note_figure(NOT_RUN if not curves else "no wall times were recorded")
    environments = list(dict.fromkeys(curve.env for curve in shown))
    figure, axes = panels(len(environments))
    columns = min(COLUMNS, len(axes))
    for i, (ax, env) in enumerate(zip(axes, environments, strict=True)):
        plot_environment(ax, [curve for curve in shown if curve.env == env], against)
        if i % columns == 0:
            ax.set_ylabel("return, mean of 100 episodes")
    figure.legend(handles=_legend(shown), loc="outside lower center", ncols=3 * columns, handlelength=1.6)
    return figure


def environment_figure(curves: Sequence[LearningCurve]) -> Figure:
    """All experiments on one environment in one large panel; a note if there is no curve."""
    if not curves:
        return note_figure("no session on this environment has been run")
    figure = Figure(figsize=ENVIRONMENT_INCHES, layout="constrained")
    plot_environment(figure.subplots(), curves).set_ylabel("return, mean of 100 episodes")
    figure.legend(handles=_legend(curves), loc="outside lower center", ncols=4, handlelength=1.6)
    return figure


def _legend(curves: Sequence[LearningCurve]) -> list[Line2D]:
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
