"""Which changes of the code are changes of the training."""

import platform
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


@pytest.mark.parametrize(
    ("cpuinfo", "name"),
    [
        (
            "processor\t: 0\ncpu family\t: 25\nmodel\t\t: 17\nmodel name\t: Abacus 3000\nstepping\t: 1\n",
            "Abacus 3000 (family 25, model 17)",
        ),
        ("processor\t: 0\nmodel name\t: Babbage\n", "Babbage"),
        ("processor\t: 0\nCPU part\t: 0xd0c\n", platform.machine()),
    ],
)
def test_a_processor_is_named_with_its_family(monkeypatch: pytest.MonkeyPatch, cpuinfo: str, name: str) -> None:
    monkeypatch.setattr(Path, "read_text", lambda path: cpuinfo)
    assert provenance.processor.__wrapped__() == name


def test_the_commit_is_that_of_the_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    commits = iter(["a" * 40, "", "b" * 40, ""])
    monkeypatch.setattr(provenance, "_git", lambda *arguments: next(commits))
    provenance.versions.cache_clear()
    assert provenance.versions()["git_commit"] == provenance.versions()["git_commit"] == "a" * 40
    provenance.versions.cache_clear()
