"""The command line. Commands import what they need when they run: most of them never load torch."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import slm
from slm.destinations import check_file, check_folder
from slm.errors import UserError

DEFAULT_CHECKPOINT_INTERVAL = 60.0
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
USAGE_ERROR = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Returns the exit code: 0 for success, 2 for a user's mistake, 1 for other failures."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except UserError as error:
        print(f"slm: {error}", file=sys.stderr)
        return USAGE_ERROR


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="slm", description=slm.__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_validate(commands)
    _add_train(commands)
    _add_plan(commands)
    _add_readers(commands)
    version = commands.add_parser("version", help="print versions")
    version.set_defaults(command=_version)
    return parser


def _add_validate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    validate = commands.add_parser("validate", help="check spec files")
    validate.add_argument("files", nargs="+", metavar="SPEC_FILE")
    _add_variables(validate)
    validate.set_defaults(command=_validate)


def _add_train(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    train = commands.add_parser("train", help="train one session; after a kill the same command resumes it")
    _add_spec(train)
    _add_trial(train)
    train.add_argument("--session", type=_natural, default=0, help="session (random seed) of the trial (default 0)")
    train.add_argument("--out", type=Path, help="folder of the artifacts (default out/SPEC_NAME/trial<t>/session<s>)")
    train.add_argument("--backend", choices=("auto", "compiled", "eager"), default="auto", help="how updates run")
    train.add_argument("--threads", type=_positive, default=1, help="processor threads (default 1)")
    train.add_argument("--inprogress", type=Path, help="folder of sessions in progress (default OUT/.inprogress)")
    train.set_defaults(command=_train)


def _add_plan(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    plan = commands.add_parser("plan", help="write a trial's resolved spec (used by the pipeline)")
    _add_spec(plan)
    _add_trial(plan)
    plan.add_argument("--experiment", required=True, metavar="NAME")
    plan.add_argument("--backend", choices=("compiled", "eager"), required=True)
    plan.add_argument("--out", type=Path, required=True, metavar="FILE")
    plan.set_defaults(command=_plan)

    baseline = commands.add_parser("baseline", help="score random play on a spec's environment")
    _add_spec(baseline)
    baseline.add_argument("--expect", metavar="KEY", help="stop unless the environment's baseline has this key")
    baseline.add_argument("--out", type=Path, required=True, metavar="FILE")
    baseline.set_defaults(command=_baseline)


def _add_readers(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Commands that read finished results."""
    trial = commands.add_parser("aggregate-trial", help="statistics across a trial's sessions (used by the pipeline)")
    trial.add_argument("--spec", type=Path, required=True)
    trial.add_argument("--baseline", type=Path, required=True, help="random baseline of the environment")
    trial.add_argument("--sessions-asked", type=_positive, required=True)
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


def _add_spec(command: argparse.ArgumentParser) -> None:
    command.add_argument("spec_file", metavar="SPEC_FILE")
    command.add_argument("spec_name", metavar="SPEC_NAME")
    _add_variables(command)


def _add_trial(command: argparse.ArgumentParser) -> None:
    command.add_argument("--trial", type=_natural, default=0, help="trial, part of the seed (default 0)")
    command.add_argument("--expect", metavar="HASH", help="stop unless the spec has this hash")


def _add_variables(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="value of a ${KEY} placeholder (repeatable)"
    )


def _natural(text: str) -> int:
    return _whole_number(text, least=0)


def _positive(text: str) -> int:
    return _whole_number(text, least=1)


def _whole_number(text: str, least: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of at least {least}")
    return value


def _variables(options: argparse.Namespace) -> dict[str, str]:
    """The --set options as a dictionary. Raises UserError for one without a key."""
    variables = {}
    for item in options.set:
        key, separator, value = item.partition("=")
        if not separator or not key:
            raise UserError(f"--set {item}: expected KEY=VALUE")
        variables[key] = value
    return variables


def _check_hash(expected: str | None, found: str, what: str) -> None:
    if expected is not None and expected != found:
        raise UserError(
            f"{what} has changed since the workflow was planned (hash {found[:12]}, planned {expected[:12]}); "
            "run the workflow again"
        )


def _version(options: argparse.Namespace) -> int:
    from slm.provenance import versions

    for name, value in versions().items():
        print(f"{name:<12} {value}")
    return 0


def _validate(options: argparse.Namespace) -> int:
    from slm.spec import SpecError, validate_file

    failed = 0
    for file in options.files:
        try:
            for warning in validate_file(file, _variables(options)):
                print(f"warning: {warning}", file=sys.stderr)
            print(f"{file}: ok")
        except SpecError as error:
            failed += 1
            print(f"slm: {error}", file=sys.stderr)
    return USAGE_ERROR if failed else 0


def _plan(options: argparse.Namespace) -> int:
    from slm.plan import write_trial_spec

    check_file("--out", options.out)
    write_trial_spec(
        options.spec_file, options.spec_name, _variables(options), experiment=options.experiment, trial=options.trial,
        backend=options.backend, expect=options.expect, out=options.out,
    )  # fmt: skip
    return 0


def _baseline(options: argparse.Namespace) -> int:
    from slm.plan import baseline_key
    from slm.spec import load_spec

    spec = load_spec(options.spec_file, options.spec_name, _variables(options))
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


def _train(options: argparse.Namespace) -> int:
    from slm.spec import load_spec, session_hash

    spec = load_spec(options.spec_file, options.spec_name, _variables(options))
    for warning in spec.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    interval = _checkpoint_interval()
    for variable in THREAD_VARIABLES:  # before the libraries that read them are loaded
        os.environ[variable] = str(options.threads)

    from slm.algorithms import DivergedError
    from slm.train import Job, SessionInterruptedError, train

    backend = _backend(options.backend, options.threads)
    identity = session_hash(spec, trial=options.trial, session=options.session, backend=backend.name)
    _check_hash(options.expect, identity, f"spec '{spec.name}'")
    out = options.out or Path("out") / spec.name / f"trial{options.trial}" / f"session{options.session}"
    inprogress = options.inprogress or out / ".inprogress"
    check_folder("--out", out)
    check_folder("--inprogress", inprogress)
    try:
        train(Job(spec, options.trial, options.session, identity, out, inprogress, interval), backend)
    except SessionInterruptedError as interruption:
        print(f"slm: stopped by {interruption}; the same command resumes the session", file=sys.stderr)
        return 128 + interruption.signal_number
    except DivergedError as error:
        print(f"slm: {error}", file=sys.stderr)
        return 1
    print(f"wrote {out}", file=sys.stderr)
    return 0


def _backend(name: str, threads: int):  # type: ignore[no-untyped-def]  # naming its type would import torch
    from slm.backend import configure_process, make_backend

    configure_process(threads)
    return make_backend(name)


def _checkpoint_interval() -> float:
    """Seconds between running checkpoints, from the environment. Raises UserError for what is not a number > 0."""
    text = os.environ.get("SLM_CHECKPOINT_INTERVAL", str(DEFAULT_CHECKPOINT_INTERVAL))
    try:
        interval = float(text)
    except ValueError:
        interval = 0.0
    if not interval > 0:
        raise UserError(f"SLM_CHECKPOINT_INTERVAL: '{text}' is not allowed; allowed: seconds above 0")
    return interval


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
