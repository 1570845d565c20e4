"""What a mutant is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Mutant:
    """A subtle mistake in one place of the package, and the tests that are to notice it."""

    name: str
    file: str
    """The module, relative to ``slm/``."""
    old: str
    """Text that occurs in the module exactly once."""
    new: str
    """Text in its place."""
    tests: str
    """Tests that pass without the mistake, relative to ``tests/unit/``, separated by spaces."""

    @property
    def path(self) -> Path:
        """The module, relative to the root of the repository."""
        return Path("slm", self.file)

    @property
    def test_ids(self) -> list[str]:
        """The tests as pytest takes them at the root of the repository."""
        return [f"tests/unit/{test}" for test in self.tests.split()]

    def mutated(self, source: str) -> str:
        """The module's source with the mistake. Raises ValueError unless it has exactly one place for it."""
        if (count := source.count(self.old)) != 1:
            raise ValueError(
                f"mutant '{self.name}': its text occurs {count} times in {self.path}, not once: {self.old}"
            )
        return source.replace(self.old, self.new)
