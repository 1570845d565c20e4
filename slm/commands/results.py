"""Commands that read finished results; the pipeline calls them."""

from __future__ import annotations

import argparse
from pathlib import Path

from slm.commands.arguments import Commands, natural, positive


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
    experiment.add_argument("--rungs", type=Path, nargs="*", default=[], help="rungs.csv of a search's sessions")
    experiment.add_argument("--decisions", type=Path, help="file for the rungs of all sessions, joined")
    experiment.set_defaults(command=_aggregate_experiment)

    models = commands.add_parser("keep-models", help="keep the models of a search's best trials (used by the pipeline)")
    models.add_argument("--ranking", type=Path, required=True, help="experiment.csv of the search")
    models.add_argument("--session-dirs", type=Path, nargs="+", required=True)
    models.add_argument("--keep", type=natural, required=True, metavar="N", help="trials whose models stay")
    models.add_argument("--inprogress", type=Path, required=True, help="folder of sessions in progress")
    models.add_argument("--out", type=Path, required=True, help="table of the trials that have their models")
    models.set_defaults(command=_keep_models)

    validation = commands.add_parser("validate-search", help="the winner of a search (used by the pipeline)")
    validation.add_argument("--ranking", type=Path, required=True, help="experiment.csv of the search")
    validation.add_argument("--trials", type=Path, nargs="+", required=True, help="trial.json of the validating trials")
    validation.add_argument("--out", type=Path, required=True)
    validation.set_defaults(command=_validate_search)

    figures = commands.add_parser("search-figures", help="figures of a search (used by the pipeline)")
    figures.add_argument("--search", type=Path, required=True, help="folder of the search's tables")
    figures.add_argument("--out", type=Path, required=True)
    figures.set_defaults(command=_search_figures)

    table = commands.add_parser("table", help="benchmark table and curves of a suite (used by the pipeline)")
    table.add_argument("--sheet", type=Path, required=True)
    table.add_argument("--out", type=Path, required=True)
    table.set_defaults(command=_table)

    figure = commands.add_parser("environment-figure", help="learning curves on one environment (used by the pipeline)")
    figure.add_argument("--sheet", type=Path, required=True)
    figure.add_argument("--out", type=Path, required=True, help="path without suffix")
    figure.set_defaults(command=_environment_figure)

    report = commands.add_parser("report", help="one page of all tables (used by the pipeline)")
    report.add_argument("--tables", type=Path, nargs="+", required=True)
    report.add_argument("--searches", type=Path, nargs="*", default=[], help="folders of searches")
    report.add_argument("--episodes", type=Path, nargs="*", default=[], help="recorded episodes (JSON)")
    report.add_argument("--out", type=Path, required=True)
    report.set_defaults(command=_report)

    events = commands.add_parser("tensorboard", help="event files of sessions (used by the pipeline)")
    events.add_argument("--session-dirs", type=Path, nargs="+", required=True)
    events.add_argument("--out", type=Path, required=True)
    events.set_defaults(command=_tensorboard)


def _aggregate_trial(options: argparse.Namespace) -> int:
    from slm.analysis.trial import write_trial

    write_trial(
        options.spec, options.baseline, options.session_dirs, options.sessions_asked, options.out,
        options.allow_incomplete,
    )  # fmt: skip
    return 0


def _aggregate_experiment(options: argparse.Namespace) -> int:
    from slm.analysis.experiment import write_decisions, write_experiment

    write_experiment(options.trials, options.out)
    if options.decisions is not None:
        write_decisions(options.rungs, options.decisions)
    return 0


def _keep_models(options: argparse.Namespace) -> int:
    from slm.plan import ranked_trials
    from slm.retention import keep_models

    keep_models(ranked_trials(options.ranking), options.session_dirs, options.keep, options.inprogress, options.out)
    return 0


def _validate_search(options: argparse.Namespace) -> int:
    from slm.analysis.validation import write_validation

    write_validation(options.ranking, options.trials, options.out)
    return 0


def _search_figures(options: argparse.Namespace) -> int:
    from slm.report.search_figures import write_search_figures

    write_search_figures(options.search, options.out)
    return 0


def _table(options: argparse.Namespace) -> int:
    from slm.report.suite import write_table

    write_table(options.sheet, options.out)
    return 0


def _environment_figure(options: argparse.Namespace) -> int:
    from slm.report.suite import write_environment

    write_environment(options.sheet, options.out)
    return 0


def _report(options: argparse.Namespace) -> int:
    from slm.report.index import write_index

    write_index(options.tables, options.out, options.searches, options.episodes)
    return 0


def _tensorboard(options: argparse.Namespace) -> int:
    from slm.report.tensorboard import write_events

    write_events(options.session_dirs, options.out)
    return 0
