"""Figures that compare the algorithms of a suite: score distributions, aggregates, profiles, sample efficiency."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from slm.analysis.suite import performance_profile
from slm.report.curves import NOT_RUN, LearningCurve
from slm.report.figure import note_figure, panels
from slm.report.scores import SuiteScores, efficiency_curve
from slm.report.style import INK, MUTED, algorithm_colour

NO_SCALE = "no environment of this suite has\na published score and a random baseline"
SCALE = "normalised score (0 random play, 1 best published)"
INCHES = (6.4, 3.8)
PROFILE_POINTS = 151
ON_DARK = "#fefefe"
AGGREGATED = ("algorithm", "iqm", "iqm_low", "iqm_high")


def score_figure(scores: SuiteScores, lines: dict[str, tuple[float | None, float | None]]) -> Figure:
    """The score of every session, a panel an environment; `lines`: environment -> best published score, target."""
    environments = list(dict.fromkeys(env for by_env in scores.raw.values() for env in by_env))
    if not environments:
        return note_figure(NOT_RUN)
    figure, axes = panels(len(environments))
    for ax, env in zip(axes, environments, strict=True):
        present = {name: by_env[env] for name, by_env in scores.raw.items() if env in by_env}
        long = pd.DataFrame([(name, score) for name, values in present.items() for score in values])
        long.columns = pd.Index(["algorithm", "score"])
        palette = {name: colour_of(name) for name in present}
        sns.boxplot(
            long, x="score", y="algorithm", hue="algorithm", palette=palette, ax=ax, width=0.5, fliersize=0,
            linewidth=0.8, boxprops={"alpha": 0.25}, legend=False,
        )  # fmt: skip
        # Without jitter: positions would be random, and sessions are few.
        sns.stripplot(
            long, x="score", y="algorithm", hue="algorithm", palette=palette, ax=ax, size=4, jitter=False, legend=False
        )
        published, target = lines.get(env, (None, None))
        for value, style in ((published, "--"), (target, ":")):
            if value is not None:
                ax.axvline(value, color=MUTED if style == "--" else INK, linewidth=0.8, linestyle=style)
        ax.set(title=env, xlabel="score of a session", ylabel="")
    return figure


def aggregate_figure(statistics: pd.DataFrame) -> Figure:
    """Interquartile mean of the normalised scores with its interval, one line an algorithm."""
    shown = statistics.dropna(subset="iqm").iloc[::-1]
    if shown.empty:
        return note_figure(NO_SCALE)
    figure = Figure(figsize=(INCHES[0], 0.9 + 0.38 * len(shown)), layout="constrained")
    ax = figure.subplots()
    for i, (name, iqm, low, high) in enumerate(zip(*(shown[key] for key in AGGREGATED), strict=True)):
        colour = colour_of(name)
        ax.plot([low, high], [i, i], color=colour, linewidth=7, alpha=0.3, solid_capstyle="butt")
        ax.plot([iqm], [i], marker="|", markersize=12, markeredgewidth=2, color=colour)
    ax.axvline(1, color=MUTED, linewidth=0.8, linestyle="--")
    counted = zip(shown["algorithm"], shown["environments"], strict=True)
    ax.set_yticks(range(len(shown)), [f"{name} ({environments} env.)" for name, environments in counted])
    ax.set(xlabel=f"interquartile mean, {SCALE}", ylim=(-0.6, len(shown) - 0.4))
    return figure


def profile_figure(scores: SuiteScores) -> Figure:
    """Performance profiles: the share of sessions above each normalised score, with its interval."""
    if not scores.normalised:
        return note_figure(NO_SCALE)
    figure = Figure(figsize=INCHES, layout="constrained")
    ax = figure.subplots()
    everything = np.concatenate([values for by_env in scores.normalised.values() for values in by_env.values()])
    thresholds = np.linspace(min(0.0, float(np.quantile(everything, 0.05))), max(1.1, everything.max()), PROFILE_POINTS)
    for name, by_env in scores.normalised.items():
        profile, colour = performance_profile(by_env, thresholds), colour_of(name)
        ax.fill_between(thresholds, profile.low, profile.high, color=colour, alpha=0.15, linewidth=0)
        ax.step(thresholds, profile.value, color=colour, linewidth=1.6, label=name)
    ax.axvline(1, color=MUTED, linewidth=0.8, linestyle="--")
    ax.set(xlabel=SCALE, ylabel="share of sessions above", ylim=(-0.02, 1.02))
    figure.legend(loc="outside lower center", ncols=4, handlelength=1.6)
    return figure


def improvement_figure(table: pd.DataFrame) -> Figure:
    """How probably a session of the row's algorithm beats one of the column's, from `improvement_table`."""
    if table.empty:
        return note_figure("fewer than two algorithms on one environment")
    names = list(dict.fromkeys(table["x"]))
    square = table.pivot(index="x", columns="y", values="probability").reindex(index=names, columns=names)
    figure = Figure(figsize=(1.8 + 0.75 * len(names), 1.2 + 0.5 * len(names)), layout="constrained")
    ax = figure.subplots()
    sns.heatmap(
        square, ax=ax, cmap="PuOr", vmin=0, vmax=1, annot=True, fmt=".2f", linewidths=0.5,
        cbar_kws={"label": "P(row beats column)"},
    )  # fmt: skip
    for text in ax.texts:
        if text.get_color() == "w":  # the page's paper, which a page turns dark; the cells stay as they are
            text.set_color(ON_DARK)
    ax.grid(False)
    ax.set(xlabel="", ylabel="")
    ax.tick_params(axis="y", rotation=0)
    return figure


def efficiency_figure(curves: Sequence[LearningCurve], scores: SuiteScores) -> Figure:
    """Sample efficiency: the interquartile mean of the normalised returns against frames, one curve an algorithm."""
    drawn = {}
    for name in dict.fromkeys(curve.algorithm for curve in curves):
        own = {curve.env: curve.points for curve in reversed(curves) if curve.algorithm == name}
        found = efficiency_curve(own, scores.scales)
        if found is not None:
            drawn[f"{name} ({len(own.keys() & scores.scales.keys())})"] = (name, *found)
    if not drawn:
        return note_figure(NO_SCALE)
    figure = Figure(figsize=INCHES, layout="constrained")
    ax = figure.subplots()
    for label, (name, frames, iqm) in drawn.items():
        ax.fill_between(frames, iqm.low, iqm.high, color=colour_of(name), alpha=0.15, linewidth=0)
        ax.plot(frames, iqm.value, color=colour_of(name), linewidth=1.6, label=label)
    ax.axhline(1, color=MUTED, linewidth=0.8, linestyle="--")
    ax.xaxis.set_major_formatter(EngFormatter(sep=""))
    ax.set(xlabel="frames", ylabel="interquartile mean,\nnormalised return", xlim=(0, None))
    figure.legend(loc="outside lower center", ncols=4, handlelength=1.6)
    return figure


def colour_of(name: str) -> str:
    """The colour of an algorithm, whichever of its experiments is meant."""
    return algorithm_colour(name.split(" (")[0])
