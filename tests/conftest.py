"""What holds for all tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import hypothesis
import pytest

# A busy machine is no reason to fail.
hypothesis.settings.register_profile("slm", deadline=None)
hypothesis.settings.load_profile("slm")


@pytest.fixture(autouse=True)
def _restore_process_settings() -> Iterator[None]:
    """Undo what `configure_process` set for the whole process: flushed denormals break other tests' arithmetic."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)
