"""Small sessions that train in a second."""

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from slm.backend import Backend, EagerBackend
from slm.job import Job
from slm.spec import Spec, parse_spec, session_hash
from slm.train import train

NET = {"type": "MLPNet", "hid_layers": [8], "hid_layers_activation": "tanh"}
RAW: dict[str, Any] = {
    "ppo": {
        "agent": {
            "name": "label",
            "algorithm": {
                "name": "PPO",
                "gamma": 0.9,
                "lam": 0.8,
                "clip_eps_spec": {"name": "no_decay", "start_val": 0.2},
                "time_horizon": 16,
                "minibatch_size": 32,
                "training_epoch": 2,
            },
            "memory": {"name": "OnPolicyBatchReplay"},
            "net": NET,
        },
        "env": {"name": "CartPole-v1", "num_envs": 4, "max_frame": 800},
        "meta": {"distributed": False, "max_session": 1, "log_frequency": 100, "eval_frequency": 200},
    },
    "ddqn": {
        "agent": {
            "name": "label",
            "algorithm": {
                "name": "DoubleDQN",
                "gamma": 0.9,
                "training_frequency": 4,
                "training_iter": 1,
                "training_batch_iter": 1,
                "explore_var_spec": {
                    "name": "linear_decay",
                    "start_val": 1,
                    "end_val": 0.1,
                    "start_step": 0,
                    "end_step": 400,
                },
            },
            "memory": {
                "name": "PrioritizedReplay",
                "batch_size": 16,
                "max_size": 300,
                "alpha": 0.6,
                "epsilon": 1e-3,
                "use_cer": True,
            },
            "net": {**NET, "update_frequency": 50},
        },
        "env": {"name": "CartPole-v1", "num_envs": 2, "max_frame": 500},
        "meta": {"distributed": False, "max_session": 1, "log_frequency": 100, "eval_frequency": 100},
    },
}


def changed(name: str, changes: dict[str, Any] | None = None) -> dict[str, Any]:
    """A raw spec with dotted keys changed, or removed by `...`."""
    raw = copy.deepcopy(RAW[name])
    for key, value in (changes or {}).items():
        *parents, last = key.split(".")
        holder = raw
        for part in parents:
            holder = holder.setdefault(part, {})
        if value is ...:
            del holder[last]
        else:
            holder[last] = value
    return raw


@pytest.fixture(autouse=True)
def _process_as_it_was() -> Iterator[None]:
    """`slm train` changes how the whole process computes."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


@pytest.fixture
def raw_spec() -> Callable[..., dict[str, Any]]:
    return changed


@pytest.fixture
def make_spec() -> Callable[..., Spec]:
    """``make_spec("ppo", {"env.num_envs": 3})``."""
    return lambda name, changes=None: parse_spec("mine", changed(name, changes))


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Path]:
    """Train a session in this process. Returns the folder of its artifacts; a new one for each call."""
    count = iter(range(100))

    def make(spec: Spec, *, session: int = 0, trial: int = 0, backend: Backend | None = None, **keys: Any) -> Path:
        number = next(count)
        torch.set_num_threads(1)
        job = Job(
            spec,
            trial,
            session,
            session_hash(spec, trial=trial, session=session, backend="eager"),
            keys.get("out", tmp_path / f"out{number}"),
            keys.get("inprogress", tmp_path / f"progress{number}"),
            keys.get("interval", 1e9),
        )
        train(job, backend or EagerBackend())
        return job.out

    return make
