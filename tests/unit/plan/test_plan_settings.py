"""The settings: defaults, one's own spec, and what each mistake is answered with."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from slm.errors import UserError
from slm.plan import Settings, choose_backend, custom_row, read_settings

BASE: dict[str, Any] = {"suites": ["demo"], "sheet": "sheet.tsv"}
OWN: dict[str, Any] = {**BASE, "spec_file": "my.json", "spec_name": "mine"}


def test_defaults_are_those_that_the_readme_states(config_schema: dict[str, Any]) -> None:
    expected = Settings(("demo",), Path("sheet.tsv"), "auto", 60, False, record_episodes=True, tensorboard=False)
    assert read_settings(BASE, config_schema) == expected


def test_a_spec_of_ones_own_is_the_suite_custom(config_schema: dict[str, Any]) -> None:
    settings = read_settings({**OWN, "set": "env=ALE/Pong-v5"}, config_schema)
    row = custom_row(settings)
    assert settings.suites == row.suites == ("custom",)
    assert (row.experiment, row.spec_file, row.spec_name) == ("mine_pong", Path("my.json"), "mine")


def test_booleans_may_be_spelled_as_yaml_does_on_the_command_line(config_schema: dict[str, Any]) -> None:
    assert read_settings({**BASE, "allow_incomplete": "true"}, config_schema).allow_incomplete is True
    assert read_settings({**BASE, "allow_incomplete": "false"}, config_schema).allow_incomplete is False


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({**BASE, "suite": ["demo"]}, "config: unknown key 'suite' (nearest: 'suites'); allowed: allow_incomplete,"),
        ({"sheet": "sheet.tsv"}, "config: 'suites' is missing"),
        ({"suites": ["demo"]}, "config: 'sheet' is missing"),
        ({**BASE, "suites": ["dem"]}, "config: suites: 'dem' is not allowed (nearest: 'demo'); allowed: demo,"),
        ({**BASE, "suites": "demo"}, "config: suites: 'demo' has the wrong type; allowed: a list"),
        ({**BASE, "suites": []}, "config: suites: must not be empty"),
        ({**BASE, "sheet": 3}, "config: sheet: 3 has the wrong type; allowed: text"),
        ({**BASE, "backend": "fast"}, "config: backend: 'fast' is not allowed; allowed: auto, compiled, eager"),
        ({**BASE, "checkpoint_interval": 0}, "config: checkpoint_interval: 0 is not allowed; allowed: numbers above 0"),
        ({**BASE, "checkpoint_interval": "1m"}, "checkpoint_interval: '1m' has the wrong type; allowed: a number"),
        ({**BASE, "allow_incomplete": "yes"}, "allow_incomplete: 'yes' has the wrong type; allowed: true or false"),
        ({**BASE, "spec_name": "mine"}, "config: 'spec_name' is given without 'spec_file'"),
        ({**BASE, "set": "a=1"}, "config: 'set' is given without 'spec_file'"),
        ({**BASE, "mode": "train"}, "config: 'mode' is given without 'spec_file'"),
        ({**BASE, "spec_file": "my.json"}, "config: 'spec_name' is missing: the name of the spec in my.json to run"),
        ({**OWN, "spec_file": ""}, "config: spec_file: must not be empty"),
        ({**OWN, "mode": "enjoy"}, "config: mode: 'enjoy' is not allowed; allowed: train, search"),
    ],
)
def test_a_mistake_is_named(config_schema: dict[str, Any], config: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        read_settings(config, config_schema)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"set": "env"}, "config: set: 'env' is not allowed"),
        ({"spec_name": "a/b"}, "config: spec_name: 'a/b' is a part of result paths"),
        ({"set": "env=a b"}, "config: spec_name: 'mine_a b' is a part of result paths"),
    ],
)
def test_a_name_that_is_no_part_of_a_path_is_refused(
    config_schema: dict[str, Any], changed: dict[str, str], message: str
) -> None:
    settings = read_settings({**OWN, **changed}, config_schema)
    with pytest.raises(UserError, match=message):
        custom_row(settings)


class TestBackend:
    @pytest.fixture
    def no_compiler(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.delenv("CXX", raising=False)

    @pytest.fixture
    def a_compiler(self, no_compiler: None, tmp_path: Path) -> None:
        (tmp_path / "clang++").touch(mode=0o755)

    @pytest.mark.usefixtures("a_compiler")
    def test_auto_is_compiled_where_there_is_a_compiler(self) -> None:
        assert choose_backend("auto") == (
            "compiled",
            "Updates run compiled, because there is a C++ compiler (clang++).",
        )
        assert choose_backend("compiled")[0] == "compiled"
        assert choose_backend("eager")[0] == "eager"

    @pytest.mark.usefixtures("no_compiler")
    def test_auto_is_eager_without_one(self) -> None:
        name, reason = choose_backend("auto")
        assert name == "eager"
        assert "because there is no C++ compiler" in reason

    @pytest.mark.usefixtures("no_compiler")
    def test_compiled_without_one_is_refused(self) -> None:
        with pytest.raises(UserError, match=r"backend: 'compiled' needs a C\+\+ compiler"):
            choose_backend("compiled")

    @pytest.mark.usefixtures("a_compiler")
    def test_cxx_is_the_compiler_or_there_is_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CXX", "clang++")
        assert choose_backend("auto")[0] == "compiled"
        monkeypatch.setenv("CXX", "absent++")
        assert choose_backend("auto")[0] == "eager"
