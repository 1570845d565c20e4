import json
import logging
import math

import pandas as pd
import pytest

from slm.analysis.metrics import consistency, total_reward_ma
from slm.analysis.statistics import summarise
from slm.analysis.trial import aggregate_trial, write_trial
from slm.errors import UserError

NAN = float("nan")
CHECKPOINT = "frame,total_reward,total_reward_ma,opt_step"
REWARDS = ([10.0, 20.0, 60.0], [20.0, 40.0, 90.0], [NAN, 10.0, 50.0], [0.0, 30.0, 120.0])


def test_scores_and_their_statistics(make_trial):
    trial = make_trial(*REWARDS)
    result, *_ = aggregate_trial(trial.spec, trial.baseline, trial.sessions(4), 4, allow_incomplete=False)
    scores = [30.0, 50.0, 30.0, 50.0]
    summary = summarise(scores)
    assert result["session_scores"] == scores
    assert (result["score"], result["iqm"], result["min"], result["max"]) == (40.0, 40.0, 30.0, 50.0)
    assert (result["ci_low"], result["ci_high"]) == (summary.ci_low, summary.ci_high)
    assert (result["sessions"], result["sessions_asked"], result["missing"]) == (4, 4, [])
    assert (result["frames"], result["opt_step"], result["wall_time_s"]) == (300, 30.0, 11.5)
    assert result["metrics"]["strength"] == pytest.approx((30 + 50 + 30 + 50) / 4)
    assert result["metrics"]["max_strength"] == pytest.approx((60 + 90 + 50 + 120) / 4)
    assert result["metrics"]["consistency"] == consistency(REWARDS)
    assert (result["experiment"], result["trial"], result["spec_name"]) == ("hand", 0, "ppo_hand")
    assert (result["env"], result["algorithm"], result["backend"]) == ("CartPole-v1", "PPO", "eager")
    assert (result["code_fingerprints"], result["git_commits"]) == (["f00d"], ["c0ffee"])


def test_a_score_is_the_moving_average_of_the_training_curve(make_trial):
    rewards = [float(i % 17) for i in range(130)]
    trial = make_trial(rewards)
    result, curve, _ = aggregate_trial(trial.spec, trial.baseline, trial.sessions(1), 1, allow_incomplete=False)
    train = pd.read_csv(trial.session(0) / "train.csv")
    assert result["session_scores"] == [train["total_reward_ma"].iloc[-1]]
    assert result["session_scores"] == [total_reward_ma(train["total_reward"])]
    assert curve["total_reward_ma_session0"].iloc[-1] == result["score"]


def test_one_session_has_a_score_without_an_interval(make_trial):
    trial = make_trial(REWARDS[0])
    result, curve, _ = aggregate_trial(trial.spec, trial.baseline, trial.sessions(1), 1, allow_incomplete=False)
    assert result["score"] == 30.0
    assert math.isnan(result["ci_low"])
    assert result["metrics"]["consistency"] == 1.0
    assert curve["return_mean"].tolist() == REWARDS[0]
    assert curve["return_ci_low"].isna().all()


def test_curve_has_the_mean_over_sessions_that_have_a_return(make_trial):
    trial = make_trial(*REWARDS)
    _, curve, _ = aggregate_trial(trial.spec, trial.baseline, trial.sessions(4), 4, allow_incomplete=False)
    assert curve.columns[:5].tolist() == ["frame", "sessions", "return_mean", "return_ci_low", "return_ci_high"]
    assert curve["frame"].tolist() == [100, 200, 300]
    assert curve["sessions"].tolist() == [3, 4, 4]
    assert curve["return_mean"].tolist() == [10.0, 25.0, 80.0]
    assert curve["return_session1"].tolist() == REWARDS[1]
    assert curve["total_reward_ma_mean"].iloc[-1] == 40.0
    assert (curve["return_ci_low"] < curve["return_mean"]).all()
    assert (curve["return_mean"] < curve["return_ci_high"]).all()


def test_a_session_without_a_score_is_null_and_not_zero(make_trial):
    trial = make_trial([10.0, 20.0], [NAN, NAN], [30.0, 40.0])
    write_trial(trial.spec, trial.baseline, trial.sessions(3), 3, trial.folder, allow_incomplete=False)
    result = json.loads((trial.folder / "trial.json").read_text())
    assert result["session_scores"] == [15.0, None, 35.0]
    assert (result["score"], result["sessions"], result["missing"], result["nan_sessions"]) == (25.0, 2, [], [1])
    curve = pd.read_csv(trial.folder / "curve.csv")
    assert curve["return_session1"].isna().all()
    assert curve["sessions"].tolist() == [2, 2]


def test_a_missing_session_is_an_error_that_names_it(make_trial):
    trial = make_trial(*REWARDS[:2])
    with pytest.raises(UserError, match="session2 is missing"):
        aggregate_trial(trial.spec, trial.baseline, trial.sessions(3), 3, allow_incomplete=False)
    with pytest.raises(UserError, match="session 2 is missing"):
        aggregate_trial(trial.spec, trial.baseline, trial.sessions(2), 3, allow_incomplete=False)


def test_a_missing_session_can_be_counted(make_trial, caplog):
    trial = make_trial(*REWARDS)
    (trial.session(2) / "session.json").unlink()
    with caplog.at_level(logging.WARNING):
        result, curve, _ = aggregate_trial(trial.spec, trial.baseline, trial.sessions(4), 4, allow_incomplete=True)
    assert (result["sessions"], result["sessions_asked"], result["missing"]) == (3, 4, [2])
    assert result["session_scores"] == [30.0, 50.0, None, 50.0]
    assert result["score"] == pytest.approx(130 / 3)
    assert "return_session2" not in curve
    assert "session2" in caplog.text


def test_no_session_at_all_leaves_every_number_empty(make_trial):
    trial = make_trial()
    write_trial(trial.spec, trial.baseline, trial.sessions(2), 2, trial.folder, allow_incomplete=True)
    result = json.loads((trial.folder / "trial.json").read_text())
    assert (result["sessions"], result["missing"], result["score"], result["ci_low"]) == (0, [0, 1], None, None)
    assert result["session_metrics"] == [None, None]
    assert result["notes"] == dict.fromkeys(result["metrics"], "there is no session")
    assert pd.read_csv(trial.folder / "curve.csv").empty


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("session.json", '{"spec_hash": "ha', "session1 is missing or unreadable"),
        ("session.json", "[]", "session.json lacks spec_hash"),
        ("train.csv", "", "session1 is missing or unreadable"),
        ("train.csv", "frame,total_reward,opt_step\n1,2,3\n", "train.csv lacks total_reward_ma"),
        ("eval.csv", f"{CHECKPOINT}\n1,2,2,3\n", "eval.csv lacks source"),
        ("train.csv", f"{CHECKPOINT}\n", "train.csv lacks rows"),
        ("train.csv", f"{CHECKPOINT}\n300,90,49.5,30\n", "50.0 in session.json and 49.5 in the last"),
    ],
)
def test_an_unreadable_session_is_an_error_that_says_why(make_trial, file, content, message):
    trial = make_trial(*REWARDS)
    (trial.session(1) / file).write_text(content)
    with pytest.raises(UserError, match=message):
        aggregate_trial(trial.spec, trial.baseline, trial.sessions(4), 4, allow_incomplete=False)
    result, *_ = aggregate_trial(trial.spec, trial.baseline, trial.sessions(4), 4, allow_incomplete=True)
    assert result["missing"] == [1]


def test_an_interrupted_session_is_not_a_finished_one(make_trial):
    trial = make_trial(*REWARDS)
    trial.change_record(3, state="interrupted")
    with pytest.raises(UserError, match="session3 has not finished: its state is 'interrupted'"):
        aggregate_trial(trial.spec, trial.baseline, trial.sessions(4), 4, allow_incomplete=False)


@pytest.mark.parametrize("allow_incomplete", [False, True])
def test_a_session_of_another_spec_is_always_an_error(make_trial, allow_incomplete):
    trial = make_trial(*REWARDS)
    trial.change_record(2, spec_hash="stale")
    with pytest.raises(UserError, match=r"session 2 .* hash is stale, .* asks for hash2"):
        aggregate_trial(trial.spec, trial.baseline, trial.sessions(4), 4, allow_incomplete)


def test_update_backends_are_not_mixed(make_trial):
    trial = make_trial(*REWARDS)
    trial.change_record(2, backend="compiled")
    with pytest.raises(UserError, match="different update backends: compiled, eager"):
        aggregate_trial(trial.spec, trial.baseline, trial.sessions(4), 4, allow_incomplete=True)


def test_a_trial_is_reproducible_unless_a_session_says_otherwise(make_trial):
    trial = make_trial(*REWARDS)
    arguments = trial.spec, trial.baseline, trial.sessions(4), 4
    assert aggregate_trial(*arguments, allow_incomplete=False)[0]["reproducible"] is True
    trial.change_record(1, reproducible=False)
    assert aggregate_trial(*arguments, allow_incomplete=False)[0]["reproducible"] is False


def test_sessions_made_by_different_code_are_listed(make_trial):
    trial = make_trial(*REWARDS)
    trial.change_record(0, code_fingerprint="beef", versions={"git_commit": None})
    result, *_ = aggregate_trial(trial.spec, trial.baseline, trial.sessions(4), 4, allow_incomplete=False)
    assert result["code_fingerprints"] == ["beef", "f00d"]
    assert result["git_commits"] == ["c0ffee"]


def test_gains_are_measured_over_the_random_agent(make_trial):
    """By hand: gains of 5, 15, 55 and of -5, 25, 115 over a random mean of 5, at frames 100, 200, 300."""
    trial = make_trial(REWARDS[0], REWARDS[3])
    trial.write_baseline(mean=5.0)
    result, *_ = aggregate_trial(trial.spec, trial.baseline, trial.sessions(2), 2, allow_incomplete=False)
    assert result["random_mean"] == 5.0
    first, second = result["session_metrics"]
    assert (first["strength"], first["max_strength"], first["final_strength"]) == (25.0, 55.0, 55.0)
    assert (second["strength"], second["max_strength"], second["final_strength"]) == (45.0, 115.0, 115.0)
    assert first["sample_efficiency"] == pytest.approx((5 / 100 + 15 / 200 + 55 / 300) / 75)
    assert first["training_efficiency"] == pytest.approx((5 / 10 + 15 / 20 + 55 / 30) / 75)
    assert (first["stability"], second["stability"]) == (1.0, 1.0)
    # What session.json holds is measured from 0, and is not what counts.
    assert json.loads((trial.session(0) / "session.json").read_text())["metrics"]["strength"] == 30.0
    for name in first:
        assert result["metrics"][name] == pytest.approx((first[name] + second[name]) / 2)
    assert result["metrics"]["consistency"] == consistency([REWARDS[0], REWARDS[3]], random_mean=5.0)
    assert result["notes"] == {}


def test_a_metric_that_is_undefined_says_why(make_trial):
    trial = make_trial([10.0, 20.0, 0.0], [NAN, NAN, NAN], [NAN, NAN, 30.0], [5.0, 15.0, 40.0])
    trial.write_baseline(mean=10.0)
    write_trial(trial.spec, trial.baseline, trial.sessions(4), 4, trial.folder, allow_incomplete=False)
    result = json.loads((trial.folder / "trial.json").read_text())
    unfinished = "session 1: no episode has finished"
    assert result["notes"] == {
        **dict.fromkeys(("total_reward", "total_reward_ma", "strength", "max_strength", "final_strength"), unfinished),
        "sample_efficiency": f"session 0: the gains sum to 0; {unfinished}",
        "training_efficiency": f"session 0: the gains sum to 0; {unfinished}",
        "stability": f"{unfinished}; session 2: only one checkpoint has a return; session 3: the gains before the last "
        "one sum to 0",
    }
    assert [None if values is None else values["stability"] for values in result["session_metrics"]] == [
        -1.0, None, None, None,
    ]  # fmt: skip
    assert result["metrics"]["stability"] == -1.0


def test_a_trial_without_any_return_says_so(make_trial):
    trial = make_trial([NAN, NAN], [NAN, NAN])
    result, *_ = aggregate_trial(trial.spec, trial.baseline, trial.sessions(2), 2, allow_incomplete=False)
    assert result["notes"]["strength"] == "session 0, 1: no episode has finished"
    assert result["notes"]["consistency"] == "no session has finished an episode"
    assert all(math.isnan(value) for value in result["metrics"].values())


def test_sessions_that_share_no_checkpoint_have_no_consistency(make_trial):
    trial = make_trial([NAN, 20.0], [10.0])
    result, *_ = aggregate_trial(trial.spec, trial.baseline, trial.sessions(2), 2, allow_incomplete=False)
    assert math.isnan(result["metrics"]["consistency"])
    assert result["notes"]["consistency"].startswith("no checkpoint has a return in all sessions")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is missing or unreadable: FileNotFoundError"),
        ("{", "is missing or unreadable: JSONDecodeError"),
        ("[]", "is missing or unreadable: TypeError"),
        ('{"name": "CartPole-v1"}', "is missing or unreadable: KeyError: 'mean'"),
        ('{"name": "CartPole-v1", "mean": null}', "is missing or unreadable: TypeError"),
        ('{"name": "CartPole-v1", "mean": NaN}', "with mean nan; a finite one of 'CartPole-v1' is needed"),
        ('{"name": "Acrobot-v1", "mean": -500}', "is of 'Acrobot-v1' with mean -500.0; a finite one of 'CartPole-v1'"),
    ],
)
def test_a_bad_baseline_is_an_error_that_says_why(make_trial, content, message):
    trial = make_trial(REWARDS[0])
    trial.baseline.unlink()
    if content is not None:
        trial.baseline.write_text(content)
    with pytest.raises(UserError, match=message):
        aggregate_trial(trial.spec, trial.baseline, trial.sessions(1), 1, allow_incomplete=True)


def test_evaluation_score_is_there_where_episodes_were_evaluated(make_trial):
    trial = make_trial(*REWARDS[:2], source="eval")
    result, *_ = aggregate_trial(trial.spec, trial.baseline, trial.sessions(2), 2, allow_incomplete=False)
    assert result["eval_score"] == 40.0


def test_evaluations_inferred_from_training_are_no_second_score(make_trial):
    trial = make_trial(*REWARDS[:2], source="train")
    result, *_ = aggregate_trial(trial.spec, trial.baseline, trial.sessions(2), 2, allow_incomplete=False)
    assert math.isnan(result["eval_score"])


def test_a_spec_that_was_not_planned_is_refused(make_trial):
    trial = make_trial(*REWARDS)
    trial.spec.write_text(json.dumps({"ppo_hand": {}}))
    with pytest.raises(UserError, match=r"not the spec\.json of a planned trial"):
        aggregate_trial(trial.spec, trial.baseline, trial.sessions(4), 4, allow_incomplete=False)


def test_folders_name_their_session(make_trial):
    trial = make_trial(*REWARDS)
    with pytest.raises(UserError, match="session3 is not one of the 3 sessions"):
        aggregate_trial(trial.spec, trial.baseline, trial.sessions(4), 3, allow_incomplete=False)
    with pytest.raises(UserError, match="is named session0, session1"):
        aggregate_trial(trial.spec, trial.baseline, [trial.folder / "run"], 1, allow_incomplete=False)


def test_same_sessions_same_bytes(make_trial, tmp_path):
    trial = make_trial(*REWARDS)
    for out in ("a", "b"):
        write_trial(trial.spec, trial.baseline, trial.sessions(4), 4, tmp_path / out, allow_incomplete=False)
    for name in ("trial.json", "curve.csv", "timing.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["curve.csv", "timing.csv", "trial.json"]


def test_timing_is_the_mean_over_sessions(make_trial):
    trial = make_trial([10.0, 20.0], [10.0, 20.0, 30.0])
    *_, timing = aggregate_trial(trial.spec, trial.baseline, trial.sessions(2), 2, allow_incomplete=False)
    assert timing["frame"].tolist() == [100, 200, 300]
    assert timing["wall_t_mean"].tolist() == [10.5, 20.5, 31.0]
