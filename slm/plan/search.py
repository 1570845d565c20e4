"""An experiment in search mode: which trials it has, what each sets, and which of them may be stopped.

Trial 0 is the one that train mode trains. A search's own trials are 1, 2, …, and trial 10,000 + t trains the settings
of trial t again for validation. Seeds follow from the trial's number, so that none serves two of these purposes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from slm.errors import UserError
from slm.plan.baselines import baseline_key
from slm.plan.experiments import Experiment, Results
from slm.plan.generations import read_generation
from slm.plan.ranking import ranked_trials
from slm.plan.sampling import GENERATION, Settings, draw_generation, draw_up_front, grid_size
from slm.retention import read_removed
from slm.spec import VALIDATION, SearchResourcesSpec, Spec, SpecError, read_file, search_hash, spec_of_trial

SEARCH_FIGURES = ("best_so_far", "rung_survival", "hyperparameters", "parallel_coordinates", "importance")
"""Names of a search's figures, in the order of the report."""

# Beside meta.search_*: what a search reads before it has drawn anything.
UNSEARCHABLE = ("meta.max_trial", "meta.validate_top", "meta.distributed", "meta.random_seed")


@dataclass(frozen=True)
class SearchExperiment(Experiment):
    """One row of the sheet with mode `search`: each trial draws its settings from the spec's `search` block."""

    @property
    def trials(self) -> range:
        """Numbers of the trials that are ranked."""
        return range(1, self._count + 1)

    @property
    def stops_early(self) -> bool:
        """Whether trials that fall behind are stopped, and so have one session each."""
        return self.spec.meta.search_scheduler is not None

    @cached_property
    def hash(self) -> str:
        """Hash of what decides all settings and decisions, however many trials there are."""
        return search_hash(self.spec, backend=self.backend)

    def settings(self, trial: int) -> Settings:
        """What a trial sets in the spec, by dotted path. A validating trial has the sessions that the spec states."""
        if trial > VALIDATION:
            settings = self.settings(trial - VALIDATION)
            return {path: value for path, value in settings.items() if path != "meta.max_session"}
        if trial not in self.trials:
            raise UserError(
                f"experiment '{self.row.experiment}' has no trial {trial}; its trials are 1 to {self._count}"
            )
        if self.spec.meta.search_sampler == "tpe":
            generation, index = divmod(trial - 1, GENERATION)
            return self._first_generation[index] if generation == 0 else self._of_generation(generation, index)
        return self._drawn[trial - 1]

    def trial_spec(self, trial: int) -> Spec:
        """The spec of a trial, its settings put in."""
        if trial not in self._specs:
            name, file = self.row.spec_name, self.row.spec_file
            settings, scheduled = self.settings(trial), self.search(trial) is not None
            try:
                self._specs[trial] = spec_of_trial(self._raw, name, file, settings, scheduled)
            except SpecError as error:
                words = ", ".join(f"{path} {value}" for path, value in settings.items())
                raise UserError(f"{self._where}: trial {trial} of the search ({words}): {error}") from None
        return self._specs[trial]

    def first_trials(self, generations: int | None) -> range:
        """The trials of the first ``generations`` in which tpe draws; with None, all trials."""
        return self.trials if generations is None else self.trials[: generations * GENERATION]

    def drawn_later(self, generations: int | None) -> range:
        """Which of the first ``generations`` are drawn from the scores of earlier trials; none without tpe."""
        if self.spec.meta.search_sampler != "tpe":
            return range(0)
        return range(1, math.ceil(len(self.first_trials(generations)) / GENERATION))

    def search(self, trial: int) -> str | None:
        """Hash of the search whose other trials may stop this one; None where it trains to the end in any case."""
        return self.hash if self.stops_early and trial <= VALIDATION else None

    def best(self, ranked: list[int]) -> list[int]:
        """The numbers of the trials that validate the best of the ranked ones."""
        return [VALIDATION + trial for trial in ranked[: self.spec.meta.validate_top]]

    def check(self) -> list[str]:
        """Read the spec, draw all settings that are drawn up front, and return warnings; raises UserError."""
        self._check_can_be_searched()
        meta = self.spec.meta
        warnings = list(self.spec.warnings)
        for trial in self.first_trials(1 if meta.search_sampler == "tpe" else None):
            self._check_environment(self.trial_spec(trial), trial)
        if self.stops_early and meta.max_session > 1:
            warnings.append(
                f"{self.row.experiment}: the trials of its search have one session each, so that they are cheap to "
                f"stop; the {meta.max_session} of meta.max_session validate the best"
            )
        if meta.search_resources != SearchResourcesSpec():
            warnings.append(
                f"{self.row.experiment}: meta.search_resources has no effect: each session computes on one core, and "
                "--cores says how many run at once"
            )
        return warnings

    def models_gone(self, keep: int) -> list[str]:
        """A message where models of the best ``keep`` trials were removed by an earlier run that kept fewer."""
        table, removed = self.folder / "experiment.csv", read_removed(self.folder / "models.csv")
        ranked = ranked_trials(table)[:keep] if removed and table.exists() else []
        gone = ", ".join(str(trial) for trial in ranked if trial in removed)
        if not gone:
            return []
        return [
            f"{self.row.experiment}: keep_trials is {keep}, but an earlier run that kept fewer has removed the "
            f"models of trials {gone}; they are not trained again (docs/search.md says how to have them anyway)"
        ]

    def results(self, allow_incomplete: bool) -> Results | None:
        """What a table reads: the validated winner, and beside it the ranking, the decisions and the figures."""
        best = self.folder / "best"
        if allow_incomplete:
            # What there is, is read; declared as needed, it could set off training.
            return Results.of(best, required=False) if (best / "trial.json").exists() else None
        names = ("experiment.csv", "search.csv", "models.csv", "validation.csv", "best_spec.yaml")
        return Results.of(best, [self.folder / name for name in names])

    def figures(self) -> list[Path]:
        """Paths of its figures."""
        return [self.folder / f"figures/{name}.svg" for name in SEARCH_FIGURES]

    @property
    def _where(self) -> str:
        return f"{self.row.where} (experiment '{self.row.experiment}')"

    @cached_property
    def _raw(self) -> dict[str, Any]:
        raw: dict[str, Any] = read_file(self.row.spec_file, self.row.variables)[self.row.spec_name]
        return raw

    @cached_property
    def _specs(self) -> dict[int, Spec]:
        return {}

    @cached_property
    def _count(self) -> int:
        meta = self.spec.meta
        if meta.search_sampler == "grid" and meta.max_trial is None:
            return self._grid_size()
        if meta.max_trial is None:
            raise UserError(f"{self._where}: meta.max_trial is missing: the number of trials of the search")
        return meta.max_trial

    @cached_property
    def _drawn(self) -> list[Settings]:
        meta = self.spec.meta
        return draw_up_front(self.spec.search, meta.search_sampler, meta.random_seed or 0, self._count)

    @cached_property
    def _first_generation(self) -> list[Settings]:
        return draw_generation(self.spec.search, self.spec.meta.random_seed or 0, 0, [])

    def _of_generation(self, generation: int, index: int) -> Settings:
        """What was drawn for a trial of tpe, from the file of its generation."""
        return read_generation(self.folder / f"generations/{generation}.json")[index]

    def _grid_size(self) -> int:
        try:
            return grid_size(self.spec.search)
        except ValueError as error:
            raise UserError(
                f"{self._where}: meta.search_sampler: 'grid' takes choice, randint and stepped distributions; "
                f"{error} has no end of values"
            ) from None

    def _check_can_be_searched(self) -> None:
        meta, where = self.spec.meta, self._where
        if not self.spec.search:
            raise UserError(f"{where}: mode: 'search' needs a search block in the spec, which says what to vary")
        if meta.distributed is not False:
            raise UserError(
                f"{where}: meta.distributed: '{meta.distributed}' can't be searched: numbers of Hogwild training "
                "depend on timing; allowed: false"
            )
        if meta.search_sampler == "grid" and self._grid_size() != self._count:
            raise UserError(
                f"{where}: meta.max_trial: {self._count} is not allowed; the grid has {self._grid_size()} points "
                "(null trains them all)"
            )
        if self._count >= VALIDATION:
            raise UserError(f"{where}: meta.max_trial: {self._count} is not allowed; it is below {VALIDATION}")
        for variable in self.spec.search:
            if variable.path.startswith("meta.search_") or variable.path in UNSEARCHABLE:
                raise UserError(f"{where}: search.{variable.key}: a search can't vary what it is itself")

    def _check_environment(self, spec: Spec, trial: int) -> None:
        if baseline_key(spec.env) != self.baseline_key:
            raise UserError(
                f"{self._where}: trial {trial} of the search is on another environment ({baseline_key(spec.env)}, not "
                f"{self.baseline_key}); scores on different environments can't be ranked"
            )
