"""Training one session so that nothing is lost: its folder in progress, resuming it, extending another one.

A session works in ``<inprogress>/<session hash>/``, out of reach of whoever cleans up outputs, and copies its
artifacts to their place only when it is done. What is left in the folder at the end allows them to be published again
without training.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from slm.algorithms import DivergedError
from slm.artifacts import finish, is_finished, publish
from slm.asha import EarlyStopping
from slm.atomic import write_atomically
from slm.backend import Backend
from slm.checkpoint import DEVICE, Checkpoints, CorruptCheckpointError, OtherDeviceError, unreadable
from slm.device import choose_device
from slm.errors import UserError
from slm.extension import copy_end
from slm.heartbeat import Heartbeat
from slm.job import RUNGS, Job
from slm.provenance import code_fingerprint, library_versions, versions
from slm.records import Table
from slm.saving import Saver, SessionInterruptedError, collect_signals
from slm.session import Session, Tables

log = logging.getLogger(__name__)

TIMING_COLUMNS = ("frame", "fps", "wall_t")


def train(job: Job, backend: Backend) -> None:
    """Train a session to its end, from wherever an earlier run left it, and publish its artifacts.

    While another process trains the same session (one that outlived its Snakemake, say) this one waits, and then
    publishes what that one made. Raises SessionInterruptedError after SIGTERM or SIGINT, DivergedError where
    the loss is not finite, and OSError where the disk is full or can't be written.
    """
    versions()  # read before the training, not after it
    first = None
    if not job.folder.exists():
        # A mistake that only shows in the session's making (an unknown environment, say) is to leave nothing behind.
        first = _make(job, backend)
        job.folder.mkdir(parents=True, exist_ok=True)
    with exclusive(job.folder / "lock"):
        if is_finished(job):
            log.info("the session is finished already: publishing its artifacts again")
        else:
            _run(job, backend, first)
        publish(job)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a lock that the system releases when the process ends, however it ends."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info("another process is training this session (it holds %s): waiting for it", path)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _run(job: Job, backend: Backend, first: Session | None) -> None:
    """Train to the end. ``first`` is the session at its first frame, where it was made already."""
    checkpoints = Checkpoints(job.folder, _identity_on_device(job, job.hash))
    resumed = _resume(job, backend, checkpoints)
    if resumed is None:
        checkpoints.remove()
        resumed = _extend(job, backend) if job.extends else _start(job, first or _make(job, backend))
    session, tables = resumed
    stopping = _early_stopping(job)
    # What is needed to extend it: all but a replay memory, which is large, is kept in any case.
    keep_end = job.common is None and job.search is None and (job.keep_memory or not session.state.memory.journaled())
    with collect_signals() as received, Heartbeat(job.folder, _about(job), SessionInterruptedError) as heartbeat:
        saver = Saver(session, tables, checkpoints, job.checkpoint_interval, received, keep_end)
        try:
            session.run(tables, heartbeat.before(saver, session), stopping.stops if stopping else None)
        except DivergedError as error:
            frame = session.started_at if saver.saved_at is None else saver.saved_at
            last = f"the last checkpoint ({checkpoints.latest}) is of frame {frame}"
            raise DivergedError(
                f"{error}; {last if checkpoints.candidates() else 'there is no checkpoint yet'}"
            ) from error
    for table in tables.all():
        table.sync()
        table.close()
    if stopping:
        write_atomically(job.folder / RUNGS, stopping.publish())
    finish(job, session)
    if keep_end:
        checkpoints.keep_latest()
    else:
        checkpoints.remove()


def identity(session_hash: str) -> dict[str, Any]:
    """What a checkpoint must share with a session for the session to go on from it."""
    return {"session hash": session_hash, "code fingerprint": code_fingerprint(), **library_versions()}


def _identity_on_device(job: Job, session_hash: str) -> dict[str, Any]:
    """As `identity`, with the kind of device: like the update backends, they differ in the last bits at least."""
    return {**identity(session_hash), DEVICE: choose_device(job.spec, job.trial, job.session).type}


def _early_stopping(job: Job) -> EarlyStopping | None:
    """What decides at rungs whether the session goes on; its records are shared with the search's other sessions."""
    scheduler = job.spec.meta.search_scheduler
    if job.search is None or scheduler is None:
        return None
    code = hashlib.sha256(json.dumps(identity(job.search), sort_keys=True).encode()).hexdigest()
    folder = job.inprogress / f"search-{job.search[:16]}"
    stopping = EarlyStopping(folder, job.trial, scheduler, job.search[:16], code[:16])
    stopping.restore(sorted(job.out.parent.parent.glob(f"trial*/session*/{RUNGS}")))
    return stopping


def _about(job: Job) -> dict[str, Any]:
    """What a sign of life says of the session."""
    names = {"spec_name": job.spec.name, "trial": job.trial, "session": job.session, "out": str(job.out)}
    return {**names, "max_frame": job.spec.env.max_frame}


def _make(job: Job, backend: Backend) -> Session:
    return Session(job.spec, job.trial, job.session, backend, job.common)


def _tables(job: Job, session: Session) -> Tables[Table]:
    """The session's tables, whose files are not touched yet."""
    return Tables(
        Table(job.folder / "train.csv", session.columns),
        Table(job.folder / "eval.csv", [*session.columns, "source"]),
        Table(job.folder / "timing.csv", TIMING_COLUMNS),
    )


def _start(job: Job, session: Session) -> tuple[Session, Tables[Table]]:
    """A session at its first frame, with empty tables."""
    tables = _tables(job, session)
    for table in tables.all():
        table.start()
    return session, tables


def _resume(job: Job, backend: Backend, checkpoints: Checkpoints) -> tuple[Session, Tables[Table]] | None:
    """The session as the newest usable checkpoint has it; None without one.

    Raises OSError where none is usable and one could not be read: it may be sound, and is not to be trained over.
    """
    unread: OSError | None = None
    for path in checkpoints.candidates():
        session = _make(job, backend)  # anew for each: a failed attempt may have changed half of the state
        tables = _tables(job, session)
        try:
            content, manifests = checkpoints.load(path)
            for table, length in zip(tables.all(), content["lengths"], strict=True):
                table.resume(length)
            session.state.restore(content["state"])
            checkpoints.restore_rows(manifests, session.state.memory.journaled())
            checkpoints.resumed(path)
        except (MemoryError, OtherDeviceError):
            raise
        except Exception as error:  # a damaged file can fail in any way; whatever it is, the next one is tried
            reason = str(error) if isinstance(error, CorruptCheckpointError) else f"{type(error).__name__}: {error}"
            log.warning("the checkpoint %s can't be used: %s", path, reason)
            if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
                unread = error
            for table in tables.all():
                table.close()
            continue
        session.started_at = session.state.clock.frame
        log.info("resumed at frame %d", session.started_at)
        return session, tables
    if unread is not None:
        raise unreadable(unread, job.folder)
    return None


def _extend(job: Job, backend: Backend) -> tuple[Session, Tables[Table]]:
    """The session as the one that it extends was before its last step, with copies of its files."""
    assert job.extends is not None
    with exclusive(job.extends / "lock"):
        copy_end(job.extends, job.folder)
    reason = "can't be used; the log says why"
    try:
        resumed = _resume(job, backend, Checkpoints(job.folder, _identity_on_device(job, job.extends.name)))
    except OtherDeviceError:
        resumed, reason = None, "was made on another kind of device; CUDA_VISIBLE_DEVICES= hides a GPU"
    if resumed is None:
        Checkpoints(job.folder, _identity_on_device(job, job.hash)).remove()
        raise UserError(f"--extend: the final state kept in {job.extends} {reason}")
    return resumed
