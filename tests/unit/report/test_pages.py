import json
import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from slm.errors import UserError
from slm.report.index import write_index
from slm.report.suite import write_table
from slm.report.titles import FIGURES, suite_title

FILES = sorted(
    [f"{name}.{suffix}" for name in FIGURES for suffix in ("png", "svg")]
    + ["improvement.csv", "statistics.csv", "table.csv", "table.html", "table.md", "table.tex"]
)
VOID = {"meta", "link", "br", "img", "input"}


class Page(HTMLParser):
    """Collects what a browser would fetch, the ids, and whether every element is closed."""

    def __init__(self, text):
        super().__init__()
        self.references, self.ids, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.references += [value for name, value in attrs if name in ("src", "href", "xlink:href", "srcset", "action")]
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def write_suite(make_row, tmp_path):
    def write(suite="demo", rows=None):
        sheet = tmp_path / "rows.json"
        rows = rows or [make_row(), make_row("a2c_cartpole", trial={"score": 300.0}, algorithm="A2C")]
        sheet.write_text(json.dumps({"suite": suite, "rows": rows}))
        write_table(sheet, tmp_path / suite)
        return tmp_path / suite

    return write


def test_a_suite_is_its_table_its_statistics_and_its_figures(write_suite):
    folder = write_suite()
    assert sorted(path.name for path in folder.iterdir()) == FILES


def test_same_results_same_bytes(write_suite):
    def written():
        folder = write_suite()
        return {name: (folder / name).read_bytes() for name in FILES}

    assert written() == written()


def test_a_suite_that_was_not_run_has_a_table_and_a_figure(write_suite, make_row):
    folder = write_suite(rows=[make_row(trial=None)])
    assert pd.read_csv(folder / "table.csv")["verdict"].tolist() == ["not run"]
    assert "no session of this suite has been run" in (folder / "curves.svg").read_text()


def test_table_page_stands_alone(write_suite):
    text = (write_suite() / "table.html").read_text()
    assert Page(text).open == []
    assert "http" not in text
    assert re.search(r'font-weight: bold;?"[^>]*>495\.12<', text)
    assert not re.search(r'font-weight: bold;?"[^>]*>300\.00<', text)


def test_index_holds_every_suite_and_asks_the_network_for_nothing(write_suite, tmp_path):
    folders = [write_suite("demo"), write_suite("mujoco")]
    write_index(folders, tmp_path / "index.html")
    text = (tmp_path / "index.html").read_text()
    page = Page(text)
    assert page.open == []
    assert "http" not in text
    assert "@import" not in text
    assert all(reference.startswith(("#", "data:")) for reference in page.references)
    assert "<h2>Demo</h2>" in text
    assert "<h2>MuJoCo</h2>" in text
    assert text.count("<svg") == 2 * len(FIGURES)


def test_ids_of_the_page_are_unique_and_its_references_lead_somewhere(write_suite, tmp_path):
    write_index([write_suite("demo"), write_suite("box2d")], tmp_path / "index.html")
    text = (tmp_path / "index.html").read_text()
    page = Page(text)
    assert len(page.ids) == len(set(page.ids))
    targets = [reference[1:] for reference in page.references if reference.startswith("#")]
    targets += re.findall(r"url\(#([^)]+)\)", text)
    assert set(targets) <= set(page.ids)


def test_index_follows_the_readers_mode_and_screen(write_suite, tmp_path):
    write_index([write_suite()], tmp_path / "index.html")
    text = (tmp_path / "index.html").read_text()
    assert '<meta name="viewport" content="width=device-width' in text
    assert "prefers-color-scheme: dark" in text
    figure = text[text.index("<svg") : text.index("</svg>")]
    assert "var(--ink)" in figure
    assert "#ffffff" not in figure


def test_names_are_text_and_not_markup(write_suite, make_row):
    text = (write_suite(rows=[make_row(experiment="<b>x</b>", trial=None)]) / "table.html").read_text()
    assert "<b>x</b>" not in text
    assert "&lt;b&gt;x&lt;/b&gt;" in text


def test_notes_are_shown_where_there_are_some(write_suite, make_row):
    clean = (write_suite() / "table.html").read_text()
    noted = (write_suite(rows=[make_row(trial={"code_fingerprints": ["a", "b"]})]) / "table.html").read_text()
    assert ">note</th>" not in clean
    assert ">note</th>" in noted
    assert ">mixed code</td>" in noted


def test_titles():
    assert [suite_title(name) for name in ("classic_control", "mujoco", "box2d", "custom")] == [
        "Classic control",
        "MuJoCo",
        "Box2D",
        "Custom",
    ]


def test_what_cannot_be_read_is_named(tmp_path, make_row):
    with pytest.raises(UserError, match="nowhere holds no table and figures"):
        write_index([tmp_path / "nowhere"], tmp_path / "index.html")
    sheet = tmp_path / "rows.json"
    sheet.write_text("[]")
    with pytest.raises(UserError, match=r"rows\.json is not a sheet"):
        write_table(sheet, tmp_path / "out")
    sheet.write_text(json.dumps({"suite": "demo", "rows": [make_row(curve_csv="/no/curve.csv")]}))
    with pytest.raises(UserError, match=r"curve /no/curve\.csv is missing"):
        write_table(sheet, tmp_path / "out")


def test_rows_are_linked_to_what_they_rest_on(write_suite, tmp_path):
    reports, trial = tmp_path / "results/reports", tmp_path / "results/experiments/ppo_cartpole/trial0"
    log = tmp_path / "results/logs/train_session/ppo_cartpole/trial0-session10.log"
    for file in (trial / "spec.json", trial / "session2/best.pt", trial / "session10/session.json", log):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    write_index([write_suite()], reports / "index.html")
    text = (reports / "index.html").read_text()
    links = [reference for reference in Page(text).references if reference.startswith("..")]
    base = "../experiments/ppo_cartpole/trial0"
    assert links == [
        *(f"{base}/spec.json", f"{base}/session2/best.pt", f"{base}/session10/session.json"),
        "../logs/train_session/ppo_cartpole/trial0-session10.log",
    ]
    assert all((reports / link).exists() for link in links)


def test_a_hogwild_trial_has_one_log_and_a_search_is_linked_to_the_trial_that_validated_its_winner(
    write_suite, make_row, tmp_path
):
    results = tmp_path / "results"
    hogwild, search = (results / "experiments" / name for name in ("a3c", "searched"))
    log = results / "logs/train_trial_distributed/a3c/trial0.log"
    for file in (hogwild / "trial0/session0/best.pt", log, search / "trial7/spec.json", search / "trial0/spec.json"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    (search / "best").mkdir()
    (search / "best/trial.json").write_text('{"trial": 7}')
    write_index([write_suite(rows=[make_row("a3c"), make_row("searched")])], results / "reports/index.html")
    references = Page((results / "reports/index.html").read_text()).references
    assert [reference.removeprefix("../") for reference in references if reference.startswith("..")] == [
        *("logs/train_trial_distributed/a3c/trial0.log", "experiments/a3c/trial0/session0/best.pt"),
        "experiments/searched/trial7/spec.json",
    ]


def test_cells_carry_the_numbers_that_they_are_sorted_by(write_suite, make_row, tmp_path):
    rows = [make_row(trial={"wall_time_s": 3725.4, "score": 12345.6}), make_row("unrun", trial=None)]
    write_index([write_suite(rows=rows)], tmp_path / "index.html")
    text = (tmp_path / "index.html").read_text()
    assert '<td class="number" data-value="3725.4">1:02:05</td>' in text
    assert '<td class="number" data-value="12345.6"><b>12,346</b></td>' in text
    assert '<td class="number" data-value="">—</td>' in text


def test_episodes_are_within_the_page_and_notes_stand_for_those_that_could_not_be_drawn(write_suite, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    played = {"experiment": "ppo_cartpole", "session": 2, "return": 500.0, "steps": 500, "note": ""}
    (tmp_path / "a/episode.json").write_text(json.dumps(played))
    (tmp_path / "a/episode.gif").write_bytes(b"GIF89a")
    (tmp_path / "b/episode.json").write_text(
        json.dumps({"experiment": "a2c_cartpole", "session": 0, "note": "no <GL>"})
    )
    episodes = [tmp_path / "a/episode.json", tmp_path / "b/episode.json"]
    write_index([write_suite()], tmp_path / "index.html", episodes=episodes)
    text = (tmp_path / "index.html").read_text()
    assert "ppo_cartpole: return 500.00 in 500 steps, session 2" in text
    assert 'src="data:image/gif;base64,R0lGODlh"' in text
    assert "a2c_cartpole: no &lt;GL&gt;" in text
    assert text.count("<img") == 1
    with pytest.raises(UserError, match=r"episode .*gone\.json is missing"):
        write_index([write_suite()], tmp_path / "index.html", episodes=[tmp_path / "gone.json"])
