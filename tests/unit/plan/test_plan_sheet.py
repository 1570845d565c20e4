"""The sample sheet: what it says, and what each mistake is answered with."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slm.errors import UserError
from slm.plan import parse_variables, read_sheet
from slm.plan.sheet import name_suffix

WriteSheet = Callable[..., Path]


def test_a_row_is_read_with_its_types(write_sheet: WriteSheet, sheet_schema: dict[str, Any]) -> None:
    path = write_sheet({"suites": "demo, box2d", "variables": "env=A-v1; max_frame=3e5", "target": "-1.5e2"})
    (row,) = read_sheet(path, sheet_schema)
    assert row.suites == ("demo", "box2d")
    assert row.variables == {"env": "A-v1", "max_frame": "3e5"}
    assert (row.target, row.published, row.source) == (-150.0, None, None)
    assert row.where == f"{path} line 2"


def test_blank_lines_windows_line_ends_and_a_byte_order_mark_are_no_rows(
    write_sheet: WriteSheet, sheet_schema: dict[str, Any]
) -> None:
    path = write_sheet({}, {"experiment": "other"})
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n") + b"\t\t\r\n\r\n")
    assert [row.experiment for row in read_sheet(path, sheet_schema)] == ["tiny", "other"]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"suites": "clasic_control"}, "suites: 'clasic_control' is not allowed (nearest: 'classic_control')"),
        ({"suites": "custom"}, "suites: 'custom' is not allowed; allowed: demo, classic_control"),
        ({"suites": " , "}, "suites: must not be empty"),
        ({"experiment": ""}, "'experiment' is missing"),
        ({"experiment": "../up"}, "experiment: '../up' is not allowed; an experiment's name is a part of result paths"),
        ({"experiment": ".hidden"}, "experiment: '.hidden' is not allowed"),
        ({"experiment": "a b"}, "experiment: 'a b' is not allowed"),
        ({"env": ""}, "'env' is missing"),
        ({"spec_file": ""}, "'spec_file' is missing"),
        ({"spec_name": ""}, "'spec_name' is missing"),
        ({"mode": ""}, "'mode' is missing"),
        ({"mode": "enjoy"}, "mode: 'enjoy' is not allowed; allowed: train, search"),
        ({"target": "high"}, "target: 'high' is not allowed; it must be a number, or empty"),
        ({"published": "nan"}, "published: 'nan' is not allowed; it must be a number, or empty"),
        ({"variables": "env"}, "variables: 'env' is not allowed in 'env'; write name=value;name=value"),
        ({"variables": "env="}, "variables: 'env=' is not allowed"),
        ({"variables": "a=1;a=2"}, "variables: 'a' is set twice in 'a=1;a=2'"),
    ],
)
def test_a_mistake_in_a_row_is_named_with_its_line(
    write_sheet: WriteSheet, sheet_schema: dict[str, Any], cells: dict[str, str], message: str
) -> None:
    path = write_sheet({"experiment": "first"}, cells)
    with pytest.raises(UserError, match=rf"sheet\.tsv line 3: {re.escape(message)}"):
        read_sheet(path, sheet_schema)


def test_an_experiment_has_one_row(write_sheet: WriteSheet, sheet_schema: dict[str, Any]) -> None:
    path = write_sheet({}, {})
    with pytest.raises(UserError, match=r"line 3: experiment 'tiny' is already in .* line 2"):
        read_sheet(path, sheet_schema)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("algorithm", "algoritm", r"unknown column 'algoritm' \(nearest: 'algorithm'\); columns: suites, experiment"),
        ("\tsource", "", "column 'source' is missing"),
        ("source", "mode", "column 'source' is missing"),
        ("suites\t", "suites\tsuites\t", "a column stands twice in the header"),
        ("train\t", "train\t\t\t", "line 2: 13 cells for 11 columns"),
    ],
)
def test_a_mistake_in_the_columns_is_named(
    write_sheet: WriteSheet, sheet_schema: dict[str, Any], old: str, new: str, message: str
) -> None:
    path = write_sheet({})
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(UserError, match=message):
        read_sheet(path, sheet_schema)


def test_an_unreadable_sheet_is_named(tmp_path: Path, sheet_schema: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"sheet: cannot read '.*absent\.tsv'"):
        read_sheet(tmp_path / "absent.tsv", sheet_schema)


def test_variables_may_hold_equals_signs_and_slashes() -> None:
    assert parse_variables("env=ALE/Pong-v5;a=b=c;", "here") == {"env": "ALE/Pong-v5", "a": "b=c"}
    assert parse_variables("", "here") == {}


@pytest.mark.parametrize(
    ("variables", "suffix"),
    [
        ({}, ""),
        ({"max_frame": "1"}, ""),
        ({"env": "ALE/Pong-v5"}, "_pong"),
        ({"env": "Hopper-v5"}, "_hopper"),
        ({"env": "LunarLanderContinuous-v3"}, "_lunarlandercontinuous"),
    ],
)
def test_the_environment_names_the_experiment(variables: dict[str, str], suffix: str) -> None:
    assert name_suffix(variables) == suffix
