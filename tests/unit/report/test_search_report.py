"""Figures of a search and its part of the report."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from search_tables import GAMMA, KEYS, LR, decisions, ranking, validation, write_search

from slm.errors import UserError
from slm.report import search_figures
from slm.report.search import search_section, searches_section, varied_keys
from slm.report.search_figures import write_search_figures

NAMES = ["best_so_far", "hyperparameters", "importance", "parallel_coordinates", "rung_survival"]


def test_every_figure_is_written_the_same_each_time(tmp_path: Path) -> None:
    folder = write_search(tmp_path / "mine")
    write_search_figures(folder, folder / "figures")
    first = {path.stem: path.read_bytes() for path in (folder / "figures").glob("*.svg")}
    assert sorted(first) == NAMES
    write_search_figures(folder, folder / "figures")
    assert {path.stem: path.read_bytes() for path in (folder / "figures").glob("*.svg")} == first


def test_varied_keys_are_the_columns_before_the_state() -> None:
    assert varied_keys(ranking()) == KEYS


def test_best_so_far_counts_finished_trials_alone() -> None:
    (ax,) = search_figures.best_so_far(ranking(), validation().iloc[0]).axes
    step = next(line for line in ax.lines if line.get_label() == "best finished so far")
    best = np.asarray(step.get_ydata(), dtype=float)
    by_trial = ranking().set_index("trial")["score"]
    assert np.isnan(best[:3]).all()
    assert best[3] == by_trial[4]
    assert best[-1] == by_trial[6]


def test_rung_survival_counts_trials_and_frames() -> None:
    (ax,) = search_figures.rung_survival(decisions(), ranking()).axes
    assert [bar.get_height() for bar in ax.patches] == [12, 4, 4, 3]
    assert {text.get_text() for text in ax.texts} == {"4 of 12", "3 of 4"}
    assert ax.get_title().endswith("(33%)")


def test_without_decisions_there_is_a_note() -> None:
    figure = search_figures.rung_survival(decisions().head(0), ranking(pruned=False))
    assert [text.get_text() for text in figure.texts] == ["no early stopping: every trial was trained to its end"]


def test_hyperparameters_have_a_panel_each_and_log_axes_where_they_span_magnitudes() -> None:
    axes = search_figures.hyperparameters(ranking(), KEYS).axes
    assert [ax.get_xlabel() for ax in axes] == ["gamma", "hid_layers", "optim_spec.lr"]
    assert [ax.get_xscale() for ax in axes] == ["linear", "linear", "log"]
    assert [tick.get_text() for tick in axes[1].get_xticklabels()] == ["[64, 64]", "[64]"]


def test_parallel_coordinates_have_a_line_a_trial() -> None:
    ax = search_figures.parallel_coordinates(ranking(), KEYS).axes[0]
    lines = [line for line in ax.lines if len(line.get_xdata()) == len(KEYS) + 1]
    assert len(lines) == 12
    best = max(lines, key=lambda line: line.get_ydata()[-1])
    assert best.get_ydata()[0] == pytest.approx(5 / 11)  # trial 6 of 1 to 12


def test_importance_finds_what_matters() -> None:
    table = ranking()
    table["noise"] = [0.3, 0.9, 0.1, 0.5, 0.7, 0.2, 0.8, 0.4, 0.6, 0.05, 0.95, 0.55]
    shares = search_figures.importances(table, [GAMMA, "noise"])
    assert sum(shares.values()) == pytest.approx(1)
    assert shares[GAMMA] > shares["noise"]


def test_too_few_trials_have_no_importance() -> None:
    assert search_figures.importances(ranking().head(5), KEYS) == {}
    figure = search_figures.importance(ranking().head(5), KEYS)
    assert "too few to tell" in figure.texts[0].get_text()


def test_the_report_tells_what_was_validated(tmp_path: Path) -> None:
    folder = write_search(tmp_path / "mine")
    write_search_figures(folder, folder / "figures")
    section = searches_section([folder])
    assert "12 trials, 9 of them stopped early" in section
    assert re.search(r"trial 6: 380\.00 \(370\.00 to 390\.00\) with 4 fresh seeds", section)
    assert f"<code>{LR}</code>" in section
    assert section.count("<svg") == len(NAMES)
    ids = re.findall(r'\bid="([^"]+)"', section)
    assert len(set(ids)) == len(ids)


def test_missing_tables_and_figures_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"experiment\.csv is missing"):
        search_section(tmp_path)
    with pytest.raises(UserError, match="holds no figures of a search"):
        search_section(write_search(tmp_path / "mine"))
