"""`slm validate` and `slm version`: what is written, and what is installed."""

from __future__ import annotations

import argparse
import sys

from slm.commands.arguments import Commands, add_variables, variables
from slm.errors import UserError


def add_to(commands: Commands) -> None:
    """Declare `slm validate` and `slm version`."""
    validate = commands.add_parser("validate", help="check spec files")
    validate.add_argument("files", nargs="+", metavar="SPEC_FILE")
    add_variables(validate)
    validate.set_defaults(command=_validate)
    version = commands.add_parser("version", help="print versions")
    version.set_defaults(command=_version)


def _validate(options: argparse.Namespace) -> int:
    from slm.spec import SpecError, validate_file

    failed = 0
    for file in options.files:
        try:
            for warning in validate_file(file, variables(options)):
                print(f"warning: {warning}", file=sys.stderr)
            print(f"{file}: ok")
        except SpecError as error:
            failed += 1
            print(f"slm: {error}", file=sys.stderr)
    return UserError.exit_code if failed else 0


def _version(options: argparse.Namespace) -> int:
    from slm.provenance import versions

    for name, value in versions().items():
        print(f"{name:<12} {value}")
    return 0
