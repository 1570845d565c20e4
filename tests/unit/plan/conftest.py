"""A sheet with one good row, which tests change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
TINY = ROOT / "tests/workflow/specs/tiny.yaml"
COLUMNS = [
    *("suites", "experiment", "env", "algorithm", "spec_file", "spec_name"),
    *("variables", "mode", "target", "published", "source"),
]
GOOD = {
    "suites": "demo",
    "experiment": "tiny",
    "env": "CartPole-v1",
    "algorithm": "PPO",
    "spec_file": str(TINY),
    "spec_name": "tiny_ppo",
    "mode": "train",
}


@pytest.fixture(scope="session")
def sheet_schema() -> dict[str, Any]:
    return read_schema("benchmarks")


@pytest.fixture(scope="session")
def config_schema() -> dict[str, Any]:
    return read_schema("config")


def read_schema(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = yaml.safe_load((ROOT / f"workflow/schemas/{name}.schema.yaml").read_text())
    return schema


@pytest.fixture
def write_sheet(tmp_path: Path) -> Callable[..., Path]:
    """Write a sheet with a row for each dictionary of cells, which are filled up from the good row."""

    def write(*rows: dict[str, str]) -> Path:
        cells = [[{**GOOD, **row}.get(column, "") for column in COLUMNS] for row in rows]
        path = tmp_path / "sheet.tsv"
        path.write_text("".join("\t".join(line) + "\n" for line in [COLUMNS, *cells]))
        return path

    return write
