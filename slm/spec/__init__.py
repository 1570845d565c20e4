"""The experiment-spec language: what was asked for, read from JSON and YAML files and checked as a whole."""

from slm.spec.algorithm import (
    ActorCriticSpec,
    AlgorithmSpec,
    CrossQSpec,
    DQNSpec,
    EntropyAnnealSpec,
    PPOSILSpec,
    PPOSpec,
    RandomSpec,
    ReinforceSpec,
    SACSpec,
    SARSASpec,
    SILSpec,
)
from slm.spec.env import EnvSpec
from slm.spec.fields import ScheduleSpec
from slm.spec.hash import search_hash, session_hash, session_hashes, trial_hash
from slm.spec.load import load_spec, read_file, spec_of_trial, validate_file
from slm.spec.memory import (
    MemorySpec,
    OnPolicyBatchReplaySpec,
    OnPolicyCrossEntropySpec,
    OnPolicyReplaySpec,
    PrioritizedReplaySpec,
    ReplaySpec,
    sil_memory_spec,
)
from slm.spec.messages import SpecError
from slm.spec.meta import MetaSpec, SearchResourcesSpec, SearchSchedulerSpec
from slm.spec.net import (
    ConvNetSpec,
    DuelingConvNetSpec,
    DuelingMLPNetSpec,
    HydraMLPNetSpec,
    MLPNetSpec,
    NetSpec,
    NoNetSpec,
    RecurrentNetSpec,
    TorchArcNetSpec,
    actor_net_spec,
    critic_net_spec,
)
from slm.spec.parse import parse_spec
from slm.spec.search import VALIDATION, SearchVariable
from slm.spec.spec import AgentSpec, Spec, canonical

__all__ = [
    "VALIDATION",
    "ActorCriticSpec",
    "AgentSpec",
    "AlgorithmSpec",
    "ConvNetSpec",
    "CrossQSpec",
    "DQNSpec",
    "DuelingConvNetSpec",
    "DuelingMLPNetSpec",
    "EntropyAnnealSpec",
    "EnvSpec",
    "HydraMLPNetSpec",
    "MLPNetSpec",
    "MemorySpec",
    "MetaSpec",
    "NetSpec",
    "NoNetSpec",
    "OnPolicyBatchReplaySpec",
    "OnPolicyCrossEntropySpec",
    "OnPolicyReplaySpec",
    "PPOSILSpec",
    "PPOSpec",
    "PrioritizedReplaySpec",
    "RandomSpec",
    "RecurrentNetSpec",
    "ReinforceSpec",
    "ReplaySpec",
    "SACSpec",
    "SARSASpec",
    "SILSpec",
    "ScheduleSpec",
    "SearchResourcesSpec",
    "SearchSchedulerSpec",
    "SearchVariable",
    "Spec",
    "SpecError",
    "TorchArcNetSpec",
    "actor_net_spec",
    "canonical",
    "critic_net_spec",
    "load_spec",
    "parse_spec",
    "read_file",
    "search_hash",
    "session_hash",
    "session_hashes",
    "sil_memory_spec",
    "spec_of_trial",
    "trial_hash",
    "validate_file",
]
