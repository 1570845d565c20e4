"""A running cluster for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import Cluster, missing_commands, running_cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Slurm with two nodes. These tests run only where they are asked for, so what they lack is a failure."""
    if missing := missing_commands():
        pytest.fail(f"no Slurm here: {', '.join(missing)} not found (Debian: apt-get install slurm-wlm munge)")
    with running_cluster(tmp_path / "slurm") as cluster:
        yield cluster
