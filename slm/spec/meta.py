"""`meta`: how often to repeat, to log and to evaluate, and how to search."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from slm.spec.fields import Count, Natural, NonNegative, SpecModel, refuse


def _distributed(value: Any) -> Any:
    if value is False or value in ("shared", "synced"):
        return value
    raise refuse("allowed are false, 'shared' and 'synced'")


def _episodes(value: Any) -> Any:
    if value is True:
        raise refuse("a number of episodes is expected (0 or null: scores are inferred from training)")
    return 0 if value is None or value is False else value


def _empty_is_null(value: Any) -> Any:
    return None if value == {} else value


class SearchSchedulerSpec(SpecModel):
    """Asynchronous successive halving: bad trials of a search stop early."""

    grace_period: Count = Field(default=1, description="Frames that every trial trains for at least.")
    reduction_factor: Annotated[Count, Field(ge=2)] = Field(
        default=4, description="One trial in this many survives each rung; rungs lie this factor apart."
    )
    brackets: Count = Field(
        default=1, description="Number of brackets: trials take turns, and each bracket's first rung lies one later."
    )


class SearchResourcesSpec(SpecModel):
    """What one trial of a search occupies."""

    cpu: NonNegative = Field(
        default=1.0, description="Processor cores that are reserved for each session, rounded up; it computes on one."
    )
    gpu: NonNegative = Field(default=0.0, description="GPUs (also parts of one) per trial.")


class MetaSpec(SpecModel):
    """Repetition, measurement and search."""

    distributed: Annotated[Literal[False, "shared", "synced"], BeforeValidator(_distributed)] = Field(
        description="Hogwild training: false, 'shared' parameters, or local copies 'synced' with them."
    )
    max_session: Count = Field(description="Sessions (random seeds) per trial; worker processes if distributed.")
    max_trial: Count | None = Field(default=None, description="Trials of a search.")
    log_frequency: Count = Field(default=10_000, description="Frames between rows of train.csv.")
    eval_frequency: Count = Field(default=10_000, description="Frames between rows of eval.csv.")
    rigorous_eval: Annotated[Natural, BeforeValidator(_episodes)] = Field(
        default=0, description="Episodes of each separate evaluation; 0 infers scores from training."
    )
    on_nan: Literal["stop", "skip"] = Field(
        default="stop", description="A loss that is NaN or infinite stops the session, or its update is left out."
    )
    search_scheduler: Annotated[SearchSchedulerSpec | None, BeforeValidator(_empty_is_null)] = Field(
        default=None, description="Early stopping of a search's trials; null runs all to the end."
    )
    search_sampler: Literal["quasi_random", "random", "grid", "tpe"] = Field(
        default="quasi_random", description="How a search draws its settings."
    )
    validate_top: Count = Field(
        default=3, description="How many of a search's best settings are trained again with fresh seeds."
    )
    search_resources: SearchResourcesSpec = Field(
        default=SearchResourcesSpec(), description="Resources of one trial of a search."
    )
    random_seed: Natural | None = Field(
        default=None, description="Root of all seeds; with null they follow from trial and session alone."
    )
