"""Which changes of the code are changes of the training."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from slm import provenance


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the package, of which fingerprints are taken."""
    copy = tmp_path / "slm"
    shutil.copytree(provenance.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(provenance, "PACKAGE", copy)
    provenance.code_fingerprint.cache_clear()
    yield copy
    provenance.code_fingerprint.cache_clear()


@pytest.mark.parametrize(
    ("file", "retrains"),
    [
        ("report/page.py", False),
        ("report/tables.js", False),
        ("analysis/suite.py", False),
        ("commands/enjoy.py", False),
        ("play.py", False),
        ("heartbeat.py", False),
        ("session.py", True),
        ("algorithms/ppo.py", True),
    ],
)
def test_reports_statistics_and_signs_of_life_decide_no_bytes(package: Path, file: str, retrains: bool) -> None:
    before = provenance.code_fingerprint()
    provenance.code_fingerprint.cache_clear()
    with (package / file).open("a") as source:
        source.write("\n")
    assert (provenance.code_fingerprint() != before) == retrains
