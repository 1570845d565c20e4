"""Arguments that several commands share."""

from __future__ import annotations

import argparse
import json
from typing import Any

from slm.errors import UserError

Commands = argparse._SubParsersAction
"""What ``add_subparsers`` returns; its type has no public name."""


def add_spec(command: argparse.ArgumentParser) -> None:
    command.add_argument("spec_file", metavar="SPEC_FILE")
    command.add_argument("spec_name", metavar="SPEC_NAME")
    add_variables(command)


def add_trial(command: argparse.ArgumentParser) -> None:
    command.add_argument("--trial", type=natural, default=0, help="trial, part of the seed (default 0)")
    command.add_argument("--expect", metavar="HASH", help="stop unless the spec has this hash")


def add_search(command: argparse.ArgumentParser) -> None:
    command.add_argument("--search", metavar="HASH", help="hash of the search whose other trials may stop this one")


def add_variables(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="value of a ${KEY} placeholder (repeatable)"
    )


def natural(text: str) -> int:
    return _whole_number(text, least=0)


def positive(text: str) -> int:
    return _whole_number(text, least=1)


def json_map(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"'{text}' is not a JSON map")
    return value


def _whole_number(text: str, least: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of at least {least}")
    return value


def variables(options: argparse.Namespace) -> dict[str, str]:
    """The --set options as a dictionary. Raises UserError for one without a key."""
    found = {}
    for item in options.set:
        key, separator, value = item.partition("=")
        if not separator or not key:
            raise UserError(f"--set {item}: expected KEY=VALUE")
        found[key] = value
    return found


def check_hash(expected: str | None, found: str, what: str) -> None:
    if expected is not None and expected != found:
        raise UserError(
            f"{what} has changed since the workflow was planned (hash {found[:12]}, planned {expected[:12]}); "
            "run the workflow again"
        )
