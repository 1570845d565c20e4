"""The benchmark table of a report page: sortable, filterable, every row linked to what it rests on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from slm.analysis.files import read_json
from slm.report.table import TEXTS, best_rows, display_table

# Column of the shown table → column of table.csv that it is sorted by; words are sorted as they stand.
SORTED_BY = {
    "score": "score",
    "95% CI": "ci_low",
    "IQM": "iqm",
    "min to max": "min",
    "sessions": "sessions",
    "frames": "frames",
    "wall time": "wall_time_s",
    "random": "random",
    "target": "target",
    "published": "published",
    "difference": "difference",
    "normalised": "normalised",
}
# What a reader looks for first comes first: on a phone three columns are in view.
ORDER = (
    *("environment", "algorithm", "score", "95% CI", "published", "difference", "verdict", "target", "status"),
    *("sessions", "IQM", "min to max", "random", "normalised", "frames", "wall time", "experiment", "note"),
)
FILTERED = ("environment", "algorithm", "verdict", "status")
SESSION_FILES = {"provenance": "session.json", "curve": "train.csv", "best model": "best.pt", "last model": "model.pt"}


def interactive_table(suite: str, table: pd.DataFrame, links: Sequence[str]) -> str:
    """The table with a form of filters above it; `links` are HTML, one a row, for its last column."""
    shown = display_table(table)[[name for name in ORDER if name != "note" or table["note"].any()]]
    names = [str(name) for name in shown.columns]
    head = "".join(
        f'<th scope="col" class="{_kind(name)}"><button type="button">{name}</button></th>' for name in names
    )
    best = set(best_rows(table))
    lines = []
    for i, row in enumerate(shown.itertuples(index=False)):
        cells = "".join(_cell(table, i, name, text, i in best) for name, text in zip(names, row, strict=True))
        lines.append(f'<tr>{cells}<td class="text">{links[i]}</td></tr>')
    body = "\n".join(lines)
    return f"""{_filters(suite, shown)}
<div class="scroll" tabindex="0" role="region" aria-label="benchmark table of {suite}">
<table id="table-{suite}" class="results">
<thead><tr>{head}<th scope="col" class="text">files</th></tr></thead>
<tbody>
{body}
</tbody>
</table>
</div>"""


def row_links(experiment: str, page: Path) -> str:
    """Links from a page in a folder of results/ to what a row rests on; empty where nothing of it is there."""
    results = page.parent.parent
    trial = _reported_trial(results / "experiments" / experiment)
    # A Hogwild trial has one log; other sessions have theirs.
    trial_files = {"spec": trial / "spec.json", "statistics": trial / "trial.json"}
    trial_files["log"] = results / "logs/train_trial_distributed" / experiment / f"{trial.name}.log"
    links = [_link(page, file, label) for label, file in trial_files.items()]
    for session in sorted(trial.glob("session*"), key=lambda path: (len(path.name), path.name)):
        log = results / "logs/train_session" / experiment / f"{trial.name}-{session.name}.log"
        files = [_link(page, session / name, label) for label, name in SESSION_FILES.items()]
        files = [link for link in [*files, _link(page, log, "log")] if link]
        links.append(f"<span>{session.name}: {' · '.join(files)}</span>" if files else "")
    found = [link for link in links if link]
    return f"<details><summary>files</summary>{'<br>'.join(found)}</details>" if found else ""


def _reported_trial(experiment: Path) -> Path:
    """The folder of the trial that a table reports: of a search the one that validated the winner, else the only one.

    Raises UserError for a search whose best/trial.json can't be read.
    """
    best = experiment / "best/trial.json"
    return experiment / f"trial{read_json(best, 'trial')['trial'] if best.exists() else 0}"


def _link(page: Path, target: Path, label: str) -> str:
    if not target.exists():
        return ""
    address = quote(os.path.relpath(target, page.parent))
    return f'<a href="{address}">{label}</a>'


def _cell(table: pd.DataFrame, i: int, name: str, text: str, best: bool) -> str:
    value = ""
    if name in SORTED_BY:
        number = table[SORTED_BY[name]].iloc[i]
        value = f' data-value="{"" if pd.isna(number) else number}"'
    content = escape(str(text))
    if name == "score" and best:
        content = f"<b>{content}</b>"
    verdict = f" verdict-{str(text).replace(' ', '-')}" if name == "verdict" else ""
    return f'<td class="{_kind(name)}{verdict}"{value}>{content}</td>'


def _kind(name: str) -> str:
    return "text" if name in TEXTS else "number"


def _filters(suite: str, shown: pd.DataFrame) -> str:
    columns = list(shown.columns)
    selects = []
    for name in FILTERED:
        values = [value for value in dict.fromkeys(shown[name]) if value]
        if len(values) < 2:
            continue
        options = "".join(f"<option>{escape(value)}</option>" for value in values)
        selects.append(
            f'<label>{name} <select aria-label="{name}" data-column="{columns.index(name)}">'
            f'<option value="">all</option>{options}</select></label>'
        )
    return (
        f'<form class="filters" data-table="table-{suite}" hidden>'
        '<label>search <input type="search" name="text"></label>'
        f'{"".join(selects)}<button type="reset">clear</button><output aria-live="polite"></output></form>'
    )
