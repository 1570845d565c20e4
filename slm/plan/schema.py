"""JSON-schema checks that answer with one sentence: where, which key, which value, what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator, ValidationError  # type: ignore[import-untyped]

from slm.errors import UserError

TYPES = {"array": "a list", "boolean": "true or false", "integer": "a whole number", "number": "a number",
         "string": "text"}  # fmt: skip


def nearest(name: str, allowed: list[str]) -> str:
    """A hint that names the allowed word most like ``name``, or an empty string."""
    close = difflib.get_close_matches(name, allowed, n=1)
    return f" (nearest: '{close[0]}')" if close else ""


def check(document: Mapping[str, Any], schema: Mapping[str, Any], where: str) -> None:
    """Check ``document`` against a JSON schema; raises UserError for the first mistake, naming ``where`` it stands."""
    errors = sorted(Draft202012Validator(schema).iter_errors(document), key=lambda error: error.json_path)
    if errors:
        raise UserError(f"{where}: {_sentence(errors[0])}")


def _sentence(error: ValidationError) -> str:
    key = ".".join(part for part in error.absolute_path if isinstance(part, str))
    value, rule = error.instance, error.validator_value
    match error.validator:
        case "additionalProperties":
            allowed = sorted(error.schema["properties"])
            unknown = sorted(str(name) for name in set(value) - set(allowed))[0]
            return f"unknown key '{unknown}'{nearest(unknown, allowed)}; allowed: {', '.join(allowed)}"
        case "required":
            absent = next(name for name in rule if name not in value)
            return f"'{absent}' is missing"
        case "enum":
            hint = nearest(str(value), [str(item) for item in rule])
            return f"{key}: '{value}' is not allowed{hint}; allowed: {', '.join(map(str, rule))}"
        case "type":
            return f"{key}: {value!r} has the wrong type; allowed: {TYPES[rule]}"
        case "pattern":
            return f"{key}: '{value}' is not allowed; {error.schema.get('description', f'must match {rule}')}"
        case "minItems" | "minLength":
            return f"{key}: must not be empty"
        case "minimum":
            return f"{key}: {value} is not allowed; allowed: numbers of at least {rule}"
        case "exclusiveMinimum":
            return f"{key}: {value} is not allowed; allowed: numbers above {rule}"
        case _:
            return f"{key}: {error.message}"
