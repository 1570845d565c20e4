import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("slm.analysis.metrics", "torch gymnasium pandas scipy matplotlib"),
        ("slm.analysis.trial", "torch gymnasium scipy matplotlib"),
        ("slm.report.suite", "torch gymnasium"),
        ("slm.report.index", "torch gymnasium scipy matplotlib"),
        ("slm.report.benchmarks_page", "torch gymnasium"),
        ("slm.report.status", "torch gymnasium pandas scipy matplotlib"),
        ("slm.report.titles", "torch gymnasium numpy pandas scipy matplotlib"),
    ],
)
def test_jobs_that_read_results_load_no_more_than_they_need(module, absent):
    program = f"import sys, {module}; print(*set({absent.split()}) & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == ""
