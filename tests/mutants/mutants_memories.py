"""Mistakes in the memories: replay, prioritised and combined, rollouts and whole episodes."""

from mutant import Mutant

REPLAY = "memory/test_replay.py"
TRANSITIONS = "env/test_transitions.py::test_replay_holds_each_transition_once"

MUTANTS = [
    Mutant(
        "replay: next observation is the observation",
        "memory/observations.py",
        "self.get(numbers + self._num_envs, out)",
        "self.get(numbers, out)",
        TRANSITIONS,
    ),
    Mutant(
        "replay: next observation is that of the new episode",
        "memory/observations.py",
        "(ended,) = (finals != NO_FINAL).nonzero()",
        "(ended,) = (finals < NO_FINAL).nonzero()",
        TRANSITIONS,
    ),
    Mutant(
        "replay: truncation treated as termination",
        "memory/replay.py",
        "terminated=step.terminated",
        "terminated=step.done",
        TRANSITIONS,
    ),
    Mutant(
        "prioritised replay: uniform draws",
        "memory/prioritized.py",
        "places = self._tree.find(rng.random(self.batch_size) * self._tree.total)",
        "places = rng.integers(self.size, size=self.batch_size)",
        f"{REPLAY}::test_draws_are_in_proportion_to_priorities",
    ),
    Mutant(
        "prioritised replay: exponent α ignored",
        "memory/prioritized.py",
        "+ self.epsilon) ** self.alpha",
        "+ self.epsilon)",
        f"{REPLAY}::test_draws_are_in_proportion_to_priorities",
    ),
    Mutant(
        "prioritised replay: priorities not stored",
        "memory/prioritized.py",
        "self._tree[places] = priorities\n",
        "\n",
        f"{REPLAY}::test_draws_are_in_proportion_to_priorities",
    ),
    Mutant(
        "prioritised replay: new transitions don't get the highest priority",
        "memory/prioritized.py",
        "self._highest = max(self._highest, float(priorities.max()))",
        "self._highest = 1.0",
        f"{REPLAY}::test_new_transitions_get_the_highest_priority_so_far",
    ),
    Mutant(
        "prioritised replay: exponent β ignored",
        "memory/prioritized.py",
        "/ self._tree.total) ** -beta",
        "/ self._tree.total) ** -1.0",
        f"{REPLAY}::test_importance_weights_by_hand",
    ),
    Mutant(
        "combined replay: without the newest",
        "memory/ring.py",
        "            if count:\n",
        "            if not count:\n",
        f"{REPLAY}::test_combined_replay_ends_with_the_newest",
    ),
    Mutant(
        "rollout: a truncated episode's final observation is the reset observation",
        "memory/rollout.py",
        "step.next_observations[n].copy()",
        "step.observations[n].copy()",
        "algorithms/test_actor_critics.py::test_a2c",
    ),
    Mutant(
        "whole episodes: truncation treated as termination",
        "memory/episodes.py",
        "episode.terminated = bool(step.terminated[n])",
        "episode.terminated = True",
        "algorithms/test_episodes_memory.py",
    ),
    Mutant(
        "cross-entropy method: no episode is dropped",
        "memory/episodes.py",
        "if total >= threshold",
        "if total >= threshold or total < threshold",
        "algorithms/test_episodes_memory.py",
    ),
]
