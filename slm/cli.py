"""The command line: finds the command and turns a user's mistake into one message."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence

import slm
from slm.commands import MODULES
from slm.errors import UserError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Returns the exit code: 0 for success, 2 for a user's mistake, 1 for other failures."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except UserError as error:
        print(f"slm: {error}", file=sys.stderr)
        return UserError.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="slm", description=slm.__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in MODULES:
        module.add_to(commands)
    return parser
