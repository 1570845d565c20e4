"""Figures of a search, drawn from its ranking (experiment.csv), whose columns `keys` are the varied hyperparameters."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, MaxNLocator

from slm.analysis.files import write_text
from slm.asha import GO
from slm.plan import SEARCH_FIGURES
from slm.report.search import read_search_table, varied_keys
from slm.report.style import GRID, INK, MUTED, figure_settings

COLOURS = "viridis"
ACCENT = "#0072b2"
# A hyperparameter whose values span more than this factor is shown on a logarithmic axis.
LOGARITHMIC_FROM = 20.0
LEAST_FOR_IMPORTANCE = 6


def svg(salt: str, figure: Callable[[], Figure]) -> str:
    """A figure as SVG; the same data gives the same bytes."""
    with matplotlib.rc_context(figure_settings(salt)):
        buffer = io.StringIO()
        FigureCanvasSVG(figure()).print_svg(buffer, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def write_search_figures(folder: Path, out: Path) -> None:
    """Write the figures of a search, ``<name>.svg`` for each of SEARCH_FIGURES, from the tables in its folder.

    Raises UserError for a table that can't be read.
    """
    names = ("experiment", "search", "validation")
    ranking, decisions, validation = (read_search_table(folder / f"{name}.csv") for name in names)
    keys = varied_keys(ranking)
    made: dict[str, Callable[[], Figure]] = {
        "best_so_far": lambda: best_so_far(ranking, validation.iloc[0]),
        "rung_survival": lambda: rung_survival(decisions, ranking),
        "hyperparameters": lambda: hyperparameters(ranking, keys),
        "parallel_coordinates": lambda: parallel_coordinates(ranking, keys),
        "importance": lambda: importance(ranking, keys),
    }
    for name in SEARCH_FIGURES:
        write_text(out / f"{name}.svg", svg(f"{folder.name}-{name}", made[name]))


def best_so_far(ranking: pd.DataFrame, winner: pd.Series) -> Figure:
    """The score of each trial by its number, the best so far as a line, and the winner's validated interval."""
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    ax = figure.subplots()
    trials = ranking.sort_values("trial")
    finished = trials["state"] == "finished"
    ax.plot(trials["trial"][finished], trials["score"][finished], "o", color=ACCENT, label="finished")
    ax.plot(trials["trial"][~finished], trials["score"][~finished], "o", mfc="none", color=MUTED, label="stopped early")
    best = trials["score"].where(finished).cummax().ffill()
    ax.step(trials["trial"], best, where="post", color=ACCENT, linewidth=1.2, label="best finished so far")
    ax.axhline(winner["score"], color=INK, linewidth=1, linestyle="--", label="winner, fresh seeds")
    if not pd.isna(winner["ci_low"]):
        ax.axhspan(winner["ci_low"], winner["ci_high"], color=INK, alpha=0.08, linewidth=0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("trial")
    ax.set_ylabel("score (total_reward_ma)")
    figure.legend(loc="outside lower center", ncols=4)
    return figure


def parallel_coordinates(ranking: pd.DataFrame, keys: Sequence[str]) -> Figure:
    """One line a trial through its settings, coloured by its score; stopped trials are faint."""
    figure = Figure(figsize=(max(5.0, 1.5 * (len(keys) + 1)), 3.8), layout="constrained")
    ax = figure.subplots()
    scored = ranking[ranking["score"].notna()].sort_values("score")
    colours = ScalarMappable(Normalize(scored["score"].min(), scored["score"].max()), COLOURS)
    heights = np.column_stack([_unit_scale(scored[key]) for key in [*keys, "score"]])
    for line, score, state in zip(heights, scored["score"], scored["state"], strict=True):
        faint = state != "finished"
        ax.plot(range(line.size), line, color=colours.to_rgba(score), alpha=0.45 if faint else 1.0,
                linewidth=0.8 if faint else 1.8)  # fmt: skip
    for x, key in enumerate([*keys, "score"]):
        ax.axvline(x, color=GRID, linewidth=0.8, zorder=0)
        for height, text in _ends(scored[key]):
            ax.annotate(text, (x, height), xytext=(3, 0), textcoords="offset points", fontsize=7, color=MUTED)
    ax.set_xticks(range(len(keys) + 1), [*_short(keys), "score"], rotation=15, ha="right")
    ax.set_yticks([])
    ax.grid(False)
    figure.colorbar(colours, ax=ax, label="score")
    return figure


def hyperparameters(ranking: pd.DataFrame, keys: Sequence[str]) -> Figure:
    """A panel for each hyperparameter: its value against the score."""
    columns = min(3, len(keys))
    rows = math.ceil(len(keys) / columns)
    figure = Figure(figsize=(2.9 * columns + 0.4, 2.4 * rows + 0.4), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    finished = ranking["state"] == "finished"
    for ax, key, name in zip(grid.flat, keys, _short(keys), strict=False):
        _value_axis(ax, ranking[key])
        values = _positions(ranking[key])
        ax.plot(values[~finished], ranking["score"][~finished], "o", mfc="none", color=MUTED, markersize=4)
        ax.plot(values[finished], ranking["score"][finished], "o", color=ACCENT, markersize=4)
        ax.set_xlabel(name)
    for ax in grid.flat[len(keys) :]:
        ax.remove()
    for ax in grid[:, 0]:
        ax.set_ylabel("score")
    figure.legend(
        handles=[
            Line2D([], [], marker="o", linestyle="", color=ACCENT, markersize=4, label="finished"),
            Line2D([], [], marker="o", linestyle="", mfc="none", color=MUTED, markersize=4, label="stopped early"),
        ],
        loc="outside lower center",
        ncols=2,
    )
    return figure


def importance(ranking: pd.DataFrame, keys: Sequence[str]) -> Figure:
    """How much each hyperparameter has to do with being among the best, by PED-ANOVA; shares of 1."""
    shares = importances(ranking, keys)
    figure = Figure(figsize=(6.4, 0.8 + 0.35 * max(2, len(keys))), layout="constrained")
    if not shares:
        return _note(figure, f"fewer than {LEAST_FOR_IMPORTANCE} trials with different scores: too few to tell")
    ax = figure.subplots()
    names = sorted(shares, key=lambda key: shares[key])
    bars = ax.barh(_short(names), [shares[key] for key in names], color=ACCENT, height=0.6)
    ax.bar_label(bars, fmt="%.2f", padding=3, fontsize=8, color=MUTED)
    ax.set_xlim(0, 1.1 * max(*shares.values(), 1e-9))
    ax.set_xlabel("importance (share)")
    ax.grid(axis="y", visible=False)
    return figure


def rung_survival(decisions: pd.DataFrame, ranking: pd.DataFrame) -> Figure:
    """How many trials reached each rung and how many went on, and the frames trained of those of a full search."""
    figure = Figure(figsize=(6.4, 3.2), layout="constrained")
    if decisions.empty:
        return _note(figure, "no early stopping: every trial was trained to its end")
    last = decisions.drop_duplicates(["trial", "resource"], keep="last")
    reached = last.groupby("resource")["trial"].count()
    went_on = last[last["decision"] == GO].groupby("resource")["trial"].count().reindex(reached.index, fill_value=0)
    ax = figure.subplots()
    places = np.arange(len(reached))
    ax.bar(places, reached, color=GRID, width=0.6, label="reached the rung")
    bars = ax.bar(places, went_on, color=ACCENT, width=0.6, label="went on")
    ax.bar_label(bars, [f"{go} of {all_}" for go, all_ in zip(went_on, reached, strict=True)], padding=3, fontsize=8)
    frames, full = int(ranking["frames"].sum()), int(ranking["frames"].max()) * len(ranking)
    ax.set_title(f"{EngFormatter(sep='')(frames)} of {EngFormatter(sep='')(full)} frames trained ({frames / full:.0%})")
    ax.set_xticks(places, [EngFormatter(sep="")(resource) for resource in reached.index])
    ax.grid(axis="x", visible=False)
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("rung (frames)")
    ax.set_ylabel("trials")
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def importances(ranking: pd.DataFrame, keys: Sequence[str]) -> dict[str, float]:
    """Each hyperparameter's share by Optuna's PED-ANOVA (Watanabe et al. 2023); empty where trials are too few."""
    scored = ranking[ranking["score"].notna()].sort_values("trial")
    varied = [key for key in keys if scored[key].nunique() > 1]
    if len(scored) < LEAST_FOR_IMPORTANCE or scored["score"].nunique() < 2 or not varied:
        return {}
    import optuna
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

    space: dict[str, BaseDistribution] = {}
    for key in varied:
        if _is_number(scored[key]):
            low, high = float(scored[key].min()), float(scored[key].max())
            space[key] = FloatDistribution(low, high, log=_is_logarithmic(scored[key]))
        else:
            space[key] = CategoricalDistribution(sorted(scored[key].unique()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on few trials
        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study = optuna.create_study(direction="maximize")
        for _, row in scored.iterrows():
            params = {key: float(row[key]) if _is_number(scored[key]) else row[key] for key in varied}
            study.add_trial(optuna.trial.create_trial(params=params, distributions=space, value=float(row["score"])))
        shares = optuna.importance.get_param_importances(study)
        optuna.logging.set_verbosity(verbosity)
    return {**dict.fromkeys(keys, 0.0), **shares}


def _note(figure: Figure, text: str) -> Figure:
    figure.text(0.5, 0.5, text, ha="center", va="center", color=MUTED)
    return figure


def _short(keys: Sequence[str]) -> list[str]:
    """Keys without what they have in common with no other: the last part, or the last two where that is no name."""
    last = [key.rpartition(".")[2] for key in keys]
    return [".".join(key.split(".")[-2:]) if last.count(name) > 1 or name in ("start_val", "end_val", "lr") else name
            for key, name in zip(keys, last, strict=True)]  # fmt: skip


def _is_number(values: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(values)


def _is_logarithmic(values: pd.Series) -> bool:
    return bool(_is_number(values) and values.min() > 0 and values.max() / values.min() > LOGARITHMIC_FROM)


def _positions(values: pd.Series) -> pd.Series:
    """Numbers as they are; anything else as its place among the distinct values."""
    if _is_number(values):
        return values
    order = {value: i for i, value in enumerate(sorted(values.astype(str).unique()))}
    return values.astype(str).map(order)


def _value_axis(ax: Axes, values: pd.Series) -> None:
    if _is_logarithmic(values):
        ax.set_xscale("log")
    elif not _is_number(values):
        names = sorted(values.astype(str).unique())
        ax.set_xticks(range(len(names)), names)
        ax.set_xlim(-0.5, len(names) - 0.5)


def _unit_scale(values: pd.Series) -> np.ndarray:
    """Values on a scale from 0 to 1, logarithmic where they span magnitudes; 0.5 where they are all the same."""
    positions = _positions(values).to_numpy(dtype=np.float64)
    if _is_logarithmic(values):
        positions = np.log(positions)
    low, high = positions.min(), positions.max()
    return np.full(positions.shape, 0.5) if low == high else (positions - low) / (high - low)


def _ends(values: pd.Series) -> list[tuple[float, str]]:
    """The heights that an axis of the parallel coordinates names, and their texts."""
    if not _is_number(values):
        names = sorted(values.astype(str).unique())
        return [(i / (len(names) - 1) if len(names) > 1 else 0.5, name) for i, name in enumerate(names)]
    if values.min() == values.max():
        return [(0.5, f"{values.min():.3g}")]
    return [(0.0, f"{values.min():.3g}"), (1.0, f"{values.max():.3g}")]
