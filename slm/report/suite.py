"""Everything that is rendered of one suite: its table in three formats and its learning curves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from slm.analysis.files import write_csv, write_text
from slm.errors import UserError
from slm.report.curves import LearningCurve, suite_svg
from slm.report.index import suite_title
from slm.report.page import LEGEND, page, table_fragment
from slm.report.table import benchmark_table, markdown_table


def write_table(rows_file: Path, out_dir: Path) -> None:
    """Write table.csv, table.md, table.html and curves.svg of a suite into `out_dir`.

    `rows_file` is JSON: {"suite": name, "rows": [row, …]}, a row as in `benchmark_table` with a further `curve_csv`
    (path or null). Raises UserError for a file that can't be read.
    """
    suite, rows = _read_rows(rows_file)
    table = benchmark_table(rows)
    title = escape(suite_title(suite))
    write_csv(out_dir / "table.csv", table)
    write_text(out_dir / "table.md", markdown_table(table))
    write_text(out_dir / "table.html", page(title, f"<h1>{title}</h1>\n{table_fragment(suite, table)}\n{LEGEND}"))
    write_figures(suite, rows, out_dir)


def write_figures(suite: str, rows: Sequence[dict[str, Any]], out_dir: Path) -> None:
    """Write the figures of a suite, from rows as in `write_table`; raises UserError for a curve that can't be read."""
    write_text(out_dir / "curves.svg", suite_svg(suite, [_curve(row) for row in rows if row["curve_csv"] is not None]))


def _read_rows(rows_file: Path) -> tuple[str, list[dict[str, Any]]]:
    try:
        sheet = json.loads(rows_file.read_text(encoding="utf-8"))
        return sheet["suite"], sheet["rows"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f'{rows_file} is not a sheet {{"suite": name, "rows": [...]}}: {error}') from error


def _curve(row: dict[str, Any]) -> LearningCurve:
    try:
        points = pd.read_csv(row["curve_csv"])
    except (OSError, ValueError) as error:
        raise UserError(f"curve {row['curve_csv']} is missing or unreadable: {error}") from error
    return LearningCurve(
        env=row["env"],
        algorithm=row["algorithm"],
        experiment=row["experiment"],
        points=points,
        published=row["published"],
        target=row["target"],
    )
