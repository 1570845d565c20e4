"""From a raw spec to a `Spec`: dead keys out, defaults in, every mistake found at once."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, Final

from pydantic import ValidationError

from slm.spec.arc import has_placeholder
from slm.spec.arc_file import inline_arc_files
from slm.spec.checks import check_spec
from slm.spec.dead_keys import remove_dead_keys
from slm.spec.defaults import resolve_defaults
from slm.spec.env import EnvSpec
from slm.spec.fields import PLACEHOLDER
from slm.spec.messages import Path, Problem, SpecError, explain, missing, not_allowed, show, unknown_key
from slm.spec.search import SearchVariable, flatten, read_variable, with_value
from slm.spec.spec import Spec

SECTIONS: Final = ("agent", "env", "meta", "search")

# Stand-ins for a value that isn't there or isn't right, tried in turn so that the rest of the spec can be checked.
STAND_INS: Final[tuple[Any, ...]] = (
    10**6, 0.5, True, None, [64], [[8, 3]], {"name": "no_decay", "start_val": 0.1}, "relu", "default", "replace",
    {"modules": {"body": {"Flatten": None}}, "graph": {"input": "x", "modules": {"body": ["x"]}, "output": "body"}}, {},
)  # fmt: skip


@dataclass
class Parsed:
    """What came of a raw spec: the spec, where there is one, its mistakes and its warnings."""

    spec: Spec | None = None
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def parse_spec(name: str, raw: Mapping[str, Any], source: str = "<dict>") -> Spec:
    """The spec in a raw map without placeholders. Raises SpecError with all mistakes."""
    return parse_strictly(name, raw, source, FilePath())


def parse_strictly(name: str, raw: Any, source: str, folder: FilePath) -> Spec:
    """The spec in a raw map; a placeholder without a value is a mistake. Raises SpecError with all mistakes."""
    parsed = parse(name, raw, folder)
    problems = [*left_over_placeholders(raw), *parsed.problems]
    if problems or parsed.spec is None:
        raise SpecError([f"{source}: {name}: {problem}" for problem in problems])
    return parsed.spec


def left_over_placeholders(value: Any, path: Path = ()) -> Iterator[Problem]:
    """A problem for every value that still holds a `${var}`."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from left_over_placeholders(item, (*path, key))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from left_over_placeholders(item, (*path, i))
    elif isinstance(value, str) and (match := PLACEHOLDER.search(value)):
        variable = match.group(1)
        yield not_allowed(path, value, f"the variable {variable!r} has no value; give it one with --set {variable}=…")


def parse(name: str, raw: Any, folder: FilePath) -> Parsed:
    """The spec in a raw map; a placeholder stands for any value at its place.

    A relative `arc_file` is looked for in `folder`. With mistakes or placeholders the spec in the result is only a
    stand-in, or None.
    """
    parsed = _parse_without_search(name, raw, folder)
    if isinstance(raw, dict) and raw.get("search") is not None:
        variables, problems = _read_search(raw["search"])
        if parsed.spec and not parsed.problems:
            problems += [problem for v in variables for problem in _try_variable(v, name, raw, folder)]
            parsed.spec = parsed.spec.model_copy(update={"search": tuple(variables)})
        parsed.problems += problems
    return parsed


def _parse_without_search(name: str, raw: Any, folder: FilePath) -> Parsed:
    if not isinstance(raw, dict):
        return Parsed(problems=[Problem((), f"{show(raw)} is not allowed; a map with agent, env and meta is expected")])
    data = copy.deepcopy({key: value for key, value in raw.items() if key not in ("search", "name")})
    problems = [unknown_key((key,), SECTIONS) for key in data if key not in SECTIONS]
    data = {key: value for key, value in data.items() if key in SECTIONS}
    if isinstance(env := data.get("env"), dict):
        problems += [unknown_key(("env", key), list(EnvSpec.model_fields)) for key in env if EnvSpec.misspelt(key)]
        data["env"] = {key: value for key, value in env.items() if not EnvSpec.misspelt(key)}
    problems += inline_arc_files(data, folder)
    warnings = _empty_net_of_random(data) + remove_dead_keys(data)
    spec, field_problems, untrusted = _validate({"name": name, **data})
    problems += field_problems
    if spec:
        spec = resolve_defaults(spec)
        untrusted |= {problem.key for problem in problems} | _placeholder_keys(data)
        problems += [p for p in check_spec(spec) if not _rests_on(p, untrusted)]
        spec = spec.model_copy(update={"warnings": warnings})
    return Parsed(spec, problems, warnings)


def _validate(data: dict[str, Any]) -> tuple[Spec | None, list[Problem], set[str]]:
    """A spec from the data, its mistakes, and the keys where a stand-in had to be put, so that a spec could be made."""
    original = copy.deepcopy(data)
    problems: list[Problem] | None = None
    attempts: dict[Path, int] = {}
    while True:
        try:
            spec = Spec.model_validate(data)
            return spec, problems or [], {".".join(map(str, path)) for path in attempts}
        except ValidationError as error:
            found = [explain(item, Spec) for item in error.errors(include_url=False)]
        if problems is None:
            problems = [p for p in found if p.kind != "value" or not has_placeholder(_get(original, p.path))]
        for problem in found:
            if problem.kind == "unknown":
                del _get(data, problem.path[:-1])[problem.path[-1]]
                continue
            path = _replaceable(data, problem.path)
            attempt = attempts.get(path, 0)
            if attempt == len(STAND_INS) or not path:
                return None, problems, set()
            _get(data, path[:-1])[path[-1]] = copy.deepcopy(STAND_INS[attempt])
            attempts[path] = attempt + 1


def _get(data: Any, path: Path) -> Any:
    for part in path:
        if isinstance(data, dict):
            data = data.get(part)
        elif isinstance(data, list) and isinstance(part, int):
            data = data[part]
        else:
            return None
    return data


def _replaceable(data: Any, path: Path) -> Path:
    """The longest part of the path whose holder is a map or list in the data."""
    while path and not isinstance(_get(data, path[:-1]), dict | list):
        path = path[:-1]
    return path


def _placeholder_keys(data: Any) -> set[str]:
    return {problem.key for problem in left_over_placeholders(data)}


def _rests_on(problem: Problem, untrusted: set[str]) -> bool:
    """Whether a cross-check read a key whose value isn't the user's."""
    return any(
        key == other or key.startswith(other + ".") or other.startswith(key + ".")
        for key in (problem.key, *problem.uses)
        for other in untrusted
    )


def _empty_net_of_random(data: dict[str, Any]) -> list[str]:
    """Random has no net: whatever stands there becomes the empty one."""
    agent = data.get("agent")
    if not isinstance(agent, dict) or _get(agent, ("algorithm", "name")) != "Random":
        return []
    net = agent.get("net")
    agent["net"] = {"type": "NoNet"}
    return ["agent.net has no effect: Random doesn't read it"] if net else []


def _read_search(search: Any) -> tuple[list[SearchVariable], list[Problem]]:
    if not isinstance(search, dict):
        return [], [not_allowed("search", search, "a map of key__distribution to arguments is expected")]
    variables, problems = [], []
    for key, args in flatten(search).items():
        variable = read_variable(key, args)
        if isinstance(variable, str):
            problems.append(not_allowed(("search", key), args, variable))
        else:
            variables.append(variable)
    paths = [variable.path for variable in variables]
    twice = sorted({path for path in paths if paths.count(path) > 1})
    problems += [Problem(("search", path), "is varied twice; one distribution per key is allowed") for path in twice]
    # In one order, so that what a search samples doesn't depend on the order of keys in the file.
    return sorted(variables, key=lambda variable: variable.key), problems


def _try_variable(variable: SearchVariable, name: str, raw: dict[str, Any], folder: FilePath) -> list[Problem]:
    """What goes wrong when the spec is given the values that the search may choose for this key."""
    for value in variable.examples:
        try:
            data = with_value({key: item for key, item in raw.items() if key != "search"}, variable.path, value)
        except LookupError as error:
            return [missing(("search", variable.key), str(error.args[0]))]
        if problems := _parse_without_search(name, data, folder).problems:
            return [Problem(("search", variable.key), f"with {show(value)}: {problem}") for problem in problems]
    return []
