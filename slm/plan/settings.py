"""The settings of a run: ``config/config.yaml`` with what ``--config`` overrides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slm.errors import UserError
from slm.plan.schema import check

CUSTOM_SUITE = "custom"
BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True)
class Settings:
    """One field a setting; ``config/README.md`` explains each.

    ``spec_file``, ``spec_name``, ``variables`` and ``mode`` describe one's own experiment; with it, ``suites`` is the
    suite ``custom`` alone and the sheet is not read.
    """

    suites: tuple[str, ...]
    sheet: Path
    backend: str
    checkpoint_interval: float
    allow_incomplete: bool
    keep_memory: bool = False
    keep_trials: int = 3
    record_episodes: bool = True
    tensorboard: bool = False
    sessions: int | None = None
    spec_file: Path | None = None
    spec_name: str | None = None
    variables: str = ""
    mode: str = "train"


def read_settings(config: Mapping[str, Any], schema: Mapping[str, Any]) -> Settings:
    """Check the configuration against its schema and fill in defaults; raises UserError for a mistake."""
    # Snakemake's --config reads True and False as booleans, but not YAML's own spelling.
    config = {key: BOOLEANS.get(value, value) if isinstance(value, str) else value for key, value in config.items()}
    check(config, schema, "config")
    own = config.get("spec_file")
    for key in ("spec_name", "set", "mode"):
        if own is None and config.get(key) is not None:
            raise UserError(f"config: '{key}' is given without 'spec_file'; it belongs to a spec of one's own")
    if own is not None and config.get("spec_name") is None:
        raise UserError(f"config: 'spec_name' is missing: the name of the spec in {own} to run")
    return Settings(
        suites=(CUSTOM_SUITE,) if own is not None else tuple(config["suites"]),
        sheet=Path(config["sheet"]),
        backend=config.get("backend", "auto"),
        checkpoint_interval=config.get("checkpoint_interval", 60),
        allow_incomplete=config.get("allow_incomplete", False),
        keep_memory=config.get("keep_memory", False),
        keep_trials=int(config.get("keep_trials", 3)),
        record_episodes=config.get("record_episodes", True),
        tensorboard=config.get("tensorboard", False),
        sessions=int(config["sessions"]) if "sessions" in config else None,
        spec_file=Path(own) if own is not None else None,
        spec_name=config.get("spec_name"),
        variables=config.get("set") or "",
        mode=config.get("mode") or "train",
    )
