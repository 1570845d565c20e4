"""Draws of a search's settings, by Optuna: a pure function of the search block, the seed and, for tpe, of scores.

Optuna takes half a second to import, so it is imported where something is drawn. Its trials hold the index of an option
in place of the option, which can be a list.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from slm.spec.search import SearchVariable

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution

Settings = dict[str, Any]
"""Dotted path of each varied key to its value."""

GENERATION = 8
"""Trials that tpe draws at once, from the scores of all trials before them."""


@dataclass(frozen=True)
class Scored:
    """A finished trial: what was set and what came of it. The score is NaN where there is none."""

    settings: Settings
    score: float


def draw_up_front(variables: Sequence[SearchVariable], sampler: str, seed: int, count: int) -> list[Settings]:
    """``count`` settings of ``quasi_random`` (a scrambled Sobol sequence), ``random`` or ``grid``.

    More of them begin with the same ones, so that a search can be made longer.
    """
    if sampler == "grid":
        return list(itertools.islice(grid(variables), count))
    with _quiet_optuna() as optuna:
        samplers = optuna.samplers
        chosen = samplers.RandomSampler(seed=seed)
        if sampler == "quasi_random":
            chosen = samplers.QMCSampler(qmc_type="sobol", scramble=True, seed=seed, independent_sampler=chosen)
        return _ask(optuna.create_study(sampler=chosen), variables, count)


def draw_generation(
    variables: Sequence[SearchVariable], seed: int, generation: int, history: Sequence[Scored]
) -> list[Settings]:
    """The settings of one generation of tpe (a tree-structured Parzen estimator), given the trials before it.

    The first is quasi-random. Trials without a score count as the worst.
    """
    if generation == 0:
        return draw_up_front(variables, "quasi_random", seed, GENERATION)
    worst = min((trial.score for trial in history if not math.isnan(trial.score)), default=0.0)
    with _quiet_optuna() as optuna:
        distinct = int(np.random.SeedSequence(seed, spawn_key=(generation,)).generate_state(1)[0])
        sampler = optuna.samplers.TPESampler(seed=distinct, n_startup_trials=0, constant_liar=True)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        space = {variable.path: distribution(variable) for variable in variables}
        for trial in history:
            params = {variable.path: _to_optuna(variable, trial.settings[variable.path]) for variable in variables}
            score = worst if math.isnan(trial.score) else trial.score
            study.add_trial(optuna.trial.create_trial(params=params, distributions=space, value=score))
        return _ask(study, variables, GENERATION, finish=False)


def grid(variables: Sequence[SearchVariable]) -> Iterator[Settings]:
    """Every combination of values; the last variable changes fastest. Raises ValueError for a continuous variable."""
    levels = [list(_levels(variable)) for variable in variables]
    for values in itertools.product(*levels):
        yield {variable.path: value for variable, value in zip(variables, values, strict=True)}


def grid_size(variables: Sequence[SearchVariable]) -> int:
    """The number of combinations. Raises ValueError, with the key, for a continuous variable."""
    return math.prod(len(list(_levels(variable))) for variable in variables)


def _levels(variable: SearchVariable) -> Iterator[Any]:
    args = variable.args
    match variable.distribution:
        case "choice":
            yield from args
        case "randint" | "lograndint":
            yield from range(args[0], args[1])
        case "qrandint" | "qlograndint":
            yield from range(args[0], args[1] + 1, args[2])
        case "quniform" | "qloguniform":
            steps = math.floor((args[1] - args[0]) / args[2] + 1e-9)
            yield from (args[0] + i * args[2] for i in range(steps + 1))
        case _:
            raise ValueError(variable.key)


def distribution(variable: SearchVariable) -> BaseDistribution:
    """Optuna's distribution for a variable; for a choice, over the indices of its options."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    args = variable.args
    match variable.distribution:
        case "choice":
            return CategoricalDistribution(range(len(args)))
        case "uniform" | "loguniform":
            return FloatDistribution(args[0], args[1], log=variable.distribution == "loguniform")
        case "quniform":
            return FloatDistribution(args[0], args[1], step=args[2])
        case "qloguniform":  # rounded to the step afterwards
            return FloatDistribution(args[0], args[1], log=True)
        case "randint" | "lograndint":
            return IntDistribution(args[0], args[1] - 1, log=variable.distribution == "lograndint")
        case "qrandint":
            return IntDistribution(args[0], args[1], step=args[2])
        case "qlograndint":
            return IntDistribution(args[0], args[1], log=True)
        case other:
            raise ValueError(f"no distribution {other}")


def _ask(study: optuna.Study, variables: Sequence[SearchVariable], count: int, finish: bool = True) -> list[Settings]:
    """Ask a study for settings; those that are finished at once are ones that its sampler learns nothing from."""
    space = {variable.path: distribution(variable) for variable in variables}
    drawn = []
    for _ in range(count):
        trial = study.ask(space)
        drawn.append({variable.path: _from_optuna(variable, trial.params[variable.path]) for variable in variables})
        if finish:
            study.tell(trial, 0.0)
    return drawn


def _from_optuna(variable: SearchVariable, drawn: Any) -> Any:
    if variable.distribution == "choice":
        return variable.args[drawn]
    if variable.distribution == "qloguniform":
        low, high, step = variable.args
        return min(max(round(drawn / step) * step, low), high)
    return drawn


def _to_optuna(variable: SearchVariable, value: Any) -> Any:
    return variable.args.index(value) if variable.distribution == "choice" else value


@contextmanager
def _quiet_optuna() -> Iterator[Any]:
    """The package, without its lines of progress and its remarks on experimental parts and rounded bounds."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield optuna
    finally:
        optuna.logging.set_verbosity(before)
