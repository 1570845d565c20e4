"""Hogwild trials: all sessions of a trial at once, each a process, training the same parameters in shared memory.

This process makes the common parameters, starts the workers, saves what they have in common and watches over them.
Each worker is a session like any other, which resumes from its own running checkpoint. A trial that was killed goes on
from the parameters as they were saved last and from each worker's own last state. These are from about the same
moment, not from the same one: how workers interleave isn't reproducible anyway.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from typing import Any

from slm.algorithms import DivergedError
from slm.algorithms.hogwild import Common
from slm.artifacts import is_finished
from slm.backend import Backend, configure_process, make_backend
from slm.checkpoint import Checkpoints, unreadable
from slm.errors import UserError
from slm.job import Job
from slm.provenance import code_fingerprint, library_versions
from slm.saving import SessionInterruptedError, collect_signals
from slm.session import Session
from slm.spec import Spec, session_hash, trial_hash
from slm.train import exclusive, train

log = logging.getLogger(__name__)

POLL = 0.2
"""Seconds between two looks at signals and at the clock."""
STOP_TIMEOUT = 120.0
"""Seconds that workers have to save themselves before they are killed."""
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


class WorkerFailedError(Exception):
    """A worker ended before its session did; the message names it."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True)
class Trial:
    """A Hogwild trial to train, and where."""

    spec: Spec
    trial: int
    out: Path
    """Folder of the trial; the artifacts of session s go to ``session<s>`` in it."""
    inprogress: Path
    checkpoint_interval: float
    threads: int = 1
    """Processor threads of each worker."""

    def jobs(self, backend: Backend) -> list[Job]:
        """Its sessions, each with its part of the frames."""
        return [
            Job(
                worker_spec(self.spec), self.trial, number,
                session_hash(self.spec, trial=self.trial, session=number, backend=backend.name),
                self.out / f"session{number}", self.inprogress, self.checkpoint_interval,
            )
            for number in range(self.spec.meta.max_session)
        ]  # fmt: skip

    def folder(self, backend: Backend) -> Path:
        """Where the common parameters are saved while it trains."""
        return self.inprogress / trial_hash(self.spec, trial=self.trial, backend=backend.name)


def worker_spec(spec: Spec) -> Spec:
    """The spec of one worker: an equal part of the frames, rounded down."""
    frames = spec.env.max_frame // spec.meta.max_session
    return spec.model_copy(update={"env": spec.env.model_copy(update={"max_frame": frames})})


def train_trial(trial: Trial, backend: Backend) -> None:
    """Train all sessions of a trial to their end, from wherever an earlier run left them, and publish their artifacts.

    Raises SessionInterruptedError after SIGTERM or SIGINT, when all workers have saved themselves, and
    WorkerFailedError when one of them has ended otherwise; then the others are stopped in the same way.
    """
    jobs, folder = trial.jobs(backend), trial.folder(backend)
    # Mistakes that only show in a session's making are to leave nothing behind; and what this one has compiled the
    # workers find in the cache.
    common = make_common(jobs[0].spec, trial.trial, backend)
    folder.mkdir(parents=True, exist_ok=True)
    with exclusive(folder / "lock"):
        identity = {"trial hash": folder.name, "code fingerprint": code_fingerprint(), **library_versions()}
        checkpoints = Checkpoints(folder, identity)
        if not restore(common, checkpoints) and not all(is_finished(job) for job in jobs):
            _start_again(jobs)
        jobs = [replace(job, common=common) for job in jobs]
        with collect_signals() as received, _workers(jobs, backend, trial.threads) as workers:
            _supervise(workers, received, lambda: save(common, checkpoints), trial.checkpoint_interval)
        checkpoints.remove()


def make_common(spec: Spec, trial: int, backend: Backend) -> Common:
    """What the workers have in common at the first frame: the first session's, moved to shared memory.

    Raises UserError for a mistake that shows in the making of a session.
    """
    session = Session(spec, trial, 0, backend)
    buffers = session.algorithm.common(session.state.agent)
    session.state.world.close()
    for buffer in buffers.values():
        buffer.share_memory_()
    return Common(session.state.streams.init_seed, buffers)


def save(common: Common, checkpoints: Checkpoints) -> None:
    """Write a checkpoint of what the workers have in common."""
    checkpoints.save(dict(common.buffers), {})


def restore(common: Common, checkpoints: Checkpoints) -> bool:
    """Bring the common parameters to where the newest usable checkpoint has them; false without one.

    Raises OSError where none is usable and one could not be read.
    """
    unread: OSError | None = None
    for path in checkpoints.candidates():
        try:
            saved, _ = checkpoints.load(path)
            found = {name: saved[name].reshape(buffer.shape) for name, buffer in common.buffers.items()}
        except Exception as error:  # a damaged file can fail in any way; whatever it is, the next one is tried
            log.warning("the common parameters in %s can't be used: %s", path, error)
            if isinstance(error, OSError):
                unread = error
            continue
        for name, buffer in common.buffers.items():
            buffer.copy_(found[name])
        checkpoints.resumed(path)
        log.info("resumed the common parameters")
        return True
    if unread is not None:
        raise unreadable(unread, checkpoints.latest.parent)
    return False


def _start_again(jobs: Sequence[Job]) -> None:
    """Forget what workers have saved: it is nothing without the parameters that they trained."""
    for job in jobs:
        if job.folder.exists():
            log.warning("session %d starts again: the common parameters are not there any more", job.session)
            shutil.rmtree(job.folder)


# --- the process that watches


@contextmanager
def _workers(jobs: Sequence[Job], backend: Backend, threads: int) -> Iterator[dict[int, SpawnProcess]]:
    """Start a process for each session; none is left when this ends, whatever happens."""
    context: SpawnContext = multiprocessing.get_context("spawn")
    level = log.getEffectiveLevel()
    workers = {
        job.session: context.Process(target=_work, args=(job, backend.name, threads, level), daemon=True,
                                     name=f"session{job.session}")
        for job in jobs
    }  # fmt: skip
    try:
        # A new process would die of a signal that comes before it can save itself; so it begins with them held back.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            for worker in workers.values():
                worker.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        log.info("training in %d processes: %s", len(workers), ", ".join(str(w.pid) for w in workers.values()))
        yield workers
    finally:
        for worker in workers.values():
            if worker.pid is not None:
                worker.kill()
                worker.join()


def _supervise(
    workers: dict[int, SpawnProcess], received: list[int], save: Callable[[], None], interval: float
) -> None:
    """Wait for all workers to finish; save what they have in common on a wall-clock interval and when they stop."""
    due = time.monotonic() + interval
    while running := [worker for worker in workers.values() if worker.exitcode is None]:
        wait([worker.sentinel for worker in running], timeout=POLL)
        if failed := [number for number, worker in workers.items() if worker.exitcode]:
            _stop(workers)
            save()
            raise _failure(workers, failed[0])
        while received:
            number = received.pop(0)
            if number in (signal.SIGTERM, signal.SIGINT):
                _stop(workers)
                save()
                log.info("%s: all workers have saved themselves", signal.Signals(number).name)
                raise SessionInterruptedError(number)
            for worker in running:
                _signal(worker, number)
            due = 0.0
        if time.monotonic() >= due:
            save()
            due = time.monotonic() + interval


def _stop(workers: dict[int, SpawnProcess]) -> None:
    """Ask the workers to save themselves and stop; kill those that don't."""
    for worker in workers.values():
        _signal(worker, signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT
    for number, worker in workers.items():
        worker.join(max(deadline - time.monotonic(), 0.0))
        if worker.exitcode is None:
            log.warning("session %d did not stop within %.0f s: killing it", number, STOP_TIMEOUT)
            worker.kill()
            worker.join()


def _signal(worker: SpawnProcess, number: int) -> None:
    if worker.exitcode is None and worker.pid is not None:
        os.kill(worker.pid, number)  # not reaped yet, so the id is still its own


def _failure(workers: dict[int, SpawnProcess], number: int) -> WorkerFailedError:
    code = workers[number].exitcode
    assert code is not None
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"failed with exit code {code}"
    message = (
        f"session {number} (process {workers[number].pid}) {how}; the other workers were stopped and have saved "
        "themselves, and the same command resumes the trial"
    )
    return WorkerFailedError(message, code if code == UserError.exit_code else 1)


# --- a worker


def _work(job: Job, backend_name: str, threads: int, log_level: int) -> None:
    """Train one session; the exit code says how it ended."""
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # before the first frame there is nothing to save
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the one that watches acts on it
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    logging.basicConfig(
        level=log_level, format=f"%(asctime)s session {job.session}: %(message)s", datefmt="%H:%M:%S", stream=sys.stderr
    )
    configure_process(threads)
    try:
        train(job, make_backend(backend_name))
    except SessionInterruptedError as interruption:
        sys.exit(128 + interruption.signal_number)
    except UserError as error:
        print(f"slm: session {job.session}: {error}", file=sys.stderr)
        sys.exit(UserError.exit_code)
    except (DivergedError, OSError) as error:
        print(f"slm: session {job.session}: {error}", file=sys.stderr)
        sys.exit(1)


def _end_with_parent() -> None:
    """End this process when the one that watches is gone, even if it was killed: nobody would learn of the result."""
    parent: Any = multiprocessing.parent_process()
    wait([parent.sentinel])
    os._exit(1)
