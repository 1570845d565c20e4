"""One session to train: its spec, its seed, and where it works and leaves its artifacts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from slm.algorithms.hogwild import Common
from slm.retention import MODELS, REMOVED
from slm.spec import Spec

ARTIFACTS = ("train.csv", "eval.csv", "timing.csv", *MODELS, "session.json")
"""What a finished session leaves; session.json comes last."""

RUNGS = "rungs.csv"
"""What a session that a search could have stopped leaves besides."""


@dataclass(frozen=True)
class Job:
    """One session to train, and where."""

    spec: Spec
    trial: int
    session: int
    hash: str
    """The session's hash: names its folder in progress."""
    out: Path
    inprogress: Path
    checkpoint_interval: float
    """Seconds between running checkpoints."""
    common: Common | None = None
    """What it trains together with other sessions, in a Hogwild trial."""
    search: str | None = None
    """Hash of the search that may stop it, as the spec's scheduler says; None where it trains to the end."""
    keep_memory: bool = False
    """Keep the final replay memory, so that a longer session can go on from there."""
    extends: Path | None = None
    """Folder in progress, named by its hash, of a finished session to go on from."""

    @property
    def folder(self) -> Path:
        return self.inprogress / self.hash

    @property
    def artifacts(self) -> tuple[str, ...]:
        """What it leaves, in the order of publishing; of removed models the digests stand for them."""
        names = ARTIFACTS if self.search is None else (RUNGS, *ARTIFACTS)
        if not (self.folder / REMOVED).exists():
            return names
        return (REMOVED, *(name for name in names if name not in MODELS))
