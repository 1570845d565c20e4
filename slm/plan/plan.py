"""The plan of a run: its experiments, and which of their files a table reads."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from slm.errors import UserError
from slm.plan.experiments import Experiment
from slm.plan.schema import nearest
from slm.plan.search import SearchExperiment
from slm.plan.sheet import Row, best_published

MODES: dict[str, type[Experiment]] = {"train": Experiment, "search": SearchExperiment}


@dataclass(frozen=True)
class Plan:
    """The experiments of a run, in the order of the sheet."""

    experiments: dict[str, Experiment]
    backend: str
    allow_incomplete: bool

    def searches(self) -> dict[str, SearchExperiment]:
        """The experiments in search mode by name."""
        found = self.experiments.items()
        return {name: experiment for name, experiment in found if isinstance(experiment, SearchExperiment)}

    def suite(self, name: str) -> list[Experiment]:
        """The experiments of a suite."""
        return [experiment for experiment in self.experiments.values() if name in experiment.row.suites]

    def require(self, *suites: str) -> None:
        """Raise UserError for a suite that no experiment belongs to."""
        filled = sorted({suite for experiment in self.experiments.values() for suite in experiment.row.suites})
        for suite in suites:
            if suite not in filled:
                hint = f"suites with experiments: {', '.join(filled) or 'none'}"
                raise UserError(f"suite '{suite}' has no experiments{nearest(suite, filled)}; {hint}")

    def check(self) -> list[str]:
        """Read every spec and return their warnings; raises UserError for the first mistake."""
        warnings = (experiment.check() for experiment in self.experiments.values())
        return list(dict.fromkeys(chain.from_iterable(warnings)))

    def models_gone(self, keep: int) -> list[str]:
        """Messages on searches whose best ``keep`` trials have lost models to an earlier run that kept fewer."""
        return [message for search in self.searches().values() for message in search.models_gone(keep)]

    def hogwild(self) -> dict[int, list[str]]:
        """Number of workers → names of the experiments whose trials so many sessions train together."""
        found: dict[int, list[str]] = {}
        for name, experiment in self.experiments.items():
            if experiment.workers:
                found.setdefault(experiment.workers, []).append(name)
        return found

    def on_environment(self, baseline_key: str) -> Experiment:
        """The first experiment on the environment of a baseline; raises UserError where there is none."""
        for experiment in self.experiments.values():
            if experiment.baseline_key == baseline_key:
                return experiment
        raise UserError(f"no experiment is on an environment with the baseline '{baseline_key}'")

    def sessions(self, experiment: str, trial: int) -> list[int]:
        """Numbers of the sessions that a trial's statistics rest on."""
        chosen = self.experiments[experiment]
        return chosen.finished(trial) if self.allow_incomplete else list(chosen.sessions(trial))

    def results(self, experiment: str) -> list[str]:
        """The files that a table needs of an experiment; none where no session is to be aggregated."""
        results = self.experiments[experiment].results(self.allow_incomplete)
        return list(results.required) if results else []

    def searches_shown(self, suites: Iterable[str]) -> list[SearchExperiment]:
        """The searches of some suites that a report shows: all, or those that are there if nothing is to be run."""
        found = dict.fromkeys(experiment.row.experiment for suite in suites for experiment in self.suite(suite))
        searches = [search for name, search in self.searches().items() if name in found]
        return [search for search in searches if not self.allow_incomplete or all(map(Path.exists, search.figures()))]

    def search_figures(self, suites: Iterable[str]) -> list[str]:
        """The figures that a report needs; none if nothing is to be run."""
        searches = [] if self.allow_incomplete else self.searches_shown(suites)
        return [str(path) for search in searches for path in search.figures()]

    def environments(self, suite: str) -> list[str]:
        """The environments of a suite, in the order of the sheet."""
        return list(dict.fromkeys(experiment.env for experiment in self.suite(suite)))

    def on(self, suite: str, env: str) -> list[Experiment]:
        """The experiments of a suite on an environment."""
        return [experiment for experiment in self.suite(suite) if experiment.env == env]

    def table_rows(self, suite: str, env: str | None = None) -> str:
        """What is tabled of a suite, or of an environment in it, as JSON text; paths are null without results."""
        chosen = self.suite(suite) if env is None else self.on(suite, env)
        return json.dumps({"suite": suite, "rows": [self._table_row(experiment) for experiment in chosen]})

    @cached_property
    def _best_published(self) -> dict[str, float]:
        """Environment -> the best score that was published for it."""
        return best_published((experiment.env, experiment.row.published) for experiment in self.experiments.values())

    def _table_row(self, experiment: Experiment) -> dict[str, Any]:
        row = experiment.row
        results = experiment.results(self.allow_incomplete)
        return {
            "experiment": row.experiment,
            "env": experiment.env,
            "algorithm": experiment.algorithm,
            "sessions_asked": experiment.spec.meta.max_session,
            "target": row.target,
            "published": row.published,
            "best_published": self._best_published.get(experiment.env),
            "source": row.source,
            "trial_json": results.trial_json if results else None,
            "curve_csv": results.curve_csv if results else None,
            "timing_csv": results.timing_csv if results else None,
        }


def make_plan(
    rows: Iterable[Row], suites: Iterable[str], backend: str, allow_incomplete: bool, sessions: int | None = None
) -> Plan:
    """The plan of a run, with so many `sessions` a trial where it is given.

    Raises UserError for a suite without experiments.
    """
    experiments = {row.experiment: MODES[row.mode](row, backend, sessions) for row in rows}
    plan = Plan(experiments, backend, allow_incomplete)
    plan.require(*suites)
    return plan
