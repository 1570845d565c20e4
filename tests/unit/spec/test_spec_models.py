"""What a parsed spec holds: defaults, meanings, and the nets of actor and critic."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

import slm.spec
from slm.spec import (
    ActorCriticSpec,
    DQNSpec,
    NoNetSpec,
    PPOSILSpec,
    PPOSpec,
    ReplaySpec,
    SACSpec,
    ScheduleSpec,
    SearchVariable,
    actor_net_spec,
    critic_net_spec,
    parse_spec,
    sil_memory_spec,
)

Change = Callable[[Any, str, Any], Any]


def test_numbers_are_read_with_their_types(examples: Any) -> None:
    spec = parse_spec("a2c", examples["a2c"])
    assert actor_net_spec(spec).optim_spec == {"name": "AdamW", "lr": 7e-4, "betas": [0.5, 0.999]}
    assert (spec.env.max_frame, type(spec.env.max_frame)) == (200_000, int)
    assert type(spec.agent.algorithm.gamma) is float  # type: ignore[union-attr]


def test_end_value_zero_is_zero(ppo: Any) -> None:
    algorithm = parse_spec("x", ppo).agent.algorithm
    assert isinstance(algorithm, PPOSpec)
    expected = {"name": "linear_decay", "start_val": 0.01, "end_val": 0, "start_step": 0, "end_step": 100_000}
    assert algorithm.entropy_coef_spec == ScheduleSpec.model_validate(expected)
    assert (algorithm.clip_eps_spec.end_val, algorithm.clip_eps_spec.end_step) == (0.2, 0)


def test_defaults_that_depend_on_other_keys(examples: Any, with_change: Change) -> None:
    sac = parse_spec("x", with_change(examples["sac"], "env.num_envs", 16)).agent.algorithm
    assert isinstance(sac, SACSpec)
    assert (sac.training_start_step, sac.training_iter, sac.entropy_anneal.end_ratio) == (1000, 16, 0.6)
    large = parse_spec("x", with_change(examples["sac"], "agent.memory.batch_size", 2048)).agent.algorithm
    assert isinstance(large, SACSpec)
    assert large.training_start_step == 2048
    dqn = parse_spec("x", examples["vanilla"]).agent.algorithm
    assert isinstance(dqn, DQNSpec)
    assert (dqn.training_start_step, dqn.action_pdtype, dqn.action_policy) == (32, "Argmax", "epsilon_greedy")
    a2c = parse_spec("x", examples["a2c"]).agent.algorithm
    assert isinstance(a2c, ActorCriticSpec)
    assert (a2c.training_frequency, a2c.num_step_returns) == (5, 5)


@pytest.mark.parametrize(
    ("env", "clip_obs", "clip_reward"),
    [
        ({}, None, None),
        ({"normalize_obs": True, "normalize_reward": True}, 10, 10),
        ({"normalize_obs": True, "clip_obs": None, "clip_reward": [-1, 2]}, None, (-1, 2)),
        ({"clip_obs": 5, "clip_reward": 1}, 5, 1),
    ],
)
def test_clipping_follows_normalisation_unless_it_is_said(ppo: Any, env: Any, clip_obs: Any, clip_reward: Any) -> None:
    ppo["env"] |= env
    parsed = parse_spec("x", ppo).env
    assert (parsed.clip_obs, parsed.clip_reward) == (clip_obs, clip_reward)


def test_other_environment_keys_are_for_gymnasium(examples: Any) -> None:
    assert parse_spec("x", examples["conv_dqn"]).env.kwargs == {"life_loss_info": True, "frameskip": 4}
    assert parse_spec("x", examples["ppo"]).env.kwargs == {}


def test_playground_environment_validates(ppo: Any) -> None:
    ppo["env"] = {"name": "playground/CartpoleBalance", "num_envs": 2048, "max_frame": 1e7, "reward_scale": 10}
    assert parse_spec("x", ppo).env.reward_scale == 10


def test_actor_and_critic_nets_of_prefixed_keys(examples: Any) -> None:
    spec = parse_spec("x", examples["a2c"])
    actor, critic = actor_net_spec(spec), critic_net_spec(spec)
    assert critic is not None
    assert actor.type == critic.type == "TorchArcNet"
    assert actor.arc == critic.arc
    assert (actor.optim_spec["name"], critic.optim_spec["name"]) == ("AdamW", "Adam")
    assert actor.lr_scheduler_spec is None, "an actor's explicit null replaces the common schedule"
    assert critic.lr_scheduler_spec == {"name": "LinearToMin", "frame": 100_000, "min_factor": 0.1}
    assert actor.actor_init_std == 0.01, "the head's gain is a key of its own, not init_std of the actor"
    assert "actor_arc" not in actor.model_dump(exclude_defaults=True)


def test_shared_net_has_no_critic_and_same_optim_copies_the_actor(examples: Any, with_change: Change) -> None:
    a2c = examples["a2c"]
    assert critic_net_spec(parse_spec("x", with_change(a2c, "agent.net.shared", True))) is None
    same = parse_spec("x", with_change(a2c, "agent.net.use_same_optim", True))
    assert critic_net_spec(same) == actor_net_spec(same)


def test_critic_net_of_other_algorithms(examples: Any, with_change: Change) -> None:
    crossq = parse_spec("x", examples["crossq"])
    assert critic_net_spec(crossq) is crossq.agent.critic_net
    default = parse_spec("x", with_change(examples["crossq"], "agent.critic_net", ...))
    assert critic_net_spec(default) == actor_net_spec(default)
    sac, dqn = parse_spec("x", examples["sac"]), parse_spec("x", examples["dqn"])
    assert critic_net_spec(sac) == sac.agent.net
    assert critic_net_spec(dqn) is None


def test_random_needs_no_net(examples: Any) -> None:
    assert isinstance(parse_spec("x", examples["random"]).agent.net, NoNetSpec)


def test_self_imitation_has_a_second_memory(examples: Any) -> None:
    agent = parse_spec("x", examples["ppo_sil"]).agent
    assert isinstance(agent.algorithm, PPOSILSpec)
    assert agent.memory.name == "OnPolicyBatchReplay"
    assert sil_memory_spec(agent.memory) == ReplaySpec(name="Replay", batch_size=32, max_size=1000)


def test_search_in_nested_and_dotted_form(examples: Any) -> None:
    assert parse_spec("x", examples["search"]).search == (
        SearchVariable(path="agent.algorithm.gamma", distribution="uniform", args=(0.9, 0.999)),
        SearchVariable(path="agent.net.hid_layers", distribution="choice", args=([64], [64, 64])),
        SearchVariable(path="agent.net.optim_spec.lr", distribution="loguniform", args=(1e-4, 0.01)),
        SearchVariable(path="env.num_envs", distribution="choice", args=(1, 4)),
    )


@pytest.mark.parametrize(
    ("key", "args"),
    [
        ("agent.algorithm.lam__quniform", [0.5, 1, 0.1]),
        ("agent.net.clip_grad_val__qloguniform", [0.1, 1, 0.1]),
        ("agent.algorithm.time_horizon__randint", [8, 64]),
        ("agent.algorithm.time_horizon__lograndint", [8, 64]),
        ("agent.algorithm.time_horizon__qrandint", [8, 64, 8]),
        ("agent.algorithm.time_horizon__qlograndint", [8, 64, 1]),
        ("agent.algorithm.clip_vloss__choice", [True, False]),
        ("agent.net.optim_spec.lr__uniform", [1e-4, 1e-3]),
        ("env.continuous__choice", [True, False]),
    ],
)
def test_every_distribution_is_read(ppo: Any, key: str, args: Any) -> None:
    (variable,) = parse_spec("x", {**ppo, "search": {key: args}}).search
    assert (variable.key, list(variable.args)) == (key, args)


def test_spec_is_immutable(ppo: Any) -> None:
    spec = parse_spec("x", ppo)
    with pytest.raises(ValidationError, match="frozen"):
        spec.env.num_envs = 8  # type: ignore[misc]


def test_every_key_has_a_description() -> None:
    models = [item for item in vars(slm.spec).values() if isinstance(item, type) and issubclass(item, BaseModel)]
    missing = [(m.__name__, key) for m in models for key, field in m.model_fields.items() if not field.description]
    assert len(models) > 20
    assert missing == []
