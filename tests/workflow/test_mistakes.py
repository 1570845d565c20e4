"""A mistake in sheet, settings or spec: one message, no traceback, nothing written."""

from __future__ import annotations

from pathlib import Path

import pytest
from snakemake_project import Project

pytestmark = pytest.mark.workflow

CONFIG, SHEET, SPECS = "config/config.yaml", "config/benchmarks.tsv", "specs/tiny.yaml"


def assert_refused(project: Project, message: str, *arguments: str) -> None:
    before = project.snapshot()
    done = project.run(*arguments)
    assert done.returncode != 0
    assert done.stdout.count(message) == 1, done.stdout
    assert "Traceback" not in done.stdout
    assert project.snapshot() == before


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (CONFIG, "backend:", "backed:", "config: unknown key 'backed' (nearest: 'backend'); allowed: "),
        (CONFIG, "[demo]", "[deom]", "config: suites: 'deom' is not allowed (nearest: 'demo'); allowed: demo, "),
        (CONFIG, "[demo]", "[atari]", "suite 'atari' has no experiments; suites with experiments: box2d, demo"),
        (SHEET, "demo,box2d", "demo,box2", "line 2: suites: 'box2' is not allowed (nearest: 'box2d')"),
        (SHEET, "\ttiny_a2c\tCart", "\ta/b\tCart", "line 3: experiment: 'a/b' is not allowed; an experiment's name"),
        (SHEET, "\ttiny_a2c\tCart", "\ttiny_ppo\tCart", "line 3: experiment 'tiny_ppo' is already in"),
        (SHEET, "\ttrain\t400", "\tenjoy\t400", "line 2: mode: 'enjoy' is not allowed; allowed: train, search"),
        (SHEET, "\ttrain\t400", "\tsearch\t400", "line 2 (experiment 'tiny_ppo'): mode: 'search' needs a search"),
        (SHEET, "env=Cart", "envCart", "line 3: variables: 'envCartPole-v1' is not allowed"),
        (SPECS, "gamma: 0.98", "gama: 0.98", "line 3 (experiment 'tiny_a2c'): specs/tiny.yaml: tiny_a2c: "),
        (SPECS, "tiny_a2c:", "tiny_a3c:", "line 3 (experiment 'tiny_a2c'): specs/tiny.yaml: "),
    ],
)
def test_a_mistake_in_a_file(tiny: Project, file: str, old: str, new: str, message: str) -> None:
    tiny.edit(file, old, new)
    assert_refused(tiny, message)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["spec_file=absent.json", "spec_name=x"], "config (experiment 'x'): absent.json: "),
        (["spec_file=specs/tiny.yaml"], "config: 'spec_name' is missing"),
        (["spec_file=specs/tiny.yaml", "spec_name=tiny"], "config (experiment 'tiny'): specs/tiny.yaml: "),
        (["spec_file=specs/tiny.yaml", "spec_name=tiny_a2c"], "config (experiment 'tiny_a2c'): specs/tiny.yaml: "),
        (["spec_file=specs/tiny.yaml", "spec_name=tiny_a2c", "set=env"], "config: set: 'env' is not allowed"),
        (["spec_file=specs/tiny.yaml", "spec_name=tiny_ppo", "mode=search"], "mode: 'search' needs a search block"),
        (["spec_name=tiny_ppo"], "config: 'spec_name' is given without 'spec_file'"),
    ],
)
def test_a_mistake_on_the_command_line(tiny: Project, settings: list[str], message: str) -> None:
    assert_refused(tiny, message, "--config", *settings)


def test_a_missing_sheet(tiny: Project) -> None:
    Path(tiny.path / SHEET).unlink()
    assert_refused(tiny, "config: sheet: cannot read 'config/benchmarks.tsv'")
