"""Mistakes in bootstrapped returns, actor-critic, PPO and self-imitation."""

from mutant import Mutant

RETURNS = "algorithms/test_returns.py"
ACTOR_CRITICS = "algorithms/test_actor_critics.py"
A2C, PPO = f"{ACTOR_CRITICS}::test_a2c", f"{ACTOR_CRITICS}::test_ppo"
SIL = "algorithms/test_sil.py"

BOOTSTRAPPING = [
    Mutant(
        "GAE: λ ignored",
        "algorithms/returns.py",
        "decay = np.where(done, 0, gamma * lam)",
        "decay = np.where(done, 0, gamma)",
        f"{RETURNS}::test_gae",
    ),
    Mutant(
        "GAE: trace runs across episodes",
        "algorithms/returns.py",
        "decay = np.where(done, 0, gamma * lam)",
        "decay = np.full(done.shape, gamma * lam)",
        f"{RETURNS}::test_gae",
    ),
    Mutant(
        "TD errors: bootstrap after a terminal state",
        "algorithms/returns.py",
        "np.where(terminated, 0, next_values).astype(np.float32) - values",
        "next_values - values",
        f"{RETURNS}::test_td_errors",
    ),
    Mutant(
        "n-step returns: run across episodes",
        "algorithms/returns.py",
        "returns[t] = np.where(done[t], returns[t], rewards[t] + np.float32(gamma) * returns[t + 1])",
        "returns[t] = rewards[t] + np.float32(gamma) * returns[t + 1]",
        f"{RETURNS}::test_bootstrapped_returns",
    ),
    Mutant(
        "n-step returns: bootstrap after a terminal state",
        "algorithms/returns.py",
        "returns = rewards + gamma * np.where(terminated, 0, next_values).astype(np.float32)",
        "returns = rewards + np.float32(gamma) * next_values",
        f"{RETURNS}::test_bootstrapped_returns",
    ),
    Mutant(
        "GAE: truncation treated as termination",
        "algorithms/policy_gradient.py",
        "values.next_values, memory.terminated, memory.done, gamma, lam",
        "values.next_values, memory.done, memory.done, gamma, lam",
        PPO,
    ),
    Mutant(
        "n-step returns: truncation treated as termination",
        "algorithms/policy_gradient.py",
        "bootstrapped_returns(memory.rewards, values.next_values, memory.terminated, memory.done, gamma)",
        "bootstrapped_returns(memory.rewards, values.next_values, memory.done, memory.done, gamma)",
        A2C,
    ),
    Mutant(
        "whole returns: truncation treated as termination",
        "algorithms/policy_gradient.py",
        "edge[cut] = values.next_values[cut]",
        "edge[cut] = 0",
        "algorithms/test_actor_critic_episodes.py",
    ),
    Mutant(
        "values: a truncated episode bootstraps from the reset observation",
        "algorithms/policy_gradient.py",
        "next_values[t, n] = value\n",
        "next_values[t, n] = next_values[t, n]\n",
        A2C,
    ),
]

ACTOR_CRITIC = [
    Mutant(
        "A2C: sign of the policy loss",
        "algorithms/actor_critic.py",
        'policy_loss = -inputs["policy_coef"]',
        'policy_loss = inputs["policy_coef"]',
        A2C,
    ),
    Mutant(
        "A2C: sign of the entropy",
        "algorithms/actor_critic.py",
        '- inputs["entropy_coef"] * entropy',
        '+ inputs["entropy_coef"] * entropy',
        A2C,
    ),
    Mutant(
        "A2C: advantages not normalised",
        "algorithms/actor_critic.py",
        'advantages = standardize(inputs["advantages"], mask)',
        'advantages = inputs["advantages"]',
        A2C,
    ),
    Mutant(
        "A2C: value loss coefficient ignored",
        "algorithms/actor_critic.py",
        'value_loss = inputs["value_coef"] * mean(',
        "value_loss = mean(",
        A2C,
    ),
    Mutant(
        "PPO: sign of the policy loss",
        "algorithms/ppo.py",
        "policy_loss = -surrogate",
        "policy_loss = surrogate",
        PPO,
    ),
    Mutant(
        "PPO: sign of the entropy",
        "algorithms/ppo.py",
        '-surrogate - inputs["entropy_coef"]',
        '-surrogate + inputs["entropy_coef"]',
        PPO,
    ),
    Mutant(
        "PPO: clip range ignored",
        "algorithms/ppo.py",
        "torch.minimum(ratio * advantages, clipped * advantages)",
        "(ratio * advantages)",
        PPO,
    ),
    Mutant(
        "PPO: clipped from both sides",
        "algorithms/ppo.py",
        "torch.minimum(ratio * advantages, clipped * advantages)",
        "(clipped * advantages)",
        PPO,
    ),
    Mutant(
        "PPO: advantages not normalised",
        "algorithms/ppo.py",
        "return agent, standardize(advantages)",
        "return agent, advantages",
        PPO,
    ),
    Mutant(
        "PPO: value loss coefficient ignored",
        "algorithms/ppo.py",
        'value_loss = inputs["value_coef"] * self.clipped_value_loss',
        "value_loss = self.clipped_value_loss",
        PPO,
    ),
    Mutant(
        "PPO: value clipping ignored",
        "algorithms/ppo.py",
        "loss = torch.maximum(loss, self.value_loss(near, targets, agent))",
        "loss = self.value_loss(values, targets, agent)",
        PPO,
    ),
    Mutant(
        "PPO: value target scale ignored",
        "algorithms/policy_gradient.py",
        "values, targets = values / scale, targets / scale",
        "values, targets = values, targets",
        PPO,
    ),
    Mutant(
        "PPO: percentile range of one minibatch alone",
        "algorithms/ppo.py",
        '        low = PERCENTILE_DECAY * agent["advantages.low"] + (1 - PERCENTILE_DECAY) * low\n',
        "",
        PPO,
    ),
    Mutant(
        "PPO: one epoch instead of several",
        "algorithms/ppo.py",
        "range(self.algorithm.training_epoch)",
        "range(1)",
        PPO,
    ),
]

SELF_IMITATION = [
    Mutant(
        "SIL: sign of the policy loss",
        "algorithms/sil.py",
        'policy_loss = -inputs["sil_policy_coef"]',
        'policy_loss = inputs["sil_policy_coef"]',
        f"{SIL}::test_updates_match_plain_autograd",
    ),
    Mutant(
        "SIL: learns from disappointments too",
        "algorithms/sil.py",
        "- values).clamp(min=0)",
        "- values)",
        f"{SIL}::test_updates_match_plain_autograd",
    ),
    Mutant(
        "SIL: gradient through the advantage",
        "algorithms/sil.py",
        "better.detach()",
        "better",
        f"{SIL}::test_updates_match_plain_autograd",
    ),
    Mutant(
        "SIL: value loss coefficient ignored",
        "algorithms/sil.py",
        'value_loss = inputs["sil_value_coef"] * 0.5',
        "value_loss = 0.5",
        f"{SIL}::test_updates_match_plain_autograd",
    ),
    Mutant(
        "SIL: priorities not updated",
        "algorithms/sil.py",
        'replay.update_priorities(places, outputs[-1]["errors"].numpy())',
        "pass",
        f"{SIL}::test_priorities_are_the_clipped_advantages",
    ),
    Mutant(
        "SIL: truncation treated as termination",
        "algorithms/sil.py",
        "episodes.rewards, next_values, episodes.terminated, episodes.done,",
        "episodes.rewards, next_values, episodes.done, episodes.done,",
        SIL,
    ),
]

MUTANTS = [*BOOTSTRAPPING, *ACTOR_CRITIC, *SELF_IMITATION]
