"""Keys that are accepted without effect: the one list of them, and the removal of each with a warning."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final, get_args

from pydantic import BaseModel

from slm.spec.algorithm import AlgorithmSpec
from slm.spec.memory import MemorySpec
from slm.spec.net import ACTOR_CRITIC_ALGORITHMS, NOT_PREFIXED, PREFIXES, NetSpec

Section = dict[str, Any]

# Keys of published specs that nothing reads, by section, with what to say about them.
DEAD_KEYS: Final[Mapping[str, Mapping[str, str]]] = {
    "agent.algorithm": {
        "clip_val_loss": "nothing reads it; the key that clips the value loss is clip_vloss",
        "clip_eps": "the option was removed; the schedule is clip_eps_spec",
    },
    "agent.net": {
        "lr_decay": "the option was removed; the schedule is lr_scheduler_spec",
        "lr_decay_frequency": "the option was removed; the schedule is lr_scheduler_spec",
    },
    "meta": {
        "num_gpus": "nothing reads it",
        **dict.fromkeys(
            ("resume", "experiment", "trial", "session", "cuda_offset", "git_sha", "prepath", "experiment_ts"),
            "it is set when a session runs, whatever the spec says",
        ),
    },
}

TARGET_NET_KEYS: Final = ("update_type", "update_frequency", "polyak_coef")
TARGET_NET_ALGORITHMS: Final = ("DQN", "DoubleDQN", "SoftActorCritic")
# These refuse the target-net keys; see the cross-checks.
NO_TARGET_NET_ALGORITHMS: Final = ("VanillaDQN", "DQNBase")
VALUE_ALGORITHMS: Final = ("SARSA", "VanillaDQN", "DQNBase", "DQN", "DoubleDQN")
# They are about learning the temperature.
TEMPERATURE_KEYS: Final = ("alpha_lr", "target_entropy", "entropy_anneal", "log_alpha_min", "log_alpha_max")
SIL_MEMORY_KEYS: Final = ("sil_replay_name", "batch_size", "max_size", "use_cer", "alpha", "epsilon")


def _classes(union: Any, tag: str) -> dict[str, type[BaseModel]]:
    models = get_args(get_args(union)[0])
    return {name: model for model in models for name in get_args(model.model_fields[tag].annotation)}


ALGORITHMS: Final = _classes(AlgorithmSpec, "name")
MEMORIES: Final = _classes(MemorySpec, "name")
NETS: Final = _classes(NetSpec, "type")


def remove_dead_keys(data: Section) -> list[str]:
    """Take keys that have no effect out of a raw spec, in place, and return a warning for each that says anything.

    A key whose value is null says nothing and goes without a warning.
    """
    warnings: list[str] = []
    for path, section, drop in _rules(data):
        for key in [key for key in section if drop(key)]:
            reason = drop(key)
            value = section.pop(key)
            if value is not None and not (key == "update_frequency" and value == 1):
                warnings.append(f"{path}.{key} has no effect: {reason}")
    return warnings


Rule = Callable[[str], str | None]


def _rules(data: Section) -> Iterator[tuple[str, Section, Rule]]:
    """(path, section, rule) for every section that is there; a rule gives the reason why a key is dead, or None."""
    agent = _section(data, "agent")
    algorithm, memory, net = (_section(agent, key) for key in ("algorithm", "memory", "net"))
    name = str(algorithm.get("name"))
    yield "agent.algorithm", algorithm, lambda key: _dead_in_algorithm(key, algorithm)
    yield "agent.memory", memory, lambda key: _dead_in_memory(key, memory, name)
    for path, section in (("agent.net", net), ("agent.critic_net", _section(agent, "critic_net"))):
        yield path, section, lambda key, path=path, section=section: _dead_in_net(key, section, name, path)  # type: ignore[misc]
    if name in ALGORITHMS and name != "CrossQ":
        yield "agent", agent, lambda key: "only CrossQ reads it" if key == "critic_net" else None
    env = _section(data, "env")
    playground = str(env.get("name")).startswith(("playground/", "${"))
    yield "env", env, lambda key: None if playground else _PLAYGROUND.get(key)
    yield "meta", _section(data, "meta"), DEAD_KEYS["meta"].get


_PLAYGROUND: Final = dict.fromkeys(("reward_scale", "device"), "only playground environments read it")


def _section(data: Any, key: str) -> Section:
    section = data.get(key) if isinstance(data, dict) else None
    return section if isinstance(section, dict) else {}


def _read_by_others(key: str, name: str, classes: Mapping[str, type[BaseModel]]) -> str | None:
    """The reason why a key that the language has is dead in the class of this name."""
    if name not in classes or key in classes[name].model_fields:
        return None
    return f"{name} doesn't read it" if any(key in model.model_fields for model in classes.values()) else None


def _dead_in_algorithm(key: str, algorithm: Section) -> str | None:
    name = str(algorithm.get("name"))
    if key in DEAD_KEYS["agent.algorithm"]:
        return DEAD_KEYS["agent.algorithm"][key]
    if name in ("ActorCritic", "SIL"):
        if key == "num_step_returns" and algorithm.get("lam") is not None:
            return "lam is set"
        steps = None if algorithm.get("lam") is not None else algorithm.get("num_step_returns")
        if key == "training_frequency" and steps and algorithm[key] != steps:
            return "with n-step returns it is num_step_returns"
    if key == "explore_var_spec" and "explore_var_spec" in _keys(name) and _explores_by_sampling(algorithm):
        return "only the action policies epsilon_greedy and boltzmann read it"
    if key in TEMPERATURE_KEYS and name in ("SoftActorCritic", "CrossQ") and algorithm.get("fixed_alpha") is not None:
        return "fixed_alpha is set"
    return _read_by_others(key, name, ALGORITHMS)


def _keys(name: str) -> Collection[str]:
    return ALGORITHMS[name].model_fields if name in ALGORITHMS else ()


def _explores_by_sampling(algorithm: Section) -> bool:
    usual = ALGORITHMS[str(algorithm["name"])].model_fields["action_policy"].default
    return algorithm.get("action_policy", usual) in (None, "default", "random")


def _dead_in_memory(key: str, memory: Section, algorithm: str) -> str | None:
    name = str(memory.get("name"))
    if key in SIL_MEMORY_KEYS and name.startswith("OnPolicy") and algorithm in ALGORITHMS and "SIL" not in algorithm:
        return f"{name} doesn't read it with {algorithm}"
    return _read_by_others(key, name, MEMORIES)


def _dead_in_net(key: str, net: Section, algorithm: str, path: str) -> str | None:
    if key in DEAD_KEYS["agent.net"]:
        return DEAD_KEYS["agent.net"][key]
    if algorithm not in ALGORITHMS:
        return None
    if (key == "critic_gpu" or (key, path) == ("gpu", "agent.critic_net")) and str(net[key]).lower() == "true":
        return "a session computes on one device, which the policy's net chooses"
    if key == "log_std_init" and algorithm in VALUE_ALGORITHMS:
        return f"{algorithm} has no distribution with a standard deviation"
    roles = algorithm in ACTOR_CRITIC_ALGORITHMS and path == "agent.net"
    if not roles and (key in NOT_PREFIXED - {"type"} or (key.startswith(PREFIXES) and _is_twin(key))):
        return f"{algorithm} doesn't read it" if path == "agent.net" else "only agent.net has it"
    if roles and key.startswith("critic_") and key != "critic_init_std" and _is_twin(key):
        ruler = next((ruler for ruler in ("shared", "use_same_optim") if net.get(ruler) is True), None)
        if ruler:
            return f"{ruler} is true"
    if key in TARGET_NET_KEYS:
        return _dead_target_key(key, net, algorithm, path)
    return _read_by_others(key, str(net.get("type")), NETS)


def _is_twin(key: str) -> bool:
    return any(key in model.model_fields for model in NETS.values())


def _dead_target_key(key: str, net: Section, algorithm: str, path: str) -> str | None:
    if algorithm in NO_TARGET_NET_ALGORITHMS:
        return None
    if algorithm not in TARGET_NET_ALGORITHMS or path != "agent.net":
        return f"{algorithm} has no target net"
    if key == "update_frequency" and net.get("update_type") == "polyak":
        return "update_type is polyak"
    if key == "polyak_coef" and net.get("update_type", "replace") == "replace":
        return "update_type is replace"
    return None
