"""Validation of a search: its best settings, trained again with seeds that no trial used, and the winner among them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from slm.analysis.experiment import aggregate_experiment
from slm.analysis.files import read_json, write_csv, write_text
from slm.errors import UserError
from slm.spec import VALIDATION


def write_validation(ranking: Path, trials: Sequence[Path], out: Path) -> None:
    """Write validation.csv, best_spec.yaml and best/{trial.json,curve.csv,timing.csv} into `out`; see validation_table.

    `trials` are the trial.json of the trials that validate; beside each are its spec.json, curve.csv and timing.csv.
    Raises UserError where none of them has a score, and for a file that can't be read.
    """
    table = validation_table(pd.read_csv(ranking), trials)
    winner = table.iloc[0]
    if pd.isna(winner["score"]):
        raise UserError("no episode has finished in any of the validating trials: there is no winner")
    folder = {_number(path): Path(path).parent for path in trials}[int(winner["validating_trial"])]
    write_csv(out / "validation.csv", table)
    write_text(out / "best_spec.yaml", best_spec(folder / "spec.json", winner))
    for name in ("trial.json", "curve.csv", "timing.csv"):
        write_text(out / "best" / name, (folder / name).read_text(encoding="utf-8"))


def validation_table(ranking: pd.DataFrame, trials: Sequence[Path]) -> pd.DataFrame:
    """One row per validated setting, the best validated score first.

    Columns: trial (of the search), search_rank and search_score (its row and score in the ranking), validating_trial,
    then as in experiment.csv: the settings, the state, the statistics and the metrics of the validating trial.
    """
    table = aggregate_experiment(trials)
    ranks = {int(trial): (rank, score) for rank, (trial, score) in
             enumerate(zip(ranking["trial"], ranking["score"], strict=True), start=1)}  # fmt: skip
    validated = [int(number) - VALIDATION for number in table["trial"]]
    table = table.rename(columns={"trial": "validating_trial"})
    table.insert(0, "trial", validated)
    table.insert(1, "search_rank", [ranks[trial][0] for trial in validated])
    table.insert(2, "search_score", [ranks[trial][1] for trial in validated])
    return table


def best_spec(spec_json: Path, winner: pd.Series[Any]) -> str:
    """The winner's spec as a YAML file that can be trained as it stands, with where it comes from as a comment."""
    document = json.loads(spec_json.read_text(encoding="utf-8"))
    origin = document.pop("_trial")
    lines = [
        f"# The winner of the search '{origin['experiment']}': the settings of trial {winner['trial']}.",
        f"# Validated with {int(winner['sessions'])} fresh seeds: score {winner['score']:.2f}, 95% interval "
        f"{winner['ci_low']:.2f} to {winner['ci_high']:.2f}.",
        *(f"#   {path}: {json.dumps(value)}" for path, value in origin["settings"].items()),
    ]
    text = yaml.safe_dump(document, sort_keys=False, default_flow_style=None, width=120, allow_unicode=True)
    return "\n".join(lines) + "\n" + text


def _number(trial_json: Path) -> int:
    return int(read_json(Path(trial_json), "trial")["trial"])
