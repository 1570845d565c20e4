"""The sample sheet: a tab-separated file, one row an experiment."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slm.errors import UserError
from slm.plan.schema import check, nearest
from slm.plan.settings import CUSTOM_SUITE, Settings

SUITES = ("demo", "classic_control", "box2d", "mujoco", "atari")
EXPERIMENT_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]*"


@dataclass(frozen=True)
class Row:
    """One experiment as it is asked for; ``where`` says where, for messages."""

    suites: tuple[str, ...]
    experiment: str
    env: str | None
    algorithm: str | None
    spec_file: Path
    spec_name: str
    variables: dict[str, str]
    mode: str
    target: float | None
    published: float | None
    source: str | None
    where: str

    @property
    def environment_type(self) -> str:
        """The suite that says what kind of environment it is; the demo picks rows of several."""
        return next((suite for suite in self.suites if suite != "demo"), self.suites[0])


def parse_variables(text: str, where: str) -> dict[str, str]:
    """Read ``k=v;k=v``, the values of a spec's ``${k}``; raises UserError for anything else."""
    variables: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not value or not re.fullmatch(r"\w+", name):
            raise UserError(f"{where}: '{part}' is not allowed in '{text}'; write name=value;name=value")
        if name in variables:
            raise UserError(f"{where}: '{name}' is set twice in '{text}'")
        variables[name] = value
    return variables


def read_sheet(path: Path, schema: Mapping[str, Any]) -> list[Row]:
    """Read and check the sheet; raises UserError naming the line for the first mistake."""
    rows: dict[str, Row] = {}
    for where, cells in _lines(path, list(schema["properties"])):
        row = _row(cells, schema, where)
        if row.experiment in rows:
            raise UserError(f"{where}: experiment '{row.experiment}' is already in {rows[row.experiment].where}")
        rows[row.experiment] = row
    return list(rows.values())


def custom_row(settings: Settings) -> Row:
    """The row of one's own spec, given by ``spec_file`` and ``spec_name``."""
    if settings.spec_file is None or settings.spec_name is None:
        raise ValueError("the settings name no spec")
    variables = parse_variables(settings.variables, "config: set")
    experiment = settings.spec_name + name_suffix(variables)
    if not re.fullmatch(EXPERIMENT_NAME, experiment):
        raise UserError(f"config: spec_name: '{experiment}' is a part of result paths and must match {EXPERIMENT_NAME}")
    return Row(
        suites=(CUSTOM_SUITE,),
        experiment=experiment,
        env=None,
        algorithm=None,
        spec_file=settings.spec_file,
        spec_name=settings.spec_name,
        variables=variables,
        mode=settings.mode,
        target=None,
        published=None,
        source=None,
        where="config",
    )


def name_suffix(variables: Mapping[str, str]) -> str:
    """What a variable ``env`` adds to a spec's name: ``ALE/Pong-v5`` gives ``_pong``; nothing without it."""
    env = variables.get("env")
    return "" if env is None else f"_{env.rsplit('/', 1)[-1].split('-', 1)[0].lower()}"


def _lines(path: Path, columns: list[str]) -> Iterator[tuple[str, dict[str, str]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"config: sheet: cannot read '{path}' ({error})") from None
    reader = csv.reader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    header = next(reader, [])
    for name in header:
        if name not in columns:
            raise UserError(f"{path}: unknown column '{name}'{nearest(name, columns)}; columns: {', '.join(columns)}")
    absent = [name for name in columns if name not in header]
    if absent or len(set(header)) != len(header):
        problem = f"column '{absent[0]}' is missing" if absent else "a column stands twice in the header"
        raise UserError(f"{path}: {problem}; columns, separated by tabs: {', '.join(columns)}")
    for number, cells in enumerate(reader, start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            raise UserError(f"{path} line {number}: {len(cells)} cells for {len(header)} columns (separator: one tab)")
        yield f"{path} line {number}", dict(zip(header, (cell.strip() for cell in cells), strict=True))


def _row(cells: dict[str, str], schema: Mapping[str, Any], where: str) -> Row:
    filled: dict[str, Any] = {name: cell for name, cell in cells.items() if cell}
    filled["suites"] = [suite.strip() for suite in cells["suites"].split(",") if suite.strip()]
    for name in ("target", "published"):
        if name in filled:
            filled[name] = _number(filled[name], f"{where}: {name}")
    check(filled, schema, where)
    return Row(
        suites=tuple(filled["suites"]),
        experiment=filled["experiment"],
        env=filled["env"],
        algorithm=filled["algorithm"],
        spec_file=Path(filled["spec_file"]),
        spec_name=filled["spec_name"],
        variables=parse_variables(cells["variables"], f"{where}: variables"),
        mode=filled["mode"],
        target=filled.get("target"),
        published=filled.get("published"),
        source=filled.get("source"),
        where=where,
    )


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"{where}: '{text}' is not allowed; it must be a number, or empty")
    return value


def best_published(scores: Iterable[tuple[str, float | None]]) -> dict[str, float]:
    """Environment -> the best of the scores published for it, in whatever suite: 1 on the environment's scale."""
    best: dict[str, float] = {}
    for env, score in scores:
        if score is not None:
            best[env] = max(score, best.get(env, score))
    return best
