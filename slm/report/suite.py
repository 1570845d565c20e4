"""Everything that is rendered of one suite: its table, statistics and figures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from slm.analysis.files import write_csv, write_text
from slm.errors import UserError
from slm.report.comparison import (
    aggregate_figure,
    efficiency_figure,
    improvement_figure,
    profile_figure,
    score_figure,
)
from slm.report.curves import LearningCurve, environment_figure, suite_figure
from slm.report.figure import write_figure
from slm.report.page import LEGEND, page, table_fragment
from slm.report.scores import SuiteScores, improvement_table, read_scores, statistics_table
from slm.report.table import benchmark_table, latex_table, markdown_table
from slm.report.titles import FIGURES, suite_title


def write_table(rows_file: Path, out_dir: Path) -> None:
    """Write the table of a suite in four formats, its statistics and its figures into `out_dir`.

    `rows_file` is JSON: {"suite": name, "rows": [row, …]}, a row as in `benchmark_table` with further `curve_csv` and
    `timing_csv` (path or null). Raises UserError for a file that can't be read.
    """
    suite, rows = _read_rows(rows_file)
    table = benchmark_table(rows)
    title = escape(suite_title(suite))
    write_csv(out_dir / "table.csv", table)
    write_text(out_dir / "table.md", markdown_table(table))
    write_text(out_dir / "table.html", page(title, f"<h1>{title}</h1>\n{table_fragment(suite, table)}\n{LEGEND}"))
    write_text(out_dir / "table.tex", latex_table(table, title))
    comparison = compare(rows)
    write_csv(out_dir / "statistics.csv", comparison.statistics)
    write_csv(out_dir / "improvement.csv", comparison.improvement)
    write_figures(suite, rows, out_dir, comparison)


@dataclass(frozen=True)
class Comparison:
    """The algorithms of a suite compared."""

    scores: SuiteScores
    statistics: pd.DataFrame
    improvement: pd.DataFrame


def compare(rows: Sequence[dict[str, Any]]) -> Comparison:
    """Compare the algorithms of a suite, from rows as in `write_table`; raises UserError as that does."""
    scores = read_scores(rows)
    return Comparison(scores, statistics_table(scores), improvement_table(scores))


def write_figures(
    suite: str,
    rows: Sequence[dict[str, Any]],
    out_dir: Path,
    found: Comparison,
    names: Iterable[str] = FIGURES,
    png: bool = True,
) -> None:
    """Write figures of a suite as SVG, and as PNG, from rows as in `write_table`; raises UserError as that does."""
    curves = [read_curve(row) for row in rows if row["curve_csv"] is not None]
    drawings: dict[str, Callable[[], Figure]] = {
        "curves": lambda: suite_figure(curves),
        "wall_clock": lambda: suite_figure(curves, against="minutes"),
        "scores": lambda: score_figure(found.scores, _lines(rows)),
        "efficiency": lambda: efficiency_figure(curves, found.scores),
        "aggregates": lambda: aggregate_figure(found.statistics),
        "profiles": lambda: profile_figure(found.scores),
        "improvement": lambda: improvement_figure(found.improvement),
    }
    for name in names:
        write_figure(out_dir, name, suite, drawings[name], png)


def write_environment(rows_file: Path, out: Path) -> None:
    """Write the learning curves on one environment to `out`, a path without suffix, as SVG and PNG.

    `rows_file` is as in `write_table`, with the rows of that environment alone.
    """
    suite, rows = _read_rows(rows_file)
    curves = [read_curve(row) for row in rows if row["curve_csv"] is not None]
    write_figure(out.parent, out.name, suite, lambda: environment_figure(curves))


def _lines(rows: Sequence[dict[str, Any]]) -> dict[str, tuple[float | None, float | None]]:
    """Environment -> best published score and target."""
    lines = {}
    for env in dict.fromkeys(row["env"] for row in rows):
        own = [row for row in rows if row["env"] == env]
        targets = [row["target"] for row in own if row["target"] is not None]
        lines[env] = (own[0]["best_published"], max(targets, default=None))
    return lines


def _read_rows(rows_file: Path) -> tuple[str, list[dict[str, Any]]]:
    try:
        sheet = json.loads(rows_file.read_text(encoding="utf-8"))
        return sheet["suite"], sheet["rows"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f'{rows_file} is not a sheet {{"suite": name, "rows": [...]}}: {error}') from error


def read_curve(row: dict[str, Any]) -> LearningCurve:
    """The learning curve of a row, with its wall times where `timing_csv` names them."""
    try:
        points = pd.read_csv(row["curve_csv"])
        if row.get("timing_csv") is not None:
            seconds = pd.read_csv(row["timing_csv"]).set_index("frame")["wall_t_mean"]
            points["minutes"] = points["frame"].map(seconds) / 60
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"curve {row['curve_csv']} is missing or unreadable: {error}") from error
    return LearningCurve(
        env=row["env"],
        algorithm=row["algorithm"],
        experiment=row["experiment"],
        points=points,
        published=row["published"],
        target=row["target"],
    )
