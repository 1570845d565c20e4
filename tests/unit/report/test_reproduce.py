import pytest

from slm.cli import main
from slm.report.reproduce import compare


def record(number, score, processor="Abacus 3000", torch="2.13.0", digest="d"):
    return {
        "session": number,
        "backend": "eager",
        "code_fingerprint": "f00d",
        "processor": processor,
        "versions": {"torch": torch},
        "metrics": {"total_reward_ma": score},
        "sha256": {"train.csv": f"{digest}{number}", "model.pt": f"{digest}{number}"},
    }


def records(scores, **changes):
    return [record(number, score, **changes) for number, score in enumerate(scores)]


SCORES = [400.0, 420.0, 410.0, 430.0]


def test_the_same_bytes_are_a_reproduction_on_any_machine():
    result = compare(records(SCORES), records(SCORES, processor="Babbage 1"))
    assert result.reproduced
    assert result.lines[-1] == "reproduced byte for byte"


def test_other_bytes_on_the_same_machine_are_none_however_close_the_scores():
    rerun = records(SCORES)
    rerun[2]["sha256"]["model.pt"] = "other"
    result = compare(records(SCORES), rerun)
    assert not result.reproduced
    assert result.lines[2] == "session 2: differs in model.pt"
    assert "other bytes" in result.lines[-1]


@pytest.mark.parametrize(("shift", "same"), [(2.0, True), (-200.0, False)])
def test_on_another_machine_the_scores_decide(shift, same):
    rerun = records([score + shift for score in SCORES], processor="Babbage 1", digest="e")
    result = compare(records(SCORES), rerun)
    assert result.reproduced == same
    assert "processor was Abacus 3000, is Babbage 1" in result.lines[-2]
    # Of the 70 ways to split eight scores, two are as extreme as a complete separation.
    assert ("p = 0.029" in result.lines[-1]) != same


def test_few_sessions_are_said_to_decide_little():
    result = compare(records(SCORES[:2]), records([0.0, 1.0], torch="2.14.0", digest="e"))
    assert "too few sessions" in result.lines[-1]


def test_sessions_without_a_score_decide_nothing():
    result = compare(records([None, 1.0]), records([None, 1.0], torch="2.14.0", digest="e"))
    assert not result.reproduced
    assert "not decided" in result.lines[-1]


def test_rows_that_are_not_there_or_were_not_run(tmp_path, monkeypatch, capsys):
    from hand_made import ROOT

    monkeypatch.chdir(ROOT)
    assert main(["reproduce", "ppo_cartpol", "--docs", str(tmp_path)]) == 2
    assert "nearest: 'ppo_cartpole'" in capsys.readouterr().err
    assert main(["reproduce", "ppo_cartpole", "--docs", str(tmp_path)]) == 2
    assert "was not run" in capsys.readouterr().err
    folder = tmp_path / "benchmarks/classic_control/ppo_cartpole"
    folder.mkdir(parents=True)
    (folder / "trial.json").write_text("{}")
    assert main(["reproduce", "ppo_cartpole", "--docs", str(tmp_path)]) == 2
    assert "has no sessions of it" in capsys.readouterr().err
