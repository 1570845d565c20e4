"""Mistakes in REINFORCE and SARSA, which have no critic."""

from mutant import Mutant

REINFORCE = "algorithms/test_reinforce.py::test_three_updates_match_plain_autograd"
SARSA = "algorithms/test_sarsa.py"

MUTANTS = [
    Mutant(
        "REINFORCE: sign of the policy loss",
        "algorithms/reinforce.py",
        'policy_loss = -inputs["policy_coef"]',
        'policy_loss = inputs["policy_coef"]',
        REINFORCE,
    ),
    Mutant(
        "REINFORCE: sign of the entropy",
        "algorithms/reinforce.py",
        '- inputs["entropy_coef"] * entropy',
        '+ inputs["entropy_coef"] * entropy',
        REINFORCE,
    ),
    Mutant(
        "REINFORCE: truncation treated as termination",
        "algorithms/returns.py",
        "return returns + weights * np.float32(average)",
        "return returns",
        REINFORCE,
    ),
    Mutant(
        "REINFORCE: returns not centred",
        "algorithms/reinforce.py",
        "returns = returns - mean(returns, mask)",
        "returns = returns + 0",
        REINFORCE,
    ),
    Mutant(
        "REINFORCE: returns not scaled",
        "algorithms/reinforce.py",
        "returns = unit_scale(returns, mask)",
        "returns = returns + 0",
        REINFORCE,
    ),
    Mutant(
        "batches of whole episodes: empty rows count",
        "algorithms/masked.py",
        "return (x * mask).sum() / mask.sum().clamp(min=1)",
        "return x.mean()",
        REINFORCE,
    ),
    Mutant(
        "SARSA: sign of the loss",
        "algorithms/sarsa.py",
        "total = mean(self.loss_function(q, y), mask)",
        "total = -mean(self.loss_function(q, y), mask)",
        f"{SARSA}::test_three_updates_match_plain_autograd",
    ),
    Mutant(
        "SARSA: the best next action instead of the one taken",
        "algorithms/sarsa.py",
        '.detach().gather(1, inputs["next_actions"][:, None]).squeeze(1)',
        ".detach().amax(1)",
        f"{SARSA}::test_three_updates_match_plain_autograd",
    ),
    Mutant(
        "SARSA: bootstrap after a terminal state",
        "algorithms/sarsa.py",
        'torch.where(inputs["terminated"], 0.0, next_q)',
        "next_q",
        f"{SARSA}::test_three_updates_match_plain_autograd",
    ),
    Mutant(
        "SARSA: gradient through the target",
        "algorithms/sarsa.py",
        "values[row:].detach()",
        "values[row:]",
        f"{SARSA}::test_three_updates_match_plain_autograd",
    ),
    Mutant(
        "SARSA: a truncated step bootstraps from the next episode",
        "algorithms/sarsa.py",
        "followed = rollout.counted & ~rollout.done",
        "followed = rollout.counted & ~rollout.terminated",
        f"{SARSA}::test_three_updates_match_plain_autograd",
    ),
]
