"""What holds for all tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import hypothesis
import pytest

# A busy machine is no reason to fail.
hypothesis.settings.register_profile("slm", deadline=None)
hypothesis.settings.load_profile("slm")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all-faults", action="store_true", help="all tests of faults instead of a sample")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the exhaustive tests where they are not asked for."""
    if config.getoption("--all-faults"):
        return
    left_out = [item for item in items if item.get_closest_marker("exhaustive")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(autouse=True)
def _restore_process_settings() -> Iterator[None]:
    """Undo what `configure_process` set for the whole process: flushed denormals break other tests' arithmetic."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)
