"""HTML: a suite's table, alone on a page or beside its figure. No page asks the network for anything."""

from __future__ import annotations

import re

import pandas as pd
from great_tables import GT, loc, style

from slm.report.style import GRID, INK, MUTED, PAPER
from slm.report.table import best_rows, display_table

# The figure's fixed colours become the page's, so that it follows the reader's light or dark mode.
PAGE_COLOURS = {INK: "var(--ink)", PAPER: "var(--paper)", GRID: "var(--grid)", MUTED: "var(--muted)"}
STYLE = f"""
:root {{ color-scheme: light dark; --ink: {INK}; --paper: {PAPER}; --grid: {GRID}; --muted: {MUTED};
  --link: #0b5cad; --good: #00704f; --bad: #b3421a; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ink: #e6e9ef; --paper: #14171d; --grid: #343a46; --muted: #9aa3b5;
    --link: #7db8f0; --good: #4fc79c; --bad: #f2946b; }}
}}
body {{ margin: 0 auto; max-width: 92rem; padding: 1rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }}
h1, h2 {{ line-height: 1.2; }}
section {{ margin-block: 2.5rem; }}
p, nav {{ max-width: 48rem; }}
nav a {{ margin-right: 1rem; color: inherit; }}
.scroll {{ overflow-x: auto; }}
.scroll .gt_table {{ margin: 0 !important; font-size: .85rem !important; }}
/* The table's own colours are fixed and more specific than any class. */
.scroll .gt_table, .scroll .gt_table * {{ background: var(--paper) !important; border-color: var(--grid) !important;
  color: var(--ink) !important; }}
.scroll .gt_table .gt_group_heading {{ font-weight: 600 !important; padding-top: 1rem !important; }}
.scroll .gt_table .gt_col_heading {{ color: var(--muted) !important; }}
.scroll .gt_table :is(th, td) {{ white-space: nowrap; }}
.scroll .gt_table :is(th, td):first-child:not(.gt_group_heading) {{ position: sticky; left: 0; }}
.results {{ border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }}
.results :is(th, td) {{ padding: .3rem .6rem; border-bottom: 1px solid var(--grid); white-space: nowrap;
  background: var(--paper); vertical-align: top; text-align: right; }}
.results .text {{ text-align: left; }}
.results :is(th, td):first-child {{ position: sticky; left: 0; }}
.results th button {{ all: unset; cursor: pointer; color: var(--muted); }}
.results th button:focus-visible {{ outline: 2px solid var(--link); }}
.results th[aria-sort] button {{ color: var(--ink); font-weight: 600; }}
.results th[aria-sort=ascending] button::after {{ content: " ▲"; }}
.results th[aria-sort=descending] button::after {{ content: " ▼"; }}
.verdict-reproduced, .verdict-above {{ color: var(--good); }}
.verdict-below {{ color: var(--bad); }}
.verdict-not-run, .verdict-undecided {{ color: var(--muted); }}
.filters {{ display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center; margin-block: .75rem;
  font-size: .875rem; }}
.filters[hidden] {{ display: none; }}
.filters :is(input, select, button) {{ font: inherit; padding: .25rem .4rem; max-width: 12rem; color: inherit;
  background: var(--paper); border: 1px solid var(--grid); border-radius: .3rem; }}
.filters output {{ color: var(--muted); }}
a {{ color: var(--link); }}
details summary {{ cursor: pointer; }}
.figures {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 36rem), 1fr)); gap: 1rem 2rem; }}
.figures > details {{ min-width: 0; }}
.figures > .panels {{ grid-column: 1 / -1; }}
/* As wide as the column, but no smaller than can be read on a phone: there it scrolls. */
.figures > :not(.panels) svg {{ max-width: max(100%, 28rem); height: auto; }}
.episodes {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(10rem, 1fr)); gap: 1rem; }}
.episodes figure {{ margin: 0; }}
.episodes img {{ width: 100%; height: auto; border-radius: .3rem; }}
figure {{ margin: 1.5rem 0 0; }}
figure svg {{ display: block; }}
figcaption {{ color: var(--muted); font-size: .875rem; max-width: 48rem; }}
"""
LEGEND = """
<details><summary>What the columns say</summary>
<p>Score: mean over sessions (random seeds) of the moving average of the return over the last 100 checkpoints, where
the return is the mean of the last 100 episodes. CI: 95% bootstrap interval of that mean over sessions. IQM:
interquartile mean. Bold: best score on the environment.</p>
<p>Random: mean return of 100 episodes of random actions. Normalised: the score on the scale from random, 0, to
published, 1.</p>
<p>Status: ✅ target reached, ⚠️ over 80% of the way from a random agent to the target, ❌ not. Verdict: <b>below</b>,
<b>above</b>: the whole interval lies below, or above, the published score; <b>reproduced</b>: it contains the published
score; <b>undecided</b>: it is too wide to tell, or there is none; <b>not run</b>: no session has finished.</p>
</details>
"""


def page(title: str, body: str, script: str = "") -> str:
    """A whole HTML page with the house style; `script` runs once the body is there."""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>{STYLE}</style>
</head>
<body>
{body}
{f"<script>{script}</script>" if script else ""}
</body>
</html>
"""


def table_fragment(suite: str, table: pd.DataFrame) -> str:
    """The table as an HTML fragment, grouped by environment, the best scores in bold; it scrolls on a small screen."""
    shown = display_table(table).drop(columns=[] if table["note"].any() else ["note"])
    texts = [name for name in ("algorithm", "verdict", "experiment", "note") if name in shown]
    rendered = (
        GT(shown, groupname_col="environment", id=f"table-{suite}")
        .cols_align("right")
        .cols_align("left", columns=texts)
        .cols_align("center", columns="status")
        .tab_style(style.text(weight="bold"), loc.body(columns="score", rows=best_rows(table)))
    )
    return f'<div class="scroll">{rendered.as_raw_html()}</div>'


def figure_fragment(suite: str, svg: str) -> str:
    """An SVG to stand in an HTML page: without prolog and metadata, its ids made unique by the suite's name."""
    drawing = svg[svg.index("<svg") :]
    drawing = re.sub(r"<metadata>.*?</metadata>", "", drawing, flags=re.DOTALL)
    drawing = re.sub(r' xmlns(:\w+)?="[^"]*"', "", drawing)
    drawing = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{suite}-", drawing)
    for colour, variable in PAGE_COLOURS.items():
        drawing = drawing.replace(colour, variable)
    return drawing
