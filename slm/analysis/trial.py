"""A trial: one setting of the hyperparameters, run with several seeds. Its statistics across sessions."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from slm.analysis.baseline import read_random_mean
from slm.analysis.files import write_csv, write_json
from slm.analysis.metrics import SESSION_METRICS, consistency, why_consistency_undefined, why_undefined
from slm.analysis.sessions import Session, read_session, session_index
from slm.analysis.statistics import mean_interval, summarise
from slm.errors import UserError

logger = logging.getLogger(__name__)

# Column of train.csv -> prefix of its columns in curve.csv.
CURVES = {"total_reward": "return", "total_reward_ma": "total_reward_ma"}


def write_trial(
    spec: Path, baseline: Path, session_dirs: Sequence[Path], sessions_asked: int, out: Path, allow_incomplete: bool
) -> None:
    """Write `out`/trial.json, `out`/curve.csv and `out`/timing.csv; see aggregate_trial."""
    trial, curve, timing = aggregate_trial(spec, baseline, session_dirs, sessions_asked, allow_incomplete)
    write_json(out / "trial.json", trial)
    write_csv(out / "curve.csv", curve)
    write_csv(out / "timing.csv", timing)


def aggregate_trial(
    spec_file: Path, baseline: Path, session_dirs: Sequence[Path], sessions_asked: int, allow_incomplete: bool
) -> tuple[dict[str, Any], pd.DataFrame, pd.DataFrame]:
    """Statistics across the sessions of a trial, its learning curve, and how long that took.

    `spec_file` is the trial's spec.json, whose `_trial.session_hashes` says which hash belongs to each session;
    `baseline` is the file of its environment's random baseline, over which the metrics measure gains. The scores of
    trial.json rest on the `sessions` that have one; `missing` and `nan_sessions` number the others. `metrics` are the
    means of `session_metrics` over the sessions that have them; `notes` says why those that are null are. The curve
    has one row per log checkpoint, with mean, interval bounds and one column per session of the return (`return_*`,
    the mean of the last 100 episodes) and of its moving average (`total_reward_ma_*`, whose last row is the score).
    The timing has the mean wall time over sessions at each of these frames, in seconds.

    Raises UserError for a missing or unreadable session unless `allow_incomplete`, and in any case for a session of
    another spec or another update backend, and for a baseline that can't be read or is another environment's.
    """
    name, spec, origin = _read_spec(spec_file)
    random_mean = read_random_mean(baseline, spec["env"]["name"])
    sessions, missing = _read_sessions(session_dirs, sessions_asked, allow_incomplete)
    for session in sessions:
        _check_hash(session, origin, spec_file)
    trial: dict[str, Any] = {
        **{key: origin[key] for key in ("experiment", "trial", "settings") if key in origin},
        "spec_name": name,
        "env": spec["env"]["name"],
        "algorithm": spec["agent"]["algorithm"]["name"],
        "state": "pruned" if any(session.record["state"] == "pruned" for session in sessions) else "finished",
        **_scores(sessions, missing, sessions_asked),
        "frames": max((session.record["frames"] for session in sessions), default=0),
        "opt_step": _mean(session.record["opt_step"] for session in sessions),
        "wall_time_s": _mean(session.record["wall_time_s"] for session in sessions),
        "random_mean": random_mean,
        **_metrics(sessions, sessions_asked, random_mean),
        "backend": _backend(sessions),
        "reproducible": all(session.record.get("reproducible", True) for session in sessions),
        "devices": _distinct(session.record.get("device") for session in sessions),
        "code_fingerprints": _distinct(session.record.get("code_fingerprint") for session in sessions),
        "git_commits": _distinct(session.record.get("versions", {}).get("git_commit") for session in sessions),
    }
    return trial, _curve(sessions), _timing(sessions)


def _read_spec(spec_file: Path) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """The name of the one spec in a trial's spec.json, the spec, and its `_trial` block."""
    try:
        document = json.loads(spec_file.read_text(encoding="utf-8"))
        origin = document.pop("_trial")
        ((name, spec),) = document.items()
        if "session_hashes" not in origin:
            raise KeyError("_trial.session_hashes")
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise UserError(f"{spec_file} is not the spec.json of a planned trial: {error}") from error
    return name, spec, origin


def _read_sessions(
    session_dirs: Sequence[Path], sessions_asked: int, allow_incomplete: bool
) -> tuple[list[Session], list[int]]:
    """The readable sessions in order, and the numbers of the others among the `sessions_asked`."""
    folders = {session_index(Path(folder)): Path(folder) for folder in session_dirs}
    surplus = sorted(index for index in folders if index >= sessions_asked)
    if surplus:
        raise UserError(f"session {folders[surplus[0]]} is not one of the {sessions_asked} sessions asked for")
    sessions, missing = [], []
    for index in range(sessions_asked):
        try:
            if index not in folders:
                raise UserError(f"session {index} is missing: no folder was given for it")
            sessions.append(read_session(folders[index]))
        except UserError as error:
            if not allow_incomplete:
                raise
            logger.warning("%s; it is counted as missing", error)
            missing.append(index)
    return sessions, missing


def _check_hash(session: Session, origin: dict[str, Any], spec_file: Path) -> None:
    expected, found = origin["session_hashes"].get(str(session.index)), session.record["spec_hash"]
    if found != expected:
        raise UserError(
            f"session {session.index} was trained from another spec: its hash is {found}, and {spec_file} asks for "
            f"{expected}; train it again"
        )


def _scores(sessions: list[Session], missing: list[int], sessions_asked: int) -> dict[str, Any]:
    """The session counts, each session's score, and their statistics."""
    scores = {session.index: session.score for session in sessions}
    summary = asdict(summarise(list(scores.values())))
    return {
        "sessions_asked": sessions_asked,
        "sessions": summary["sessions"],
        "missing": missing,
        "nan_sessions": [index for index, score in scores.items() if np.isnan(score)],
        "session_scores": [scores.get(index) for index in range(sessions_asked)],
        "score": summary["mean"],
        **{key: summary[key] for key in ("ci_low", "ci_high", "iqm", "min", "max")},
        "eval_score": _eval_score(sessions),
    }


def _backend(sessions: list[Session]) -> str | None:
    backends = _distinct(session.record["backend"] for session in sessions)
    if len(backends) > 1:
        raise UserError(f"sessions of one trial were trained with different update backends: {', '.join(backends)}")
    return backends[0] if backends else None


def _metrics(sessions: list[Session], sessions_asked: int, random_mean: float) -> dict[str, Any]:
    """The trial's metrics, each session's, and why those that are NaN are."""
    by_session = {session.index: session.metrics(random_mean) for session in sessions}
    returns = {session.index: session.train["total_reward"].to_numpy() for session in sessions}
    metrics = {name: _mean(values[name] for values in by_session.values()) for name in SESSION_METRICS}
    metrics["consistency"] = consistency(list(returns.values()), random_mean)
    if not sessions:
        notes = dict.fromkeys(metrics, "there is no session")
    else:
        notes = _session_notes({index: why_undefined(by_session[index], returns[index]) for index in by_session})
        if np.isnan(metrics["consistency"]):
            notes["consistency"] = why_consistency_undefined(list(returns.values()))
    session_metrics = [by_session.get(index) for index in range(sessions_asked)]
    return {"metrics": metrics, "session_metrics": session_metrics, "notes": notes}


def _session_notes(reasons: dict[int, dict[str, str]]) -> dict[str, str]:
    """Session -> metric -> reason as one text per metric: `session 0, 2: the gains sum to 0`."""
    notes = {}
    for name in SESSION_METRICS:
        sessions: dict[str, list[int]] = {}
        for index, undefined in reasons.items():
            if name in undefined:
                sessions.setdefault(undefined[name], []).append(index)
        texts = [f"session {', '.join(map(str, indices))}: {reason}" for reason, indices in sessions.items()]
        if texts:
            notes[name] = "; ".join(texts)
    return notes


def _eval_score(sessions: list[Session]) -> float:
    """Mean final total_reward_ma of separate evaluation episodes; NaN where evaluations are inferred from training."""
    evaluations = (session.evaluation for session in sessions)
    return _mean(rows["total_reward_ma"].iloc[-1] for rows in evaluations if (rows["source"] == "eval").all())


def _mean(values: Iterable[float]) -> float:
    """Mean of the values that aren't NaN; NaN if there is none."""
    known = [float(value) for value in values if not np.isnan(value)]
    return sum(known) / len(known) if known else float("nan")


def _distinct(values: Iterable[str | None]) -> list[str]:
    return sorted({value for value in values if value is not None})


def _curve(sessions: list[Session]) -> pd.DataFrame:
    """curve.csv: `frame`, `sessions` (with a return at that frame), then the columns of CURVES."""
    frames = np.array(sorted({frame for session in sessions for frame in session.train["frame"]}), dtype=np.int64)
    columns: dict[str, Any] = {"frame": frames}
    for source, prefix in CURVES.items():
        by_frame = [session.train.set_index("frame")[source].reindex(frames).to_numpy() for session in sessions]
        values = np.column_stack(by_frame) if by_frame else np.empty((0, 0))
        columns.setdefault("sessions", (~np.isnan(values)).sum(axis=1))
        low, high = mean_interval(values)
        means = [_mean(row) for row in values]
        columns |= {f"{prefix}_mean": means, f"{prefix}_ci_low": low, f"{prefix}_ci_high": high}
        columns |= {f"{prefix}_session{session.index}": values[:, i] for i, session in enumerate(sessions)}
    return pd.DataFrame(columns)


def _timing(sessions: list[Session]) -> pd.DataFrame:
    """timing.csv: `frame`, `wall_t_mean`, `fps_mean`; a session counts at the frames that it has."""
    rows = [session.timing for session in sessions]
    if not rows:
        return pd.DataFrame(columns=["frame", "wall_t_mean", "fps_mean"])
    means = pd.concat(rows).groupby("frame", as_index=False)[["wall_t", "fps"]].mean()
    return means.rename(columns={"wall_t": "wall_t_mean", "fps": "fps_mean"})
