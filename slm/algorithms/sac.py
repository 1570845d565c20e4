"""Soft actor-critic with learned temperature (Haarnoja et al. 2018, arXiv:1812.05905; the equation numbers are theirs).

Discrete actions are as in Christodoulou 2019, arXiv:1910.07207. The policy π maximises return plus α times its entropy;
the temperature α is learned so that the entropy stays near its target.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, stack

from slm.algorithms.base import Metrics, tensors
from slm.algorithms.distributions import warn_of_log_std_init
from slm.algorithms.losses import elementwise_loss, symlog
from slm.algorithms.replay_based import ReplayBased
from slm.algorithms.schedules import make_rate, progress
from slm.algorithms.soft_actions import Draw, make_soft_actions, make_soft_policy
from slm.algorithms.task import Clock, Spaces
from slm.backend import Agent, Inputs, Outputs, StepFunction
from slm.errors import UserError
from slm.memory import Replay
from slm.nets import build_network
from slm.nets.network import Parameters
from slm.spec import CrossQSpec, SACSpec, Spec, critic_net_spec
from slm.torch_optim import optimizer_for

CRITICS = ("critic1", "critic2")
ENTROPY_DECAY = 0.99


class SoftActorCritic(ReplayBased):
    """A stochastic policy, two critics with slowly moving targets, and the temperature α."""

    METRICS: ClassVar = ("loss", "q_mean", "policy_loss", "entropy", "alpha")
    HAS_TARGETS: ClassVar = True

    def __init__(self, spec: Spec, spaces: Spaces) -> None:
        super().__init__(spec, spaces)
        algorithm, critic_spec = spec.agent.algorithm, critic_net_spec(spec)
        assert isinstance(algorithm, SACSpec | CrossQSpec)
        assert critic_spec is not None
        self.algorithm, self.net_spec, self.critic_spec = algorithm, spec.agent.net, critic_spec
        self.actions = make_soft_actions(algorithm.action_pdtype, spaces.action)
        self.policy = make_soft_policy(algorithm.action_policy, self.actions, spaces.action)
        self.explore = lambda frame: float(frame < algorithm.training_start_step)
        self.loss_function = elementwise_loss(critic_spec)
        self._alpha_optimizer, base = optimizer_for(
            self.net_spec.optim_spec, lambda alpha: {"alpha": alpha}, lambda named: named["alpha"], ()
        )
        rate = make_rate(algorithm.alpha_lr or base, self.net_spec.lr_scheduler_spec)
        self._alpha_rate = self.sharing.rate(rate, optim_spec=None)
        if algorithm.entropy_penalty_coef and self.actions.critic_outputs == 1:
            raise UserError("agent.algorithm.entropy_penalty_coef: only the entropy of discrete actions is penalised")

    def init(self, seed: int) -> Agent:
        shape, heads, log_std_size = self.spaces.observation.shape, self.actions.heads, None
        if self.net_spec.log_std_init is not None:
            log_std_size = self.actions.log_std_size
            if log_std_size is None:
                warn_of_log_std_init("Categorical")
            else:
                heads = heads[:1]
        actor = build_network(self.net_spec, shape, heads, seed, log_std_size=log_std_size)
        self.add_network("actor", actor, self.net_spec)
        for i, name in enumerate(CRITICS, 1):
            critic = build_network(self.critic_spec, self.actions.critic_shape(shape), [self.actions.critic_outputs],
                                   seed + i, spectral_norm=self.algorithm.spectral_norm)  # fmt: skip
            self.add_network(name, critic, self.critic_spec)
        agent = self.initial_agent()
        if self.HAS_TARGETS:
            agent.update({f"{name}_target": agent[name].clone() for name in CRITICS})
        if self.HAS_TARGETS and self.net_spec.update_type == "replace":
            agent["target_frame"] = torch.tensor(0)
        if self.algorithm.fixed_alpha is None:
            agent["log_alpha"] = torch.zeros(())
            state = self._alpha_optimizer.init(agent["log_alpha"])
            agent.update({f"log_alpha.{slot}": value for slot, value in state.items()})
        if self.algorithm.entropy_penalty_coef:
            agent["entropy_average"] = torch.tensor(torch.nan)
        agent["policy_metrics"] = torch.full((3,), torch.nan)
        return agent

    # --- the networks as functions

    def q(self, named: Mapping[str, Parameters], observations: Tensor, actions: Tensor) -> list[Tensor]:
        """Both critics' outputs (B, outputs), in evaluation mode, for observations (B, …) and actions drawn there."""
        x = self.actions.critic_input(observations, actions)
        return [self.networks[name](named[name], x)[0] for name in CRITICS]

    def train_q(self, named: Mapping[str, Parameters], x: Tensor) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Both critics' outputs, in training mode, for their inputs x (B, …); and their new buffers, see `descend`."""
        values, buffers = [], {}
        for name in CRITICS:
            (value,), changed = self.train_forward(name, named, x)
            values.append(value)
            buffers.update(changed)
        return values, buffers

    def draw(self, agent: Agent, observations: Tensor, noise: Tensor) -> Draw:
        """What the policy does at observations (B, …)."""
        actor = self.networks["actor"]
        return self.actions.draw(actor(actor.named(agent, "actor"), observations), noise)

    def alpha(self, agent: Agent, inputs: Inputs) -> Tensor:
        """The temperature, a scalar."""
        return agent["log_alpha"].exp() if self.algorithm.fixed_alpha is None else inputs["alpha"]

    # --- step functions

    def choose(self, agent: Agent, inputs: Inputs) -> tuple[Agent, Outputs]:
        """Actions for observations (N, …)."""
        actor = self.networks["actor"]
        outputs = actor(actor.named(agent, "actor"), inputs["observations"])
        return agent, {"actions": self.policy.choose(outputs, inputs["explore"], dict(inputs))}

    def update(self, agent: Agent, inputs: Inputs) -> tuple[Agent, Outputs]:
        """One gradient step of everything on a batch of transitions.

        First the critics, then the policy against the critics as they are now, then the temperature. Outputs the
        absolute temporal-difference errors |min(Q₁, Q₂) − y| (B,) beside the metrics.
        """
        agent, outputs = self.critic_step(agent, inputs)
        agent = self.policy_step(agent, inputs)
        return agent, self.with_policy_metrics(agent, outputs)

    def update_critics(self, agent: Agent, inputs: Inputs) -> tuple[Agent, Outputs]:
        """As `update`, for the critics alone: what comes between two of its steps with a ``policy_delay``."""
        agent, outputs = self.critic_step(agent, inputs)
        return agent, self.with_policy_metrics(agent, outputs)

    def critic_step(self, agent: Agent, inputs: Inputs) -> tuple[Agent, Outputs]:
        """Descend J_Q (eq. 5): the distance of both Q(s, a) from y."""
        observations, actions = inputs["observations"], inputs["actions"]
        y = self.targets(agent, inputs)

        def loss(named: dict[str, Parameters]) -> tuple[Tensor, dict[str, Tensor]]:
            values, buffers = self.train_q(named, self.actions.critic_input(observations, actions))
            total, metrics = self.critic_loss(values, actions, y, inputs["weights"])
            return total, {**metrics, **buffers}

        return self.descend(agent, inputs, loss, CRITICS)

    def critic_loss(
        self, values: Sequence[Tensor], actions: Tensor, y: Tensor, weights: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Sum of both critics' mean losses for their outputs (B, outputs) against targets y (B,), and its metrics."""
        q1, q2 = (self.actions.taken(value, actions) for value in values)
        scale = symlog if self.algorithm.symlog else torch.nn.Identity()
        losses = sum(self.loss_function(scale(q), scale(y)) for q in (q1, q2))
        total = (weights * losses).mean()
        return total, {"metrics": stack([total, q1.mean()]), "errors": (torch.minimum(q1, q2) - y).abs()}

    def targets(self, agent: Agent, inputs: Inputs) -> Tensor:
        """y = r + γ V'(s'), and y = r after a terminal state, (B,); V' (eq. 3) from the target critics.

        These have parameters of their own and share the buffers (running statistics) of the critics that they follow.
        """
        next_observations = inputs["next_observations"]
        draw = self.draw(agent, next_observations, inputs["next_noise"])
        followed = {**agent, **{name: agent[f"{name}_target"] for name in CRITICS}}
        targets = {name: self.networks[name].named(followed, name) for name in CRITICS}
        return self.bootstrap(agent, inputs, draw, self.q(targets, next_observations, draw.actions))

    def bootstrap(self, agent: Agent, inputs: Inputs, draw: Draw, next_values: Sequence[Tensor]) -> Tensor:
        """y (B,) from what the policy does in s' and both critics' outputs there."""
        rewards, terminated = inputs["rewards"], inputs["terminated"]
        q1, q2 = next_values
        value = self.actions.soft_value(draw, q1, q2, self.alpha(agent, inputs))
        return rewards + inputs["gamma"] * torch.where(terminated, 0.0, value)

    def policy_step(self, agent: Agent, inputs: Inputs) -> Agent:
        """Descend J_π = E[α log π(a|s) − Q(s, a)] (eq. 9; discrete: eq. 12), which is −E[V(s)], then J(α)."""
        observations = inputs["observations"]
        alpha = self.alpha(agent, inputs)
        critics = {name: self.networks[name].named(agent, name) for name in CRITICS}

        def loss(named: dict[str, Parameters]) -> tuple[Tensor, dict[str, Tensor]]:
            outputs, buffers = self.train_forward("actor", named, observations)
            draw = self.actions.draw(outputs, inputs["noise"])
            q1, q2 = self.q(critics, observations, draw.actions)
            entropy = self.actions.entropy(draw).mean()
            total = -self.actions.soft_value(draw, q1, q2, alpha).mean()
            if self.algorithm.entropy_penalty_coef:
                total = total + self.entropy_penalty(agent, entropy)
            return total, {"loss": total, "entropy": entropy, **buffers}

        agent, metrics = self.descend(agent, inputs, loss, ["actor"])
        agent["policy_metrics"] = stack([metrics["loss"], metrics["entropy"], alpha])
        if self.algorithm.entropy_penalty_coef:
            agent["entropy_average"] = self.average_entropy(agent, metrics["entropy"])
        return agent if self.algorithm.fixed_alpha is not None else self.alpha_step(agent, inputs, metrics["entropy"])

    def entropy_penalty(self, agent: Agent, entropy: Tensor) -> Tensor:
        """½ c (H̃ − H)², which holds the entropy near its running average H̃ (Zhou et al. 2022, arXiv:2209.10081)."""
        average = torch.where(agent["entropy_average"].isnan(), entropy.detach(), agent["entropy_average"])
        return 0.5 * self.algorithm.entropy_penalty_coef * (average - entropy).square()

    def average_entropy(self, agent: Agent, entropy: Tensor) -> Tensor:
        """The running average after one more batch; the first batch starts it."""
        average = agent["entropy_average"]
        return torch.where(average.isnan(), entropy, ENTROPY_DECAY * average + (1 - ENTROPY_DECAY) * entropy)

    def alpha_step(self, agent: Agent, inputs: Inputs, entropy: Tensor) -> Agent:
        """Descend J(α) = E[−α log π(a|s) − α H̄] = α (H − H̄) (eq. 18; discrete: eq. 11) along log α.

        The derivative of α with respect to log α is α, so the slope is J(α) itself.
        """
        slope = agent["log_alpha"].exp() * (entropy - inputs["target_entropy"])
        slots = ("t", *self._alpha_optimizer.slots)
        state = {slot: agent[f"log_alpha.{slot}"] for slot in slots}
        log_alpha, state = self._alpha_optimizer.step(agent["log_alpha"], slope, state, inputs["lr.log_alpha"])
        bounded = log_alpha.clamp(self.algorithm.log_alpha_min, self.algorithm.log_alpha_max)
        return {**agent, "log_alpha": bounded, **{f"log_alpha.{slot}": state[slot] for slot in slots}}

    @staticmethod
    def with_policy_metrics(agent: Agent, outputs: Outputs) -> Outputs:
        """The critics' outputs, with the metrics of the last policy step added."""
        return {**outputs, "metrics": torch.cat([outputs["metrics"], agent["policy_metrics"]])}

    # --- learning

    def learn(self, memory: Replay, clock: Clock, rng: np.random.Generator) -> Metrics:
        outputs: list[Outputs] = []
        for _ in range(self.algorithm.training_iter):
            places = memory.sample(rng)
            inputs = {**self.batch(memory, places, clock.frame), **self.update_noise(rng), **self.hyper()}
            clock.opt_step += 1
            with_policy = clock.opt_step % self.algorithm.policy_delay == 0
            outputs.append(self.run("update" if with_policy else "update_critics", inputs))
            self.update_priorities(memory, places, outputs[-1])
            if with_policy and self.HAS_TARGETS:
                self.move_target(clock.frame)
        return self.mean_metrics(outputs, clock.frame)

    def move_target(self, frame: int) -> None:
        """Move the target critics after a policy step.

        ``polyak``: θ' ← (1 − c) θ' + c θ; ``replace``: θ' ← θ if a multiple of ``update_frequency`` frames has passed
        since that was done last.
        """
        spec, agent = self.net_spec, self.agent
        if spec.update_type == "polyak":
            for name in CRITICS:
                agent[f"{name}_target"].lerp_(agent[name], spec.polyak_coef)
        elif frame // spec.update_frequency > int(agent["target_frame"]) // spec.update_frequency:
            for name in CRITICS:
                agent[f"{name}_target"].copy_(agent[name])
            agent["target_frame"].fill_(frame)

    # --- schedules and binding

    def target_entropy(self, frame: float) -> float:
        """H̄ in nats."""
        if self.algorithm.target_entropy != "auto":
            return float(self.algorithm.target_entropy)
        anneal = self.algorithm.entropy_anneal
        x = progress(frame, 0, anneal.frames) if anneal.frames else 0.0
        return self.actions.target_entropy(anneal.start_ratio + (anneal.end_ratio - anneal.start_ratio) * x)

    def scheduled(self, frame: int) -> dict[str, float]:
        return {} if self.algorithm.fixed_alpha is not None else {"target_entropy": self.target_entropy(frame)}

    def hyperparameters(self, frame: int) -> dict[str, float]:
        spec = self.algorithm
        if spec.fixed_alpha is None:
            temperature = {"target_entropy": self.target_entropy(frame)}
        else:
            x = progress(frame, 0, spec.alpha_anneal_frames) if spec.alpha_anneal_frames else 0.0
            temperature = {"alpha": spec.fixed_alpha * (1 - x)}
        return {"gamma": spec.gamma, **temperature}

    def _inputs_at(self, clock: Clock) -> dict[str, float]:
        inputs = super()._inputs_at(clock)
        if self.algorithm.fixed_alpha is None:
            inputs["lr.log_alpha"] = self._alpha_rate(clock.frame, clock.train_calls)
        return inputs

    def update_noise(self, rng: np.random.Generator) -> Inputs:
        """Noise of the actions drawn at s' and at s, (B, …) each."""
        batch = self.memory_spec.batch_size
        return tensors({name: self.actions.noise(rng, batch) for name in ("next_noise", "noise")})

    def step_functions(self, agent: Agent) -> dict[str, tuple[StepFunction, Inputs]]:
        batch = {**self.example_batch(), **self.update_noise(np.random.default_rng(0)), **self.hyper()}
        delayed = {"update_critics": (self.update_critics, batch)} if self.algorithm.policy_delay > 1 else {}
        observations = self.example_observations(self.spaces.num_envs)
        return {"choose": (self.choose, observations), "update": (self.update, batch), **delayed}
