"""Tables that grow by rows, and moving averages."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slm.records import WINDOW, MovingAverage, Table


@pytest.fixture
def table(tmp_path: Path) -> Table:
    made = Table(tmp_path / "t.csv", ["frame", "score"])
    made.start()
    return made


def rows_of(path: Path) -> list[list[str]]:
    return list(csv.reader(path.open(newline="")))


FLOATS = [0.1, 1 / 3, 1e-300, 5e-324, 123456789.123456789, -0.0, 1e22, float(np.float32(0.1)), math.inf, -math.inf]


def test_floats_round_trip(table: Table) -> None:
    for value in FLOATS:
        table.append({"frame": 1, "score": value})
    table.append({"score": np.float64(1 / 3), "frame": np.int64(2)})
    table.append({"score": math.nan, "frame": 3})
    table.sync()
    header, *rows = rows_of(table.path)
    assert header == ["frame", "score"]
    assert [float(row[1]) for row in rows[:-2]] == FLOATS
    assert rows[-2] == ["2", repr(1 / 3)]
    assert math.isnan(float(rows[-1][1]))


@given(st.floats(allow_nan=False))
def test_any_float_round_trips(tmp_path_factory: pytest.TempPathFactory, value: float) -> None:
    made = Table(tmp_path_factory.getbasetemp() / "any.csv", ["x"])
    made.start()
    made.append({"x": value})
    made.close()
    assert float(rows_of(made.path)[1][0]).hex() == value.hex()


def test_resume_truncates(table: Table) -> None:
    table.append({"frame": 1, "score": 0.5})
    length = table.sync()
    table.append({"frame": 2, "score": 0.5})
    table.close()
    with table.path.open("a") as file:
        file.write("3,0.")  # a row cut short by a crash
    table.resume(length)
    table.append({"frame": 4, "score": 1.0})
    table.close()
    assert rows_of(table.path) == [["frame", "score"], ["1", "0.5"], ["4", "1.0"]]


def test_resume_refuses_a_file_that_lacks_rows(table: Table) -> None:
    table.append({"frame": 1, "score": 0.5})
    length = table.sync()
    table.close()
    table.path.write_text("frame,score\n")
    with pytest.raises(ValueError, match="shorter than the checkpoint says"):
        table.resume(length)
    table.path.unlink()
    with pytest.raises(FileNotFoundError):
        table.resume(length)


def test_start_begins_anew(table: Table) -> None:
    table.append({"frame": 1, "score": 0.5})
    table.close()
    table.start()
    table.close()
    assert rows_of(table.path) == [["frame", "score"]]


def test_row_without_a_column_is_an_error(table: Table) -> None:
    with pytest.raises(KeyError, match="score"):
        table.append({"frame": 1})


def test_moving_average_skips_nan() -> None:
    average = MovingAverage()
    assert math.isnan(average.add(math.nan))
    assert average.add(4.0) == 4.0
    assert average.add(math.nan) == 4.0
    assert average.add(8.0) == 6.0


def test_moving_average_is_of_the_last_100_rows() -> None:
    average = MovingAverage()
    found = [average.add(float(value)) for value in range(WINDOW + 20)]
    assert WINDOW == 100
    assert found[:3] == [0.0, 0.5, 1.0]
    assert found[-1] == np.mean(np.arange(20, 120))


def test_nan_rows_count_as_rows_of_the_window() -> None:
    average = MovingAverage()
    average.add(1000.0)
    for _ in range(WINDOW - 1):
        average.add(math.nan)
    assert math.isnan(average.add(math.nan)), "the only score has left the window"


def test_restored_average_goes_on_alike() -> None:
    average, other = MovingAverage(), MovingAverage()
    for value in range(130):
        average.add(float(value))
    other.restore(average.state())
    assert average.add(7.0) == other.add(7.0)
    assert other.state() == average.state()
