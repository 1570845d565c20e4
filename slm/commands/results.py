"""Commands that read finished results; the pipeline calls them."""

from __future__ import annotations

import argparse
from pathlib import Path

from slm.commands.arguments import Commands, positive


def add_to(commands: Commands) -> None:
    """Declare the commands of the aggregation and report rules."""
    trial = commands.add_parser("aggregate-trial", help="statistics across a trial's sessions (used by the pipeline)")
    trial.add_argument("--spec", type=Path, required=True)
    trial.add_argument("--baseline", type=Path, required=True, help="random baseline of the environment")
    trial.add_argument("--sessions-asked", type=positive, required=True)
    trial.add_argument("--session-dirs", type=Path, nargs="+", required=True)
    trial.add_argument("--out", type=Path, required=True)
    trial.add_argument("--allow-incomplete", action="store_true", help="count missing sessions instead of failing")
    trial.set_defaults(command=_aggregate_trial)

    experiment = commands.add_parser("aggregate-experiment", help="all trials, ranked (used by the pipeline)")
    experiment.add_argument("--trials", type=Path, nargs="+", required=True)
    experiment.add_argument("--out", type=Path, required=True)
    experiment.set_defaults(command=_aggregate_experiment)

    table = commands.add_parser("table", help="benchmark table and curves of a suite (used by the pipeline)")
    table.add_argument("--sheet", type=Path, required=True)
    table.add_argument("--out", type=Path, required=True)
    table.set_defaults(command=_table)

    report = commands.add_parser("report", help="one page of all tables (used by the pipeline)")
    report.add_argument("--tables", type=Path, nargs="+", required=True)
    report.add_argument("--out", type=Path, required=True)
    report.set_defaults(command=_report)


def _aggregate_trial(options: argparse.Namespace) -> int:
    from slm.analysis.trial import write_trial

    write_trial(
        options.spec, options.baseline, options.session_dirs, options.sessions_asked, options.out,
        options.allow_incomplete,
    )  # fmt: skip
    return 0


def _aggregate_experiment(options: argparse.Namespace) -> int:
    from slm.analysis.experiment import write_experiment

    write_experiment(options.trials, options.out)
    return 0


def _table(options: argparse.Namespace) -> int:
    from slm.report.suite import write_table

    write_table(options.sheet, options.out)
    return 0


def _report(options: argparse.Namespace) -> int:
    from slm.report.index import write_index

    write_index(options.tables, options.out)
    return 0
