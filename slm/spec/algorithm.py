"""`agent.algorithm`: how the agent learns. One class for each family of algorithm names."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from slm.spec.fields import (
    ABSENT,
    Bool,
    Count,
    Fraction,
    Natural,
    NonNegative,
    Number,
    Positive,
    ScheduleSpec,
    SpecModel,
    read_number,
    refuse,
)

ActionPdtype = Literal[
    "default",
    "Normal",
    "NormalTanh",
    "MultivariateNormal",
    "Beta",
    "Gumbel",
    "LogNormal",
    "Categorical",
    "Argmax",
    "GumbelSoftmax",
    "MultiCategorical",
    "Bernoulli",
]
ActionPolicy = Literal["default", "random", "epsilon_greedy", "boltzmann"]


def _null_is_default(value: Any) -> Any:
    return "default" if value is None else value


def _target_entropy(value: Any) -> Any:
    try:
        return value if value == "auto" else float(read_number(value))
    except ValueError:
        raise refuse("a number or 'auto' is expected") from None


class AlgorithmBase(SpecModel):
    """Keys that every learning algorithm reads."""

    gamma: Fraction = Field(description="Discount factor per step.")
    action_pdtype: Annotated[ActionPdtype, BeforeValidator(_null_is_default)] = Field(
        default="default", description="Probability distribution of actions; default is the first that fits the space."
    )
    action_policy: Annotated[ActionPolicy, BeforeValidator(_null_is_default)] = Field(
        default="default", description="How actions are chosen; default samples the distribution."
    )


class _ExploringKeys(AlgorithmBase):
    explore_var_spec: ScheduleSpec | None = Field(
        default=None, description="Schedule of epsilon or of the Boltzmann temperature."
    )


class RandomSpec(SpecModel):
    """Uniformly random actions, no learning."""

    name: Literal["Random"] = Field(description="Name of the algorithm.")


class ReinforceSpec(_ExploringKeys):
    """REINFORCE."""

    name: Literal["Reinforce"] = Field(description="Name of the algorithm.")
    training_frequency: Count = Field(description="Episodes, or vector steps with OnPolicyBatchReplay, per update.")
    center_return: Bool = Field(default=False, description="Subtract the mean from the returns.")
    entropy_coef_spec: ScheduleSpec | None = Field(default=None, description="Schedule of the entropy bonus; null: 0.")
    policy_loss_coef: NonNegative = Field(default=1.0, description="Weight of the policy loss.")


class SARSASpec(_ExploringKeys):
    """SARSA."""

    name: Literal["SARSA"] = Field(description="Name of the algorithm.")
    training_frequency: Count = Field(description="Episodes, or vector steps with OnPolicyBatchReplay, per update.")


class DQNSpec(_ExploringKeys):
    """The family of deep Q-networks."""

    name: Literal["VanillaDQN", "DQNBase", "DQN", "DoubleDQN"] = Field(description="Name of the algorithm.")
    action_pdtype: Annotated[ActionPdtype, BeforeValidator(_null_is_default)] = Field(
        default="Argmax", description="Probability distribution of actions."
    )
    action_policy: Annotated[ActionPolicy, BeforeValidator(_null_is_default)] = Field(
        default="epsilon_greedy", description="How actions are chosen."
    )
    training_frequency: Count = Field(description="Transitions (frames) between updates.")
    training_iter: Count = Field(description="Batches sampled per update.")
    training_batch_iter: Count = Field(description="Gradient steps per sampled batch.")
    training_start_step: Natural = Field(
        default=ABSENT, description="Transitions stored before the first update; default memory.batch_size."
    )


class _AdvantageKeys(_ExploringKeys):
    lam: Fraction | None = Field(description="GAE's lambda; null for n-step returns or whole returns.")
    entropy_coef_spec: ScheduleSpec | None = Field(default=None, description="Schedule of the entropy bonus; null: 0.")
    val_loss_coef: NonNegative = Field(default=1.0, description="Weight of the value loss.")
    normalize_v_targets: Bool = Field(default=False, description="Scale value targets by their running statistics.")


class _ActorCriticKeys(_AdvantageKeys):
    num_step_returns: Count | None = Field(
        default=ABSENT, description="Vector steps of n-step returns where lam is null; null for whole returns."
    )
    training_frequency: Count = Field(
        default=ABSENT, description="Episodes, or vector steps with OnPolicyBatchReplay, per update; n for n-step."
    )
    policy_loss_coef: NonNegative = Field(default=1.0, description="Weight of the policy loss.")


class ActorCriticSpec(_ActorCriticKeys):
    """Advantage actor-critic (A2C, and A3C with `meta.distributed`)."""

    name: Literal["ActorCritic"] = Field(description="Name of the algorithm.")


class _PPOKeys(_AdvantageKeys):
    lam: Fraction = Field(description="GAE's lambda.")
    clip_eps_spec: ScheduleSpec = Field(description="Schedule of the clipping range of the probability ratio.")
    time_horizon: Count = Field(description="Vector steps of each rollout, per environment.")
    training_epoch: Count = Field(description="Passes over each rollout.")
    minibatch_size: Count = Field(default=4, description="Transitions per minibatch.")
    clip_vloss: Bool = Field(default=False, description="Clip the value loss around the rollout's predictions.")
    symlog: Bool = Field(default=False, description="Compare values and targets on the symmetric log scale.")
    normalize_advantages: Literal["standardize", "percentile"] = Field(
        default="standardize", description="How advantages are scaled."
    )


class PPOSpec(_PPOKeys):
    """Proximal policy optimisation."""

    name: Literal["PPO"] = Field(description="Name of the algorithm.")


class _ImitationKeys(SpecModel):
    sil_policy_loss_coef: NonNegative = Field(description="Weight of the self-imitation policy loss.")
    sil_val_loss_coef: NonNegative = Field(description="Weight of the self-imitation value loss.")
    training_iter: Count = Field(description="Batches sampled from the self-imitation memory per update.")
    training_batch_iter: Count = Field(description="Gradient steps per sampled batch.")


class SILSpec(_ActorCriticKeys, _ImitationKeys):
    """Actor-critic with self-imitation."""

    name: Literal["SIL"] = Field(description="Name of the algorithm.")


class PPOSILSpec(_PPOKeys, _ImitationKeys):
    """PPO with self-imitation."""

    name: Literal["PPOSIL"] = Field(description="Name of the algorithm.")


class EntropyAnnealSpec(SpecModel):
    """Annealing of discrete SAC's target entropy."""

    start_ratio: Fraction = Field(default=0.6, description="Share of the maximum entropy ln|A| at the start.")
    end_ratio: Fraction = Field(default=ABSENT, description="Share at the end; default start_ratio.")
    frames: Natural = Field(default=0, description="Frames from start to end.")

    @model_validator(mode="before")
    @classmethod
    def _end_ratio_like_start(cls, data: Any) -> Any:
        return {"end_ratio": data.get("start_ratio", 0.6), **data} if isinstance(data, dict) else data


class _SoftKeys(AlgorithmBase):
    training_frequency: Count = Field(description="Transitions (frames) between updates.")
    training_start_step: Natural = Field(
        default=ABSENT, description="Frames of random actions before the first update; default max(1000, batch_size)."
    )
    training_iter: Count = Field(default=ABSENT, description="Batches sampled per update; default env.num_envs.")
    policy_delay: Count = Field(default=1, description="Critic updates per policy update.")
    target_entropy: Annotated[float | Literal["auto"], BeforeValidator(_target_entropy)] = Field(
        default="auto", description="Entropy that the temperature aims at; auto follows the action space."
    )
    entropy_anneal: EntropyAnnealSpec = Field(
        default=EntropyAnnealSpec.model_validate({}), description="Annealing of discrete actions' target entropy."
    )
    alpha_lr: Positive | None = Field(default=None, description="Learning rate of the temperature; null is the net's.")
    fixed_alpha: NonNegative | None = Field(default=None, description="Constant temperature; null learns it.")
    alpha_anneal_frames: Natural = Field(default=0, description="Frames over which fixed_alpha falls to 0; 0 is never.")
    log_alpha_min: Number = Field(default=-5.0, description="Lower bound of the log temperature.")
    log_alpha_max: Number = Field(default=2.0, description="Upper bound of the log temperature.")
    entropy_penalty_coef: NonNegative = Field(default=0.0, description="Weight of the discrete entropy penalty.")
    symlog: Bool = Field(default=False, description="Compare Q-values and targets on the symmetric log scale.")
    spectral_norm: Bool = Field(default=False, description="Spectral norm on each critic's last hidden layer.")


class SACSpec(_SoftKeys):
    """Soft actor-critic."""

    name: Literal["SoftActorCritic"] = Field(description="Name of the algorithm.")


class CrossQSpec(_SoftKeys):
    """CrossQ: soft actor-critic without target networks."""

    name: Literal["CrossQ"] = Field(description="Name of the algorithm.")


AlgorithmSpec = Annotated[
    RandomSpec
    | ReinforceSpec
    | SARSASpec
    | DQNSpec
    | ActorCriticSpec
    | PPOSpec
    | SILSpec
    | PPOSILSpec
    | SACSpec
    | CrossQSpec,
    Field(discriminator="name"),
]
