"""The files that the project ships agree with one another."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from slm.plan import SUITES, Plan, make_plan, read_settings, read_sheet

ROOT = Path(__file__).parents[3]


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch, sheet_schema: dict[str, Any], config_schema: dict[str, Any]) -> Plan:
    monkeypatch.chdir(ROOT)
    settings = read_settings(yaml.safe_load((ROOT / "config/config.yaml").read_text()), config_schema)
    return make_plan(read_sheet(settings.sheet, sheet_schema), settings.suites, "eager", settings.allow_incomplete)


def test_every_row_of_the_sheet_has_a_spec_of_its_environment_without_warnings(shipped: Plan) -> None:
    assert shipped.check() == []
    for experiment in shipped.experiments.values():
        assert experiment.spec.env.name == experiment.row.env
        assert len(experiment.sessions(0)) == 4


def test_the_demo_belongs_to_classic_control(shipped: Plan) -> None:
    demo = [experiment.row.experiment for experiment in shipped.suite("demo")]
    assert demo == ["ppo_cartpole", "a2c_cartpole", "ppo_acrobot"]
    assert set(demo) < {experiment.row.experiment for experiment in shipped.suite("classic_control")}


def test_the_schemas_know_the_same_suites(sheet_schema: dict[str, Any], config_schema: dict[str, Any]) -> None:
    for schema in (sheet_schema, config_schema):
        assert tuple(schema["properties"]["suites"]["items"]["enum"]) == SUITES


def test_every_setting_and_column_is_documented(sheet_schema: dict[str, Any], config_schema: dict[str, Any]) -> None:
    documented = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "config/README.md").read_text(), flags=re.MULTILINE))
    assert documented == {*sheet_schema["properties"], *config_schema["properties"]}


def locked(*names: str) -> dict[str, str]:
    lines = "".join((ROOT / name).read_text() for name in names)
    return {normalised(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+)$", lines, flags=re.MULTILINE)}


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_dependency_is_locked_at_a_public_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for lock, requirements in (
        (locked("requirements.lock"), project["dependencies"]),
        (locked("requirements.lock", "requirements-dev.lock"), project["optional-dependencies"]["dev"]),
    ):
        names = {normalised(re.split(r"[\[<>=]", requirement)[0]) for requirement in requirements}
        assert names <= set(lock)
        assert not [version for version in lock.values() if "+" in version]


def test_the_conda_environment_has_the_locked_versions() -> None:
    environment = yaml.safe_load((ROOT / "workflow/envs/slm.yaml").read_text())
    pins = [requirement.split("==") for requirement in environment["dependencies"][-1]["pip"]]
    lock = locked("requirements.lock")
    assert {normalised(name.split("[")[0]): version for name, version in pins}.items() <= lock.items()
