"""What a run of the workflow consists of: configuration and sample sheet to experiments, trials and sessions.

Snakemake parses the workflow with this package, again in every cluster job, so it imports neither torch nor pandas.
Every mistake in what was asked for raises `slm.errors.UserError` with one message.
"""

from slm.plan.backend import choose_backend
from slm.plan.baselines import baseline_key
from slm.plan.experiments import Experiment
from slm.plan.generations import write_generation
from slm.plan.plan import Plan, make_plan
from slm.plan.ranking import ranked_trials
from slm.plan.runtime import measured_fps
from slm.plan.search import SEARCH_FIGURES, SearchExperiment
from slm.plan.settings import CUSTOM_SUITE, Settings, read_settings
from slm.plan.sheet import SUITES, Row, best_published, custom_row, parse_variables, read_sheet
from slm.plan.trial_spec import LISTED_SESSIONS, write_trial_spec

__all__ = [
    "CUSTOM_SUITE",
    "LISTED_SESSIONS",
    "SEARCH_FIGURES",
    "SUITES",
    "Experiment",
    "Plan",
    "Row",
    "SearchExperiment",
    "Settings",
    "baseline_key",
    "best_published",
    "choose_backend",
    "custom_row",
    "make_plan",
    "measured_fps",
    "parse_variables",
    "ranked_trials",
    "read_settings",
    "read_sheet",
    "write_generation",
    "write_trial_spec",
]
