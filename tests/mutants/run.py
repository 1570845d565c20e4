"""Break the package in one place at a time and see whether its tests notice.

Usage: ``python tests/mutants/run.py [PART OF A MUTANT'S NAME]...`` (default: all mutants).

Each mutant is applied to a copy of the package, against which its tests run. Exits with 1 if a mutant survives, if its
text is no longer in the source, or if the tests don't pass without it.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import mutants_hogwild
import mutants_memories
import mutants_off_policy
import mutants_on_policy
import mutants_shared
import mutants_without_critic
import pytest
from mutant import ROOT, Mutant

FAMILIES = (
    mutants_on_policy,
    mutants_without_critic,
    mutants_off_policy,
    mutants_memories,
    mutants_shared,
    mutants_hogwild,
)
MUTANTS: list[Mutant] = [mutant for family in FAMILIES for mutant in family.MUTANTS]
COPIED = ("slm", "tests", "pyproject.toml")
SLOW_IMPORTS = ("torch._dynamo", "gymnasium", "pandas", "pydantic", "hypothesis")
OPTIONS = ("-x", "-q", "-m", "not slow", "-p", "no:cacheprovider", "--tb=line")


def copy_project(folder: Path) -> None:
    """Copy the package and its tests, without compiled code: that of a mutant could be taken for the original's."""
    for name in COPIED:
        source, copy = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy)


def pytest_in(folder: Path, tests: Sequence[str], output: Path) -> None:
    """Body of a process: run tests against the copy of the package and exit with pytest's code."""
    with output.open("w") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    os.environ["COLUMNS"] = "200"  # or pytest cuts off the reasons of failures
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    package = importlib.import_module("slm")
    if not Path(str(package.__file__)).is_relative_to(folder):
        raise RuntimeError(f"the tests would run against {package.__file__}, not against the copy in {folder}")
    sys.exit(int(pytest.main([*OPTIONS, *tests])))


def run_tests(folder: Path, tests: Sequence[str]) -> tuple[int | None, str]:
    """pytest's exit code for tests against the package in ``folder``, and what it printed."""
    output = folder / "output.txt"
    # A forked process has the slow imports already; the package itself it imports anew.
    process = multiprocessing.get_context("fork").Process(target=pytest_in, args=(folder, tests, output))
    process.start()
    process.join()
    return process.exitcode, output.read_text()


def try_mutant(mutant: Mutant, folder: Path) -> tuple[bool, str]:
    """Whether the tests notice a mutant, and what to say of it."""
    path = folder / mutant.path
    source = path.read_text()
    try:
        path.write_text(mutant.mutated(source))
    except ValueError as error:
        return False, f"NO LONGER APPLIES  {error}"
    code, output = run_tests(folder, mutant.test_ids)
    path.write_text(source)
    if code == pytest.ExitCode.OK:
        return False, f"SURVIVED  {mutant.name}  ({mutant.tests})"
    failed = [line.removeprefix("FAILED tests/unit/") for line in output.splitlines() if line.startswith("FAILED ")]
    if code != pytest.ExitCode.TESTS_FAILED or not failed:
        return False, f"NOT TESTED  {mutant.name}: pytest ended with {code}\n{output}"
    return True, f"killed  {mutant.name}  by {failed[0]}"


def main(parts: Sequence[str]) -> int:
    """Try the mutants whose names hold one of the parts, or all. Returns the exit code."""
    chosen = [mutant for mutant in MUTANTS if not parts or any(part in mutant.name for part in parts)]
    if not chosen:
        print("no mutant has such a name; there are:", *(mutant.name for mutant in MUTANTS), sep="\n  ")
        return 1
    sys.dont_write_bytecode = True
    for name in SLOW_IMPORTS:
        importlib.import_module(name)
    killed = 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        folder = Path(name).resolve()
        copy_project(folder)
        code, output = run_tests(folder, sorted({test for mutant in chosen for test in mutant.test_ids}))
        if code != pytest.ExitCode.OK:
            print(f"the tests don't pass without any mutant:\n{output}")
            return 1
        for mutant in chosen:
            dead, message = try_mutant(mutant, folder)
            killed += dead
            print(message, flush=True)
    print(f"{killed} of {len(chosen)} mutants killed")
    return int(killed < len(chosen))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
