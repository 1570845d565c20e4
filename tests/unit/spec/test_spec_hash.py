"""The hash changes with what decides the bytes of a result, and with nothing else."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slm.spec import canonical, load_spec, parse_spec, session_hash, trial_hash

Change = Callable[[Any, str, Any], Any]


def hash_of(raw: Any, name: str = "x", trial: int = 0, session: int = 0, backend: str = "eager") -> str:
    return session_hash(parse_spec(name, raw), trial=trial, session=session, backend=backend)


def test_canonical_spec_loads_back_to_an_equal_one(examples: dict[str, Any], tmp_path: Path) -> None:
    for name, raw in examples.items():
        spec = parse_spec(name, raw)
        path = tmp_path / "spec.json"
        path.write_text(json.dumps({name: canonical(spec), "_trial": {"trial": 0}}))
        loaded = load_spec(path, name)
        assert loaded == spec, name
        assert loaded.warnings == []
        assert canonical(loaded) == canonical(spec)
        assert hash_of(canonical(loaded)) == hash_of(raw)


def test_examples_have_different_hashes(examples: dict[str, Any]) -> None:
    assert len({hash_of(raw) for raw in examples.values()}) == len(examples)


@pytest.mark.parametrize(
    ("example", "key", "value"),
    [
        ("ppo", "agent.algorithm.gamma", 0.98),
        ("ppo", "agent.algorithm.entropy_coef_spec.end_val", 0.001),
        ("ppo", "agent.net.optim_spec", {"name": "Adam", "lr": 2e-3}),
        ("ppo", "agent.net.hid_layers", [64, 65]),
        ("a2c", "agent.net.actor_optim_spec.lr", 1e-5),
        ("a2c", "agent.net.critic_arc.modules.body", {"Tanh": None}),
        ("a2c", "agent.net.actor_lr_scheduler_spec", ...),
        ("ppo", "env.num_envs", 5),
        ("ppo", "env.max_frame", 3e5),
        ("ppo", "env.continuous", True),
        ("sac", "env.clip_obs", 10),
        ("ppo", "meta.log_frequency", 500),
        ("ppo", "meta.eval_frequency", 500),
        ("ppo", "meta.rigorous_eval", 4),
        ("ppo", "meta.random_seed", 0),
        ("ppo", "meta.distributed", "synced"),
        ("conv_dqn", "env.frameskip", 1),
    ],
)
def test_what_decides_the_bytes_changes_the_hash(
    examples: Any, with_change: Change, example: str, key: str, value: Any
) -> None:
    assert hash_of(with_change(examples[example], key, value)) != hash_of(examples[example])


@pytest.mark.parametrize(
    ("example", "key", "value"),
    [
        ("ppo", "agent.name", "another label"),
        ("ppo", "meta.max_session", 5),
        ("ppo", "meta.max_trial", 8),
        ("search", "meta.search_scheduler", None),
        ("search", "meta.search_resources", {"cpu": 2}),
        ("search", "search", ...),
        ("ppo", "agent.algorithm.clip_val_loss", False),
        # a default written out
        ("ppo", "agent.algorithm.minibatch_size", 4),
        ("ppo", "agent.algorithm.action_pdtype", None),
        ("ppo", "agent.algorithm.clip_eps_spec.end_val", 0.2),
        ("ppo", "agent.net.clip_grad_val", None),
        ("ppo", "agent.net.optim_spec", {"name": "Adam", "lr": 1e-3, "betas": [0.9, 0.999]}),
        ("ppo", "agent.net.loss_spec", {"name": "mseloss"}),
        ("ppo", "agent.net.lr_scheduler_spec", {}),
        ("ppo", "agent.net.gpu", None),
        ("ppo", "agent.net.hid_layers_activation", "Tanh"),
        ("ppo", "env.max_t", None),
        ("ppo", "env.clip_obs", None),
        ("sac", "env.clip_reward", [-1.0, "5"]),
        ("ppo", "meta.rigorous_eval", None),
        ("ppo", "meta.rigorous_eval", False),
        ("ppo", "meta.log_frequency", 10000),
        ("sac", "agent.algorithm.training_start_step", 1000),
        ("sac", "agent.algorithm.training_iter", 1),
        ("sac", "agent.algorithm.entropy_anneal.end_ratio", 0.6),
        ("vanilla", "agent.algorithm.training_start_step", 32),
        # another spelling
        ("ppo", "env.max_frame", "2e5"),
        ("ppo", "env.max_frame", 200000),
        ("crossq", "agent.net.arc.graph.modules.body", "x"),
        (
            "crossq",
            "agent.net.arc.modules.body",
            {"Sequential": [{"LazyLinear": {"out_features": 64.0}}, {"Tanh": {}}]},
        ),
    ],
)
def test_what_does_not_decide_the_bytes_leaves_the_hash(
    examples: Any, with_change: Change, example: str, key: str, value: Any
) -> None:
    changed = with_change(examples[example], key, value)
    assert json.dumps(changed) != json.dumps(examples[example])
    assert hash_of(changed) == hash_of(examples[example])


def test_critic_net_equal_to_net_is_the_default(examples: Any, with_change: Change) -> None:
    crossq = examples["crossq"]
    same = with_change(crossq, "agent.critic_net", crossq["agent"]["net"])
    assert hash_of(same) == hash_of(with_change(crossq, "agent.critic_net", ...))


def test_number_of_workers_counts_where_sessions_share_parameters(ppo: Any, with_change: Change) -> None:
    shared = with_change(ppo, "meta.distributed", "shared")
    assert hash_of(with_change(shared, "meta.max_session", 5)) != hash_of(shared)


def test_name_and_position_in_the_file_do_not_count(ppo: Any) -> None:
    backwards = {key: ppo[key] for key in reversed(ppo)}
    backwards["agent"] = {key: ppo["agent"][key] for key in reversed(ppo["agent"])}
    assert hash_of(backwards, "another") == hash_of(ppo)


def test_trial_session_and_backend_count(ppo: Any) -> None:
    spec = parse_spec("x", ppo)
    hashes = {
        hash_of(ppo, trial=t, session=s, backend=b) for t in (0, 1) for s in (0, 1) for b in ("eager", "compiled")
    }
    trials = {trial_hash(spec, trial=t, backend=b) for t in (0, 1) for b in ("eager", "compiled")}
    assert len(hashes | trials) == 8 + 4
    assert all(len(digest) == 64 and set(digest) <= set("0123456789abcdef") for digest in hashes | trials)


@given(number=st.integers(1, 10**15))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
def test_spellings_of_one_number_hash_equally(ppo: Any, with_change: Change, number: int) -> None:
    spellings = [number, str(number), float(number), repr(float(number))]
    assert len({hash_of(with_change(ppo, "env.max_frame", value)) for value in spellings}) == 1


@given(value=st.floats(0, 1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
def test_different_numbers_hash_differently(ppo: Any, with_change: Change, value: float) -> None:
    same = parse_spec("x", with_change(ppo, "agent.algorithm.gamma", value))
    assert (hash_of(canonical(same)) == hash_of(ppo)) == (value == 0.99)
