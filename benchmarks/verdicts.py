"""How often a perfect reproduction gets which verdict, where the published score is itself a mean of few sessions.

    python benchmarks/verdicts.py [--published 4]

Sessions of both sides are drawn from one normal distribution, whose spread is too small for `undecided`; intervals and
verdicts are made as those of the tables are.
"""

from __future__ import annotations

import argparse
from collections import Counter

import numpy as np

from slm.analysis.statistics import mean_interval, verdict

SPREAD, MEAN, ROWS = 1.0, 100.0, 2_000


def main() -> None:
    """Print the share of each verdict for four and for sixteen sessions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--published", type=int, default=4, metavar="N", help="sessions of the published score")
    published = parser.parse_args().published
    for sessions in (4, 16):
        rng = np.random.default_rng(0)
        scores = rng.normal(MEAN, SPREAD, (ROWS, sessions))
        theirs = rng.normal(MEAN, SPREAD / published**0.5, ROWS)
        low, high = mean_interval(scores)
        found = Counter(map(verdict, scores.mean(axis=1), low, high, theirs))
        covered = np.mean((low <= MEAN) & (high >= MEAN))
        shares = ", ".join(f"{name} {count / ROWS:.0%}" for name, count in sorted(found.items()))
        print(f"{sessions} sessions: {shares}; the interval contains the true mean in {covered:.0%}")


if __name__ == "__main__":
    main()
