"""The documentation of the spec language can't drift from the schema and the source."""

import ast
import re
from pathlib import Path

import pytest
from generate_spec import PLANNED, RESULT, SECTIONS, default, generate, keys_of, readers
from key_readers import find_reads

from slm.spec import ActorCriticSpec, DQNSpec, EnvSpec, ScheduleSpec, SpecError, parse_spec
from slm.spec.dead_keys import DEAD_KEYS

ROOT = Path(__file__).parents[3]
REGENERATE = "run `python docs/generate_spec.py`"

# Every key of the reference language: those of its documentation and code, by section.
REFERENCE = {
    "agent": "name algorithm memory net critic_net",
    "agent.algorithm": """
        name action_pdtype action_policy gamma lam num_step_returns training_frequency training_iter
        training_batch_iter training_start_step training_epoch time_horizon minibatch_size val_loss_coef
        policy_loss_coef normalize_v_targets center_return clip_vloss clip_val_loss normalize_advantages symlog
        spectral_norm policy_delay target_entropy entropy_anneal alpha_lr fixed_alpha alpha_anneal_frames
        log_alpha_min log_alpha_max entropy_penalty_coef sil_policy_loss_coef sil_val_loss_coef clip_eps_spec
        entropy_coef_spec explore_var_spec""",
    "agent.algorithm.<schedule>": "name start_val end_val start_step end_step",
    "agent.algorithm.entropy_anneal": "start_ratio end_ratio frames",
    "agent.memory": "name batch_size max_size use_cer alpha epsilon cross_entropy sil_replay_name",
    "agent.net": """type arc hid_layers conv_hid_layers fc_hid_layers hid_layers_activation out_layer_activation init_fn
        normalize batch_norm layer_norm log_std_init actor_init_std critic_init_std clip_grad_val shared use_same_optim
        loss_spec optim_spec lr_scheduler_spec update_type update_frequency polyak_coef gpu cell_type rnn_hidden_size
        rnn_num_layers bidirectional seq_len""",
    "env": """name num_envs max_t max_frame normalize_obs clip_obs normalize_reward clip_reward reward_scale device""",
    "meta": """distributed max_session max_trial log_frequency eval_frequency rigorous_eval search_resources
        search_scheduler random_seed num_gpus resume experiment trial session cuda_offset git_sha prepath
        experiment_ts""",
    "meta.search_scheduler": "grace_period reduction_factor brackets",
    "meta.search_resources": "cpu gpu",
}


@pytest.fixture(scope="module")
def places() -> dict[str, list[str]]:
    return readers()


def test_document_is_as_generated() -> None:
    assert RESULT.read_text() == generate(), REGENERATE


def test_every_key_is_read_or_planned(places: dict[str, list[str]]) -> None:
    """Equality: a planned key that is read by now has to leave the list."""
    assert {key for key, read_by in places.items() if not read_by} == set(PLANNED)


def test_every_place_exists() -> None:
    """Each `path:function` of the document, hand-written or generated, is in the source."""
    mentioned = set(re.findall(r"`(slm/[\w/]+\.py):([\w.]+)`", RESULT.read_text()))
    assert len(mentioned) > 50
    for path, name in mentioned:
        body = ast.parse((ROOT / path).read_text()).body
        for part in name.split("."):
            nodes = {node.name: node for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
            assert part in nodes, f"{path}:{name}"
            body = nodes[part].body


@pytest.mark.parametrize("section", REFERENCE)
def test_every_key_of_the_reference_is_documented(section: str) -> None:
    known = {*keys_of(SECTIONS[section]), *DEAD_KEYS.get(section, {})}
    text = RESULT.read_text()
    for key in REFERENCE[section].split():
        assert key in known
        assert f"| `{section}.{key}` |" in text


def test_a_read_is_found_through_assignments_and_classes(tmp_path: Path) -> None:
    (tmp_path / "slm").mkdir()
    (tmp_path / "slm" / "reader.py").write_text(
        "class Base:\n"
        "    def __init__(self, spec: Spec) -> None:\n"
        "        self.algorithm, other = spec.agent.algorithm, spec.env\n"
        "        other.max_t\n"
        "class Reader(Base):\n"
        "    def learn(self, beta: float) -> float:\n"
        "        return self.algorithm.gamma\n"
        "def elsewhere(thing: object) -> object:\n"
        "    return thing.lam\n"
    )
    reads = {(model.__name__, key): found for (model, key), found in find_reads(tmp_path).items()}
    assert reads["DQNSpec", "gamma"] == ["slm/reader.py:Reader.learn"]
    assert reads["EnvSpec", "max_t"] == ["slm/reader.py:Base.__init__"]
    assert not any(key == "lam" for _, key in reads)  # an object of unknown type reads no key of the language


@pytest.mark.parametrize(
    ("env", "bound"),
    [({"name": "ALE/Pong-v5"}, 1), ({"name": "Ant-v5", "normalize_reward": True}, 10), ({"name": "Ant-v5"}, None)],
)
def test_the_default_of_clip_reward_is_what_parsing_makes_of_it(env: dict[str, object], bound: float | None) -> None:
    assert default(EnvSpec, "clip_reward") == "1 for `ALE/` games; else 10 with `normalize_reward`, else null"
    random = {"name": "x", "algorithm": {"name": "Random"}, "memory": {"name": "OnPolicyReplay"}, "net": {}}
    raw = {"agent": random, "env": {**env, "max_frame": 10}, "meta": {"distributed": False, "max_session": 1}}
    assert parse_spec("x", raw).env.clip_reward == bound


def test_derived_defaults_say_what_parsing_does() -> None:
    net = {"type": "MLPNet", "hid_layers": [8], "hid_layers_activation": "relu"}
    algorithm = {"name": "DQN", "gamma": 0.99, "training_frequency": 4, "training_iter": 1, "training_batch_iter": 1}
    memory = {"name": "Replay", "batch_size": 32, "max_size": 100}
    raw = {
        "agent": {"name": "x", "algorithm": algorithm, "memory": memory, "net": net},
        "env": {"name": "CartPole-v1", "max_frame": 100},
        "meta": {"distributed": False, "max_session": 1},
    }
    assert default(DQNSpec, "training_start_step") == "`memory.batch_size`"
    assert parse_spec("x", raw).agent.algorithm.training_start_step == 32  # type: ignore[union-attr]
    assert default(ScheduleSpec, "end_val") == "required, but `start_val` with `no_decay`"
    schedule = {"name": "no_decay", "start_val": 0.3}
    with_schedule = {**raw, "agent": {**raw["agent"], "algorithm": {**algorithm, "explore_var_spec": schedule}}}
    assert parse_spec("x", with_schedule).agent.algorithm.explore_var_spec.end_val == 0.3  # type: ignore[union-attr]
    assert default(ActorCriticSpec, "num_step_returns") == "required if `lam` is null"
    a2c = {"name": "ActorCritic", "gamma": 0.99, "lam": None, "training_frequency": 4}
    on_policy = {**raw["agent"], "algorithm": a2c, "memory": {"name": "OnPolicyBatchReplay"}}
    on_policy["net"] = {**net, "shared": True, "use_same_optim": False}
    with pytest.raises(SpecError, match="num_step_returns"):
        parse_spec("x", {**raw, "agent": on_policy})
