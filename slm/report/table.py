"""The benchmark table of one suite: one row per experiment, beside the target and the published score."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from slm.analysis.statistics import status, verdict
from slm.errors import UserError

# Columns of table.csv in their order, with their types.
COLUMNS = {
    "env": "str",
    "algorithm": "str",
    "experiment": "str",
    "score": "float64",
    "ci_low": "float64",
    "ci_high": "float64",
    "iqm": "float64",
    "min": "float64",
    "max": "float64",
    "sessions": "Int64",
    "sessions_asked": "Int64",
    "frames": "Int64",
    "wall_time_s": "float64",
    "target": "float64",
    "status": "str",
    "published": "float64",
    "difference": "float64",
    "verdict": "str",
    "random": "float64",
    "normalised": "float64",
    "note": "str",
}
FROM_TRIAL = ("score", "ci_low", "ci_high", "iqm", "min", "max", "sessions", "frames", "wall_time_s")
UNKNOWN = "—"
TEXTS = ("environment", "algorithm", "status", "verdict", "experiment", "note")
"""Columns of words in `display_table`."""
# Note and mark of rows whose sessions trained the same parameters: they are no independent repetitions, either.
HOGWILD = "Hogwild: one training of several workers, not bit-reproducible; frames are each worker's"
MARK = "†"


def benchmark_table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """The table of a suite, in the order of `rows`.

    A row has experiment, env, algorithm, target, published, sessions_asked and trial_json; target and published may
    be None, and trial_json is None where nothing was run. `difference` is score - published, `random` the mean return
    of random play, and `normalised` the score on the scale from random, 0, to published, 1. `note` says what makes a
    row less than it seems: missing sessions, sessions without a score, code that changed between its sessions, a
    published score that random play has too.
    Raises UserError for a trial.json that can't be read.
    """
    return pd.DataFrame([_row(row) for row in rows], columns=list(COLUMNS)).astype(COLUMNS)


def read_table(path: Path) -> pd.DataFrame:
    """Read a table.csv; texts that are empty stay empty texts."""
    texts = {name: "" for name, kind in COLUMNS.items() if kind == "str"}
    return pd.read_csv(path, dtype=COLUMNS, usecols=list(COLUMNS)).fillna(texts)


def display_table(table: pd.DataFrame) -> pd.DataFrame:
    """The table as a reader sees it: rounded texts, the interval and the range one column each, column headings."""

    def column(name: str) -> list[str]:
        return [_number(value) for value in table[name]]

    def span(low: str, high: str) -> list[str]:
        pairs = zip(column(low), column(high), strict=True)
        return [f"{a} to {b}" if UNKNOWN not in (a, b) else UNKNOWN for a, b in pairs]

    sessions = zip(table["sessions"], table["sessions_asked"], strict=True)
    return pd.DataFrame(
        {
            "environment": table["env"],
            "algorithm": [
                f"{name} {MARK}" if HOGWILD in note else name
                for name, note in zip(table["algorithm"], table["note"], strict=True)
            ],
            "score": column("score"),
            "95% CI": span("ci_low", "ci_high"),
            "IQM": column("iqm"),
            "min to max": span("min", "max"),
            "sessions": [f"{scored}/{asked}" for scored, asked in sessions],
            "frames": [_frames(value) for value in table["frames"]],
            "wall time": [_duration(value) for value in table["wall_time_s"]],
            "random": column("random"),
            "target": column("target"),
            "status": table["status"],
            "published": column("published"),
            "difference": [_number(value, "+") for value in table["difference"]],
            "normalised": column("normalised"),
            "verdict": table["verdict"],
            "experiment": table["experiment"],
            "note": table["note"],
        }
    )


def best_rows(table: pd.DataFrame) -> list[int]:
    """Positions of the rows with the best score on their environment, all of them at a tie."""
    best = table.groupby("env")["score"].transform("max")
    return [i for i, (score, top) in enumerate(zip(table["score"], best, strict=True)) if score == top]


def markdown_table(table: pd.DataFrame) -> str:
    """The table in Markdown, the best score per environment in bold."""
    shown = display_table(table)
    best = best_rows(table)
    shown["score"] = [f"**{score}**" if i in best else score for i, score in enumerate(shown["score"])]
    return markdown(shown, left=TEXTS)


def markdown(shown: pd.DataFrame, left: Sequence[str]) -> str:
    """A table of texts in Markdown; the columns `left` are aligned so, all others to the right."""
    lines = [list(shown.columns), [":---" if name in left else "---:" for name in shown.columns]]
    lines += [[str(cell).replace("|", "\\|") for cell in row] for row in shown.itertuples(index=False)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def latex_table(table: pd.DataFrame, title: str) -> str:
    """The table as a LaTeX `table*` environment for the booktabs package, the best score per environment in bold."""
    shown = display_table(table).drop(columns=["note", "random"])
    marks = {"✅": r"\checkmark", "⚠️": r"$\sim$", "❌": r"$\times$", "": ""}
    cells = shown.map(_latex)
    cells["status"] = [marks[status] for status in shown["status"]]
    best = best_rows(table)
    cells["score"] = [rf"\textbf{{{score}}}" if i in best else score for i, score in enumerate(cells["score"])]
    alignment = "".join("l" if name in TEXTS else "r" for name in shown.columns)
    lines = [" & ".join(row) + r" \\" for row in cells.itertuples(index=False)]
    heading = " & ".join(_latex(name) for name in shown.columns) + r" \\"
    return "\n".join(
        [
            "% needs \\usepackage{booktabs,amssymb}",
            r"\begin{table*}",
            r"\centering\scriptsize",
            rf"\caption{{{_latex(title)}}}",
            rf"\begin{{tabular}}{{{alignment}}}",
            *(r"\toprule", heading, r"\midrule", *lines, r"\bottomrule"),
            *(r"\end{tabular}", r"\end{table*}", ""),
        ]
    )


def _latex(text: str) -> str:
    """A text with LaTeX's special characters escaped, and dashes as LaTeX writes them."""
    special = {char: f"\\{char}" for char in "&%$#_{}"}
    special |= {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", UNKNOWN: "---"}
    return re.sub(r"^-(?=\d)", "$-$", "".join(special.get(char, char) for char in str(text)))


def _row(row: dict[str, Any]) -> dict[str, Any]:
    """One row of the table; numbers that aren't known are None."""
    trial = _read_trial(row["trial_json"])
    ran = trial is not None and len(trial["missing"]) < trial["sessions_asked"]
    numbers: dict[str, Any] = dict.fromkeys(FROM_TRIAL)
    if trial is not None and ran:
        numbers = {name: trial[name] for name in FROM_TRIAL}
    score, low, high = (math.nan if numbers[name] is None else numbers[name] for name in ("score", "ci_low", "ci_high"))
    random_mean = None if trial is None else trial["random_mean"]
    published = row["published"]
    return {
        **numbers,
        **{name: row[name] for name in ("env", "algorithm", "experiment", "sessions_asked", "target", "published")},
        "sessions": numbers["sessions"] or 0,
        "status": status(score, row["target"], random_mean),
        "difference": None if published is None else score - published,
        "verdict": verdict(score if ran else None, low, high, published, random_mean),
        "random": random_mean,
        "normalised": _normalised(score, published, random_mean),
        "note": "" if trial is None else _note(trial, published),
    }


def _normalised(score: float, published: float | None, random_mean: float | None) -> float | None:
    """Where the score lies between random play, 0, and the published score, 1; None where those aren't two."""
    if published is None or random_mean is None or published == random_mean:
        return None
    return (score - random_mean) / (published - random_mean)


def _read_trial(path: str | None) -> dict[str, Any] | None:
    if path is None:
        return None
    try:
        trial: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"trial {path} is missing or unreadable: {error}") from error
    return trial


def _note(trial: dict[str, Any], published: float | None) -> str:
    notes = []
    if not trial.get("reproducible", True):
        notes.append(HOGWILD)
    if trial["missing"]:
        notes.append(f"missing: session {', '.join(map(str, trial['missing']))}")
    if trial["nan_sessions"]:
        notes.append(f"no score: session {', '.join(map(str, trial['nan_sessions']))}")
    if (devices := trial.get("devices", ["cpu"])) not in ([], ["cpu"]):
        notes.append(f"trained on {', '.join(devices)}")
    if len(trial["code_fingerprints"]) > 1:
        notes.append("mixed code")
    if trial["random_mean"] is not None and trial["random_mean"] == published:
        notes.append("not normalised: random play has the published score")
    return "; ".join(notes)


def _number(value: float, sign: str = "") -> str:
    """Two decimals below 1,000, none above, where they would only be noise."""
    if pd.isna(value):
        return UNKNOWN
    return f"{value:{sign},.0f}" if abs(value) >= 1_000 else f"{value:{sign}z.2f}"


def _frames(value: int) -> str:
    return UNKNOWN if pd.isna(value) else f"{value:,}"


def _duration(seconds: float) -> str:
    """h:mm:ss."""
    if pd.isna(seconds):
        return UNKNOWN
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
