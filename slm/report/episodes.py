"""Recorded episodes as HTML, the animation within: on the report page, and each on a page of its own."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from html import escape
from pathlib import Path

from slm.analysis.files import write_text
from slm.errors import UserError
from slm.report.page import page


def write_episode_page(file: Path) -> None:
    """Write the page of an episode beside its JSON file `file`. Snakemake's report shows pages, but no GIF."""
    experiment, figure = episode(file)
    write_text(file.with_suffix(".html"), page(escape(experiment), f'<div class="episodes">{figure}</div>'))


def episode(file: Path) -> tuple[str, str]:
    """Experiment, and its episode as HTML, from its JSON file; raises UserError for an episode that can't be read."""
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        experiment, note = record["experiment"], record["note"]
        words = note or f"return {record['return']:.2f} in {record['steps']} steps, session {record['session']}"
        caption = f"<figcaption>{escape(experiment)}: {escape(words)}</figcaption>"
        if note:
            return experiment, f"<figure>{caption}</figure>"
        data = base64.b64encode(file.with_suffix(".gif").read_bytes()).decode()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"episode {file} is missing or unreadable: {error}") from error
    image = f'<img loading="lazy" alt="an episode of {escape(experiment)}" src="data:image/gif;base64,{data}">'
    return experiment, f"<figure>{image}{caption}</figure>"


def episodes_section(shown: Sequence[str]) -> str:
    """The part of a suite's section that shows episodes; empty without one."""
    if not shown:
        return ""
    heading = "<h3>Episodes</h3>\n<p>The best checkpoint of each row plays.</p>"
    return f'{heading}\n<div class="episodes">{"".join(shown)}</div>'
