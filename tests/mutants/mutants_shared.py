"""Mistakes in what all algorithms share: schedules, exploration, distributions, gradient clipping, the world."""

from mutant import Mutant

SCHEDULES = "algorithms/test_schedules.py"
ACTOR_CRITICS = "algorithms/test_actor_critics.py"
POLICIES = "algorithms/test_policies.py"

MUTANTS = [
    Mutant(
        "schedule never moves",
        "algorithms/schedules.py",
        "shape(start, end, progress(frame, first, last))",
        "shape(start, end, 0.0)",
        f"{SCHEDULES}::test_shapes",
    ),
    Mutant(
        "learning rate schedule never moves",
        "algorithms/schedules.py",
        "base * max(floor, 1.0 - frame / frames)",
        "base",
        SCHEDULES,
    ),
    Mutant(
        "schedules don't reach the updates of on-policy algorithms",
        "algorithms/on_policy.py",
        "        self.set_hyper(clock)\n",
        "",
        f"{ACTOR_CRITICS}::test_schedules_enter_the_update",
    ),
    Mutant(
        "schedules don't reach the updates of replay-based algorithms",
        "algorithms/replay_based.py",
        "        self.set_hyper(clock)\n",
        "",
        "algorithms/test_schedules_in_replay.py",
    ),
    Mutant(
        "gradients not clipped",
        "algorithms/base.py",
        'slope = clip_by_global_norm(slope, inputs[f"clip_grad.{name}"])',
        "slope = slope + 0",
        f"{ACTOR_CRITICS}::test_a2c",
    ),
    Mutant(
        "ε-greedy: never random",
        "algorithms/policies.py",
        "coin < explore",
        "coin < 0",
        f"{POLICIES}::test_epsilon_greedy",
    ),
    Mutant(
        "ε-greedy: one draw for all environments",
        "algorithms/policies.py",
        'coin = noise["coin"].view(',
        'coin = noise["coin"][:1].view(',
        f"{POLICIES}::test_epsilon_greedy",
    ),
    Mutant(
        "Boltzmann: temperature ignored",
        "algorithms/policies.py",
        "[outputs[0] / explore]",
        "[outputs[0]]",
        f"{POLICIES}::test_boltzmann_temperature",
    ),
    Mutant(
        "random agent: the last action is never taken",
        "algorithms/policies.py",
        "(uniform * values).long()",
        "(uniform * (values - 1)).long()",
        f"{POLICIES}::test_random_policy",
    ),
    Mutant(
        "squashed distribution: correction dropped",
        "algorithms/distributions/continuous.py",
        "return super().log_prob(outputs, actions) - log_tanh_slope(actions).sum(dim=-1)",
        "return super().log_prob(outputs, actions)",
        "algorithms/test_distributions_all.py::test_log_prob_of_continuous_actions",
    ),
    Mutant(
        "world: the successor of an episode's last step is the new episode's first observation",
        "env/world.py",
        "successors[episode_over] = self._normalize(final)",
        "pass",
        "env/test_transitions.py::test_steps_have_true_successors",
    ),
]
