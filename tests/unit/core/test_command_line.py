"""The command line: exit codes, messages for mistakes, and that a mistake leaves nothing behind."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slm.cli import main

RawSpec = Callable[..., dict[str, Any]]
ALGORITHM, NET = "agent.algorithm", "agent.net"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def call(arguments: list[str]) -> int:
    """The exit code of a command; argparse leaves by an exception."""
    try:
        return main(arguments)
    except SystemExit as end:
        return int(end.code or 0)


SIL = {"name": "SIL", "gamma": 0.9, "lam": 0.9, "training_frequency": 8, "sil_policy_loss_coef": 1,
       "sil_val_loss_coef": 1, "training_iter": 1, "training_batch_iter": 1}  # fmt: skip
SHARED = {f"{NET}.shared": True, f"{NET}.use_same_optim": True}
SIL_MEMORY = {"name": "OnPolicyBatchReplay", "sil_replay_name": "Replay", "batch_size": 8, "max_size": 1e13}
ONE_CYCLE = {"name": "OneCycleLR", "max_lr": 0.1, "total_steps": 11, "cycle_momentum": False}

# (example, changes to it, arguments after the spec's name, parts of the message)
TRAIN: list[tuple[str, dict[str, Any], list[str], tuple[str, ...]]] = [
    # the spec's values
    ("ppo", {f"{ALGORITHM}.gamma": 1.5}, [], ("mine: agent.algorithm.gamma: 1.5 is not allowed", "at most 1")),
    ("ppo", {f"{ALGORITHM}.gama": 0.9}, [], ("agent.algorithm.gama: unknown key", "did you mean 'gamma'?")),
    ("ppo", {f"{ALGORITHM}.lam": ...}, [], ("agent.algorithm.lam is missing",)),
    ("ppo", {"env.num_envs": 0}, [], ("env.num_envs: 0 is not allowed", "at least 1")),
    ("ppo", {"meta.log_frequency": "often"}, [], ("meta.log_frequency", "a whole number")),
    ("ppo", {"env.name": "${env}"}, [], ("env.name", "env")),
    ("ppo", {"env.name": "${env}"}, ["--set", "envs=CartPole-v1"], ("env.name", "env")),
    # environments
    ("ppo", {"env.name": "CartPol-v1"}, [], ("env.name: 'CartPol-v1' is not a registered", "nearest: CartPole-v1")),
    ("ppo", {"env.name": "${env}"}, ["--set", "env=Acrobat-v1"], ("'Acrobat-v1'", "nearest: Acrobot-v1")),
    ("ppo", {"env.name": "LunarLander-v2"}, [], ("env.name: 'LunarLander-v2'", "LunarLander-v3")),
    ("ppo", {"env.name": "playground/Cheetah"}, [], ("env.name", "MuJoCo Playground", "not supported")),
    ("ppo", {"env.name": "FrozenLake-v1"}, [], ("env.name: 'FrozenLake-v1' has observations Discrete(16)",)),
    ("ppo", {"env.gravity": 3}, [], ("'CartPole-v1' does not accept {'gravity': 3}",)),
    # what can't be done with this environment
    ("ddqn", {"env.name": "Pendulum-v1"}, [], ("agent.algorithm.name: 'DoubleDQN' needs a Discrete action space",)),
    ("ppo", {"env.name": "Pendulum-v1", f"{ALGORITHM}.action_policy": "epsilon_greedy"}, [], ("'epsilon_greedy'",)),
    ("ppo", {f"{ALGORITHM}.action_pdtype": "Normal"}, [], ("action_pdtype: 'Normal' is not allowed", "Categorical")),
    ("ppo", {f"{ALGORITHM}.action_policy": "boltzmann"}, [], ("boltzmann needs a schedule of its temperature",)),
    # what is not built
    ("ppo", {f"{NET}.optim_spec": {"name": "Adam", "amsgrad": True}}, [], ("optim_spec.amsgrad: true is not",)),
    ("ppo", {f"{NET}.loss_spec": {"name": "KLDivLoss"}}, [], ("'KLDivLoss' is not a known loss", "MSELoss")),
    ("ppo", {f"{NET}.lr_scheduler_spec": {"name": "CosineAnnealingWarmRestarts", "T_0": 0}}, [], ("Warm", "T_0")),
    ("ddqn", {"agent.memory.max_size": 1e13}, [], ("agent.memory.max_size: 10000000000000 transitions don't fit",)),
    ("ppo", {ALGORITHM: SIL, "agent.memory": SIL_MEMORY, **SHARED}, [], ("agent.memory.max_size: 10000000000000 tr",)),
    ("ddqn", {"agent.memory.max_size": 10**19}, [], ("agent.memory.max_size: 10000000000000000000",)),
    ("ppo", {f"{NET}.loss_spec": {"name": "MSELoss", "reduction": "sum"}}, [], ("reduction: 'sum' is not", "mean")),
    ("ppo", {f"{NET}.batch_norm": True, f"{ALGORITHM}.minibatch_size": 63}, [], ("can't train on a batch of one",)),
    ("ddqn", {f"{NET}.batch_norm": True, "agent.memory.batch_size": 1}, [], ("can't train on a batch of one",)),
    ("ppo", {f"{NET}.lr_scheduler_spec": ONE_CYCLE}, [], ("OneCycleLR ends after 11 steps", "12 trainings")),
    ("ddqn", {f"{NET}.lr_scheduler_spec": ONE_CYCLE}, [], ("OneCycleLR ends after 11 steps", "121 trainings")),
    # Hogwild
    (
        "ppo",
        {"meta.distributed": "shared"},
        ["--session", "0"],
        ("--session 0: the sessions of 'mine'",),
    ),
    ("ppo", {"meta.distributed": "synced", "meta.max_session": 801}, [], ("env.max_frame: 800", "the 801 workers")),
    (
        "ppo",
        {"meta.distributed": "shared", "env.name": "CartPol-v1"},
        [],
        ("env.name: 'CartPol-v1' is not a registered",),
    ),
    # arguments
    ("ppo", {}, ["--set", "env"], ("--set env: expected KEY=VALUE",)),
    ("ppo", {}, ["--set", "=CartPole-v1"], ("--set =CartPole-v1: expected KEY=VALUE",)),
    ("ppo", {}, ["--backend", "fast"], ("--backend", "'fast'", "eager")),
    ("ppo", {}, ["--session", "-1"], ("--session: '-1' is not a whole number of at least 0",)),
    ("ppo", {}, ["--session", "first"], ("--session: 'first' is not a whole number of at least 0",)),
    ("ppo", {}, ["--trial", "1.5"], ("--trial: '1.5' is not a whole number of at least 0",)),
    ("ppo", {}, ["--threads", "0"], ("--threads: '0' is not a whole number of at least 1",)),
    ("ppo", {}, ["--threads", "all"], ("--threads: 'all' is not a whole number of at least 1",)),
    ("ppo", {}, ["--expect", "0123456789abcdef"], ("spec 'mine' has changed", "planned 0123456789ab")),
    ("ppo", {}, ["--outt", "x"], ("unrecognized arguments: --outt x",)),
    ("ppo", {}, ["--out", "specs.json"], ("--out", "specs.json", "not a folder")),
    ("ppo", {}, ["--out", "specs.json/x"], ("--out", "specs.json", "not a folder")),
    ("ppo", {}, ["--out", "/proc/slm/x"], ("--out /proc/slm/x: can't be written to",)),
    ("ppo", {}, ["--inprogress", "/proc/slm"], ("--inprogress /proc/slm: can't be written to",)),
    ("ppo", {}, ["--inprogress", "specs.json/x"], ("--inprogress", "specs.json", "not a folder")),
]


@pytest.mark.parametrize(("example", "changes", "arguments", "parts"), TRAIN)
def test_mistake_in_training(
    folder: Path, raw_spec: RawSpec, capsys: pytest.CaptureFixture[str], example: str, changes: dict[str, Any],
    arguments: list[str], parts: tuple[str, ...],
) -> None:  # fmt: skip
    Path("specs.json").write_text(json.dumps({"mine": raw_spec(example, changes)}))
    backend = [] if "--backend" in arguments else ["--backend", "eager"]
    assert call(["train", "specs.json", "mine", *backend, *arguments]) == 2
    output = capsys.readouterr()
    assert all(part in output.err for part in parts), output.err
    assert "Traceback" not in output.err
    assert output.out == ""
    assert files(folder) == ["specs.json"], "nothing is written"


@pytest.mark.parametrize("value", ["soon", "0", "-3", "nan", ""])
def test_checkpoint_interval_that_is_no_time(
    folder: Path, raw_spec: RawSpec, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    Path("specs.json").write_text(json.dumps({"mine": raw_spec("ppo")}))
    monkeypatch.setenv("SLM_CHECKPOINT_INTERVAL", value)
    assert call(["train", "specs.json", "mine", "--backend", "eager"]) == 2
    assert f"SLM_CHECKPOINT_INTERVAL: '{value}' is not allowed; allowed: seconds above 0" in capsys.readouterr().err
    assert files(folder) == ["specs.json"]


def test_backend_without_a_compiler(
    folder: Path, raw_spec: RawSpec, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("specs.json").write_text(json.dumps({"mine": raw_spec("ppo")}))
    monkeypatch.setenv("PATH", str(folder))
    assert call(["train", "specs.json", "mine", "--backend", "compiled"]) == 2
    message = capsys.readouterr().err
    assert "backend 'compiled' needs a C++ compiler" in message
    assert "'eager'" in message
    assert files(folder) == ["specs.json"]


BROKEN = {
    "empty.json": b"",
    "list.yaml": b"- 1\n- 2\n",
    "text.json": b'{"mine": {"agent": ',
    "bytes.json": b"\xff\xfe\x00",
    "tabs.yaml": b"mine:\n\tagent: {}\n",
    "double.json": b'{"mine": {}, "mine": {}}',
    "anchors.yaml": b"_home: {}\n",
    "spec.toml": b"[mine]\n",
}


@pytest.mark.parametrize("name", [*BROKEN, "nowhere.json", "."])
@pytest.mark.parametrize("command", ["validate", "train"])
def test_file_that_is_no_spec_file(folder: Path, capsys: pytest.CaptureFixture[str], command: str, name: str) -> None:
    if name in BROKEN:
        Path(name).write_bytes(BROKEN[name])
    before = files(folder)
    assert call([command, name, *(["mine", "--backend", "eager"] if command == "train" else [])]) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"slm: {name}"), message
    assert "Traceback" not in message
    assert files(folder) == before


def test_spec_that_is_not_in_the_file(folder: Path, raw_spec: RawSpec, capsys: pytest.CaptureFixture[str]) -> None:
    Path("specs.json").write_text(json.dumps({"mine": raw_spec("ppo")}))
    assert call(["train", "specs.json", "mime"]) == 2
    assert "there is no spec 'mime'; did you mean 'mine'? (specs: mine)" in capsys.readouterr().err


def test_validate_reports_every_file(folder: Path, raw_spec: RawSpec, capsys: pytest.CaptureFixture[str]) -> None:
    Path("good.json").write_text(json.dumps({"mine": raw_spec("ppo", {"env.name": "${env}"})}))
    Path("bad.json").write_text(json.dumps({"mine": raw_spec("ppo", {"env.max_frame": -1})}))
    assert call(["validate", "good.json"]) == 0
    assert call(["validate", "good.json", "--set", "env=CartPole-v1"]) == 0
    capsys.readouterr()
    assert call(["validate", "bad.json", "good.json", "nowhere.json"]) == 2
    output = capsys.readouterr()
    assert output.out == "good.json: ok\n"
    assert "bad.json: mine: env.max_frame: -1" in output.err
    assert "nowhere.json" in output.err


@pytest.mark.parametrize(
    ("arguments", "part"),
    [([], "COMMAND"), (["trian"], "'trian'"), (["train"], "SPEC_FILE"), (["train", "x.json"], "SPEC_NAME"),
     (["validate"], "SPEC_FILE")],
)  # fmt: skip
def test_incomplete_commands(folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], part: str) -> None:
    assert call(arguments) == 2
    assert part in capsys.readouterr().err


def test_training_writes_where_it_says(
    folder: Path, raw_spec: RawSpec, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = raw_spec("ppo", {"env.max_frame": 100, "env.name": "${env}"})
    Path("specs.json").write_text(json.dumps({"mine": spec}))
    monkeypatch.setenv("SLM_CHECKPOINT_INTERVAL", "0.001")
    variables = ["--set", "env=CartPole-v1", "--backend", "eager"]
    assert call(["train", "specs.json", "mine", *variables, "--trial", "2", "--session", "3"]) == 0
    assert "wrote out/mine/trial2/session3" in capsys.readouterr().err
    assert call(["train", "specs.json", "mine", *variables, "--out", "a/b", "--inprogress", "c"]) == 0
    for out in ("out/mine/trial2/session3", "a/b"):
        names = {path.name for path in Path(out).iterdir()} - {".inprogress"}
        assert names == {"train.csv", "eval.csv", "timing.csv", "model.pt", "best.pt", "session.json"}
    assert not Path("a/b/.inprogress").exists()
    seeds = [json.loads(Path(out, "session.json").read_text())["seed"] for out in ("out/mine/trial2/session3", "a/b")]
    assert [seed["spawn_key"] for seed in seeds] == [[2, 3], [0, 0]]


def test_baseline_of_a_specs_environment(folder: Path, raw_spec: RawSpec, capsys: pytest.CaptureFixture[str]) -> None:
    Path("specs.json").write_text(json.dumps({"mine": raw_spec("ppo", {"env.name": "${env}", "env.max_t": 5})}))
    arguments = ["baseline", "specs.json", "mine", "--set", "env=CartPole-v1", "--out", "a/b.json"]
    assert call([*arguments, "--expect", "CartPole-v1"]) == 2
    assert "the environment of 'mine' has changed since the workflow was planned (Cart" in capsys.readouterr().err
    assert files(folder) == ["specs.json"], "nothing is written"
    assert call(arguments) == 0
    assert "wrote a/b.json" in capsys.readouterr().err
    baseline = json.loads(Path("a/b.json").read_text())
    assert (baseline["name"], baseline["max_t"], baseline["episodes"], baseline["mean"]) == ("CartPole-v1", 5, 100, 5.0)
    assert call([*arguments[:-1], "specs.json/b.json"]) == 2
    assert "--out specs.json: specs.json is not a folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("out", "part"),
    [("specs.json/x.json", "is not a folder"), (".", "is a folder"), ("/proc/slm/x.json", "can't be written to")],
)
def test_plan_that_can_not_be_written(
    folder: Path, raw_spec: RawSpec, capsys: pytest.CaptureFixture[str], out: str, part: str
) -> None:
    Path("specs.json").write_text(json.dumps({"mine": raw_spec("ppo")}))
    arguments = ["plan", "specs.json", "mine", "--experiment", "x", "--backend", "eager", "--out", out]
    assert call(arguments) == 2
    message = capsys.readouterr().err
    assert message.startswith("slm: --out ")
    assert part in message
    assert message.count("\n") == 1
    assert files(folder) == ["specs.json"]


def test_warnings_of_keys_that_nothing_reads(
    folder: Path, raw_spec: RawSpec, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("specs.json").write_text(json.dumps({"mine": raw_spec("ppo", {f"{ALGORITHM}.training_frequency": 4})}))
    assert call(["validate", "specs.json"]) == 0
    assert "warning: specs.json: mine: agent.algorithm.training_frequency has no effect" in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["version"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert {"python", "torch", "numpy", "gymnasium", "slm"} <= lines.keys()


def test_diverging_session_is_a_failure(folder: Path, raw_spec: RawSpec, capsys: pytest.CaptureFixture[str]) -> None:
    spec = raw_spec("ppo", {f"{NET}.optim_spec": {"name": "SGD", "lr": 1e30}})
    Path("specs.json").write_text(json.dumps({"mine": spec}))
    assert call(["train", "specs.json", "mine", "--backend", "eager", "--out", "o"]) == 1
    message = capsys.readouterr().err
    assert "slm: the loss is" in message
    assert "Traceback" not in message
    assert not Path("o/model.pt").exists(), "no artifacts that look finished"


def test_process_exits_with_the_code(folder: Path, raw_spec: RawSpec) -> None:
    Path("specs.json").write_text(json.dumps({"mine": raw_spec("ppo", {"env.name": "CartPol-v1"})}))
    for arguments, code in ((["validate", "specs.json"], 0), (["train", "specs.json", "mine"], 2)):
        done = subprocess.run(
            [sys.executable, "-m", "slm", *arguments], capture_output=True, text=True, cwd=folder, check=False
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
    assert files(folder) == ["specs.json"]
