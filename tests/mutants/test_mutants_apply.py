"""The mutants fit the present source; `run.py` shows that tests notice them."""

import ast

import pytest
from mutant import ROOT, Mutant
from run import MUTANTS


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_applies(mutant: Mutant) -> None:
    """Its text occurs once, the change is one of code, and its tests exist."""
    source = (ROOT / mutant.path).read_text()
    changed = ast.dump(ast.parse(mutant.mutated(source)))
    assert changed != ast.dump(ast.parse(source))
    for test in mutant.test_ids:
        file, _, function = test.partition("::")
        assert f"\ndef {function}" in (ROOT / file).read_text()


def test_names_are_unique() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


def test_text_that_is_gone_or_ambiguous_is_refused() -> None:
    mutant = Mutant("x", "x.py", "a", "b", "test_x.py")
    assert mutant.mutated("a c") == "b c"
    for source in ("c", "a a"):
        with pytest.raises(ValueError, match="'x': its text occurs"):
            mutant.mutated(source)
