"""Experiments, their trials and sessions, and the hashes that decide which of them must run."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from slm.errors import UserError
from slm.plan.baselines import BASELINES, baseline_key
from slm.plan.resources import memory_mb
from slm.plan.runtime import runtime_minutes
from slm.plan.sheet import Row
from slm.spec import Spec, load_spec, session_hashes, trial_hash

EXPERIMENTS = Path("results/experiments")
TABLED_TRIAL = 0


@dataclass(frozen=True)
class Results:
    """Paths of an experiment's results: what its row of a table rests on, and all that is to be there for it."""

    trial_json: str
    curve_csv: str
    timing_csv: str
    required: tuple[str, ...]

    @classmethod
    def of(cls, folder: Path, others: Iterable[Path] = (), required: bool = True) -> Results:
        """The files of a trial's folder; with `required`, these and the `others` are to be there."""
        trial_json, curve_csv, timing_csv = (str(folder / name) for name in ("trial.json", "curve.csv", "timing.csv"))
        all_files = (*map(str, others), trial_json, curve_csv, timing_csv)
        return cls(trial_json, curve_csv, timing_csv, required=all_files if required else ())


@dataclass(frozen=True)
class Experiment:
    """One row of the sheet: its trials are hyperparameter settings, each trained with several random seeds."""

    row: Row
    backend: str
    asked: int | None = None
    """Sessions of each trial, where they are not to be the spec's `meta.max_session`."""

    @cached_property
    def spec(self) -> Spec:
        """The spec, read when it is first asked for; raises UserError for a missing or bad one."""
        try:
            spec = load_spec(self.row.spec_file, self.row.spec_name, self.row.variables)
        except UserError as error:
            raise UserError(f"{self.row.where} (experiment '{self.row.experiment}'): {error}") from None
        return spec if self.asked is None else self._with_sessions(spec, self.asked)

    def _with_sessions(self, spec: Spec, sessions: int) -> Spec:
        """The spec with another number of sessions, which changes no session's bytes; raises UserError."""
        reason = "it is a search" if self.row.mode == "search" else ""
        if spec.meta.distributed:
            reason = f"with meta.distributed, max_session ({spec.meta.max_session}) is the number of workers"
        if reason:
            raise UserError(f"config: sessions: {sessions} is not allowed for '{self.row.experiment}': {reason}")
        return spec.model_copy(update={"meta": spec.meta.model_copy(update={"max_session": sessions})})

    @property
    def env(self) -> str:
        """The environment, as tables show it."""
        return self.row.env or self.spec.env.name

    @property
    def algorithm(self) -> str:
        """The algorithm, as tables show it."""
        return self.row.algorithm or self.spec.agent.name

    @property
    def trials(self) -> range:
        """Numbers of the trials that are ranked: in train mode there is one."""
        return range(1)

    def settings(self, trial: int) -> dict[str, Any]:
        """What a trial sets in the spec, by dotted path: nothing in train mode."""
        return {}

    def trial_spec(self, trial: int) -> Spec:
        """The spec of a trial, its settings put in."""
        return self.spec

    def sessions(self, trial: int) -> range:
        """Numbers of a trial's sessions."""
        return range(self.trial_spec(trial).meta.max_session)

    def search(self, trial: int) -> str | None:
        """Hash of the search whose other trials may stop this one; None where it trains to the end in any case."""
        return None

    @cached_property
    def memory_mb(self) -> int:
        """Main memory that each of its sessions takes, in MB."""
        return memory_mb(self.spec)

    @cached_property
    def runtime_minutes(self) -> int:
        """Minutes after which each of its jobs that train may be stopped."""
        frames = self.spec.env.max_frame // max(self.workers, 1)
        return runtime_minutes(self.row.environment_type, self.row.algorithm, frames)

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
        return trial_hash(self.trial_spec(trial), trial=trial, backend=self.backend, search=self.search(trial))

    def session_hash(self, trial: int, session: int) -> str:
        """Hash of everything that decides the bytes of a session's results."""
        known = self._session_hashes.setdefault(trial, {})
        if session not in known:
            spec, sessions = self.trial_spec(trial), {*self.sessions(trial), session}
            known |= session_hashes(spec, sessions, trial=trial, backend=self.backend, search=self.search(trial))
        return known[session]

    @cached_property
    def _session_hashes(self) -> dict[int, dict[int, str]]:
        return {}

    @property
    def folder(self) -> Path:
        """Folder of its results."""
        return EXPERIMENTS / self.row.experiment

    def trial_dir(self, trial: int) -> Path:
        """Folder of a trial's results."""
        return self.folder / f"trial{trial}"

    def finished(self, trial: int) -> list[int]:
        """Numbers of the sessions whose record exists."""
        return [
            number
            for number in self.sessions(trial)
            if (self.trial_dir(trial) / f"session{number}/session.json").exists()
        ]

    def check(self) -> list[str]:
        """Read the spec and return its warnings; raises UserError for a mistake."""
        return self.spec.warnings

    def results(self, allow_incomplete: bool) -> Results | None:
        """What a table reads; None where no session is to be aggregated."""
        if allow_incomplete and not self.finished(TABLED_TRIAL):
            return None
        return Results.of(self.trial_dir(TABLED_TRIAL), [self.folder / "experiment.csv"])


@cache
def may_be_distributed(spec_file: Path) -> bool:
    """Whether the text of a spec file has ``distributed`` with any value but false."""
    try:
        text = spec_file.read_text(encoding="utf-8")
    except OSError:
        return False  # whoever reads its specs says so
    return re.search(r"""distributed["']?\s*:(?!\s*false\b)""", text) is not None
