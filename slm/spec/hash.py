"""Hashes that change when, and only when, something changes that decides the bytes of a result."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from slm.spec.net import NetBase
from slm.spec.spec import Spec, canonical
from slm.spec.torch_names import OPTIMIZER_DEFAULTS

LABELS = ("name",)
REPEATS_AND_SEARCH = (
    "max_session",
    "max_trial",
    "search_scheduler",
    "search_sampler",
    "search_resources",
    "validate_top",
)


def session_hash(spec: Spec, *, trial: int, session: int, backend: str, search: str | None = None) -> str:
    """SHA-256, in hex, of what decides one session's results.

    `search` is the hash of the search whose other trials may stop it; None where it trains to the end in any case.
    """
    return session_hashes(spec, (session,), trial=trial, backend=backend, search=search)[session]


def session_hashes(
    spec: Spec, sessions: Iterable[int], *, trial: int, backend: str, search: str | None = None
) -> dict[int, str]:
    """The `session_hash` of several sessions of a trial, in little more time than one takes."""
    identity = _identity(spec, trial, backend, search)
    return {session: _digest({**identity, "session": session}) for session in sessions}


def trial_hash(spec: Spec, *, trial: int, backend: str, search: str | None = None) -> str:
    """SHA-256, in hex, of what decides the results of all sessions of a trial, however many they are."""
    return _digest(_identity(spec, trial, backend, search))


def search_hash(spec: Spec, *, backend: str) -> str:
    """SHA-256, in hex, of what decides all settings and decisions of a search, however many trials it has."""
    meta = spec.meta
    return _digest(
        {
            "spec": _decisive(spec),
            "search": canonical(spec).get("search", {}),
            "sampler": meta.search_sampler,
            "scheduler": meta.search_scheduler.model_dump() if meta.search_scheduler else None,
            "backend": backend,
        }
    )


def _identity(spec: Spec, trial: int, backend: str, search: str | None) -> dict[str, Any]:
    identity = {"spec": _decisive(spec), "trial": trial, "backend": backend}
    return identity if search is None else {**identity, "search": search}


def _decisive(spec: Spec) -> dict[str, Any]:
    """The canonical spec without labels, repetition and search, and without written-out defaults."""
    data = canonical(spec)
    data.pop("search", None)
    agent, meta = data["agent"], data["meta"]
    for key in LABELS:
        agent.pop(key, None)
    hogwild = spec.meta.distributed is not False
    for key in REPEATS_AND_SEARCH:
        if not (hogwild and key == "max_session"):
            meta.pop(key, None)
    if not hogwild:
        meta.pop("distributed", None)
    for net in ("net", "critic_net"):
        if net in agent:
            for key in ("gpu", "actor_gpu"):
                if agent[net].get(key) is True:  # computes where auto does, and says so where there is no CUDA
                    del agent[net][key]
            agent[net] = {key: _without_defaults(value) for key, value in agent[net].items()}
            if agent[net].get("optim_spec") == NetBase.model_fields["optim_spec"].default:
                del agent[net]["optim_spec"]
    if agent.get("critic_net") == agent["net"]:
        del agent["critic_net"]
    return data


def _without_defaults(value: Any) -> Any:
    """An optimizer's arguments without those that torch would take anyway; other values as they are."""
    if not isinstance(value, dict) or value.get("name") not in OPTIMIZER_DEFAULTS:
        return value
    defaults = OPTIMIZER_DEFAULTS[value["name"]]
    return {key: item for key, item in value.items() if key not in defaults or defaults[key] != item}


def _digest(data: dict[str, Any]) -> str:
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
