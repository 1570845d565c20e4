"""What the pipeline calls before training: a trial's spec, and the score of random play."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from slm.commands.arguments import Commands, add_search, add_spec, add_trial, json_map, positive, variables
from slm.destinations import check_file
from slm.errors import UserError


def add_to(commands: Commands) -> None:
    """Declare `slm plan` and `slm baseline`."""
    plan = commands.add_parser("plan", help="write a trial's resolved spec (used by the pipeline)")
    add_spec(plan)
    add_trial(plan)
    plan.add_argument("--experiment", required=True, metavar="NAME")
    plan.add_argument("--backend", choices=("compiled", "eager"), required=True)
    plan.add_argument("--settings", type=json_map, metavar="JSON", help="what a search sets: dotted key to value")
    add_search(plan)
    plan.add_argument(
        "--sessions",
        type=positive,
        metavar="N",
        help="sessions whose hashes are written: so many, or max_session if that is more (default: 64)",
    )
    plan.add_argument("--out", type=Path, required=True, metavar="FILE")
    plan.set_defaults(command=_plan)

    draw = commands.add_parser("draw", help="settings of a search's next generation (used by the pipeline)")
    add_spec(draw)
    draw.add_argument("--generation", type=positive, required=True, metavar="N")
    draw.add_argument("--trials", type=Path, nargs="+", required=True, help="trial.json of all trials before it")
    draw.add_argument("--out", type=Path, required=True, metavar="FILE")
    draw.set_defaults(command=_draw)

    baseline = commands.add_parser("baseline", help="score random play on a spec's environment")
    add_spec(baseline)
    baseline.add_argument("--expect", metavar="KEY", help="stop unless the environment's baseline has this key")
    baseline.add_argument("--out", type=Path, required=True, metavar="FILE")
    baseline.set_defaults(command=_baseline)


def _plan(options: argparse.Namespace) -> int:
    from slm.plan import LISTED_SESSIONS, write_trial_spec

    check_file("--out", options.out)
    write_trial_spec(
        options.spec_file, options.spec_name, variables(options), experiment=options.experiment, trial=options.trial,
        backend=options.backend, expect=options.expect, out=options.out, settings=options.settings,
        search=options.search, listed=options.sessions or LISTED_SESSIONS,
    )  # fmt: skip
    return 0


def _draw(options: argparse.Namespace) -> int:
    from slm.plan import write_generation
    from slm.spec import load_spec

    spec = load_spec(options.spec_file, options.spec_name, variables(options))
    write_generation(spec, options.generation, options.trials, options.out)
    return 0


def _baseline(options: argparse.Namespace) -> int:
    from slm.plan import baseline_key
    from slm.spec import load_spec

    spec = load_spec(options.spec_file, options.spec_name, variables(options))
    key = baseline_key(spec.env)
    if options.expect not in (None, key):
        raise UserError(
            f"{options.spec_file}: the environment of '{spec.name}' has changed since the workflow was planned ({key}, "
            f"planned {options.expect}); run the workflow again"
        )
    check_file("--out", options.out)

    from slm.baseline import write_baseline

    write_baseline(spec.env, options.out)
    print(f"wrote {options.out}", file=sys.stderr)
    return 0
