"""What made an artifact: code, versions, processor. Read once per process."""

from __future__ import annotations

import hashlib
import platform
import re
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import slm

PACKAGE = Path(slm.__file__).parent
LIBRARIES = ("torch", "numpy", "gymnasium", "mujoco", "ale_py")
# Rooms outside of training: a change there can't change a session's tables and models. The metrics in session.json come
# from analysis; when that changes, those of finished sessions stay as they were written.
READERS = (
    "analysis",
    "report",
    "plan",
    "baseline.py",
    "toolchain.py",
    "play.py",
    "heartbeat.py",
    "cli.py",
    "commands",
    "__main__.py",
)


@cache
def code_fingerprint() -> str:
    """Hex digest of the source that decides a session's tables and models: all of the package but its readers."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        relative = path.relative_to(PACKAGE)
        if relative.parts[0] not in READERS:
            digest.update(f"{relative.as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


@cache
def processor() -> str:
    """The processor as the system names it, with family and model: virtual machines share a name of many kinds."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    facts = dict(re.findall(r"^(model name|cpu family|model)\s*: (.+)$", text, re.MULTILINE))
    if len(facts) < 3:  # not an x86
        return facts.get("model name", platform.machine())
    return f"{facts['model name']} (family {facts['cpu family']}, model {facts['model']})"


def library_versions() -> dict[str, str | None]:
    """Versions of the libraries that a session computes with; None for what isn't installed."""
    found: dict[str, str | None] = {}
    for package in LIBRARIES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found


@cache
def versions() -> dict[str, str | bool | None]:
    """Versions of everything that a session's bytes depend on; None for what isn't installed or not known.

    They are those of the first call: a commit made while a session trains is not the one that trains it.
    """
    found: dict[str, str | bool | None] = {"python": platform.python_version(), "slm": slm.__version__}
    found.update(library_versions())
    commit = _git("rev-parse", "HEAD")
    found["git_commit"] = commit
    found["git_dirty"] = None if commit is None else bool(_git("status", "--porcelain", "--untracked-files=no"))
    return found


def _git(*arguments: str) -> str | None:
    """Output of a git command in the package's checkout, or None where there is none."""
    if not (PACKAGE.parent / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(PACKAGE.parent), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
