"""`agent.memory`: where experience is kept until the algorithm learns from it."""

from typing import Annotated, Literal

from pydantic import Field

from slm.spec.fields import Bool, Count, Fraction, NonNegative, Positive, ScheduleSpec, SpecModel


class OnPolicyBase(SpecModel):
    """On-policy memories; the keys are those of the second memory that self-imitation (SIL, PPOSIL) keeps."""

    sil_replay_name: Literal["Replay", "PrioritizedReplay"] | None = Field(
        default=None, description="Kind of the self-imitation memory."
    )
    batch_size: Count | None = Field(default=None, description="Transitions per self-imitation batch.")
    max_size: Count | None = Field(default=None, description="Transitions that the self-imitation memory holds.")
    use_cer: Bool = Field(default=False, description="Self-imitation batches include the newest transitions.")
    alpha: NonNegative | None = Field(default=None, description="Priority exponent of the self-imitation memory.")
    epsilon: Positive | None = Field(default=None, description="Added to self-imitation priorities' errors.")


class OnPolicyReplaySpec(OnPolicyBase):
    """Whole episodes; trains after `training_frequency` episodes."""

    name: Literal["OnPolicyReplay"] = Field(description="Name of the memory.")


class OnPolicyBatchReplaySpec(OnPolicyBase):
    """Vector steps; trains after `training_frequency` (PPO: `time_horizon`) of them."""

    name: Literal["OnPolicyBatchReplay"] = Field(description="Name of the memory.")


class OnPolicyCrossEntropySpec(OnPolicyBase):
    """Whole episodes, of which only the best are learned from."""

    name: Literal["OnPolicyCrossEntropy"] = Field(description="Name of the memory.")
    cross_entropy: Fraction = Field(default=1.0, description="Quantile of returns below which episodes are dropped.")


class ReplaySpec(SpecModel):
    """Ring buffer sampled uniformly with replacement."""

    name: Literal["Replay"] = Field(description="Name of the memory.")
    batch_size: Count = Field(description="Transitions per sampled batch.")
    max_size: Count = Field(description="Transitions that the memory holds.")
    use_cer: Bool = Field(default=False, description="Every batch includes the newest transitions (combined replay).")


class PrioritizedReplaySpec(SpecModel):
    """Ring buffer sampled in proportion to priority (|error| + epsilon)^alpha."""

    name: Literal["PrioritizedReplay"] = Field(description="Name of the memory.")
    batch_size: Count = Field(description="Transitions per sampled batch.")
    max_size: Count = Field(description="Transitions that the memory holds.")
    use_cer: Bool = Field(default=False, description="Every batch includes the newest transitions (combined replay).")
    alpha: NonNegative = Field(description="Priority exponent; 0 samples uniformly.")
    epsilon: Positive = Field(description="Added to the absolute error, so that every priority is positive.")
    beta_spec: ScheduleSpec | None = Field(
        default=None, description="Schedule of the importance-weight exponent; null uses no importance weights."
    )


MemorySpec = Annotated[
    OnPolicyReplaySpec | OnPolicyBatchReplaySpec | OnPolicyCrossEntropySpec | ReplaySpec | PrioritizedReplaySpec,
    Field(discriminator="name"),
]


def sil_memory_spec(memory: OnPolicyBase) -> ReplaySpec | PrioritizedReplaySpec:
    """The second memory that SIL and PPOSIL sample from, beside the on-policy one."""
    keys = {"batch_size": memory.batch_size, "max_size": memory.max_size, "use_cer": memory.use_cer}
    if memory.sil_replay_name == "PrioritizedReplay":
        return PrioritizedReplaySpec.model_validate(
            {"name": "PrioritizedReplay", **keys, "alpha": memory.alpha, "epsilon": memory.epsilon}
        )
    return ReplaySpec.model_validate({"name": "Replay", **keys})
