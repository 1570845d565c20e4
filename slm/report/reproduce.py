"""Train a published row again, and say whether the same came out."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slm.errors import UserError
from slm.plan import Row
from slm.provenance import LIBRARIES
from slm.report.published import PublishedRow, session_record

SIGNIFICANCE = 0.05
CPU = "cpu"
MAKERS = ("processor", "code_fingerprint", "backend")
"""What, besides the libraries and the device, decides a session's bytes together with its spec and seed."""


@dataclass(frozen=True)
class Comparison:
    """What a rerun was found to be."""

    reproduced: bool
    lines: list[str]
    """What to tell, one sentence a line."""


def train_again(row: Row, published: PublishedRow, out: Path, workers: int) -> list[dict[str, Any]]:
    """Train the published sessions of a row into `out`, `workers` at a time; returns their records with digests.

    Sessions that have finished there are not trained again, and one that was stopped resumes. Raises UserError where
    a session fails, with the file that says why, and where the spec is no longer the published one.
    """

    def train(session: dict[str, Any]) -> dict[str, Any]:
        folder = out / f"session{session['session']}"
        command = [sys.executable, "-m", "slm", "train", str(row.spec_file), row.spec_name, "--trial", "0"]
        command += ["--session", str(session["session"]), "--backend", session["backend"], "--out", str(folder)]
        command += ["--expect", session["spec_hash"]]
        command += [part for name, value in row.variables.items() for part in ("--set", f"{name}={value}")]
        log = out / f"session{session['session']}.log"
        with log.open("ab") as file:
            code = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False).returncode
        if code:
            raise UserError(f"session {session['session']} of '{row.experiment}' failed (exit code {code}); see {log}")
        return session_record(folder)

    out.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(train, published.sessions))


def usable_cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0))


def compare(published: Sequence[dict[str, Any]], rerun: Sequence[dict[str, Any]]) -> Comparison:
    """Compare sessions pairwise, byte for byte where the same bytes are to be expected, by their scores otherwise.

    Records are as of `session_record`. The same bytes are expected where processor, code, backend, device and libraries
    are the same, and the device is the CPU. The test of the scores is a two-sided permutation test on the difference of
    their means: with fewer than four sessions on each side no difference can reach its significance level, which the
    result says.
    """
    identical = True
    lines = []
    for before, after in zip(published, rerun, strict=True):
        changed = [name for name, digest in before["sha256"].items() if after["sha256"][name] != digest]
        identical &= not changed
        what = f"differs in {', '.join(changed)}" if changed else f"same bytes ({', '.join(before['sha256'])})"
        lines.append(f"session {before['session']}: {what}")
    if identical:
        return Comparison(True, [*lines, "reproduced byte for byte"])
    reasons = sorted({reason for pair in zip(published, rerun, strict=True) for reason in _differences(*pair)})
    if devices := sorted({record.get("device", CPU) for record in published} - {CPU}):
        reasons.append(f"trained on {', '.join(devices)}")
    if not reasons:
        return Comparison(False, [*lines, "not reproduced: same processor, code and libraries, and other bytes"])
    same, text = _same_scores([_score(record) for record in published], [_score(record) for record in rerun])
    return Comparison(same, [*lines, f"other bytes are to be expected: {'; '.join(reasons)}", text])


def _differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    pairs = [(name, before.get(name), after.get(name)) for name in MAKERS]
    pairs.append(("device", before.get("device", CPU), after.get("device", CPU)))
    pairs += [(name, before["versions"].get(name), after["versions"].get(name)) for name in LIBRARIES]
    return [f"{name} was {old}, is {new}" for name, old, new in pairs if old != new]


def _same_scores(before: list[float | None], after: list[float | None]) -> tuple[bool, str]:
    """Whether the scores may come from one distribution, and a sentence about it."""
    from scipy import stats

    scored = [[score for score in scores if score is not None] for scores in (before, after)]
    if min(map(len, scored)) < 2:
        return False, "not decided: fewer than two sessions with a score on a side"

    def difference(x: Any, y: Any, axis: int) -> Any:
        return x.mean(axis=axis) - y.mean(axis=axis)

    p = float(stats.permutation_test(scored, difference, n_resamples=9_999, rng=0, vectorized=True).pvalue)
    means = [sum(scores) / len(scores) for scores in scored]
    same = p >= SIGNIFICANCE
    verdict = "reproduced statistically" if same else "not reproduced"
    weak = " (too few sessions for any difference to be significant)" if min(map(len, scored)) < 4 else ""
    return same, f"{verdict}: mean score {means[1]:.2f}, published {means[0]:.2f}, permutation test p = {p:.3f}{weak}"


def _score(record: dict[str, Any]) -> float | None:
    score: float | None = record["metrics"]["total_reward_ma"]
    return score
