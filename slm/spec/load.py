"""Spec files: many specs in one JSON or YAML file, of which one is loaded or all are validated."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slm.spec.arc import nearest
from slm.spec.files import read_data
from slm.spec.messages import SpecError
from slm.spec.parse import parse, parse_strictly
from slm.spec.search import with_value
from slm.spec.spec import Spec


def read_file(path: str | Path, variables: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The raw specs of a file by name. Top-level keys that begin with `_` are homes of YAML anchors and left out.

    Raises SpecError where the file can't be read, isn't JSON or YAML, repeats a key or holds no spec.
    """
    data = read_data(Path(path), variables or {})
    specs = {name: raw for name, raw in data.items() if not name.startswith("_")}
    if not specs:
        raise SpecError([f"{path}: holds no spec; a map of spec names to specs is expected"])
    return specs


def load_spec(path: str | Path, name: str, variables: Mapping[str, str] | None = None) -> Spec:
    """One spec of a file, checked and with its defaults filled in.

    Raises SpecError with all its mistakes; a placeholder in it that has no value is one.
    """
    specs = read_file(path, variables)
    if name not in specs:
        raise SpecError([f"{path}: there is no spec {name!r}{nearest(name, specs)} (specs: {', '.join(specs)})"])
    return parse_strictly(name, specs[name], str(path), Path(path).parent)


def spec_of_trial(
    raw: dict[str, Any], name: str, path: str | Path, settings: Mapping[str, Any], scheduled: bool
) -> Spec:
    """The spec of a search's trial: a raw spec with its settings, by dotted path, put in.

    The result has no search block; unless the trial is `scheduled` to be stopped early, no scheduler either. One that
    is has one session. Raises SpecError.
    """
    data = {key: value for key, value in raw.items() if key != "search"}
    for key, value in settings.items():
        try:
            data = with_value(data, key, value)
        except LookupError as error:
            raise SpecError([f"{path}: {name}: search.{key}: {error.args[0]}"]) from None
    if scheduled:
        data = with_value(data, "meta.max_session", 1)
    else:
        data["meta"] = {key: value for key, value in data["meta"].items() if key != "search_scheduler"}
    return parse_strictly(name, data, str(path), Path(path).parent)


def validate_file(path: str | Path, variables: Mapping[str, str] | None = None) -> list[str]:
    """Check all specs of a file, where a placeholder without a value stands for any; return the warnings.

    Raises SpecError with the mistakes of all of them.
    """
    problems, warnings = [], []
    for name, raw in read_file(path, variables).items():
        parsed = parse(name, raw, Path(path).parent)
        problems += [f"{path}: {name}: {problem}" for problem in parsed.problems]
        warnings += [f"{path}: {name}: {warning}" for warning in parsed.warnings]
    if problems:
        raise SpecError(problems)
    return warnings
