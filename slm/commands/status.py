"""`slm status`: how far the sessions are that train here or on the cluster."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from slm.commands.arguments import Commands, positive

CLEAR = "\033[H\033[2J"


def add_to(commands: Commands) -> None:
    """Declare `slm status`."""
    status = commands.add_parser("status", help="how far the sessions are that train, here or on a cluster")
    status.add_argument("folder", nargs="?", type=Path, default=Path(), help="the project's folder (default: this one)")
    status.add_argument("--all", action="store_true", help="also those that have finished")
    status.add_argument(
        "--watch",
        nargs="?",
        const=5,
        type=positive,
        metavar="SECONDS",
        help="show it again and again (default: every 5)",
    )
    status.set_defaults(command=_status)


def _status(options: argparse.Namespace) -> int:
    from slm.report.status import read_signs, session_folders, status_table

    while True:
        table = status_table(read_signs(session_folders(options.folder)), options.all)
        if options.watch is None:
            print(table)
            return 0
        print(f"{CLEAR}{table}", flush=True)
        try:
            time.sleep(options.watch)
        except KeyboardInterrupt:
            return 0
