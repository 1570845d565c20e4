# One validated plan of experiments × trials × sessions, and the functions through which the rules ask it.
import gc
import json
import re
import shlex
import signal
import sys
from itertools import chain
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake_interface_executor_plugins.settings import DeploymentMethod

from slm.errors import UserError
from slm.plan import (
    CUSTOM_SUITE,
    LISTED_SESSIONS,
    SEARCH_FIGURES,
    SUITES,
    SearchExperiment,
    choose_backend,
    custom_row,
    make_plan,
    ranked_trials,
    read_settings,
    read_sheet,
)
from slm.report.titles import FIGURES, file_name, suite_title

# Planning makes objects that stay: looking through them for garbage, again and again, took a seventh of its time.
gc.set_threshold(200_000, 50, 50)

# Sent to all processes of a job's step, SIGUSR1 is for the session: it saves and goes on. It would end this one.
if not workflow.is_main_process:
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)

SUITE_TARGETS = (*SUITES, CUSTOM_SUITE)
ROOT = Path(workflow.current_basedir).parent.parent


def read_schema(name):
    return yaml.safe_load(
        (ROOT / "workflow/schemas" / name).read_text(encoding="utf-8")
    )


def read_plan():
    """The settings and the plan of this run, every spec checked; a cluster job reads only the spec that it needs."""
    settings = read_settings(config, read_schema("config.schema.yaml"))
    if settings.spec_file:
        rows = [custom_row(settings)]
    else:
        rows = read_sheet(settings.sheet, read_schema("benchmarks.schema.yaml"))
    backend, reason = choose_backend(settings.backend)
    plan = make_plan(
        rows, settings.suites, backend, settings.allow_incomplete, settings.sessions
    )
    if workflow.is_main_process:
        models_gone = plan.models_gone(settings.keep_trials)
        for message in (reason, *plan.check(), *models_gone):
            logger.info(message)
    return settings, plan, plan.hogwild()


try:
    SETTINGS, PLAN, HOGWILD = read_plan()
    SEARCHES = PLAN.searches()
    STOPPING_SEARCHES = [name for name in SEARCHES if SEARCHES[name].stops_early]
except UserError as error:
    raise WorkflowError(str(error)) from None

# `slm` in a job is this package under the interpreter that runs Snakemake; with --sdm conda it is this package in the
# environment of workflow/envs/slm.yaml, which holds all but the package itself.
if DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method:
    SLM = f"env PYTHONPATH={shlex.quote(str(ROOT))} python -m slm"
else:
    SLM = f"{shlex.quote(sys.executable)} -m slm"
shell.prefix(f'slm() {{{{ exec {SLM} "$@"; }}}}; ')


def any_of(names):
    """A pattern for any of some names; where there is none it matches nothing."""
    return "|".join(map(re.escape, names)) or "(?!)"


EXPERIMENT = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
# Experiments of which a session is a job, but for those of HOGWILD (number of workers → names) and trials of searches.
SEARCHED = r"\d{1,4}"
INDEPENDENT = rf"(?!(?:{any_of(chain(*HOGWILD.values()))})/)(?!(?:{any_of(SEARCHES)})/trial{SEARCHED}/){EXPERIMENT}"


wildcard_constraints:
    environment=r"[A-Za-z0-9_.-]+",
    experiment=EXPERIMENT,
    trial=r"\d+",
    session=r"\d+",
    suite="|".join(SUITE_TARGETS),


def experiment_of(wildcards):
    """The experiment of a path; a path of another one is no target."""
    if wildcards.experiment not in PLAN.experiments:
        raise WorkflowError(
            f"there is no experiment '{wildcards.experiment}' in {SETTINGS.sheet}"
        )
    return PLAN.experiments[wildcards.experiment]


def outputs_of(suite):
    """Input function: all that is rendered of a suite; a suite without experiments is a mistake."""

    def paths(wildcards):
        try:
            PLAN.require(suite)
        except UserError as error:
            raise WorkflowError(str(error)) from None
        return [
            f"results/reports/{suite}/table.md",
            *environment_figures(suite),
            *(event_folders(suite) if SETTINGS.tensorboard else []),
        ]

    return paths


def environment_figures(suite):
    """The figures of each environment of a suite."""
    names = map(file_name, PLAN.environments(suite))
    return [f"results/reports/{suite}/environments/{name}.svg" for name in names]


def environment_of(wildcards):
    """The environment of a figure's path; a path of no environment of the suite is no target."""
    for env in PLAN.environments(wildcards.suite):
        if file_name(env) == wildcards.environment:
            return env
    raise WorkflowError(
        f"suite '{wildcards.suite}' has no environment '{wildcards.environment}'"
    )


def recorded_episodes(suites):
    """The episodes of the suites' experiments that have a finished session, or are to have one; none of searches."""
    experiments = {e.row.experiment for suite in suites for e in PLAN.suite(suite)}
    return [
        f"results/experiments/{experiment}/trial0/episode.json"
        for experiment in PLAN.experiments
        if experiment in experiments
        and experiment not in SEARCHES
        and PLAN.results(experiment)
    ]


def event_folders(suite):
    """The TensorBoard folders of a suite's experiments; none of searches, whose trials are not known beforehand."""
    return [
        f"results/tensorboard/{experiment.row.experiment}/trial{trial}"
        for experiment in PLAN.suite(suite)
        if experiment.row.experiment not in SEARCHES
        for trial in experiment.trials
        if PLAN.sessions(experiment.row.experiment, trial)
    ]


def experiment_title(wildcards):
    """Category in the report of what belongs to an experiment: its environment type."""
    return suite_title(experiment_of(wildcards).row.environment_type)


def experiment_labels(what):
    """Labels in the report of what belongs to an experiment."""
    return lambda wildcards: {
        "algorithm": experiment_of(wildcards).algorithm,
        "experiment": wildcards.experiment,
        "what": what,
    }


def shown(path, caption, what):
    """An output of an experiment, shown in the report."""
    return report(
        path,
        caption=f"../report/{caption}.rst",
        category=experiment_title,
        subcategory=lambda wildcards: experiment_of(wildcards).env,
        labels=experiment_labels(what),
    )


def suite_labels(what):
    """Labels in the report of what belongs to a whole suite."""
    return {"algorithm": "all", "experiment": "all", "what": what}


def reported(path, caption, what):
    """An output of a whole suite, shown in the report."""
    return report(
        path,
        caption=f"../report/{caption}.rst",
        category=lambda wildcards: suite_title(wildcards.suite),
        subcategory="All environments",
        labels=suite_labels(what),
    )


def session_folders(wildcards):
    """The folders of the sessions that a trial's statistics rest on."""
    trial = f"results/experiments/{wildcards.experiment}/trial{wildcards.trial}"
    sessions = PLAN.sessions(wildcards.experiment, int(wildcards.trial))
    return [f"{trial}/session{session}" for session in sessions]


def session_files(*names):
    """Input function: the files of these names of every session of a trial."""
    return lambda wildcards: [
        f"{folder}/{name}" for folder in session_folders(wildcards) for name in names
    ]


def untracked(value):
    """A parameter whose change alone runs no job again.

    Snakemake compares no parameter that is a function of the job's threads, input or output.
    """
    return lambda wildcards, threads: value(wildcards)


def grown(amount, attempt):
    """What a job asks for at an attempt. The growth ends: many attempts may only mean that time limits are short."""
    return amount * min(attempt, 4)


def measured_by(wildcards):
    """The experiment whose spec tells the environment of a baseline; a path of no such environment is no target."""
    try:
        return PLAN.on_environment(wildcards.environment)
    except UserError as error:
        raise WorkflowError(str(error)) from None


def set_arguments(experiment):
    """The spec's variables as arguments of the command line."""
    return [
        argument
        for name, value in experiment.row.variables.items()
        for argument in ("--set", f"{name}={value}")
    ]


# Every function of a job costs planning time: what is untracked is passed to a command as one list.
def plan_arguments(wildcards):
    """From which spec a trial comes, what a search sets in it, and the backend, as arguments of the command line."""
    experiment, trial = experiment_of(wildcards), int(wildcards.trial)
    row = experiment.row
    arguments = [str(row.spec_file), row.spec_name, *set_arguments(experiment)]
    if isinstance(experiment, SearchExperiment):
        arguments += ["--settings", json.dumps(experiment.settings(trial))]
    return [*arguments, *stopping_arguments(wildcards), "--backend", PLAN.backend]


def session_arguments(wildcards):
    """What a session has in common with others of its experiment, as arguments of the command line."""
    keep = ["--keep-memory"] if SETTINGS.keep_memory else []
    name = experiment_of(wildcards).row.spec_name
    return [name, *stopping_arguments(wildcards), "--backend", PLAN.backend, *keep]


def aggregate_arguments(wildcards):
    """Which sessions there are, and whether some may be missing, as arguments of the command line."""
    incomplete = ["--allow-incomplete"] if PLAN.allow_incomplete else []
    return [*incomplete, "--session-dirs", *session_folders(wildcards)]


def stopping_arguments(wildcards):
    """Which search may stop a trial, as arguments of the command line; none where it trains to the end."""
    search = experiment_of(wildcards).search(int(wildcards.trial))
    return [] if search is None else ["--search", search]


def print_tables():
    """Say where the tables of this run are."""
    jobs = (job for job in workflow.dag.jobs if job.rule.name == "benchmark_table")
    for suite in sorted({job.wildcards.suite for job in jobs}):
        logger.info(f"Table of suite {suite}: results/reports/{suite}/table.md")
