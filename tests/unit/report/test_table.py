import pandas as pd
import pytest

from slm.errors import UserError
from slm.report.table import (
    HOGWILD,
    benchmark_table,
    best_rows,
    display_table,
    latex_table,
    markdown_table,
    read_table,
)

CONTRACT = [
    *("env", "algorithm", "experiment", "score", "ci_low", "ci_high", "iqm", "min", "max", "sessions"),
    *("sessions_asked", "frames", "wall_time_s", "target", "status", "published", "difference", "verdict"),
]
NO_SCORE = dict.fromkeys(("score", "ci_low", "ci_high", "iqm", "min", "max"))


def test_columns_are_the_contract_and_further_ones(make_row):
    assert benchmark_table([make_row()]).columns.tolist() == [*CONTRACT, "random", "normalised", "note"]


def test_a_row_stands_beside_target_and_published_score(make_row):
    row = benchmark_table([make_row()]).iloc[0]
    assert row["score"] == 495.125
    assert row["difference"] == 495.125 - 498.94
    assert (row["status"], row["verdict"], row["note"]) == ("✅", "reproduced", "")
    assert (row["sessions"], row["sessions_asked"], row["frames"]) == (4, 4, 200000)


def test_a_row_that_was_not_run_says_so(make_row):
    row = benchmark_table([make_row(trial=None)]).iloc[0]
    assert (row["verdict"], row["status"], row["sessions"], row["sessions_asked"]) == ("not run", "", 0, 4)
    assert row[["score", "ci_low", "frames", "wall_time_s", "difference"]].isna().all()


def test_a_trial_without_any_session_was_not_run(make_row):
    trial = NO_SCORE | {"sessions": 0, "missing": [0, 1, 2, 3], "frames": 0, "wall_time_s": None}
    row = benchmark_table([make_row(trial=trial)]).iloc[0]
    assert (row["verdict"], row["sessions"], row["note"]) == ("not run", 0, "missing: session 0, 1, 2, 3")
    assert row[["score", "frames"]].isna().all()


def test_missing_sessions_and_sessions_without_a_score_are_shown(make_row):
    row = benchmark_table([make_row(trial={"sessions": 2, "missing": [1], "nan_sessions": [3]})]).iloc[0]
    assert (row["sessions"], row["sessions_asked"]) == (2, 4)
    assert row["note"] == "missing: session 1; no score: session 3"


def test_sessions_that_never_finished_an_episode_decide_nothing(make_row):
    trial = NO_SCORE | {"sessions": 0, "nan_sessions": [0, 1, 2, 3]}
    row = benchmark_table([make_row(trial=trial)]).iloc[0]
    assert (row["verdict"], row["status"], row["sessions"]) == ("undecided", "", 0)
    assert pd.isna(row["score"])
    assert pd.isna(row["difference"])


def test_one_session_decides_nothing(make_row):
    trial = {"sessions": 1, "sessions_asked": 1, "ci_low": None, "ci_high": None}
    row = benchmark_table([make_row(trial=trial, sessions_asked=1)]).iloc[0]
    assert (row["score"], row["verdict"]) == (495.125, "undecided")


def test_rows_of_mixed_code_are_marked(make_row):
    table = benchmark_table([make_row(trial={"code_fingerprints": ["beef", "f00d"]})])
    assert table["note"].tolist() == ["mixed code"]


def test_rows_of_hogwild_workers_are_marked(make_row):
    table = benchmark_table([make_row("a3c", {"reproducible": False}), make_row("a2c", {"reproducible": True})])
    assert table["note"].tolist() == [HOGWILD, ""]
    assert "not bit-reproducible" in HOGWILD
    assert table["algorithm"].tolist() == ["PPO", "PPO"]
    assert display_table(table)["algorithm"].tolist() == ["PPO †", "PPO"]


def test_nothing_published_gives_no_difference(make_row):
    row = benchmark_table([make_row(published=None, target=None)]).iloc[0]
    assert (row["status"], row["verdict"]) == ("", "undecided")
    assert row[["published", "difference", "target"]].isna().all()


def test_the_random_agent_measures_the_way_to_the_target(make_row):
    trial = {"score": -170.0, "ci_low": -175.0, "ci_high": -165.0, "random_mean": -500.0}
    near = benchmark_table([make_row(trial=trial, target=-100.0, published=-80.0)])
    unknown = benchmark_table([make_row(trial=trial | {"random_mean": None}, target=-100.0, published=-80.0)])
    assert (near["status"].iloc[0], unknown["status"].iloc[0]) == ("⚠️", "❌")


def test_a_score_is_normalised_between_random_and_published(make_row):
    trial = {"score": 320.0, "random_mean": 20.0}
    row = benchmark_table([make_row(trial=trial, published=420.0)]).iloc[0]
    assert (row["random"], row["normalised"], row["note"]) == (20.0, 0.75, "")
    falling = {"score": -400.0, "random_mean": -500.0}
    assert benchmark_table([make_row(trial=falling, published=-100.0)])["normalised"].tolist() == [0.25]


@pytest.mark.parametrize(
    ("trial", "published"),
    [(NO_SCORE, 400.0), ({"random_mean": None}, 400.0), ({}, None), ({"random_mean": 0.0}, 0.0), (None, 400.0)],
)
def test_a_score_that_cannot_be_normalised(make_row, trial, published):
    assert benchmark_table([make_row(trial=trial, published=published)])["normalised"].isna().all()


def test_a_published_score_that_random_play_has_is_marked(make_row):
    table = benchmark_table([make_row(trial={"random_mean": 0.0}, published=0.0)])
    assert table["note"].tolist() == ["not normalised: random play has the published score"]


def test_the_verdict_needs_an_interval_that_is_narrow_beside_the_way_from_random(make_row):
    trial = {"score": 30.0, "ci_low": 25.0, "ci_high": 35.0}
    rows = [make_row(str(mean), trial=trial | {"random_mean": mean}, published=30.0) for mean in (0.0, 20.0)]
    assert benchmark_table(rows)["verdict"].tolist() == ["reproduced", "undecided"]


def test_an_unreadable_trial_is_named(make_row):
    with pytest.raises(UserError, match=r"trial /no/trial\.json is missing or unreadable"):
        benchmark_table([make_row(trial_json="/no/trial.json")])


def test_best_score_of_each_environment_ties_included(make_row):
    scores = [("CartPole-v1", 400.0), ("CartPole-v1", 500.0), ("Acrobot-v1", -90.0), ("CartPole-v1", 500.0)]
    rows = [make_row(f"row{i}", trial={"score": score}, env=env) for i, (env, score) in enumerate(scores)]
    table = benchmark_table([*rows, make_row("unrun", trial=None, env="Pendulum-v1")])
    assert best_rows(table) == [1, 2, 3]


def test_numbers_are_rounded_for_readers(make_row):
    shown = display_table(benchmark_table([make_row()])).iloc[0]
    assert (shown["score"], shown["95% CI"], shown["min to max"]) == ("495.12", "480.00 to 499.50", "470.00 to 500.00")
    assert (shown["sessions"], shown["frames"], shown["wall time"]) == ("4/4", "200,000", "1:02:05")
    assert (shown["difference"], shown["random"], shown["normalised"]) == ("-3.81", "20.00", "0.99")
    unrun = display_table(benchmark_table([make_row(trial=None)])).iloc[0]
    assert (unrun["score"], unrun["95% CI"], unrun["sessions"], unrun["frames"]) == ("—", "—", "0/4", "—")


def test_nearly_zero_has_no_sign(make_row):
    row = make_row(trial={"score": 19.9, "random_mean": 20.0})
    assert display_table(benchmark_table([row]))["normalised"].tolist() == ["0.00"]


def test_thousands_have_no_decimals(make_row):
    row = make_row(trial={"score": 12345.6, "ci_low": -1234.5}, published=10000.0)
    shown = display_table(benchmark_table([row])).iloc[0]
    assert (shown["score"], shown["95% CI"], shown["difference"]) == ("12,346", "-1,234 to 499.50", "+2,346")


def test_markdown_has_one_line_per_row_and_the_best_in_bold(make_row):
    rows = [make_row("a"), make_row("b|c", trial={"score": 300.0}, algorithm="A2C"), make_row("d", trial=None)]
    lines = markdown_table(benchmark_table(rows)).splitlines()
    assert len(lines) == 5
    assert "| **495.12** |" in lines[2]
    assert "| 300.00 |" in lines[3]
    assert "b\\|c" in lines[3]
    assert "| not run |" in lines[4]
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1


def test_a_table_survives_its_file(make_row, tmp_path):
    table = benchmark_table([make_row(), make_row("other", trial=None, published=None)])
    table.to_csv(tmp_path / "table.csv", index=False)
    pd.testing.assert_frame_equal(read_table(tmp_path / "table.csv"), table)


def test_latex_is_a_booktabs_table_with_the_best_in_bold_and_special_characters_escaped(make_row):
    rows = [make_row("a_b"), make_row("c&d", trial={"score": -3.5}, algorithm="50%"), make_row("e", trial=None)]
    text = latex_table(benchmark_table(rows), "Classic_control")
    lines = text.splitlines()
    body = lines[lines.index(r"\midrule") + 1 : lines.index(r"\bottomrule")]
    assert len(body) == 3
    columns = text.split(r"\begin{tabular}{")[1].split("}")[0]
    assert {line.replace(r"\&", "").count(" & ") for line in body} == {len(columns) - 1}
    assert r"& \textbf{495.12} & 480.00 to 499.50 &" in body[0]
    assert r"\checkmark" in body[0]
    assert r"a\_b \\" in body[0]
    assert r"& 50\% & $-$3.50 &" in body[1]
    assert r"c\&d \\" in body[1]
    assert "& --- &" in body[2]
    assert r"\caption{Classic\_control}" in text
