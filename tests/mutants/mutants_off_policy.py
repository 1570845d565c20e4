"""Mistakes in the DQN family, the soft actor-critic and CrossQ."""

from mutant import Mutant

DQNS = "algorithms/test_dqns.py"
SAC, CROSSQ = "algorithms/test_sac.py", "algorithms/test_crossq.py"
SAC_UPDATES = f"{SAC}::test_three_updates_match_plain_autograd"
CROSSQ_UPDATES = f"{CROSSQ}::test_updates_match_plain_autograd_through_the_warm_up"
BATCH_RENORM = "nets/test_nets_layers.py::test_batch_renorm_follows_the_reference_through_warm_up_and_after"

DQN = [
    Mutant(
        "DQN: sign of the loss",
        "algorithms/dqn.py",
        'total = (inputs["weights"] * self.loss_function(q, y)).mean()',
        'total = -(inputs["weights"] * self.loss_function(q, y)).mean()',
        f"{DQNS}::test_updates",
    ),
    Mutant(
        "DQN: bootstrap after a terminal state",
        "algorithms/dqn.py",
        "torch.where(terminated, 0.0, bootstrap)",
        "bootstrap",
        f"{DQNS}::test_updates",
    ),
    Mutant(
        "DQN: targets from the online network",
        "algorithms/dqn.py",
        '"q_target" if self.has_target else "q"',
        '"q"',
        f"{DQNS}::test_updates",
    ),
    Mutant(
        "Double DQN: best action by the target network",
        "algorithms/dqn.py",
        'best = self.q_values(network.named(agent, "q"), next_observations).argmax(1)',
        "best = values.argmax(1)",
        f"{DQNS}::test_updates",
    ),
    Mutant(
        "DQN: replaced target network frozen",
        "algorithms/dqn.py",
        "target.copy_(q)",
        "target.copy_(target)",
        f"{DQNS}::test_target_is_replaced_every_so_many_frames",
    ),
    Mutant(
        "DQN: replaced target network never lags",
        "algorithms/dqn.py",
        "elif frame // spec.update_frequency > before // spec.update_frequency:",
        "elif frame > before:",
        f"{DQNS}::test_target_is_replaced_every_so_many_frames",
    ),
    Mutant(
        "DQN: averaged target network frozen",
        "algorithms/dqn.py",
        "target.lerp_(q, spec.polyak_coef)",
        "target.lerp_(q, 0.0)",
        f"{DQNS}::test_target_follows_by_polyak_averaging",
    ),
    Mutant(
        "DQN: averaged target network never lags",
        "algorithms/dqn.py",
        "target.lerp_(q, spec.polyak_coef)",
        "target.lerp_(q, 1.0)",
        f"{DQNS}::test_target_follows_by_polyak_averaging",
    ),
    Mutant(
        "DQN: importance weights ignored",
        "algorithms/dqn.py",
        'total = (inputs["weights"] * self.loss_function(q, y)).mean()',
        "total = self.loss_function(q, y).mean()",
        f"{DQNS}::test_updates",
    ),
    Mutant(
        "replay: priorities not updated",
        "algorithms/replay_based.py",
        'memory.update_priorities(places, outputs["errors"].numpy())',
        "pass",
        f"{DQNS}::test_updates",
    ),
    Mutant(
        "replay: trains at every step",
        "algorithms/replay_based.py",
        "(frame > start) & (frame // frequency != (frame - self.spaces.num_envs) // frequency)",
        "(frame > start) & (frequency != frame - self.spaces.num_envs)",
        f"{DQNS}::test_trains_when_it_is_time",
    ),
]

SOFT_ACTOR_CRITIC = [
    Mutant(
        "SAC: sign of the critics' loss",
        "algorithms/sac.py",
        "total = (weights * losses).mean()",
        "total = -(weights * losses).mean()",
        SAC_UPDATES,
    ),
    Mutant(
        "SAC: sign of the policy loss",
        "algorithms/sac.py",
        "total = -self.actions.soft_value(",
        "total = self.actions.soft_value(",
        SAC_UPDATES,
    ),
    Mutant(
        "SAC: sign of the entropy, continuous",
        "algorithms/soft_actions.py",
        "squeeze(-1) - alpha * draw.log_probs",
        "squeeze(-1) + alpha * draw.log_probs",
        SAC_UPDATES,
    ),
    Mutant(
        "SAC: sign of the entropy, discrete",
        "algorithms/soft_actions.py",
        "(q1 + q2) - alpha * draw.log_probs",
        "(q1 + q2) + alpha * draw.log_probs",
        SAC_UPDATES,
    ),
    Mutant(
        "SAC: one critic instead of the smaller of two",
        "algorithms/soft_actions.py",
        "return torch.minimum(q1, q2).squeeze(-1)",
        "return q1.squeeze(-1)",
        SAC_UPDATES,
    ),
    Mutant(
        "SAC: squash correction dropped",
        "algorithms/squashed.py",
        "return (log_normal - log_tanh_slope(u)).sum(dim=-1)",
        "return log_normal.sum(dim=-1)",
        f"{SAC}::test_squashed_log_prob_is_the_density_of_the_transformed_normal",
    ),
    Mutant(
        "SAC: bootstrap after a terminal state",
        "algorithms/sac.py",
        "torch.where(terminated, 0.0, value)",
        "value",
        "algorithms/test_soft_targets.py",
    ),
    Mutant(
        "SAC: targets from the online critics",
        "algorithms/sac.py",
        'agent[f"{name}_target"] for name in CRITICS}}',
        "agent[name] for name in CRITICS}}",
        SAC_UPDATES,
    ),
    Mutant(
        "SAC: target critics frozen",
        "algorithms/sac.py",
        "lerp_(agent[name], spec.polyak_coef)",
        "lerp_(agent[name], 0.0)",
        SAC_UPDATES,
    ),
    Mutant(
        "SAC: target critics never lag",
        "algorithms/sac.py",
        "lerp_(agent[name], spec.polyak_coef)",
        "lerp_(agent[name], 1.0)",
        SAC_UPDATES,
    ),
    Mutant(
        "SAC: replaced target critics never lag",
        "algorithms/sac.py",
        'elif frame // spec.update_frequency > int(agent["target_frame"]) // spec.update_frequency:',
        'elif frame > int(agent["target_frame"]):',
        f"{SAC}::test_replaced_targets_wait_for_a_multiple_of_the_frequency_and_miss_none",
    ),
    Mutant(
        "SAC: α never updated",
        "algorithms/sac.py",
        '{**agent, "log_alpha": bounded,',
        "{**agent,",
        SAC_UPDATES,
    ),
    Mutant(
        "SAC: α moves the wrong way",
        "algorithms/sac.py",
        '(entropy - inputs["target_entropy"])',
        '(inputs["target_entropy"] - entropy)',
        SAC_UPDATES,
    ),
    Mutant(
        "SAC: annealed target entropy never moves",
        "algorithms/sac.py",
        "x = progress(frame, 0, anneal.frames) if anneal.frames else 0.0",
        "x = 0.0",
        f"{SAC}::test_automatic_target_entropy",
    ),
    Mutant(
        "SAC: annealed α never moves",
        "algorithms/sac.py",
        "x = progress(frame, 0, spec.alpha_anneal_frames) if spec.alpha_anneal_frames else 0.0",
        "x = 0.0",
        f"{SAC}::test_fixed_alpha_is_not_learned_and_falls_to_zero",
    ),
    Mutant(
        "SAC: policy delay ignored",
        "algorithms/sac.py",
        "with_policy = clock.opt_step % self.algorithm.policy_delay == 0",
        "with_policy = True",
        f"{SAC}::test_policy_delay_moves_the_policy_at_every_third_critic_step",
    ),
    Mutant(
        "CrossQ: gradient through the target",
        "algorithms/crossq.py",
        "[value.detach() for value in next_values]",
        "list(next_values)",
        CROSSQ_UPDATES,
    ),
    Mutant(
        "CrossQ: the next moment normalised apart",
        "algorithms/crossq.py",
        "joint, buffers = self.train_q(named, both)\n",
        "joint, buffers = self.train_q(named, now)\n"
        "            joint = [torch.cat(pair) for pair in zip(joint, self.train_q(named, both[len(now) :])[0])]\n",
        CROSSQ_UPDATES,
    ),
    Mutant(
        "batch renormalisation: statistics not updated",
        "nets/layers.py",
        "self.running_mean.lerp_(batch_mean.detach(), self.momentum)",
        "self.running_mean.lerp_(batch_mean.detach(), 0.0)",
        f"{BATCH_RENORM} {CROSSQ_UPDATES}",
    ),
    Mutant(
        "batch renormalisation: bounds never move",
        "nets/layers.py",
        "self.steps.add_(1)",
        "self.steps.add_(0)",
        f"{BATCH_RENORM} {CROSSQ_UPDATES}",
    ),
    Mutant(
        "batch renormalisation: statistics of training not kept",
        "algorithms/base.py",
        "new = {**agent, **buffers}",
        "new = {**agent}",
        CROSSQ_UPDATES,
    ),
]

MUTANTS = [*DQN, *SOFT_ACTOR_CRITIC]
