"""docs/BENCHMARKS.md: every row of the sheet beside what docs/benchmarks keeps of it. Results are read nowhere else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from slm.analysis.files import write_text
from slm.plan import SUITES, Row, best_published
from slm.report.published import EVIDENCE, PublishedRow, read_evidence, read_note, read_row, spec_changes
from slm.report.suite import compare, write_figures
from slm.report.table import benchmark_table, best_rows, display_table, markdown
from slm.report.titles import suite_title

NOT_RUN = "not run here"
FIGURES = ("curves", "scores", "aggregates", "efficiency")
"""Figures of a suite that the page shows."""
INTRODUCTION = """# Benchmarks

Rendered by `make publish` from [benchmarks/](benchmarks); don't edit it. Each row is one spec of
[specs/benchmark](../specs/benchmark), trained in full with several random seeds (sessions) by `snakemake`, beside the
score that SLM Lab published for it. `make reproduce ROW=<experiment>` trains a row again and compares the results.

The score is the mean over sessions of `total_reward_ma` (mean over the last 100 log checkpoints of the mean return of
the last 100 episodes); CI: its 95% bootstrap interval over sessions; IQM: interquartile mean; bold: best on the
environment. Wall time is that of one session, on one core. Verdict: **reproduced**: the interval contains the published
score; **above**, **below**: the whole interval lies above, or below, it; **undecided**: the interval is too wide to
tell. Status: ✅ target reached, ⚠️ over 80% of the way from random play to the target, ❌ not.

Every row is trained with the four sessions that its spec asks for. Where these leave it below or undecided, sixteen
take their place (`--config sessions=16`), whatever comes out; a row that still waits for them says so in its note.

A verdict takes the published score as exact, but that is the mean of four sessions itself. So a perfect reproduction is
called reproduced or above in 84% of the rows with four sessions here, and in 78% with sixteen, whose intervals are
narrower; and an interval from four sessions contains the true mean in 79%, not 95%
([verdicts.py](../benchmarks/verdicts.py)).
"""
EVIDENCE_INTRODUCTION = """## Single runs

One session each, most of them shorter than the benchmark asks for: evidence that learning works, and no row of a table.
The budget is the number of frames given.
"""


def folder_of(docs: Path, row: Row) -> Path:
    """Where a row of the sheet is published: under the environment type that it belongs to."""
    return docs / "benchmarks" / row.environment_type / row.experiment


def write_benchmarks(docs: Path, rows: Sequence[Row]) -> Path:
    """Write BENCHMARKS.md and the figures of each suite into `docs`; returns the page's path."""
    best = best_published((row.env or "", row.published) for row in rows)
    for suite in _suites(rows):
        published = [row for row in rows if row.environment_type == suite and read_row(folder_of(docs, row))]
        if published:
            table_rows = [{**_table_row(docs, row), "best_published": best.get(row.env or "")} for row in published]
            folder = docs / "benchmarks" / suite
            write_figures(suite, table_rows, folder, compare(table_rows), FIGURES, png=False)
    page = docs / "BENCHMARKS.md"
    write_text(page, benchmarks_page(docs, rows))
    return page


def benchmarks_page(docs: Path, rows: Sequence[Row]) -> str:
    """The page as Markdown. Raises UserError for a published file that can't be read."""
    sections = [
        _suite_section(docs, suite, [row for row in rows if row.environment_type == suite]) for suite in _suites(rows)
    ]
    return "\n".join([INTRODUCTION, _overview(docs, rows), *sections, *_evidence_section(docs)])


def _suites(rows: Sequence[Row]) -> list[str]:
    present = {row.environment_type for row in rows}
    return [suite for suite in SUITES if suite in present]


def _overview(docs: Path, rows: Sequence[Row]) -> str:
    """Per environment type, how many rows have which verdict."""
    verdicts = ("reproduced", "above", "below", "undecided", "not run")
    lines = []
    for suite in _suites(rows):
        own = [row for row in rows if row.environment_type == suite]
        counts = Counter(benchmark_table([_table_row(docs, row) for row in own])["verdict"])
        lines.append(
            {"environment type": suite_title(suite), "rows": str(len(own))}
            | {NOT_RUN if name == "not run" else name: str(counts[name]) for name in verdicts}
        )
    return markdown(pd.DataFrame(lines), left=("environment type",))


def _suite_section(docs: Path, suite: str, rows: Sequence[Row]) -> str:
    run = [row for row in rows if read_row(folder_of(docs, row))]
    rest = [row for row in rows if row not in run]
    parts = [f"## {suite_title(suite)}\n"]
    if run:
        table = benchmark_table([_table_row(docs, row) for row in run])
        published = [found for row in run if (found := read_row(folder_of(docs, row)))]
        parts += [_results(table, run, published), *_figures(suite), _runs(run, published)]
    if rest:
        parts.append(_not_run(rest, folded=bool(run) or len(rest) > 30))
    return "\n".join(parts)


def _results(table: pd.DataFrame, rows: Sequence[Row], published: Sequence[PublishedRow]) -> str:
    """The table of rows that were run, with the commit of each, and the notes below it."""
    shown = display_table(table).drop(columns=["note", "random"])
    shown["score"] = [f"**{s}**" if i in best_rows(table) else s for i, s in enumerate(shown["score"])]
    shown["commit"] = [_join(_commit(session) for session in row.sessions) for row in published]
    text = markdown(shown, left=("environment", "algorithm", "status", "verdict", "experiment", "commit"))
    notes = [
        f"- `{row.experiment}`: {note}"
        for row, automatic, found in zip(rows, table["note"], published, strict=True)
        if (note := "; ".join(filter(None, (automatic, _outdated(row, found), found.note))))
    ]
    return text + ("\nNotes:\n\n" + "\n".join(notes) + "\n" if notes else "")


def _outdated(row: Row, found: PublishedRow) -> str:
    return "the spec has changed since this run" if spec_changes(row, found.sessions) else ""


def _figures(suite: str) -> list[str]:
    return [f"![{suite_title(suite)}: {name}](benchmarks/{suite}/{name}.svg)\n" for name in FIGURES]


def _runs(rows: Sequence[Row], published: Sequence[PublishedRow]) -> str:
    """What each row was made with."""
    lines = []
    for row, found in zip(rows, published, strict=True):
        versions = [session["versions"] for session in found.sessions]
        lines.append(
            {
                "experiment": f"[{row.experiment}](benchmarks/{row.environment_type}/{row.experiment})",
                "spec": f"[{row.spec_name}](../{row.spec_file})",
                "commit": _join(_commit(session) for session in found.sessions),
                "code": _join(session.get("code_fingerprint") for session in found.sessions),
                "backend": _join(session["backend"] for session in found.sessions),
                "machine": _join(session.get("processor") for session in found.sessions),
                **{name: _join(version.get(name) for version in versions) for name in _VERSIONS},
            }
        )
    table = markdown(pd.DataFrame(lines), left=tuple(lines[0]))
    return f"<details><summary>Commit, machine and versions of each row</summary>\n\n{table}\n</details>\n"


_VERSIONS = ("python", "torch", "numpy", "gymnasium", "mujoco", "ale_py")


def _not_run(rows: Sequence[Row], folded: bool) -> str:
    lines = [
        {
            "environment": row.env or "",
            "algorithm": row.algorithm or "",
            "target": _plain(row.target),
            "published": _plain(row.published),
            "verdict": NOT_RUN,
            "experiment": row.experiment,
        }
        for row in rows
    ]
    table = markdown(pd.DataFrame(lines), left=("environment", "algorithm", "verdict", "experiment"))
    count = "1 row" if len(rows) == 1 else f"{len(rows)} rows"
    return f"<details><summary>{count} {NOT_RUN}</summary>\n\n{table}\n</details>\n" if folded else table


def _evidence_section(docs: Path) -> list[str]:
    evidence = read_evidence(docs)
    if not evidence:
        return []
    lines = []
    for folder, record, train in evidence:
        first = train["total_reward"].dropna()
        lines.append(
            {
                "run": f"[{folder.name}](benchmarks/{EVIDENCE}/{folder.name})",
                "spec": record["spec_name"],
                "frames": f"{record['frames']:,}",
                "first score": _plain(first.iloc[0] if len(first) else None),
                "last score": _plain(first.iloc[-1] if len(first) else None),
                "best score": _plain(train["total_reward"].max()),
                "total_reward_ma": _plain(record["metrics"]["total_reward_ma"]),
                "wall time": f"{record['wall_time_s'] / 3600:.2f} h",
                "commit": _commit(record),
                "machine": record.get("processor", ""),
                "note": read_note(folder),
            }
        )
    return [EVIDENCE_INTRODUCTION, markdown(pd.DataFrame(lines), left=("run", "spec", "commit", "machine", "note"))]


def _table_row(docs: Path, row: Row) -> dict[str, Any]:
    """A row as `benchmark_table` and the figures read it."""
    found = read_row(folder_of(docs, row))
    return {
        "experiment": row.experiment,
        "env": row.env,
        "algorithm": row.algorithm,
        "sessions_asked": found.trial["sessions_asked"] if found else 0,
        "target": row.target,
        "published": row.published,
        "trial_json": str(found.folder / "trial.json") if found else None,
        "curve_csv": str(found.curve_csv) if found else None,
        "timing_csv": str(found.timing_csv) if found and found.timing_csv else None,
    }


def _commit(record: dict[str, Any]) -> str:
    """The commit of a run in eight digits, with + where files differed from it; empty if it isn't known."""
    versions = record["versions"]
    commit = versions.get("git_commit")
    return f"{commit[:8]}{'+' if versions.get('git_dirty') else ''}" if commit else "unknown"


def _join(values: Any) -> str:
    return ", ".join(dict.fromkeys(str(value) for value in values if value is not None))


def _plain(value: float | None) -> str:
    return "—" if value is None or pd.isna(value) else f"{value:,.2f}"
