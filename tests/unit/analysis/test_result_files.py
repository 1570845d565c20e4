import json
import os
import stat

import pandas as pd
import pytest

from slm.analysis.files import write_csv, write_json, write_text


def test_nan_and_infinity_become_null(tmp_path):
    write_json(tmp_path / "a.json", {"x": float("nan"), "y": [float("inf"), 0.1 + 0.2], "z": {"w": float("nan")}})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": None, "y": [None, 0.1 + 0.2], "z": {"w": None}}


def test_floats_survive_a_table(tmp_path):
    values = [0.1 + 0.2, 1e-300, -1 / 3]
    write_csv(tmp_path / "a.csv", pd.DataFrame({"x": values}))
    assert pd.read_csv(tmp_path / "a.csv")["x"].tolist() == values


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing_behind(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_results_have_the_permissions_of_ordinary_files(tmp_path):
    write_text(tmp_path / "new" / "a.txt", "text")
    (tmp_path / "plain.txt").write_text("text")
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new" / "a.txt", tmp_path / "plain.txt")]
    assert modes[0] == modes[1]
