"""From text to data: JSON with comments, YAML, and `${var}` substitution."""

import json
import re
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from slm.spec.fields import NUMERIC_TEXT
from slm.spec.messages import SpecError, show

MAX_DEPTH: Final = 60
JSON_TOKEN: Final = re.compile(
    r"""(?P<string>"(?:\\.|[^"\\\n])*") | (?P<comment>//[^\n]*|/\*.*?\*/) | (?P<placeholder>\$\{\w+\})""",
    re.VERBOSE | re.DOTALL,
)


def read_data(path: Path, variables: Mapping[str, str]) -> dict[str, Any]:
    """The map in a JSON or YAML file, with values put in for variables.

    Raises SpecError where the file can't be read or its text isn't a map of that format.
    """
    if path.suffix not in (".json", ".yaml", ".yml"):
        raise SpecError([f"{path}: the suffix {path.suffix!r} is not allowed; allowed are .json, .yaml and .yml"])
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SpecError([f"{path}: can't be read: {error.strerror}"]) from None
    except UnicodeDecodeError as error:
        raise SpecError([f"{path}: is not UTF-8 text: {error.reason} at byte {error.start}"]) from None
    if not text.strip():
        raise SpecError([f"{path}: the file is empty; a map of spec names to specs is expected"])
    text = substitute(text, variables)
    try:
        data = read_json(text) if path.suffix == ".json" else _read_yaml(text)
        _check_structure(data)
    except json.JSONDecodeError as error:
        raise SpecError([f"{path}: is not JSON: line {error.lineno}, column {error.colno}: {error.msg}"]) from None
    except yaml.YAMLError as error:
        raise SpecError([f"{path}: is not YAML: {_describe(error)}"]) from None
    except RecursionError:
        raise SpecError([f"{path}: is nested too deeply; at most {MAX_DEPTH} levels are read"]) from None
    except ValueError as error:
        raise SpecError([f"{path}: {error}"]) from None
    if not isinstance(data, dict):
        raise SpecError([f"{path}: a map is expected at the top level, not {type(data).__name__}"])
    return data


def substitute(text: str, variables: Mapping[str, str]) -> str:
    """The text with every `${name}` replaced by the variable's value.

    A number takes the place of a quoted `"${name}"` too, quotes included, in a form that both JSON and YAML read as
    a number. Raises SpecError for a value that would break out of a string.
    """
    for name, value in variables.items():
        value = str(value)
        if re.search(r"[\"'\\\x00-\x1f]", value):
            allowed = "text without quotes, backslashes and line breaks is expected"
            raise SpecError([f"--set {name}: {show(value)} is not allowed; {allowed}"])
        placeholder = f"${{{name}}}"
        if NUMERIC_TEXT.fullmatch(value.strip()) and abs(float(value)) != float("inf"):
            value = number_text(float(value))
            text = text.replace(f'"{placeholder}"', value)
        text = text.replace(placeholder, value)
    return text


def number_text(number: float) -> str:
    """The shortest text that JSON and YAML 1.1 both read as this number: 1e-05 as 1.0e-05, 3e6 as 3000000."""
    if number.is_integer():
        return str(int(number))
    mantissa, exponent, power = repr(number).partition("e")
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}{exponent}{power}"


def read_json(text: str) -> Any:
    """Data from JSON with `//` and `/* */` comments; placeholders outside strings become strings.

    Raises json.JSONDecodeError, and ValueError for a key that occurs twice.
    """

    def replace(match: re.Match[str]) -> str:
        if match["comment"]:
            return re.sub(r"[^\n]", " ", match["comment"])
        return match["string"] or f'"{match["placeholder"]}"'

    return json.loads(JSON_TOKEN.sub(replace, text), object_pairs_hook=_unique, parse_constant=_no_constant)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for key, value in pairs:
        if key in data:
            raise ValueError(f"the key {key!r} occurs twice in the same map")
        data[key] = value
    return data


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not allowed; numbers are finite")


def _read_yaml(text: str) -> Any:
    # The fast loader builds nodes by recursion in C, which would end the process where Python raises an error.
    depth = 0
    for event in yaml.parse(text, Loader=_YamlLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH + 1:
                raise RecursionError
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return yaml.load(text, Loader=_YamlLoader)


# libyaml's loader is ten times faster, and reading specs is the larger part of planning a benchmark.
_SafeLoader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _YamlLoader(_SafeLoader):  # type: ignore[valid-type,misc]
    """YAML's safe loader, which also refuses keys that occur twice (those merged in by `<<` may be overridden)."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key in seen and key_node.tag != "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} occurs twice in the same map", key_node.start_mark
                )
            if key is not None:
                seen.add(key)
        self.flatten_mapping(node)
        return super().construct_mapping(node, deep=deep)


def _describe(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f"line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}: {error.problem}"
    return str(error)


def _check_structure(value: Any, depth: int = 0) -> None:
    """Refuse what YAML can say and JSON can't: keys that aren't text, and maps that hold themselves."""
    if depth > MAX_DEPTH:
        raise RecursionError
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ValueError(f"the key {key!r} is not text; put it in quotes")
            _check_structure(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check_structure(item, depth + 1)
