"""Both reports of a tiny run, opened in Chromium."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))
from snakemake_project import make_tiny

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}


@pytest.fixture(scope="session")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a project after a tiny run with recorded episodes, and Snakemake's own report in report.html."""
    project = make_tiny(tmp_path_factory.mktemp("browser") / "project")
    project.edit("config/config.yaml", "record_episodes: false", "record_episodes: true")
    project.finish()
    project.finish("--report", "report.html")
    return project.path


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The browser; where there is none, tests that need it are skipped and say so."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: the reports were not opened in a browser (apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@dataclass
class Visit:
    """An open page, and what it did."""

    page: Any
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def outside(self) -> list[str]:
        """Requests that left the machine."""
        return [url for url in self.requests if not url.startswith(("file:", "data:", "blob:"))]

    def table(self) -> list[list[str]]:
        """The visible rows of the benchmark table, as texts."""
        rows = "() => [...document.querySelectorAll('table.results[id] tbody tr')].filter((row) => !row.hidden)"
        found: list[list[str]] = self.page.evaluate(
            rows + ".map((row) => [...row.cells].map((cell) => cell.innerText))"
        )
        return found


@pytest.fixture
def visit(chromium: Any) -> Iterator[Any]:
    """Opens a file in a window of one of the SIZES."""
    contexts = []

    def open_file(file: Path, size: str = "desktop", scheme: str = "light") -> Visit:
        width, height = SIZES[size]
        context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        contexts.append(context)
        visit = Visit(context.new_page())
        visit.page.on("console", lambda message: visit.errors.append(message.text) if message.type == "error" else None)
        visit.page.on("pageerror", lambda error: visit.errors.append(str(error)))
        visit.page.on("request", lambda request: visit.requests.append(request.url))
        visit.page.goto(file.as_uri())
        return visit

    yield open_file
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def table(reports: Path) -> Any:
    """The suite's table as it was written."""
    import pandas as pd

    return pd.read_csv(reports / "results/reports/demo/table.csv")
