"""results/reports/index.html: every suite's table and learning curves on one self-contained page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from slm.analysis.files import write_text
from slm.errors import UserError
from slm.report.page import LEGEND, figure_fragment, page, table_fragment
from slm.report.search import searches_section
from slm.report.table import read_table

TITLES = {"box2d": "Box2D", "mujoco": "MuJoCo"}
CAPTION = (
    "Learning curves: mean return over sessions with its 95% bootstrap interval, single sessions faint. The score is "
    "the mean of a curve's last 100 checkpoints."
)


def write_index(table_dirs: Sequence[Path], out: Path, search_dirs: Sequence[Path] = ()) -> None:
    """Write the page `out` from folders that hold a table.csv and a curves.svg; a folder's name is its suite's.

    `search_dirs` are folders of searches, with their tables and figures. Raises UserError for a folder without them.
    """
    write_text(out, index_page([Path(folder) for folder in table_dirs], [Path(folder) for folder in search_dirs]))


def index_page(table_dirs: Sequence[Path], search_dirs: Sequence[Path] = ()) -> str:
    """The page as HTML, one section per suite, in the order given, and one on the searches."""
    sections = [_section(folder) for folder in table_dirs]
    links = "".join(f'<a href="#{escape(d.name)}">{escape(suite_title(d.name))}</a>' for d in table_dirs)
    if search_dirs:
        sections.append(searches_section(search_dirs))
        links += '<a href="#searches">Searches</a>'
    body = f"<h1>Benchmark results</h1>\n<nav>{links}</nav>\n{LEGEND}\n" + "\n".join(sections)
    return page("Benchmark results", body)


def suite_title(suite: str) -> str:
    """A suite's name as a heading: `classic_control` is `Classic control`."""
    return TITLES.get(suite, suite.replace("_", " ").capitalize())


def _section(folder: Path) -> str:
    suite = escape(folder.name)
    try:
        table = read_table(folder / "table.csv")
        svg = (folder / "curves.svg").read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UserError(f"{folder} holds no table and curves of a suite: {error}") from error
    return f"""<section id="{suite}">
<h2>{escape(suite_title(folder.name))}</h2>
{table_fragment(suite, table)}
<figure class="scroll">{figure_fragment(suite, svg)}<figcaption>{CAPTION}</figcaption></figure>
</section>"""
