"""A search's section of the report."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

import pandas as pd

from slm.errors import UserError
from slm.plan import SEARCH_FIGURES
from slm.report.page import figure_fragment

CAPTIONS = {
    "best_so_far": "The score of each trial, and the validated score of the winner with its 95% interval.",
    "rung_survival": "Trials that reached each rung, and those that went on.",
    "hyperparameters": "Each hyperparameter against the score.",
    "parallel_coordinates": "Settings of the trials, coloured by score; stopped trials are faint.",
    "importance": "What has to do with being among the best (PED-ANOVA).",
}


def varied_keys(ranking: pd.DataFrame) -> list[str]:
    """The columns of the varied hyperparameters: those between the trial's number and its state."""
    columns = list(ranking.columns)
    return columns[columns.index("trial") + 1 : columns.index("state")]


def search_section(folder: Path) -> str:
    """The section of the report on one search: what was validated, the winner's settings, and the figures."""
    ranking, validation = read_search_table(folder / "experiment.csv"), read_search_table(folder / "validation.csv")
    winner = validation.iloc[0]
    pruned = int((ranking["state"] == "pruned").sum())
    known = not pd.isna(winner["ci_low"])
    interval = f" ({winner['ci_low']:.2f} to {winner['ci_high']:.2f})" if known else ""
    name = escape(folder.name)
    settings = "".join(
        f"<tr><td><code>{escape(key)}</code></td><td>{escape(_text(winner[key]))}</td></tr>"
        for key in varied_keys(ranking)
    )
    drawings = "\n".join(
        f'<figure class="scroll">{_drawing(folder, key)}<figcaption>{CAPTIONS[key]}</figcaption></figure>'
        for key in SEARCH_FIGURES
    )
    return f"""<section id="search-{name}">
<h3>{name}</h3>
<p>{len(ranking)} trials, {pruned} of them stopped early; median score {ranking["score"].median():.2f}. The winner is
trial {int(winner["trial"])}: {winner["score"]:.2f}{interval} with {int(winner["sessions"])} fresh seeds.</p>
<table>{settings}</table>
{drawings}
</section>"""


def searches_section(folders: Sequence[Path]) -> str:
    """The report's part on searches, in the order given."""
    sections = "\n".join(search_section(folder) for folder in folders)
    return f'<section id="searches">\n<h2>Searches</h2>\n{sections}\n</section>'


def _drawing(folder: Path, name: str) -> str:
    try:
        text = (folder / f"figures/{name}.svg").read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{folder} holds no figures of a search: {error}") from error
    return figure_fragment(f"search-{folder.name}-{name}", text)


def read_search_table(path: Path) -> pd.DataFrame:
    """One of a search's tables; raises UserError for one that can't be read."""
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise UserError(f"table {path} is missing or unreadable: {error}") from error


def _text(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
