"""Random streams: a pure function of seed, trial and session, and independent of each other."""

import itertools
import json

import numpy as np
import pytest
from scipy.stats import pearsonr

from slm.streams import Streams, make_streams


def fingerprint(streams: Streams) -> str:
    """All that a session's randomness starts from."""
    seeds, rng = streams.evaluation_at(1000, 2)
    numbers = [generator.integers(2**60, size=3).tolist() for generator in (streams.policy, streams.replay, rng)]
    return json.dumps([streams.env_seeds, streams.init_seed, seeds, numbers])


def test_streams_are_a_pure_function() -> None:
    np.random.default_rng(1).random()
    assert fingerprint(make_streams(7, 2, 3, 4)) == fingerprint(make_streams(7, 2, 3, 4))


def test_no_seed_is_seed_zero() -> None:
    assert fingerprint(make_streams(None, 0, 1, 4)) == fingerprint(make_streams(0, 0, 1, 4))


def test_every_argument_counts() -> None:
    settings = list(itertools.product((0, 1, 2**40), (0, 1, 5), (0, 1, 5)))
    assert len({fingerprint(make_streams(*setting, num_envs=2)) for setting in settings}) == len(settings)


def test_trial_and_session_do_not_mix() -> None:
    assert fingerprint(make_streams(0, 1, 0, 2)) != fingerprint(make_streams(0, 0, 1, 2))


def test_one_session_has_many_different_numbers() -> None:
    streams = make_streams(0, 0, 0, 8)
    seeds, rng = streams.evaluation_at(100, 8)
    assert len({*streams.env_seeds, *seeds, streams.init_seed}) == 17
    draws = [generator.random(2000) for generator in (streams.policy, streams.replay, rng)]
    for one, other in itertools.combinations(draws, 2):
        assert abs(pearsonr(one, other).statistic) < 0.08


def test_seeds_are_in_the_range_that_all_simulators_accept() -> None:
    for session in range(50):
        streams = make_streams(3, 0, session, 16)
        assert len(set(streams.env_seeds)) == 16
        for seed in [*streams.env_seeds, streams.init_seed, *streams.evaluation_at(5, 4)[0]]:
            assert type(seed) is int
            assert 0 <= seed < 2**31


def test_more_environments_keep_the_first_seeds() -> None:
    assert make_streams(0, 0, 0, 8).env_seeds[:4] == make_streams(0, 0, 0, 4).env_seeds


def test_evaluation_moves_no_stream() -> None:
    streams, untouched = make_streams(0, 0, 0, 2), make_streams(0, 0, 0, 2)
    first = streams.evaluation_at(500, 3)
    first[1].random(100)
    streams.evaluation_at(600, 3)
    again = streams.evaluation_at(500, 3)
    assert first[0] == again[0]
    assert again[1].random() == make_streams(0, 0, 0, 2).evaluation_at(500, 3)[1].random()
    assert streams.state() == untouched.state()


def test_each_evaluation_has_a_stream_of_its_own() -> None:
    streams = make_streams(0, 0, 0, 2)
    assert len({tuple(streams.evaluation_at(frame, 3)[0]) for frame in range(100, 2000, 100)}) == 19


@pytest.mark.parametrize("count", [0, 5])
def test_restored_streams_go_on_alike(count: int) -> None:
    streams = make_streams(1, 0, 0, 2)
    for _ in range(count):
        streams.policy.standard_normal(3)
        streams.replay.permutation(7)
    other = make_streams(9, 9, 9, 2)
    other.restore(streams.state())
    np.testing.assert_array_equal(streams.policy.random(5), other.policy.random(5))
    np.testing.assert_array_equal(streams.replay.permutation(50), other.replay.permutation(50))
