"""What a finished session leaves: its models and summary, written in its folder in progress and then published."""

from __future__ import annotations

import json
import logging
import math
from typing import Any

import numpy as np
import torch

from slm.analysis.metrics import session_metrics
from slm.atomic import write_atomically
from slm.checkpoint import to_bytes
from slm.device import device_name
from slm.job import Job
from slm.provenance import code_fingerprint, library_versions, processor, versions
from slm.retention import REMOVED
from slm.session import Session
from slm.spec import canonical

log = logging.getLogger(__name__)


def finish(job: Job, session: Session) -> None:
    """Write the session's models and summary to its folder; the summary last, since it says that all is there."""
    state = session.state
    final = session.model(state.agent, state.clock.frame, state.world.normaliser())
    # Without a finished episode there is no score, and the last agent is as good as any.
    best = session.model(state.best.agent, state.best.frame, state.best.normaliser) if state.best.agent else final
    write_atomically(job.folder / "model.pt", to_bytes(final))
    write_atomically(job.folder / "best.pt", to_bytes(best))
    (job.folder / REMOVED).unlink(missing_ok=True)
    summary = _summary(job, session)
    write_atomically(job.folder / "session.json", (json.dumps(summary, indent=2) + "\n").encode())


def _summary(job: Job, session: Session) -> dict[str, Any]:
    """The content of session.json."""
    state = session.state
    rows = np.genfromtxt(job.folder / "train.csv", delimiter=",", names=True, ndmin=1)
    metrics = session_metrics(rows["frame"], rows["total_reward"], rows["opt_step"])
    return {
        "spec_name": job.spec.name,
        "spec_hash": job.hash,
        "trial": job.trial,
        "session": job.session,
        "search": job.search,
        "seed": {"random_seed": job.spec.meta.random_seed or 0, "spawn_key": [job.trial, job.session]},
        "backend": session.algorithm.backend_name,
        "device": device_name(session.device),
        "state": "pruned" if state.stopped else "finished",
        # Of workers that train the same parameters, the order in which they write them depends on timing.
        "reproducible": job.common is None,
        "frames": state.clock.frame,
        "episodes": state.world.statistics.episodes,
        "opt_step": state.clock.opt_step,
        "wall_time_s": round(state.seconds, 3),
        "fps": round(state.clock.frame / max(state.seconds, 1e-9), 1),
        "gains_over": "0 (without baseline)",
        "metrics": {name: value if math.isfinite(value) else None for name, value in metrics.items()},
        "versions": versions(),
        "code_fingerprint": code_fingerprint(),
        "processor": processor(),
        "threads": torch.get_num_threads(),
        "spec": canonical(job.spec),
    }


def is_finished(job: Job) -> bool:
    """Whether the folder holds a finished session made by this code with these versions of the libraries.

    Raises OSError where that can't be read.
    """
    try:
        summary = json.loads((job.folder / "session.json").read_text())
    except (FileNotFoundError, ValueError):  # where it can't be read, nobody knows: OSError
        return False
    identity = {"code_fingerprint": code_fingerprint(), **library_versions()}
    found = {**summary.get("versions", {}), "code_fingerprint": summary.get("code_fingerprint")}
    if other := [name for name, value in identity.items() if found.get(name) != value]:
        made = "by other code" if "code_fingerprint" in other else f"with other versions of {', '.join(other)}"
        log.warning("the finished session in %s was made %s: training it again", job.folder, made)
        (job.folder / "session.json").unlink()
        return False
    return all((job.folder / name).exists() for name in job.artifacts)


def publish(job: Job) -> None:
    """Copy the artifacts to where they belong."""
    if (job.out / REMOVED).exists():
        (job.out / REMOVED).unlink()
    for name in job.artifacts:
        write_atomically(job.out / name, (job.folder / name).read_bytes())
