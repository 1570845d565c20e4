import json
import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from slm.errors import UserError
from slm.report.index import suite_title, write_index
from slm.report.suite import write_table

FILES = ["curves.svg", "table.csv", "table.html", "table.md"]
VOID = {"meta", "link", "br", "img"}


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


def test_a_suite_is_four_files(write_suite):
    folder = write_suite()
    assert sorted(path.name for path in folder.iterdir()) == FILES


def test_same_results_same_bytes(write_suite, tmp_path):
    first = {name: (write_suite() / name).read_bytes() for name in FILES}
    assert {name: (write_suite() / name).read_bytes() for name in FILES} == first


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
    assert all(reference.startswith("#") or reference == "data:," for reference in page.references)
    assert "<h2>Demo</h2>" in text
    assert "<h2>MuJoCo</h2>" in text
    assert text.count("<svg") == 2


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
    with pytest.raises(UserError, match="nowhere holds no table"):
        write_index([tmp_path / "nowhere"], tmp_path / "index.html")
    sheet = tmp_path / "rows.json"
    sheet.write_text("[]")
    with pytest.raises(UserError, match=r"rows\.json is not a sheet"):
        write_table(sheet, tmp_path / "out")
    sheet.write_text(json.dumps({"suite": "demo", "rows": [make_row(curve_csv="/no/curve.csv")]}))
    with pytest.raises(UserError, match=r"curve /no/curve\.csv is missing"):
        write_table(sheet, tmp_path / "out")
