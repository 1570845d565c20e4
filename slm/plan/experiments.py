"""Experiments, their trials and sessions, and the hashes that decide which of them must run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from slm.errors import UserError
from slm.plan.baselines import BASELINES, baseline_key
from slm.plan.resources import memory_mb
from slm.plan.schema import nearest
from slm.plan.sheet import Row
from slm.spec import Spec, load_spec, session_hash, trial_hash

EXPERIMENTS = Path("results/experiments")
TABLED_TRIAL = 0


@dataclass(frozen=True)
class Experiment:
    """One row of the sheet: its trials are hyperparameter settings, each trained with several random seeds."""

    row: Row
    backend: str

    @cached_property
    def spec(self) -> Spec:
        """The spec, read when it is first asked for; raises UserError for a missing or bad one."""
        try:
            return load_spec(self.row.spec_file, self.row.spec_name, self.row.variables)
        except UserError as error:
            raise UserError(f"{self.row.where} (experiment '{self.row.experiment}'): {error}") from None

    @property
    def trials(self) -> range:
        """Numbers of the trials: in train mode there is one."""
        return range(1)

    @property
    def sessions(self) -> range:
        """Numbers of the sessions of each trial."""
        return range(self.spec.meta.max_session)

    @cached_property
    def memory_mb(self) -> int:
        """Main memory that each of its sessions takes, in MB."""
        return memory_mb(self.spec)

    @cached_property
    def workers(self) -> int:
        """Sessions that train the same parameters (Hogwild), so that one job trains them all; 0 where none do."""
        # Every job parses the workflow: of most specs the file's text tells it, which takes a hundredth of the time.
        if not may_be_distributed(self.row.spec_file):
            return 0
        return self.spec.meta.max_session if self.spec.meta.distributed else 0

    @cached_property
    def baseline_key(self) -> str:
        """Key of the random baseline of its environment, which experiments on the same environment share."""
        return baseline_key(self.spec.env)

    @property
    def baseline(self) -> Path:
        """File of the random baseline of its environment."""
        return BASELINES / f"{self.baseline_key}.json"

    def trial_hash(self, trial: int) -> str:
        """Hash of everything that the trial's ``spec.json`` says."""
        return trial_hash(self.spec, trial=trial, backend=self.backend)

    def session_hash(self, trial: int, session: int) -> str:
        """Hash of everything that decides the bytes of a session's results."""
        return session_hash(self.spec, trial=trial, session=session, backend=self.backend)

    def trial_dir(self, trial: int) -> Path:
        """Folder of a trial's results."""
        return EXPERIMENTS / self.row.experiment / f"trial{trial}"

    def finished(self, trial: int) -> list[int]:
        """Numbers of the sessions whose record exists."""
        return [
            number for number in self.sessions if (self.trial_dir(trial) / f"session{number}/session.json").exists()
        ]


@dataclass(frozen=True)
class Plan:
    """The experiments of a run, in the order of the sheet."""

    experiments: dict[str, Experiment]
    backend: str
    allow_incomplete: bool

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
        warnings = (experiment.spec.warnings for experiment in self.experiments.values())
        return list(dict.fromkeys(chain.from_iterable(warnings)))

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
        return chosen.finished(trial) if self.allow_incomplete else list(chosen.sessions)

    def results(self, experiment: str) -> list[str]:
        """The files that a table reads of an experiment; none where no session is to be aggregated."""
        chosen = self.experiments[experiment]
        if not self.sessions(experiment, TABLED_TRIAL):
            return []
        folder = chosen.trial_dir(TABLED_TRIAL)
        return [str(folder.parent / "experiment.csv"), str(folder / "trial.json"), str(folder / "curve.csv")]

    def table_rows(self, suite: str) -> str:
        """What ``slm table`` is told of a suite, as JSON text; paths are null where there are no results."""
        return json.dumps({"suite": suite, "rows": [self._table_row(experiment) for experiment in self.suite(suite)]})

    def _table_row(self, experiment: Experiment) -> dict[str, Any]:
        row = experiment.row
        _, trial_json, curve_csv = self.results(row.experiment) or (None, None, None)
        return {
            "experiment": row.experiment,
            "env": row.env or experiment.spec.env.name,
            "algorithm": row.algorithm or experiment.spec.agent.name,
            "sessions_asked": len(experiment.sessions),
            "target": row.target,
            "published": row.published,
            "source": row.source,
            "trial_json": trial_json,
            "curve_csv": curve_csv,
        }


@cache
def may_be_distributed(spec_file: Path) -> bool:
    """Whether the text of a spec file has ``distributed`` with any value but false."""
    try:
        text = spec_file.read_text(encoding="utf-8")
    except OSError:
        return False  # whoever reads its specs says so
    return re.search(r"""distributed["']?\s*:(?!\s*false\b)""", text) is not None


def make_plan(rows: Iterable[Row], suites: Iterable[str], backend: str, allow_incomplete: bool) -> Plan:
    """The plan of a run; raises UserError for a mode that is not there, and for a suite without experiments."""
    experiments = {row.experiment: Experiment(row, backend) for row in rows}
    for experiment in experiments.values():
        if experiment.row.mode == "search":
            raise UserError(
                f"{experiment.row.where} (experiment '{experiment.row.experiment}'): mode: 'search' is not available: "
                "this version trains the settings that a spec states; allowed: train"
            )
    plan = Plan(experiments, backend, allow_incomplete)
    plan.require(*suites)
    return plan
