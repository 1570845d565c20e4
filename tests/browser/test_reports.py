"""Both reports in a real browser: they sort, filter, show their pictures, and ask the network for nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from slm.play import WIDTH

pytestmark = [pytest.mark.browser, pytest.mark.workflow]

INDEX, REPORT = "results/reports/index.html", "report.html"
COLUMN = "() => [...document.querySelectorAll('table.results[id] th')].map((header) => header.innerText)"


def column(visit: Any, name: str) -> int:
    headers = [text.rstrip(" ▲▼").strip() for text in visit.page.evaluate(COLUMN)]
    return headers.index(name)


def click(visit: Any, name: str) -> None:
    visit.page.locator(f"table.results[id] th:nth-child({column(visit, name) + 1}) button").click()


def experiments(visit: Any) -> list[str]:
    return [row[column(visit, "experiment")] for row in visit.table()]


def test_the_table_sorts_by_number_and_by_word(visit: Any, reports: Path, table: Any) -> None:
    page = visit(reports / INDEX)
    assert experiments(page) == table["experiment"].tolist()
    click(page, "score")
    assert experiments(page) == table.sort_values("score")["experiment"].tolist()
    click(page, "score")
    assert experiments(page) == table.sort_values("score", ascending=False)["experiment"].tolist()
    click(page, "algorithm")
    assert [row[column(page, "algorithm")] for row in page.table()] == ["A2C", "PPO"]
    click(page, "published")  # one of the two has none: it comes last either way
    assert experiments(page)[-1] == "tiny_a2c"
    click(page, "published")
    assert experiments(page)[-1] == "tiny_a2c"
    assert page.errors == []


def test_the_table_is_filtered_by_words_and_by_choice(visit: Any, reports: Path) -> None:
    page = visit(reports / INDEX)
    count = page.page.locator("form.filters output")
    assert count.inner_text() == "2 of 2 rows"
    page.page.get_by_label("search").fill("tiny_p cartpole")
    assert experiments(page) == ["tiny_ppo"]
    assert count.inner_text() == "1 of 2 rows"
    page.page.get_by_label("search").fill("nothing like it")
    assert experiments(page) == []
    page.page.get_by_role("button", name="clear").click()
    page.page.wait_for_function("document.querySelector('form.filters output').innerText === '2 of 2 rows'")
    page.page.get_by_label("algorithm", exact=True).select_option("A2C")
    assert experiments(page) == ["tiny_a2c"]
    assert page.errors == []


def test_figures_and_episodes_are_there(visit: Any, reports: Path) -> None:
    page = visit(reports / INDEX)
    closed = page.page.locator(".figures details:not([open]) summary")
    while closed.count():  # each that is opened leaves the list
        closed.first.click()
    sizes = page.page.evaluate(
        "() => [...document.querySelectorAll('figure svg')].map((svg) => [svg.getBoundingClientRect().width,"
        " svg.querySelectorAll('path, use').length])"
    )
    assert len(sizes) == 7
    assert all(width > 100 and marks > 3 for width, marks in sizes)
    for image in page.page.locator(".episodes img").all():
        image.scroll_into_view_if_needed()
    page.page.wait_for_function("[...document.images].every((image) => image.complete)")
    assert page.page.evaluate("[...document.images].map((image) => image.naturalWidth > 100)") == [True, True]
    assert page.errors == []
    assert page.outside() == []


def test_links_lead_to_files(visit: Any, reports: Path) -> None:
    page = visit(reports / INDEX)
    links = page.page.evaluate("[...document.querySelectorAll('table.results[id] a')].map((link) => link.href)")
    files = [Path(link.removeprefix("file://")) for link in links]
    assert len(files) == 2 * (2 + 2 * 5), "of each row spec and statistics, of each session four files and the log"
    assert all(file.exists() for file in files)
    names = {file.name for file in files}
    assert {"spec.json", "session.json", "best.pt", "model.pt", "trial0-session1.log"} <= names


@pytest.mark.parametrize(("size", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_the_page_fits_its_window_and_mode(visit: Any, reports: Path, size: str, scheme: str, tmp_path: Path) -> None:
    page = visit(reports / INDEX, size, scheme)
    assert page.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "tables scroll, pages don't"
    background = page.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, background[4:-1].split(","))) < 200) == (scheme == "dark")
    assert page.page.screenshot(path=tmp_path / f"index-{size}.png", full_page=True)


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_snakemakes_report_shows_figures_and_episodes_without_network(
    visit: Any, reports: Path, size: str, tmp_path: Path
) -> None:
    page = visit(reports / REPORT, size)
    page.page.get_by_text("Results", exact=True).first.wait_for()
    page.page.get_by_text("Demo", exact=True).first.click()
    page.page.get_by_text("CartPole-v1", exact=True).first.click()

    def view(what: str) -> None:
        row = page.page.locator("tr").filter(has=page.page.get_by_text(what, exact=True)).first
        row.locator("a").first.click()

    view("Learning curves")
    page.page.wait_for_function("[...document.images].some((image) => image.naturalWidth > 200)")
    assert page.page.screenshot(path=tmp_path / f"figure-{size}.png")
    if size == "desktop":  # on a phone Snakemake's list leaves no room for a frame before it is closed
        view("episode")
        image = page.page.frame_locator("iframe").locator("img")
        image.wait_for()
        assert image.evaluate("(image) => image.decode().then(() => image.naturalWidth)") == WIDTH
        assert page.page.screenshot(path=tmp_path / "episode.png")
    assert page.errors == []
    assert page.outside() == []


def test_every_output_has_caption_category_and_labels_in_snakemakes_report(visit: Any, reports: Path) -> None:
    page = visit(reports / REPORT).page
    captions = page.evaluate("Object.fromEntries(Object.entries(results).map(([path, it]) => [path, it.caption]))")
    labels = page.evaluate("Object.fromEntries(Object.entries(results).map(([path, it]) => [path, it.labels]))")
    categories = page.evaluate("categories")
    places = {path: (c, s) for c, inner in categories.items() for s, paths in inner.items() for path in paths}
    # Sessions' own files, the models among them, stay where they are: the page links them. Nor is there what tables
    # and figures were made from, rows as JSON.
    outputs = {
        str(path.relative_to(reports))
        for path in (reports / "results").rglob("*")
        if path.is_file()
        and not any(part in ("logs", "benchmarks", ".inprogress") or part.startswith("session") for part in path.parts)
        and not (path.name == "rows.json" or path.match("environments/*.json"))
    }
    assert set(captions) == set(places) == outputs
    assert all("<p>" in caption for caption in captions.values())
    assert all(set(found) == {"algorithm", "experiment", "what"} for found in labels.values())
    assert places["results/experiments/tiny_a2c/trial0/curve.csv"] == ("Demo", "CartPole-v1")
    assert places["results/experiments/tiny_ppo/trial0/episode.gif"] == ("Box2D", "CartPole-v1"), "by the sheet"
    assert places["results/reports/demo/table.csv"] == ("Demo", "All environments")
    assert labels["results/experiments/tiny_a2c/trial0/curve.csv"]["algorithm"] == "A2C"
