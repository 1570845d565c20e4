"""Every mistake gets its own message: file, spec, key, value and what is allowed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slm.errors import UserError
from slm.spec import SpecError, load_spec, parse_spec, validate_file

ALGORITHM, NET, MEMORY = "agent.algorithm", "agent.net", "agent.memory"
EXPLORE = {"name": "no_decay", "start_val": 0.3}
ARC_HEAD = {"graph": {"input": "x", "modules": {"body": ["x"]}, "output": "body"}}

# (example, key to change, its new value or ... to remove it, parts of the message after the spec's name)
MISTAKES: list[tuple[str, str, Any, tuple[str, ...]]] = [
    # wrong types and values out of range
    ("ppo", f"{ALGORITHM}.gamma", "high", ('gamma: "high" is not allowed', "a number is expected")),
    ("ppo", f"{ALGORITHM}.gamma", 1.5, ("gamma: 1.5 is not allowed", "at most 1")),
    ("ppo", f"{ALGORITHM}.gamma", True, ("gamma: true is not allowed", "a number is expected")),
    ("ppo", f"{ALGORITHM}.lam", -0.1, ("lam: -0.1 is not allowed", "at least 0")),
    ("ppo", f"{ALGORITHM}.lam", None, ("lam: null is not allowed", "a number is expected")),
    ("ppo", f"{ALGORITHM}.time_horizon", 0, ("time_horizon: 0 is not allowed", "at least 1")),
    ("ppo", f"{ALGORITHM}.time_horizon", 12.5, ("time_horizon: 12.5 is not allowed", "a whole number")),
    ("ppo", f"{ALGORITHM}.clip_vloss", 1, ("clip_vloss: 1 is not allowed", "true or false")),
    ("ppo", f"{ALGORITHM}.normalize_v_targets", "yes", ('normalize_v_targets: "yes" is not allowed', "true or false")),
    ("ppo", "agent.name", 3, ("agent.name: 3 is not allowed", "text is expected")),
    ("ppo", "agent", [], ("agent: [] is not allowed", "a map is expected")),
    ("ppo", f"{ALGORITHM}.clip_eps_spec", 0.2, ("clip_eps_spec: 0.2 is not allowed", "a map is expected")),
    ("ppo", f"{NET}.clip_grad_val", 0, ("clip_grad_val: 0 is not allowed", "above 0")),
    # unknown names
    ("ppo", f"{ALGORITHM}.name", "PP0", (f'{ALGORITHM}.name: "PP0" is not allowed', "did you mean 'PPO'?", "CrossQ")),
    ("ppo", f"{MEMORY}.name", "OnPolicyBatch", ('"OnPolicyBatch"', "did you mean 'OnPolicyBatchReplay'?")),
    ("ppo", f"{NET}.type", "MLP", (f"{NET}.type", "did you mean 'MLPNet'?", "RecurrentNet")),
    ("ppo", f"{ALGORITHM}.action_pdtype", "Gaussian", ("action_pdtype", "'Normal'", "'Categorical'")),
    ("ppo", f"{ALGORITHM}.action_policy", "greedy", ("action_policy", "'epsilon_greedy'")),
    ("ppo", f"{ALGORITHM}.normalize_advantages", "minmax", ("normalize_advantages", "'standardize' or 'percentile'")),
    ("ppo", f"{ALGORITHM}.clip_eps_spec.name", "linear", ("clip_eps_spec.name", "did you mean 'linear_decay'?")),
    ("ppo", f"{NET}.hid_layers_activation", "relux", ("hid_layers_activation", "did you mean 'ReLU'?")),
    ("ppo", f"{NET}.init_fn", "orthogonal", ("init_fn", "did you mean 'orthogonal_'?")),
    ("ppo", f"{NET}.optim_spec", {"name": "adam"}, ("optim_spec", "'adam'", "did you mean 'Adam'?")),
    ("ppo", f"{NET}.loss_spec", {"name": "MSE"}, ("loss_spec", "'MSE'", "did you mean 'MSELoss'?")),
    ("ppo", f"{NET}.lr_scheduler_spec", {"name": "LinearToOne", "frame": 9}, ("did you mean 'LinearToMin'?",)),
    # arguments of named things
    ("ppo", f"{NET}.optim_spec", {"name": "Adam", "learning_rate": 1}, ("Adam: 'learning_rate' is not an argument",)),
    ("ppo", f"{NET}.optim_spec", {"name": "Adam", "lr": -1}, ("optim_spec", "lr is a number of at least 0")),
    ("ppo", f"{NET}.optim_spec", {"betas": [0.9]}, ("optim_spec", "betas are two numbers")),
    ("ppo", f"{NET}.lr_scheduler_spec", {"name": "LinearToZero"}, ("the argument 'frame' is missing",)),
    ("ppo", f"{NET}.hid_layers", [64, "wide"], ("hid_layers", "a number is expected")),
    ("ppo", f"{NET}.hid_layers", 64, ("hid_layers: 64 is not allowed", "a list of layer sizes")),
    ("ppo", f"{NET}.gpu", "cuda:0", ("gpu", "'auto', true and false")),
    ("conv_dqn", f"{NET}.conv_hid_layers", [[32]], ("conv_hid_layers", "[out_channels, kernel, stride, padding")),
    ("ppo", f"{NET}.loss_spec", {"name": "BCELoss"}, ("'BCELoss' is not a known loss", "HuberLoss, L1Loss, MSELoss")),
    ("ppo", f"{NET}.loss_spec", {"name": "HuberLoss", "delta": 0}, ("loss_spec", "delta is a number above 0")),
    ("ppo", f"{NET}.loss_spec", {"name": "GaussianNLLLoss"}, ("'GaussianNLLLoss'", "allowed: HuberLoss")),
    ("ppo", f"{NET}.lr_scheduler_spec", {"name": "StepLR", "step_size": 0}, ("step_size is a number of at least 1",)),
    ("ppo", f"{NET}.lr_scheduler_spec", {"name": "CosineAnnealingLR", "T_max": 0}, ("T_max is a number of at least",)),
    ("ppo", f"{NET}.lr_scheduler_spec", {"name": "MultiStepLR", "milestones": "abc"}, ("a list of whole numbers",)),
    ("ppo", f"{NET}.lr_scheduler_spec", {"name": "MultiStepLR", "milestones": [1.5]}, ("a list of whole numbers",)),
    ("ppo", f"{NET}.lr_scheduler_spec", {"name": "ExponentialLR", "gamma": "slow"}, ("gamma is a number",)),
    # unknown keys
    ("ppo", f"{ALGORITHM}.gama", 0.9, (f"{ALGORITHM}.gama: unknown key", "did you mean 'gamma'?", "time_horizon")),
    ("ppo", "meta.max_sesion", 4, ("meta.max_sesion: unknown key", "did you mean 'max_session'?")),
    ("ppo", "agent.memmory", {}, ("agent.memmory: unknown key", "did you mean 'memory'?")),
    ("ppo", "enviroment", {}, ("enviroment: unknown key", "allowed: agent, env, meta, search")),
    ("ppo", f"{NET}.hid_layer", [64], (f"{NET}.hid_layer: unknown key", "did you mean 'hid_layers'?")),
    ("ppo", f"{NET}.actor_hid_layer", [64], ("unknown key", "did you mean 'actor_hid_layers'?")),
    ("ppo", f"{ALGORITHM}.clip_eps_spec.end", 0.1, ("clip_eps_spec.end: unknown key", "end_val")),
    ("ppo", "env.max_frames", 100, ("env.max_frames: unknown key", "did you mean 'max_frame'?")),
    ("ppo", "env.num_env", 4, ("env.num_env: unknown key", "did you mean 'num_envs'?")),
    # missing keys
    ("ppo", f"{ALGORITHM}.gamma", ..., (f"{ALGORITHM}.gamma is missing", "Discount factor")),
    ("ppo", f"{ALGORITHM}.name", ..., (f"{ALGORITHM}.name is missing",)),
    ("ppo", "env", ..., ("env is missing",)),
    ("ppo", "env.max_frame", ..., ("env.max_frame is missing",)),
    ("ppo", "meta.distributed", ..., ("meta.distributed is missing",)),
    ("ppo", f"{NET}.hid_layers", ..., (f"{NET}.hid_layers is missing", "MLPNet needs it")),
    ("dqn", f"{MEMORY}.batch_size", ..., (f"{MEMORY}.batch_size is missing",)),
    ("dqn", f"{ALGORITHM}.explore_var_spec.end_step", ..., ("explore_var_spec.end_step is missing", "linear_decay")),
    ("a2c", f"{NET}.shared", ..., (f"{NET}.shared is missing", "ActorCritic needs it")),
    ("a2c", f"{NET}.critic_arc", ..., ("exactly one of arc and arc_file", "critic_arc")),
    ("a2c", f"{ALGORITHM}.num_step_returns", ..., ("num_step_returns is missing", "lam is null")),
    ("a2c", f"{ALGORITHM}.num_step_returns", None, ("training_frequency is missing",)),
    ("ppo_sil", f"{MEMORY}.sil_replay_name", ..., ("sil_replay_name is missing", "PPOSIL needs it")),
    # environment and meta
    ("ppo", "env.num_envs", 0, ("env.num_envs: 0 is not allowed", "at least 1")),
    ("ppo", "env.name", "", ("env.name", "at least one character")),
    ("ppo", "env.clip_reward", [1, -1], ("env.clip_reward", "a pair [low, high]")),
    ("ppo", "env.clip_obs", "none", ("env.clip_obs", "a number is expected")),
    ("ppo", "env.render_mode", "human", ('env.render_mode: "human" is not allowed', "training does not render")),
    ("ppo", "meta.distributed", True, ("meta.distributed: true", "false, 'shared' and 'synced'")),
    ("ppo", "meta.max_session", 0, ("meta.max_session: 0", "at least 1")),
    ("ppo", "meta.log_frequency", -5, ("meta.log_frequency: -5", "at least 1")),
    ("ppo", "meta.rigorous_eval", True, ("meta.rigorous_eval: true", "a number of episodes")),
    ("ppo", "meta.random_seed", -1, ("meta.random_seed: -1", "at least 0")),
    ("search", "meta.search_scheduler.reduction_factor", 1, ("reduction_factor: 1", "at least 2")),
    ("search", "meta.search_scheduler.grace_period", 3e5, ("grace_period: 300000", "at most env.max_frame (200000)")),
    ("search", "meta.search_scheduler.grace", 3e5, ("search_scheduler.grace: unknown key", "'grace_period'")),
    # impossible combinations
    ("ppo", f"{MEMORY}.name", "OnPolicyReplay", ("PPO learns from OnPolicyBatchReplay",)),
    ("reinforce", MEMORY, {"name": "Replay", "batch_size": 2, "max_size": 4}, ("Reinforce learns on-policy",)),
    ("dqn", MEMORY, {"name": "OnPolicyReplay"}, ("DoubleDQN learns from Replay or PrioritizedReplay",)),
    ("search", f"{MEMORY}.name", "OnPolicyBatchReplay", ("training_frequency: 1", "it is at least 2")),
    ("dqn", f"{MEMORY}.batch_size", 20_000, ("batch_size: 20000", "max_size 10000")),
    ("dqn", f"{NET}.polyak_coef", 0, ("polyak_coef: 0", "above 0")),
    ("vanilla", f"{NET}.update_frequency", 100, ("update_frequency: 100", "VanillaDQN has no target net")),
    ("dqn", f"{ALGORITHM}.explore_var_spec.start_step", 5000, ("end_step: 1000", "not before start_step (5000)")),
    ("conv_dqn", f"{ALGORITHM}.action_policy", "boltzmann", ("boltzmann needs a schedule of its temperature",)),
    ("dqn", f"{ALGORITHM}.action_policy", "boltzmann", ("action_pdtype", "boltzmann samples a Categorical")),
    ("sac", f"{ALGORITHM}.action_policy", "boltzmann", ("SoftActorCritic explores by its entropy",)),
    ("sac", f"{ALGORITHM}.log_alpha_max", -6, ("log_alpha_max: -6", "at least log_alpha_min (-5)")),
    ("sac", f"{ALGORITHM}.alpha_anneal_frames", 10, ("alpha_anneal_frames: 10", "fixed_alpha")),
    ("ppo", f"{ALGORITHM}.action_pdtype", "Argmax", ("action_pdtype", "no gradient for PPO", "Categorical")),
    ("a2c", f"{ALGORITHM}.action_pdtype", "Argmax", ("action_pdtype", "no gradient for ActorCritic")),
    ("reinforce", f"{ALGORITHM}.action_pdtype", "Argmax", ("action_pdtype", "no gradient for Reinforce")),
    ("ppo", NET, {"type": "NoNet"}, ("agent.net.type", "PPO needs a net")),
    # the arc language
    ("crossq", f"{NET}.arc", {"modules": {}}, ("modules and graph",)),
    ("crossq", f"{NET}.arc", {"modules": {"body": {"LazyLiner": None}}, **ARC_HEAD}, ("did you mean 'LazyLinear'?",)),
    ("crossq", f"{NET}.arc", {"modules": {"body": {"LazyLinear": None}}, **ARC_HEAD}, ("'out_features' is missing",)),
    ("crossq", f"{NET}.arc", {"modules": {"body": {"Tanh": {"x": 1}}}, **ARC_HEAD}, ("'x' is not an argument",)),
    ("crossq", f"{NET}.arc", {"modules": {"body": "ReLU"}, **ARC_HEAD}, ("a map of one class name",)),
    (
        "crossq",
        f"{NET}.arc",
        {"modules": {"boddy": {"ReLU": None}}, **ARC_HEAD},
        ("'body' is not in modules", "'boddy'"),
    ),
    ("crossq", f"{NET}.arc.graph.modules", {"body": ["y"]}, ("'y' is not an input or an earlier module",)),
    ("crossq", f"{NET}.arc.graph.output", "head", ("graph.output: 'head' is not in graph.modules",)),
    ("crossq", f"{NET}.arc_file", "arc.json", ("arc is there too", "exactly one")),
    # search
    ("search", "search.agent.algorithm.gamma__norm", [0, 1], ("'norm' is not a known distribution", "uniform")),
    ("search", "search.agent.algorithm.gamma__grid_search", [0, 1], ("write the options as __choice",)),
    ("search", "search.agent.algorithm.gamma__randn", [0, 1], ("unbounded normal distribution",)),
    ("search", "search.agent.algorithm.gamma__uniform", [1, 0], ("uniform takes [low, high]",)),
    ("search", "search.agent.algorithm.gamma__uniform", [0.5, 2], ("with 2", "at most 1")),
    ("search", "search.agent.algorithm.gama__uniform", [0, 1], ("unknown key", "did you mean 'gamma'?")),
    ("search", "search.agent.algorithm.gamma", [0, 1], ("a key ends with __ and a distribution",)),
    ("search", "search.agent.net.clip_grad_val__loguniform", [0, 1], ("loguniform takes [low, high] with low > 0",)),
    ("search", "search.agent.algorithm.training_frequency__qrandint", [1, 5, 9], ("[low, high, step]",)),
    ("search", "search.agent.net.hid_layers__choice", [], ("a list of at least one option",)),
    ("search", "search.agent.algorithm.gamma__choice", [0.9], ("varied twice",)),
    ("search", "search.agent.algorithm.gamma__uniform", [0, "x"], ("uniform takes [low, high]",)),
    ("search", "search", [1], ("search: [1] is not allowed", "a map")),
]


@pytest.mark.parametrize(("example", "key", "value", "parts"), MISTAKES)
def test_mistake_is_refused_with_its_message(
    examples: dict[str, Any],
    with_change: Callable[..., Any],
    write: Callable[..., Path],
    example: str,
    key: str,
    value: Any,
    parts: tuple[str, ...],
) -> None:
    path = write({"mine": with_change(examples[example], key, value)})
    with pytest.raises(SpecError) as caught:
        load_spec(path, "mine")
    assert isinstance(caught.value, UserError)
    assert all(message.startswith(f"{path}: mine: ") for message in caught.value.messages)
    assert any(all(part in message for part in parts) for message in caught.value.messages), str(caught.value)
    assert len(caught.value.messages) == 1, str(caught.value)


def test_all_mistakes_of_a_file_are_reported_at_once(ppo: Any, with_change: Callable[..., Any], write: Any) -> None:
    first = with_change(with_change(ppo, "agent.algorithm.gamma", 2), "env.num_env", 4)
    first = with_change(with_change(first, "meta.max_session", ...), "agent.memory.name", "OnPolicyReplay")
    path = write({"first": first, "second": with_change(ppo, "agent.net.type", "Net"), "third": ppo, "fourth": None})
    with pytest.raises(SpecError) as caught:
        validate_file(path)
    text = str(caught.value)
    assert text.splitlines() == caught.value.messages
    for part in ("first: agent.algorithm.gamma", "first: env.num_env", "first: meta.max_session is missing"):
        assert part in text
    assert "first: agent.memory.name" in text, "a check of several keys runs although single keys are wrong"
    assert "second: agent.net.type" in text
    assert "fourth: null is not allowed" in text
    assert "third" not in text
    assert len(caught.value.messages) == 6


def test_a_check_of_several_keys_is_silent_where_one_of_them_is_wrong(
    ppo: Any, with_change: Callable[..., Any]
) -> None:
    scheduled = with_change(ppo, "meta.search_scheduler.grace_period", 10**9)
    with pytest.raises(SpecError) as caught:
        parse_spec("x", with_change(scheduled, "env.max_frame", "many"))
    assert [message.split(": ")[2] for message in caught.value.messages] == ["env.max_frame"]


@pytest.mark.parametrize(
    ("example", "key", "value", "warning"),
    [
        ("ppo", "agent.algorithm.clip_val_loss", False, "clip_vloss"),
        ("ppo", "agent.algorithm.training_frequency", 4, "PPO doesn't read it"),
        ("ppo", "agent.algorithm.training_iter", 4, "PPO doesn't read it"),
        ("ppo", "agent.net.update_type", "polyak", "PPO has no target net"),
        ("ppo", "agent.net.normalize", True, "MLPNet doesn't read it"),
        ("ppo", "agent.memory.batch_size", 32, "OnPolicyBatchReplay doesn't read it with PPO"),
        ("ppo", "agent.critic_net", {"type": "MLPNet"}, "only CrossQ reads it"),
        ("ppo", "env.reward_scale", 10, "only playground environments read it"),
        ("ppo", "meta.num_gpus", 1, "nothing reads it"),
        ("ppo", "meta.git_sha", "abc", "set when a session runs"),
        ("sac", "agent.net.shared", False, "SoftActorCritic doesn't read it"),
        ("sac", "agent.net.actor_optim_spec", {"name": "Adam"}, "SoftActorCritic doesn't read it"),
        ("dqn", "agent.net.update_frequency", 100, "update_type is polyak"),
        ("a2c", "agent.algorithm.training_frequency", 48, "num_step_returns"),
        ("ppo", "agent.algorithm.explore_var_spec", EXPLORE, "only the action policies epsilon_greedy"),
        ("search", "agent.algorithm.explore_var_spec", EXPLORE, "only the action policies epsilon_greedy"),
        ("vanilla", "agent.net.log_std_init", 0, "VanillaDQN has no distribution with a standard deviation"),
        ("a2c", "agent.net.critic_gpu", True, "a session computes on one device"),
        ("random", "agent.net", {"type": "MLPNet"}, "Random doesn't read it"),
    ],
)
def test_key_without_effect_is_accepted_with_a_warning(
    examples: Any, with_change: Callable[..., Any], example: str, key: str, value: Any, warning: str
) -> None:
    spec = parse_spec("x", with_change(examples[example], key, value))
    assert len(spec.warnings) == 1
    assert spec.warnings[0].startswith(f"{key} has no effect: ")
    assert warning in spec.warnings[0]
    assert spec == parse_spec("x", examples[example])


@pytest.mark.parametrize(
    ("key", "value"),
    [("alpha_lr", 0.1), ("target_entropy", -1), ("entropy_anneal", {"frames": 9}), ("log_alpha_min", -1),
     ("log_alpha_max", 1)],
)  # fmt: skip
@pytest.mark.parametrize("example", ["sac", "crossq"])
def test_settings_of_a_learned_temperature_are_warned_of_where_it_is_fixed(
    examples: Any, with_change: Callable[..., Any], example: str, key: str, value: Any
) -> None:
    learned = with_change(examples[example], f"{ALGORITHM}.entropy_anneal", None)
    del learned["agent"]["algorithm"]["entropy_anneal"]
    assert parse_spec("x", with_change(learned, f"{ALGORITHM}.{key}", value)).warnings == []
    fixed = with_change(learned, f"{ALGORITHM}.fixed_alpha", 0.2)
    spec = parse_spec("x", with_change(fixed, f"{ALGORITHM}.{key}", value))
    assert spec.warnings == [f"{ALGORITHM}.{key} has no effect: fixed_alpha is set"]
    assert spec == parse_spec("x", fixed)


@pytest.mark.parametrize("policy", [None, "default", "random"])
def test_exploration_is_warned_of_where_a_value_algorithm_samples(
    examples: Any, with_change: Callable[..., Any], policy: str | None
) -> None:
    assert parse_spec("x", examples["dqn"]).warnings == []
    (warning,) = parse_spec("x", with_change(examples["dqn"], f"{ALGORITHM}.action_policy", policy)).warnings
    assert warning.startswith(f"{ALGORITHM}.explore_var_spec has no effect")


@pytest.mark.parametrize("ruler", ["shared", "use_same_optim"])
def test_critic_keys_without_a_critic_of_its_own_are_warned_of(
    examples: Any, with_change: Callable[..., Any], ruler: str
) -> None:
    warnings = parse_spec("x", with_change(examples["a2c"], f"agent.net.{ruler}", True)).warnings
    assert [warning.split(" ")[0] for warning in warnings] == [
        "agent.net.critic_arc",
        "agent.net.critic_lr_scheduler_spec",
    ]


def test_null_in_a_key_that_is_not_read_needs_no_warning(examples: Any, with_change: Callable[..., Any]) -> None:
    assert parse_spec("x", with_change(examples["sac"], "agent.algorithm.explore_var_spec", None)).warnings == []
