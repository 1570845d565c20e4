"""Spec files: formats, comments, variables, templates, arc files."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from slm.spec import SpecError, load_spec, read_file, validate_file
from slm.spec.files import MAX_DEPTH, number_text, read_data, read_json, substitute

Write = Callable[..., Path]


def test_json_comments_are_dropped_and_strings_kept() -> None:
    text = """
    { // a comment with "quotes" and /* */
      "url": "http://x/*not a comment*/", /* over
      two lines */ "escaped": "\\"// still text",
      "n": 1 // , "gone": 2
    }"""
    assert read_json(text) == {"url": "http://x/*not a comment*/", "escaped": '"// still text', "n": 1}


@pytest.mark.parametrize(
    ("name", "text", "parts"),
    [
        ("a.toml", "x = 1", ("'.toml' is not allowed", ".json, .yaml and .yml")),
        ("a.json", "", ("the file is empty",)),
        ("a.json", "// nothing\n", ("is not JSON",)),
        ("a.json", "[1]", ("a map is expected at the top level, not list",)),
        ("a.json", '{\n"a": {},\n"b" {}\n}', ("is not JSON: line 3",)),
        ("a.json", '{"a": {"k": 1, "k": 2}}', ("'k' occurs twice",)),
        ("a.json", '{"a": {"k": NaN}}', ("NaN is not allowed",)),
        ("a.json", "[" * 100_000, ("nested too deeply",)),
        ("a.json", '{"_anchors": {}}', ("holds no spec",)),
        ("a.yaml", "a: {x: 1\nb: 2", ("is not YAML: line 2",)),
        ("a.yaml", "a:\n  k: 1\n  k: 2\n", ("line 3", "'k' occurs twice")),
        ("a.yaml", "a: 1\n---\nb: 2", ("is not YAML",)),
        ("a.yaml", "a: {1: x}", ("the key 1 is not text",)),
        ("a.yaml", "a: &a [*a]", ("nested too deeply",)),
        ("a.yaml", "a: !!python/object:os.system {}", ("is not YAML",)),
        ("a.yaml", "just text", ("a map is expected",)),
    ],
)
def test_unreadable_file_is_refused_with_its_reason(write: Write, name: str, text: str, parts: tuple[str, ...]) -> None:
    path = write(text, name)
    with pytest.raises(SpecError) as caught:
        read_file(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert all(part in str(caught.value) for part in parts), str(caught.value)


NESTED = {
    "list": "[" * 100_000,
    "flow map": "{a: " * 100_000,
    "block list": "- " * 100_000,
    "block map": "? " * 100_000,
}


@pytest.mark.parametrize("text", NESTED.values(), ids=list(NESTED))
def test_yaml_nested_too_deeply_is_refused_without_ending_the_process(write: Write, text: str) -> None:
    path = write(text, "deep.yaml")
    command = [sys.executable, "-m", "slm", "validate", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    printed = done.stdout + done.stderr
    assert done.returncode == 2, printed
    assert printed.strip() == f"slm: {path}: is nested too deeply; at most {MAX_DEPTH} levels are read"


@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_json_and_yaml_may_be_nested_equally_deeply(write: Write, suffix: str) -> None:
    deepest = write('{"a": ' + "[" * (MAX_DEPTH - 1) + "1" + "]" * (MAX_DEPTH - 1) + "}", f"most.{suffix}")
    data: Any = read_data(deepest, {})["a"]
    for _ in range(MAX_DEPTH - 1):
        (data,) = data
    assert data == 1
    with pytest.raises(SpecError, match="nested too deeply"):
        read_data(write('{"a": ' + "[" * MAX_DEPTH + "1" + "]" * MAX_DEPTH + "}", f"more.{suffix}"), {})


YAML_FEATURES = r"""
_base: &base {lr: 3.0e-4, other: 1e-3, none: ~, empty: , flags: [yes, No, on, "yes"]}
merged: {<<: *base, lr: 1}
twice:
  <<: [*base, {extra: 0x1F}]
numbers: [1_000, 0o17, 017, .5, 1., -.inf, 1:30, +3, 1e5, 1.0e+5]
literal: |-
  two
   lines
folded: >
  one
  line

  and another # kept
quoted: ['it''s', "tab\t\u00e9", "C:\\x", "a # b"]
date: 2024-01-31
? complex
: {nested: [[], {}, [{a: [b]}]]}
"umlaut ä": ☃ # a comment
"""


def test_yaml_of_every_kind_reads_as_with_the_loader_in_python(write: Write) -> None:
    shipped = sorted(Path(__file__).parents[3].glob("specs/**/*.yaml"))
    assert len(shipped) > 20
    for path in [*shipped, write(YAML_FEATURES, "features.yaml")]:
        assert read_data(path, {}) == yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader), path


def test_missing_file_folder_and_binary_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    for name, part in [("no.json", "can't be read"), ("folder.json", "can't be read"), ("binary.json", "not UTF-8")]:
        with pytest.raises(SpecError, match=part):
            read_file(tmp_path / name)


def test_unknown_spec_name_lists_the_nearest_and_all(write: Write, ppo: Any) -> None:
    path = write({"ppo_cartpole": ppo, "other": ppo})
    with pytest.raises(SpecError, match=r"there is no spec 'ppo_cartpol'; did you mean 'ppo_cartpole'\?.*other"):
        load_spec(path, "ppo_cartpol")


def test_yaml_anchors_merge_and_are_no_specs(write: Write, ppo: Any) -> None:
    text = "_base: &base {name: CartPole-v1, max_frame: 10}\nmine:\n  <<: *base\n  max_frame: 1e6\n"
    assert read_file(write(text, "a.yaml")) == {"mine": {"name": "CartPole-v1", "max_frame": "1e6"}}


def test_yaml_and_json_of_the_same_spec_are_equal(write: Write, examples: dict[str, Any]) -> None:
    json_file, yaml_file = write(examples), write(yaml.safe_dump(examples), "specs.yaml")
    assert all(load_spec(json_file, name) == load_spec(yaml_file, name) for name in examples)


@pytest.mark.parametrize(
    ("text", "variables", "expected"),
    [
        ('{"a": "${x}"}', {"x": "3e6"}, '{"a": 3000000}'),
        ('{"a": ${x}}', {"x": "3e6"}, '{"a": 3000000}'),
        ('{"a": "${x}"}', {"x": "0.00001"}, '{"a": 1.0e-05}'),
        ('{"a": "${x}"}', {"x": "Hopper-v5"}, '{"a": "Hopper-v5"}'),
        ('{"a": "b-${x}"}', {"x": "5"}, '{"a": "b-5"}'),
        ("{'a': '${x}'}", {"x": "5"}, "{'a': '5'}"),
        ('{"a": "${x}"}', {"y": "5"}, '{"a": "${x}"}'),
        ('{"a": "${x}"}', {"x": "nan"}, '{"a": "nan"}'),
    ],
)
def test_variables_are_substituted_in_the_raw_text(text: str, variables: dict[str, str], expected: str) -> None:
    assert substitute(text, variables) == expected


@pytest.mark.parametrize("value", ['a", "gamma": 0', "a\nb", "it's", "a\\"])
def test_value_that_breaks_out_of_a_string_is_refused(value: str) -> None:
    with pytest.raises(SpecError, match=r"--set env: .* is not allowed"):
        substitute('{"name": "${env}"}', {"env": value})


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_is_substituted_as_a_number_of_json_and_yaml(number: float) -> None:
    text = substitute("${x}", {"x": str(number)})
    assert json.loads(text) == number
    assert yaml.safe_load(text) == number
    assert text == number_text(number)


def test_template_validates_and_trains_only_with_its_variables(write: Write, ppo: Any) -> None:
    ppo["env"] |= {"name": "${env}", "max_frame": "${max_frame}"}
    ppo["meta"] |= {"max_session": "${n}", "search_scheduler": {"grace_period": 10**9}}
    ppo["agent"]["net"]["lr_scheduler_spec"] = {"name": "LinearToZero", "frame": "${max_frame}"}
    ppo["agent"]["net"]["optim_spec"] = {"name": "Adam", "lr": "${lr}"}
    ppo["agent"]["algorithm"] |= {"clip_eps_spec": "${clip}", "normalize_advantages": "${how}", "clip_vloss": "${b}"}
    path = write({"template": ppo})
    assert validate_file(path) == []
    with pytest.raises(SpecError) as caught:
        load_spec(path, "template", {"env": "Hopper-v5", "n": "2", "lr": "3e-4", "how": "percentile"})
    assert [message.split(": ")[2] for message in caught.value.messages] == [
        "agent.algorithm.clip_eps_spec",
        "agent.algorithm.clip_vloss",
        "agent.net.lr_scheduler_spec.frame",
        "env.max_frame",
    ]
    assert "'max_frame' has no value; give it one with --set max_frame=" in caught.value.messages[-1]


def test_template_with_unquoted_placeholder_validates_and_still_finds_mistakes(write: Write, ppo: Any) -> None:
    text = json.dumps({"t": ppo}).replace("200000.0", "${max_frame}")
    assert validate_file(write(text)) == []
    assert load_spec(write(text), "t", {"max_frame": "1e5"}).env.max_frame == 100_000
    with pytest.raises(SpecError, match=r"agent\.algorithm\.gamma: 7"):
        validate_file(write(text.replace('"gamma": 0.99', '"gamma": 7')))


@pytest.mark.parametrize("key", ["agent.algorithm.gamma", "search.agent.algorithm.gamma__uniform"])
def test_number_beyond_floats_is_refused(write: Write, ppo: Any, with_change: Callable[..., Any], key: str) -> None:
    text = json.dumps({"x": with_change(ppo, key, ["HUGE", 1] if "__" in key else "HUGE")}).replace('"HUGE"', "1e400")
    with pytest.raises(SpecError, match="a number is expected"):
        load_spec(write(text), "x")


def test_placeholder_in_another_spec_of_the_file_does_not_matter(write: Write, ppo: Any) -> None:
    path = write({"mine": ppo, "other": {**ppo, "env": {"name": "${env}", "max_frame": 1}}})
    assert load_spec(path, "mine").env.name == "CartPole-v1"


def test_mistake_in_another_spec_of_the_file_does_not_matter(write: Write, ppo: Any) -> None:
    assert load_spec(write({"mine": ppo, "other": {}}), "mine").name == "mine"


def test_warnings_name_file_and_spec(write: Write, ppo: Any) -> None:
    ppo["agent"]["algorithm"]["clip_val_loss"] = False
    path = write({"mine": ppo})
    assert len(validate_file(path)) == 1
    assert validate_file(path)[0].startswith(f"{path}: mine: agent.algorithm.clip_val_loss has no effect: ")


def test_arc_file_is_found_beside_the_spec_and_read_into_it(write: Write, examples: Any) -> None:
    crossq = examples["crossq"]
    write(yaml.safe_dump(crossq["agent"]["net"].pop("arc")), "arc.yaml")
    crossq["agent"]["net"]["arc_file"] = "arc.yaml"
    assert load_spec(write({"x": crossq}), "x") == load_spec(write({"x": examples["crossq"]}), "x")
    loaded = load_spec(write({"x": crossq}), "x").agent.net
    assert loaded.type == "TorchArcNet"
    assert loaded.arc["modules"]["body"]["Sequential"][1] == {"Tanh": {}}


@pytest.mark.parametrize(("file", "part"), [("no.yaml", "can't be read"), (3, "the path of a JSON or YAML file")])
def test_arc_file_that_is_not_there_is_refused(write: Write, examples: Any, file: Any, part: str) -> None:
    crossq = examples["crossq"]
    crossq["agent"]["net"] = {"type": "TorchArcNet", "arc_file": file}
    with pytest.raises(SpecError) as caught:
        load_spec(write({"x": crossq}), "x")
    assert len(caught.value.messages) == 1
    assert part in str(caught.value)
    assert "agent.net.arc_file" in str(caught.value)


def test_importing_the_language_imports_no_heavy_library() -> None:
    code = "import sys, slm.spec; print(*{'torch', 'gymnasium', 'pandas', 'numpy'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []
