"""`slm enjoy`: a trained agent plays, on a screen or into a file. `slm record`: the same for the pipeline."""

from __future__ import annotations

import argparse
import os
import sys
from itertools import islice
from pathlib import Path

from slm.commands.arguments import Commands, positive
from slm.destinations import check_file
from slm.errors import UserError


def add_to(commands: Commands) -> None:
    """Declare both."""
    enjoy = commands.add_parser("enjoy", help="watch the best checkpoint of a session or a trial play")
    enjoy.add_argument("result_dir", type=Path, metavar="RESULT_DIR", help="folder of a session, or of a trial")
    enjoy.add_argument(
        "--record", type=Path, metavar="FILE", help="write an episode as a GIF instead (no screen needed)"
    )
    enjoy.add_argument("--episodes", type=positive, help="stop after so many (default: go on until stopped)")
    enjoy.set_defaults(command=_enjoy)

    record = commands.add_parser("record", help="an episode of a row's best checkpoint (used by the pipeline)")
    record.add_argument("--trial", type=Path, required=True)
    record.add_argument("--experiment", required=True)
    record.add_argument("--out", type=Path, required=True, help="JSON file; the animation and a page are beside it")
    record.set_defaults(command=_record)


def _enjoy(options: argparse.Namespace) -> int:
    if options.record is not None:
        if options.record.suffix.lower() != ".gif":
            raise UserError(f"--record {options.record}: the file's name must end in .gif")
        check_file("--record", options.record)
    elif not _display():
        raise UserError("there is no display to play on (DISPLAY is not set); --record FILE.gif writes a file instead")
    _prepare()

    from slm.play import best_session, episodes, record_episode

    session = best_session(options.result_dir)
    if options.record is not None:
        played = record_episode(session, options.record)
        print(f"wrote {options.record}: return {played['return']:.2f} in {played['steps']} steps", file=sys.stderr)
        return 0
    for total, steps in islice(episodes(session), options.episodes):
        print(f"return {total:.2f} in {steps} steps", file=sys.stderr)
    return 0


def _record(options: argparse.Namespace) -> int:
    check_file("--out", options.out)
    _prepare()

    from slm.play import record_row
    from slm.report.episodes import write_episode_page

    record_row(options.trial, options.experiment, options.out)
    write_episode_page(options.out)
    return 0


def _display() -> bool:
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _prepare() -> None:
    """Set what libraries read when they are loaded."""
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, "1")  # a single observation is too little to share
    if not _display():
        # Left to itself gymnasium takes GLFW, which then fails without a display.
        os.environ.setdefault("MUJOCO_GL", "egl")
