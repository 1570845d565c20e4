"""Combinations of keys that can't be: each check reads a whole spec and names what is wrong."""

from collections.abc import Iterator

from slm.spec.algorithm import (
    ActorCriticSpec,
    CrossQSpec,
    DQNSpec,
    PPOSILSpec,
    PPOSpec,
    RandomSpec,
    SACSpec,
    SARSASpec,
    SILSpec,
)
from slm.spec.dead_keys import NO_TARGET_NET_ALGORITHMS, TARGET_NET_KEYS
from slm.spec.fields import ABSENT, ScheduleSpec, SpecModel
from slm.spec.memory import OnPolicyBase, PrioritizedReplaySpec, ReplaySpec
from slm.spec.messages import Problem, missing, not_allowed
from slm.spec.net import ACTOR_CRITIC_ALGORITHMS, NetBase, select_net
from slm.spec.spec import Spec

NAME = "agent.algorithm.name"
POLICY_GRADIENT = ("Reinforce", *ACTOR_CRITIC_ALGORITHMS)
OFF_POLICY = (DQNSpec, SACSpec, CrossQSpec)


def check_spec(spec: Spec) -> Iterator[Problem]:
    """Every impossible combination in a spec whose values are each allowed."""
    yield from check_memory(spec)
    yield from check_schedules(spec)
    yield from check_actions(spec)
    yield from check_returns(spec)
    yield from check_soft(spec)
    yield from check_nets(spec)
    yield from check_search_meta(spec)
    yield from check_distributed(spec)
    if "render_mode" in spec.env.kwargs:
        yield not_allowed("env.render_mode", spec.env.kwargs["render_mode"], "training does not render; leave it out")


def check_memory(spec: Spec) -> Iterator[Problem]:
    """The memory suits the algorithm, and a batch fits in it."""
    algorithm, memory = spec.agent.algorithm, spec.agent.memory
    key = "agent.memory.name"
    replay = isinstance(memory, ReplaySpec | PrioritizedReplaySpec)
    if isinstance(algorithm, RandomSpec):
        return
    if isinstance(algorithm, OFF_POLICY) and not replay:
        yield not_allowed(key, memory.name, f"{algorithm.name} learns from Replay or PrioritizedReplay", NAME)
    elif isinstance(algorithm, PPOSpec | PPOSILSpec) and memory.name != "OnPolicyBatchReplay":
        yield not_allowed(key, memory.name, f"{algorithm.name} learns from OnPolicyBatchReplay", NAME)
    elif not isinstance(algorithm, OFF_POLICY) and replay:
        kinds = "OnPolicyReplay, OnPolicyBatchReplay or OnPolicyCrossEntropy"
        yield not_allowed(key, memory.name, f"{algorithm.name} learns on-policy, from {kinds}", NAME)
    if isinstance(algorithm, SARSASpec) and memory.name == "OnPolicyBatchReplay" and algorithm.training_frequency < 2:
        allowed = f"it is at least 2 with {memory.name}: the action after a batch's last step is not known"
        yield not_allowed("agent.algorithm.training_frequency", algorithm.training_frequency, allowed, NAME, key)
    if isinstance(algorithm, SILSpec | PPOSILSpec) and isinstance(memory, OnPolicyBase):
        prioritized = memory.sil_replay_name == "PrioritizedReplay"
        for name in ("sil_replay_name", "batch_size", "max_size", *(("alpha", "epsilon") if prioritized else ())):
            if getattr(memory, name) is None:
                yield missing(f"agent.memory.{name}", f"{algorithm.name} needs it for its second memory", NAME, key)
    if memory.batch_size and memory.max_size and memory.batch_size > memory.max_size:
        allowed = f"a batch fits in the memory (max_size {memory.max_size})"
        yield not_allowed("agent.memory.batch_size", memory.batch_size, allowed, "agent.memory.max_size")


def check_schedules(spec: Spec) -> Iterator[Problem]:
    """Schedules that move say where to and until when."""
    for section, model in (("agent.algorithm", spec.agent.algorithm), ("agent.memory", spec.agent.memory)):
        for key in type(model).model_fields:
            value = getattr(model, key)
            if isinstance(value, ScheduleSpec) and value.name != "no_decay":
                yield from _check_schedule(f"{section}.{key}", value)


def _check_schedule(key: str, schedule: ScheduleSpec) -> Iterator[Problem]:
    name = f"{key}.name"
    if schedule.end_val is ABSENT:
        yield missing(f"{key}.end_val", f"{schedule.name} ends at it", name)
    if schedule.end_step is ABSENT:
        yield missing(f"{key}.end_step", f"{schedule.name} ends at it", name)
    elif schedule.end_step < schedule.start_step:
        allowed = f"a frame not before start_step ({schedule.start_step}) is expected"
        yield not_allowed(f"{key}.end_step", schedule.end_step, allowed, f"{key}.start_step", name)


def check_actions(spec: Spec) -> Iterator[Problem]:
    """Boltzmann exploration has a temperature above zero and a distribution that it can act on."""
    algorithm = spec.agent.algorithm
    if isinstance(algorithm, RandomSpec):
        return
    policy = "agent.algorithm.action_policy"
    if algorithm.name in POLICY_GRADIENT and algorithm.action_pdtype == "Argmax":
        allowed = f"it has no gradient for {algorithm.name} to learn by; Categorical samples the same outputs"
        yield not_allowed("agent.algorithm.action_pdtype", algorithm.action_pdtype, allowed, NAME)
    if isinstance(algorithm, SACSpec | CrossQSpec):
        if algorithm.action_policy in ("epsilon_greedy", "boltzmann"):
            allowed = f"{algorithm.name} explores by its entropy; allowed are default and random"
            yield not_allowed(policy, algorithm.action_policy, allowed, NAME)
        return
    if algorithm.action_policy == "boltzmann":
        temperature = algorithm.explore_var_spec
        key = "agent.algorithm.explore_var_spec"
        if temperature is None:
            yield not_allowed(key, None, "boltzmann needs a schedule of its temperature", policy)
        else:
            for bound in ("start_val", "end_val"):
                value = getattr(temperature, bound)
                if value is not ABSENT and value <= 0:
                    yield not_allowed(f"{key}.{bound}", value, "a temperature is above 0", policy)
        if algorithm.action_pdtype not in ("default", "Categorical", "GumbelSoftmax"):
            pdtype = "agent.algorithm.action_pdtype"
            yield not_allowed(pdtype, algorithm.action_pdtype, "boltzmann samples a Categorical", policy)


def check_returns(spec: Spec) -> Iterator[Problem]:
    """Actor-critic says when to learn and which returns from."""
    algorithm = spec.agent.algorithm
    if not isinstance(algorithm, ActorCriticSpec | SILSpec):
        return
    lam, steps, frequency = (f"agent.algorithm.{key}" for key in ("lam", "num_step_returns", "training_frequency"))
    if algorithm.lam is None and algorithm.num_step_returns is ABSENT:
        yield missing(steps, "lam is null, so it is required (null for whole returns)", lam)
    elif algorithm.training_frequency is ABSENT:
        yield missing(frequency, "it is required unless num_step_returns is set", lam, steps)


def check_soft(spec: Spec) -> Iterator[Problem]:
    """The temperature's settings agree with each other."""
    algorithm = spec.agent.algorithm
    if not isinstance(algorithm, SACSpec | CrossQSpec):
        return
    low, high = "agent.algorithm.log_alpha_min", "agent.algorithm.log_alpha_max"
    if algorithm.log_alpha_max < algorithm.log_alpha_min:
        allowed = f"it is at least log_alpha_min ({algorithm.log_alpha_min:g})"
        yield not_allowed(high, algorithm.log_alpha_max, allowed, low)
    if algorithm.alpha_anneal_frames and algorithm.fixed_alpha is None:
        allowed = "only a fixed_alpha is annealed"
        key = "agent.algorithm.alpha_anneal_frames"
        yield not_allowed(key, algorithm.alpha_anneal_frames, allowed, "agent.algorithm.fixed_alpha")


def check_nets(spec: Spec) -> Iterator[Problem]:
    """Each resulting net is complete, and target nets are asked for where there are any."""
    agent, net = spec.agent, spec.agent.net
    if net.type == "NoNet" and not isinstance(agent.algorithm, RandomSpec):
        yield not_allowed("agent.net.type", net.type, f"{agent.algorithm.name} needs a net", NAME)
    nets: list[tuple[str, NetBase, str]] = [("agent.net", net, "actor_")]
    if agent.algorithm.name in ACTOR_CRITIC_ALGORITHMS and not (net.shared or net.use_same_optim):
        nets.append(("agent.net", net, "critic_"))
    if agent.critic_net is not None:
        nets.append(("agent.critic_net", agent.critic_net, ""))
    for path, section, prefix in nets:
        yield from _check_complete(path, section, prefix)
    if isinstance(agent.algorithm, ActorCriticSpec | SILSpec):
        for key in ("shared", "use_same_optim"):
            if key not in net.model_fields_set:
                yield missing(f"agent.net.{key}", f"{agent.algorithm.name} needs it (true or false)", NAME)
    yield from _check_target_net(spec)


def _check_complete(path: str, net: NetBase, prefix: str) -> Iterator[Problem]:
    chosen = select_net(net, prefix) if prefix else net
    for key in chosen.REQUIRED:
        if getattr(chosen, key) is ABSENT:
            twin = f" (or {prefix}{key})" if prefix and _has_any_twin(net) else ""
            why = "exactly one of arc and arc_file is required" if key == "arc" else f"{net.type} needs it"  # type: ignore[attr-defined]
            if prefix == "critic_" and getattr(select_net(net, "actor_"), key) is ABSENT:
                continue  # said of the actor already
            yield missing(f"{path}.{key}", why + twin, f"{path}.{prefix}{key}", f"{path}.{key}_file", f"{path}.type")


def _has_any_twin(net: SpecModel) -> bool:
    return any(key.startswith(("actor_", "critic_")) and not key.endswith("_init_std") for key in net.model_fields_set)


def _check_target_net(spec: Spec) -> Iterator[Problem]:
    net, name = spec.agent.net, spec.agent.algorithm.name
    if name in NO_TARGET_NET_ALGORITHMS:
        for key in TARGET_NET_KEYS:
            if key in net.model_fields_set:
                allowed = f"{name} has no target net; the key belongs to DQN and DoubleDQN"
                yield not_allowed(f"agent.net.{key}", getattr(net, key), allowed, NAME)
    elif net.update_type == "polyak" and net.polyak_coef == 0:
        key = "agent.net.polyak_coef"
        yield not_allowed(key, net.polyak_coef, "with update_type polyak it is above 0", "agent.net.update_type")


def check_search_meta(spec: Spec) -> Iterator[Problem]:
    """A search's trials can reach their first rung."""
    scheduler = spec.meta.search_scheduler
    if not scheduler:
        return
    period, factor = "meta.search_scheduler.grace_period", "meta.search_scheduler.reduction_factor"
    if scheduler.grace_period > spec.env.max_frame:
        allowed = f"it is at most env.max_frame ({spec.env.max_frame})"
        yield not_allowed(period, scheduler.grace_period, allowed, "env.max_frame")
    elif scheduler.grace_period * scheduler.reduction_factor ** (scheduler.brackets - 1) > spec.env.max_frame:
        allowed = f"the first rung of the last bracket is at most at env.max_frame ({spec.env.max_frame})"
        key = "meta.search_scheduler.brackets"
        yield not_allowed(key, scheduler.brackets, allowed, "env.max_frame", period, factor)


def check_distributed(spec: Spec) -> Iterator[Problem]:
    """Every worker has a frame to train, where frames are divided among them."""
    workers = spec.meta.max_session
    if spec.meta.distributed and spec.env.max_frame < workers:
        allowed = f"at least one frame for each of the {workers} workers is expected"
        yield not_allowed("env.max_frame", spec.env.max_frame, allowed, "meta.max_session", "meta.distributed")
