"""From what went wrong to a message: `<file>: <spec>: <dotted.key>: <value> is not allowed; <what is allowed>`."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from slm.errors import UserError
from slm.spec.arc import nearest

Path = tuple[str | int, ...]

ALLOWED = {
    "bool_type": "true or false is expected",
    "string_type": "text is expected",
    "string_too_short": "text of at least one character is expected",
    "model_type": "a map is expected",
    "model_attributes_type": "a map is expected",
    "dict_type": "a map is expected",
    "greater_than": "a number above {gt:g} is expected",
    "greater_than_equal": "a number of at least {ge:g} is expected",
    "less_than": "a number below {lt:g} is expected",
    "less_than_equal": "a number of at most {le:g} is expected",
    "literal_error": "allowed are {expected}",
    "union_tag_invalid": "allowed are {expected_tags}",
    "not_allowed": "{allowed}",
}


class SpecError(UserError):
    """Mistakes in a spec file; `messages` holds one line for each."""

    def __init__(self, messages: Sequence[str]) -> None:
        self.messages = list(messages)
        super().__init__("\n".join(self.messages))


@dataclass(frozen=True)
class Problem:
    """One mistake: where it is, what is wrong in words, and the other keys that it depends on."""

    path: Path
    text: str
    uses: tuple[str, ...] = ()
    kind: str = "value"

    @property
    def key(self) -> str:
        return dotted(self.path)

    def __str__(self) -> str:
        if not self.path:
            return self.text
        return f"{self.key}{self.text if self.text.startswith(' ') else ': ' + self.text}"


def dotted(path: Path) -> str:
    """The path as a spec's readers write it."""
    return ".".join(str(part) for part in path)


def show(value: Any) -> str:
    """A value as JSON, cut where it is long."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."


def not_allowed(path: Path | str, value: Any, allowed: str, *uses: str) -> Problem:
    """The problem of a value that isn't allowed."""
    path = tuple(path.split(".")) if isinstance(path, str) else path
    return Problem(path, f"{show(value)} is not allowed; {allowed}", uses)


def missing(path: Path | str, why: str, *uses: str) -> Problem:
    """The problem of a key that is needed and isn't there."""
    path = tuple(path.split(".")) if isinstance(path, str) else path
    return Problem(path, f" is missing; {why}", uses, kind="missing")


def explain(error: ErrorDetails, root: type[BaseModel]) -> Problem:
    """The problem behind one of pydantic's errors."""
    path, model = locate(error["loc"], root)
    context: Mapping[str, Any] = error.get("ctx", {})
    kind = error["type"]
    if kind == "missing":
        field = model.model_fields.get(str(path[-1])) if model else None
        return missing(path, f"it is required ({(field.description if field else None) or 'no default'})")
    if kind == "union_tag_not_found":
        return missing((*path, context["discriminator"].strip("'")), "it is required")
    if kind == "extra_forbidden":
        return unknown_key(path, list(model.model_fields) if model else [])
    if kind == "union_tag_invalid":
        tags = [tag.strip("' ") for tag in context["expected_tags"].split(",")]
        hint = nearest(context["tag"], tags)
        path = (*path, context["discriminator"].strip("'"))
        return not_allowed(path, context["tag"], f"allowed are {', '.join(tags)}{hint}")
    allowed = ALLOWED[kind].format(**context) if kind in ALLOWED else error["msg"]
    if kind == "literal_error":
        allowed += nearest(error["input"], re.findall(r"'([^']*)'", context["expected"]))
    return not_allowed(path, error["input"], allowed)


def unknown_key(path: Path, known: Sequence[str]) -> Problem:
    """The problem of a key that the language doesn't have at its place."""
    plain_keys = [key for key in known if not key.startswith(("actor_", "critic_")) or key.endswith("_init_std")]
    allowed = ", ".join(plain_keys)
    return Problem(path, f"unknown key{nearest(path[-1], known)} (allowed: {allowed})", kind="unknown")


def locate(loc: tuple[int | str, ...], root: type[BaseModel]) -> tuple[Path, type[BaseModel] | None]:
    """The path of an error without the tags that pydantic puts in for unions, and the model that holds its last key."""
    path: list[str | int] = []
    holder: type[BaseModel] | None = root
    candidates: list[type[BaseModel]] = [root]
    for part in loc:
        tagged = [model for model in candidates if part in _tags(model)] if len(candidates) > 1 else []
        if tagged:
            candidates = tagged
            continue
        path.append(part)
        holder = candidates[0] if candidates else None
        field = holder.model_fields.get(str(part)) if holder else None
        candidates = _models(field.annotation) if field else []
    return tuple(path), holder


def _tags(model: type[BaseModel]) -> tuple[Any, ...]:
    field = model.model_fields.get("name") or model.model_fields.get("type")
    return get_args(field.annotation) if field else ()


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models(argument)]
