"""Each row of the matrix has the settings under which its published score was made (SLM Lab v5.3.0).

``published/settings.tsv`` holds the published hyperparameters, as one line for each value of a key with the specs that
have it; ``published/rows.tsv`` says which spec each row was made with. Keys of the machine, of search and of measuring
are left out.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from slm.plan import SUITES, Experiment, make_plan, read_sheet
from slm.spec import Spec, actor_net_spec, critic_net_spec, parse_spec

ROOT = Path(__file__).parents[3]
FOLDER = Path(__file__).parent / "published"
MATRIX = ("classic_control", "box2d", "mujoco", "atari")
META = {"distributed": False, "max_session": 4}
NO_TEXT = "—"

# (key, published value, value here) -> rows: what differs, and why it means the same or is what was effective.
DIFFERENCES = {
    # Without effect in the published implementation, whose scores come from heads that start like all layers.
    **{(f"{net}.{key}_init_std", value, "None"): rows for key, value in (("actor", "0.01"), ("critic", "1.0"))
       for net, rows in (("actor", 133), ("critic", 19))},
    # Without effect there for a single action.
    **{(f"{net}.log_std_init", "0.0", "None"): 2 for net in ("actor", "critic")},
    # Selects the gain of init_fn alone, which these rows don't have.
    **{(f"{net}.hid_layers_activation", "Tanh", "ReLU"): 2 for net in ("actor", "critic")},
    # Of a critic of its own, which shared nets don't have.
    ("actor.use_same_optim", "True", "False"): 57,
    # An end value of 0 was taken for missing, so that these coefficients stayed constant.
    ("algorithm.entropy_coef_spec.name", "linear_decay", "no_decay"): 3,
    ("algorithm.entropy_coef_spec.end_val", "0.0", "0.01"): 2,
    ("algorithm.entropy_coef_spec.end_val", "0.0", "0.001"): 1,
    ("algorithm.entropy_coef_spec.end_step", "200000", "0"): 3,
    ("algorithm.entropy_coef_spec.end_step", "300000", "0"): 1,
    # A rising schedule jumped to its end at once.
    ("algorithm.clip_eps_spec.name", "linear_decay", "no_decay"): 1,
    ("algorithm.clip_eps_spec.start_val", "0.128", "0.2"): 1,
    ("algorithm.clip_eps_spec.end_step", "300000", "0"): 1,
    ("algorithm.clip_eps_spec.end_step", "200000", "0"): 1,  # of no_decay: without effect
    # clip_vloss there halves the loss of values.
    ("algorithm.val_loss_coef", "0.5", "0.25"): 57,
    # Two names of one environment.
    ("env.name", "LunarLander-v3", "LunarLanderContinuous-v3"): 2,
    ("env.continuous", "True", NO_TEXT): 2,
}  # fmt: skip


def lines(name: str) -> Iterator[dict[str, str]]:
    with (FOLDER / name).open() as file:
        yield from csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)


def published(variables: dict[str, str], name: str) -> Spec:
    """The published spec of that name, as this package reads it."""
    raw: dict[str, Any] = {"meta": META, "agent": {"name": "x"}}
    for line in lines("settings.tsv"):
        if name in line["specs"].split():
            value = line["value"]
            for variable, text in variables.items():
                value = value.replace(f'"${{{variable}}}"', text)
            *path, last = line["key"].split(".")
            section = raw
            for part in path:
                section = section.setdefault(part, {})
            section[last] = json.loads(value)
    return parse_spec(name, raw)


def settings(spec: Spec) -> dict[str, str]:
    """Every value that decides what is trained, as text by key; of the nets those of each role."""
    sections: dict[str, BaseModel | None] = {
        "algorithm": spec.agent.algorithm, "memory": spec.agent.memory, "env": spec.env,
        "actor": actor_net_spec(spec), "critic": critic_net_spec(spec),
    }  # fmt: skip
    return {
        key: text
        for name, section in sections.items() if section is not None
        for key, text in flat(section.model_dump(mode="json", warnings=False), name)
        if not key.endswith(".gpu")
    }  # fmt: skip


def flat(value: Any, key: str) -> Iterator[tuple[str, str]]:
    """Leaves of nested maps and lists; an argument that is 0 where that is the default counts as left out."""
    if isinstance(value, dict) and value:
        for part, item in value.items():
            if (part, item) != ("padding", 0):
                yield from flat(item, f"{key}.{part}")
    elif isinstance(value, list) and value:
        for i, item in enumerate(value):
            yield from flat(item, f"{key}.{i}")
    else:
        yield key, str(value)


@pytest.fixture(scope="module")
def experiments(sheet_schema: dict[str, Any]) -> dict[tuple[str | None, str | None], Experiment]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        plan = make_plan(read_sheet(Path("config/benchmarks.tsv"), sheet_schema), MATRIX, "eager", False)
        return {(experiment.row.env, experiment.row.algorithm): experiment for experiment in plan.experiments.values()}


def test_each_row_has_the_published_settings(
    experiments: dict[tuple[str | None, str | None], Experiment],
) -> None:
    assert set(MATRIX) < set(SUITES)
    found: Counter[tuple[str, str, str]] = Counter()
    rows = 0
    for line in lines("rows.tsv"):
        for env in line["envs"].split():
            rows += 1
            variables = {"env": f'"{env}"', "max_frame": line["max_frame"]}
            theirs = settings(published(variables, line["spec"]))
            ours = settings(experiments[env, line["algorithm"]].spec)
            keys = theirs.keys() | ours.keys()
            found.update(
                (key, theirs.get(key, NO_TEXT), ours.get(key, NO_TEXT))
                for key in keys if theirs.get(key) != ours.get(key)
            )  # fmt: skip
    assert rows == len(experiments) == 238
    assert dict(found) == DIFFERENCES
