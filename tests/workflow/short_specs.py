"""Experiments of the benchmark made short enough for a test: the same environment, algorithm and networks."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from snakemake_project import CONFIG, HEADER, Project, make_project

from slm.plan import Experiment
from slm.spec import Spec, canonical

MAX_FRAME, NUM_ENVS, CHECKPOINT = 128, 2, 32
SPEC_FILE = "specs/short.json"
# Upper bounds of what decides when and on how much an algorithm trains, wherever a spec has the key.
ALGORITHM = {
    "time_horizon": 8,
    "training_frequency": 8,
    "num_step_returns": 8,
    "minibatch_size": 8,
    "training_start_step": 16,
    "training_iter": 4,
}
MEMORY = {"batch_size": 8, "max_size": MAX_FRAME}


def shorten(spec: Spec, max_frame: int = MAX_FRAME, max_session: int = 1) -> dict[str, Any]:
    """The spec with few sessions, environments and frames, and updates that begin early on little data.

    Numbers are made smaller and never larger; networks, optimizers, schedules and all else stay as they are.
    """
    short = canonical(spec)
    short["agent"]["algorithm"] |= _smaller(spec.agent.algorithm, ALGORITHM)
    short["agent"]["memory"] |= _smaller(spec.agent.memory, MEMORY)
    short["env"] |= {"num_envs": min(spec.env.num_envs, NUM_ENVS), "max_frame": max_frame}
    short["meta"] |= {"max_session": max_session, "log_frequency": CHECKPOINT, "eval_frequency": CHECKPOINT}
    return short


def make_short(path: Path, experiments: Iterable[Experiment], max_frame: int = MAX_FRAME, sessions: int = 1) -> Project:
    """A project in ``path`` with the experiments, shortened, under their names and in their suites."""
    experiments = list(experiments)
    project = make_project(path)
    (path / SPEC_FILE).parent.mkdir()
    specs = {each.row.experiment: shorten(each.spec, max_frame, sessions) for each in experiments}
    (path / SPEC_FILE).write_text(json.dumps(specs, indent=2))
    suites = sorted({suite for experiment in experiments for suite in experiment.row.suites})
    (path / "config").mkdir()
    (path / "config/config.yaml").write_text(CONFIG.replace("[demo]", json.dumps(suites)))
    (path / "config/benchmarks.tsv").write_text(HEADER + "".join(map(_line, experiments)))
    return project


def _smaller(settings: Any, bounds: dict[str, int]) -> dict[str, int]:
    """Those of the bounds that lie below the settings' own values."""
    values = {key: getattr(settings, key, None) for key in bounds}
    return {key: bounds[key] for key, value in values.items() if value is not None and value > bounds[key]}


def _line(experiment: Experiment) -> str:
    """The experiment's row of the sheet; the variables are in the spec already."""
    row = experiment.row
    cells = [
        *(",".join(row.suites), row.experiment, row.env, row.algorithm, SPEC_FILE, row.experiment),
        *("", row.mode, row.target, row.published, row.source),
    ]
    return "\t".join("" if cell is None else str(cell) for cell in cells) + "\n"
