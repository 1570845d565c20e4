"""results/reports/index.html: every suite's table, statistics, figures and episodes on one self-contained page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

import pandas as pd

from slm.analysis.files import write_text
from slm.errors import UserError
from slm.report.episodes import episode, episodes_section
from slm.report.interactive import interactive_table, row_links
from slm.report.page import LEGEND, figure_fragment, page
from slm.report.search import searches_section
from slm.report.table import read_table
from slm.report.titles import FIGURES, suite_title

CURVES_CAPTION = (
    "Learning curves: mean return over sessions with its 95% bootstrap interval, single sessions faint. The score is "
    "the mean of a curve's last 100 checkpoints."
)
# Captions of the figures beside the learning curves.
CAPTIONS = {
    "aggregates": (
        "Interquartile mean over all sessions of an algorithm, its environments with equal weights, with its 95% "
        "stratified bootstrap interval; in brackets the number of environments, which differs between algorithms."
    ),
    "efficiency": (
        "The same interquartile mean, of returns while training, as far as the shortest training of an algorithm goes."
    ),
    "profiles": "The share of sessions whose normalised score is above each value, averaged over environments.",
    "improvement": (
        "How probably a session of the row's algorithm scores higher than one of the column's on the same environment, "
        "over the environments of both."
    ),
    "scores": "Every session's score; dashed: best published score, dotted: target.",
    "wall_clock": "The learning curves above against the time of a session.",
}
PANELS = ("scores", "wall_clock")
"""Those with a panel for each environment."""
STATISTICS_LEGEND = (
    "Normalised scores: random play 0, the best published score of the environment 1. Intervals: 95% stratified "
    "bootstrap. Mean rank and first places: among the algorithms run on an environment, over those with at least two."
)


def write_index(
    table_dirs: Sequence[Path], out: Path, search_dirs: Sequence[Path] = (), episodes: Sequence[Path] = ()
) -> None:
    """Write the page `out` from folders that `write_table` made; a folder's name is its suite's.

    `search_dirs` are folders of searches, with their tables and figures; `episodes` are the JSON files of recorded
    episodes, each beside its animation.
    Raises UserError for a folder without its files, and for an episode that can't be read.
    """
    folders, searches = [Path(folder) for folder in table_dirs], [Path(folder) for folder in search_dirs]
    write_text(out, index_page(folders, out, searches, [Path(file) for file in episodes]))


def index_page(
    table_dirs: Sequence[Path], out: Path, search_dirs: Sequence[Path] = (), episodes: Sequence[Path] = ()
) -> str:
    """The page as HTML, one section per suite, in the order given, and one on the searches.

    Links are relative to `out`.
    """
    recorded = dict(episode(file) for file in episodes)
    sections = [_section(folder, out, recorded) for folder in table_dirs]
    links = "".join(f'<a href="#{escape(d.name)}">{escape(suite_title(d.name))}</a>' for d in table_dirs)
    if search_dirs:
        sections.append(searches_section(search_dirs))
        links += '<a href="#searches">Searches</a>'
    body = f"<h1>Benchmark results</h1>\n<nav>{links}</nav>\n{LEGEND}\n" + "\n".join(sections)
    return page("Benchmark results", body, Path(__file__).with_name("tables.js").read_text(encoding="utf-8"))


def _section(folder: Path, out: Path, recorded: dict[str, str]) -> str:
    suite = escape(folder.name)
    try:
        table = read_table(folder / "table.csv")
        statistics = pd.read_csv(folder / "statistics.csv")
        drawings = {name: (folder / f"{name}.svg").read_text(encoding="utf-8") for name in ("curves", *CAPTIONS)}
    except (OSError, ValueError) as error:
        raise UserError(f"{folder} holds no table and figures of a suite: {error}") from error
    figures = "\n".join(_figure(suite, name, drawings[name]) for name in CAPTIONS)
    links = [row_links(experiment, out) for experiment in table["experiment"]]
    shown = [recorded[experiment] for experiment in table["experiment"] if experiment in recorded]
    return f"""<section id="{suite}">
<h2>{escape(suite_title(folder.name))}</h2>
{interactive_table(suite, table, links)}
<figure class="scroll">{figure_fragment(f"{suite}-curves", drawings["curves"])}
<figcaption>{CURVES_CAPTION}</figcaption></figure>
<h3>Algorithms compared</h3>
{_statistics(statistics)}
<div class="figures">
{figures}
</div>
{episodes_section(shown)}
</section>"""


def _figure(suite: str, name: str, svg: str) -> str:
    attributes = (' class="panels"' if name in PANELS else "") + (" open" if name == "aggregates" else "")
    return (
        f'<details{attributes}><summary>{FIGURES[name]}</summary><figure class="scroll">'
        f"{figure_fragment(f'{suite}-{name}', svg)}<figcaption>{CAPTIONS[name]}</figcaption></figure></details>"
    )


def _statistics(table: pd.DataFrame) -> str:
    """The comparison of algorithms as a small table."""

    def number(value: float) -> str:
        return "—" if pd.isna(value) else f"{value:.2f}"

    lines = []
    for row in table.to_dict("records"):
        cells = [
            *(str(row["environments"]), str(row["sessions"]), number(row["iqm"])),
            *(f"{number(row['iqm_low'])} to {number(row['iqm_high'])}", number(row["mean"])),
            *(f"{number(row['mean_low'])} to {number(row['mean_high'])}", number(row["mean_rank"])),
            f"{row['firsts']}/{row['ranked']}",
        ]
        numbers = "".join(f'<td class="number">{cell}</td>' for cell in cells)
        lines.append(f'<tr><td class="text">{escape(row["algorithm"])}</td>{numbers}</tr>')
    names = ("environments", "sessions", "IQM", "95% CI", "mean", "95% CI", "mean rank", "first places")
    head = "".join(f'<th scope="col" class="number">{name}</th>' for name in names)
    return (
        f'<div class="scroll"><table class="results"><thead><tr><th scope="col" class="text">algorithm</th>{head}</tr>'
        f"</thead><tbody>{''.join(lines)}</tbody></table></div>\n<p>{STATISTICS_LEGEND}</p>"
    )
