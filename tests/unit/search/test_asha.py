"""Early stopping on a synthetic objective with a known best: decisions, their record, and kills at any time."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from asha_workers import CODE, LOG_FREQUENCY, MAX_FRAME, SCHEDULER, SEARCH, early_stopping, score, start, train

from slm.asha import GO, STOP, Decision, EarlyStopping, is_promoted, read_decisions, read_records
from slm.spec import SearchSchedulerSpec

TRIALS = range(1, 17)
BEST = 4


def replay(rows: list[Decision]) -> list[str]:
    """The decisions of a log, made again from its scores and their order alone, after the paper's rule.

    A score goes on if it is among the best ⌊n / η⌋ of the n that have reached its rung, but the best of fewer than η
    always does.
    """
    reached: dict[tuple[int, int], list[float]] = {}
    decisions = []
    for row in sorted(rows, key=lambda row: row.sequence):
        scores = reached.setdefault((row.bracket, row.rung), [])
        scores.append(row.score)
        better = sum(other > row.score for other in scores)
        decisions.append(GO if better < max(1, len(scores) // SCHEDULER.reduction_factor) else STOP)
    return decisions


def check_log(folder: Path) -> list[Decision]:
    """What must hold of every log: whole, each rung decided once, on the scores of the curves, as a replay decides."""
    rows = read_records(folder)
    assert [row.sequence for row in rows] == list(range(1, len(rows) + 1))
    assert len({(row.trial, row.rung) for row in rows}) == len(rows)
    assert all(row.score == score(row.trial, row.frame) for row in rows)
    assert [row.decision for row in rows] == replay(rows)
    for trial in TRIALS:
        own = [row for row in rows if row.trial == trial]
        assert [row.rung for row in own] == list(range(len(own)))
        assert all(row.decision == GO for row in own[:-1])
    return rows


def test_one_worker(tmp_path: Path) -> None:
    frames = {trial: train(tmp_path, trial) for trial in TRIALS}
    rows = check_log(tmp_path)
    assert frames[BEST] == MAX_FRAME
    assert sum(frames.values()) < len(TRIALS) * MAX_FRAME / 2
    stopped = {row.trial for row in rows if row.decision == STOP}
    assert stopped == {trial for trial, frame in frames.items() if frame < MAX_FRAME}


@pytest.mark.slow
def test_four_workers(tmp_path: Path) -> None:
    workers = [start(tmp_path, TRIALS[i::4]) for i in range(4)]
    assert [worker.wait() for worker in workers] == [0] * 4
    rows = check_log(tmp_path)
    assert {row.trial for row in rows} == set(TRIALS)
    assert [row for row in rows if row.trial == BEST][-1].decision == GO


def test_rungs_are_decided_at_the_first_log_checkpoint_that_reaches_them(tmp_path: Path) -> None:
    train(tmp_path, BEST)
    rows = read_records(tmp_path)
    assert [row.resource for row in rows] == [100, 300, 900, 2700]
    assert all(row.resource <= row.frame < row.resource + LOG_FREQUENCY for row in rows)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "when"), [(1, "before"), (1, "after"), (2, "before"), (3, "after")])
def test_a_kill_at_a_record_changes_no_decision(tmp_path: Path, number: int, when: str) -> None:
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    for trial in (3, BEST, 6):
        train(undisturbed, trial)
        # A trial that is stopped at its first rung writes one record, and the others can't die.
        assert start(disturbed, [trial], str(number), when).wait() == (0 if trial == 6 and number > 1 else -9)
        before = read_records(disturbed)
        train(disturbed, trial)
        assert read_records(disturbed)[: len(before)] == before
    assert read_records(disturbed) == read_records(undisturbed)


@pytest.mark.slow
def test_kills_under_four_workers_leave_a_whole_log(tmp_path: Path) -> None:
    for number in (1, 3):
        workers = [start(tmp_path, TRIALS[i::4], str(number + i % 2), "after") for i in range(4)]
        for worker in workers:
            worker.wait()
        before = read_records(tmp_path)
        again = [start(tmp_path, TRIALS[i::4][:number]) for i in range(4)]
        assert [worker.wait() for worker in again] == [0] * 4
        assert set(before) <= set(read_records(tmp_path))
    for trial in TRIALS:
        train(tmp_path, trial)
    check_log(tmp_path)


def test_a_session_that_is_trained_again_asks_nothing(tmp_path: Path) -> None:
    frames = [train(tmp_path, trial) for trial in TRIALS]
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.csv")}
    assert [train(tmp_path, trial) for trial in TRIALS] == frames
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.csv")} == before


def test_records_are_rebuilt_from_what_was_published(tmp_path: Path) -> None:
    for trial in TRIALS[:-1]:
        train(tmp_path / "first", trial)
    published = [tmp_path / f"published{trial}.csv" for trial in TRIALS[:-1]]
    for trial, path in zip(TRIALS, published, strict=False):
        path.write_bytes(early_stopping(tmp_path / "first", trial).publish())
    stopping = early_stopping(tmp_path / "second", TRIALS[-1])
    stopping.restore([*published, tmp_path / "absent.csv"])
    assert read_records(tmp_path / "second") == read_records(tmp_path / "first")
    EarlyStopping(tmp_path / "third", 1, SCHEDULER, "another search", CODE).restore(published)
    assert read_records(tmp_path / "third") == []


def test_other_code_asks_again_and_keeps_what_was_decided(tmp_path: Path) -> None:
    train(tmp_path, BEST)
    before = read_records(tmp_path)
    newer = EarlyStopping(tmp_path, BEST, SCHEDULER, SEARCH, "newer code")
    assert not newer.stops(100, 1.0)
    assert read_records(tmp_path)[: len(before)] == before
    # Its old score at this rung does not compete with its new one, nor the old one with other trials'.
    assert read_records(tmp_path)[-1].reached == 1
    assert not early_stopping(tmp_path, 5).stops(100, 2.0)
    assert read_records(tmp_path)[-1].reached == 2


def test_a_session_without_a_score_goes_on_and_competes_with_nobody(tmp_path: Path) -> None:
    assert not early_stopping(tmp_path, 1).stops(100, math.nan)
    assert not early_stopping(tmp_path, 2).stops(100, -5.0)
    first, second = read_records(tmp_path)
    assert (first.decision, first.rank, first.reached) == (GO, 0, 0)
    assert (second.decision, second.rank, second.reached) == (GO, 1, 1)


def test_brackets_begin_one_rung_later_and_compete_among_themselves(tmp_path: Path) -> None:
    scheduler = SearchSchedulerSpec(grace_period=100, reduction_factor=3, brackets=2)
    for trial, value in ((1, 9.0), (2, 1.0), (3, 5.0), (4, 2.0)):
        early_stopping(tmp_path, trial, scheduler).stops(300, value)
    rows = read_records(tmp_path)
    assert [(row.trial, row.bracket, row.rung, row.resource) for row in rows] == [
        (1, 0, 0, 100), (1, 0, 1, 300), (2, 1, 0, 300), (3, 0, 0, 100), (4, 1, 0, 300),
    ]  # fmt: skip
    assert [row.decision for row in rows] == [GO, GO, GO, STOP, GO]


@pytest.mark.parametrize(("score_", "goes"), [(8.0, True), (7.0, True), (6.9, False)])
def test_a_tie_with_the_last_that_is_promoted_goes_on(score_: float, goes: bool) -> None:
    assert is_promoted(score_, [1.0, 9.0, 7.0, 2.0, 3.0], resource=100, reduction_factor=3) is goes


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "trial1.csv").write_text("sequence,trial\n1,x\n")
    with pytest.raises(ValueError, match=r"trial1\.csv is no record of decisions"):
        read_decisions(tmp_path / "trial1.csv")
