"""Atari games: preprocessing, scores over all lives, what the learner sees, and exact restoring."""

from collections.abc import Callable
from itertools import pairwise

import ale_py
import numpy as np
import pytest
from ale_py.vector_env import AtariVectorEnv

from slm.checkpoint import from_bytes, to_bytes
from slm.env import Step, World
from slm.env.atari import AtariGame
from slm.env.make import make_env
from slm.evaluation import Evaluator
from slm.spec import EnvSpec
from slm.streams import make_streams

BREAKOUT, PONG = "ALE/Breakout-v5", "ALE/Pong-v5"
FIRE = 1


def spec(name: str, **keys: object) -> EnvSpec:
    return EnvSpec.model_validate({"name": name, "max_frame": 1, "clip_obs": None, "clip_reward": None, **keys})


def game(name: str, **keys: object) -> AtariGame:
    env = make_env(spec(name, **keys))
    assert isinstance(env, AtariGame)
    return env


def scripted(step: int, num_envs: int = 1) -> np.ndarray:
    """Fire, then wander: scores in Breakout, and loses all its lives within some 300 steps."""
    return (np.arange(num_envs) + np.array([FIRE, 2, 2, 0, 3, 3, 0, FIRE])[step % 8]) % 4


@pytest.mark.parametrize(("name", "rom"), [(BREAKOUT, "breakout"), (PONG, "pong"), ("ALE/MsPacman-v5", "ms_pacman")])
def test_preprocessing_is_that_of_the_vector_environment_of_ale(name: str, rom: str) -> None:
    """Without chance: equal pixels, rewards and signals, over several games."""
    keys = {"noop_max": 1, "repeat_action_probability": 0.0, "life_loss_info": True}
    ours = game(name, **keys)
    theirs = AtariVectorEnv(rom, 1, num_threads=1, reward_clipping=False, autoreset_mode="SameStep", **keys)
    observation, _ = ours.reset(seed=3)
    np.testing.assert_array_equal(observation, theirs.reset(seed=np.array([3]))[0][0])
    rng, games = np.random.default_rng(0), 0
    for _ in range(600):
        action = int(rng.integers(theirs.single_action_space.n))
        observation, reward, terminated, _, info = ours.step(action)
        other, other_reward, other_terminated, _, _ = theirs.step(np.array([action]))
        assert (reward, terminated or "life_lost" in info) == (other_reward[0], other_terminated[0])
        if terminated:
            observation, _ = ours.reset()
            games += 1
        np.testing.assert_array_equal(observation, other[0])
    theirs.close()
    assert games > 0 or name != BREAKOUT


def test_observations_are_four_grey_frames(world: Callable[..., World]) -> None:
    pong = world(PONG, num_envs=2)
    first = pong.reset([0, 1])
    assert (first.shape, first.dtype) == ((2, 4, 84, 84), np.uint8)
    assert pong.observation_space.dtype == np.uint8
    assert not first[:, :3].any(), "what was before the start is black"
    assert first[:, 3].any()
    step = pong.step(np.array([2, 3]))
    np.testing.assert_array_equal(step.observations[:, 2], first[:, 3])
    shown = step.observations.copy()
    pong.step(np.array([2, 3]))
    np.testing.assert_array_equal(step.observations, shown, err_msg="a later step must not write here")


def test_games_start_after_fire_and_up_to_30_frames() -> None:
    env = game(BREAKOUT)
    frames = []
    for seed in range(60):
        env.reset(seed=seed)
        frames.append(env.unwrapped.ale.getEpisodeFrameNumber())
    assert (min(frames), max(frames)) == (1, 29)
    assert len(set(frames)) > 15


def test_fire_starts_the_ball() -> None:
    """After fire the ball is lost though nobody fires; without it nothing ever happens."""

    def lives_after_waiting(use_fire_reset: bool) -> int:
        env = game(BREAKOUT, use_fire_reset=use_fire_reset, repeat_action_probability=0.0)
        env.reset(seed=0)
        for _ in range(100):
            env.step(0)
        return env.unwrapped.ale.lives()

    assert lives_after_waiting(True) == 4
    assert lives_after_waiting(False) == 5


@pytest.mark.parametrize(("keys", "low", "high"), [({}, 0.18, 0.22), ({"repeat_action_probability": 0.0}, 0.0, 0.0)])
def test_sticky_actions(keys: dict[str, float], low: float, high: float) -> None:
    """By default the action before stays in force in 1 frame of 4.

    Of two actions in turn the wrong one is then held in a share x of the frames, where x = (1 − x) / 4.
    """
    env = game(BREAKOUT, **keys)
    env.reset(seed=0)
    env._held = ale_py.Action.NOOP
    stuck = 0
    for frame in range(3000):
        wanted = env._actions[2 + frame % 2]
        env._act(wanted)
        stuck += env._held != wanted
    assert low <= stuck / 3000 <= high


def test_frames_are_counted_and_limited(world: Callable[..., World]) -> None:
    pong = world(PONG, max_num_frames_per_episode=40)
    pong.reset([0])
    ends = [bool(pong.step(np.array([0])).truncated[0]) for _ in range(20)]
    assert ends == [index in (9, 19) for index in range(20)], "10 steps of 4 frames"
    limited = world(PONG, max_t=7)
    limited.reset([0])
    assert [bool(limited.step(np.array([0])).truncated[0]) for _ in range(7)] == [False] * 6 + [True]


def play(world: World, steps: int) -> list[Step]:
    world.reset(list(range(world.num_envs)))
    return [world.step(scripted(index, world.num_envs)) for index in range(steps)]


@pytest.mark.parametrize("life_loss_info", [True, False])
def test_scores_are_of_whole_games(world: Callable[..., World], life_loss_info: bool) -> None:
    """The score is the sum of raw rewards over all five lives, although the learner sees clipped ones and lives."""
    breakout = world(BREAKOUT, num_envs=2, clip_reward=0.5, life_loss_info=life_loss_info)
    scores = []
    running = np.zeros(2)
    lives = np.ones(2, int)
    for step in play(breakout, 700):
        running += step.raw_rewards
        np.testing.assert_array_equal(step.rewards, np.clip(step.raw_rewards, -0.5, 0.5))
        lives += step.terminated & ~step.episode_over
        np.testing.assert_array_equal(step.done, step.terminated | step.truncated)
        assert not (step.episode_over & ~step.done).any()
        for n in np.flatnonzero(step.episode_over):
            assert lives[n] == (5 if life_loss_info else 1)
            scores.append(running[n])
            running[n], lives[n] = 0.0, 1
    assert len(scores) >= 2
    assert sum(scores) > 0
    assert breakout.statistics.episodes == len(scores)
    assert breakout.statistics.total_reward == np.mean(scores)


def test_a_lost_life_ends_no_game(world: Callable[..., World]) -> None:
    """The same seed and actions give the same game with and without the signal; after it the game goes on."""
    told, untold = (play(world(BREAKOUT, life_loss_info=told), 500) for told in (True, False))
    for one, other in zip(told, untold, strict=True):
        np.testing.assert_array_equal(one.observations, other.observations)
        np.testing.assert_array_equal(one.next_observations, other.next_observations)
        np.testing.assert_array_equal(one.episode_over, other.episode_over)
        np.testing.assert_array_equal(other.terminated, other.episode_over)
    for before, step in pairwise(told):
        np.testing.assert_array_equal(step.next_observations[0, :3], before.observations[0, 1:])
    lost = [index for index, step in enumerate(told[:-1]) if step.terminated[0] and not step.episode_over[0]]
    assert len(lost) >= 4
    for index in lost:
        step, following = told[index], told[index + 1]
        np.testing.assert_array_equal(step.next_observations, step.observations)
        np.testing.assert_array_equal(following.observations[0, :3], step.observations[0, 1:])


def test_pong_is_a_game_to_21(world: Callable[..., World]) -> None:
    pong = world(PONG, life_loss_info=True)
    pong.reset([0])
    rewards = []
    while not pong.statistics.episodes:
        rewards.append(pong.step(np.array([0])))
    assert sum(float(step.raw_rewards[0]) for step in rewards) == pong.statistics.total_reward <= -20
    assert not any(step.done[0] for step in rewards[:-1]), "Pong has no lives"


@pytest.mark.parametrize(("name", "num_envs"), [(BREAKOUT, 4), (PONG, 1)])
def test_restore_is_exact(world: Callable[..., World], name: str, num_envs: int) -> None:
    """Also with sticky actions, whose state the emulator doesn't save."""
    first = world(name, num_envs=num_envs, life_loss_info=True, repeat_action_probability=0.9)
    second = world(name, num_envs=num_envs, life_loss_info=True, repeat_action_probability=0.9)
    play(first, 123)
    play(second, 10)
    second.restore(from_bytes(to_bytes(first.state())))
    rng = np.random.default_rng(0)
    for index in range(100):
        actions = rng.integers(4, size=num_envs)
        one, other = first.step(actions), second.step(actions)
        for field in ("observations", "next_observations", "raw_rewards", "terminated", "episode_over"):
            np.testing.assert_array_equal(getattr(one, field), getattr(other, field), f"{field} at {index}")
        lives = [[game.unwrapped.ale.lives() for game in world._envs.envs] for world in (first, second)]
        assert lives[0] == lives[1]
    assert to_bytes(first.state()) == to_bytes(second.state())


# HERO and Tennis keep things in memory from one game to the next.
@pytest.mark.parametrize("name", [BREAKOUT, "ALE/Hero-v5", "ALE/Tennis-v5"])
def test_seeds_decide_everything(world: Callable[..., World], name: str) -> None:
    """A seeded game depends neither on the process nor on games played before it."""
    used, fresh = world(name, num_envs=2), world(name, num_envs=2)
    other = play(used, 150)[-1].observations
    assert not np.array_equal(other[0], other[1]), "two seeds, two games"
    for one, same in zip(play(used, 60), play(fresh, 60), strict=True):
        np.testing.assert_array_equal(one.observations, same.observations)


def test_arguments_go_to_the_emulator(world: Callable[..., World]) -> None:
    assert world(PONG).action_space.n == 6
    assert world(PONG, full_action_space=True).action_space.n == 18
    assert world(PONG, num_envs=2, full_action_space=True, mode=1, difficulty=1).action_space.n == 18


class Wanderer:
    """Stands in for an algorithm: the scripted policy."""

    def __init__(self) -> None:
        self.steps = 0

    def act(self, observations: np.ndarray, frame: float, rng: np.random.Generator) -> np.ndarray:
        self.steps += 1
        return scripted(self.steps - 1, len(observations))

    def to_env(self, actions: np.ndarray) -> np.ndarray:
        return actions


@pytest.mark.parametrize("life_loss_info", [True, False])
def test_evaluation_plays_whole_games(world: Callable[..., World], life_loss_info: bool) -> None:
    streams = make_streams(0, 0, 0, 1)
    training = world(BREAKOUT)
    evaluator = Evaluator(spec(BREAKOUT, life_loss_info=life_loss_info, clip_reward=0.5), 2, 0.99, None)
    score = evaluator.total_reward(Wanderer(), training, streams, 2000)  # type: ignore[arg-type]

    seeds, _ = streams.evaluation_at(2000, 2)
    plain = world(BREAKOUT, num_envs=2)
    plain.reset(seeds)
    returns, running = np.zeros(2), np.ones(2, bool)
    lives = [[game.unwrapped.ale.lives() for game in plain._envs.envs]]
    for index in range(2000):
        step = plain.step(scripted(index, 2))
        returns += running * step.raw_rewards
        running &= ~step.episode_over
        lives.append([game.unwrapped.ale.lives() for game in plain._envs.envs])
        if not running.any():
            break
    assert not running.any()
    assert sum(before[0] - after[0] == 1 for before, after in pairwise(lives)) >= 4
    assert score == returns.mean() > 0
